"""Dramatiq's Prometheus middleware: it counts ends, errors, retries and rejects."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import prometheus_client as prometheus_client  # Before the variables are set, by which it would write to files.
import pytest
from dramatiq.middleware import prometheus

from tests.acting import tasks

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, install: Any, broker: Any) -> Callable[[str, Any], float]:
    for name in ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setattr(prometheus, "DB_PATH", str(tmp_path))
    middleware = prometheus.Prometheus()
    middleware.after_process_boot(broker)
    install(middleware)

    def count(name: str, actor: Any) -> float:
        labels = {"queue_name": actor.queue_name, "actor_name": actor.actor_name}
        samples = [one for metric in getattr(middleware, name).collect() for one in metric.samples]
        return float(sum(one.value for one in samples if one.labels == labels and not one.name.endswith("_created")))

    return count


def test_it_counts_what_ends_and_how(count, ended, wait_until) -> None:
    ended(tasks.add.send(1, 2))
    ended(tasks.fail_times.send_with_options(args=(9,), min_backoff=0, max_retries=2))
    wait_until(lambda: count("total_rejected_messages", tasks.fail_times) == 1)
    assert [count("total_messages", actor) for actor in (tasks.add, tasks.fail_times)] == [1, 3]
    assert [count("total_errored_messages", actor) for actor in (tasks.add, tasks.fail_times)] == [0, 3]
    assert [count("total_retried_messages", actor) for actor in (tasks.add, tasks.fail_times)] == [0, 2]
    assert [count("inprogress_messages", actor) for actor in (tasks.add, tasks.fail_times)] == [0, 0]
