"""The best model of the validation side is kept, whatever comes later."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.logger import Logger

from engram.agents import MemoryPPO
from engram.agents.evaluation.episodes import Episodes
from engram.envs import make_vec_env
from engram.tracking import RunFolder, StopRequest
from engram.tracking.callbacks import Validation
from engram.tracking.interrupt import Stopped

STEPS = 10


class Model:
    """Stands in for an agent whose weights are the number of steps that it has seen."""

    def __init__(self) -> None:
        self.num_timesteps = 0
        self.logger = Logger(None, [])
        # Without a memory there is nothing to watch.
        self.policy = SimpleNamespace(core=SimpleNamespace(memory=SimpleNamespace(read_size=0)), parameters=tuple)

    def get_env(self) -> None:
        return None

    def save(self, file: Any) -> None:
        file.write(str(self.num_timesteps).encode())


def episodes(success: float, episode_return: float) -> Episodes:
    won = np.arange(4) < 4 * success
    return Episodes(
        won,
        np.full(4, episode_return),
        np.full(4, 7),
        np.full(4, "", dtype=object),
        won,
        won,
        *np.zeros((3, 4), dtype=int),
        False,
    )


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SimpleNamespace]:
    """Return a function that trains through the given validation results, one after each rollout and one at the end."""

    def playing(
        *results: tuple[float, float],
        request: StopRequest | None = None,
        knows_success: bool = True,
        stop_at: float | None = None,
    ) -> SimpleNamespace:
        model, request = Model(), request or StopRequest()
        left = [episodes(*result) for result in results]
        env = make_vec_env("Engram-TMaze-v0", n_envs=2, split="validation", seed=0)

        def evaluated(agent: Model, watched: Any, n_episodes: int, watch: Callable[[], None]) -> Episodes:
            watched.knows_success = knows_success
            watch()  # it is called before every step
            return left.pop(0)

        monkeypatch.setattr("engram.tracking.callbacks.validation.evaluate", evaluated)
        printed: list[str] = []
        folder = RunFolder(tmp_path)
        kwargs = {"every": STEPS, "episodes": 4, "seed": 3, "request": request, "stop_at": stop_at}
        callback = Validation(env, folder, print_line=printed.append, **kwargs)
        callback.init_callback(model)
        callback.on_training_start({}, {})
        for _ in results[:-1]:
            model.num_timesteps += STEPS
            if not callback.on_step():
                break
            with suppress(Stopped):  # which ends a training
                callback.on_rollout_end()
        model.num_timesteps += 1
        callback.on_training_end()
        kept = {path.stem: int(path.read_text()) for path in tmp_path.glob("*.zip")}
        return SimpleNamespace(printed=printed, left=left, **kept)

    return playing


def test_highest_success_is_kept(play) -> None:
    kept = play((0.25, 0.9), (0.75, 0.1), (0.5, 1.0))
    assert (kept.best, kept.latest) == (2 * STEPS, 2 * STEPS + 1)
    assert ["best" in line for line in kept.printed] == [True, True, False]


def test_of_equals_the_later_is_kept_whatever_the_return(play) -> None:
    assert play((0.5, 0.9), (0.5, 0.4), (0.25, 1.0)).best == 2 * STEPS


def test_the_return_decides_where_success_is_unknown(play) -> None:
    assert play((0.5, 0.2), (0.5, 0.9), (0.5, 0.4), knows_success=False).best == 2 * STEPS


def test_weights_after_the_last_rollout_have_their_chance(play) -> None:
    assert play((0.5, 0.5), (0.75, 0.5)).best == STEPS + 1


def test_a_stop_cuts_the_evaluation_short_and_saves_the_latest(play) -> None:
    request = StopRequest()
    request.signal = signal.SIGINT
    kept = play((0.5, 0.5), (1.0, 1.0), request=request)
    assert kept.latest == STEPS + 1
    assert not hasattr(kept, "best")
    assert len(kept.left) == 2


def test_a_stop_while_it_is_evaluated_ends_the_training_before_the_update(tmp_path: Path) -> None:
    env = make_vec_env("Engram-TMaze-v0", n_envs=2, seed=0)
    model = MemoryPPO("MemoryPolicy", env, n_steps=10, memory="none", seed=0, device="cpu")
    request, updated = StopRequest(), []
    kwargs: dict[str, Any] = {"every": 20, "episodes": 2, "seed": 3, "request": request, "print_line": updated.append}
    model.policy.optimizer.register_step_post_hook(lambda *_: updated.append("a step"))
    callback = Validation(env, RunFolder(tmp_path), **kwargs)

    request.signal = signal.SIGTERM
    with pytest.raises(Stopped):
        model.learn(200, callback=callback)
    assert (updated, model.num_timesteps) == ([], 20)


def test_an_unused_memory_is_said_and_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = make_vec_env("Engram-TMaze-v0", n_envs=2, split="validation", seed=0)
    model = MemoryPPO(
        "MemoryPolicy", env, n_steps=10, chunk_length=10, memory_kwargs={"slots": 7}, seed=0, device="cpu"
    )
    printed: list[str] = []
    callback = Validation(
        env, RunFolder(tmp_path), every=1, episodes=2, seed=3, request=StopRequest(), print_line=printed.append
    )
    callback.init_callback(model)
    model.set_logger(Logger(None, []))
    with torch.no_grad():
        model.policy.action_net.weight.zero_()
    callback._evaluate()
    assert model.logger.name_to_value["panel/use"] == 0.0
    assert model.logger.name_to_value["panel/write_rate"] > 0
    assert any(line.startswith("warning: the memory is not used") for line in printed)
    assert any("memory: use 0%" in line for line in printed)
    with torch.no_grad():
        model.policy.action_net.weight.normal_()
    printed.clear()
    callback._evaluate()
    assert not any(line.startswith("warning") for line in printed)


@pytest.mark.parametrize("knows_success", [True, False])
def test_a_level_held_twice_in_a_row_ends_the_training(play, knows_success: bool) -> None:
    results = [(0.75, 0.75), (0.5, 0.5), (0.75, 0.75), (0.75, 0.75), (1.0, 1.0), (1.0, 1.0)]
    kept = play(*results, stop_at=0.75, knows_success=knows_success)
    assert len(kept.left) == 2  # the fourth was the last one, also at the end
    assert ["the training ends" in line for line in kept.printed].count(True) == 1
    assert play(*results, stop_at=None).left == []


def test_it_says_that_what_was_learned_is_lost(play) -> None:
    printed = play((0.0, 0.0), (1.0, 0.9), (0.25, 0.2), (0.25, 0.2), (0.0, 0.0)).printed
    assert ["has fallen from 1.000 at 20 steps to 0.250" in line for line in printed if "warning" in line] == [True]
    assert "warning: validation has fallen" in printed[4]
