"""Trains sb3-contrib's RecurrentPPO on an experiment of train.py, on the same terms, and evaluates it as train.py does.

    python -m benchmarks.baselines.recurrent_ppo experiment=minigrid_memory seed=0

takes the overrides of train.py (but memory= and controller=: it has an LSTM of `controller.hidden_size`) and leaves a
run folder with the same files. Needs `pip install -e '.[baselines]'`.

The same as for MemoryPPO: the envs with all their wrappers (split, view, actions, random actions, previous reward,
scale of rewards); the input of the LSTM (our encoder, the previous action included); schedules of learning rate and
entropy bonus; the bonus for what is new, worked out per rollout and added to nothing but the rewards to learn from;
steps per rollout, transitions per minibatch, epochs, discount, lambda, clip ranges, loss weights, gradient clipping,
Adam; validation episodes and the choice of the best model (the later of equals); the episodes of the test, greedy,
sampled.

Not the same, for these are RecurrentPPO itself:

* its minibatches are slices of the rollout in order, cut at a random point, where ours are chunks drawn at random; a
  sequence begins at an episode's start, at the minibatch's or the env's first step, and is padded to the longest;
* actor and critic have an LSTM each (its default; its shared LSTM would get no gradient from the critic);
* torch's own LSTM and initialization; no action masks.

It makes a policy of NaN when the last minibatch holds a single transition, so such sizes are refused.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.utils import FloatSchedule
from stable_baselines3.common.vec_env import VecEnv

from benchmarks.baselines.event_observation import EventFeatures, ShowPreviousAction
from benchmarks.baselines.novelty_rewards import Explored, RewardsWithBonus
from engram.agents.evaluation.episodes import evaluate
from engram.agents.evaluation.success_tracker import SuccessTracker
from engram.cli.hydra import run
from engram.cli.terminal import stderr_console, warn_in_one_line
from engram.cli.training.prepare import VALIDATION_SEED, agent_arguments, refusing
from engram.cli.training.record import make_folder
from engram.configs import CannotRun, TrainConfig, own_keys
from engram.envs.split.by_layout import Side
from engram.evidence.evaluation.run import PlannedCondition, play_conditions
from engram.evidence.runs.open import TEST_SEED, make_envs
from engram.evidence.runs.result_files import made_by
from engram.evidence.runs.settings import Condition, Setting, evaluated_settings, trained_setting
from engram.evidence.tables import as_percent
from engram.tracking import RunFolder
from engram.tracking.atomic import write_json, write_text
from engram.tracking.callbacks import LayoutCount
from engram.tracking.writers import MetricsFile

SHARED = (
    *("learning_rate", "n_steps", "batch_size", "n_epochs", "gamma", "gae_lambda", "clip_range", "clip_range_vf"),
    *("normalize_advantage", "vf_coef", "max_grad_norm", "target_kl", "seed", "device"),
)
"""Arguments that MemoryPPO and RecurrentPPO have in common, and that mean the same for both."""

State = tuple[NDArray[np.float32], NDArray[np.float32]]


class Player:
    """RecurrentPPO as `engram.agents.evaluate` plays an agent."""

    def __init__(self, model: RecurrentPPO) -> None:
        self.model = model
        self.policy = self

    def initial_state(self, batch_size: int) -> State:
        """Return a state of zeros for `batch_size` envs."""
        layers, _, size = cast(tuple[int, int, int], self.model.policy.lstm_hidden_state_shape)
        zeros = np.zeros((layers, batch_size, size), dtype=np.float32)
        return zeros, zeros

    def unchanging(self) -> AbstractContextManager[None]:
        """Do nothing: there is no cache."""
        return nullcontext()

    def predict(
        self, observation: Any, state: State, episode_start: NDArray[np.bool_], deterministic: bool, _masks: None
    ) -> tuple[NDArray[Any], State]:
        """Choose actions, carrying the LSTM's state."""
        return cast(tuple[NDArray[Any], State], self.model.predict(observation, state, episode_start, deterministic))


class AnnealEntropy(BaseCallback):
    """Sets the weight of the entropy bonus before each update, as `MemoryPPO` does by itself."""

    def __init__(self, schedule: FloatSchedule) -> None:
        super().__init__()
        self.schedule = schedule

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        model = cast(RecurrentPPO, self.model)
        # SB3 moves its own progress on between this and the update.
        model.ent_coef = self.schedule(1.0 - model.num_timesteps / model._total_timesteps)
        self.logger.record("train/ent_coef", model.ent_coef)


class Validate(BaseCallback):
    """Plays validation episodes now and then and keeps the best model, as `engram.tracking.callbacks.Validation`."""

    def __init__(self, config: TrainConfig, env: VecEnv, folder: RunFolder) -> None:
        super().__init__()
        self.env, self.folder = SuccessTracker(env), folder
        self.every, self.episodes, self.due = config.eval.every, config.eval.episodes, config.eval.every
        self.best = -np.inf

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        if self.num_timesteps >= self.due:
            self.due = self.num_timesteps + self.every
            self._evaluate()

    def _on_training_end(self) -> None:
        self._evaluate()
        self.logger.record("time/total_timesteps", self.num_timesteps)
        self.logger.record("time/parameters", sum(weights.numel() for weights in self.model.policy.parameters()))
        self.logger.dump(self.num_timesteps)

    def _evaluate(self) -> None:
        self.env.seed(VALIDATION_SEED)
        played = evaluate(cast(Any, Player(cast(RecurrentPPO, self.model))), self.env, self.episodes)
        success, mean_return = float(played.success.mean()), float(played.episode_return.mean())
        if self.env.knows_success:
            self.logger.record("eval/success_rate", success)
        self.logger.record("eval/mean_return", mean_return)
        self.folder.save_model(self.model, "latest")
        figure = success if self.env.knows_success else mean_return
        if figure >= self.best:
            self.best = figure
            self.folder.save_model(self.model, "best")
        print(f"{self.num_timesteps:>11,} steps: validation {figure:.3f}, best {self.best:.3f}", flush=True)


def evaluation_envs(config: TrainConfig, setting: Setting, side: Side, n_envs: int, seed: int) -> VecEnv:
    """Make envs of one side as the model sees them, images channels first; see `make_envs`."""
    env = ShowPreviousAction(make_envs(config, setting, side, n_envs, seed))
    return RecurrentPPO._wrap_env(env, monitor_wrapper=False)


def make_model(config: TrainConfig, env: VecEnv) -> RecurrentPPO:
    """Make RecurrentPPO with the numbers of an experiment.

    Args:
        config: of the experiment.
        env: its training envs, as they come from `make_envs`.

    Raises:
        CannotRun: if RecurrentPPO cannot be had with these.
    """
    if config.controller.name != "lstm":
        raise CannotRun(f"controller={config.controller.name}: RecurrentPPO has an LSTM; leave controller= out")
    if config.env.n_envs * config.ppo.n_steps % config.ppo.batch_size == 1:
        raise CannotRun(
            f"ppo.batch_size={config.ppo.batch_size}: one of the {config.env.n_envs * config.ppo.n_steps} transitions"
            " of a rollout would be left for the last minibatch, and all weights would become NaN; take a divisor"
        )
    arguments = agent_arguments(config)
    torch.manual_seed(config.seed)  # of a bonus that learns; the agent seeds all generators anew
    with refusing("", config):
        visits = Explored(env, config.ppo.bonus, {*config.env.ignored_keys, *config.env.constant_keys})
    features = {"action_space": env.action_space, "features_dim": config.ppo.features_dim}
    model = RecurrentPPO(
        "MultiInputLstmPolicy",
        ShowPreviousAction(visits),
        **{key: arguments[key] for key in SHARED},
        ent_coef=config.ppo.ent_coef,
        policy_kwargs={
            "features_extractor_class": EventFeatures,
            "features_extractor_kwargs": features,
            "net_arch": config.ppo.net_arch,
            "lstm_hidden_size": own_keys(config.controller)["hidden_size"],
        },
    )
    RewardsWithBonus.replace(model, visits, config.ppo.novelty_coef, config.ppo.novelty_fraction)
    return model


def train(config: TrainConfig, name: str) -> None:
    """Train, keep the best model, and evaluate it; see the module's docstring.

    Args:
        config: of the experiment.
        name: what `train.py` would call its run with memory=none; the run folder has `recurrent_ppo` for these parts.
    """
    torch.set_num_threads(config.torch_threads)
    task = trained_setting(config.env)
    with refusing("env: "):
        env = make_envs(config, task, "train", config.env.n_envs, config.seed)
        n_envs = min(config.eval.n_envs, config.eval.episodes)
        validation = evaluation_envs(config, task, "validation", n_envs, VALIDATION_SEED)
        validation.reset()
    model = make_model(config, env)
    # The name stands in the config, too: by it `evaluate.py` and `report.py` tell this agent from our LSTM control.
    config.name = name.removesuffix("-none-lstm") + "-recurrent_ppo"
    folder = make_folder(config, config.name, {"lstm": "torch.nn.LSTM"})
    print(f"run folder: {folder.path}", flush=True)
    model.set_logger(Logger(str(folder.path), [MetricsFile(folder.metrics)]))
    layouts = LayoutCount()
    entropy = AnnealEntropy(FloatSchedule(agent_arguments(config)["ent_coef"]))
    model.learn(config.total_timesteps, callback=[layouts, entropy, Validate(config, validation, folder)])
    write_text(folder.layouts, "".join(f"{key}\n" for key in sorted(layouts.seen)))
    model.logger.close()
    finish(config, folder)


def finish(config: TrainConfig, folder: RunFolder) -> None:
    """Play the episodes of train.py's final evaluation with the best model, and write `evaluation.json`."""
    model = RecurrentPPO.load(folder.checkpoint("best"), device=config.device)
    trained, *test_settings = evaluated_settings(config)
    planned: list[PlannedCondition] = []
    for setting in (trained, *test_settings):
        episodes = setting.episodes or config.eval.final_episodes
        env = evaluation_envs(config, setting, "test", min(config.eval.n_envs, episodes), TEST_SEED)
        planned.append(PlannedCondition(Condition(setting.label), env, episodes))
    planned.insert(1, planned[0]._replace(condition=Condition(trained.label, deterministic=False)))
    played = play_conditions(cast(Any, Player(model)), planned, seed=TEST_SEED, console=stderr_console())
    intact, sampled, *others = (played.scores[plan.condition].model_dump() for plan in planned)
    content = {
        "success": intact["success"],
        "run": str(folder.path),
        "algorithm": "RecurrentPPO of sb3-contrib",
        "env": trained.env_id,
        "odometry": config.env.odometry,
        "mission": config.env.mission,
        "split": "test" if trained.split else None,
        "chance": config.env.chance,
        "checkpoint": "best",
        "checkpoint_timesteps": model.num_timesteps,
        "episodes": config.eval.final_episodes,
        "seed": TEST_SEED,
        **made_by(),
        "intact": intact,
        "sampled": {"intact": sampled},
        "test_settings": {
            setting.label: {"intact": found} for setting, found in zip(test_settings, others, strict=True)
        },
    }
    write_json(folder.evaluation, content)
    write_text(folder.episodes, played.as_csv())
    for plan in planned:
        actions = "greedy" if plan.condition.deterministic else "sampled"
        print(f"{plan.condition.setting}, {actions}: {as_percent(played.scores[plan.condition].estimate('success'))}")
    print(f"everything is in {folder.path}")


def main() -> int:
    """Run the command line; return the exit code."""
    warn_in_one_line()
    given = [word for word in sys.argv[1:] if word != "memory=none"]
    for word in given:
        if word.startswith(("memory=", "memory.")):
            print(f"recurrent_ppo: {word}: RecurrentPPO has no memory beside its LSTM; leave it out", file=sys.stderr)
            return 2
    return run(train, [*given, "memory=none"])


if __name__ == "__main__":
    sys.exit(main())
