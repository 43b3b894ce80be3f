"""The evaluation that ends a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console

from engram.agents import MemoryPPO
from engram.cli.terminal import stdout_console
from engram.configs import TrainConfig
from engram.evidence.runs.open import TEST_SEED, open_envs
from engram.evidence.runs.settings import evaluated_settings
from engram.tracking import RunFolder

if TYPE_CHECKING:
    from engram.tracking.writers.wandb import WandbWriter


def evaluate_trained(
    config: TrainConfig, folder: RunFolder, console: Console, wandb_writer: WandbWriter | None
) -> None:
    """Evaluate the best model on the test side, as the command `evaluate` does, and print the results."""
    # Not before, since it takes seconds: statistics and figures.
    from engram.evidence.evaluation.run import evaluate_run
    from engram.evidence.evaluation.tables import print_certificate, print_result
    from engram.evidence.explanation.run import film_episode
    from engram.evidence.horizon.measure import horizon_of, print_horizon

    model = MemoryPPO.load(folder.checkpoint("best"), device=config.device)
    settings, episodes, step = evaluated_settings(config), config.eval.final_episodes, model.num_timesteps
    how: dict[str, Any] = {"checkpoint": "best", "seed": TEST_SEED, "console": console}
    envs = dict(zip(settings, open_envs(config, settings, episodes, model), strict=True))
    result = evaluate_run(folder, config, model, envs, episodes=episodes, certificate=config.eval.certificate, **how)
    if config.eval.horizon:
        horizon = horizon_of(folder, config, model, config.eval.horizon, episodes=episodes, **how)
    if config.eval.film:
        film_episode(folder, config, model, seed=TEST_SEED)
    if wandb_writer:
        wandb_writer.summarize({"evaluation": result.as_json()})
        wandb_writer.tabulate("evaluation/certificate", result.certificate.rows(), step)
        if config.eval.horizon:
            wandb_writer.show("evaluation/horizon", folder.horizon.with_suffix(".png"), step)
        if config.eval.film:
            wandb_writer.show("evaluation/film", folder.film, step)
        for name in ("best", "latest"):
            wandb_writer.keep_model([folder.checkpoint(name), folder.config, folder.versions], name)
    print_result(result, stdout_console())
    if config.eval.certificate:
        print_certificate(result.certificate, stdout_console())
    if config.eval.horizon:
        print_horizon(horizon, stdout_console())
