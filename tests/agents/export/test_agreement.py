"""onnxruntime says what torch says: behind every controller, with every memory, for every space."""

import json

import numpy as np
import onnxruntime
import pytest
from own_memories import OWN_MEMORIES
from staggered import ACTIONS, OBSERVATIONS, ROWS, MaskedByObservation, agent, vec_env

from engram.agents.export.agreement import Agreement, OnnxPolicy, agreement
from engram.agents.export.onnx import export_onnx
from engram.memory import CONTROLLERS, MEMORIES

STEPS = 70  # of each row: the longest episode has 17
EPISODIC = {"slots": 4, "heads": 2, "key_size": 5, "value_size": 9, "step_embedding_size": 4}
SIZES = {"episodic": EPISODIC, "ntm": {"slots": 5}, "dnc": {"slots": 5}, "transformer": {"window": 4}}
PAIRS = [
    *(("lstm", memory, SIZES.get(memory, {})) for memory in [*MEMORIES, *OWN_MEMORIES]),
    *((controller, "episodic", EPISODIC) for controller in CONTROLLERS if controller != "lstm"),
    ("gru", "ntm", {"slots": 7, "word_size": 3, "write_heads": 2, "shift": 3}),
    ("gru", "dnc", {"slots": 5, "read_heads": 3, "masked_content": True, "deallocate": True, "sharpen_links": True}),
    ("gru", "dnc", {"slots": 3, "links": False, "normalize_interface": True}),
    ("gru", "registers", {"feedback": False}),
    ("transformer", "episodic", {**EPISODIC, "slots": 37, "hops": 2, "step_embedding_size": 0}),
]


def held(model, env, path):
    """Export, and compare in an env; return the file's description."""
    about = export_onnx(model, path, env.num_envs)
    found = agreement(model.policy, path, env, STEPS)
    assert found.holds(), found
    assert found.carried == 1.0
    return about


@pytest.mark.parametrize(("controller", "memory", "kwargs"), PAIRS, ids=lambda part: str(part)[:30])
def test_every_controller_and_memory(controller, memory, kwargs, tmp_path):
    env = vec_env(observation_space=OBSERVATIONS["discrete"])  # events recur, so that some are equal
    held(agent(env, memory, controller, kwargs), env, tmp_path / "policy.onnx")


@pytest.mark.parametrize("name", OBSERVATIONS)
def test_every_observation(name, tmp_path):
    memory = "episodic" if name == "dict" else "none"  # one of all kinds says enough of how events are compared
    model = agent(vec_env(observation_space=OBSERVATIONS[name]), memory)
    about = held(model, model.get_env(), tmp_path / "policy.onnx")
    expected = {f"observation.{key}" for key in OBSERVATIONS[name]} if name == "dict" else {"observation"}
    assert set(about["observation"]) == expected


@pytest.mark.parametrize("name", ACTIONS)
def test_every_action(name, tmp_path):
    space = ACTIONS[name]
    env = vec_env(action_space=space)
    model = agent(env, "none")
    about = held(model, env, tmp_path / "policy.onnx")
    assert about["action"]["kind"] == type(space).__name__
    run = OnnxPolicy(tmp_path / "policy.onnx")
    starts, observations = np.ones(ROWS, dtype=bool), env.reset()
    distribution = model.policy.get_distribution(model.policy.obs_to_tensor(observations)[0])
    state = [np.zeros(leaf["shape"], leaf["dtype"]) for leaf in about["state"].values()]
    made = dict(zip(run.outputs, run([starts, observations, *state]), strict=True))
    parts = [made[part] for part in about["distribution"]]
    if name == "multidiscrete":
        wanted = [np.concatenate([part.probs.detach() for part in distribution.distribution], axis=1)]
    elif name in ("discrete", "multibinary"):
        wanted = [distribution.distribution.probs.detach()]
    else:
        wanted = [distribution.distribution.mean.detach(), distribution.distribution.stddev.detach()]
    for part, other in zip(parts, wanted, strict=True):
        np.testing.assert_allclose(part, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["discrete", "multidiscrete"])
def test_masks_in_the_observation(name, tmp_path):
    env = vec_env(env=MaskedByObservation, action_space=ACTIONS[name])  # refuses what is forbidden
    held(agent(env, "none"), env, tmp_path / "policy.onnx")


def test_keys_that_do_not_count_when_events_are_compared(tmp_path):
    env = vec_env(observation_space=OBSERVATIONS["dict"])
    model = agent(env, policy_kwargs={"features_dim": 11, "ignored_keys": ["place.x", "picture", "cells"]})
    held(model, model.get_env(), tmp_path / "policy.onnx")


def test_observations_that_the_agent_normalizes(tmp_path):
    env = vec_env()
    model = agent(env, "none", encoder_kwargs={"normalize": True})
    model.learn(100)
    held(model, env, tmp_path / "policy.onnx")


def test_more_kinds_of_cells_than_a_table_has(tmp_path, monkeypatch):
    monkeypatch.setattr("engram.agents.encoders.symbols.MOST_KINDS", 7)
    env = vec_env(observation_space=OBSERVATIONS["grid"])
    held(agent(env, "none"), env, tmp_path / "policy.onnx")


@pytest.mark.parametrize("memory", ["episodic", "dnc"])
def test_nothing_is_left_of_the_state_where_an_episode_starts(memory, tmp_path):
    env = vec_env()
    about = export_onnx(agent(env, memory, memory_kwargs=SIZES[memory]), tmp_path / "policy.onnx", ROWS)
    run, seen = OnnxPolicy(tmp_path / "policy.onnx"), env.reset()
    zeros = [np.zeros(leaf["shape"], leaf["dtype"]) for leaf in about["state"].values()]
    broken = [np.full_like(leaf, np.nan if leaf.dtype == np.float32 else 3) for leaf in zeros]
    of_all = np.ones(ROWS, dtype=bool)
    for first, second in zip(run([of_all, seen, *zeros])[:3], run([of_all, seen, *broken])[:3], strict=True):
        np.testing.assert_array_equal(first, second)
        assert np.isfinite(second).all()


def test_the_file_tells_what_is_in_it(tmp_path):
    env = vec_env()
    about = export_onnx(agent(env, "none"), tmp_path / "policy.onnx", ROWS)
    session = onnxruntime.InferenceSession(tmp_path / "policy.onnx")
    assert json.loads(session.get_modelmeta().custom_metadata_map["engram"]) == about
    inputs = {given.name: given.shape for given in session.get_inputs()}
    described = {**about["observation"], **about["state"]}
    assert inputs == {"episode_start": [ROWS], **{name: leaf["shape"] for name, leaf in described.items()}}
    outputs = [made.name for made in session.get_outputs()]
    assert outputs == ["action", *about["distribution"], "value", *(f"next.{name}" for name in about["state"])]


def test_a_file_of_another_agent_does_not_agree(tmp_path):
    env = vec_env()
    export_onnx(agent(env, "none", seed=1), tmp_path / "policy.onnx", ROWS)
    found = agreement(agent(env, "none", seed=2).policy, tmp_path / "policy.onnx", env, STEPS)
    assert not found.holds()


@pytest.mark.parametrize("found", [(9, 0.99, 0.0, 1.0), (9, 1.0, 2e-4, 1.0), (9, 1.0, 0.0, 0.99)])
def test_what_does_not_hold(found):
    assert Agreement(9, 1.0, 1e-5, 0.9995).holds()
    assert not Agreement(*found).holds()
