"""Processes that are killed, stopped and frozen."""

import contextlib
import os
import signal

from tests.chaos.faults.act import Act
from tests.chaos.world import HEARTBEAT_SECONDS, WORKERS, World

#: Share of killed workers whose tasks are rescued in peace, so that the time can be measured, and the seconds of peace.
PEACE, PEACE_SECONDS = 0.3, 5.0


def kill_worker(world: World) -> None:
    if found := world.children(world.random.choice(WORKERS), "--single"):
        world.note("kill -9 worker", pid=world.kill(world.random.choice(found).pid))
        if not world.troubles and world.random.random() < PEACE:
            world.pause_seconds = PEACE_SECONDS


def kill_supervisor(world: World) -> None:
    world.note("kill -9 supervisor", pid=world.kill(world.processes[world.random.choice(WORKERS)].pid))


def stop_workers(world: World) -> None:
    world.note("stop and start workers", pid=world.terminate(world.random.choice(WORKERS)))


def kill_relay(world: World) -> None:
    if world.random.random() < 0.5:
        world.note("kill -9 relay", pid=world.kill(world.processes["relay"].pid))
    elif found := world.children(world.random.choice(WORKERS), "runrelay"):
        world.note("kill -9 relay", pid=world.kill(found[0].pid))


def kill_scheduler(world: World) -> None:
    name = world.random.choice(["scheduler one", "scheduler two"])
    world.note("kill -9 scheduler", pid=world.kill(world.processes[name].pid))


def kill_sender(world: World) -> None:
    name = world.random.choice(["sender 1", "sender 2", "sender 3"])
    world.note("kill -9 sender", pid=world.kill(world.processes[name].pid))


def freeze_worker(world: World) -> None:
    """Freeze a worker of the other host, mostly for longer than its heartbeat may be silent."""
    if not (found := world.children("workers elsewhere", "--single")):
        return
    pid: int = world.random.choice(found).pid
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)

    def thaw() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    world.lasting("freeze a worker", HEARTBEAT_SECONDS * world.random.uniform(0.3, 2.5), thaw, pid=pid)


ACTS = (
    Act(fault="kills", weight=30, do=kill_worker),
    Act(fault="kills", weight=6, do=kill_supervisor),
    Act(fault="kills", weight=6, do=stop_workers),
    Act(fault="kills", weight=8, do=kill_relay),
    Act(fault="kills", weight=8, do=kill_scheduler),
    Act(fault="kills", weight=10, do=kill_sender),
    Act(fault="kills", weight=8, do=freeze_worker),
)
