"""Ranges of difficulty: which arguments are drawn, and what held-out episodes are of."""

import pytest

from engram.envs import make_vec_env
from engram.envs.curriculum import curriculum, hardest

RANGES = [
    ("Engram-Chain2-v0", {"hops": (1, 3), "delay": (0, 5)}, {"hops": (1, 3)}, 3),
    ("Engram-Binding-v0", {"cues": [2, 7], "answers": 3}, {"cues": (2, 7)}, 7),
]


@pytest.mark.parametrize(("env_id", "kwargs", "drawn", "most"), RANGES)
def test_held_out_episodes_are_of_the_hardest(env_id, kwargs, drawn, most):
    assert curriculum(env_id, kwargs) == drawn
    (name,) = drawn
    assert hardest(env_id, kwargs) == {**kwargs, name: most}
    assert getattr(make_vec_env(env_id, kwargs=hardest(env_id, kwargs)).envs[0].unwrapped, name) == (most, most)


@pytest.mark.parametrize("env_id", ["Engram-Chain2-v0", "Engram-TMaze-v0", "CartPole-v1", "popgym-AutoencodeEasy-v0"])
def test_what_names_no_range_stays(env_id):
    module = "popgym" if env_id.startswith("popgym") else None
    kwargs = {"delay": (3, 9)} if "TMaze" in env_id else {}
    assert curriculum(env_id, kwargs, module) == {}
    assert hardest(env_id, kwargs, module) == kwargs


def test_an_unknown_id_is_refused():
    with pytest.raises(ValueError, match="no environment is registered as 'Engram-Chian2-v0': did you mean"):
        hardest("Engram-Chian2-v0", {})
