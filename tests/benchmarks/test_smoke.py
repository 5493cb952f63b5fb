"""`python -m benchmarks --quick` works from end to end. Its values are not checked: a quick run measures too little."""

import json
import signal
import subprocess
import sys

import pytest

from aiWriting.environment import BASE_DIR
from benchmarks.rig.setup import CELERY, CELERY_RESULTS, HUEY, OURS

pytestmark = [pytest.mark.processes, pytest.mark.once]

#: Seconds for a run, which takes a minute on an idle machine.
TIMEOUT_SECONDS = 300
#: Beginnings of the measures that must be there for each of our set-ups.
MEASURES = (
    "send, one by one", "send_many", "a send in a transaction", "consume", "processor time", "progress reports",
    "pick-up at 20/s", "pick-up from cold", "worst wait", "consume with", "rate while many wait", "memory of a worker",
    "slots sent late, spread, p50", "slots sent late, at once, p99", "idle scheduler, share of a core",
    "idle, share of a core", "idle, Redis commands", "a killed worker", "a vanished host",
    "the novel as txt, time", "the novel as pdf, worker's peak", "50 MB of text, time",
)  # fmt: skip
FIELDS = {"measure", "system", "value", "unit", "ratio", "goal", "spread"}


@pytest.fixture(scope="module")
def figures():
    """The figures of a quick run of all benchmarks."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "--quick", "--json"],
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


def test_a_quick_run_measures_everything_on_both_databases(figures) -> None:
    for figure in figures:
        assert set(figure) == FIELDS
        assert isinstance(figure["value"], str) or figure["value"] == figure["value"], figure
    for measure in MEASURES:
        systems = [figure["system"] for figure in figures if figure["measure"].startswith(measure)]
        for setup in OURS:
            assert any(system.startswith(setup.name) for system in systems), (measure, systems)


def test_a_quick_run_measures_the_peers_too(figures) -> None:
    missing = sorted({package for setup in (CELERY, CELERY_RESULTS, HUEY) for package in setup.missing})
    if missing:
        pytest.skip(f"requirements-bench.txt is not installed: {', '.join(missing)}")
    systems = {figure["system"] for figure in figures if figure["measure"] == "consume"}
    assert {CELERY.name, CELERY_RESULTS.name, HUEY.name} <= systems
