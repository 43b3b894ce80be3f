"""The ids under which the tasks are registered with Gymnasium."""

import gymnasium as gym

_MAZES = "engram.envs.tasks.mazes"
_SEQUENCES = "engram.envs.tasks.sequences"
_TMAZE = "engram.envs.tasks.tmaze.env:TMaze"
_CONTROL = "engram.envs.tasks.control.position_only"

for _size in (9, 13, 17, 25):
    gym.register(id=f"Engram-MatchS{_size}-v0", entry_point=f"{_MAZES}.match:Match", kwargs={"size": _size})
for _size in (11, 13, 17, 25):
    gym.register(id=f"Engram-RoomS{_size}-v0", entry_point=f"{_MAZES}.room:Room", kwargs={"size": _size})
# The difficulties of the recall mazes.
for _size, _distractors, _loops in ((9, 0, 0), (13, 2, 1), (25, 6, 4), (51, 12, 8)):
    _kwargs = {"size": _size, "distractors": _distractors, "loops": _loops}
    gym.register(id=f"Engram-MazeMatch-S{_size}-v0", entry_point=f"{_MAZES}.maze_match:MazeMatch", kwargs=_kwargs)
    gym.register(
        id=f"Engram-MazeReturn-S{_size}-v0",
        entry_point=f"{_MAZES}.maze_return:MazeReturn",
        kwargs=_kwargs,
    )
for _size, _cues in ((13, 2), (25, 4), (51, 8)):
    gym.register(
        id=f"Engram-MazeSequence-S{_size}-v0",
        entry_point=f"{_MAZES}.maze_sequence:MazeSequence",
        kwargs={"size": _size, "cues": _cues},
    )
gym.register(id="Engram-TMaze-v0", entry_point=_TMAZE)
gym.register(id="Engram-TMazeActive-v0", entry_point=_TMAZE, kwargs={"active": True})
gym.register(
    id="Engram-TMazeLong-v0",
    entry_point=_TMAZE,
    kwargs={"delay": (100, 200), "penalty": 1.0},
)
# The lags and lengths of POPGym's levels.
for _level, _lag, _length in (("Easy", 4, 52), ("Medium", 32, 104), ("Hard", 64, 156)):
    gym.register(
        id=f"Engram-RepeatPrevious{_level}-v0",
        entry_point=f"{_SEQUENCES}.repeat_previous:RepeatPrevious",
        kwargs={"lag": _lag, "length": _length},
    )
    gym.register(
        id=f"Engram-ReverseRecall{_level}-v0",
        entry_point=f"{_SEQUENCES}.reverse_recall:ReverseRecall",
        kwargs={"length": _length},
    )
gym.register(id="Engram-Binding-v0", entry_point=f"{_SEQUENCES}.binding:Binding")
for _hops in (1, 2, 3):
    gym.register(id=f"Engram-Chain{_hops}-v0", entry_point=f"{_SEQUENCES}.chain:Chain", kwargs={"hops": _hops})
gym.register(id="Engram-Counting-v0", entry_point=f"{_SEQUENCES}.counting:Counting")
# As long as Gymnasium's own.
gym.register(
    id="Engram-PositionCartPole-v0",
    entry_point=f"{_CONTROL}:position_cartpole",
    max_episode_steps=500,
)
gym.register(
    id="Engram-PositionPendulum-v0",
    entry_point=f"{_CONTROL}:position_pendulum",
    max_episode_steps=200,
)
