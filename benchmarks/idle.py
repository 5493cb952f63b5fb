"""The cost of waiting for work.

Measured are the processor time and the commands to Redis of each idle process: a worker process with eight threads,
and our relay and scheduler. Celery's and Dramatiq's masters are counted with their workers.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psutil
import redis

from benchmarks.rig.figures import Figure, figures
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import CELERY, DRAMATIQ, HUEY, OURS
from benchmarks.rig.system import System
from benchmarks.rig.workers import Workers
from tests.commands import manage

PEERS = (DRAMATIQ, HUEY, CELERY)
#: The roles of our processes, by a word of their command lines.
ROLES = {"--single": "worker", "runrelay": "relay", "runscheduler": "scheduler"}
PROCESSES = 2
#: A process is idle `SETTLE_SECONDS` after it took less than this share of a core for `LOOK_SECONDS`.
BUSY_SHARE = 0.1
LOOK_SECONDS = 0.3
SETTLE_SECONDS = 2.0


def run(rig: Rig) -> list[Figure]:
    shares: list[dict[str, float]] = []
    commands: list[dict[str, float]] = []
    for number in rig.rounds():
        shares.append({})
        commands.append({})
        for system in rig.systems(*PEERS):
            with system.workers(processes=PROCESSES) as workers:
                found = _measured(rig, system, {f"{system.name}, worker": workers.processes()})
            _take(rig, number, system, found, shares[-1], commands[-1])
        for system in rig.systems(*OURS):
            with _scheduler(system) as scheduler, system.workers(processes=PROCESSES) as workers:
                family = workers.processes() + scheduler.processes()
                groups = {
                    f"{system.name}, {role}": [found for found in family if word in " ".join(found.cmdline())]
                    for word, role in ROLES.items()
                }
                found = _measured(rig, system, groups)
            _take(rig, number, system, found, shares[-1], commands[-1])
    ours = [f"{setup.name}, worker" for setup in OURS]
    peer = f"{DRAMATIQ.name}, worker"
    return [
        *figures("idle, share of a core", shares, unit="%", baseline=peer, goals=dict.fromkeys(ours, "<= 1")),
        *figures("idle, Redis commands", commands, unit="a second", baseline=peer, goals=dict.fromkeys(ours, "<= 5")),
    ]  # fmt: skip


def _take(
    rig: Rig,
    number: int,
    system: System,
    found: Mapping[str, tuple[float, float]],
    shares: dict[str, float],
    commands: dict[str, float],
) -> None:
    for name, (share, rate) in found.items():
        shares[name], commands[name] = share, rate
        rig.log_round("idle", number, system, f"{name}: {share:.2f} % of a core, {rate:.1f} commands a second")


@contextmanager
def _scheduler(system: System) -> Iterator[Workers]:
    scheduler = Workers(
        [manage("runscheduler")], env=system.env, journal=system.directory, log=system.directory / "scheduler.log",
        watchdog=system.watchdog,
    )  # fmt: skip
    try:
        yield scheduler
    finally:
        scheduler.stop()


def _measured(rig: Rig, system: System, groups: Mapping[str, list[psutil.Process]]) -> dict[str, tuple[float, float]]:
    """Return per cent of a core and commands a second of each group. Of workers, the average of a process."""
    family = [process for processes in groups.values() for process in processes]
    _wait_until_idle(family)
    time.sleep(0 if rig.is_quick else SETTLE_SECONDS)
    before, began = _used(system, groups), time.monotonic()
    time.sleep(0.5 if rig.is_quick else 10)
    after, seconds = _used(system, groups), time.monotonic() - began
    found = {}
    for name in groups:
        each = PROCESSES if name.endswith("worker") else 1
        cpu, commands = (end - start for start, end in zip(before[name], after[name], strict=True))
        found[name] = (100 * cpu / seconds / each, commands / seconds / each)
    return found


def _wait_until_idle(family: list[psutil.Process]) -> None:
    while True:
        before = _processor_seconds(family)
        time.sleep(LOOK_SECONDS)
        if _processor_seconds(family) - before < BUSY_SHARE * LOOK_SECONDS:
            return


def _processor_seconds(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _used(system: System, groups: Mapping[str, list[psutil.Process]]) -> dict[str, tuple[float, int]]:
    """Return the processor seconds of each group so far, and the number of commands that its connections sent."""
    with redis.Redis.from_url(system.redis_url) as client:
        sent = {int(link["addr"].rpartition(":")[2]): int(link["tot-cmds"]) for link in client.client_list()}
    return {
        name: (
            _processor_seconds(processes),
            sum(
                sent.get(link.laddr.port, 0)
                for process in processes
                for link in process.net_connections("tcp")
                if link.laddr
            ),
        )
        for name, processes in groups.items()
    }
