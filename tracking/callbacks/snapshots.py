"""Snapshots: all that a training needs to go on exactly, saved every so often, always between two rollouts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from stable_baselines3.common.callbacks import BaseCallback

from engram.agents import MemoryPPO
from engram.agents.carried import carried, own_of_process
from engram.storage import Plain
from engram.tracking.interrupt import StopRequest
from engram.tracking.run_folder import RunFolder

SHARE = 0.01
"""Share of a training's time that may be spent on noting where it stands."""
FIRST = 60.0
"""Seconds after which the first snapshot is saved at the latest."""


class Carrying(Protocol):
    """A callback that carries something over a rollout."""

    def get_state(self) -> Plain:
        """Return it, as copies."""

    def set_state(self, state: Any) -> None:
        """Go on from there; raises what it likes if it is none of that."""


class Snapshots(BaseCallback):
    """Saves the agent, the envs in mid-episode, all generators and the other callbacks.

    Between two rollouts it notes where everything stands, as often as that costs little; of what it noted last, it
    writes a file every so often, and at the end. So what is saved is never of the middle of a rollout or of an update.
    Of several processes that train together the first one notes and writes what stands in all of them.

    Args:
        folder: of the run; None in a process that is not the first.
        envs: return the state of the training's envs.
        callbacks: those that carry something, by name; their states are set when the training begins.
        every: seconds between two files; the first comes after a minute at the latest.
        keep: how many files are kept, the latest.
        states: of the callbacks, as they were saved; None for a training that begins.
        request: of a stop; after a warning a file is written where the next rollout would begin, and `Stopped` raised.
        clock: returns seconds.
    """

    model: MemoryPPO

    def __init__(
        self,
        folder: RunFolder | None,
        envs: Callable[[], Plain],
        callbacks: Mapping[str, Carrying],
        *,
        every: float,
        keep: int,
        states: Mapping[str, Any] | None = None,
        request: StopRequest | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.folder, self.envs, self.callbacks = folder, envs, callbacks
        self.every, self.keep, self.states, self.clock = every, keep, states, clock
        self.request = request or StopRequest()
        self.noted: tuple[int, dict[str, Plain]] | None = None  # and not written yet
        self.others: list[Any] = []  # what stood in the other processes when it was noted last
        self.seconds = 0.0  # spent so far
        self._next = 0.0
        self._is_between = True  # two rollouts

    def _on_training_start(self) -> None:
        self._due = self.clock() + min(self.every, FIRST)
        if self.states is not None:
            for name, callback in self.callbacks.items():
                callback.set_state(self.states[name])

    def _on_rollout_start(self) -> None:
        now = self.clock()
        ranks = self.model.ranks
        self.request.warned = not ranks.all_agree(not self.request.warned)
        is_due = self.folder is not None and now >= min(self._next, self._due)
        if not ranks.all_agree(not is_due) or self.request.warned:
            self._note()
        if self.request.warned:
            self.save()
            self.request.heed_warning()
            self.request.check()
        if now >= self._due:
            self.save()
            self._due = now + self.every
        self.seconds += self.clock() - now

    def _on_step(self) -> bool:
        self._is_between = False
        return True

    def _on_rollout_end(self) -> None:
        self._is_between = True  # unless the update that follows is interrupted, which ends the training otherwise

    def _on_training_end(self) -> None:
        if self._is_between:
            self._note()
        self.save()

    def save(self) -> None:
        """Write what was noted last, if that has not been done yet."""
        if self.noted is not None and self.folder is not None:
            self.folder.save_snapshot(*self.noted, keep=self.keep)
            self.noted = None

    def _note(self) -> None:
        began = self.clock()
        callbacks = {name: callback.get_state() for name, callback in self.callbacks.items()}
        state: dict[str, Plain] = {"envs": self.envs(), "callbacks": callbacks}
        if self.folder is None:
            state["agent"] = own_of_process(self.model)
            self.model.ranks.told_to_first(state)
            return
        state["agent"] = carried(self.model)
        state["of_run"] = getattr(self.model, "of_run", None)
        self.others = self.model.ranks.told_to_first(None)[1:]
        if self.others:
            state["others"] = self.others
        self.noted = self.model.num_timesteps, state
        now = self.clock()
        self._next = now + (now - began) / SHARE
