"""Learning from a sequence at once beside its own naive loop over time, forward and backward, in the same run.

    python -m benchmarks.speed.chunks --length 128 --batch 16

Over the registries: each controller that has a faster path than the loop; each memory behind a memoryless controller,
a whole sequence beside one step after the other (with the recorded writes, as in learning); and the scan of the
fast-weight memory alone. The two take turns; each number is the median over the repeats, of CPU time where it
runs on a CPU. What needs the step before it (`lstm`, `gru`) gains by a leaner loop, on a CPU in C.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.arguments import count, make_parser
from benchmarks.speed.report.result import Row, Table
from benchmarks.speed.report.terminal import SpeedProgress, print_table
from benchmarks.speed.session import Session, ratios
from benchmarks.speed.timing import add_device, seconds_in_turns, where
from engram.memory import CONTROLLERS, MEMORIES, Controller, Core, tree_map
from engram.memory.core import CoreState
from engram.memory.fast_weight.memory import delta_rule
from engram.memory.fast_weight.naive import DeltaSteps, delta_loop
from engram.memory.registry import build_controller
from engram.memory.state import State

LENGTH, BATCH = 128, 16
EVENT_SIZE, FEATURES, EPISODE = 16, 64, 50  # an episode starts at one step out of 50


class Case(NamedTuple):
    """Two ways to the same loss, whose backward pass is part of what is measured."""

    name: str
    fast: Callable[[], Tensor]
    loop: Callable[[], Tensor]


def measure(session: Session) -> list[Table]:
    """Return one table."""
    return [compared(LENGTH, BATCH, session.rounds(7, 1), torch.device("cpu"), session.tell)]


def compared(length: int, batch: int, repeats: int, device: torch.device, tell: Callable[[str], None]) -> Table:
    """Compare all cases at one size."""
    torch.manual_seed(0)
    with device:
        cases = list(_cases(length, batch))
    rows = []
    for case in cases:
        tell(case.name)
        taken = seconds_in_turns({"loop": _backward(case.loop), "fast": _backward(case.fast)}, repeats, device)
        ms = {name: [1000 * seconds for seconds in turns] for name, turns in taken.items()}
        rows.append(Row(name=case.name, cells={**ms, "ratio": ratios(ms["loop"], ms["fast"])}))
    title = f"Forward and backward over {length} steps of {batch} rows, ms"
    return Table(
        name="ratio", title=title, columns={"loop": "loop", "fast": "at once", "ratio": "times faster"}, rows=rows
    )


def main() -> None:
    """Print one table."""
    parser = make_parser("benchmarks.speed.chunks", __doc__)
    parser.add_argument("--length", type=count, default=LENGTH, help="steps of a sequence (default: %(default)s)")
    parser.add_argument("--batch", type=count, default=BATCH, help="sequences side by side (default: %(default)s)")
    parser.add_argument("--repeats", type=count, default=7, help="times that each is measured (default: %(default)s)")
    parser.add_argument("--threads", type=count, default=1, help="threads of torch (default: %(default)s)")
    add_device(parser)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    with SpeedProgress({"chunks": 40}) as progress:
        progress.begin("chunks")
        table = compared(chosen.length, chosen.batch, chosen.repeats, chosen.device, progress.tell)
    print_table(table, where(chosen.device))


def _cases(length: int, batch: int) -> Iterator[Case]:
    starts = torch.rand(length, batch) < 1 / EPISODE
    for name, controller in CONTROLLERS.items():
        if controller.run is not Controller.run:
            yield _controller_case(name, starts)
    for name in MEMORIES:
        core = Core(nn.Linear(EVENT_SIZE, FEATURES), torch.zeros(1, EVENT_SIZE), FEATURES, "feedforward", name)
        if core.memory.read_size and not core.memory.feedback_size:
            yield _memory_case(name, core, starts)
    yield _scan_case(starts)


def _controller_case(name: str, starts: Tensor) -> Case:
    controller = build_controller(name, FEATURES)
    inputs = torch.randn(*starts.shape, FEATURES, requires_grad=True)
    state = controller.initial_state(starts.shape[1])

    def loss(run: Callable[..., tuple[Tensor, Any]]) -> Tensor:
        return run(controller.from_input(inputs), state, starts)[0].square().sum()

    return Case(f"controller {name}", lambda: loss(controller.run), lambda: loss(controller.run_naive))


def _memory_case(name: str, core: Core, starts: Tensor) -> Case:
    events = torch.randn(*starts.shape, EVENT_SIZE)
    with torch.no_grad():
        before = core.unroll(events, core.initial_state(starts.shape[1]), starts).state  # in use, as in a later rollout
        decisions = core.unroll(events, before, starts).decisions

    def unroll(state: CoreState, steps: slice) -> tuple[Tensor, CoreState]:
        recorded: State = tree_map(lambda leaf: leaf[steps], decisions)
        unrolled = core.unroll(events[steps], state, starts[steps], recorded)
        return unrolled.features, unrolled.state

    def step_by_step() -> Tensor:
        state, features = before, []
        for t in range(len(starts)):
            now, state = unroll(state, slice(t, t + 1))
            features.append(now)
        return torch.cat(features).square().sum()

    return Case(f"memory {name}", lambda: unroll(before, slice(None))[0].square().sum(), step_by_step)


def _scan_case(starts: Tensor, heads: int = 4, key_size: int = 32, value_size: int = 32) -> Case:
    shape = (*starts.shape, heads)
    unit = nn.functional.normalize
    queries, keys = unit(torch.randn(*shape, key_size), dim=-1), unit(torch.randn(*shape, key_size), dim=-1)
    steps = DeltaSteps(queries, keys, torch.randn(*shape, value_size), torch.rand(shape), -0.1 * torch.rand(shape))
    for part in steps:
        part.requires_grad_()
    weights = torch.randn(starts.shape[1], heads, value_size, key_size, requires_grad=True)

    def loss(scan: Callable[..., tuple[Tensor, Tensor]]) -> Tensor:
        reads, after = scan(steps, weights, starts)
        return reads.square().sum() + after.square().sum()

    return Case("scan delta_rule", lambda: loss(delta_rule), lambda: loss(delta_loop))


def _backward(loss: Callable[[], Tensor]) -> Callable[[], None]:
    return lambda: loss().backward()


if __name__ == "__main__":
    main()
