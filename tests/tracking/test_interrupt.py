"""A first signal is a request, a second one is an order."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace

import pytest

from engram.tracking import StopRequest
from engram.tracking.callbacks import StopOnRequest
from engram.tracking.interrupt import Stopped


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_where_nothing_needs_to_be_finished_the_first_signal_interrupts(number: signal.Signals) -> None:
    with StopRequest() as request:
        request.raise_at_once()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        assert request.exit_code == 128 + number


def test_handlers_are_given_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with StopRequest() as request:
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) != before
        request.release()
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
