"""The cost of an attacker with 16 clients to another user.

The other user lists projects, and has a sentence and a text of 30 KB processed, again and again: first while nothing
else happens, then beside the attacker. A task's wait is the time from the request to its end. The attacker attacks in
one way at a time, and in all ways together.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.rig.attackers import KINDS
from benchmarks.rig.figures import Figure, figures, percentile
from benchmarks.rig.requests import Site
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import OURS, POSTGRESQL
from benchmarks.rig.system import System
from benchmarks.rig.web import web
from benchmarks.rig.workers import Workers

TOGETHER = "all together"
ATTACKS = {kind.replace("_", " "): (kind,) for kind in KINDS} | {TOGETHER: KINDS}
#: Seconds before the attack is measured, in which it unfolds.
LEAD_SECONDS = 3
SENTENCE, CHAPTER = "Hello you there.", "Hello you there, said Mary to John. " * 850
#: Texts by the measure's name.
TEXTS = {"a sentence": SENTENCE, "a text of 30 KB": CHAPTER}
GOAL = "<= 2x"


def run(rig: Rig) -> list[Figure]:
    found: list[Figure] = []
    for setup in OURS:
        system = rig.system(setup)
        # The layer before Django is the same on both databases.
        attacks = ATTACKS if setup is POSTGRESQL and not rig.is_quick else {TOGETHER: KINDS}
        rounds: dict[str, list[dict[str, float]]] = {}
        for number in rig.rounds():
            for attack, kinds in attacks.items():
                for measure, (quiet, attacked) in _measured(rig, system, kinds).items():
                    values = {f"{system.name}, quiet": quiet, system.name: attacked}
                    rounds.setdefault(f"{measure}, {attack}", []).append(values)
                    rig.log_round(f"{measure}, {attack}", number, system, f"{quiet:.0f} ms, attacked {attacked:.0f} ms")
        for measure, taken in rounds.items():
            quiet_name, name = taken[0]
            found += figures(measure, taken, unit="ms", baseline=quiet_name, goals={name: GOAL})
    return found


def _measured(rig: Rig, system: System, kinds: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    """Return the milliseconds of each measure, quiet and attacked."""
    seconds = rig.amount(10, quick=1)
    attacker = system.call("writer", username="attacker")
    victim = system.call("writer", username="victim")
    system.clear()
    with system.workers(is_cold=True), web(system) as (port, _):
        user = _Victim(Site(port=port, token=victim["token"]), project=victim["project"])
        user.taken(rig.amount(5, quick=1))  # Everything has started.
        quiet = user.taken(seconds)
        order = {"port": port, "victim": "victim", "kinds": kinds, **attacker}
        with _attackers(system, json.dumps(order)):
            time.sleep(LEAD_SECONDS)
            attacked = user.taken(seconds)
    return {
        f"{name}, {word}": (percentile(quiet[name], share), percentile(attacked[name], share))
        for name in quiet
        for word, share in (("p50", 0.5), ("p99", 0.99))
    }


@contextmanager
def _attackers(system: System, order: str) -> Iterator[None]:
    clients = Workers(
        [(sys.executable, "-m", "benchmarks.rig.attackers", order)],
        env=system.env,
        journal=system.directory,
        log=system.directory / "attackers.log",
        watchdog=system.watchdog,
    )
    try:
        yield
    finally:
        clients.stop(kill=True)


class _Victim:
    """The other user."""

    def __init__(self, site: Site, *, project: str) -> None:
        self.site, self.project = site, project

    def taken(self, seconds: float) -> dict[str, list[float]]:
        """Return the milliseconds of the requests and tasks of the next seconds, by the measure's name."""
        until = time.monotonic() + seconds
        found: dict[str, list[float]] = {name: [] for name in ("a request", *TEXTS)}
        threads = [threading.Thread(target=self._repeat, args=(until, 0.2, self._list, found["a request"]))]
        for name, text in TEXTS.items():
            work = (until, 0.3, lambda text=text: self._process(text), found[name])
            threads.append(threading.Thread(target=self._repeat, args=work))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    def _repeat(self, until: float, pause_seconds: float, work: Callable[[], float], taken_ms: list[float]) -> None:
        while True:
            taken_ms.append(1000 * work())
            if time.monotonic() > until:
                break
            time.sleep(pause_seconds)

    def _list(self) -> float:
        began = time.monotonic()
        status, _ = self.site.ask("/api/projects/?page_size=5")
        assert status == 200, status
        return time.monotonic() - began

    def _process(self, text: str) -> float:
        """Return the seconds from the request to process a text until the task has ended."""
        status, document = self.site.ask("/api/documents/", {"project": self.project, "title": "t", "text": text})
        assert status == 201, (status, document)
        path = f"/api/documents/{document['id']}/"
        began = time.monotonic()
        _, sent = self.site.ask(f"{path}process/", {})
        while (task := self.site.ask(f"/api/tasks/{sent['task_id']}/")[1])["status"] not in ("completed", "failed"):
            time.sleep(0.05)
        seconds = time.monotonic() - began
        assert task["status"] == "completed", task
        self.site.ask(path, method="DELETE")
        return seconds
