"""Clients of one attacker, in a process of their own.

    python -m benchmarks.rig.attackers '{"port": 8000, "token": "...", "project": "1", "kinds": ["guesses"], ...}'

They go on until the process is ended, and compute last: an attacker has machines of its own.
"""

import json
import os
import random
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from benchmarks.rig.requests import Site

CLIENTS = 16
#: Characters of a hostile text, and of an upload.
TEXT_CHARACTERS = 100_000
#: Texts that are slow to analyse.
TEXTS = (
    "1" + " " * TEXT_CHARACTERS + "x\n\nHello you there.\n",
    "\u201ca \u2018b " * (TEXT_CHARACTERS // 6),
    "Chapter 1\n\n" * (TEXT_CHARACTERS // 11),
    "Mr. A. e.g. " * (TEXT_CHARACTERS // 12),
    " ".join(f"{number * 7919 % 10**7:x}" for number in range(TEXT_CHARACTERS // 7)),
    "'a. " * (TEXT_CHARACTERS // 4),
    "One two three four five six seven. " * (TEXT_CHARACTERS // 35),
)
FORM = "application/x-www-form-urlencoded"
BOUNDARY = "xBx"


class Attacker:
    """The clients of one attacker. Each method is one attempt.

    Parameters:
      victim: Name of the user at whose password they guess.
      project: The attacker's own project.
    """

    def __init__(self, *, port: int, token: str, project: str, victim: str) -> None:
        self.port, self.project, self.victim = port, project, victim
        self.stranger, self.user = Site(port=port), Site(port=port, token=token)

    def guesses(self) -> None:
        name = random.choice([self.victim, f"nobody-{random.randrange(10**6)}"])
        self.stranger.ask("/api/token/", {"username": name, "password": f"x{random.random()}"})

    def health(self) -> None:
        self.stranger.ask("/readyz")

    def slow_bodies(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as link:
            head = (
                f"POST /sign-in/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\nContent-Type: {FORM}\r\n\r\n"
            )
            link.sendall(head.encode())
            for _ in range(30):
                link.sendall(b"a")
                time.sleep(0.3)

    def big_forms(self) -> None:
        self.stranger.ask("/sign-in/", b"a=" + b"x" * 50 * 1024**2, content_type=FORM)

    def streams(self) -> None:
        task = self._process("Words of mine.")
        for _ in range(100):
            with self.user.open(f"/api/tasks/{task}/events/") as answer:
                answer.read(200)

    def uploads(self) -> None:
        text = b"A line of words, and more of them.\n" * (TEXT_CHARACTERS // 35)
        part = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
        body = f'{part}"project"\r\n\r\n{self.project}\r\n{part}"file"; filename="a.txt"\r\n\r\n'.encode()
        content_type = f"multipart/form-data; boundary={BOUNDARY}"
        body += text + f"\r\n--{BOUNDARY}--\r\n".encode()
        _pause_if_refused(self.user.ask("/api/documents/", body, content_type=content_type)[0])

    def texts(self) -> None:
        self._process(random.choice(TEXTS))

    def _process(self, text: str) -> str:
        """Store a text and send its processing. Return the task's id."""
        status, document = self.user.ask("/api/documents/", {"project": self.project, "title": "t", "text": text})
        _pause_if_refused(status)
        _, sent = self.user.ask(f"/api/documents/{document['id']}/process/", {})
        return str(sent["task_id"])


#: The kinds of attack.
KINDS = ("guesses", "health", "slow_bodies", "big_forms", "streams", "uploads", "texts")


def _pause_if_refused(status: int) -> None:
    if status in (413, 429):
        time.sleep(0.5)


def _attempt_for_ever(attempt: Callable[[], None]) -> None:
    while True:
        # Whatever the site answers, or whether it hangs up.
        with suppress(Exception):
            attempt()


def main(order: str) -> None:
    os.nice(19)
    arguments = json.loads(order)
    kinds = arguments.pop("kinds")
    attacker = Attacker(**arguments)
    clients = [
        threading.Thread(target=partial(_attempt_for_ever, getattr(attacker, kinds[number % len(kinds)])))
        for number in range(CLIENTS)
    ]
    for client in clients:
        client.start()


if __name__ == "__main__":
    main(sys.argv[1])
