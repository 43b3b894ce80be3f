"""What `MemoryPPO.load` refuses, and what it says where a saved agent cannot be made again."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

from engram.agents.actor_critic import MemoryActorCritic
from engram.agents.arguments import refuse_unknown

OF_THE_AGENT = {*inspect.signature(MemoryActorCritic).parameters, "bonus"} - {"self", "lr_schedule", "kwargs"}
OF_LOAD = {"policy", "env", "device", "_init_setup_model"}
EARLIER: Mapping[str, Any] = {"reward_scale": None}
"""What agents that were saved before returns had a scale hold beside their settings; its class is gone."""


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


def with_settings_of_today(saved: MutableMapping[str, Any], given: Mapping[str, Any]) -> None:
    """Rename the settings of an agent that was saved before: what had learned from rewards as they are goes on so.

    Args:
        saved: the attributes of the loaded agent.
        given: settings that shall be others than those that were saved.
    """
    for name in EARLIER:
        saved.pop(name, None)
    earlier = saved.pop("normalize_rewards", None)
    if earlier is not None and "normalize_returns" not in given:
        saved["normalize_returns"] = earlier


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
