"""The cost of the dashboard: one look at it, and many pages that are open at once.

The pages ask as their script does: every five seconds for the part that changes, with the tag of the last answer.
Measured is the processor time of the web process. A heartbeat each second changes what the page shows, as it does where
tasks run.
"""

import http.client
import threading
import time
from collections import Counter

from benchmarks.rig.figures import Figure, figures
from benchmarks.rig.rig import Rig
from benchmarks.rig.setup import OURS
from benchmarks.rig.system import System
from benchmarks.rig.web import web
from tests.waiting import wait_until

PAGES = 50
#: Seconds between two looks of a page (`LOOK_MS` of tasks/now.js).
LOOK_SECONDS = 5.0
GOALS = {"a look": "<= 30", "size": "<= 60", "share": "<= 5"}


def run(rig: Rig) -> list[Figure]:
    looks: list[dict[str, float]] = []
    shared: list[dict[str, float]] = []
    sizes: list[dict[str, float]] = []
    shares: list[dict[str, float]] = []
    names = []
    for setup in OURS:
        system = rig.system(setup)
        names.append(system.name)
        session = system.call("dashboard_session", count=rig.amount(20_000, quick=500))
        for number in rig.rounds():
            if len(looks) < number:
                for rounds in (looks, shared, sizes, shares):
                    rounds.append({})
            found = system.call("dashboard", times=rig.amount(20, quick=2))
            looks[number - 1][system.name], shared[number - 1][system.name] = found["alone_ms"], found["shared_ms"]
            sizes[number - 1][system.name] = found["bytes"] / 1_000
            share, answers = _share(rig, system, session)
            shares[number - 1][system.name] = share
            text = (
                f"{found['statements']:.0f} statements, {found['alone_ms']:.1f} ms, "
                f"{found['shared_ms']:.1f} ms shared, {share:.2f} % of a core, {dict(answers)}"
            )
            rig.log_round("viewers", number, system, text)
    return [
        *figures("dashboard, alone", looks, unit="ms"),
        *figures("dashboard, shared", shared, unit="ms", goals=dict.fromkeys(names, GOALS["a look"])),
        *figures("dashboard, size", sizes, unit="kB", goals=dict.fromkeys(names, GOALS["size"])),
        *figures(
            f"{PAGES} open pages, share of a core", shares, unit="%", goals=dict.fromkeys(names, GOALS["share"])
        ),
    ]  # fmt: skip


def _share(rig: Rig, system: System, session: dict[str, str]) -> tuple[float, Counter[int]]:
    """Return the percentage of a core that the web process takes for the pages, and their answers by status."""
    answers: Counter[int] = Counter()
    is_over = threading.Event()
    with web(system) as (port, process):
        pages = [
            threading.Thread(target=_page, args=(port, number, session, answers, is_over)) for number in range(PAGES)
        ]
        try:
            for page in pages:
                page.start()
            wait_until(lambda: answers.total() >= PAGES)
            before, began = sum(process.cpu_times()[:2]), time.monotonic()
            seconds = rig.amount(30, quick=2)
            answers.clear()
            for _ in range(seconds):
                system.call("beat")
                time.sleep(1)
            share = 100 * (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - began)
        finally:
            is_over.set()
            for page in pages:
                page.join()
    return share, answers


def _page(port: int, number: int, session: dict[str, str], answers: Counter[int], is_over: threading.Event) -> None:
    """Ask as an open page does."""
    headers = {"Host": "localhost", "Cookie": session["cookie"], "Accept-Encoding": "gzip", "Accept": "text/html"}
    is_over.wait(LOOK_SECONDS * number / PAGES)
    while not is_over.is_set():
        # The server has closed the last one by now.
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", session["path"], headers=headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        answers[answer.status] += 1
        assert answer.status in (200, 304), answer.status
        headers["If-None-Match"] = answer.headers["ETag"]
        is_over.wait(LOOK_SECONDS)
