"""`/metrics`: read by Prometheus's own parser, and compared with the rows."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from apps.tasks import figures, ledger
from apps.tasks.conf import conf
from apps.tasks.metrics import backlog
from apps.tasks.metrics.look import METRICS, Figures, look
from apps.tasks.models import Limit, Schedule, TallyMark, TaskAttempt, TaskStatus
from apps.tasks.networks import BadNetworkError
from tests import rows
from tests.acting import tasks
from tests.scrape import Samples, differences, from_rows, parsed
from tests.waiting import wait_until
from workers import health
from workers.broker import LedgerBroker
from workers.metrics import catalogue, growth, views

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "open sesame"
AUTHORIZATION = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Look anew at every request, with a token in the settings."""
    settings.METRICS_TOKEN = TOKEN
    monkeypatch.setattr(health, "KEPT_SECONDS", 0.0)
    monkeypatch.setattr(health, "REDIS", health.Probe(health.write_to_redis))
    monkeypatch.setattr(growth, "largest", {})
    monkeypatch.setattr(views, "LEDGER", health.Probe(lambda: look(METRICS)))


def scrape(client: Client) -> dict[str, Samples]:
    """Return the samples of each metric by the values of their labels."""
    response = client.get("/metrics", headers=AUTHORIZATION)
    assert response.status_code == 200, response.content
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return parsed(response.content.decode())


def shifted(seconds: float) -> Any:
    return timezone.now() + timedelta(seconds=seconds)


# --- The backlog ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("broker")
def test_waiting_scheduled_held_and_running_tasks_are_counted_by_queue(client: Client) -> None:
    for _ in range(3):
        rows.task(queue_name="documents", run_at=shifted(-90))
    rows.task(queue_name="default", run_at=shifted(3600), delayed=True)
    rows.task(queue_name="default", status="processing")
    rows.task(queue_name="default", status="processing", started_at=timezone.now())
    rows.task(queue_name="default", status="completed", finished_at=timezone.now())
    rows.task(queue_name="gone", run_at=shifted(-5))
    found = scrape(client)
    waiting = found["tasks_waiting"]
    assert {name for (name,), count in waiting.items() if count} == {"documents", "gone"}
    assert (waiting[("documents",)], waiting[("gone",)], waiting[("default",)]) == (3, 1, 0)
    assert found["tasks_scheduled"][("default",)] == 1
    assert found["tasks_held"][("default",)] == 2
    assert found["tasks_running"][("default",)] == 1
    assert found["tasks_oldest_waiting_seconds"][("documents",)] == pytest.approx(90, abs=20)
    assert found["tasks_oldest_waiting_seconds"][("default",)] == 0
    assert found["tasks_backlog_truncated"] == {(): 0.0}


@pytest.mark.usefixtures("broker")
def test_of_too_many_tasks_those_at_either_end_are_counted(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "SAMPLE", 4)
    for number in range(6):
        rows.task(queue_name="default", run_at=shifted(number - 60))
    rows.task(queue_name="documents")
    found = scrape(client)
    assert (found["tasks_waiting"][("default",)], found["tasks_waiting"][("documents",)]) == (6, 1)
    assert found["tasks_backlog_truncated"] == {(): 0.0}
    for _ in range(5):
        rows.task(queue_name="documents")
    found = scrape(client)
    assert found["tasks_waiting"][("default",)] + found["tasks_waiting"][("documents",)] == 8
    assert found["tasks_waiting"][("documents",)] == 4, "a long queue does not hide a short one"
    assert found["tasks_backlog_truncated"] == {(): 1.0}


@pytest.mark.usefixtures("broker")
def test_a_limit_shows_its_places_and_the_tasks_that_wait_for_one(client: Client) -> None:
    Limit.objects.create(task_name="acting.effect", concurrency=3)
    Limit.objects.create(task_name="acting.say", rate_limit="10/m")
    limited = {"task_name": "acting.effect", "line": ""}
    rows.task(**limited, status="processing", weight=2)
    rows.task(**limited, in_line=True, run_at=shifted(-30))
    rows.task(**limited, in_line=True)
    found = scrape(client)
    assert found["tasks_limit_used"] == {("acting.effect",): 2.0, ("acting.say",): 0.0}
    assert found["tasks_limit_concurrency"] == {("acting.effect",): 3.0}
    assert found["tasks_limit_waiting"] == {("acting.effect",): 2.0, ("acting.say",): 0.0}
    assert found["tasks_limit_oldest_waiting_seconds"][("acting.effect",)] == pytest.approx(30, abs=20)
    assert found["tasks_waiting"][("default",)] == 0, "no worker process could start them"


@pytest.mark.usefixtures("broker")
def test_what_is_paused_waits_for_no_worker(client: Client) -> None:
    rows.pause("queue", "documents")
    rows.pause("actor", "acting.effect")
    for _ in range(3):
        rows.task("acting.say", queue_name="documents", run_at=shifted(-90))
    rows.task("acting.effect", queue_name="default", in_line=True)
    rows.task("acting.say", queue_name="default")
    found = scrape(client)
    assert {name for (name,), value in found["tasks_queue_paused"].items() if value} == {"documents"}
    assert found["tasks_queue_paused"][("default",)] == 0
    assert found["tasks_actor_paused"] == {("acting.effect",): 1.0}
    assert (found["tasks_waiting"][("documents",)], found["tasks_waiting"][("default",)]) == (0, 1)
    assert found["tasks_oldest_waiting_seconds"][("documents",)] == 0
    assert found["tasks_paused_waiting"][("documents",)] == 3
    assert found["tasks_paused_waiting"][("default",)] == 1
    assert not found.get("tasks_limit_waiting")


# --- Processes and schedules ---------------------------------------------------------------------


@pytest.mark.usefixtures("broker")
def test_only_processes_that_beat_are_counted(client: Client) -> None:
    rows.worker_process(threads=8, busy_threads=3, memory_mb=200, queues=["documents"])
    rows.worker_process(threads=4, busy_threads=4, memory_mb=100, queues=["documents", "default"], trouble="claims")
    rows.worker_process(threads=2, beat_at=shifted(-60))
    rows.worker_process(threads=2, stopped_at=timezone.now())
    rows.worker_process(kind="relay", threads=0, memory_mb=50, beat_at=shifted(-4))
    found = scrape(client)
    assert found["tasks_processes"] == {("worker",): 2.0, ("relay",): 1.0, ("scheduler",): 0.0}
    assert found["tasks_process_memory_bytes"] == {
        ("worker",): 300 * 1024 * 1024, ("relay",): 50 * 1024 * 1024, ("scheduler",): 0.0,
    }  # fmt: skip
    assert (found["tasks_threads"][()], found["tasks_busy_threads"][()]) == (12, 7)
    assert found["tasks_troubled_workers"] == {(): 1.0}
    assert (found["tasks_queue_workers"][("documents",)], found["tasks_queue_workers"][("default",)]) == (2, 1)
    assert found["tasks_heartbeat_age_seconds"][("relay",)] == pytest.approx(4, abs=20)
    assert set(found["tasks_heartbeat_age_seconds"]) == {("relay",), ("worker",)}, "there is no scheduler to be silent"


@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize("queues", [7, {"documents": 1}, "documents", [None, 3]])
def test_a_row_whose_queues_are_no_list_of_names_counts_for_all(client: Client, queues: object) -> None:
    rows.worker_process(queues=queues)
    assert set(scrape(client)["tasks_queue_workers"].values()) == {1.0}


@pytest.mark.usefixtures("broker")
def test_schedules_show_their_delay_and_missed_slots(client: Client) -> None:
    usual = {"task_name": "acting.say", "cron": "0 8 * * *", "anchor_at": shifted(0), "decided_until": shifted(0)}
    Schedule.objects.create(name="late", next_at=shifted(-120), missed_count=7, **usual)
    Schedule.objects.create(name="early", next_at=shifted(120), problem="No such actor", **usual)
    Schedule.objects.create(name="paused", next_at=shifted(-120), enabled=False, **usual)
    found = scrape(client)
    assert found["tasks_schedule_delay_seconds"][("late",)] == pytest.approx(120, abs=20)
    assert found["tasks_schedule_delay_seconds"][("early",)] == 0
    assert found["tasks_schedule_missed_total"] == {("late",): 7.0, ("early",): 0.0}
    assert found["tasks_schedule_broken"] == {("late",): 0.0, ("early",): 1.0}


# --- The process that answers --------------------------------------------------------------------


def test_messages_that_redis_did_not_take_are_counted(
    client: Client, broker: LedgerBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = scrape(client)["tasks_publish_failures_total"][()]
    monkeypatch.setattr(broker.wire.lane.publishers, "publish", _fail)
    tasks.say.send(1)
    tasks.say.send(2)
    assert scrape(client)["tasks_publish_failures_total"][()] == before + 2
    assert TaskStatus.objects.count() == 2
    broker.wire.reopen()


def _fail(*args: Any, **options: Any) -> None:
    raise ConnectionError("Redis is away")


@pytest.mark.usefixtures("broker")
def test_the_process_shows_the_official_figures_too(client: Client) -> None:
    found = scrape(client)
    assert found["python_info"]
    assert found.get("process_resident_memory_bytes", {(): 1.0})[()] > 0


# --- Sources that are away -----------------------------------------------------------------------


@pytest.mark.usefixtures("broker")
def test_all_sources_are_named(client: Client) -> None:
    found = scrape(client)
    assert found["tasks_source_up"] == {(name,): float(name != "events") for name in ("database", "redis", *METRICS)}
    assert "tasks_ended_total" not in found, "no relay has counted"
    figures.keep_up()
    assert scrape(client)["tasks_source_up"][("events",)] == 1


@pytest.mark.usefixtures("broker")
def test_without_the_database_the_process_still_tells_its_figures(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise OperationalError("database of postgresql.internal is away")

    monkeypatch.setattr(views, "LEDGER", health.Probe(fail))
    found = scrape(client)
    assert found["tasks_source_up"] == {("database",): 0.0, ("redis",): 1.0}
    assert "tasks_publish_failures_total" in found
    assert "tasks_waiting" not in found, "0 would say that nothing waits"
    assert "metrics are left out source=database error=database of postgresql.internal is away" in caplog.text
    caplog.clear()
    scrape(client)
    assert not caplog.text, "it is told once"


@pytest.mark.usefixtures("broker")
def test_without_redis_the_figures_of_the_rows_stand(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "REDIS", health.Probe(_fail))
    rows.task(queue_name="default")
    found = scrape(client)
    assert found["tasks_source_up"][("redis",)] == 0
    assert found["tasks_waiting"][("default",)] == 1


@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_part_that_cannot_be_read_is_left_out_alone(
    client: Client, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail() -> None:
        TaskStatus.objects.extra(where=["no_such_column = 1"]).exists()

    figures.keep_up()
    whole = scrape(client)
    monkeypatch.setitem(METRICS, name, fail)
    found = scrape(client)
    assert {source for (source,), is_up in found["tasks_source_up"].items() if not is_up} == {name}
    first = {"backlog": "tasks_waiting", "processes": "tasks_processes"}
    for part, metric in first.items():
        assert (metric in found) == (part != name)
    assert set(whole) - set(found) <= {family.name for family in catalogue.FAMILIES}


@pytest.mark.usefixtures("broker")
def test_a_part_with_an_unexpected_error_is_left_out_alone(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, "limits", lambda: [][0])
    found = scrape(client)
    assert found["tasks_source_up"][("database",)] == 1
    assert found["tasks_source_up"][("limits",)] == 0
    assert "tasks_waiting" in found


# --- Strangers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/metrics", "/scale"])
@pytest.mark.usefixtures("broker")
class TestAccess:
    @pytest.mark.parametrize("address", ["203.0.113.9", "127.0.0.1", "::1", ""])
    def test_it_is_closed_by_default(self, client: Client, settings: Any, path: str, address: str) -> None:
        settings.METRICS_TOKEN = ""
        for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer x"}):
            assert client.get(path, headers=headers, REMOTE_ADDR=address).status_code == 404

    @pytest.mark.parametrize(
        ("header", "status"),
        [("Bearer open sesame", 200), ("Bearer open", 401), ("Token open sesame", 401), ("", 401), ("\xff", 401)],
    )
    def test_the_token_opens_it(self, client: Client, path: str, header: str, status: int) -> None:
        response = client.get(path, headers={"Authorization": header})
        assert response.status_code == status
        assert (response.headers.get("WWW-Authenticate") == "Bearer") == (status == 401)
        assert client.post(path, headers={"Authorization": header}).status_code == (405 if status == 200 else 401)

    @pytest.mark.parametrize(
        ("address", "status"),
        [("10.1.2.3", 200), ("::ffff:10.1.2.3", 200), ("fd00::7", 200), ("192.0.2.1", 200), ("192.0.2.2", 404),
         ("127.0.0.1", 404), ("", 404), ("unix:", 404)],
    )  # fmt: skip
    def test_networks_open_it(self, client: Client, settings: Any, path: str, address: str, status: int) -> None:
        settings.METRICS_TOKEN = ""
        settings.METRICS_NETWORKS = ["10.0.0.0/8", "fd00::/8", "192.0.2.1"]
        assert client.get(path, REMOTE_ADDR=address).status_code == status

    def test_an_answer_is_not_kept(self, client: Client, path: str) -> None:
        assert "no-store" in client.get(path, headers=AUTHORIZATION).headers["Cache-Control"]


@pytest.mark.once
@pytest.mark.parametrize("value", ["10.0.0.0/8", 10, None, ["10.0.0.1/8"], ["here"], [5], [None]])
def test_wrong_networks_are_refused_with_the_right_form(settings: Any, value: Any) -> None:
    settings.METRICS_NETWORKS = value
    with pytest.raises(BadNetworkError, match=r"METRICS_NETWORKS .* must be networks or addresses such as"):
        _ = conf.METRICS_NETWORKS


@pytest.mark.usefixtures("broker")
def test_scrapes_at_once_cost_one_look(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "KEPT_SECONDS", 60.0)
    looks: list[int] = []

    def counted() -> Figures:
        looks.append(1)
        return look(METRICS)

    monkeypatch.setattr(views, "LEDGER", health.Probe(counted))
    for _ in range(5):
        scrape(client)
    assert looks == [1]


# --- Real tasks ----------------------------------------------------------------------------------


def counted(found: dict[str, Samples], metric: str, actor: str) -> float:
    """Return the sum of the samples of an actor."""
    return sum(value for labels, value in found.get(metric, {}).items() if actor in labels)


def test_every_figure_equals_the_rows_after_real_tasks(
    client: Client, working: Any, gate: Any, declare: Any, ended: Any
) -> None:
    def fail() -> None:
        raise RuntimeError("always")

    def leave() -> None:
        raise KeyError("expected")

    fails, leaves = declare(fail, max_retries=2, min_backoff=1, max_backoff=2), declare(leave, throws=KeyError)
    sent = [
        *(tasks.say.send(number) for number in range(5)), *(tasks.fail_times.send(number % 3) for number in range(4)),
        fails.send(), leaves.send(),
    ]  # fmt: skip
    later = tasks.say.send_with_options(args=(1,), delay=3_600_000)
    cancelled = tasks.say.send_with_options(args=(2,), delay=3_600_000)
    ledger.cancel(cancelled.message_id)
    running = gate.send("held")
    for message in sent:
        ended(message)
    wait_until(lambda: TaskStatus.objects.get(task_id=running.message_id).started_at)
    figures.keep_up()

    found = scrape(client)
    done = TaskStatus.objects.finished()
    assert differences(found, from_rows(timezone.now())) == []
    assert counted(found, "tasks_retries_total", "acting.fail") == 2
    assert sum(found["tasks_ended_total"].values()) == done.count() == 12
    assert (found["tasks_held"][("slow",)], found["tasks_running"][("slow",)]) == (1, 1)
    assert sum(found["tasks_waiting"].values()) == 0
    assert sum(found["tasks_scheduled"].values()) == TaskStatus.objects.filter(status="pending").count() == 1
    assert found["tasks_processes"][("relay",)] == 1
    assert later.message_id != cancelled.message_id


@pytest.mark.usefixtures("broker")
def test_counters_never_fall(client: Client) -> None:
    """Prometheus takes a smaller number for a restart, and counts all of it anew."""
    figures.keep_up()
    row = rows.task("acting.say", status="failed", started_at=timezone.now(), finished_at=timezone.now())
    names = ("acting.say", "failed", "default")
    assert scrape(client)["tasks_ended_total"][names] == 1
    TaskStatus.objects.filter(pk=row.pk).update(status="pending", finished_at=None, started_at=None)
    found = scrape(client)
    assert found["tasks_ended_total"][names] == 1
    assert found["tasks_run_seconds_count"][("acting.say", "default")] == 1


@pytest.mark.usefixtures("broker")
def test_a_run_that_ended_with_its_worker_is_counted(client: Client) -> None:
    figures.keep_up()
    row = rows.task("acting.say", attempt=1, crashes=1)
    TaskAttempt.objects.create(
        task=row, attempt=0, outcome="rescue", started_at=timezone.now(), ended_at=timezone.now()
    )
    assert scrape(client)["tasks_crashes_total"] == {("acting.say", "default"): 1.0}


@pytest.mark.usefixtures("broker")
def test_a_relay_that_does_not_count_shows(client: Client) -> None:
    figures.keep_up()
    TallyMark.objects.update(counted_until=shifted(-900))
    assert scrape(client)["tasks_counted_age_seconds"][()] == pytest.approx(900, abs=20)
