"""A process that sends, rolls back and writes a journal.

    python -m tests.chaos.sender NAME SEED JOURNAL TRANSACTIONS_A_SECOND

The ledger is compared with the journal: `sending` before the commit, then `sent` or `rolled-back`. A transaction that a
kill interrupted in between may be either, but not half.
"""

import os
import random
import sys
import time
from typing import cast

import django

from workers.broker import LedgerBroker


class RolledBackError(Exception):
    """Raised on purpose."""


class Sender:
    """Sends random tasks.

    Parameters:
      seed: Determines the tasks, together with the name.
      journal: File that only this process writes, line by line.
    """

    def __init__(self, name: str, seed: str, journal: str) -> None:
        self.name = name
        self.random = random.Random(f"{seed} {name}")
        self.journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.count = 0

    def note(self, word: str, nonces: list[str]) -> None:
        os.write(self.journal, "".join(f"{word} {nonce}\n" for nonce in nonces).encode())

    def nonce(self) -> str:
        self.count += 1
        return f"{self.name}-{self.count}"

    def send_one(self) -> list[str]:
        """Send a task of a random kind. Return the nonces whose effects must come."""
        from tests.chaos import tasks

        kind = self.random.choices(
            ["work", "commit", "flaky", "delayed", "long", "many", "group"], [50, 12, 10, 8, 1, 3, 2]
        )[0]
        nonce = self.nonce()
        if kind == "work":
            tasks.work.send(nonce, self.random.choice([0, 0, 0, 0.005, 0.05]))
        elif kind == "commit":
            tasks.commit.send(nonce, self.random.choice([0, 0, 0.01]))
        elif kind == "flaky":
            tasks.flaky.send(nonce)
        elif kind == "delayed":
            tasks.work.send_with_options(args=(nonce,), delay=self.random.randrange(1, 3_000))
        elif kind == "long":
            tasks.work.send(nonce, self.random.uniform(0.5, 3))
        elif kind == "many":
            return self.send_many()
        else:
            return self.send_group(nonce)
        return [nonce]

    def send_many(self) -> list[str]:
        from tests.chaos import tasks

        nonces = [self.nonce() for _ in range(20)]
        cast(LedgerBroker, tasks.work.broker).send_many([tasks.work.message(nonce) for nonce in nonces])
        return nonces

    def send_group(self, nonce: str) -> list[str]:
        import dramatiq

        from tests.chaos import tasks

        nonces = [self.nonce() for _ in range(3)]
        group = dramatiq.group([tasks.work.message(nonce) for nonce in nonces])
        group.add_completion_callback(tasks.together.message(nonce))
        group.run()
        return [nonce, *nonces]

    def step(self) -> None:
        """Run one transaction of a random shape."""
        from django.db import transaction

        shape = self.random.choices(["plain", "rolled back", "savepoint"], [7, 2, 2])[0]
        kept: list[str] = []
        dropped: list[str] = []
        first = self.count
        try:
            with transaction.atomic():
                kept += self.send_one()
                if shape == "savepoint":
                    try:
                        with transaction.atomic():
                            dropped += self.send_one()
                            raise RolledBackError
                    except RolledBackError:
                        kept += self.send_one()
                self.note("sending", [f"{self.name}-{number}" for number in range(first + 1, self.count + 1)])
                if shape == "rolled back":
                    dropped, kept = dropped + kept, []
                    raise RolledBackError
        except RolledBackError:
            pass
        self.note("sent", kept)
        self.note("rolled-back", dropped)

    def run(self, *, per_second: float) -> None:
        from django.db import DatabaseError, InterfaceError, connection

        while True:
            try:
                self.step()
            except (DatabaseError, InterfaceError):
                # It may have been committed or not. The journal says "sending".
                connection.close()
                time.sleep(0.2)
            time.sleep(self.random.expovariate(per_second))


if __name__ == "__main__":
    django.setup()
    name, seed, journal, per_second = sys.argv[1:5]
    Sender(name, seed, journal).run(per_second=float(per_second))
