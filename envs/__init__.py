"""Tasks, wrappers, the split by layout and the factory; importing this registers every task with Gymnasium."""

import gymnasium as gym

from envs.factory import make_env, make_vec_env
from envs.split import distinct_layouts, warn_if_few_layouts

for _size in (9, 13, 17, 25):
    gym.register(id=f"Engram-MatchS{_size}-v0", entry_point="envs.match:Match", kwargs={"size": _size})
for _size in (11, 13, 17, 25):
    gym.register(id=f"Engram-RoomS{_size}-v0", entry_point="envs.room:Room", kwargs={"size": _size})
gym.register(id="Engram-TMaze-v0", entry_point="envs.tmaze:TMaze")
gym.register(id="Engram-TMazeActive-v0", entry_point="envs.tmaze:TMaze", kwargs={"active": True})
gym.register(id="Engram-TMazeLong-v0", entry_point="envs.tmaze:TMaze", kwargs={"delay": (100, 200), "penalty": 1.0})

__all__ = ["distinct_layouts", "make_env", "make_vec_env", "warn_if_few_layouts"]
