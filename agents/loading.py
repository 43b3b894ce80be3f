"""What `MemoryPPO.load` refuses, and what it says where a saved agent cannot be made again."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from engram.agents.actor_critic import MemoryActorCritic
from engram.agents.arguments import refuse_unknown

OF_THE_AGENT = inspect.signature(MemoryActorCritic).parameters.keys() - {"self", "lr_schedule", "kwargs"}
OF_LOAD = {"policy", "env", "device", "_init_setup_model"}


def refuse_changes(given: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse what would change a saved agent, or is no setting of it.

    Args:
        given: settings that shall be others than those that were saved.
        known: those that there are.

    Raises:
        ValueError: if there is such a name.
    """
    for name in given:
        if name in OF_THE_AGENT:
            raise ValueError(f"{name} belongs to the saved agent and cannot be changed by load; leave it out")
    refuse_unknown("MemoryPPO", given, set(known) - OF_THE_AGENT - OF_LOAD)


@contextmanager
def naming_missing_classes(path: object) -> Iterator[None]:
    """Say which class of a saved agent could not be imported while it is loaded.

    Raises:
        ImportError: if there is such a class.
    """
    with warnings.catch_warnings():
        # Stock PPO goes on without the policy's arguments, and fails where nobody would look for them.
        warnings.filterwarnings("error", "Could not deserialize object policy")
        try:
            yield
        except (ImportError, UserWarning) as error:
            reason = str(error).rpartition("Exception: ")[2]
            raise ImportError(
                f"{path}: the agent is made of a class that cannot be imported ({reason}); "
                "the folder of its module has to be on the path (PYTHONPATH)"
            ) from error
