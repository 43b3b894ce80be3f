"""Whether the cue is in sight, for tasks that do not report it themselves."""

from typing import Any, SupportsFloat

import gymnasium as gym

from engram.envs.visibility import Cell, image_shows


class CueVisible(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Puts ``cue_visible`` into the info of a MiniGrid environment whose cue lies at a known cell.

    Args:
        env: an environment whose observation is the symbol image, as ``SymbolView`` makes it.
        cell: the cue's cell (x, y).
    """

    def __init__(self, env: gym.Env[Any, Any], cell: Cell):
        gym.utils.RecordConstructorArgs.__init__(self, cell=cell)
        super().__init__(env)
        self.cell = cell

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        info["cue_visible"] = self._sees_cue(observation)
        return observation, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        info["cue_visible"] = self._sees_cue(observation)
        return observation, reward, terminated, truncated, info

    def _sees_cue(self, image: Any) -> bool:
        env: Any = self.env.unwrapped
        return image_shows(image, env.agent_pos, env.agent_dir, self.cell)
