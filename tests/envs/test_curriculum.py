"""Ranges of difficulty: which arguments are drawn, and what held-out episodes are of."""

import pytest

from engram.envs import make_vec_env
from engram.envs.curriculum import curriculum, hardest

RANGES = [
    ("Engram-Chain2-v0", {"hops": (1, 3), "delay": (0, 5)}, {"hops": 3}, {"hops": (3, 3)}),
    ("Engram-Binding-v0", {"cues": [2, 7], "answers": 3}, {"cues": 7}, {"cues": (7, 7)}),
    ("Engram-Binding-v0", {"cues": (2, 3), "lone": (0, 5)}, {"cues": 3, "lone": 5}, {"cues": (3, 3), "lone": (5, 5)}),
    ("Engram-MazeMatch-S13-v0", {"size": (9, 12), "loops": 2}, {"size": 12}, {"sizes": (12, 12), "width": 12}),
    (
        "Engram-MazeSequence-S13-v0",
        {"size": (13, 15), "cues": (1, 3)},
        {"size": 15, "cues": 3},
        {"sizes": (15, 15), "numbers_of_cues": (3, 3)},
    ),
    ("Engram-ReverseRecallEasy-v0", {"length": (2, 9)}, {"length": 9}, {"lengths": (9, 9)}),
    ("Engram-Counting-v0", {"length": (9, 17)}, {"length": 17}, {"lengths": (17, 17)}),
    (
        "Engram-RepeatPreviousEasy-v0",
        {"lag": (2, 5), "length": [7, 11]},
        {"lag": 5, "length": 11},
        {"lags": (5, 5), "lengths": (11, 11)},
    ),
    ("Engram-RoomS11-v0", {"size": (10, 17)}, {"size": 17}, {"sizes": (17, 17)}),
]


@pytest.mark.parametrize(("env_id", "kwargs", "most", "attributes"), RANGES)
def test_held_out_episodes_are_of_the_hardest(env_id, kwargs, most, attributes):
    assert curriculum(env_id, kwargs) == {name: tuple(kwargs[name]) for name in most}
    assert hardest(env_id, kwargs) == {**kwargs, **most}
    env = make_vec_env(env_id, kwargs=hardest(env_id, kwargs)).envs[0].unwrapped
    assert {name: getattr(env, name) for name in attributes} == attributes


def test_shorter_delays_are_for_training_alone():
    kwargs = {"delay": (7, 9), "shorter_from": 2}
    assert curriculum("Engram-TMaze-v0", kwargs) == {"delay": (2, 9)}
    assert hardest("Engram-TMaze-v0", kwargs) == {"delay": (7, 9)}
    assert hardest("Engram-TMaze-v0", {"shorter_from": None}) == {}
    assert curriculum("Engram-TMaze-v0", {**kwargs, "shorter_from": None}) == {}


@pytest.mark.parametrize("env_id", ["Engram-Chain2-v0", "Engram-TMaze-v0", "CartPole-v1", "popgym-AutoencodeEasy-v0"])
def test_what_names_no_range_stays(env_id):
    module = "popgym" if env_id.startswith("popgym") else None
    kwargs = {"delay": (3, 9)} if "TMaze" in env_id else {}
    assert curriculum(env_id, kwargs, module) == {}
    assert hardest(env_id, kwargs, module) == kwargs


def test_an_unknown_id_is_refused():
    with pytest.raises(ValueError, match="no environment is registered as 'Engram-Chian2-v0': did you mean"):
        hardest("Engram-Chian2-v0", {})


@pytest.mark.parametrize(
    ("env_id", "kwargs", "delays"),
    [
        ("Engram-TMazeLong-v0", {"shorter_from": 3}, (3, 200)),
        ("Engram-TMaze-v0", {"shorter_from": 2}, (2, 30)),
        ("Engram-TMaze-v0", {"shorter_from": 2, "delay": (7, 11)}, (2, 11)),
        ("Engram-TMaze-v0", {"shorter_from": None}, None),
    ],
)
def test_what_is_eased_is_told_whoever_set_it(env_id, kwargs, delays):
    assert curriculum(env_id, kwargs) == ({"delay": delays} if delays else {})
    assert "shorter_from" not in hardest(env_id, kwargs)
