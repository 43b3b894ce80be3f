"""What a vector environment of Gymnasium tells beside its observations, taken apart env by env."""

from __future__ import annotations

from typing import Any


def infos_of(infos: Any, num_envs: int) -> list[dict[str, Any]]:
    """Return the infos of each env, be they told env by env, or all in one dictionary (see `info_of`)."""
    if isinstance(infos, list | tuple):
        return [dict(info) for info in infos]
    return [info_of(infos, row) for row in range(num_envs)]


def info_of(infos: dict[str, Any], row: int) -> dict[str, Any]:
    """Return one env's info out of those of a vector env, in which ``_key`` says which envs have a ``key``."""
    info = {}
    for key, values in infos.items():
        if key.startswith("_") and key[1:] in infos:
            continue
        has_it = infos.get(f"_{key}")
        if has_it is not None and not has_it[row]:
            continue
        info[key] = info_of(values, row) if isinstance(values, dict) else _of_row(values, row)
    return info


def _of_row(values: Any, row: int) -> Any:
    """Return the value of one env; a number or a text is that of all."""
    is_of_each = isinstance(values, list | tuple) or bool(getattr(values, "shape", ()))
    return values[row] if is_of_each else values


def of_ended(info: dict[str, Any]) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Take apart what is told of an env that ended an episode and began the next one in the same step.

    Returns:
        last: the observation at the end; None if it is not told.
        info: of the step; all, if nobody told it from that of the reset.
        reset_info: of the reset.
    """
    last, of_step = info.pop("final_obs", None), info.pop("final_info", None)
    if of_step is None:
        return last, info, dict(info)
    statistics = info.get("episode")
    if isinstance(statistics, dict) and statistics.keys() >= {"r", "l"}:
        # A wrapper counts the episode around both, and so puts it beside the reset's.
        return last, {"episode": info.pop("episode"), **of_step}, info
    return last, of_step, info
