"""Where to compute."""

import torch


def device_called(name: str) -> torch.device:
    """Return the device of this name, or with "auto" CUDA if it is there.

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
