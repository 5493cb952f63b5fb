"""Django's Tasks API: the rate of no-op tasks, the time until an idle worker starts one, and the time of a send.

The peer is django-tasks-db with as many processes, which have one thread each and ask the database once a second, as
they do by default. The idle worker is one process. Our own `actor.send` is the peer of a send.
"""

from benchmarks import consume, pickup, send
from benchmarks.rig.figures import Figure, figures
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import DJANGO_TASKS_DB, POSTGRESQL, TASKS_API

#: Tasks from cold would come once in a whole number of the peer's looks, each as long after one as the first.
PICK_UP = list(pickup.MEASURES).index("pick-up at 20/s, p50")


def run(rig: Rig) -> list[Figure]:
    systems = rig.systems(DJANGO_TASKS_DB, TASKS_API)
    rates: list[dict[str, float]] = []
    pick_ups: list[dict[str, float]] = []
    sends: list[dict[str, float]] = []
    for number in rig.rounds():
        senders = (POSTGRESQL, TASKS_API)
        sends.append({setup.name: send.one_by_one(rig, setup, number) for setup in senders})
        rates.append({system.name: consume.drain_noops(rig, system).per_second for system in systems})
        pick_ups.append(
            {system.name: pickup.milliseconds(rig, system, number, processes=1)[PICK_UP] for system in systems}
        )
    peer = DJANGO_TASKS_DB.name if DJANGO_TASKS_DB.name in rates[0] else TASKS_API.name
    return [
        *figures(
            "Django's Tasks API, rate", rates, unit="tasks/s", baseline=peer, goals={TASKS_API.name: ">= 10x"}
        ),
        *figures(
            "Django's Tasks API, pick-up at 20/s, p50", pick_ups, unit="ms", baseline=peer,
            goals={TASKS_API.name: "<= 0.01x"},
        ),
        *figures(
            "Django's Tasks API, a send", sends, unit="sends/s", baseline=POSTGRESQL.name,
            goals={TASKS_API.name: ">= 0.9x"},
        ),
    ]  # fmt: skip
