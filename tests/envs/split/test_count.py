import warnings

import pytest

from engram.envs import distinct_layouts, make_vec_env, warn_if_few_layouts


def test_layouts_are_counted_over_all_envs_and_few_of_them_warned_of():
    few = make_vec_env("MiniGrid-MemoryS13-v0", n_envs=3, seed=0, split="train")
    many = make_vec_env("Engram-MatchS13-v0", n_envs=3, seed=0, split="train")
    none = make_vec_env("CartPole-v1", n_envs=2, seed=0)
    for vec_env in (few, many, none):
        for _ in range(50):
            vec_env.reset()
    assert distinct_layouts(few) == 6
    assert distinct_layouts(many) > 140
    assert distinct_layouts(none) == 0
    with pytest.warns(UserWarning, match="only 6 distinct layouts were met"):
        warn_if_few_layouts(few)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_few_layouts(many)
        warn_if_few_layouts(none)
