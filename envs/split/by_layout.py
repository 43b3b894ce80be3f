"""The split by layout: every maze belongs to one of three sides, by a rule on a hash of its geometry."""

import hashlib
from collections import deque
from collections.abc import Sequence
from typing import Any, Literal, SupportsFloat, get_args

import gymnasium as gym
from minigrid.core.world_object import WorldObj
from minigrid.minigrid_env import MiniGridEnv

Side = Literal["train", "validation", "test"]
SIDES: tuple[Side, ...] = get_args(Side)

# Below this share of hashes: train; below the next: validation; the rest: test.
_TRAIN, _VALIDATION = 0.70, 0.85
# Chosen once so that every MiniGrid-Memory task, the smallest of which has four start positions, has all three sides.
_SALT = b"engram-161"
_REJECTED = 1000  # resets in a row that may miss a side
_COUNTED = 50_000  # layouts that an environment remembers

# What a cell is to the geometry. Doors of any color or state are one, and so are things that can be carried.
_GEOMETRY = {"wall": 1, "floor": 2, "door": 3, "key": 4, "ball": 4, "box": 4, "goal": 5, "lava": 6}


def layout_key(env: gym.Env[Any, Any]) -> str:
    """Identify the maze that an environment was just reset to, by its geometry alone.

    Walls, doors, lava, goal, floor, the places of things and the agent's start cell and heading count; the kinds and
    colors of things do not, so that all variants of cue and answer in one maze share a key. An environment may
    define its layout itself, by a method ``layout_key() -> str``.

    Args:
        env: an environment after ``reset``, bare or wrapped.

    Returns:
        16 hexadecimal digits.

    Raises:
        ValueError: if the environment is no MiniGrid one and has no method ``layout_key``.
    """
    bare: Any = env.unwrapped
    own = getattr(bare, "layout_key", None)
    if own is not None:
        text = str(own()).encode()
    elif isinstance(bare, MiniGridEnv):
        cells = bytes([0 if cell is None else _GEOMETRY.get(cell.type, 7) for cell in _cells(bare)])
        x, y = (int(value) for value in bare.agent_pos)
        text = f"{bare.grid.width} {bare.grid.height} {x} {y} {int(bare.agent_dir)} ".encode() + cells
    else:
        raise ValueError(f"{_name(env)} has no layout: it is no MiniGrid environment and has no method layout_key()")
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def side_of(key: str) -> Side:
    """Return the side of a layout key: 70 % train, 15 % validation, 15 % test, the same on every machine."""
    digest = hashlib.blake2b(key.encode(), digest_size=8, key=_SALT).digest()
    share = int.from_bytes(digest, "big") / 2**64
    return "train" if share < _TRAIN else "validation" if share < _VALIDATION else "test"


class SplitByLayout(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Plays only the mazes of one side: a reset draws again until the layout is on it.

    ``info["layout"]`` holds the layout key after a reset and at an episode's last step.

    Args:
        env: an environment that has layouts (see ``layout_key``).
        side: "train", "validation" or "test"; None accepts every layout, and only reports and counts them.

    Raises:
        ValueError: on an unknown side, on an environment without layouts, and at a reset that was rejected 1,000 times.
    """

    def __init__(self, env: gym.Env[Any, Any], side: Side | None):
        gym.utils.RecordConstructorArgs.__init__(self, side=side)
        super().__init__(env)
        if side is not None:
            check_side(side)
        if not has_layouts(env):
            raise ValueError(
                f"{_name(env)} has no layouts to split by: use split=None, or give it a method layout_key() -> str"
            )
        self.side = side
        self.layouts_seen: set[str] = set()
        self.episodes_begun = 0
        self._layout = ""
        self._next: deque[int] = deque()

    def layouts_of(self, seeds: Sequence[int]) -> list[str | None]:
        """Reset with each of these seeds; return the keys of the layouts, None for those of another side."""
        keys = []
        for seed in seeds:
            self.env.reset(seed=seed)
            key = layout_key(self.env)
            keys.append(key if self.side is None or side_of(key) == self.side else None)
        return keys

    def queue_seeds(self, seeds: Sequence[int]) -> None:
        """Use these seeds for the next resets that are given none; a reset with a seed ends that."""
        self._next = deque(seeds)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        if seed is not None:
            self._next.clear()
        elif self._next:
            seed = self._next.popleft()
        met = set()
        for _ in range(_REJECTED + 1):
            observation, info = self.env.reset(seed=seed, options=options)
            key = layout_key(self.env)
            if self.side is None or side_of(key) == self.side:
                if len(self.layouts_seen) < _COUNTED:
                    self.layouts_seen.add(key)
                self.episodes_begun += 1
                self._layout = info["layout"] = key
                return observation, info
            met.add(key)
            seed = None  # A second reset with the same seed would draw the same maze.
        raise ValueError(
            f"{_name(self.env)}: no layout on the {self.side} side in {_REJECTED + 1:,} resets, which met {len(met)}"
            " distinct layouts: widen the range of mazes (size, delay, ...) or use split=None"
        )

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        if terminated or truncated:
            info["layout"] = self._layout
        return observation, reward, terminated, truncated, info


def has_layouts(env: gym.Env[Any, Any]) -> bool:
    """Return whether ``layout_key`` can identify the layouts of an environment."""
    return isinstance(env.unwrapped, MiniGridEnv) or hasattr(env.unwrapped, "layout_key")


def check_side(side: Side) -> Side:
    """Return `side`.

    Raises:
        ValueError: if it is not one of the three.
    """
    if side not in SIDES:
        raise ValueError(f"split={side!r} must be one of {', '.join(SIDES)}, or None for all layouts")
    return side


def _cells(env: MiniGridEnv) -> list[WorldObj | None]:
    cells: list[WorldObj | None] = env.grid.grid
    return cells


def _name(env: gym.Env[Any, Any]) -> str:
    return env.spec.id if env.spec is not None else type(env.unwrapped).__name__
