"""Evaluates runs on layouts of the test side, never trained on, with the memory intact and intervened on.

    python evaluate.py RUN                          test side, memory wiped, test settings
    python evaluate.py RUN --certificate            every intervention, and what they prove
    python evaluate.py RUN --horizon 10 1000 1e5    success against delay
    python evaluate.py RUN --explain 3              why it did what it did in episode 3 of episodes.csv, as a page
    python evaluate.py 'runs/room-*/seed*'          compare runs, seeds together
    python evaluate.py 'runs/tmaze-*' --horizon     their horizons in one figure, seeds together
    python evaluate.py wandb:team/engram/agent-1a2b3c4d:best
    python evaluate.py RUN memory.module=my_memories   a module of your own, if it has moved since the training
    python evaluate.py RUN memory.hops=4            as many reads a step, where the training had another number

Plays layouts of the test side, then the test settings: those that the run's config names, or --sizes and --delays. In
these all layouts are played; if some of them were trained on, as at a delay within the training's range, a line says so
(test_settings_layouts_in_both). Prints a table and writes RUN/evaluation.json, RUN/evaluation.csv and, with every
episode and its layout, RUN/episodes.csv.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gymnasium.error import Error as GymnasiumError

from engram.cli.terminal import OneLineParser, stderr_console, stdout_console, warn_in_one_line
from engram.configs import CannotRun
from engram.evidence.comparison.compare import compare, only_task
from engram.evidence.comparison.table import print_comparison, write_comparison
from engram.evidence.evaluation.run import STANDARD, evaluate_run
from engram.evidence.evaluation.tables import print_certificate, print_result
from engram.evidence.explanation.run import explain_episode
from engram.evidence.horizon.compare import compare_horizons, print_horizons, write_horizons
from engram.evidence.horizon.measure import horizon_of, print_horizon
from engram.evidence.report.file_formats import help_text
from engram.evidence.runs.more_hops import set_hops, split_hops
from engram.evidence.runs.open import TEST_SEED, check_device, open_envs, open_run, refusing_foreign_errors
from engram.evidence.runs.recorded_run import RecordedRun, find_runs, read_runs
from engram.evidence.runs.result_files import check_ours, check_writable
from engram.evidence.runs.settings import settings_of_config, settings_of_delays, settings_of_sizes, trained_setting
from engram.evidence.runs.user_modules import import_modules, split_modules
from engram.evidence.tables import print_line
from engram.tracking import StopRequest
from engram.tracking.commands import command, program
from engram.tracking.writers.wandb_artifact import download, is_artifact

ARTIFACTS = Path("runs/artifacts")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = OneLineParser(
        prog=program("evaluate"),
        description=__doc__.replace("python evaluate.py", command("evaluate")),
        epilog=help_text(),
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders, folders of them, or patterns")
    parser.add_argument("--episodes", type=int, help="per line of the table (default: as the run's config says)")
    parser.add_argument("--checkpoint", choices=("best", "latest"), help="which weights (default: best)")
    parser.add_argument("--device", default="auto", help="cpu, cuda, ... (default: auto)")
    parser.add_argument("--chance", type=float, help="success of a player that cannot recall (default: the config's)")
    parser.add_argument("--seed", type=int, help=f"of the episodes (default: {TEST_SEED})")
    parser.add_argument("--sizes", nargs="+", default=[], metavar="SIZE", help="other sizes, such as 13 17Random")
    parser.add_argument("--delays", nargs="+", default=[], type=int, metavar="DELAY", help="other delays, in steps")
    parser.add_argument("--no-test-settings", action="store_true", help="leave the test settings out")
    parser.add_argument(
        "--intact-only",
        action="store_true",
        help="leave the memory alone, take the most likely actions, no test settings; with --horizon: leave it alone",
    )
    parser.add_argument("--certificate", action="store_true", help="play all interventions, and state what they prove")
    parser.add_argument(
        "--horizon",
        nargs="*",
        type=delay,
        metavar="DELAY",
        help="measure success against delay, and nothing else (default: from a quarter of the training's to 10,000); "
        "with --compare-only: show these of the delays that were measured before",
    )
    parser.add_argument("--again", action="store_true", help="of --horizon: measure delays that were measured before")
    parser.add_argument(
        "--explain",
        nargs="+",
        type=int,
        metavar="EPISODE",
        help="write a page that shows what was stored and read in an episode and why, and nothing else; EPISODE is its "
        "number in episodes.csv (of an evaluation with other --seed, --episodes or --checkpoint: give these, too)",
    )
    parser.add_argument("--compare-only", action="store_true", help="compare evaluations that were made before")
    parser.add_argument(
        "--out",
        type=Path,
        help="name of the comparison's JSON, CSV, PNG and SVG files, without suffix (default: comparison, or horizon)",
    )
    arguments = sys.argv[1:] if arguments is None else arguments
    if "--no-harder" in arguments:
        parser.error("--no-harder: is called --no-test-settings now")
    options = parser.parse_intermixed_args(arguments)
    warn_in_one_line()
    with StopRequest() as request:
        try:
            request.raise_at_once()
            _run(options)
        except CannotRun as error:
            print(f"{parser.prog}: {error}", file=sys.stderr)
            return 2
        except OSError as error:
            print(f"{parser.prog}: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("interrupted; what was written before is still there", file=sys.stderr)
            return request.exit_code
    return 0


def delay(text: str) -> int:
    """Read a delay such as 100 or 1e5."""
    number = float(text)
    if not number.is_integer():
        raise ValueError(text)
    return int(number)


def _run(options: argparse.Namespace) -> None:
    if options.episodes is not None and options.episodes < 1:
        raise CannotRun(f"--episodes {options.episodes}: must be at least 1")
    if options.seed is not None and not 0 <= options.seed < 2**32 - 1000:
        raise CannotRun(f"--seed {options.seed}: must be from 0 to {2**32 - 1001}")
    _check_options(options)
    if options.chance is not None and not 0 <= options.chance <= 1:
        raise CannotRun(f"--chance {options.chance}: must be from 0 to 1")
    check_device("--device ", options.device)
    words, options.hops = split_hops(options.runs)
    for other, is_given in (
        ("--explain", options.explain),
        ("--horizon", options.horizon is not None),
        ("--compare-only", options.compare_only),
    ):
        if options.hops is not None and is_given:
            raise CannotRun(f"memory.hops={options.hops} and {other}: for now it belongs to an evaluation alone")
    runs, options.modules = split_modules(words)
    import_modules(options.modules)
    try:
        names = [download(name, ARTIFACTS) if is_artifact(name) else name for name in runs]
    except ValueError as error:
        raise CannotRun(str(error)) from error
    paths = find_runs(names)
    is_compared = options.compare_only or (len(paths) > 1 and not options.explain)
    if options.out and not is_compared:
        raise CannotRun("--out: it names the files of a comparison; the results of one run are written to its folder")
    compared: list[RecordedRun] = []
    out = options.out or Path("comparison" if options.horizon is None else "horizon")
    if is_compared:  # what one folder lacks must not hide the others
        compared, wrong = read_runs(paths)
        for reason in wrong:
            print_line(stderr_console(), f"left out: {reason}")
        only_task(compared)  # reported now, and not after all have been played
        written = [out.with_name(out.name + suffix) for suffix in (".json", ".csv", ".png", ".svg")]
        check_ours(written, written[0], b'"about"', b'"agents"')
    failed: list[Path] = []
    if not options.compare_only:
        for path in [run.path for run in compared] if is_compared else paths:
            try:
                if len(paths) > 1:
                    stdout_console().print(path, highlight=False, soft_wrap=True)
                with refusing_foreign_errors(f"{path}: "):
                    _evaluate(path, options)
            except CannotRun as error:
                if len(paths) == 1:
                    raise
                print_line(stderr_console(), f"left out: {error}")
                failed.append(path)
        compared = [run for run in compared if run.path not in failed]
    if compared:
        files = _compare(compared, out) if options.horizon is None else _compare_horizons(compared, out, options)
        print(f"written to {', '.join(map(str, files))}")
    if failed:
        raise CannotRun(f"{len(failed)} of {len(paths)} runs could not be evaluated: {', '.join(map(str, failed))}")


def _check_options(options: argparse.Namespace) -> None:
    """Refuse options that do not go together, before anything is read.

    Raises:
        CannotRun: if there are such; the message names them.
    """
    given = {
        f"--{name.replace('_', '-')}"
        for name, value in vars(options).items()
        if value is not None and value is not False and value != []
    }
    if options.horizon == []:  # alone it stands for the usual delays
        given.add("--horizon")
    played = ("--certificate", "--sizes", "--delays", "--no-test-settings")
    for one, others, why in (
        (
            "--explain",
            ("--horizon", "--intact-only", *played),
            "one after the other, please; --explain does nothing else",
        ),
        ("--horizon", played, "one after the other, please; --horizon does nothing else"),
        (
            "--compare-only",
            ("--explain", "--intact-only", *played, "--again", "--episodes", "--checkpoint", "--seed", "--chance"),
            "--compare-only plays nothing",
        ),
        ("--intact-only", ("--certificate",), "a certificate is of what happens when the memory is not left alone"),
    ):
        for other in others:
            if {one, other} <= given:
                raise CannotRun(f"{one} and {other}: {why}")
    if options.again and options.horizon is None:
        raise CannotRun("--again: it belongs to --horizon")


def _compare(runs: Sequence[RecordedRun], out: Path) -> tuple[Path, ...]:
    comparison = compare(runs)
    print_comparison(comparison, stdout_console())
    return write_comparison(comparison, out)


def _compare_horizons(runs: Sequence[RecordedRun], out: Path, options: argparse.Namespace) -> tuple[Path, ...]:
    horizons = compare_horizons(runs, options.horizon if options.compare_only else ())
    print_horizons(horizons, only_task(runs), stdout_console())
    return write_horizons(horizons, out)


def _evaluate(path: Path, options: argparse.Namespace) -> None:
    folder, config, model, checkpoint = open_run(path, options.checkpoint, options.device, options.modules)
    hops = None if options.hops is None else set_hops(model, options.hops)
    check_writable(folder)
    if options.chance is not None:
        config.env.chance = options.chance
    episodes = options.episodes or config.eval.final_episodes or config.eval.episodes
    seed = TEST_SEED if options.seed is None else options.seed
    how: dict[str, Any] = {"checkpoint": checkpoint, "seed": seed, "console": stderr_console()}
    try:
        if options.explain:
            for number in options.explain:
                page = explain_episode(folder, config, model, number, episodes=options.episodes, **how)
                print(f"written to {page}")
            return
        if options.horizon is not None:
            how |= {"episodes": episodes, "again": options.again, "intact_only": options.intact_only}
            print_horizon(horizon_of(folder, config, model, options.horizon, **how), stdout_console())
            print(f"written to {folder.horizon}, with a figure beside it")
            return
        others = settings_of_sizes(config.env, options.sizes) + settings_of_delays(config.env, options.delays)
        if not (options.sizes or options.delays or options.no_test_settings or options.intact_only):
            others = settings_of_config(config.env)
        settings = [trained_setting(config.env), *others]
        envs = dict(zip(settings, open_envs(config, settings, episodes, model), strict=True))
    except (ValueError, GymnasiumError) as error:
        raise CannotRun(" ".join(str(error).split())) from error
    how |= {"conditions": STANDARD[:1] if options.intact_only else STANDARD, "certificate": options.certificate}
    how["hops"] = hops
    result = evaluate_run(folder, config, model, envs, episodes=episodes, **how)
    print_result(result, stdout_console())
    if options.certificate:
        print_certificate(result.certificate, stdout_console())
    print(f"written to {folder.evaluation}")
