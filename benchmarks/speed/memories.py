"""One learning step (forward and backward over a sequence) of our DNC beside that of the published package `dnc`.

    pip install --no-deps dnc
    python -m benchmarks.speed.memories

Equal sizes, one LSTM layer in front of either and a linear layer behind it, the same inputs, both in this process and
in turns; each number is the median over the repeats, of CPU time where it runs on a CPU. The other registered memories
that feed their read back, at the same sizes where they have them, stand below for comparison.
"""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from types import ModuleType
from typing import Any, NamedTuple
from unittest import mock

import torch
from torch import Tensor, nn

from benchmarks.arguments import count, make_parser
from benchmarks.speed.report.result import Row, Table
from benchmarks.speed.report.terminal import print_table
from benchmarks.speed.session import Missing, Session, ratios
from benchmarks.speed.timing import add_device, seconds_in_turns, where
from engram.memory import Core
from engram.memory.feedback.loop import EncodedSteps, FeedbackLoop

INPUTS = 32
PACKAGE = "package dnc"


class Sizes(NamedTuple):
    """Of the compared steps."""

    length: int = 64
    batch: int = 16
    slots: int = 64
    word_size: int = 32
    read_heads: int = 4
    hidden_size: int = 128

    @property
    def of_memory(self) -> dict[str, Any]:
        """Arguments of the memory."""
        return {"slots": self.slots, "word_size": self.word_size, "read_heads": self.read_heads}


def measure(session: Session) -> list[Table]:
    """Return one table."""
    session.tell("learning steps in turns")
    return [compared(Sizes(), session.rounds(9, 2), torch.device("cpu"))]


def compared(sizes: Sizes, repeats: int, device: torch.device) -> Table:
    """Compare all memories at one size.

    Raises:
        Missing: if the package is not installed.
    """
    torch.manual_seed(0)
    hidden, own = sizes.hidden_size, sizes.of_memory
    with device:
        inputs = torch.randn(sizes.length, sizes.batch, INPUTS)
        steps = {
            PACKAGE: _package(inputs, sizes, device),
            "ours: dnc": _ours("dnc", inputs, hidden, own),
            "ours: dnc, not in C": _not_in_c(_ours("dnc", inputs, hidden, own)),
            "ours: dnc, no links": _ours("dnc", inputs, hidden, {**own, "links": False}),
            "ours: ntm": _ours("ntm", inputs, hidden, own),
        }
    taken = seconds_in_turns(steps, repeats, device)
    rows = [
        Row(
            name=name,
            cells={"step": [1000 * seconds for seconds in turns], "ratio": ratios(taken[PACKAGE], turns)},
        )
        for name, turns in taken.items()
    ]
    title = f"A learning step over {sizes.length} steps of {sizes.batch} rows"
    return Table(name="learning", title=title, columns={"step": "ms", "ratio": "times faster"}, rows=rows)


def main() -> int:
    """Print one table; return the exit code."""
    parser = make_parser("benchmarks.speed.memories", __doc__)
    helps = {"length": "steps of a sequence ", "batch": "sequences side by side ", "hidden_size": "of the LSTM "}
    for name, size in Sizes()._asdict().items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=count, default=size, help=helps.get(name, "") + "(default: %(default)s)")
    parser.add_argument("--repeats", type=count, default=9, help="times that each is measured (default: %(default)s)")
    add_device(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sizes = Sizes(*(getattr(options, name) for name in Sizes._fields))
    try:
        table = compared(sizes, options.repeats, options.device)
    except Missing as error:
        print(f"memories: {error}", file=sys.stderr)
        return 1
    print_table(table, f"{sizes.of_memory}, {where(options.device)}")
    return 0


def _package(inputs: Tensor, sizes: Sizes, device: torch.device) -> Callable[[], None]:
    # Its sparse variants, which are not used here, import a library for nearest neighbors at once.
    sys.modules.setdefault("pyflann", ModuleType("pyflann"))
    try:
        from dnc import DNC
    except ImportError as error:
        raise Missing("the package dnc is not installed: pip install --no-deps dnc") from error
    with torch.device("cpu"):  # from where it moves itself
        model: Any = DNC(
            input_size=INPUTS,
            hidden_size=sizes.hidden_size,
            rnn_type="lstm",
            num_layers=1,
            num_hidden_layers=1,
            nr_cells=sizes.slots,
            cell_size=sizes.word_size,
            read_heads=sizes.read_heads,
            batch_first=False,
            gpu_id=-1 if device.type == "cpu" else device.index or 0,
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
        with ExitStack() as patches:
            for module in ("dnc.native", "controllers.lstm.native", "native.product"):
                patches.enter_context(mock.patch(f"engram.memory.{module}.library", none))
            step()

    def none(*_: Any, **__: Any) -> None:  # no `Mock`, which would take as long as a small operation
        return None

    return slower


if __name__ == "__main__":
    sys.exit(main())
