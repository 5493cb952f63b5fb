"""Django's Tasks API: the rate of no-op tasks, the time until an idle worker starts one, and the time of a send.

The peer is django-tasks-db. Its workers have one thread, so it gets two processes for each of ours, and they ask the
database once a second, as they do by default. Our own `actor.send` is the peer of a send.
"""

from benchmarks import consume, pickup, send
from benchmarks.rig.figures import Figure, figures
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import DJANGO_TASKS_DB, POSTGRESQL, TASKS_API

COLD = list(pickup.MEASURES).index("pick-up from cold, p50")


def run(rig: Rig) -> list[Figure]:
    systems = rig.systems(DJANGO_TASKS_DB, TASKS_API)
    rates: list[dict[str, float]] = []
    colds: list[dict[str, float]] = []
    sends: list[dict[str, float]] = []
    for number in rig.rounds():
        senders = (POSTGRESQL, TASKS_API)
        sends.append({setup.name: send.one_by_one(rig, setup, number) for setup in senders})
        rates.append({system.name: consume.drained(rig, system).per_second for system in systems})
        colds.append({system.name: pickup.milliseconds(rig, system, number)[COLD] for system in systems})
    peer = DJANGO_TASKS_DB.name if DJANGO_TASKS_DB.name in rates[0] else TASKS_API.name
    return [
        *figures(
            "Django's Tasks API, rate", rates, unit="tasks/s", baseline=peer, goals={TASKS_API.name: ">= 10x"}
        ),
        *figures(
            "Django's Tasks API, pick-up from cold", colds, unit="ms", baseline=peer, goals={TASKS_API.name: "<= 0.01x"}
        ),
        *figures(
            "Django's Tasks API, a send", sends, unit="sends/s", baseline=POSTGRESQL.name,
            goals={TASKS_API.name: ">= 0.9x"},
        ),
    ]  # fmt: skip
