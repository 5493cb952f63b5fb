"""The words of `/readyz`: each part that can fail, with real servers that fail."""

import contextlib
import io
import logging
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from apps.tasks import health as ledger_health
from apps.tasks.models import Schedule, TaskStatus, WorkerProcess
from tests import rows
from tests.commands import RunningCommand
from tests.waiting import wait_until
from workers import health
from workers.embedded.server import EmbeddedServer, free_port, prepare
from workers.supervision.supervisor import Supervisor
from workers.wire.queue import WireQueue

pytestmark = pytest.mark.django_db(transaction=True)

#: Only root may listen on this port.
CLOSED_PORT = 1


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask anew at every request, and forget what earlier tests asked."""
    monkeypatch.setattr(health, "KEPT_SECONDS", 0.0)
    monkeypatch.setattr(health, "LEDGER", health.Probe(ledger_health.look))
    monkeypatch.setattr(health, "REDIS", health.Probe(health.write_to_redis))
    monkeypatch.setattr(health, "logged", ())


@pytest.fixture
def all_beat(transactional_db: None) -> None:
    for kind, _ in WorkerProcess.KIND_CHOICES:
        rows.worker_process(kind, kind=kind)


def ask(client: Client) -> dict[str, Any]:
    """Return the answer of a site that is ready."""
    response = client.get("/readyz")
    assert response.status_code == 200, response.content
    found: dict[str, Any] = response.json()
    assert found["status"] == "ready"
    return found


def degraded(client: Client) -> list[str]:
    found: list[str] = ask(client)["degraded"]
    return found


def unavailable(client: Client) -> bool:
    response = client.get("/readyz")
    if response.status_code == 200:
        return False
    assert (response.status_code, response.json()) == (503, {"status": "unavailable", "missing": ["database"]})
    return True


@pytest.mark.usefixtures("broker", "all_beat")
def test_all_is_well(client: Client) -> None:
    response = client.get("/readyz")

    assert (response.status_code, response.json()) == (
        200,
        {"status": "ready", "degraded": [], "reasons": {}, "queues": {}, "paused": []},
    )
    assert "no-store" in response.headers["Cache-Control"]


# --- Strangers -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("broker")
def test_a_stranger_gets_the_status_alone(client: Client) -> None:
    response = client.get("/readyz", REMOTE_ADDR="203.0.113.9")
    assert (response.status_code, response.json()) == (200, {"status": "ready"})


@pytest.mark.usefixtures("broker")
def test_a_stranger_gets_the_status_of_a_site_without_a_database_alone(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OSError("database of postgresql.internal is away")

    monkeypatch.setattr(health, "LEDGER", health.Probe(fail))
    response = client.get("/readyz", REMOTE_ADDR="203.0.113.9")
    assert (response.status_code, response.json()) == (503, {"status": "unavailable"})


@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize(
    ("header", "sees_details"),
    [("Bearer open sesame", True), ("Bearer open", False), ("Token open sesame", False), ("", False), ("\xff", False)],
)
@pytest.mark.parametrize("address", ["203.0.113.9", "127.0.0.1"])
def test_the_token_opens_the_details(
    client: Client, settings: Any, header: str, sees_details: bool, address: str
) -> None:
    settings.HEALTH_TOKEN = "open sesame"
    found = client.get("/readyz", headers={"Authorization": header}, REMOTE_ADDR=address).json()
    assert ("degraded" in found) == sees_details


@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_without_a_token_in_the_settings_this_machine_sees_the_details(client: Client, address: str) -> None:
    assert "degraded" in client.get("/readyz", REMOTE_ADDR=address).json()


@pytest.mark.parametrize("address", ["", "unix:", "10.0.0.1"])
@pytest.mark.usefixtures("broker")
def test_an_address_that_is_not_this_machines_does_not(client: Client, address: str) -> None:
    assert client.get("/readyz", REMOTE_ADDR=address).json() == {"status": "ready"}


class Counted:
    """A look that counts itself, and waits until it may go on."""

    def __init__(self) -> None:
        self.count = self.at_once = self.most_at_once = 0
        self.go = threading.Event()

    def __call__(self) -> int:
        self.count += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.go.wait(20)
        self.at_once -= 1
        return self.count


def test_many_who_ask_at_once_get_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "KEPT_SECONDS", 60.0)
    look = Counted()
    probe = health.Probe(look)
    answers = [probe.begin() for _ in range(50)]
    look.go.set()
    assert [answer.result(20) for answer in answers] == [1] * 50
    assert probe.begin().result(20) == 1
    assert look.count == 1


def test_an_answer_is_renewed_before_it_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "KEPT_SECONDS", 60.0)
    clock = {"now": 1_000.0}
    monkeypatch.setattr("workers.health.time.monotonic", lambda: clock["now"])
    look = Counted()
    look.go.set()
    probe = health.Probe(look)
    assert probe.begin().result(20) == 1
    look.go.clear()
    clock["now"] += 31
    assert [probe.begin().result(0) for _ in range(9)] == [1] * 9, "it is fresh, and the next one is being looked for"
    look.go.set()
    clock["now"] += 28
    wait_until(lambda: probe.begin().result(20) == 2)
    assert look.most_at_once == 1


def test_a_look_that_takes_long_is_not_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The age of an answer is counted from when it was asked for."""
    monkeypatch.setattr(health, "KEPT_SECONDS", 60.0)
    clock = {"now": 1_000.0}
    monkeypatch.setattr("workers.health.time.monotonic", lambda: clock["now"])

    def look() -> float:
        clock["now"] += 61
        return clock["now"]

    probe = health.Probe(look)
    assert probe.begin().result(20) == 1_061
    assert probe.begin().result(20) == 1_122


@pytest.mark.usefixtures("broker", "all_beat")
def test_strangers_who_ask_at_once_cost_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "KEPT_SECONDS", 1.0)
    # However slow the machine is.
    monkeypatch.setattr(health, "DEADLINE_SECONDS", 60.0)
    opened: list[int] = []

    def look() -> ledger_health.LedgerHealth:
        opened.append(1)
        return ledger_health.look()

    monkeypatch.setattr(health, "LEDGER", health.Probe(look))
    statuses: list[int] = []

    def calls() -> None:
        statuses.extend(Client().get("/readyz", REMOTE_ADDR="203.0.113.9").status_code for _ in range(10))

    started = time.monotonic()
    threads = [threading.Thread(target=calls) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 160
    assert len(opened) <= 2 * (time.monotonic() - started) + 2


# --- Processes -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("broker")
def test_each_kind_of_process_that_is_absent_is_named(client: Client) -> None:
    assert degraded(client) == ["workers", "relay", "scheduler"]
    rows.worker_process(kind="relay")
    assert degraded(client) == ["workers", "scheduler"]
    rows.worker_process(kind="worker")
    assert degraded(client) == ["scheduler"]
    rows.worker_process(kind="scheduler")
    assert degraded(client) == []


@pytest.mark.usefixtures("broker", "all_beat")
@pytest.mark.parametrize(("kind", "word"), [("worker", "workers"), ("relay", "relay"), ("scheduler", "scheduler")])
def test_a_process_that_is_silent_or_has_stopped_does_not_count(client: Client, kind: str, word: str) -> None:
    process = WorkerProcess.objects.filter(kind=kind)
    process.update(beat_at=timezone.now() - timedelta(seconds=11))
    assert degraded(client) == [word]
    process.update(beat_at=timezone.now(), stopped_at=timezone.now())
    assert degraded(client) == [word]
    rows.worker_process(kind=kind)
    assert degraded(client) == [], "another one of that kind beats"


@pytest.mark.usefixtures("broker", "all_beat")
def test_a_scheduler_is_needed_for_enabled_schedules_alone(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    WorkerProcess.objects.filter(kind="scheduler").delete()
    assert degraded(client) == ["scheduler"], "declared schedules have no row before the first scheduler"
    monkeypatch.setattr("apps.tasks.schedules.declared.names", list)
    assert degraded(client) == []
    values = {
        "task_name": "acting.say",
        "cron": "0 0 1 1 *",
        "anchor_at": timezone.now(),
        "decided_until": timezone.now(),
    }
    schedule = Schedule.objects.create(name="a", next_at=timezone.now(), **values)
    assert degraded(client) == ["scheduler"]
    Schedule.objects.filter(pk=schedule.pk).update(enabled=False)
    assert degraded(client) == []


def freeze(running: RunningCommand) -> None:
    """Freeze a process at a moment in which it does not hold SQLite's one write lock."""
    running.send_signal(signal.SIGSTOP)
    while is_locked():
        running.send_signal(signal.SIGCONT)
        running.send_signal(signal.SIGSTOP)


def is_locked() -> bool:
    if connection.vendor != "sqlite":
        return False
    name = connection.settings_dict["NAME"]
    with contextlib.closing(sqlite3.connect(name, timeout=0.5, isolation_level=None)) as probe:
        try:
            probe.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
    return False


@pytest.mark.processes
@pytest.mark.usefixtures("broker", "all_beat")
@pytest.mark.parametrize("kind", ["relay", "scheduler"])
def test_a_process_that_is_frozen_or_killed_is_told_within_the_timeout(
    client: Client, command: Callable[..., RunningCommand], wait_until: Callable[..., Any], settings: Any, kind: str
) -> None:
    settings.WORKER_HEARTBEAT_TIMEOUT_SECONDS = 2
    WorkerProcess.objects.filter(kind=kind).delete()
    others = WorkerProcess.objects.exclude(kind=kind)

    def is_told() -> bool:
        others.update(beat_at=timezone.now() + timedelta(minutes=5))  # However long the look takes.
        found = degraded(client)
        assert set(found) <= {kind}
        return bool(found)

    running = command(f"run{kind}", WORKER_HEARTBEAT_TIMEOUT_SECONDS="2")
    wait_until(lambda: not is_told())
    freeze(running)
    wait_until(is_told)
    running.send_signal(signal.SIGCONT)
    wait_until(lambda: not is_told())
    running.kill()
    wait_until(is_told)
    command(f"run{kind}", WORKER_HEARTBEAT_TIMEOUT_SECONDS="2")
    wait_until(lambda: not is_told())


# --- Queues --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("all_beat")
def test_a_declared_queue_that_no_worker_takes_is_named(client: Client, broker: Any) -> None:
    others = sorted(broker.get_declared_queues() - {"documents"})
    WorkerProcess.objects.workers().update(queues=others)
    assert degraded(client) == ["queue:documents"]
    worker = rows.worker_process(kind="worker", queues=["documents"])
    assert degraded(client) == []
    worker.delete()
    rows.worker_process(kind="relay", queues=[])
    assert degraded(client) == ["queue:documents"], "a relay takes from no queue"


@pytest.mark.usefixtures("broker", "all_beat")
def test_what_is_paused_is_told_and_no_queue_without_a_worker(client: Client, broker: Any) -> None:
    others = sorted(broker.get_declared_queues() - {"documents"})
    WorkerProcess.objects.workers().update(queues=others)
    rows.task(queue_name="documents", run_at=timezone.now() - timedelta(seconds=90))
    rows.pause("queue", "documents")
    rows.pause("actor", "acting.effect")
    found = ask(client)
    assert found["degraded"] == []
    assert found["paused"] == ["queue:documents", "actor:acting.effect"]
    assert found["queues"]["documents"] >= 90


@pytest.mark.usefixtures("broker", "all_beat")
def test_a_queue_that_the_code_no_longer_declares_is_named_while_tasks_wait_in_it(client: Client) -> None:
    task = rows.task(queue_name="reports", run_at=timezone.now() - timedelta(seconds=90))
    found = ask(client)
    assert found["degraded"] == ["queue:reports"]
    assert 90 <= found["queues"]["reports"] < 400
    TaskStatus.objects.filter(pk=task.pk).update(status="completed")
    assert ask(client) == {"status": "ready", "degraded": [], "reasons": {}, "queues": {}, "paused": []}


@pytest.mark.usefixtures("broker", "all_beat")
def test_the_age_of_a_queue_is_that_of_its_oldest_due_task(client: Client) -> None:
    now = timezone.now()
    for queue_name, seconds, status in (
        ("default", 30, "pending"), ("default", 500, "pending"), ("default", 9000, "processing"),
        ("default", 9000, "completed"), ("documents", 70, "pending"), ("documents", -3600, "pending"),
    ):  # fmt: skip
        rows.task(queue_name=queue_name, run_at=now - timedelta(seconds=seconds), status=status)
    found = ask(client)
    assert found["degraded"] == []
    assert sorted(found["queues"]) == ["default", "documents"]
    assert 500 <= found["queues"]["default"] < 600
    assert 70 <= found["queues"]["documents"] < 170


@pytest.mark.usefixtures("broker", "all_beat")
def test_a_long_queue_hides_no_short_one(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_health, "SAMPLE", 5)
    for queue_name in ("old", *["long"] * 20, "young"):
        rows.task(queue_name=queue_name)
    assert sorted(ask(client)["queues"]) == ["long", "old", "young"]


# --- Redis ---------------------------------------------------------------------------------------


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch, broker: Any) -> Iterator[Callable[[str], None]]:
    """Give the broker another Redis."""
    wires: list[WireQueue] = []

    def use(url: str) -> None:
        wires.append(WireQueue(url, namespace=django_settings.DRAMATIQ_NAMESPACE))
        monkeypatch.setattr(broker, "wire", wires[-1])

    yield use
    for made in wires:
        made.close()


@pytest.fixture
def own_redis(
    tmp_path: Path, wire: Callable[[str], None]
) -> Iterator[Callable[[], tuple[EmbeddedServer, "redis.Redis"]]]:
    """Start a server for this test alone, which it may ruin. The broker uses it."""
    with Supervisor(prefixed=True, stream=io.StringIO()) as supervisor, contextlib.ExitStack() as stack:

        def start() -> tuple[EmbeddedServer, "redis.Redis"]:
            server = prepare(tmp_path / "valkey")
            supervisor.start(server.child(name="redis"))
            server.wait_until_ready(alive=lambda: supervisor.alive("redis"))
            wire(server.url)
            return server, stack.enter_context(redis.Redis.from_url(server.url))

        yield start
        supervisor.stop()


@pytest.mark.redis
@pytest.mark.usefixtures("all_beat")
def test_a_redis_that_is_away_is_told_with_the_class_of_the_error(client: Client, wire: Callable[[str], None]) -> None:
    wire(f"redis://:hush@127.0.0.1:{CLOSED_PORT}/0")
    found = ask(client)
    assert (found["degraded"], found["reasons"]) == (["redis"], {"redis": "ConnectionError"})


@pytest.mark.redis
@pytest.mark.usefixtures("all_beat")
def test_a_redis_that_is_full_is_told(client: Client, own_redis: Callable[..., Any], caplog: Any) -> None:
    _, admin = own_redis()
    assert degraded(client) == []
    admin.config_set("maxmemory-policy", "noeviction")
    admin.config_set("maxmemory", 1)
    with caplog.at_level(logging.WARNING):
        found = ask(client)
        ask(client)
    assert (found["degraded"], found["reasons"]) == (["redis"], {"redis": "OutOfMemoryError"})
    told = [record.getMessage() for record in caplog.records if record.name == "workers.health"]
    assert len(told) == 1, "a line for each change, not for each request"
    assert told[0].startswith("health missing= degraded=redis redis=")
    admin.config_set("maxmemory", 0)
    with caplog.at_level(logging.INFO):
        assert degraded(client) == []
    assert "health is well again" in caplog.text


@pytest.mark.redis
@pytest.mark.usefixtures("all_beat")
def test_a_redis_that_does_not_save_and_refuses_writes_is_told(client: Client, own_redis: Callable[..., Any]) -> None:
    _, admin = own_redis()
    admin.config_set("min-replicas-to-write", 1)
    assert degraded(client) == ["redis"]


@pytest.mark.redis
@pytest.mark.usefixtures("all_beat")
@pytest.mark.parametrize(
    "rights", ["~other:* +@all", "~* +@read +ping", "%R~* +@all"], ids=["other keys", "no writes", "keys to read"]
)
def test_a_redis_user_without_rights_on_our_keys_is_told(
    client: Client, own_redis: Callable[..., Any], wire: Callable[[str], None], rights: str
) -> None:
    server, admin = own_redis()
    admin.execute_command("ACL", "SETUSER", "web", "on", ">hush", *rights.split())
    wire(f"redis://web:hush@127.0.0.1:{server.port}/0")
    found = ask(client)
    assert (found["degraded"], found["reasons"]) == (["redis"], {"redis": "NoPermissionError"})
    assert "hush" not in str(found)


@pytest.mark.redis
@pytest.mark.usefixtures("all_beat")
def test_a_redis_user_with_rights_on_our_keys_alone_is_enough_for_the_probe(
    client: Client, own_redis: Callable[..., Any], wire: Callable[[str], None]
) -> None:
    server, admin = own_redis()
    keys = f"~{django_settings.DRAMATIQ_NAMESPACE}:*"
    admin.execute_command("ACL", "SETUSER", "web", "on", ">hush", keys, "+@all", "-@dangerous")
    wire(f"redis://web:hush@127.0.0.1:{server.port}/0")
    assert degraded(client) == []
    assert admin.dbsize() == 0, "the probe leaves nothing"


@pytest.mark.redis
@pytest.mark.usefixtures("all_beat")
def test_a_redis_that_became_a_replica_is_told(client: Client, own_redis: Callable[..., Any]) -> None:
    _, admin = own_redis()
    assert degraded(client) == []
    admin.replicaof("127.0.0.1", free_port())
    found = ask(client)
    assert (found["degraded"], found["reasons"]) == (["redis"], {"redis": "ReadOnlyError"})
    admin.replicaof("NO", "ONE")
    assert degraded(client) == []


@pytest.mark.redis
@pytest.mark.usefixtures("all_beat")
def test_a_redis_that_hangs_is_told(client: Client, own_redis: Callable[..., Any]) -> None:
    _, admin = own_redis()
    admin.client_pause(5_000, all=False)
    found = ask(client)
    assert (found["degraded"], found["reasons"]) == (["redis"], {"redis": "TimeoutError"})
    admin.client_unpause()


# --- The database --------------------------------------------------------------------------------


@contextlib.contextmanager
def another_connection() -> Iterator[Any]:
    """Yield a connection beside that of the test."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            yield cursor
    finally:
        other.close()


@pytest.mark.usefixtures("broker", "all_beat")
@pytest.mark.parametrize("model", ledger_health.WRITTEN, ids=lambda model: model.__name__)
def test_a_table_that_is_locked_is_told_within_two_seconds(client: Client, model: Any) -> None:
    with another_connection() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("BEGIN IMMEDIATE")
        else:
            cursor.execute("BEGIN")
            cursor.execute(f"LOCK TABLE {model._meta.db_table} IN ACCESS EXCLUSIVE MODE")
        found = ask(client)
        cursor.execute("ROLLBACK")
    assert found["degraded"] == ["database"]
    assert found["reasons"]["database"] in ("LockNotAvailable", "OperationalError")
    assert degraded(client) == []


@pytest.mark.usefixtures("broker")
def test_a_table_that_takes_no_writes_but_is_read_is_told_with_all_else(client: Client) -> None:
    """As while an index is built without CONCURRENTLY."""
    with another_connection() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("BEGIN IMMEDIATE")
        else:
            cursor.execute("BEGIN")
            cursor.execute("LOCK TABLE tasks_taskstatus IN SHARE MODE")
        assert degraded(client) == ["database", "workers", "relay", "scheduler"]
        cursor.execute("ROLLBACK")


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], None]:
    """Give the probe's connections other options."""

    def change(new: dict[str, Any]) -> None:
        quick = ledger_health.QUICK_OPTIONS[connection.vendor]
        monkeypatch.setitem(ledger_health.QUICK_OPTIONS, connection.vendor, quick | new)

    return change


@pytest.mark.usefixtures("broker", "all_beat")
def test_a_read_only_database_takes_no_requests(
    client: Client, options: Callable[[dict[str, Any]], None], caplog: Any
) -> None:
    if connection.vendor == "sqlite":
        options({"init_command": "PRAGMA query_only=1"})
    else:
        options({"options": "-c default_transaction_read_only=on"})
    assert unavailable(client)
    assert "only" in caplog.text


@pytest.mark.usefixtures("broker", "all_beat")
def test_a_database_user_who_may_only_read_takes_no_requests(
    client: Client, options: Callable[[dict[str, Any]], None]
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no users.")
    options({"options": "-c role=only_reads"})
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE only_reads")
        cursor.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO only_reads")
        try:
            assert unavailable(client)
        finally:
            cursor.execute("DROP OWNED BY only_reads")
            cursor.execute("DROP ROLE only_reads")


@pytest.mark.usefixtures("broker", "all_beat")
def test_a_full_disk_of_sqlite_takes_no_requests(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL's disk is another host's. Its heartbeats, which are writes, fail.")
    monkeypatch.setattr(ledger_health, "LEAST_FREE_BYTES", 2**70)
    assert unavailable(client)


@pytest.mark.usefixtures("broker", "all_beat")
def test_a_database_that_was_not_migrated_takes_no_requests(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE tasks_workerprocess RENAME TO elsewhere")
    try:
        assert unavailable(client)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO tasks_workerprocess")


@pytest.mark.usefixtures("broker", "all_beat")
def test_the_usual_connection_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = connections["default"]
    ledger_health.look()
    assert connections["default"] is usual


# --- The cost ------------------------------------------------------------------------------------


def test_many_requests_are_one_look() -> None:
    asked: list[int] = []
    probe = health.Probe(lambda: asked.append(1))
    monkey = pytest.MonkeyPatch()
    monkey.setattr(health, "KEPT_SECONDS", 60.0)
    try:
        for _ in range(10):
            probe.begin().result(60)
    finally:
        monkey.undo()
    assert len(asked) == 1
    probe.begin().result(60)
    assert len(asked) == 2


def test_no_request_waits_for_a_look_that_began_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(health, "KEPT_SECONDS", 1.0)
    monkeypatch.setattr(health, "time", SimpleNamespace(monotonic=lambda: now))
    go_on = threading.Event()
    go_on.set()
    answers = iter(range(9))

    def ask() -> int:
        go_on.wait(60)
        return next(answers)

    probe = health.Probe(ask)
    assert probe.begin().result(60) == 0
    go_on.clear()
    now += health.KEPT_SECONDS * 0.6
    assert probe.begin().result(60) == 0, "the next look has begun"
    now += health.KEPT_SECONDS
    assert probe.begin().result(60) == 0
    now += health.KEPT_SECONDS * health.RENEWING_FACTOR
    late = probe.begin()
    assert not late.done(), "the answer is too old by now"
    go_on.set()
    assert late.result(60) == 1
    go_on.clear()
    now += health.KEPT_SECONDS * 1.5
    assert not probe.begin().done(), "after a pause no old answer is given"
    go_on.set()


@pytest.mark.usefixtures("broker", "all_beat")
def test_a_probe_that_hangs_is_not_asked_again_and_holds_up_nothing_else(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "DEADLINE_SECONDS", 0.5)
    go_on, asked = threading.Event(), []

    def hang() -> None:
        asked.append(threading.get_ident())
        go_on.wait(600)

    monkeypatch.setattr(health, "REDIS", health.Probe(hang))
    try:
        for _ in range(3):
            found = ask(client)
            assert (found["degraded"], found["reasons"]) == (["redis"], {"redis": "TimeoutError"})
        assert len(asked) == 1
    finally:
        go_on.set()


@pytest.mark.usefixtures("broker", "all_beat")
def test_a_database_that_hangs_is_unavailable_at_the_deadline(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(health, "DEADLINE_SECONDS", 0.5)
    go_on = threading.Event()
    monkeypatch.setattr(health, "LEDGER", health.Probe(lambda: go_on.wait(600)))
    began = time.monotonic()
    try:
        assert unavailable(client)
    finally:
        go_on.set()
    assert time.monotonic() - began < 60
    assert "health missing=database degraded= database='TimeoutError'" in caplog.text
