"""Which runs are seeds of the same agent, and which were trained on the same task."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from engram.configs import CannotRun
from engram.evidence.runs.recorded_run import RecordedRun
from engram.evidence.runs.settings import task_name

Found = TypeVar("Found")
TASK = (
    "env.id",
    "env.split",
    "env.kwargs",
    "env.view_size",
    "env.useful_actions",
    "env.pixels",
    "env.odometry",
    "env.mission",
)
# What changes neither the agent nor which of its weights are kept.
BESIDE = (
    "seed",
    "device",
    "torch_threads",
    "runs_dir",
    "tracking",
    "eval.final_episodes",
    "eval.test_settings",
    "eval.leakage_resets",
    "eval.n_envs",
    "env.allow_overlap",
    "env.chance",
    "env.test_settings",
    "env.module",
    "env.subprocess",
)
NAMED = 3  # differences that a name tells in full


def tasks(runs: Sequence[RecordedRun]) -> dict[str, list[RecordedRun]]:
    """Sort runs by what they were trained and evaluated on.

    Returns:
        name of the task -> its runs; the name is that of `task_name`, and what differs where
        these are the same.
    """

    def name(run: RecordedRun) -> str:
        return task_name(*(run.config[key] for key in ("env.id", "env.odometry", "env.mission")))

    return _named(runs, name, lambda key: _within(key, TASK))


def agents(runs: Sequence[RecordedRun]) -> dict[str, list[RecordedRun]]:
    """Sort runs of one task by their configuration up to the seed.

    Returns:
        name of the agent -> its runs in order of their seeds; the name is its memory and controller, as in the name of
        a run folder, and what differs where these are the same. A training that ended before its time is no seed of
        those that did not: it is an agent of its own, with a name that says so.
    """

    def name(run: RecordedRun) -> str:
        label = f"{run.config['memory.name']}-{run.config['controller.name']}"
        return f"{label}, {run.cut_short}" if run.cut_short else label

    named = _named(runs, name, lambda key: not _within(key, TASK + BESIDE))
    return {label: sorted(group, key=lambda run: (run.seed, str(run.path))) for label, group in named.items()}


def read_each(
    groups: Mapping[str, Sequence[RecordedRun]], read: Callable[[RecordedRun], Found]
) -> tuple[dict[str, dict[RecordedRun, Found]], list[str]]:
    """Read something of each run; return it by label and run, and what is wrong with the others.

    Args:
        groups: label -> runs.
        read: what reads it; it may raise CannotRun, ValueError or OSError.
    """
    found: dict[str, dict[RecordedRun, Found]] = {}
    lacking = []
    for label, group in groups.items():
        for run in group:
            try:
                found.setdefault(label, {})[run] = read(run)
            except (CannotRun, ValueError, OSError) as error:
                lacking.append(str(error))
    return {label: group for label, group in found.items() if group}, lacking


def _named(
    runs: Sequence[RecordedRun], name: Callable[[RecordedRun], str], belongs: Callable[[str], bool]
) -> dict[str, list[RecordedRun]]:
    """Group runs by those items of their config that belong; groups of the same name are told apart in it."""
    groups: dict[str, dict[str, list[RecordedRun]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        items = {key: value for key, value in run.config.items() if belongs(key)}
        groups[name(run)][json.dumps(items, sort_keys=True, default=str)].append(run)
    named = {}
    for label, variants in groups.items():
        configs = [json.loads(items) for items in variants]
        keys = _telling_apart(configs)
        for config, group in zip(configs, variants.values(), strict=True):
            named[" ".join([label, *(f"{key}={_short(config.get(key))}" for key in keys)])] = group
    return dict(sorted(named.items()))


def _telling_apart(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys that differ; if they are many, so many that no two configs look alike."""
    keys = sorted({key for config in configs for key in config})
    differing = [key for key in keys if len({_short(config.get(key)) for config in configs}) > 1]
    if len(differing) <= NAMED:
        return differing
    chosen: list[str] = []
    for key in differing:
        looks = [{tuple(_short(config.get(k)) for k in [*chosen, *more]) for config in configs} for more in ([], [key])]
        if len(looks[1]) > len(looks[0]):
            chosen.append(key)
    return chosen


def _short(value: Any) -> str:
    return json.dumps(value).strip('"').replace(" ", "")


def _within(key: str, parts: Sequence[str]) -> bool:
    return any(key == part or key.startswith(f"{part}.") for part in parts)
