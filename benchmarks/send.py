"""The time that a sender waits.

No worker runs. Measured are single sends outside a transaction, many at once, and the time that a send adds to a
transaction of one INSERT into another table. Systems without rows send after the commit, as their documentation says.
"""

from benchmarks.rig.figures import Figure, figures
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import (
    ADMIN_POSTGRESQL,
    ADMIN_SQLITE,
    CELERY,
    CELERY_RESULTS,
    DRAMATIQ,
    HUEY,
    OURS,
    PGQUEUER_ASYNC,
    POSTGRESQL,
    PROCRASTINATE,
    SQLITE,
    TASKIQ,
    Setup,
)

SETUPS = (
    DRAMATIQ, HUEY, CELERY, TASKIQ, PGQUEUER_ASYNC, PROCRASTINATE, ADMIN_POSTGRESQL, ADMIN_SQLITE, *OURS,
)  # fmt: skip
#: Transactions on SQLite are measured for our system only.
IN_TRANSACTION = (DRAMATIQ, CELERY, CELERY_RESULTS, ADMIN_POSTGRESQL, *OURS)


def run(rig: Rig) -> list[Figure]:
    singles: list[dict[str, float]] = []
    manies: list[dict[str, float]] = []
    added: list[dict[str, float]] = []
    for number in rig.rounds():
        single = {setup.name: one_by_one(rig, setup, number) for setup in SETUPS if rig.is_available(setup)}
        singles.append(single)
        manies.append({DRAMATIQ.name: single[DRAMATIQ.name]} | {ours.name: _many(rig, ours, number) for ours in OURS})
        added.append({setup.name: _added(rig, setup, number) for setup in IN_TRANSACTION if rig.is_available(setup)})
    many = rig.amount(10_000, quick=500)
    return [
        *figures(
            "send, one by one, to Celery", singles, unit="sends/s", baseline=CELERY.name,
            goals={POSTGRESQL.name: ">= 1.0x"},
        ),
        *figures(
            f"send_many of {many:,}, to Dramatiq's single sends", manies, unit="sends/s", baseline=DRAMATIQ.name,
            goals={POSTGRESQL.name: ">= 10x", SQLITE.name: ">= 4x"},
        ),
        *figures("a send in a transaction adds", added, unit="ms", goals={POSTGRESQL.name: "<= 0.25"}),
    ]  # fmt: skip


def one_by_one(rig: Rig, setup: Setup, number: int) -> float:
    system = rig.system(setup)
    count = rig.amount(2_000, quick=50)
    system.clear()
    system.call("send_one_by_one", first=system.take_numbers(50), count=50)
    seconds = system.call("send_one_by_one", first=system.take_numbers(count), count=count)
    rig.log_round("send", number, system, f"{count / seconds:,.0f}/s one by one")
    system.clear()
    return float(count / seconds)


def _many(rig: Rig, setup: Setup, number: int) -> float:
    system = rig.system(setup)
    count = rig.amount(10_000, quick=500)
    system.call("enqueue", task="noop", first=system.take_numbers(50), count=50)
    seconds = system.call("enqueue", task="noop", first=system.take_numbers(count), count=count)
    rig.log_round("send", number, system, f"{count / seconds:,.0f}/s with send_many")
    system.clear()
    return float(count / seconds)


def _added(rig: Rig, setup: Setup, number: int) -> float:
    system = rig.system(setup)
    count = rig.amount(500, quick=20)
    added = system.call("in_transaction", first=system.take_numbers(count), count=count)
    rig.log_round("send", number, system, f"a send adds {added:.2f} ms to a transaction")
    system.clear()
    return float(added)
