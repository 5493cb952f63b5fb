"""The line of a child to its worker process."""

import os
import signal
import socket
from collections.abc import Iterator
from multiprocessing.connection import Connection

import pytest
from dramatiq.middleware import TimeLimitExceeded

from apps.tasks.progress import Reporter
from tests.waiting import wait_until
from workers.isolation.line import SIGNAL, Line
from workers.isolation.message import Interruption, Reported


@pytest.fixture
def ends() -> Iterator[tuple[Line, Connection]]:
    """A line, and the worker's end of it."""
    near, far = (Connection(end.detach()) for end in socket.socketpair())
    handler = signal.getsignal(SIGNAL)
    with near, far:
        line = Line(near, Reporter())
        line.open()
        yield line, far
        far.close()
        line.join()
    signal.signal(SIGNAL, handler)


def test_an_interrupt_that_comes_before_the_function_begins_interrupts_it(ends) -> None:
    line, far = ends
    far.send(Interruption(TimeLimitExceeded))
    wait_until(lambda: line.wanted is not None)
    with pytest.raises(TimeLimitExceeded):
        line.begin()


def test_an_interrupt_that_comes_after_the_function_has_ended_is_not_raised(ends) -> None:
    line, far = ends
    line.begin()
    line.end()
    far.send(Interruption(TimeLimitExceeded))
    wait_until(lambda: line.wanted is not None)


def test_progress_is_sent_while_the_function_runs(ends) -> None:
    line, far = ends
    line.reporter.report(40, "half")
    assert far.poll(20)
    assert far.recv() == Reported(40, "half")


def test_nothing_is_sent_into_a_descriptor_that_was_closed_and_used_again(ends, tmp_path) -> None:
    line, far = ends
    number = line.channel.fileno()
    kept = os.dup(number)
    with (tmp_path / "file").open("w") as file:
        os.dup2(file.fileno(), number)
        assert not line.send(Reported(1, "x"))
        line.join()
        os.dup2(kept, number)
    os.close(kept)
    assert (tmp_path / "file").read_text() == ""
    assert not far.poll(0)
