"""A first signal is a request, a second one is an order."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace

import pytest
import torch

from engram.tracking import StopRequest
from engram.tracking.callbacks import StopOnRequest
from engram.tracking.interrupt import SIGNALS, Stopped


@pytest.mark.parametrize("number", SIGNALS)
def test_first_signal_is_noted_and_second_raises(number: signal.Signals) -> None:
    with StopRequest() as request:
        callback = StopOnRequest(request)
        callback.init_callback(SimpleNamespace(num_timesteps=0, get_env=lambda: None))
        assert callback.on_step()
        request.check()
        os.kill(os.getpid(), number)
        assert request.exit_code == 128 + number
        assert not callback.on_step()
        with pytest.raises(Stopped):
            request.check()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_where_nothing_needs_to_be_finished_the_first_signal_interrupts(number: signal.Signals) -> None:
    with StopRequest() as request:
        request.raise_at_once()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        assert request.exit_code == 128 + number


def test_handlers_are_given_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with StopRequest() as request:
        assert all(signal.getsignal(number) != handler for number, handler in zip(SIGNALS, before, strict=True))
        request.release()
        assert [signal.getsignal(number) for number in SIGNALS] == before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_under_nohup_a_lost_terminal_stops_nothing() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as request:
            os.kill(os.getpid(), signal.SIGHUP)
            assert request.signal is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_came_before_interrupts_where_nothing_needs_to_be_finished_any_more() -> None:
    with StopRequest() as request:
        request.raise_at_once()
        request.finish_first()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            request.raise_at_once()


def test_an_update_ends_before_its_next_step() -> None:
    weights = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weights], lr=0.5)
    policy = SimpleNamespace(optimizer=optimizer)
    with StopRequest() as request:
        callback = StopOnRequest(request)
        callback.init_callback(SimpleNamespace(num_timesteps=0, get_env=lambda: None, policy=policy))
        callback.on_training_start({}, {})
        weights.grad = torch.ones(3)
        optimizer.step()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped):
            optimizer.step()
        assert torch.equal(weights, torch.full((3,), 0.5))
        callback.on_training_end()
        optimizer.step()
    assert torch.equal(weights, torch.zeros(3))


def test_a_warning_leaves_time_and_what_comes_after_it_does_not() -> None:
    with StopRequest(signal.SIGUSR1) as request:
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert request.warned
        request.check()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped):
            request.check()
        request.heed_warning()
        assert request.exit_code == 128 + signal.SIGTERM


def test_a_warning_may_be_one_of_the_usual_signals() -> None:
    with StopRequest(signal.SIGTERM) as request:
        os.kill(os.getpid(), signal.SIGTERM)
        request.check()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped):
            request.check()


def test_a_warning_interrupts_where_nothing_needs_to_be_finished() -> None:
    with StopRequest(signal.SIGUSR1) as request:
        request.raise_at_once()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGUSR1)
        request.finish_first()
    with StopRequest(signal.SIGUSR1) as request:
        os.kill(os.getpid(), signal.SIGUSR1)
        with pytest.raises(KeyboardInterrupt):
            request.raise_at_once()
        assert request.exit_code == 128 + signal.SIGUSR1
