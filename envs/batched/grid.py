"""Many mazes of MiniGrid stepped as one: what is seen and where a step leads are look-ups in tables of their grids."""

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
from minigrid.core.actions import Actions
from minigrid.core.constants import OBJECT_TO_IDX
from minigrid.envs.memory import MemoryEnv

from engram.envs.batched.sight import WIDEST_VIEW, Sight
from engram.envs.batched.vec_env import WRAPPERS, BatchedVecEnv, Bools, Env, Numbers, find, wrapped_in
from engram.envs.tasks.mazes.grid_task import GridTask
from engram.envs.visibility import Cell, Image
from engram.envs.wrappers.actions import ActionSubset
from engram.envs.wrappers.cue import CueVisible
from engram.envs.wrappers.symbols import SYMBOLS, SymbolView

_WRAPPERS = (WRAPPERS[0], SymbolView, CueVisible, ActionSubset, *WRAPPERS[1:])
_OPEN = np.isin(SYMBOLS[:, 0], [OBJECT_TO_IDX[name] for name in ("empty", "floor", "goal")])  # by code
_JUDGED = 2  # beside 0 for what cannot be entered, 1 for what can


class GridVecEnv(BatchedVecEnv):
    """Mazes whose walls and objects stay as they are: tasks of this project that say so, and MiniGrid-Memory.

    For what it returns and what it takes see `BatchedVecEnv`.
    """

    def __init__(self, env_fns: list[Any]):
        super().__init__(env_fns)
        self._bare: list[Any] = [env.unwrapped for env in self._single]
        self._encoders: list[Any] = [env.get_wrapper_attr("encoder") for env in self._single]
        subsets = [find(env, ActionSubset) for env in self._single]
        first = self._bare[0]
        alike = {(bare.width, bare.height, bare.agent_view_size) for bare in self._bare}
        names = {subset and subset.action_names for subset in subsets}
        if len(alike) > 1 or len(names) > 1:
            raise ValueError(f"GridVecEnv cannot step mazes of different sizes, views or actions: {alike}, {names}")
        self._margin = first.agent_view_size
        self._columns, self._rows = first.width + 2 * self._margin, first.height + 2 * self._margin
        self._sight = Sight(self.num_envs, self._columns, self._rows, self._margin)
        actions = [Actions[name] for name in subsets[0].action_names] if subsets[0] else list(Actions)
        self._turns = np.array([{Actions.left: 3, Actions.right: 1}.get(action, 0) for action in actions])
        self._goes = np.array([action == Actions.forward for action in actions])
        # Of every env: what a step onto a cell means, and where it stands.
        self._ground = np.zeros((self.num_envs, self._sight.area), dtype=np.uint8)
        self._first_cells = np.arange(self.num_envs) * self._sight.area
        self._cells, self._headings, self._steps, self._limits = np.zeros((4, self.num_envs), dtype=np.int64)

    @classmethod
    def understands(cls, env: Env) -> bool:
        bare: Any = env.unwrapped
        view = find(env, SymbolView)
        return (
            wrapped_in(env, _WRAPPERS)
            and (_says_where_it_judges(type(bare)) if isinstance(bare, GridTask) else _is_memory_env(env))
            and view is not None
            and view.encoder is not None
            and bare.agent_view_size <= WIDEST_VIEW
        )

    def _load(self, row: int) -> None:
        bare, encoder = self._bare[row], self._encoders[row]
        judged, cues = _places(self._single[row])
        self._sight.load(row, encoder.codes, encoder.clear, self._numbers(cues))
        self._ground[row] = _OPEN.take(encoder.codes.ravel())
        self._ground[row, self._numbers(judged)] = _JUDGED
        self._cells[row] = self._first_cells[row] + self._numbers([bare.agent_pos])[0]
        self._headings[row], self._steps[row], self._limits[row] = bare.agent_dir, bare.step_count, bare.max_steps

    def _store(self, row: int) -> list[float]:
        bare, steps = self._bare[row], int(self._steps[row])
        x, y = divmod(int(self._cells[row] - self._first_cells[row]), self._rows)
        bare.agent_pos = (x - self._margin, y - self._margin)
        bare.agent_dir, bare.step_count = int(self._headings[row]), steps
        return [0.0] * steps

    def _advance(self, actions: Numbers) -> tuple[npt.NDArray[np.float64], Bools]:
        headings = (self._headings + self._turns[actions]) & 3
        ahead = self._cells + self._sight.ahead[headings] * self._goes[actions]
        ground = self._ground.take(ahead)
        cells = np.where(ground, ahead, self._cells)
        alone = (ground == _JUDGED) | (self._steps + 1 >= self._limits)
        usual = ~alone
        np.copyto(self._cells, cells, where=usual)
        np.copyto(self._headings, headings, where=usual)
        self._steps += usual
        return np.zeros(self.num_envs), alone

    def _observe(self) -> tuple[Image, Bools]:
        return self._sight.look(self._cells, self._headings)

    def _numbers(self, cells: Collection[Cell]) -> Numbers:
        """Number some cells in the grid of their env."""
        return np.array([(x + self._margin) * self._rows + y + self._margin for x, y in cells], dtype=np.int64)


def _says_where_it_judges(task: type[GridTask]) -> bool:
    """Return whether a task names the cells on which it pays or ends, and no subclass has changed the step since."""
    for kind in task.__mro__:
        if "judged_cells" in vars(kind):
            return True
        if not vars(kind).keys().isdisjoint(("step", "_judge", "_sees_cue", "gen_obs")):
            return False
    return False


def _is_memory_env(env: Env) -> bool:
    return type(env.unwrapped) is MemoryEnv and find(env, CueVisible) is not None


def _places(env: Env) -> tuple[Collection[Cell], Collection[Cell]]:
    """Return the cells on which a step may pay or end the episode, and those that show a cue."""
    bare: Any = env.unwrapped
    cue = find(env, CueVisible)
    return (bare.judged_cells(), bare.cues) if cue is None else ((bare.success_pos, bare.failure_pos), (cue.cell,))
