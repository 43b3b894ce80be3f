"""Returns against their definition, and bootstrapping with the memory that the agent has at the cut."""

import numpy as np
import pytest
import torch
from staggered import LENGTHS, ROWS, STEPS, collect_one, counting_agent

from engram.agents.rollout.returns import generalized_advantages, largest_return, next_values

TIME, BATCH = 13, 5


def random_rollout(seed):
    torch.manual_seed(seed)
    values, truncated_values, rewards = torch.randn(3, TIME, BATCH)
    last_values = torch.randn(BATCH)
    end = torch.rand(TIME, BATCH)
    return rewards, values, last_values, end < 0.15, (end > 0.15) & (end < 0.3), truncated_values


@pytest.mark.parametrize("seed", range(5))
def test_what_follows_a_step(seed):
    _, values, last_values, terminated, truncated, truncated_values = random_rollout(seed)
    following = next_values(values, last_values, terminated, truncated, truncated_values)
    for row in range(BATCH):
        for time in range(TIME):
            if terminated[time, row]:
                expected = 0.0
            elif truncated[time, row]:
                expected = truncated_values[time, row]
            else:
                expected = last_values[row] if time == TIME - 1 else values[time + 1, row]
            assert following[time, row] == expected


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("gamma", "gae_lambda"), [(0.97, 0.9), (1.0, 1.0), (0.9, 0.0)])
def test_advantages_are_the_discounted_sum_of_errors_to_the_end_of_the_episode(seed, gamma, gae_lambda):
    rewards, values, last_values, terminated, truncated, truncated_values = random_rollout(seed)
    following = next_values(values, last_values, terminated, truncated, truncated_values)
    ended = terminated | truncated
    result = generalized_advantages(rewards, values, following, ended, gamma, gae_lambda)

    def advantage(time, row):
        """Schulman et al. 2016, equation 16, as it is written."""
        error = rewards[time, row] + gamma * following[time, row] - values[time, row]
        if ended[time, row] or time == TIME - 1:
            return error
        return error + gamma * gae_lambda * advantage(time + 1, row)

    expected = [[advantage(time, row) for row in range(BATCH)] for time in range(TIME)]
    assert torch.allclose(result, torch.tensor(expected), atol=1e-5)


def test_with_lambda_one_a_return_is_the_discounted_sum_of_rewards():
    rewards = torch.tensor([[1.0], [2.0], [4.0], [8.0]])
    values = torch.tensor([[0.3], [-1.0], [0.7], [5.0]])
    terminated = torch.tensor([[False], [True], [False], [False]])
    following = next_values(
        values, torch.tensor([16.0]), terminated, torch.zeros_like(terminated), torch.zeros_like(values)
    )
    advantages = generalized_advantages(rewards, values, following, terminated, 0.5, 1.0)
    returns = (advantages + values).flatten().tolist()
    assert returns == pytest.approx([1 + 0.5 * 2, 2, 4 + 0.5 * 8 + 0.25 * 16, 8 + 0.5 * 16])


def test_a_nan_after_an_end_does_not_leak():
    values = torch.tensor([[1.0], [torch.nan]])
    terminated = torch.tensor([[True], [False]])
    following = next_values(
        values, torch.zeros(1), terminated, torch.zeros_like(terminated), torch.full((2, 1), torch.nan)
    )
    advantages = generalized_advantages(torch.ones(2, 1), values, following, terminated, 0.9, 0.9)
    assert advantages[0].item() == 0.0


def followed(model, monkeypatch):
    """Collect one rollout and return what was taken as the value of what follows each step [T, B]."""
    seen = []

    def spy(rewards, values, following, *rest):
        seen.append((rewards, following))
        return generalized_advantages(rewards, values, following, *rest)

    monkeypatch.setattr("engram.agents.rollout.targets.generalized_advantages", spy)
    collect_one(model)
    return seen[-1]


def test_a_truncation_is_bootstrapped_with_the_memory_after_the_step(monkeypatch):
    """The value is the count of steps: at the cut it must go on counting, and neither stand still nor start again."""
    model = counting_agent()
    cuts = 0
    for _ in range(3):
        _, following = followed(model, monkeypatch)
        steps = model.chunks.steps
        _, episode, time, _ = steps.observation.unbind(2)
        for b in range(ROWS):
            for t in range(STEPS):
                length = LENGTHS[b][int(episode[t, b]) % len(LENGTHS[b])]
                if steps.terminated[t, b]:
                    assert following[t, b] == 0
                elif steps.truncated[t, b]:
                    assert following[t, b] == length + 1  # the final observation is one step more
                    cuts += 1
                else:
                    assert following[t, b] == time[t, b] + 2
    assert cuts > 5


def test_the_last_step_is_followed_by_the_first_of_the_next_rollout(monkeypatch):
    model = counting_agent()
    _, following = followed(model, monkeypatch)
    last = model.chunks.steps
    collect_one(model)
    goes_on = ~(last.terminated | last.truncated)[-1]
    assert goes_on.any()
    assert torch.equal(following[-1][goes_on], model.chunks.steps.values[0][goes_on])


def test_the_final_observation_is_what_is_valued(monkeypatch):
    model = counting_agent()
    with torch.no_grad():  # the value of an observation is its first hidden feature, too
        model.policy.value_net.weight[0, 0] = 3.0
    _, following = followed(model, monkeypatch)
    steps = model.chunks.steps
    times, rows = steps.truncated.nonzero(as_tuple=True)
    assert len(times) > 1
    for t, b in zip(times.tolist(), rows.tolist(), strict=True):
        first = t - int(steps.observation[t, b, 2])
        observation = steps.observation[t, b].clone()
        observation[2:] += 1  # time and steps go on
        if first < 0:
            continue
        alone = torch.cat([steps.observation[first : t + 1, b], observation.unsqueeze(0)])
        state, start = model.policy.initial_state(1), torch.tensor([True])
        for observed, action in zip(alone, [*steps.actions[first : t + 1, b], None], strict=True):
            value = model.policy.values_of(observed.unsqueeze(0), state, start)
            if action is not None:
                step = model.policy.act(observed.unsqueeze(0), state, start)
                state = step.state._replace(previous_action=model.policy.stored_action.store(action.unsqueeze(0)))
                start = torch.tensor([False])
        assert np.isclose(value.item(), following[t, b].item(), atol=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.9, 1.0])
def test_the_largest_return_is_that_of_any_step_to_the_end_of_its_episode(gamma):
    rewards, _, _, terminated, truncated, _ = random_rollout(6)
    ended, returns = (terminated | truncated).numpy(), np.zeros((TIME + 1, BATCH))
    for time in reversed(range(TIME)):
        returns[time] = rewards[time].numpy() + gamma * np.where(ended[time], 0.0, returns[time + 1])
    for sign in (1, -1):
        largest = largest_return(sign * rewards, terminated | truncated, gamma)
        assert largest == pytest.approx(np.abs(returns).max(), rel=1e-5)
    assert largest_return(torch.zeros(TIME, BATCH), terminated, gamma) == 0.0
