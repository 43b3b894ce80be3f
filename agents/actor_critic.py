"""The actor-critic: its features come from a recurrent core with an external memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from inspect import signature
from typing import Any, SupportsIndex, cast

import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import CategoricalDistribution, Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, MlpExtractor
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor
from torch.distributions import Categorical

from engram.agents.actions import PreviousAction, apply_masks
from engram.agents.arguments import one_of_two, refuse_unknown
from engram.agents.encoder import ENCODERS, Event, EventEncoder, Extract
from engram.agents.recall_head import RecallHead
from engram.agents.reward_head import RewardHead
from engram.agents.spaces import (
    ACTION_MASK,
    blank_observation,
    check_keys,
    check_spaces,
    constants_of,
    leaves_without,
)
from engram.agents.steps import AgentState, Evaluation, Step
from engram.memory import Cache, Controller, Core, Memory, Replay, State, Unrolled, reset, tree_map


class MemoryActorCritic(ActorCriticPolicy):
    """Actor-critic with a controller and an external memory.

    Args:
        observation_space, action_space, lr_schedule: as for any SB3 policy.
        controller, memory: names in `memory.CONTROLLERS` and `memory.MEMORIES`, or classes.
        controller_kwargs, memory_kwargs: their own arguments.
        features_dim: D, size of an encoded event.
        net_arch: layers between the core's features and the heads; none by default.
        encoder: name in `agents.ENCODERS`, or class, of what encodes an observation; "auto" chooses by the space.
        encoder_kwargs: its own arguments.
        ignored_keys: keys of a Dict observation that do not count when events are compared, such as a place or a clock
            by which no two would be equal: for the memory's rule of the newer equal, and for the novelty bonus. One of
            sights leaves out keys whose spaces say `tells_place`, too (see `sights_of`); one of places takes these.
        constant_keys: keys of a Dict observation that never change within an episode, such as a mission: an episodic
            memory stores them once for each episode, and they do not count when events are compared.
        recalls: whether a memory that holds events practices recalling them, see `RecallHead`; for others no effect.
        features_extractor_class, features_extractor_kwargs: SB3's names for `encoder` and `encoder_kwargs`.
        **kwargs: of `ActorCriticPolicy`.

    Raises:
        ValueError: if a space is not supported, or a name or size is wrong.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        controller: str | type[Controller[Any]] = "lstm",
        memory: str | type[Memory[Any]] = "episodic",
        controller_kwargs: dict[str, Any] | None = None,
        memory_kwargs: dict[str, Any] | None = None,
        features_dim: int = 64,
        net_arch: list[int] | dict[str, list[int]] | None = None,
        encoder: str | type[BaseFeaturesExtractor] | None = None,
        encoder_kwargs: dict[str, Any] | None = None,
        ignored_keys: Collection[str] = (),
        constant_keys: Collection[str] = (),
        recalls: bool = False,
        features_extractor_class: type[BaseFeaturesExtractor] | None = None,
        features_extractor_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        check_spaces(observation_space, action_space)
        known = {*signature(MemoryActorCritic).parameters, *signature(ActorCriticPolicy).parameters}
        refuse_unknown("the policy", kwargs, known)
        if kwargs.get("share_features_extractor") is False:
            raise ValueError("share_features_extractor=False: actor and critic share one memory and what is before it")
        if kwargs.get("optimizer_class", torch.optim.Adam) is torch.optim.Adam:
            # SB3's epsilon, and one fused update: over dozens of small tensors calls cost more than arithmetic.
            kwargs["optimizer_kwargs"] = {"eps": 1e-5, "fused": True, **(kwargs.get("optimizer_kwargs") or {})}
        if not isinstance(features_dim, SupportsIndex) or features_dim < 1:
            raise ValueError(f"features_dim={features_dim!r} must be a whole number of at least 1")
        self.core_arguments: dict[str, Any] = {
            "controller": controller,
            "memory": memory,
            "controller_kwargs": controller_kwargs,
            "memory_kwargs": memory_kwargs,
        }
        self.encoded_size = features_dim
        self.recalls = recalls
        self.ignored_keys = check_keys("ignored_keys", ignored_keys, observation_space)
        constant_keys = check_keys("constant_keys", constant_keys, observation_space)
        self.constant_keys = tuple(dict.fromkeys((*constant_keys, *constants_of(observation_space))))
        left_out = dict.fromkeys((*self.ignored_keys, *self.constant_keys))
        check_keys("ignored_keys and constant_keys", tuple(left_out), observation_space)
        self.stored_action = PreviousAction(action_space)
        extractor, extractor_kwargs = ENCODERS.resolve(
            one_of_two("encoder", encoder, "features_extractor_class", features_extractor_class) or "auto",
            one_of_two("encoder_kwargs", encoder_kwargs, "features_extractor_kwargs", features_extractor_kwargs),
        )
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            net_arch=[] if net_arch is None else net_arch,
            features_extractor_class=extractor,
            features_extractor_kwargs=extractor_kwargs,
            **kwargs,
        )

    def _build_mlp_extractor(self) -> None:
        # Called before the optimizer is made: the place where SB3 lets a policy add modules.
        extract = Extract(self.features_extractor, self.observation_space, self.normalize_images)
        encoder = EventEncoder(extract, self.features_dim, self.stored_action, self.encoded_size)
        event = Event(blank_observation(self.observation_space), self.stored_action.none(1))
        compared = None if self.compared is None else (*self.compared, True)  # the previous action counts
        constant = (*self._are_in(self.constant_keys), False) if self.constant_keys else None
        self.core = Core(encoder, event, self.encoded_size, **self.core_arguments, compared=compared, constant=constant)
        self.reward_head = RewardHead(self.core.feature_size, self.stored_action).to(self.device)
        self.recall_head: RecallHead | None = None
        if self.recalls and self.core.memory.holds_events:
            head = RecallHead(self.core.memory.read_size, self.encoded_size, self.observation_space)
            self.recall_head = head.to(self.device)
        self.mlp_extractor = MlpExtractor(self.core.feature_size, self.net_arch, self.activation_fn, self.device)

    def observe(self, observations: State) -> None:
        """Let the encoder take observations [T, B, ...] into account in normalizing, if it does that."""
        if observe := getattr(self.features_extractor, "observe", None):
            observe(tree_map(lambda leaf: leaf.flatten(0, 1), observations))

    @property
    def observes(self) -> bool:
        """Whether `observe` changes anything."""
        extractor = self.features_extractor
        return bool(getattr(extractor, "observes", hasattr(extractor, "observe")))

    @property
    def compared(self) -> tuple[bool, ...] | None:
        """Which leaves of an observation count when a memory compares two; None for all."""
        return leaves_without(self.observation_space, {*self.ignored_keys, *self.constant_keys})

    def leaf_of(self, key: str) -> int:
        """Return which leaf of a Dict observation is that of a key."""
        return sorted(cast(spaces.Dict, self.observation_space).spaces).index(key)

    def _are_in(self, keys: Collection[str]) -> list[bool]:
        """Return for each leaf of a Dict observation whether it is one of some keys."""
        return [key in keys for key in sorted(cast(spaces.Dict, self.observation_space).spaces)]

    def _get_constructor_parameters(self) -> dict[str, Any]:
        own = {"ignored_keys": self.ignored_keys, "constant_keys": self.constant_keys, "recalls": self.recalls}
        parameters = super()._get_constructor_parameters()
        return {**parameters, **self.core_arguments, **own, "features_dim": self.encoded_size}

    @torch.no_grad()  # what a rollout carries has no graph; a learned start gets its gradient from the core's own reset
    def initial_state(self, batch_size: int) -> AgentState:
        """Return the state before the first step of `batch_size` episodes."""
        return AgentState(self.core.initial_state(batch_size), self.stored_action.none(batch_size, device=self.device))

    def events(self, observations: State, previous_actions: Tensor, episode_starts: Tensor) -> Event:
        """Return the events of [T, B] steps; `previous_actions` [T, B, A] are reset here, where an episode starts."""
        none_yet = self.stored_action.none(1, device=self.device)
        previous = reset(previous_actions.flatten(0, 1), none_yet, episode_starts.flatten())
        return Event(observations, previous.unflatten(0, episode_starts.shape))

    def unroll_step(
        self,
        observation: State,
        state: AgentState,
        episode_start: Tensor,
        decisions: State | None = None,
        cache: Cache | None = None,
    ) -> tuple[Event, Unrolled]:
        """Run the core over one step of B envs; return the step's events [1, B, ...], too.

        Args:
            observation, state, episode_start, cache: as for `act`.
            decisions: decisions recorded at the step, [B, ...], to be replayed; None to decide now.
        """
        observations, starts = tree_map(lambda leaf: leaf.unsqueeze(0), observation), episode_start.unsqueeze(0)
        events = self.events(observations, state.previous_action.unsqueeze(0), starts)
        replayed = None if decisions is None else tree_map(lambda leaf: leaf.unsqueeze(0), decisions)
        return events, self.core.unroll(events, state.core, starts, replayed, cache)

    def act(
        self,
        observation: State,
        state: AgentState,
        episode_start: Tensor,
        deterministic: bool = False,
        action_masks: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Step:
        """Choose the actions of one step.

        Args:
            observation: tree with leaves [B, ...], see `observation_tree`.
            state: state before the step and before its reset.
            episode_start: [B] bool.
            deterministic: take the most likely action instead of sampling.
            action_masks: [B, A] bool, the actions allowed; None to take them from the observation, if it has them.
            cache: the cache returned with `state`, if the weights have not changed since.
        """
        _, unrolled = self.unroll_step(observation, state, episode_start, cache=cache)
        features = unrolled.features[0]
        distribution = self.distribution(features, observation, action_masks)
        actions = distribution.get_actions(deterministic=deterministic)
        return Step(
            actions,
            self.value(features),
            distribution.log_prob(actions),
            AgentState(unrolled.state, self.stored_action.store(actions)),
            tree_map(lambda leaf: leaf[0], unrolled.decisions),
            unrolled.cache,
            {name: values[0] for name, values in unrolled.trace.items()},
        )

    def values_of(
        self, observation: State, state: AgentState, episode_start: Tensor, cache: Cache | None = None
    ) -> Tensor:
        """Return the values [B] of observations (leaves [B, ...]) met in `state`; the cache is as for `act`."""
        _, unrolled = self.unroll_step(observation, state, episode_start, cache=cache)
        return self.value(unrolled.features[0])

    def evaluate_chunk(
        self,
        observations: State,
        actions: Tensor,
        state: AgentState,
        episode_starts: Tensor,
        decisions: State,
        action_masks: Tensor | None = None,
    ) -> Evaluation:
        """Evaluate recorded actions along chunks, with the memory's recorded decisions replayed.

        Args:
            observations: tree with leaves [T, B, ...].
            actions: [T, B] or [T, B, A].
            state: state before the first step and before its reset.
            episode_starts: [T, B] bool.
            decisions: recorded decisions [T, B, ...].
            action_masks: [T, B, A] bool, or None.
        """
        stored = self.stored_action.store(actions)
        previous = torch.cat([state.previous_action.unsqueeze(0), stored[:-1]])
        events = self.events(observations, previous, episode_starts)
        features = self.core.unroll(events, state.core, episode_starts, decisions).features.flatten(0, 1)
        return self._evaluation(
            features, actions, self.masks_of(observations) if action_masks is None else action_masks
        )

    @torch.no_grad()
    def plan(
        self,
        observations: State,
        actions: Tensor,
        states: Sequence[AgentState],
        episode_starts: Tensor,
        decisions: State,
    ) -> tuple[State, Replay]:
        """Prepare recorded chunks for any number of passes over them.

        Args:
            observations: tree with leaves [L, P, ...].
            actions: [L, P] or [L, P, A].
            states: before the chunks' first steps and their resets, leaves [B, ...] each, together P rows.
            episode_starts: [L, P] bool.
            decisions: recorded decisions [L, P, ...].

        Returns:
            the different ones among all events, leaves [E, ...], and what `evaluate` takes.
        """
        first = torch.cat([state.previous_action for state in states])
        previous = torch.cat([first.unsqueeze(0), self.stored_action.store(actions)[:-1]])
        events = self.events(observations, previous, episode_starts)
        return self.core.plan(events, [state.core for state in states], episode_starts, decisions)

    def evaluate(
        self, events: State, chunks: Replay, actions: Tensor, action_masks: Tensor | None, recall: bool = False
    ) -> Evaluation:
        """Evaluate recorded actions along chunks: what `evaluate_chunk` does, for chunks prepared by `plan`.

        Args:
            events: the different ones, leaves [E, ...].
            chunks: M rows of what `plan` returned.
            actions: [L, M] or [L, M, A].
            action_masks: [L, M, A] bool, or None.
            recall: whether stored events are asked for, too.
        """
        replayed = self.core.replay(events, chunks)
        now = self._evaluation(replayed.features.flatten(0, 1), actions, action_masks)
        if not recall or self.recall_head is None:
            return now
        return now._replace(recall=self.recall_head(*self.core.ask(replayed, chunks, self.recall_head.hide)))

    def _evaluation(self, features: Tensor, actions: Tensor, action_masks: Tensor | None) -> Evaluation:
        """Evaluate actions [L, M, ...] at features [L * M, F]."""
        shape, actions = actions.shape[:2], actions.flatten(0, 1)
        distribution = self.distribution(features, None, None if action_masks is None else action_masks.flatten(0, 1))
        now = (
            self.value(features),
            distribution.log_prob(actions),
            cast(Tensor, distribution.entropy()),
            self.reward_head(features, self.stored_action.store(actions)).float(),
        )
        return Evaluation(*(part.unflatten(0, shape) for part in now))

    def value(self, features: Tensor) -> Tensor:
        """Return the values [X] of the core's features [X, F]."""
        values = cast(Tensor, self.value_net(self.mlp_extractor.forward_critic(features)))
        return values.squeeze(-1).float()  # autocast makes less of them

    def distribution(self, features: Tensor, observation: State | None, action_masks: Tensor | None) -> Distribution:
        """Return the distribution of actions.

        Args:
            features: [X, F].
            observation: leaves [X, ...], whose masks count if no others are given; None if it has none.
            action_masks: [X, A] bool, or None.
        """
        latent = self.mlp_extractor.forward_actor(features)
        if isinstance(self.action_dist, CategoricalDistribution):
            distribution: Distribution = CategoricalDistribution(self.action_dist.action_dim)
            # Not validated: that would take as many operations as the rest, at every step.
            distribution.distribution = Categorical(logits=self.action_net(latent).float(), validate_args=False)
        else:
            distribution = self._get_action_dist_from_latent(latent)
        if action_masks is None and observation is not None:
            action_masks = self.masks_of(observation)
        return distribution if action_masks is None else apply_masks(distribution, action_masks)

    def masks_of(self, observation: State) -> Tensor | None:
        """Return the actions that an observation [..., ...] allows, [..., A] bool, or None if it has no such key."""
        if not isinstance(self.observation_space, spaces.Dict) or ACTION_MASK not in self.observation_space.spaces:
            return None
        masks = cast(tuple[Tensor, ...], observation)[self.leaf_of(ACTION_MASK)].bool()
        axes = len(
            self.observation_space[ACTION_MASK].shape or ()
        )  # of several choices, [choices, n] or one after another
        return masks.flatten(-axes) if axes > 1 else masks
