"""Measure the time and the memory that a manuscript takes.

The sample novel as plain text, web page and PDF, and 50 MB of text, each processed by a worker that has just started.
It has one process with one thread, so its peak of memory is that of this manuscript. A PDF and a web page are read in a
process of their own, whose peak is measured apart. A quick run starts one worker for all manuscripts.
"""

import gzip
import itertools
import shutil
from pathlib import Path
from typing import Any

import psutil

from aiWriting.environment import BASE_DIR
from apps.documents.samples import PRIDE_AND_PREJUDICE
from benchmarks.rig.figures import Figure
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import OURS, Setup
from benchmarks.rig.system import System

NOVEL = BASE_DIR / "tests" / "documents" / "novel"
MEGABYTE = 1024**2
#: Words in the command line of a process that reads a file.
READER = "apps.documents.readers"
#: Looks at the processes for each query of the database.
LOOKS_A_QUERY = 10
PATIENCE_SECONDS = 1_200
#: Goals by the manuscript's name: seconds, and megabytes of the worker.
GOALS = {"the novel as txt": ("<= 20", "<= 350"), "50 MB of text": ("<= 600", "<= 700")}


def run(rig: Rig) -> list[Figure]:
    found: list[Figure] = []
    manuscripts = _manuscripts(rig)
    for name, path in manuscripts.items():
        for setup in OURS:
            found += _measure(rig, setup, name, path)
    # Both systems below each other for each measure.
    order = {figure.measure: number for number, figure in enumerate(reversed(found))}
    return sorted(found, key=lambda figure: -order[figure.measure])


def _manuscripts(rig: Rig) -> dict[str, Path]:
    directory = rig.servers.directory
    page = directory / "novel.html"
    page.write_bytes(gzip.decompress((NOVEL / "pride-and-prejudice.html.gz").read_bytes()))
    shutil.copy(PRIDE_AND_PREJUDICE, directory / "novel.txt")
    shutil.copy(NOVEL / "pride-and-prejudice.pdf", directory / "novel.pdf")
    novel = PRIDE_AND_PREJUDICE.read_bytes()
    # Between its header and its licence.
    body = novel[novel.index(b"\nChapter 1\r\n") : novel.index(b"*** END OF")]
    size = rig.amount(50 * MEGABYTE, quick=100_000)
    (directory / "long.txt").write_bytes((body * (size // len(body) + 1))[:size])
    return {
        "the novel as txt": directory / "novel.txt",
        "the novel as html": page,
        "the novel as pdf": directory / "novel.pdf",
        "50 MB of text": directory / "long.txt",
    }


def _measure(rig: Rig, setup: Setup, name: str, path: Path) -> list[Figure]:
    system = rig.system(setup)
    system.clear()
    peaks = {"worker": 0.0, "reader": 0.0}
    with system.workers(processes=1, threads=1, is_cold=not rig.is_quick) as workers:
        task_id = system.call("process_manuscript", path=str(path))
        outcome: dict[str, Any] = {}

        looks = itertools.count()

        def has_ended() -> bool:
            for process in workers.processes():
                kind = "reader" if READER in _words(process) else "worker"
                peaks[kind] = max(peaks[kind], _peak_mb(process))
            # A reader lives for a moment only, so the processes are looked at more often than the database.
            if next(looks) % LOOKS_A_QUERY == 0:
                outcome.update(_outcome(system, task_id))
            return bool(outcome)

        workers.wait_for(has_ended, awaited=name, seconds=PATIENCE_SECONDS)
    if outcome["error"]:
        raise RuntimeError(f"{setup.name}: {name}: {outcome['error']}")
    rig.log(
        f"manuscripts: {setup.name}: {name}: {outcome['seconds']:.1f} s, {outcome['words']:,} words, "
        f"{outcome['chapters']:,} chapters, {peaks['worker']:.0f} MB, reader {peaks['reader']:.0f} MB"
    )
    seconds_goal, memory_goal = GOALS.get(name, ("", ""))
    lines = [("time", outcome["seconds"], "s", seconds_goal), ("worker's peak", peaks["worker"], "MB", memory_goal)]
    if peaks["reader"]:
        lines.append(("reader's peak", peaks["reader"], "MB", ""))
    return [
        Figure(measure=f"{name}, {what}", system=setup.name, value=value, unit=unit, goal=goal)
        for what, value, unit, goal in lines
    ]


def _outcome(system: System, task_id: str) -> dict[str, Any]:
    return system.call("manuscript", task_id=task_id) or {}


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _peak_mb(process: psutil.Process) -> float:
    """Return the peak of a process's memory in MB, or its current memory if the system does not record the peak."""
    try:
        status = Path(f"/proc/{process.pid}/status")
        if status.exists():
            line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
            return int(line.split()[1]) / 1024
        return float(process.memory_info().rss) / MEGABYTE
    except (psutil.Error, OSError, StopIteration):
        return 0.0
