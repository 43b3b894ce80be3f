"""`predict`: state in, state out, and a cache that is never taken for another state or other weights."""

import copy

import numpy as np
import pytest
import torch
from gymnasium import spaces
from staggered import ACTIONS, OBSERVATIONS, ROWS, Telling, agent, collect_one, rollouts, vec_env

from engram.memory import tree_map
from engram.memory.episodic.edit import delete_events
from engram.memory.state import leaves


def assert_same(one, other, tolerance=1e-6):
    for a, b in zip(leaves(one), leaves(other), strict=True):
        assert torch.allclose(a.double(), b.double(), atol=tolerance)


def played(model, steps=9, seed=0):
    """Observations [T, B, 4] and a state that has seen all but the last."""
    rng = np.random.default_rng(seed)
    observations = rng.normal(size=(steps, ROWS, 4)).astype(np.float32)
    state = None
    for observation in observations[:-1]:
        _, state = model.predict(observation, state, deterministic=True)
    return observations, state


@pytest.mark.parametrize("observations", OBSERVATIONS)
def test_one_observation_gives_what_a_batch_gives(observations):
    model = agent(vec_env(observation_space=OBSERVATIONS[observations]))
    env = vec_env(observation_space=OBSERVATIONS[observations])
    seen, states, batch_state = env.reset(), [None] * ROWS, None
    for _ in range(6):
        actions, batch_state = model.predict(seen, batch_state, deterministic=True)
        for row in range(ROWS):
            one = {key: value[row] for key, value in seen.items()} if isinstance(seen, dict) else seen[row]
            action, states[row] = model.predict(one, states[row], deterministic=True)
            assert action.shape == ()
            assert action == actions[row]
        seen, _, dones, _ = env.step(actions)
        if dones.any():
            break
    assert_same(tree_map(lambda *parts: torch.cat(parts), *states), batch_state, 1e-5)


@pytest.mark.parametrize("actions", ACTIONS)
def test_actions_have_the_shape_and_bounds_of_their_space(actions):
    space = ACTIONS[actions]
    model = agent(vec_env(action_space=space))
    observations, _ = played(model)
    for deterministic in (True, False):
        batch, _ = model.predict(100 * observations[0], deterministic=deterministic)
        single, _ = model.predict(100 * observations[0, 0], deterministic=deterministic)
        assert batch.shape == (ROWS, *space.shape)
        assert all(space.contains(action) for action in batch)
        assert single.shape == space.shape


def test_carrying_the_state_gives_what_the_rollout_gave():
    model = agent(vec_env(env=Telling, action_space=ACTIONS["box"]))
    with torch.no_grad():
        model.policy.log_std.fill_(-18.0)  # what is sampled is the mean, all but exactly
        model.policy.action_net.weight.mul_(0.1)
    collect_one(model)
    steps, state = model.chunks.steps, None
    for observation, start, action in zip(steps.observation, steps.episode_start, steps.actions, strict=True):
        predicted, state = model.predict(observation.numpy(), state, start.numpy(), deterministic=True)
        assert np.allclose(predicted, action.clamp(-1, 1), atol=1e-5)
    assert_same(state.core.controller, model._state.core.controller, 1e-5)


def test_an_episode_start_forgets_and_no_episode_start_remembers():
    model = agent(vec_env(action_space=ACTIONS["box"]))
    observations, state = played(model)
    fresh, _ = model.predict(observations[-1], deterministic=True)
    restarted, _ = model.predict(observations[-1], state, np.ones(ROWS, dtype=bool), deterministic=True)
    carried, _ = model.predict(observations[-1], state, deterministic=True)
    mixed, _ = model.predict(observations[-1], state, np.array([True, False, True]), deterministic=True)
    assert np.allclose(restarted, fresh, atol=1e-6)
    assert np.abs(carried - fresh).max() > 1e-3
    assert np.allclose(mixed, np.where([[True], [False], [True]], fresh, carried), atol=1e-6)


def test_what_belongs_to_other_envs_is_refused():
    model = agent()
    observations, state = played(model)
    with pytest.raises(ValueError, match="state is of 3 envs, the observation of 1"):
        model.predict(observations[0, 0], state)
    with pytest.raises(ValueError, match="episode_start is of 2 envs, the observation of 3"):
        model.predict(observations[0], state, np.ones(2, dtype=bool))
    with pytest.raises(ValueError, match="action_masks are of 1 envs, the observation of 3"):
        model.predict(observations[0], state, action_masks=np.ones(3, dtype=bool))
    with pytest.raises(ValueError, match="state must be what the last call of predict returned"):
        model.predict(observations[0], (1, 2))


# The cache. Box actions are a continuous function of what is read.


@pytest.fixture
def model():
    wide = spaces.Box(-1e4, 1e4, (2,))  # nothing is clipped, so that every difference shows
    return agent(vec_env(action_space=wide), memory_kwargs={"slots": 6, "heads": 2}, learning_rate=0.02)


@torch.no_grad()
def uncached(model, observation, state):
    """What `predict` must give: nothing is remembered outside the state."""
    starts = torch.zeros(ROWS, dtype=torch.bool)
    step = model.policy.act(torch.as_tensor(observation), state, starts, deterministic=True)
    return step.actions.numpy()


def test_the_cache_gives_what_encoding_again_gives(model):
    observations, state = played(model)
    expected = uncached(model, observations[-1], state)
    assert np.allclose(model.predict(observations[-1], state, deterministic=True)[0], expected, atol=1e-5)


def test_the_cache_is_used(model, monkeypatch):
    observations, state = played(model)
    encoded = []
    encode = model.policy.core.memory.encode
    monkeypatch.setattr(model.policy.core.memory, "encode", lambda events: encoded.append(events) or encode(events))
    model.predict(observations[-1], state)
    assert not encoded
    model.predict(observations[-1], state)  # another step from the same state: the cache is of the step after
    assert encoded


def test_two_continuations_of_one_state_do_not_disturb_each_other(model):
    observations, state = played(model)
    first, _ = model.predict(observations[-1], state, deterministic=True)
    other, after = model.predict(observations[0], state, deterministic=True)
    model.predict(observations[1], after, deterministic=True)
    again, _ = model.predict(observations[-1], state, deterministic=True)
    assert np.allclose(first, again, atol=1e-5)
    assert np.abs(first - other).max() > 1e-4


@pytest.mark.parametrize("row", range(ROWS))
def test_a_changed_state_is_read_as_it_is(model, row):
    observations, state = played(model)
    forgotten = torch.zeros_like(state.core.memory.filled)
    forgotten[row] = True
    memory = delete_events(state.core.memory, forgotten)
    changed = state._replace(core=state.core._replace(memory=memory))
    expected = uncached(model, observations[-1], changed)
    assert np.allclose(model.predict(observations[-1], changed, deterministic=True)[0], expected, atol=1e-5)


def trained(model):
    rollouts(model)
    model.train()


def from_a_vector(model):
    model.policy.load_from_vector(1.3 * model.policy.parameters_to_vector())


def from_a_state_dict(model):
    model.policy.load_state_dict({name: 1.3 * weight for name, weight in model.policy.state_dict().items()})


def through_data(model):
    for parameter in model.policy.parameters():
        parameter.data = 1.3 * parameter.data


def assigned(model):
    scaled = {name: 1.3 * weight for name, weight in model.policy.state_dict().items()}
    model.policy.load_state_dict(scaled, assign=True)


@pytest.mark.parametrize("change", [trained, from_a_vector, from_a_state_dict, through_data, assigned])
def test_the_cache_is_not_used_with_other_weights(model, change):
    observations, state = played(model)
    before, _ = model.predict(observations[-1], state, deterministic=True)
    observations, state = played(model)
    change(model)
    expected = uncached(model, observations[-1], state)
    result, _ = model.predict(observations[-1], state, deterministic=True)
    assert np.abs(before - expected).max() > 1e-3, "the change changes nothing: nothing was tested"
    assert np.allclose(result, expected, atol=1e-5)


def test_where_weights_are_said_to_stay_they_are_not_looked_through_and_nothing_is_kept_after(model, monkeypatch):
    observations, state = played(model)
    expected = uncached(model, observations[-1], state)
    with model.policy.unchanging():
        with monkeypatch.context() as patch:
            patch.setattr("engram.agents.policy._version", lambda *_: pytest.fail("weights are looked through"))
            for observation in observations[-2:]:
                result, after = model.policy.predict(observation, state, deterministic=True)
        assert np.allclose(result, expected, atol=1e-5)
    through_data(model)
    expected = uncached(model, observations[-1], after)
    assert np.allclose(model.predict(observations[-1], after, deterministic=True)[0], expected, atol=1e-5)


def test_a_copy_does_not_use_the_cache_with_other_weights(model):
    observations, state = played(model)
    rollouts(model)
    policy = copy.deepcopy(model.policy)
    policy.predict(observations[-2], state, deterministic=True)
    _, state = policy.predict(observations[-2], state, deterministic=True)
    before, _ = policy.predict(observations[-1], state, deterministic=True)
    _, state = policy.predict(observations[-2], state, deterministic=True)
    for parameter in policy.parameters():
        parameter.grad = torch.ones_like(parameter)
    policy.optimizer.step()
    starts = torch.zeros(ROWS, dtype=torch.bool)
    with torch.no_grad():
        expected = policy.act(torch.as_tensor(observations[-1]), state, starts, deterministic=True).actions.numpy()
    result, _ = policy.predict(observations[-1], state, deterministic=True)
    assert np.abs(before - expected).max() > 1e-3, "the step changes nothing: nothing was tested"
    assert np.allclose(result, expected, atol=1e-5)


def test_a_refused_call_leaves_no_trace():
    """All slots are taken, so that what a refused call would store takes the place of something."""
    masked = agent(memory_kwargs={"slots": 3, "heads": 2})
    observations, state = played(masked)
    for refused in torch.randn(30, ROWS, 4).numpy():
        with pytest.raises(ValueError, match="action masks have 4 entries"):
            masked.predict(refused, state, action_masks=np.ones((ROWS, 4), dtype=bool))
        _, after = masked.predict(observations[-1], state)
        _, expected = agent_like(masked).predict(observations[-1], state)
        assert_same(after.core.memory, expected.core.memory)
        _, state = masked.predict(refused, state)


def agent_like(model):
    """An agent of the same weights that has seen nothing."""
    other = agent(memory_kwargs={"slots": 3, "heads": 2})
    other.policy.load_state_dict(model.policy.state_dict())
    return other


# SB3's entry points without a state.


def test_stateless_entry_points_see_the_first_step_of_an_episode():
    model = agent(vec_env(action_space=ACTIONS["box"]))
    policy, observations = model.policy, torch.randn(ROWS, 4)
    actions, values, log_probs = policy(observations, deterministic=True)
    assert values.shape == (ROWS, 1)
    assert log_probs.shape == (ROWS,)
    assert np.allclose(
        actions.detach().clamp(-1, 1), policy.predict(observations.numpy(), deterministic=True)[0], atol=1e-6
    )
    again, log_probs_again, entropies = policy.evaluate_actions(observations, actions)
    assert torch.allclose(again, values)
    assert torch.allclose(log_probs_again, log_probs)
    assert entropies.shape == (ROWS,)
    assert torch.allclose(policy.predict_values(observations), values)
    assert torch.allclose(policy.get_distribution(observations).mode(), actions)


def test_the_state_is_a_tree_without_a_graph():
    model = agent()
    _, state = played(model)
    assert all(not leaf.requires_grad for leaf in leaves(state))
    assert all(len(leaf) == ROWS for leaf in leaves(state))
