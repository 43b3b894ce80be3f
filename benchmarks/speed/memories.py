"""One learning step (forward and backward over a sequence) of our DNC beside that of the published package `dnc`.

    pip install --no-deps dnc
    python -m benchmarks.speed.memories

Equal sizes, one LSTM layer in front of either and a linear layer behind it, the same inputs, both in this process and
in turns; each number is the median over the repeats, of CPU time where it runs on a CPU. The other registered memories
that feed their read back, at the same sizes where they have them, stand below for comparison.
"""

import argparse
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from benchmarks.arguments import count, make_parser
from benchmarks.speed.timing import add_device, medians, where
from engram.memory import Core
from engram.memory.feedback.loop import EncodedSteps, FeedbackLoop

INPUTS = 32


def main() -> None:
    """Print one table."""
    parser = make_parser("benchmarks.speed.memories", __doc__)
    parser.add_argument("--length", type=count, default=64, help="steps of a sequence (default: %(default)s)")
    parser.add_argument("--batch", type=count, default=16, help="sequences side by side (default: %(default)s)")
    parser.add_argument("--slots", type=count, default=64, help="default: %(default)s")
    parser.add_argument("--word-size", type=count, default=32, help="default: %(default)s")
    parser.add_argument("--read-heads", type=count, default=4, help="default: %(default)s")
    parser.add_argument("--hidden-size", type=count, default=128, help="of the LSTM (default: %(default)s)")
    parser.add_argument("--repeats", type=count, default=9, help="times that each is measured (default: %(default)s)")
    add_device(parser)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)

    sizes = {"slots": options.slots, "word_size": options.word_size, "read_heads": options.read_heads}
    with options.device:
        inputs = torch.randn(options.length, options.batch, INPUTS)
        steps = {
            "package dnc": _package(inputs, options),
            "ours: dnc": _ours("dnc", inputs, options.hidden_size, sizes),
            "ours: dnc, not in C": _not_in_c(_ours("dnc", inputs, options.hidden_size, sizes)),
            "ours: dnc, no links": _ours("dnc", inputs, options.hidden_size, {**sizes, "links": False}),
            "ours: ntm": _ours("ntm", inputs, options.hidden_size, sizes),
        }
    taken = medians(list(steps.values()), options.repeats, options.device)
    shape = f"T={options.length}, B={options.batch}, {sizes}, {where(options.device)}"
    print(f"{'':<22}{'ms':>8}{'x faster':>10}   ({shape})")
    for name, seconds in zip(steps, taken, strict=True):
        print(f"{name:<22}{1000 * seconds:>8.1f}{taken[0] / seconds:>10.2f}")


def _package(inputs: Tensor, options: argparse.Namespace) -> Callable[[], None]:
    # Its sparse variants, which are not used here, import a library for nearest neighbors at once.
    sys.modules.setdefault("pyflann", ModuleType("pyflann"))
    try:
        from dnc import DNC
    except ImportError:
        sys.exit("the package dnc is not installed: pip install --no-deps dnc")
    with torch.device("cpu"):  # from where it moves itself
        model: Any = DNC(
            input_size=INPUTS,
            hidden_size=options.hidden_size,
            rnn_type="lstm",
            num_layers=1,
            num_hidden_layers=1,
            nr_cells=options.slots,
            cell_size=options.word_size,
            read_heads=options.read_heads,
            batch_first=False,
            gpu_id=-1 if options.device.type == "cpu" else options.device.index or 0,
            dropout=0,
        )

    def step() -> None:
        outputs, _ = model(inputs, (None, None, None), reset_experience=True)
        outputs.sum().backward()

    return step


def _ours(memory: str, inputs: Tensor, hidden_size: int, sizes: dict[str, Any]) -> Callable[[], None]:
    core = Core(nn.Identity(), inputs[:1, 0], INPUTS, "lstm", memory, {"hidden_size": hidden_size}, sizes)
    loop = FeedbackLoop(core.controller, core.memory, core.from_feedback)
    steps = EncodedSteps(inputs, inputs, torch.zeros(inputs.shape[:2], dtype=torch.bool))
    # As in the package: from hidden vector and read to as many numbers as there are inputs.
    output = nn.Linear(hidden_size + core.memory.read_size, INPUTS)

    def step() -> None:
        done = loop.unroll(steps, core.initial_state(inputs.shape[1]))
        output(torch.cat([done.hidden, done.memory.read], dim=2)).sum().backward()

    return step


def _not_in_c(step: Callable[[], None]) -> Callable[[], None]:
    """Return the step as it is where there is no C compiler."""

    def slower() -> None:
        of_dnc, of_lstm = "engram.memory.dnc.native.library", "engram.memory.controllers.lstm.native.library"
        with mock.patch(of_dnc, none), mock.patch(of_lstm, none):
            step()

    def none(*_: Any, **__: Any) -> None:  # no `Mock`, which would take as long as a small operation
        return None

    return slower


if __name__ == "__main__":
    main()
