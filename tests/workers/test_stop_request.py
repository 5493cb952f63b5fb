"""A request to stop by signals, at any distance from each other."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from aiWriting.environment import BASE_DIR
from workers.process.stop_request import STOP_SIGNALS, StopRequest

#: Writes the number of stops after each. Signals that come between two rounds make one more.
ROUNDS = """
from workers.process.stop_request import StopRequest

number = 0
while True:
    stop = StopRequest()
    stop.install()
    print(number, flush=True)
    while not stop.wait(0.5):
        pass
    number += 1
"""


@pytest.fixture
def stop():
    handlers = {signum: signal.getsignal(signum) for signum in STOP_SIGNALS}
    found = StopRequest()
    found.install()
    yield found
    for signum, handler in handlers.items():
        signal.signal(signum, handler)


@pytest.mark.parametrize("signum", STOP_SIGNALS)
def test_a_signal_ends_the_wait_at_once(stop: StopRequest, signum: signal.Signals) -> None:
    sender = threading.Timer(0.05, os.kill, (os.getpid(), signum))
    sender.start()
    began = time.monotonic()
    assert stop.wait(600)
    assert time.monotonic() - began < 300
    assert stop.is_set()
    assert stop.wait(600)
    sender.join()


def test_a_wait_without_a_signal_ends_at_its_timeout(stop: StopRequest) -> None:
    assert not stop.wait(0.01)
    assert not stop.is_set()


def test_two_signals_in_quick_succession_never_hang_a_process() -> None:
    """A platform signals the whole group, and the supervisor signals once more."""
    chance = random.Random(7)
    process = subprocess.Popen([sys.executable, "-c", ROUNDS], cwd=BASE_DIR, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    giving_up = threading.Timer(300, process.kill)
    giving_up.start()
    try:
        done = int(process.stdout.readline())
        while done < 3_000:
            process.send_signal(signal.SIGTERM)
            until = time.perf_counter() + chance.random() * 0.0003
            while time.perf_counter() < until:
                pass
            process.send_signal(signal.SIGTERM)
            line = process.stdout.readline()
            assert line, f"it hung after {done} stops"
            done = int(line)
    finally:
        giving_up.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
