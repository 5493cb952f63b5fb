"""A process that sends, rolls back and writes a journal.

    python -m tests.chaos.sender NAME SEED TRANSACTIONS_A_SECOND FAULT,... ONLY,...

The ledger is compared with the journal: `sending` before the commit, then `sent` or `rolled-back`. A transaction that a
kill interrupted in between may be either, but not half.
"""

import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import django

from tests.chaos import journal
from tests.chaos.sends import KINDS, Planned

#: Owners that a sender has at a time.
OWNERS = 5


class RolledBackError(Exception):
    """Raised on purpose."""


class Sender:
    """Sends random tasks.

    Parameters:
      seed: Determines the tasks, together with the name.
      faults: Names of the faults whose kinds of sends are sent.
      only: Names of those whose kinds alone are sent. Empty: kinds of no fault are sent as well.
    """

    def __init__(self, name: str, seed: str, *, faults: Sequence[str], only: Sequence[str] = ()) -> None:
        self.name = name
        self.random = random.Random(f"{seed} {name}")
        self.journal = journal.of_this_process()
        self.kinds = [kind for kind in KINDS if kind.fault in (only or ("", *faults))]
        self.count = 0
        self.owners: list[int] = []
        #: Tasks to cancel, with the time at which each is due.
        self.to_cancel: list[tuple[float, str]] = []
        #: Results of Django's Tasks API to read, with the time at which each is due.
        self.to_read: list[tuple[float, Any]] = []

    def nonce(self) -> str:
        self.count += 1
        return f"{self.name}-{self.count}"

    def owner(self) -> int | None:
        return self.random.choice(self.owners) if self.owners else None

    def cancel_later(self, task_id: str) -> None:
        self.to_cancel.append((time.monotonic() + self.random.uniform(0, 3), task_id))

    def cancel_due(self) -> None:
        """Cancel the tasks that are due. A lost answer, or a send that was rolled back, does no harm."""
        from apps.tasks import ledger

        for due in [one for one in self.to_cancel if one[0] <= time.monotonic()]:
            ledger.cancel(due[1])
            self.to_cancel.remove(due)

    def read_later(self, result: Any) -> None:
        self.to_read.append((time.monotonic() + self.random.uniform(0, 20), result))

    def read_due(self) -> None:
        """Read the results that are due, until their ends. Those of rolled-back sends do not exist."""
        from django_tasks.exceptions import TaskResultDoesNotExist

        for due in [one for one in self.to_read if one[0] <= time.monotonic()]:
            result = due[1]
            try:
                result.refresh()
                status = str(result.status)
            except TaskResultDoesNotExist:
                status = "unknown"
            value = result.return_value if status == "SUCCESSFUL" else None
            self.journal.note("read", task_id=result.id, status=status, value=value)
            self.to_read.remove(due)
            if status in ("READY", "RUNNING"):
                self.read_later(result)

    def send_one(self) -> list[Planned]:
        """Send tasks of a random kind."""
        kind = self.random.choices(self.kinds, [kind.weight for kind in self.kinds])[0]
        return kind.send(self)

    def step(self) -> None:
        """Run one transaction of a random shape."""
        from django.db import transaction

        shape = self.random.choices(["plain", "rolled back", "savepoint"], [7, 2, 2])[0]
        began = time.monotonic()
        kept: list[Planned] = []
        dropped: list[Planned] = []
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
                planned = [asdict(one) for one in (*kept, *dropped)]
                keeps = [] if shape == "rolled back" else [one.nonce for one in kept]
                self.journal.note("sending", began=began, planned=planned, keeps=keeps)
                if shape == "rolled back":
                    dropped, kept = dropped + kept, []
                    raise RolledBackError
        except RolledBackError:
            pass
        self.journal.note("sent", nonces=[one.nonce for one in kept])
        self.journal.note("rolled-back", nonces=[one.nonce for one in dropped])

    def change_owners(self) -> None:
        """Make an owner if one is missing, else delete one now and then. Tasks of that owner wait and run meanwhile."""
        from apps.accounts.models import User

        if len(self.owners) < OWNERS:
            self.owners.append(User.objects.create(username=f"{self.name}-{time.monotonic_ns()}").pk)
        elif self.random.random() < 0.05:
            owner = self.owners.pop(0)
            User.objects.filter(pk=owner).delete()
            self.journal.note("owner deleted", owner=owner)

    def run(self, *, per_second: float) -> None:
        from django.db import DatabaseError, InterfaceError, connection

        has_owners = any(kind.fault == "owners" for kind in self.kinds)
        while True:
            try:
                if has_owners:
                    self.change_owners()
                self.step()
                self.cancel_due()
                self.read_due()
            except (DatabaseError, InterfaceError):
                # It may have been committed or not. The journal says "sending".
                connection.close()
                time.sleep(0.2)
            time.sleep(self.random.expovariate(per_second))


if __name__ == "__main__":
    django.setup()
    name, seed, per_second, faults, only = sys.argv[1:6]
    Sender(name, seed, faults=faults.split(","), only=only.split(",") if only else ()).run(per_second=float(per_second))
