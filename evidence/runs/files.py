"""The JSON files that a run leaves behind: what is in them, and how they are read back."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engram.configs import CannotRun, one_line
from engram.configs.messages import CONFIG_ERRORS
from engram.evidence.runs.identity import run_digest
from engram.evidence.statistics import Estimate, Metric, aggregate_over_seeds

Rate = Annotated[float, Field(ge=0, le=1)]


class Model(BaseModel):
    """What a JSON file holds; keys that it does not know are left alone."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class LookedAgain(Model):
    """Episodes in which the cue was met a second time."""

    episodes: int = Field(description="episodes in which the cue came into sight again after it had been lost")
    success: Rate | None = Field(description="success rate among them; null if there are none")


class Score(Model):
    """Success, return and length of episodes that were played alike."""

    episodes: int = Field(ge=1, description="episodes played")
    success: Rate | None = Field(description="success rate; null if the env tells no success")
    success_low: Rate | None = Field(description="lower end of its 95 % Wilson interval over episodes of this agent")
    success_high: Rate | None = Field(description="upper end")
    mean_return: float = Field(description="mean return")
    mean_length: float = Field(description="mean number of steps")
    distinct_layouts: int = Field(description="layouts met")
    looked_again: LookedAgain | None = Field(None, description="null where the env tells no success or no cue")
    applied: int | None = Field(None, description="episodes in which the intervention was done")
    return_low: float | None = Field(None, description="lower end of the 95 % bootstrap interval of the mean return")
    return_high: float | None = Field(None, description="upper end; null for a single episode")
    fewest_per_layout: int | None = Field(None, description="episodes of the layout met least often; null without any")
    most_per_layout: int | None = Field(None, description="episodes of the layout met most often")
    difference: float | None = Field(None, description="success (else return) less that of the same episodes intact")
    difference_low: float | None = Field(None, description="lower end of its 95 % interval for paired episodes")
    difference_high: float | None = Field(None, description="upper end")
    lost: int | None = Field(None, description="episodes worse (success, else return) than the same episodes intact")
    gained: int | None = Field(None, description="episodes better than the same episodes intact")
    acted_otherwise: int | None = Field(None, description="episodes with other actions than the same episodes intact")
    cut: int | None = Field(None, description="episodes that were cut at the bound of steps: their env knows no limit")
    independent: int | None = Field(None, description="what the episodes count for: repeats of one, intact, count once")
    changed_independent: int | None = Field(None, description="what those that are worse or better count for")

    @property
    def changed(self) -> int | None:
        """Number of episodes that ended otherwise than the same episodes intact; None if there are none to compare."""
        return None if self.lost is None or self.gained is None else self.lost + self.gained

    @property
    def successes(self) -> int | None:
        """Number of episodes that succeeded."""
        return None if self.success is None else round(self.success * self.episodes)

    @property
    def without_looking(self) -> float | None:
        """Success rate of the episodes in which the cue did not come into sight again; None if unknown."""
        again = self.looked_again
        if again is None or self.successes is None or again.episodes == self.episodes:
            return None
        return (self.successes - round((again.success or 0.0) * again.episodes)) / (self.episodes - again.episodes)

    def estimate(self, metric: Metric) -> Estimate | None:
        """Return success or return with its interval over episodes; None if it is not known."""
        if metric == "return":
            value, low, high = self.mean_return, self.return_low, self.return_high
        elif self.success is None:
            return None
        else:
            value, low, high = self.success, self.success_low, self.success_high
        return Estimate(value, low, high, (value,), "episodes")


def score_over_seeds(scores: Iterable[Score | None], metric: Metric) -> Estimate | None:
    """Sum up the scores of an agent's runs, None where a run has none; see `aggregate_over_seeds`."""
    return aggregate_over_seeds([None if score is None else score.estimate(metric) for score in scores], metric)


class MadeBy(Model):
    """What made a file."""

    command: str | None = Field(None, description="command line")
    git_commit: str | None = Field(None, description="commit of the code; null if unknown")
    git_dirty: bool | None = Field(None, description="whether tracked files had changed since")
    of_run: str | None = Field(None, description="digest of the run's configuration; a file of another run is refused")


class About(MadeBy):
    """What was evaluated, and how."""

    run: str | None = Field(None, description="run folder")
    env: str = Field(description="id of the env")
    odometry: bool = Field(False, description="whether agents of this MiniGrid env felt their own steps")
    mission: bool = Field(True, description="whether agents of this MiniGrid env saw their mission, where it changes")
    split: str | None = Field(None, description="'test' if only layouts of the test side were shown")
    curriculum: dict[str, tuple[int, int]] = Field(
        default_factory=dict, description="arguments of the env that training drew from a range; tested at its end"
    )
    hops: tuple[int, int] | None = Field(
        None, description="reads a step of the training and of this evaluation; null where they are the same"
    )
    chance: float | None = Field(description="success of a player that cannot recall; null if unknown")
    memory: str = Field(description="name of the memory")
    controller: str = Field(description="name of the controller")
    checkpoint: str = Field(description="'best' or 'latest'")
    checkpoint_timesteps: int | None = Field(None, description="steps of training that it has had")
    episodes: int = Field(description="episodes asked for in each condition")
    seed: int = Field(description="seed of the episodes")
    layouts_trained_on: int | None = Field(None, description="distinct layouts of the training; null if not recorded")
    layouts_tested: int | None = Field(None, description="distinct layouts of this evaluation as trained")
    layouts_in_both: int | None = Field(None, description="layouts common to both; null if not recorded")
    test_settings_layouts_in_both: dict[str, int | None] = Field(
        default_factory=dict, description="by another size or delay: layouts of it that had been trained on"
    )


class CertificatePart(Model):
    """What the interventions show on the task as trained, with the most likely actions."""

    verdict: str | None = Field(description="what the conditions show; null if the memory was never wiped")
    sentence: str = Field(description="the verdict with its figures")
    conditions: dict[str, Score] = Field(description="by intervention, if it has something to act on")


class CertificateFile(About, CertificatePart):
    """`certificate.json`: what `--certificate` found; it stays when the run is evaluated anew without it."""

    @property
    def episodes_played(self) -> int:
        """Episodes that were played in each condition, which may be more than were asked for."""
        return self.conditions["intact"].episodes if "intact" in self.conditions else self.episodes


class Conditions(Model):
    """Scores with the memory intact and wiped."""

    intact: Score = Field(description="the memory left alone")
    wiped: Score | None = Field(None, description="the memory emptied before every step")


class EvaluationFile(About, Conditions):
    """`evaluation.json`: what `evaluate.py RUN` found last, on layouts of the test side."""

    success: Rate | None = Field(None, description="that of `intact`: memory left alone, most likely actions")
    verdict: str | None = Field(None, description="one sentence: was the memory needed?")
    controller_wiped: Score | None = Field(None, description="the controller's state emptied before every step")
    both_wiped: Score | None = Field(None, description="both emptied before every step")
    sampled: Conditions | None = Field(None, description="the same with sampled actions")
    certificate: CertificatePart | None = Field(None, description="the certificate, as far as it was played")
    test_settings: dict[str, Conditions] = Field(default_factory=dict, description="by size or delay, not split")

    @property
    def episodes_played(self) -> int:
        """Episodes that were played in the task as trained, which may be more than were asked for."""
        return self.intact.episodes


class VersionsFile(MadeBy):
    """`versions.json`: which code and packages a run was made with; beside these keys one for each package."""


class SideMet(Model):
    """What was met on one side of the split."""

    resets: int = Field(description="resets of this side")
    met: int = Field(description="distinct layouts, or episodes where the split is by seed")
    estimated: float = Field(description="how many there are at least")


class LeakageFile(Model):
    """`leakage.json`: what the sides of the split have in common, looked for before the training."""

    by: str = Field(description="'layout' or 'seed'")
    sides: dict[str, SideMet] = Field(description="by side")
    checked_by: str | None = Field(description="what the independent hash is of: 'grid' or 'episode'; null without one")
    shared: int = Field(description="mazes or episodes that the hash found on more than one side")
    estimated: float = Field(description="how many there are in all, at least")


File = TypeVar("File", bound=Model)


def read_file(path: Path, kind: type[File], command: str) -> File:
    """Read a JSON file.

    Args:
        path: the file, in a run folder.
        kind: what must be in it.
        command: that makes it, for the error.

    Raises:
        CannotRun: if it is not there, lacks a key, or a value does not fit; the message names file, key and command.
    """
    try:
        found = kind.model_validate_json(path.read_bytes())
        _refuse_of_another_run(path, found)
        return found
    except FileNotFoundError:
        raise CannotRun(f"{path.parent}: there is no {path.name}; make it with: {command}") from None
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in wrong["loc"])[1:]
        if wrong["type"] == "missing":
            reason = f"it lacks '{key}', as an older format does"
        elif not key:
            reason = f"cannot be read ({wrong['msg']})"
        else:
            reason = f"{key}={wrong['input']!r:.40}: {wrong['msg'].lower()}"
    raise CannotRun(f"{path}: {reason}; make it anew with: {command}")


def _refuse_of_another_run(path: Path, found: Model) -> None:
    """Refuse a file that was made for another run than the one whose configuration lies beside it.

    Raises:
        CannotRun: if it was.
    """
    config = path.with_name("config.yaml")
    of_run = getattr(found, "of_run", None)
    if of_run is None or not config.is_file():
        return
    try:
        own = run_digest(config)
    except (*CONFIG_ERRORS, OSError) as error:
        raise CannotRun(f"{config}: {one_line(error)}") from error
    if of_run != own:
        raise CannotRun(f"{path}: of another run than {config.name} beside it")


def keys_of(kind: type[Model], prefix: str = "", known: tuple[type[Model], ...] = ()) -> Iterator[tuple[str, str]]:
    """Yield the keys of a file with their meanings, dotted after a prefix; the known parts are not written out."""
    for name, field in kind.model_fields.items():
        yield f"{prefix}{name}", field.description or ""
        by_name = "dict" in str(field.annotation)
        for part in _models_in(field.annotation):
            if part not in known:
                yield from keys_of(part, f"{prefix}{name}.{'NAME.' if by_name else ''}", known)


def _models_in(annotation: Any) -> Iterator[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
