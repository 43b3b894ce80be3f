"""Weights & Biases as one more output of Stable-Baselines3's logger. The record is metrics.csv; this is the view."""

from __future__ import annotations

import netrc
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import wandb
from stable_baselines3.common.logger import KVWriter, filter_excluded_keys

Mode = Literal["auto", "offline", "online", "disabled"]


class WandbWriter(KVWriter):
    """Logs every row with its `global_step`, which is the horizontal axis of all charts.

    What fails in Weights & Biases is said once, and then no more is sent there: it must not end a training.

    Args:
        run: in Weights & Biases.
        print_line: called with one line if something fails.
    """

    def __init__(self, run: wandb.Run, print_line: Callable[[str], None]) -> None:
        self.run = run
        self.exit_code = 0
        self.failed = False
        self._print_line = print_line
        run.define_metric("global_step")
        run.define_metric("*", step_metric="global_step")

    @contextmanager
    def _surviving(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # of whatever kind: the record is metrics.csv
            if not self.failed:
                self._print_line(f"Weights & Biases: not used from here on ({_in_a_line(error)})")
            self.failed = True

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        values = filter_excluded_keys(key_values, key_excluded, "wandb")
        plain = {key: value for key, value in values.items() if isinstance(value, int | float | str) or _scalar(value)}
        self._log({**plain, "global_step": step})

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Put the outcome of the run into its summary."""
        with self._surviving():
            self.run.summary.update(dict(values))

    def show(self, name: str, file: Path, step: int) -> None:
        """Log a film (GIF) or a picture.

        Args:
            name: what it is called in Weights & Biases.
            file: it is copied.
            step: the number of environment steps that it belongs to.
        """
        with self._surviving():
            media = wandb.Video(str(file), format="gif") if file.suffix == ".gif" else wandb.Image(str(file))
            self._log({name: media, "global_step": step})

    def tabulate(self, name: str, rows: Sequence[Mapping[str, Any]], step: int) -> None:
        """Log a table, given its rows, all with the same columns."""
        with self._surviving():
            table = wandb.Table(columns=list(rows[0]), data=[list(row.values()) for row in rows])
            self._log({name: table, "global_step": step})

    def keep_model(self, files: Sequence[Path], alias: str) -> None:
        """Log a model and what is needed to evaluate it as a version of this run's artifact.

        Args:
            files: of the run folder; they are copied.
            alias: what this version is called, such as `best`.
        """
        with self._surviving():
            artifact = wandb.Artifact(f"agent-{self.run.id}", type="model")
            for file in files:
                artifact.add_file(str(file), name=file.name)
            self.run.log_artifact(artifact, aliases=[alias])

    def close(self) -> None:
        with self._surviving():
            self.run.finish(exit_code=self.exit_code)

    def _log(self, values: dict[str, Any]) -> None:
        if not self.failed:
            with self._surviving():
                self.run.log(values)


def open_wandb(
    *,
    mode: Mode,
    folder: Path,
    project: str | None,
    entity: str | None,
    group: str | None,
    tags: Sequence[str],
    name: str,
    config: Mapping[str, Any],
    timeout: float,
    print_line: Callable[[str], None],
    run_id: str | None = None,
) -> WandbWriter | None:
    """Start or go on with a run in Weights & Biases, offline without a server, none if it refuses a setting.

    Args:
        mode: "auto" is what the user's own settings say (WANDB_MODE, WANDB_DISABLED, `wandb offline`); without them it
            is online if an API key is there, and offline otherwise.
        folder: the run folder; the files of Weights & Biases go into its `wandb/`.
        project, entity, group, tags: where the run is filed; None or none for the user's own settings (WANDB_PROJECT,
            _ENTITY, _RUN_GROUP, _TAGS), without them "engram" and the group `name`. Its name is that of the folder,
            unless WANDB_NAME is set.
        name: of the runs of all seeds.
        config: the run's configuration.
        timeout: seconds to wait for the server.
        print_line: called with one line about what happens with the metrics.
        run_id: of the run that goes on, as Weights & Biases knows it; None for another one. Offline, what is added is a
            folder of its own; uploaded together, or after the first, they are one run.

    Returns:
        the writer, or None if disabled or refused.
    """
    if mode == "disabled" or (mode == "auto" and _is_switched_off()):
        return None
    try:
        # Everything worth knowing is printed below, in one line.
        own = wandb.setup(wandb.Settings(silent=True)).settings
    except Exception as error:  # it reads WANDB_... variables itself
        print_line(f"Weights & Biases: not used, for its settings are wrong ({_in_a_line(error)})")
        return None

    wanted = _decide(mode, own.mode)
    if wanted == "disabled":
        return None
    # Where copies of models wait for their upload: with the run, and not in the user's home.
    os.environ.setdefault("WANDB_DATA_DIR", str(folder.resolve() / "wandb"))

    def start(chosen: Literal["online", "offline"]) -> WandbWriter:
        run = wandb.init(
            mode=chosen,
            # Its service may be another program's, with another working directory.
            dir=folder.resolve(),
            id=run_id,
            resume=None if run_id is None else "allow",
            project=project or own.project or "engram",
            entity=entity,
            group=group or own.run_group or name,
            name=own.run_name or folder.name,
            tags=list(tags or own.run_tags or ()),
            config=dict(config),
            settings=wandb.Settings(
                init_timeout=timeout, login_timeout=timeout, silent=True, console="off", disable_git=True
            ),
        )
        return WandbWriter(run, print_line)

    trouble = ""
    if wanted == "online":
        try:
            writer = start("online")
            print_line(f"Weights & Biases: {writer.run.url}")
            return writer
        except Exception as error:  # of whatever kind: offline is left
            trouble = f"online does not work ({_in_a_line(error)}), so "
    try:
        writer = start("offline")
    except Exception as error:  # of whatever kind: the record is metrics.csv
        print_line(f"Weights & Biases: not used, for it refuses something ({_in_a_line(error)})")
        return None
    place = folder / "wandb" / (Path(writer.run.dir).parent.name if run_id is None else "offline-run-*")
    print_line(f"Weights & Biases: {trouble}offline; upload later with: wandb sync {place}")
    return writer


def _decide(mode: Mode, of_settings: str | None) -> Mode:
    """Return "online", "offline" or "disabled".

    Args:
        mode: of the config.
        of_settings: of Weights & Biases' own settings; "online" is what they are without any.
    """
    if mode != "auto":
        return mode
    asked = _of_words(os.environ.get("WANDB_MODE"))
    if asked is None and _of_words(of_settings) != "online":  # `wandb offline`
        asked = _of_words(of_settings)
    return asked or ("online" if _has_key() else "offline")


def _is_switched_off() -> bool:
    """Return whether the environment says, by its old word or its new, that Weights & Biases is not wanted."""
    old = os.environ.get("WANDB_DISABLED", "").lower() in ("true", "1", "yes", "on")
    return old or _of_words(os.environ.get("WANDB_MODE")) == "disabled"


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _of_words(word: str | None) -> Mode | None:
    """Return the mode of a word of Weights & Biases, old ones included; None if it is none."""
    words: dict[str | None, Mode] = {"dryrun": "offline", "run": "online", "shared": "online"}
    return words.get(word, cast(Mode, word) if word in ("online", "offline", "disabled") else None)


def _has_key() -> bool:
    """Return whether an API key is there, where `wandb login` or its documentation puts one."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname
    for path in (os.environ.get("NETRC"), "~/.netrc", "~/_netrc"):
        if path and (file := Path(path).expanduser()).is_file():
            try:
                return host is not None and netrc.netrc(file).authenticators(host) is not None
            except (netrc.NetrcParseError, OSError):
                return False
    return False


def _scalar(value: Any) -> bool:
    """Return whether it is a numpy number."""
    return hasattr(value, "dtype") and getattr(value, "ndim", None) == 0
