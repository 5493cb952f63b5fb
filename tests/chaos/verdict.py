"""Queries that check the invariants after a storm."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import redis
from django.db.models import F

from apps.tasks import states
from apps.tasks.models import TaskAttempt, TaskGroup, TaskStatus, WorkerProcess
from tests.acting.models import Effect
from tests.chaos.world import Kill, World

#: Columns of a row by name.
Row = Mapping[str, Any]


@dataclass
class Verdict:
    """Figures and breaches. Without a breach the invariants hold."""

    figures: dict[str, Any] = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)

    def expect(self, holds: bool, breach: str) -> None:
        if not holds:
            self.breaches.append(breach)


def judge(world: World) -> Verdict:
    verdict = Verdict()
    noted = world.journals()
    rows = {row["task_id"]: row for row in TaskStatus.objects.values()}
    nonce_of = {task_id: _nonce(row) for task_id, row in rows.items()}
    tasks_of: defaultdict[str, list[str]] = defaultdict(list)
    for task_id, nonce in nonce_of.items():
        if nonce:
            tasks_of[nonce].append(task_id)
    effects = list(Effect.objects.values("nonce", "task_id", "attempt", "at").order_by("id"))
    _check_sends(verdict, noted, tasks_of, rows)
    _check_runs(verdict, rows, effects)
    _check_slots(verdict, rows)
    _check_redis(verdict, world)
    _measure_rescues(verdict, world, effects)
    verdict.figures["kills"] = dict(Counter(kill.kind for kill in world.kills if kill.pid or kill.kind == "FLUSHALL"))
    return verdict


def _nonce(row: Row) -> str | None:
    return row["args"][0] if row["args"] else None


def _check_sends(
    verdict: Verdict, noted: dict[str, str], tasks_of: dict[str, list[str]], rows: Mapping[str, Row]
) -> None:
    """1. A committed send ends in exactly one terminal row. 2. A rolled-back send leaves nothing."""
    sent = [nonce for nonce, word in noted.items() if word == "sent"]
    lost = [nonce for nonce in sent if nonce not in tasks_of]
    double = [nonce for nonce, task_ids in tasks_of.items() if len(task_ids) > 1]
    ghosts = [nonce for nonce, word in noted.items() if word == "rolled-back" and nonce in tasks_of]
    unfinished = [task_id for task_id, row in rows.items() if row["status"] in states.UNFINISHED]
    failed = [task_id for task_id, row in rows.items() if row["status"] == states.FAILED]
    verdict.figures |= {
        "tasks": len(rows),
        "sent": len(sent),
        "rolled back": sum(word == "rolled-back" for word in noted.values()),
        "interrupted while sending": sum(word == "sending" for word in noted.values()),
        "lost": len(lost),
        "never finished": len(unfinished),
        "failed": len(failed),
    }
    verdict.expect(not lost, f"lost: {lost[:5]}")
    verdict.expect(not double, f"sent twice: {double[:5]}")
    verdict.expect(not ghosts, f"rolled back and recorded: {ghosts[:5]}")
    verdict.expect(not unfinished, f"never finished: {unfinished[:5]}")
    verdict.expect(not failed, f"failed: {[(task_id, rows[task_id]['error_message']) for task_id in failed[:5]]}")
    verdict.expect(not TaskGroup.objects.exists(), "a group never called back")


def _check_runs(verdict: Verdict, rows: Mapping[str, Row], effects: list[dict[str, Any]]) -> None:
    """3. No task runs uncommitted or early. 4. One attempt finishes. 5. An acked outcome is durable."""
    runs: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for effect in effects:
        runs[effect["task_id"]].append(effect)
    ends = {(pk, attempt): outcome for pk, attempt, outcome in _ends()}
    causes: Counter[str] = Counter()
    double_transactional, twice, orphans, late, silent = [], [], [], [], []
    for task_id, done in runs.items():
        row = rows.get(task_id)
        if row is None:
            orphans.append(task_id)
            continue
        attempts = [effect["attempt"] for effect in done]
        if len(set(attempts)) < len(attempts):
            twice.append((task_id, attempts))
        if max(attempts) > row["attempt"]:
            late.append(task_id)
        if row["task_name"] == "chaos.commit" and len(done) > 1:
            double_transactional.append(task_id)
        for attempt in sorted(set(attempts))[:-1]:
            causes[ends.get((row["id"], attempt), "release")] += 1
    for task_id, row in rows.items():
        if row["status"] == states.COMPLETED and row["task_name"] != "chaos.tick" and task_id not in runs:
            silent.append(task_id)
    verdict.figures |= {
        "runs": len(effects),
        "double runs by cause": dict(causes),
        "double effects of transactional tasks": len(double_transactional),
        "one attempt started twice": len(twice),
    }
    verdict.expect(not orphans, f"ran without a row: {orphans[:5]}")
    verdict.expect(not twice, f"one attempt started twice: {twice[:5]}")
    verdict.expect(not late, f"ran after it was finished: {late[:5]}")
    verdict.expect(not double_transactional, f"transactional effects twice: {double_transactional[:5]}")
    verdict.expect(not silent, f"completed without its effect: {silent[:5]}")
    verdict.expect(not TaskStatus.objects.filter(started_at__lt=F("run_at")).exists(), "a task started before its time")


def _ends() -> Any:
    return TaskAttempt.objects.values_list("task_id", "attempt", "outcome")


def _check_slots(verdict: Verdict, rows: Mapping[str, Row]) -> None:
    """6. A schedule's slot fires once."""
    ticks = [row["options"]["slot"] for row in rows.values() if row["task_name"] == "chaos.tick"]
    verdict.figures["slots fired"] = len(ticks)
    verdict.expect(len(set(ticks)) == len(ticks), f"a slot fired twice: {Counter(ticks).most_common(1)}")


def _check_redis(verdict: Verdict, world: World) -> None:
    """5 and 9. No message is left in Redis, and no dead worker is named as a holder."""
    with redis.Redis.from_url(world.redis.url, decode_responses=True) as client:
        waiting = client.llen("aiwriting:chaos")
        acks = {key: client.scard(key) for key in client.scan_iter("aiwriting:__acks__.*")}
    living = {str(pk) for pk in WorkerProcess.objects.filter(stopped_at=None).values_list("pk", flat=True)}
    stranded = {key: count for key, count in acks.items() if key.split(".")[1] not in living}
    verdict.expect(waiting == 0, f"{waiting} messages wait though every task is done")
    verdict.expect(not stranded, f"acks of dead workers are left: {stranded}")


def _measure_rescues(verdict: Verdict, world: World, effects: list[dict[str, Any]]) -> None:
    """Measure the seconds from the kill of a worker to the new start of its task, if nothing else was disturbed."""
    starts = {(effect["task_id"], effect["attempt"]): effect["at"] for effect in effects}
    workers = {worker.pk: worker for worker in WorkerProcess.objects.all()}
    slowest, measured = 0.0, 0
    kills = [kill for kill in world.kills if kill.kind == "kill -9 worker" and kill.pid]
    for kill in kills:
        for attempt in TaskAttempt.objects.filter(outcome="rescue").select_related("task"):
            worker = workers.get(attempt.worker_id) if attempt.worker_id else None
            if worker is None or worker.pid != kill.pid or worker.stopped_at is None:
                continue
            if abs(worker.stopped_at.timestamp() - kill.at) > 30:
                continue
            start = starts.get((attempt.task.task_id, attempt.attempt + 1))
            if start is None or _was_disturbed(world, kill, start):
                continue
            measured += 1
            slowest = max(slowest, (start - datetime.fromtimestamp(kill.at, UTC)).total_seconds())
    verdict.figures["rescues measured"] = measured
    verdict.figures["slowest undisturbed rescue, seconds"] = round(slowest, 2)


def _was_disturbed(world: World, kill: Kill, start: datetime) -> bool:
    """Return whether another process was harmed between the kill and the new start."""
    return any(other is not kill and kill.at - 1 < other.at < start.timestamp() for other in world.kills)
