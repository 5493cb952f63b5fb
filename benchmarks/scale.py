"""Where is the next wall: ten million finished tasks, a million that wait, a hundred worker processes?

On PostgreSQL, once and not in rounds, since filling the table takes minutes. The worker processes of the last measures
are simulated: each has the waits, the heartbeat and the connections of a real one.
"""

from dataclasses import replace
from statistics import mean

from benchmarks.rig.drain import drain
from benchmarks.rig.figures import Figure, figures
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import POSTGRESQL, Setup
from benchmarks.rig.system import System
from benchmarks.volume import fill

#: Sends of frozen workers take longer than the silence after which they would be declared dead.
PATIENT = {"WORKER_HEARTBEAT_TIMEOUT_SECONDS": "600"}


def run(rig: Rig) -> list[Figure]:
    finished, waiting = rig.rows or rig.amount(10_000_000, quick=2_000), rig.amount(1_000_000, quick=1_000)
    full = replace(POSTGRESQL, name=f"{POSTGRESQL.name}, {finished:,} finished, {waiting:,} waiting")
    few, empty = rig.amount(50_000, quick=500), rig.system(POSTGRESQL)
    costs = {POSTGRESQL.name: _costs(rig, empty, waiting=0)}
    fill(rig, full, size=finished)
    # The empty table before and after: the machine has other work.
    before = _rate(rig, empty, count=few)
    rates = {full.name: _rate(rig, rig.system(full), count=waiting)}
    rates[POSTGRESQL.name] = mean([before, _rate(rig, empty, count=few)])
    costs[full.name] = _costs(rig, rig.system(full), waiting=waiting)
    found = figures("consume at scale", [rates], unit="tasks/s", baseline=POSTGRESQL.name, goals={full.name: ">= 0.9x"})
    for measure in costs[full.name]:
        values = {name: each[measure] for name, each in costs.items()}
        found += figures(f"at scale, {measure}", [values], unit="ms", baseline=POSTGRESQL.name)
    return found + _process_figures(rig, POSTGRESQL)


def _rate(rig: Rig, system: System, *, count: int) -> float:
    if system.setup is POSTGRESQL:
        system.clear()
    with system.workers(variables={} if rig.is_quick else PATIENT) as workers:
        rate = drain(rig, system, workers, count=count).per_second
    rig.log_round("scale", 1, system, f"{count:,} tasks, {rate:,.0f}/s")
    return rate


def _costs(rig: Rig, system: System, *, waiting: int) -> dict[str, float]:
    """Return the costs while this number of tasks wait."""
    system.call("enqueue", task="noop", first=system.take_numbers(waiting or 1), count=waiting)
    found: dict[str, float] = system.call("at_scale", function="costs", times=rig.amount(20, quick=2))
    rig.log_round("scale", 1, system, ", ".join(f"{name} {value:.1f} ms" for name, value in found.items()))
    return found


def _process_figures(rig: Rig, setup: Setup) -> list[Figure]:
    system = rig.system(setup)
    system.clear()
    many = rig.amount(100, quick=3)
    found: dict[str, dict[str, float]] = {}
    for count, relays in ((0, 1), (many, 1), (many, 2)):
        name = f"{count} processes, {relays} relay{'s' if relays > 1 else ''}"
        found[name] = system.call(
            "at_scale", function="idle_processes", count=count, relays=relays, seconds=rig.amount(10, quick=1)
        )
        rig.log_round(
            "scale", 1, system, f"{name}: " + ", ".join(f"{what} {value:.1f}" for what, value in found[name].items())
        )
    measures = next(iter(found.values()))
    return [
        figure
        for measure in measures
        for figure in figures(
            f"idle at scale, {measure}",
            [{name: values[measure] for name, values in found.items()}],
            unit="" if measure.startswith("connections") else "a second",
        )
    ]
