"""Does a split leak? Layouts met on each side, an estimate of all, and those that an independent hash finds twice."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from minigrid.core.constants import OBJECT_TO_IDX
from minigrid.minigrid_env import MiniGridEnv

from engram.envs.closing import close
from engram.envs.split.by_layout import SIDES, Side, has_layouts

_MOVABLE = [OBJECT_TO_IDX[kind] for kind in ("key", "ball", "box")]
_PLAYED = 24


class SideMet(NamedTuple):
    """What was met on one side."""

    resets: int
    met: int
    """Distinct layouts (or episodes, where the split is by seed)."""
    estimated: float
    """How many there are at least: `met` if each was met again, else Chao's estimate from those met once or twice."""


class Leakage(NamedTuple):
    """A leakage report."""

    by: str
    """"layout" or "seed"."""
    sides: dict[Side, SideMet]
    checked_by: str | None
    """What the independent hash is of: "grid" or "episode"; None if there is nothing to hash."""
    shared: int
    """Mazes (or episodes) that the independent hash found on more than one side."""

    @property
    def estimated(self) -> float:
        """How many layouts or episodes there are in all, at least."""
        return sum(side.estimated for side in self.sides.values())

    def as_json(self) -> dict[str, Any]:
        sides = {name: side._asdict() for name, side in self.sides.items()}
        return {**self._asdict(), "sides": sides, "estimated": self.estimated}

    def __str__(self) -> str:
        what = "layouts" if self.by == "layout" else "episodes"
        sides = ", ".join(f"{name} {_text(side)}" for name, side in self.sides.items())
        resets = sum(side.resets for side in self.sides.values())
        checked = {
            "grid": f"{self.shared} on two sides by a hash of the whole grid",
            "episode": f"{self.shared} on two sides by a hash of what is seen",
            None: "no independent hash, for there is no grid",
        }[self.checked_by]
        return f"split by {self.by}: {what} met: {sides}; {checked}, in {resets:,} resets"


def measure_leakage(make: Callable[[Side], gym.Env[Any, Any]], *, seed: int, resets: int, seconds: float) -> Leakage:
    """Reset an environment of every side over and over, and compare what they show.

    Layouts are counted by the split's own key; what is compared between sides is an independent hash: of the whole
    grid as MiniGrid encodes it and the agent's pose, or, where a split is by seed, of the observations and rewards of
    an episode under fixed actions.

    Args:
        make: makes the environment of one side, as ``make_env`` does.
        seed: of the first episodes.
        resets: on each side, at most.
        seconds: after which to stop.

    Returns:
        The report. Whatever two sides share is leakage.
    """
    envs = {side: make(side) for side in SIDES}
    for number, env in enumerate(envs.values()):
        env.reset(seed=seed + number)
    by_layout = has_layouts(envs["train"])
    is_grid = isinstance(envs["train"].unwrapped, MiniGridEnv)
    met: dict[Side, Counter[str]] = {side: Counter() for side in SIDES}
    found: dict[bytes, set[Side]] = {}
    until = time.monotonic() + seconds
    for _ in range(resets):
        if time.monotonic() > until:
            break
        for side, env in envs.items():
            observation, info = env.reset()
            if is_grid:
                fingerprint = _of_grid(env)
            elif not by_layout:
                fingerprint = _of_episode(env, observation)
            else:
                fingerprint = b""
            met[side][info["layout"] if by_layout else fingerprint.hex()] += 1
            if fingerprint:
                found.setdefault(fingerprint, set()).add(side)
    for env in envs.values():
        close(env)
    sides = {side: SideMet(counts.total(), len(counts), _estimate(counts)) for side, counts in met.items()}
    checked_by = "grid" if is_grid else None if by_layout else "episode"
    return Leakage("layout" if by_layout else "seed", sides, checked_by, sum(len(of) > 1 for of in found.values()))


def _of_grid(env: gym.Env[Any, Any]) -> bytes:
    """Hash the whole grid and the pose of the agent; colors and the kinds of movable things do not count."""
    bare: Any = env.unwrapped
    kinds = bare.grid.encode()[:, :, 0]
    kinds[np.isin(kinds, _MOVABLE)] = _MOVABLE[0]
    pose = np.array([*bare.agent_pos, bare.agent_dir])
    return hashlib.sha256(repr(kinds.shape).encode() + kinds.tobytes() + pose.tobytes()).digest()


def _of_episode(env: gym.Env[Any, Any], observation: Any) -> bytes:
    """Hash the first steps of an episode under fixed actions."""
    digest = hashlib.sha256()
    env.action_space.seed(0)
    for _ in range(_PLAYED):
        _feed(digest, observation)
        observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        digest.update(np.float64(reward).tobytes())
        if terminated or truncated:
            break
    _feed(digest, observation)
    return digest.digest()


def _feed(digest: Any, observation: Any) -> None:
    if isinstance(observation, dict):
        for key in sorted(observation):
            _feed(digest, observation[key])
    elif isinstance(observation, tuple):
        for part in observation:
            _feed(digest, part)
    else:
        digest.update(np.ascontiguousarray(observation).tobytes())


def _estimate(counts: Counter[str]) -> float:
    """Estimate how many kinds there are at least, from how many were met once and twice (Chao 1984, bias-corrected)."""
    times = Counter(counts.values())
    return len(counts) + times[1] * (times[1] - 1) / (2 * (times[2] + 1))


def _text(side: SideMet) -> str:
    if side.met == side.resets > 1:
        return f"{side.met:,}, all new"
    estimated = round(side.estimated)
    return f"{side.met:,} of {'at least ' if estimated > side.met else ''}{estimated:,}"
