"""Writing the policy to an ONNX file, which a robot or a game runs without torch."""

from __future__ import annotations

import io
import json
import logging
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.util import find_spec
from operator import index
from pathlib import Path
from typing import Any, SupportsIndex

import torch
from gymnasium import spaces
from torch.distributions import Distribution

from engram.agents import MemoryPolicy, MemoryPPO
from engram.agents.export.step import ExportedStep
from engram.memory.state import leaves

OPSET = 18
METADATA = "engram"
"""Under this key of the file's metadata is a JSON object that describes it."""


def export_onnx(model: MemoryPPO | MemoryPolicy, path: str | Path, batch_size: int = 1) -> dict[str, Any]:
    """Write one step of the agent to an ONNX file, with its state as inputs and outputs.

    Args:
        model: the agent, or its policy.
        path: of the file.
        batch_size: B, how many envs a step is of.

    Returns:
        what is in the file's metadata under the key `engram`: the names of its inputs and outputs, the spaces, and of
        an agent what a value of 1 is in its env's own rewards.

    Raises:
        ValueError: if something in the agent cannot be exported, or onnx and onnxscript are not installed.
    """
    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise ValueError(f"an export needs {' and '.join(missing)}: pip install 'engram-rl[export]'")
    if not isinstance(batch_size, SupportsIndex) or batch_size < 1:
        raise ValueError(f"batch_size={batch_size!r} must be a whole number of at least 1")
    policy = getattr(model, "policy", model)
    if not isinstance(policy, MemoryPolicy):
        raise ValueError(f"an agent of {type(policy).__name__} has no memory; what is exported is a MemoryPPO")
    step = ExportedStep(copied(policy), index(batch_size))
    about = described(step, batch_size)
    if isinstance(model, MemoryPPO):
        about["return_scale"] = model.return_scale
    with torch.no_grad():
        program = traced(step)
    program.model.metadata_props[METADATA] = json.dumps(about)
    program.save(path, external_data=False)
    return about


def copied(policy: MemoryPolicy) -> MemoryPolicy:
    """Return a copy of a policy that computes on the CPU, ready to act."""
    with torch.random.fork_rng(devices=[]):
        copy = type(policy)(**policy._get_constructor_parameters())
    copy.load_state_dict(policy.state_dict())
    copy.set_training_mode(False)
    return copy.to("cpu")


def described(step: ExportedStep, batch_size: int) -> dict[str, Any]:
    """Return what a program that runs the file has to know of it."""
    outputs, space = step.output_names(), step.policy.action_space
    _, *inputs = zip(step.input_names(), leaves(step.example), strict=True)
    given = {
        name: {"shape": list(leaf.shape), "dtype": str(leaf.dtype).removeprefix("torch.")} for name, leaf in inputs
    }
    states = step.state_names()
    action: dict[str, Any] = {"kind": type(space).__name__}
    if isinstance(space, spaces.Box):
        action |= {"low": space.low.tolist(), "high": space.high.tolist()}
    else:
        action["choices"] = step.policy.stored_action.choices or [2] * step.policy.stored_action.size
    return {
        "batch_size": batch_size,
        "observation": {name: given[name] for name in given if name not in states},
        "action": action,
        "distribution": outputs[1 : outputs.index("value")],
        "state": {name: given[name] for name in states},
        "initial_state": "zeros, with episode_start true",
    }


def traced(step: ExportedStep) -> Any:
    """Trace a step, and return it as an ONNX program.

    Raises:
        ValueError: if that is not possible, such as for an encoder of the user's own that looks at values.
    """
    example = tuple(leaves(step.example))
    try:
        with _quiet(), _unchecked():
            program = torch.export.export(step, example, strict=False)
            return torch.onnx.export(
                program,
                example,
                input_names=step.input_names(),
                output_names=step.output_names(),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # whatever a module of the user's own does while it is traced
        raise ValueError(f"the agent cannot be exported: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """Return in a line what went wrong first, and where in the code that was traced."""
    while error.__cause__ is not None:
        error = error.__cause__
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_torch(Path(frame.filename))]
    where = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}: " if frames else ""
    said = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return f"{where if frames and frames[-1].filename != __file__ else ''}{said[:200]}"


def _is_torch(file: Path) -> bool:
    return any(file.is_relative_to(folder) for folder in torch.__path__)


@contextmanager
def _unchecked() -> Iterator[None]:
    """Let distributions of actions not look at their parameters."""
    checks = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(checks)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what torch says of its own workings while it exports from the user."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
