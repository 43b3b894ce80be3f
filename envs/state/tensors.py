"""The state of envs that live on a device as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from engram.envs.device.vec_env import TensorVecEnv
from engram.envs.state.places import Places, put_back, written_places
from engram.envs.state.plain.reading import as_list, read, with_keys
from engram.envs.state.plain.writing import Plain, written

_KEYS = ("places", "generator", "seeds", "not_told", "layouts_seen")
_PARTS_OF_A_STEP = (torch.bool, torch.bool, torch.float64, torch.int64, torch.int64)


def tensors_state(vec_env: TensorVecEnv) -> dict[str, Plain]:
    """Return where the envs stand, what was counted, and the generator that draws all that follows."""
    env = vec_env.env
    steps: list[Plain] = [torch.stack(part).cpu().numpy() for part in zip(*vec_env.steps_not_told, strict=True)]
    return {
        "places": written_places(_places(vec_env)),
        "generator": env.generator.get_state().numpy().copy(),
        "seeds": np.array(env.seeds, dtype=np.int64),
        "not_told": steps,
        "layouts_seen": written(vec_env.layouts_seen),
    }


def restore_tensors(vec_env: TensorVecEnv, state: Any) -> None:
    """Bring envs to where others stood; a bank of other episodes is drawn again.

    Raises:
        ValueError: if it is not the state of such envs (see `Reader` for other errors).
    """
    env, fields = vec_env.env, with_keys(state, _KEYS)
    generator, layouts = _as_array(fields["generator"], np.uint8), read(fields["layouts_seen"])
    seeds = _as_array(fields["seeds"], np.int64).tolist()
    steps = _read_steps(vec_env, fields["not_told"])
    if not isinstance(layouts, set) or not all(isinstance(layout, str) for layout in layouts):
        raise ValueError("layouts_seen has to be a set of texts")
    put_back(_places(vec_env), fields["places"])
    env.generator.set_state(torch.as_tensor(generator.copy()))
    if seeds != env.seeds:
        env.draw_bank(seeds)
    vec_env.layouts_seen, vec_env.steps_not_told = layouts, steps


def _places(vec_env: TensorVecEnv) -> Places:
    counted = ("returns", "lengths", "episodes_ended")
    return {name: (vec_env, name) for name in counted} | {
        f"standing {name}": (_Standing(tensor), "tensor") for name, tensor in vec_env.env.standing().items()
    }


class _Standing:
    """A tensor as an attribute."""

    def __init__(self, tensor: torch.Tensor):
        self.tensor = tensor


def _read_steps(vec_env: TensorVecEnv, plain: Any) -> list[tuple[torch.Tensor, ...]]:
    """Return the steps of which no ended episode has been told yet, each [B]."""
    parts = [torch.as_tensor(part).to(vec_env.env.device) for part in as_list(plain)]
    form = [(kind, parts[0].shape[0], vec_env.num_envs) for kind in _PARTS_OF_A_STEP] if parts else []
    if [(part.dtype, *part.shape) for part in parts] != form:
        raise ValueError("steps that were not told have to be five arrays [steps, envs]")
    return list(zip(*parts, strict=True))


def _as_array(plain: Any, kind: type[Any]) -> npt.NDArray[Any]:
    if not isinstance(plain, np.ndarray) or plain.dtype != kind or plain.ndim != 1:
        raise ValueError(f"an array of {kind.__name__} with one axis is missing")
    return plain
