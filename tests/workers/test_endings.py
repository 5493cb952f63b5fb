"""How processes ended, as their supervisor sees it, and how many of them are kept."""

import signal
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from apps.tasks import presence
from apps.tasks.models import WorkerProcess
from tests import rows
from workers.process import endings, identity
from workers.process.endings import Endings, out_of_memory_kills
from workers.process.voucher import Voucher


@pytest.mark.parametrize(
    ("returncode", "ended"),
    [
        (0, ""), (79, ""), (75, "silent"), (1, "crashed"), (70, "crashed"), (-signal.SIGSEGV, "crashed"),
        (-signal.SIGABRT, "crashed"), (-signal.SIGKILL, "killed"), (-signal.SIGTERM, "killed"), (-64, "killed"),
    ],
)  # fmt: skip
def test_an_exit_code_tells_how_a_process_ended(returncode: int, ended: str) -> None:
    assert Endings().of(returncode) == ended


def test_a_kill_is_for_lack_of_memory_if_the_kernel_counted_one(monkeypatch: pytest.MonkeyPatch) -> None:
    kills = 3
    monkeypatch.setattr(endings, "out_of_memory_kills", lambda: kills)
    found = Endings()
    kills = 4
    assert found.of(-signal.SIGKILL) == "oom"
    assert found.of(-signal.SIGSEGV) == "crashed"
    found.look()
    assert found.of(-signal.SIGKILL) == "killed"


@pytest.mark.parametrize(("is_grouped", "number"), [(True, 2), (False, 7)])
def test_the_kernels_count_is_that_of_the_group_or_of_the_machine(
    tmp_path: Path, is_grouped: bool, number: int
) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    (proc / "self").mkdir(parents=True)
    (proc / "vmstat").write_text("oom_kills_of_others 1\noom_kill 7\n")
    assert out_of_memory_kills(proc, groups) == 7
    (proc / "self" / "cgroup").write_text("0::/app/worker\n")
    if is_grouped:
        (groups / "app" / "worker").mkdir(parents=True)
        (groups / "app" / "worker" / "memory.events").write_text("oom 1\noom_kill 2\n")
    assert out_of_memory_kills(proc, groups) == number


def test_nothing_is_counted_where_the_kernel_does_not_tell(tmp_path: Path) -> None:
    assert out_of_memory_kills(tmp_path, tmp_path) == 0


@pytest.mark.django_db
def test_the_end_of_the_last_process_with_a_pid_is_recorded() -> None:
    voucher = Voucher(list)
    common: dict[str, Any] = {"host": identity.host(), "pid": 77}
    earlier = rows.worker_process(started_at=timezone.now() - timedelta(hours=1), **common)
    stopped = rows.worker_process(pid=78, host=identity.host(), ended="stopped")
    last, other = rows.worker_process(**common), rows.worker_process(pid=77, host="elsewhere")
    for pid in (77, 78):
        voucher.bury(pid, -signal.SIGKILL)
    voucher.record()
    found = {row.pk: row.ended for row in WorkerProcess.objects.all()}
    assert found == {earlier.pk: "", last.pk: "killed", other.pk: "", stopped.pk: "stopped"}


@pytest.mark.django_db
def test_the_last_ended_processes_are_kept_for_some_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "MOST_ENDED", 3)

    def ended(hours: float) -> uuid.UUID:
        return rows.worker_process(stopped_at=timezone.now() - timedelta(hours=hours)).pk

    kept = [ended(hours) for hours in (2, 3, 4)]
    living = rows.worker_process(started_at=timezone.now() - timedelta(days=30)).pk
    for hours in (5, 6, 24 * 8):
        ended(hours)
    assert presence.forget(older_than=timedelta(days=7)) == 3
    assert set(WorkerProcess.objects.values_list("pk", flat=True)) == {*kept, living}
    # Messages that the last ones fetched may still be requeued.
    for _ in range(5):
        ended(0.1)
    presence.forget(older_than=timedelta(days=7))
    assert WorkerProcess.objects.filter(stopped_at__isnull=False).count() == 5


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("values", "took"), [({}, True), ({"stopped_at": timezone.now()}, False), ({"kind": "relay"}, False)]
)
def test_only_a_living_worker_is_asked(values: dict[str, Any], took: bool) -> None:
    process = rows.worker_process(**values)
    assert presence.request(process.pk, "quiet") == took
    assert presence.wanted(process.pk) == ("quiet" if took else "")
