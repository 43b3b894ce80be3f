"""How long a few things take, one after the other in turns, so that a busy moment hits all of them."""

import argparse
import time
from collections.abc import Callable, Mapping

import torch


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add the option of where to measure."""
    parser.add_argument("--device", type=_device, default="cpu", help="auto, cpu, cuda, ... (default: %(default)s)")


def device_called(name: str) -> torch.device:
    """Return the device of this name; "auto" is CUDA if it is there, else the CPU.

    Raises:
        ValueError: if torch cannot use it here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # each is what some missing device raises
        raise ValueError(f"{name}: {str(error).splitlines()[0]}") from error
    return device


def seconds_in_turns(
    steps: Mapping[str, Callable[[], object]], repeats: int, device: torch.device
) -> dict[str, list[float]]:
    """Return the seconds of each step, [repeats], measured in turns after one turn to warm up.

    On a CPU it is CPU time, so that a busy machine disturbs little; elsewhere the time until the device is done.
    """
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repeats + 1):
        for name, step in steps.items():
            begin = _now(device)
            step()
            seconds[name].append(_now(device) - begin)
    return {name: taken[1:] for name, taken in seconds.items()}


def where(device: torch.device) -> str:
    """Name what was measured on."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, threads: {torch.get_num_threads()}"


def _now(device: torch.device) -> float:
    if device.type == "cpu":
        return time.process_time()
    torch.accelerator.synchronize(device)
    return time.perf_counter()


def _device(name: str) -> torch.device:
    try:
        return device_called(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
