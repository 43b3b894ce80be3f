"""Tables of mazes of MiniGrid: what a step onto a cell means, and what is seen from it."""

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from minigrid.core.actions import Actions
from minigrid.core.constants import OBJECT_TO_IDX
from minigrid.envs.memory import MemoryEnv

from engram.envs.batched.sight import WIDEST_VIEW, Sight
from engram.envs.batched.vec_env import WRAPPERS, Env, Numbers, find, wrapped_in
from engram.envs.tasks.mazes.grid_task import GridTask
from engram.envs.visibility import Cell
from engram.envs.wrappers.actions import ActionSubset
from engram.envs.wrappers.cue import CueVisible
from engram.envs.wrappers.odometry import OdometrySeen
from engram.envs.wrappers.symbols import SYMBOLS, SymbolView

OPEN, JUDGED = 1, 2
"""What a step onto a cell means: nothing else, or that it may pay or end the episode. 0 is for what is in the way."""
_WRAPPERS = (WRAPPERS[0], SymbolView, CueVisible, ActionSubset, OdometrySeen, *WRAPPERS[1:])
_IS_OPEN = np.isin(SYMBOLS[:, 0], [OBJECT_TO_IDX[name] for name in ("empty", "floor", "goal")])  # by code


class MazeTables:
    """Mazes whose walls and objects stay as they are, each as it was drawn by an env of the same kind.

    Cells are numbered through all mazes, margins included.

    Args:
        env: one of the envs, for the size of mazes and views and for the actions.
        mazes: how many.
    """

    def __init__(self, env: Env, mazes: int):
        bare: Any = env.unwrapped
        self._margin = bare.agent_view_size
        self._rows = bare.height + 2 * self._margin
        self.sight = Sight(mazes, bare.width + 2 * self._margin, self._rows, self._margin)
        self.area = self.sight.area
        self.ground: npt.NDArray[np.uint8] = np.zeros((mazes, self.area), dtype=np.uint8)
        subset = find(env, ActionSubset)
        actions = list(Actions) if subset is None else [Actions[name] for name in subset.action_names]
        # Of every action: by how much it turns to the right, and whether it goes forward.
        self.turns = np.array([{Actions.left: 3, Actions.right: 1}.get(action, 0) for action in actions])
        self.goes = np.array([action == Actions.forward for action in actions])

    def load(self, maze: int, env: Env) -> None:
        """Put in the maze that an env is in."""
        encoder = env.get_wrapper_attr("encoder")
        judged, cues = _places(env)
        self.sight.load(maze, encoder.codes, encoder.clear, self.numbers(cues))
        self.ground[maze] = _IS_OPEN.take(encoder.codes.ravel())  # OPEN or not
        self.ground[maze, self.numbers(judged)] = JUDGED

    def numbers(self, cells: Iterable[Iterable[int]]) -> Numbers:
        """Number some cells (x, y) of the first maze."""
        return np.array([(x + self._margin) * self._rows + y + self._margin for x, y in cells], dtype=np.int64)

    def place(self, number: int) -> Cell:
        """Return the cell of a number."""
        x, y = self.columns_and_rows(number)
        return x - self._margin, y - self._margin

    def columns_and_rows(self, numbers: Any) -> tuple[Any, Any]:
        """Return the columns and rows of cells in their mazes, margins included, by a number, an array or a tensor."""
        inside = numbers % self.area
        return inside // self._rows, inside % self._rows


def has_tables(env: Env) -> bool:
    """Return whether an env is a maze for these tables: a task that names where it judges, or MiniGrid-Memory."""
    bare: Any = env.unwrapped
    view = find(env, SymbolView)
    return (
        wrapped_in(env, _WRAPPERS)
        and (_says_where_it_judges(type(bare)) if isinstance(bare, GridTask) else _is_memory_env(env))
        and view is not None
        and view.encoder is not None
        and bare.agent_view_size <= WIDEST_VIEW
    )


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
