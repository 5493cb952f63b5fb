"""`python -m benchmarks --quick` works from end to end. Its values are not checked: a quick run measures too little.

All benchmarks take minutes: `bin/test tests/benchmarks --all-benchmarks`. Without that, one of them is tried.
"""

import json
import signal
import subprocess
import sys
from typing import Any

import pytest

from aiWriting.environment import BASE_DIR
from benchmarks import consume, send
from benchmarks.rig.setup import OURS

pytestmark = [pytest.mark.processes, pytest.mark.once]

#: Seconds for a run, which takes two minutes on an idle machine.
TIMEOUT_SECONDS = 900
#: Beginnings of the measures of `send`.
SEND_MEASURES = ("send, one by one", "send_many", "a send in a transaction")
#: Beginnings of the measures that must be there for each of our set-ups.
MEASURES = (
    *SEND_MEASURES, "an admission", "consume", "consume with a limit", "a place stays free", "processor time",
    "a log line",
    "isolated, rate", "isolated, processor time", "isolated, start", "isolated, memory",
    "progress reports",
    "a row of", "old tasks deleted", "a step of deletion", "a send beside deletion", "rate of workers beside deletion",
    "size after a month",
    "pick-up at 20/s", "pick-up from cold",
    "cancelled in progress.track, p99", "cancelled in time.sleep(1), p50",
    "worst wait", "consume with", "rate while many wait", "memory of a worker",
    "slots sent late, spread, p50", "slots sent late, at once, p99", "idle scheduler, share of a core",
    "dashboard, alone", "dashboard, shared", "dashboard, size", "50 open pages",
    "a request, p50, all together", "a sentence, p99, all together", "a text of 30 KB, p50, all together",
    "idle, share of a core", "idle, Redis commands", "a killed worker", "a vanished host",
    "the novel as txt, time", "the novel as pdf, worker's peak", "50 MB of text, time",
)  # fmt: skip
FIELDS = {"measure", "system", "value", "unit", "ratio", "goal", "spread"}


@pytest.fixture(scope="module")
def is_whole(pytestconfig: pytest.Config) -> bool:
    """Whether all benchmarks run."""
    return bool(pytestconfig.getoption("--all-benchmarks"))


@pytest.fixture(scope="module")
def figures(is_whole: bool) -> list[dict[str, Any]]:
    """The figures of a quick run."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks", *([] if is_whole else ["send"]), "--quick", "--json"],
        cwd=BASE_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            lines, log = process.communicate(timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)  # It ends the processes that it started.
            _, log = process.communicate()
            pytest.fail(f"still running after {TIMEOUT_SECONDS} s:\n{log}")
    assert process.returncode == 0, log
    return [json.loads(line) for line in lines.splitlines()]


def test_a_quick_run_measures_everything_on_both_databases(figures, is_whole: bool) -> None:
    for figure in figures:
        assert set(figure) == FIELDS
        assert isinstance(figure["value"], str) or figure["value"] == figure["value"], figure
    for measure in MEASURES if is_whole else SEND_MEASURES:
        systems = [figure["system"] for figure in figures if figure["measure"].startswith(measure)]
        for setup in OURS:
            assert any(system.startswith(setup.name) for system in systems), (measure, systems)


def test_a_quick_run_measures_the_peers_too(figures, is_whole: bool) -> None:
    measured = consume.SETUPS if is_whole else (*send.SETUPS, *send.IN_TRANSACTION)
    missing = sorted({package for setup in measured for package in setup.missing})
    if missing:
        pytest.skip(f"requirements-bench.txt is not installed: {', '.join(missing)}")
    systems = {figure["system"] for figure in figures if not is_whole or figure["measure"] == "consume"}
    assert {setup.name for setup in measured} <= systems
