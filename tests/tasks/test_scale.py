"""The number of worker processes that the waiting work wants."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from apps.tasks import figures
from apps.tasks.metrics import recent
from apps.tasks.metrics.backlog import Backlog, Held, Waiting
from apps.tasks.metrics.look import SCALE, look
from apps.tasks.metrics.recent import Pace, Recent
from apps.tasks.metrics.scale import Scale, wanted
from apps.tasks.models import Pause, TaskStatus, WorkerProcess
from apps.tasks.pauses import Paused
from tests import rows
from workers import health
from workers.metrics import views

QUEUES = {"default", "documents"}


def backlog(*, waiting: int = 0, running: int = 0, queue: str = "default", in_line: bool = False) -> Backlog:
    return Backlog(
        waiting=(Waiting(queue, "acting.say", in_line, True, waiting, 12.0),) if waiting else (),
        held=(Held(queue, "acting.say", running, running),) if running else (),
    )


def pace(*, started: int = 0, run_seconds: float = 1.0, queue: str = "default") -> Recent:
    """Return what is known of an actor: its runs of five minutes, and their mean time."""
    return Recent(paces=(Pace(queue, "acting.say", started),), run_seconds={"acting.say": run_seconds})


def worker(*, threads: int = 8, queues: list[str] | None = None) -> WorkerProcess:
    return WorkerProcess(kind="worker", threads=threads, queues=queues or [])


def scale(backlog: Backlog, recent: Recent, *processes: WorkerProcess, **options: Any) -> Scale:
    return wanted(backlog, recent, processes or [worker()], known=QUEUES, **options)


@pytest.mark.once
class TestNumber:
    @pytest.mark.parametrize(
        ("waiting", "run_seconds", "workers"),
        [
            (1, 0.01, 1),
            (240, 1.0, 1),  # 240 s of work in 30 s: 8 threads.
            (241, 1.0, 2),
            (2_400, 1.0, 10),
            (8, 600.0, 1),  # A task takes one thread, however long it runs.
            (9, 600.0, 2),
        ],
    )
    def test_what_waits_starts_within_the_target(self, waiting: int, run_seconds: float, workers: int) -> None:
        assert scale(backlog(waiting=waiting), pace(run_seconds=run_seconds)).workers == workers

    def test_what_runs_is_kept_up_with(self) -> None:
        busy = scale(backlog(waiting=1), pace(started=6_000, run_seconds=1.0))
        assert busy.threads == pytest.approx(20.0, abs=0.1)
        assert busy.workers == 3

    def test_long_tasks_that_run_keep_their_threads(self) -> None:
        assert scale(backlog(running=20), pace(run_seconds=900.0)).workers == 3

    def test_short_tasks_that_run_are_soon_done(self) -> None:
        assert scale(backlog(running=20), pace(run_seconds=0.1)).workers == 1

    def test_without_work_there_is_no_need(self) -> None:
        idle = scale(Backlog(), pace())
        assert (idle.workers, idle.threads) == (0, 0)
        assert idle.reason == "No task waits or runs, and none did within 300 s."

    def test_between_two_short_tasks_the_worker_stays(self) -> None:
        assert scale(Backlog(), pace(started=600, run_seconds=0.01)).workers == 1

    def test_tasks_that_wait_for_a_limit_need_none(self) -> None:
        limited = scale(backlog(waiting=5_000, in_line=True), pace())
        assert (limited.workers, limited.waiting, limited.in_line) == (0, 0, 5_000)
        assert limited.reason.endswith("5,000 more tasks wait for a place of a limit, which no worker process gives.")

    def test_an_actor_that_nobody_measured_counts_as_a_second(self) -> None:
        unknown = scale(backlog(waiting=300), Recent())
        assert unknown.workers == 2
        assert unknown.reason.endswith("Run times of 1 actor are not known and count as 1 s.")

    def test_the_target_is_a_setting(self, settings: Settings) -> None:
        settings.SCALE_WAIT_SECONDS = 300
        assert scale(backlog(waiting=2_400), pace()).workers == 1
        settings.SCALE_WAIT_SECONDS = 0
        assert scale(backlog(waiting=2_400), pace()).workers == 300, "0 is taken for 1"

    def test_threads_are_those_of_the_living_workers(self, settings: Settings) -> None:
        settings.WORKER_THREADS = 16
        assert scale(backlog(waiting=240), pace(), worker(threads=2)).workers == 4
        assert wanted(backlog(waiting=480), pace(), [], known=QUEUES).workers == 1, "there are none, so the setting"

    def test_workers_without_threads_count_as_of_one(self) -> None:
        assert scale(backlog(waiting=60), pace(), worker(threads=0)).workers == 2

    def test_queues_count_apart(self) -> None:
        both = Backlog(waiting=backlog(waiting=480).waiting + backlog(waiting=960, queue="documents").waiting)
        only = [worker(threads=4, queues=["documents"]), worker(threads=8, queues=["default"])]
        assert scale(both, pace(), *only, queues=["documents"]).workers == 8
        assert scale(both, pace(), *only, queues=["default"]).workers == 2

    def test_the_reason_has_the_grounds(self) -> None:
        assert scale(backlog(waiting=480), pace(started=600)).reason == (
            "3 worker processes of 8 threads: 480 waiting tasks with 480.0 s of work start within 30 s on 16.0 "
            "threads, and 2.0 threads keep up with the tasks that run."
        )


# --- /scale --------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize("kind", ["queues", "actors"])
def test_what_is_paused_wants_no_workers(kind: str) -> None:
    name = {"queues": "default", "actors": "acting.say"}[kind]
    found = scale(backlog(waiting=2_400), pace(started=6_000), paused=Paused(**{kind: {name: Pause(name=name)}}))
    assert (found.workers, found.waiting, found.paused) == (0, 0, 2_400)
    assert "2,400 more tasks wait for the end of a pause." in found.reason


@pytest.fixture
def fresh(broker: object, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:

    settings.METRICS_NETWORKS = ["127.0.0.1"]
    monkeypatch.setattr(health, "KEPT_SECONDS", 0.0)
    monkeypatch.setattr(views, "WORK", health.Probe(lambda: look(SCALE)))


@pytest.mark.usefixtures("fresh")
@pytest.mark.django_db(transaction=True)
class TestAnswer:
    def test_the_answer_is_what_kedas_metrics_api_reads(self, client: Client) -> None:
        started = timezone.now() - timedelta(seconds=30)
        for number in range(20):
            rows.task("acting.say", started_at=started, finished_at=started + timedelta(seconds=20),
                      status="completed" if number else "failed")  # fmt: skip
        for _ in range(12):
            rows.task("acting.say")
        rows.worker_process(threads=2)
        while figures.keep_up():
            pass
        response = client.get("/scale")
        found = response.json()
        assert response.status_code == 200
        assert type(found["workers"]) is int
        # 20 runs of 20 s in five to six minutes, and 12 tasks of 20 s within 30 s.
        assert 20 / 362 * 20 <= found["threads"] - 12 * 20 / 30 <= 20 / 300 * 20
        assert found["workers"] == 5
        assert found["waiting"] == 12
        assert found["work_seconds"] == pytest.approx(240, abs=0.1)

    def test_queues_can_be_named(self, client: Client) -> None:
        rows.task(queue_name="documents")
        assert client.get("/scale?queues=documents,default").json()["workers"] == 1
        assert client.get("/scale?queues=default").json()["workers"] == 0
        assert client.get("/scale?queues=").json()["workers"] == 1

    def test_an_unknown_queue_is_named_with_the_right_ones(self, client: Client) -> None:
        response = client.get("/scale?queues=documets")
        assert response.status_code == 400
        assert "'documets', must be one of: default, documents" in response.json()["detail"]
        assert "did you mean 'documents'?" in response.json()["detail"]

    @pytest.mark.parametrize("queues", ["%00", "a" * 5_000, ",,,", "%F0%9F%98%80"])
    def test_odd_queues_are_no_error_of_ours(self, client: Client, queues: str) -> None:
        assert client.get(f"/scale?queues={queues}").status_code in (200, 400)

    def test_without_the_database_the_scaler_keeps_its_number(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:

        def fail() -> None:
            raise OperationalError("away")

        monkeypatch.setattr(views, "WORK", health.Probe(fail))
        response = client.get("/scale")
        assert (response.status_code, response.json()) == (503, {"detail": "The database does not answer."})

    def test_a_part_that_cannot_be_read_is_named(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:

        def fail() -> None:
            raise OperationalError("canceling statement due to statement timeout")

        monkeypatch.setitem(SCALE, "recent", fail)
        response = client.get("/scale")
        assert (response.status_code, response.json()) == (503, {"detail": "These cannot be read now: recent."})

    def test_an_actor_that_did_not_run_lately_counts_as_in_the_last_hour(self) -> None:
        ended = timezone.now() - timedelta(minutes=20)
        rows.task("acting.say", status="completed", started_at=ended - timedelta(seconds=8), finished_at=ended)
        TaskStatus.objects.update(created_at=ended - timedelta(hours=1))
        while figures.keep_up():
            pass
        found = recent.read()
        assert found.run_seconds == {"acting.say": pytest.approx(8.0)}
        assert sum(pace.started for pace in found.paces) == 0
        assert 300 <= found.seconds <= 362

    def test_before_a_relay_has_counted_run_times_are_not_known(self, client: Client) -> None:
        rows.task("acting.say")
        found = client.get("/scale").json()
        assert found["workers"] == 1
        assert found["reason"].endswith("Run times of 1 actor are not known and count as 1 s.")
