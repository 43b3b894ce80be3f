"""The episodes that an evaluation plays in the task as trained, each of them to be played again alone."""

import csv
import json
from dataclasses import asdict
from typing import Any

from engram.agents import MemoryPPO
from engram.agents.evaluation.recording import Recording, record
from engram.configs import TrainConfig
from engram.envs.closing import close
from engram.envs.split.balanced_episodes import balanced_seeds, queue_seeds
from engram.evidence.runs.open import open_envs
from engram.evidence.runs.settings import Condition, trained_setting
from engram.tracking import RunFolder

ROUNDED = 1e-5  # `episodes.csv` has returns to six places


class EvaluatedEpisodes:
    """Numbered as the rows of `episodes.csv` are: those of the first env, then those of the second, and so on.

    Args:
        config: of the run.
        model: the agent.
        episodes: how many the evaluation was asked for.
        seed: its seed.
    """

    def __init__(self, config: TrainConfig, model: MemoryPPO, episodes: int, seed: int) -> None:
        setting = trained_setting(config.env)
        (several,) = open_envs(config, [setting], episodes, model)
        self._dealt = balanced_seeds(several, episodes, seed)
        self._in_each = -(-episodes // several.num_envs)
        self.total = self._in_each * several.num_envs
        close(several)
        (self.env,) = open_envs(config, [setting], 1, model)
        self._model, self._seed = model, seed

    def play(self, number: int, most_steps: int) -> Recording:
        """Play one of the `total`, with the agent left alone and its most likely actions; record its first steps."""
        row, before = divmod(number, self._in_each)
        self.env.seed(self._seed + row)
        if any(self._dealt):
            queue_seeds(self.env, [self._dealt[row]])
        for _ in range(before):
            self.env.reset()
        return record(self._model.policy, self.env, most_steps, return_scale=self._model.return_scale)


def last_evaluation(folder: RunFolder) -> dict[str, Any]:
    """Return the seed, episodes and checkpoint of a run's last evaluation; nothing if there is none to be read."""
    try:
        found = json.loads(folder.evaluation.read_text(encoding="utf-8"))
        return {key: found[key] for key in ("seed", "episodes", "checkpoint")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def against_its_row(folder: RunFolder, number: int, recording: Recording) -> str:
    """Say whether an episode that was played again went as the run's `episodes.csv` has it under its number."""
    wanted = {key: str(value) for key, value in (asdict(Condition()) | {"episode": number}).items()}
    try:
        rows = csv.DictReader(folder.episodes.read_text(encoding="utf-8").splitlines())
        row = next(row for row in rows if wanted.items() <= row.items())
        gained, length, layout = float(row["return"]), int(row["length"]), row["layout"]
    except (OSError, ValueError, KeyError, StopIteration):
        return f"{folder.episodes.name} has no row to compare it with"
    if not recording.finished:
        return f"{folder.episodes.name} has it whole: {length:,} steps, return {gained:g}"
    same = (length, layout) == (len(recording.steps), recording.layout)
    if same and abs(gained - recording.episode_return) <= ROUNDED:
        return f"it went as {folder.episodes.name} has it: {length:,} steps, return {gained:g}"
    return (
        f"it did not go as {folder.episodes.name} has it ({length:,} steps, return {gained:g}): the agent was another"
        " then, or the env draws by chance that no seed governs"
    )
