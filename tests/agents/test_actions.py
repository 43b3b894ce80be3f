"""What is stored of an action, and masks over those to be chosen."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import make_proba_distribution
from stable_baselines3.common.vec_env import SubprocVecEnv
from staggered import ACTIONS, ROWS, VECTOR, Masked, MaskedByObservation, agent, collect_one, rollouts, vec_env

from engram.agents.actions import PreviousAction, apply_masks

BATCH = 400


def drawn(space, batch=BATCH):
    """A distribution that is far from uniform."""
    distribution = make_proba_distribution(space)
    sizes = [space.n] if isinstance(space, spaces.Discrete) else space.nvec
    return distribution.proba_distribution(3 * torch.randn(batch, int(np.sum(sizes))))


def one_hot(previous, stored):
    """What a linear layer sees of stored actions."""
    return previous.project(stored, torch.eye(previous.size))


@pytest.mark.parametrize("name", ACTIONS)
def test_no_action_yet_is_stored_like_any_other_and_can_be_told_from_a_choice(name):
    previous = PreviousAction(ACTIONS[name])
    none = previous.none(5)
    samples = np.stack([ACTIONS[name].sample() for _ in range(5)])
    flat = torch.as_tensor(samples if name == "discrete" else samples.reshape(5, -1))  # as distributions give them
    stored = previous.store(flat)
    assert stored.shape == none.shape
    assert stored.dtype == none.dtype
    assert one_hot(previous, stored).shape == (5, previous.size)
    assert one_hot(previous, none).abs().max() == 0
    if name in ("discrete", "multidiscrete"):
        assert (one_hot(previous, stored).abs().sum(1) > 0).all()


def test_choices_are_encoded_as_one_hot():
    previous = PreviousAction(spaces.MultiDiscrete([3, 2]))
    encoded = one_hot(previous, previous.store(torch.tensor([[2, 0], [0, 1]])))
    assert encoded.tolist() == [[0, 0, 1, 1, 0], [1, 0, 0, 0, 1]]
    single = PreviousAction(spaces.Discrete(3))
    assert one_hot(single, single.store(torch.tensor([1]))).tolist() == [[0, 1, 0]]


def test_a_forbidden_action_is_never_taken_and_the_others_keep_their_odds():
    mask = torch.tensor([True, False, True])
    free = drawn(spaces.Discrete(3))
    odds = free.distribution.probs[:, 0] / free.distribution.probs[:, 2]
    masked = apply_masks(free, mask.expand(BATCH, 3))
    assert set(masked.get_actions().tolist()) == {0, 2}
    assert set(masked.get_actions(deterministic=True).tolist()) == {0, 2}
    probs = masked.distribution.probs
    assert probs[:, 1].max() == 0
    assert torch.allclose(probs.sum(1), torch.ones(BATCH))
    assert torch.allclose(probs[:, 0] / probs[:, 2], odds, rtol=1e-4)


def test_log_probabilities_are_renormalized_and_entropies_finite():
    masked = apply_masks(drawn(spaces.Discrete(3)), torch.tensor([[True, True, False]]).expand(BATCH, 3))
    total = sum(masked.log_prob(torch.full((BATCH,), action)).exp() for action in (0, 1))
    assert torch.allclose(total, torch.ones(BATCH), atol=1e-6)
    entropy = masked.entropy()
    assert torch.isfinite(entropy).all()
    assert entropy.min() >= 0
    assert entropy.max() <= np.log(2) + 1e-6
    sure = apply_masks(drawn(spaces.Discrete(3)), torch.tensor([[False, True, False]]).expand(BATCH, 3))
    assert sure.entropy().abs().max() == 0
    assert sure.log_prob(torch.ones(BATCH)).abs().max() == 0


def test_the_gradient_of_a_masked_distribution_is_finite_and_leaves_the_forbidden_alone():
    logits = torch.randn(5, 3, requires_grad=True)
    distribution = make_proba_distribution(spaces.Discrete(3)).proba_distribution(logits)
    masked = apply_masks(distribution, torch.tensor([[True, False, True]]).expand(5, 3))
    (masked.log_prob(torch.zeros(5)) + masked.entropy()).sum().backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[:, 1].abs().max() == 0
    assert logits.grad[:, 0].abs().max() > 0


def test_every_part_of_a_multidiscrete_action_has_its_own_mask():
    mask = torch.tensor([False, True, True, True, False])
    masked = apply_masks(drawn(spaces.MultiDiscrete([3, 2])), mask.expand(BATCH, 5))
    actions = masked.get_actions()
    assert set(actions[:, 0].tolist()) == {1, 2}
    assert set(actions[:, 1].tolist()) == {0}


def test_masks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="action masks have 4 entries; the action space has 3 choices"):
        apply_masks(drawn(spaces.Discrete(3)), torch.ones(BATCH, 4, dtype=torch.bool))
    box = make_proba_distribution(spaces.Box(-1, 1, (2,))).proba_distribution(torch.zeros(1, 2), torch.zeros(2))
    with pytest.raises(ValueError, match="action masks need a Discrete or MultiDiscrete action space"):
        apply_masks(box, torch.ones(1, 2, dtype=torch.bool))


@pytest.mark.parametrize("env", [Masked, MaskedByObservation])
@pytest.mark.parametrize("actions", ["discrete", "multidiscrete"])
def test_in_training_no_forbidden_action_is_taken(env, actions):
    model = agent(vec_env(env=env, action_space=ACTIONS[actions]))
    rollouts(model, 3)  # the env asserts it
    if env is Masked:
        assert model.chunks.steps.action_masks.shape == (15, ROWS, 3 if actions == "discrete" else 5)
    else:
        assert model.chunks.steps.action_masks == ()


def test_masks_pass_through_subprocesses():
    env = SubprocVecEnv([lambda row=row: Masked(row) for row in range(2)])
    try:
        model = agent(env)
        collect_one(model)  # the env asserts that nothing forbidden is done
        taken = model.chunks.steps.action_masks.gather(2, model.chunks.steps.actions.long().unsqueeze(2))
        assert taken.all()
        assert not model.chunks.steps.action_masks.all(2).any()
    finally:
        env.close()


def play(model, env, told):
    """Forty steps, with the masks told or not."""
    observations, state, starts = env.reset(), None, np.ones(ROWS, dtype=bool)
    for _ in range(40):
        masks = np.stack(env.env_method("action_masks")) if told else None
        actions, state = model.predict(observations, state, starts, action_masks=masks)
        observations, _, starts, _ = env.step(actions)


def test_predict_takes_masks():
    play(agent(), vec_env(env=Masked), told=True)  # the env asserts it
    with pytest.raises(AssertionError, match="a forbidden action was taken"):
        play(agent(), vec_env(env=Masked), told=False)


def test_predict_takes_the_mask_of_one_env_as_a_vector():
    model = agent()
    observation = vec_env(rows=1).reset()[0]
    for action in range(3):
        chosen, _ = model.predict(observation, action_masks=np.arange(3) == action)
        assert chosen == action


def test_predict_reads_the_mask_from_the_observation():
    model = agent(vec_env(env=MaskedByObservation))
    env = vec_env(env=MaskedByObservation)
    observations, state, starts = env.reset(), None, np.ones(ROWS, dtype=bool)
    for deterministic in [True, False] * 15:
        actions, state = model.predict(observations, state, starts, deterministic)
        allowed = observations["action_mask"]
        assert allowed[np.arange(ROWS), actions].all()
        observations, _, starts, _ = env.step(actions)


@pytest.mark.parametrize(
    ("space", "mask"),
    [(spaces.Discrete(3), [False] * 3), (spaces.MultiDiscrete([2, 3]), [True, False, False, False, False])],
)
def test_a_mask_that_leaves_a_choice_without_an_action_is_refused(space, mask):
    masks = torch.ones(BATCH, len(mask), dtype=torch.bool)
    masks[-1] = torch.tensor(mask)
    with pytest.raises(
        ValueError, match=rf"^the action mask of env {BATCH - 1} allows no action( of choice 1)? at all"
    ):
        apply_masks(drawn(space), masks)


class Square(Masked):
    """Its masks are of [choices, n]."""

    def __init__(self, row=0, observation_space=VECTOR, action_space=None):
        super().__init__(row, observation_space, spaces.MultiDiscrete([3, 3]))

    def action_masks(self):
        return super().action_masks().reshape(2, 3)


class SquareByObservation(Square):
    def __init__(self, row=0, action_space=None):
        super().__init__(row, spaces.Dict({"seen": VECTOR, "action_mask": spaces.MultiBinary([2, 3])}))

    def observe(self):
        return {**super().observe(), "action_mask": Square.action_masks(self).astype(np.int8)}

    action_masks = property()


@pytest.mark.parametrize("env", [Square, SquareByObservation])
def test_masks_of_several_choices_may_have_two_axes(env):
    model = agent(vec_env(env=env))
    rollouts(model, 3)  # the env asserts that nothing forbidden is done
    if env is Square:
        assert model.chunks.steps.action_masks.shape == (15, ROWS, 6)
        play(agent(vec_env(env=Square)), vec_env(env=Square), told=True)
    one = vec_env(1, env=env)
    observation = one.reset()
    single = {key: part[0] for key, part in observation.items()} if isinstance(observation, dict) else observation[0]
    for choice in range(3):
        allowed = np.array([np.arange(3) == choice, np.arange(3) == (choice + 1) % 3])
        chosen, _ = model.predict(single, action_masks=allowed)
        assert chosen.tolist() == [choice, (choice + 1) % 3]
