"""A model of the ledger in plain Python: a dict of tasks instead of rows, and a clock of whole hours.

It has one caller at a time and no SQL, so every method is short enough to be seen to be right. The property test makes
the same moves here and in the database, and compares.
"""

import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import ANY

from apps.tasks import states
from apps.tasks.ledger import Refusal
from apps.tasks.values import Claim, Outcome, Report, Send, Settled

HOUR_MS = 3_600_000

#: A message as far as the ledger sees it: task id and attempt.
Pair = tuple[str, int]


@dataclass
class Task:
    """A row, with times in hours. Of the times that only people read, whether they are set."""

    status: str
    run_at: int
    created_at: int
    expires_at: int | None = None
    unknown_since: int | None = None
    delayed: bool = False
    is_limited: bool = False
    in_line: bool = False
    attempt: int = 0
    retries: int = 0
    snoozes: int = 0
    crashes: int = 0
    claim_id: uuid.UUID | None = None
    worker_id: uuid.UUID | None = None
    is_claimed: bool = False
    is_started: bool = False
    is_finished: bool = False
    is_cancel_requested: bool = False
    progress: int = 0
    progress_text: str = ""
    result: Any = None
    error_message: Any = ""


@dataclass
class Group:
    """A group, and which of its callbacks were sent."""

    task_ids: list[str]
    has_ended: bool = False
    has_succeeded: bool = False


@dataclass
class Model:
    """The ledger, its workers and its clock.

    Parameters:
      now: Time in hours.
      attempts: Ends of the attempts that did not complete and left an error.
      keys: Last task that was sent with each key.
      key_of: Key that each task was sent with.
      lives: Whether each registered worker counts as living.
      made: Number of times that each move was made.
    """

    made: Counter[str]
    now: int = 0
    tasks: dict[str, Task] = field(default_factory=dict)
    attempts: dict[Pair, str] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    key_of: dict[str, str] = field(default_factory=dict)
    lives: dict[uuid.UUID, bool] = field(default_factory=dict)

    def _move(self, task: Task, move: states.Move) -> None:
        assert task.status in move.sources, f"the model makes no illegal move: {move.name} from {task.status}"
        self.made[move.name] += 1
        task.status = move.target

    def _end(self, task: Task, move: states.Move, *, error: Any = "") -> None:
        self._move(task, move)
        task.is_finished, task.error_message = True, error

    def _make_pending(self, task: Task, move: states.Move) -> None:
        """Make the task pending again, under a new attempt."""
        if task.is_started:
            task.unknown_since = None
        self._move(task, move)
        task.attempt += 1
        task.run_at, task.delayed, task.in_line = self.now, True, False
        task.claim_id = task.worker_id = None
        task.is_claimed = task.is_started = False
        task.progress, task.progress_text = 0, ""

    # --- Sending ---

    def record(self, sends: Iterable[Send]) -> dict[int, str]:
        known: dict[int, str] = {}
        sends = list(sends)
        for send in sends:
            if send.unique is not None:
                # Locked, and made if it is missing.
                self.keys.setdefault(send.unique.key, send.task_id)
        keys: set[str] = set()
        for position, send in enumerate(sends):
            if send.task_id in self.tasks:
                known[position] = send.task_id
                continue
            if send.unique is not None:
                key = send.unique.key
                if key in keys or self._stands(self.keys[key], key, while_pending=send.unique.while_pending):
                    known[position] = self.keys[key]
                    continue
                keys.add(key)
                self.keys[key] = send.task_id
                self.key_of[send.task_id] = key
            run_at = self.now + send.delay_ms // HOUR_MS
            self.tasks[send.task_id] = Task(
                status=states.PENDING,
                run_at=run_at,
                created_at=self.now,
                expires_at=None if send.max_age_ms is None else run_at + send.max_age_ms // HOUR_MS,
                delayed=send.delay_ms > 0,
                is_limited=send.line is not None,
                in_line=send.line is not None and not send.delay_ms,
            )
        for send in sends:
            if send.unique is not None and self.key_of.get(self.keys.get(send.unique.key, "")) != send.unique.key:
                # The send was a known task, of another key.
                self.keys.pop(send.unique.key, None)
        return known

    def _stands(self, task_id: str, key: str, *, while_pending: bool) -> bool:
        task = self.tasks.get(task_id)
        if task is None or self.key_of.get(task_id) != key:
            return False
        if task.status == states.PROCESSING:
            return not while_pending and (task.is_started or not task.is_cancel_requested)
        if task.status != states.PENDING or task.is_cancel_requested:
            return False
        is_overdue = task.run_at < self.now
        return (task.expires_at is None or task.expires_at > self.now) and not (while_pending and is_overdue)

    def is_key_taken(self, task_id: str) -> bool:
        """Return whether an unfinished task has the key of an ended one."""
        task, holder = self.tasks[task_id], self.tasks.get(self.keys.get(self.key_of.get(task_id, ""), ""))
        return task.is_finished and holder is not None and holder.status in states.UNFINISHED

    def forget_keys(self) -> int:
        ended = [key for key, task_id in self.keys.items() if self.tasks[task_id].status not in states.UNFINISHED]
        for key in ended:
            del self.keys[key]
        return len(ended)

    def dead_letter(self, task_id: str) -> bool:
        if task_id in self.tasks:
            return False
        self.tasks[task_id] = Task(
            status=states.FAILED, run_at=self.now, created_at=self.now, is_finished=True, error_message=ANY
        )
        return True

    # --- Working ---

    def _is_due(self, task: Task) -> bool:
        return task.status == states.PENDING and task.run_at <= self.now

    def _is_expired(self, task: Task) -> bool:
        return task.status == states.PENDING and task.expires_at is not None and task.expires_at <= self.now

    def _take(self, pair: Pair, claim_id: uuid.UUID, worker_id: uuid.UUID) -> Task | None:
        """Claim the task and return it, if its time has come and the attempt is the current one."""
        task = self.tasks.get(pair[0])
        if task is None or task.attempt != pair[1] or not self._is_due(task) or task.in_line:
            return None
        if task.is_limited and task.delayed:
            return None  # It has no place.
        if self._is_expired(task) or task.is_cancel_requested:
            return None
        self._move(task, states.CLAIM)
        task.claim_id, task.worker_id, task.is_claimed = claim_id, worker_id, True
        if task.unknown_since is not None:
            task.error_message = ""
        return task

    def _holds(self, pair: Pair, claim_id: uuid.UUID) -> bool:
        task = self.tasks.get(pair[0])
        return task is not None and (task.status, task.attempt, task.claim_id) == (states.PROCESSING, pair[1], claim_id)

    def claim(self, pairs: list[Pair], *, claim_id: uuid.UUID, worker_id: uuid.UUID) -> tuple[set[Pair], list[Refusal]]:
        """Return the pairs that are held now, and a reason for each of the others."""
        for pair in pairs:
            if pair[0] in self.tasks and self.tasks[pair[0]].crashes == 0:
                self._take(pair, claim_id, worker_id)
        held = {pair for pair in pairs if self._holds(pair, claim_id)}
        others = [pair for pair in pairs if pair not in held]
        self.expire(task_id for task_id, _ in others)
        for task_id, _ in others:
            task = self.tasks.get(task_id)
            if task is None or task.status != states.PENDING:
                continue
            if task.is_cancel_requested:
                self._end(task, states.CANCEL, error=task.error_message)
            elif not self._is_due(task):
                task.delayed, task.in_line = True, False
        return held, [self._refusal(pair) for pair in others]

    def _refusal(self, pair: Pair) -> Refusal:
        task_id, attempt = pair
        task = self.tasks.get(task_id)
        if task is None:
            return Refusal(task_id=task_id, missing=True)
        waits = attempt == task.attempt and task.status == states.PENDING and not task.in_line
        is_suspect = waits and task.crashes > 0
        is_ahead = attempt > task.attempt and task.status not in states.TERMINAL
        return Refusal(task_id=task_id, early=is_ahead, suspect=is_suspect)

    def claim_suspect(self, pair: Pair, *, claim_id: uuid.UUID, worker_id: uuid.UUID) -> bool:
        if task := self._take(pair, claim_id, worker_id):
            task.is_started = True
        return self._holds(pair, claim_id)

    def holder(self, claim: Claim) -> Task | None:
        """Return the task if the claim still holds it."""
        return self.tasks[claim.task_id] if self._holds((claim.task_id, claim.attempt), claim.claim_id) else None

    def report(self, reports: Iterable[Report]) -> None:
        for news in reports:
            if task := self.holder(news.claim):
                task.progress, task.progress_text, task.is_started = news.percent, news.text, True

    def finish(self, outcomes: Iterable[Outcome]) -> list[Settled]:
        return [self._finish(outcome) for outcome in outcomes]

    def _finish(self, outcome: Outcome) -> Settled:
        task, move = self.holder(outcome.claim), outcome.move
        if task is None:
            return Settled(took=False)
        if move in (states.SNOOZE, states.RETRY) and task.is_cancel_requested:
            move = states.CANCEL_CLAIMED
        if outcome.error_message:
            self.attempts.setdefault((outcome.claim.task_id, outcome.claim.attempt), move.name)
        if move not in (states.RELEASE, states.SNOOZE):
            task.unknown_since = None
        if move is states.RELEASE:
            self._make_pending(task, move)
        elif move is states.SNOOZE:
            self._make_pending(task, move)
            task.snoozes += 1
            task.run_at = self.now + outcome.delay_ms // HOUR_MS
            task.error_message = outcome.error_message or task.error_message
        elif move is states.RETRY:
            self._make_pending(task, move)
            task.retries += 1
            task.run_at = self.now + outcome.delay_ms // HOUR_MS
            task.delayed = outcome.delay_ms > 0
            task.in_line = task.is_limited and not task.delayed
            task.error_message = outcome.error_message
        else:
            self._end(task, move, error=outcome.error_message)
            task.is_started = task.is_started or outcome.ran_ms is not None
            task.result, task.progress_text = outcome.result, outcome.text
            task.progress = 100 if move is states.COMPLETE else outcome.percent
        self.record(outcome.sends)
        return Settled(took=True, sends=outcome.sends, instead=None if move is outcome.move else move)

    # --- Groups ---

    def settle_groups(self) -> set[str]:
        """Note the ends of groups. Return the ids of their callbacks."""
        found = set()
        for key, group in self.groups.items():
            ends = {self.tasks[task_id].status for task_id in group.task_ids}
            if not group.has_ended and ends <= set(states.TERMINAL):
                group.has_ended = True
                found.add(f"{key}-finished")
            if group.has_ended and not group.has_succeeded and ends == {states.COMPLETED}:
                group.has_succeeded = True
                found.add(f"{key}-success")
        return found

    # --- Recovering ---

    def held_by(self, worker_id: uuid.UUID) -> dict[Pair, bool]:
        return {
            (task_id, task.attempt): task.is_cancel_requested
            for task_id, task in self.tasks.items()
            if task.status == states.PROCESSING and task.worker_id == worker_id
        }

    def release_one(self, pair: Pair, *, worker_id: uuid.UUID) -> bool:
        if pair not in self.held_by(worker_id):
            return False
        self._make_pending(self.tasks[pair[0]], states.RELEASE)
        return True

    def release_all(self, worker_id: uuid.UUID) -> int:
        return sum(self.release_one(pair, worker_id=worker_id) for pair in self.held_by(worker_id))

    def release_unstarted(self, claims: Iterable[Claim]) -> set[str]:
        held = {claim.task_id: task for claim in claims if (task := self.holder(claim))}
        for task in held.values():
            run_at = task.run_at
            self._make_pending(task, states.RELEASE)
            task.run_at, task.delayed = run_at, False
        return set(held)

    @property
    def dead_holders(self) -> set[uuid.UUID]:
        """Workers that hold a task and do not live."""
        holders = {task.worker_id for task in self.tasks.values() if task.status == states.PROCESSING}
        return {worker_id for worker_id in holders if worker_id is not None and not self.lives.get(worker_id)}

    def rescue(self, worker_id: uuid.UUID, *, max_crashes: int) -> tuple[int, int]:
        pending = failed = 0
        for task_id, attempt in self.held_by(worker_id):
            task = self.tasks[task_id]
            if task.is_started and task.crashes + 1 >= max_crashes:
                self.attempts.setdefault((task_id, attempt), states.POISON.name)
                self._end(task, states.POISON, error=ANY)
                task.crashes += 1
                failed += 1
                continue
            if task.crashes == 0 or task.is_started:
                self.attempts.setdefault((task_id, attempt), states.RESCUE.name)
                task.crashes += 1
            self._make_pending(task, states.RESCUE)
            pending += 1
        return pending, failed

    # --- The relay ---

    def due(self, *, delayed: bool) -> set[str]:
        """Return the tasks that may run now and that the relay must publish (`delayed`), or that it need not."""
        return {
            task_id
            for task_id, task in self.tasks.items()
            if self._is_due(task) and task.delayed is delayed and not task.in_line
        }

    def take_due(self, task_ids: Iterable[str]) -> None:
        for task in self._known(task_ids):
            task.delayed, task.in_line = False, task.is_limited

    @property
    def in_line(self) -> set[str]:
        """Tasks that wait for a place, and could run now."""
        return {task_id for task_id, task in self.tasks.items() if self._is_due(task) and task.in_line}

    @property
    def with_place(self) -> int:
        """Number of limited tasks that have a place: they are handed out and have not ended."""
        return sum(
            task.is_limited and not (task.in_line or task.delayed or task.is_finished) for task in self.tasks.values()
        )

    def admit(self, task_ids: Iterable[str]) -> None:
        for task in self._known(task_ids):
            task.in_line = False

    # --- Operating ---

    def cancel(self, task_id: str) -> bool:
        task = self.tasks.get(task_id)
        if task is not None and task.status == states.PENDING:
            self._end(task, states.CANCEL, error=task.error_message)
            task.is_cancel_requested = True
            return True
        if task is not None and task.status == states.PROCESSING:
            task.is_cancel_requested = True
        return False

    def retry(self, task_id: str) -> bool:
        task = self.tasks.get(task_id)
        if task is None or task.status not in (states.FAILED, states.CANCELLED) or self.is_key_taken(task_id):
            return False
        if task_id in self.key_of:
            self.keys[self.key_of[task_id]] = task_id
        self._make_pending(task, states.RETRY_BY_HAND)
        task.retries = task.snoozes = task.crashes = 0
        task.expires_at = task.unknown_since = None
        task.is_finished = task.is_cancel_requested = False
        task.result, task.error_message = None, ""
        return True

    def postpone(self, task_ids: Iterable[str], *, delay_ms: int) -> int:
        waiting = [task for task in self._known(task_ids) if task.status == states.PENDING]
        for task in waiting:
            run_at = self.now + delay_ms // HOUR_MS
            if task.expires_at is not None:
                task.expires_at += run_at - task.run_at
            task.run_at, task.delayed, task.in_line = run_at, True, False
        return len(waiting)

    def expire(self, task_ids: Iterable[str] | None = None) -> int:
        expired = [task for task in self._known(task_ids) if self._is_expired(task)]
        for task in expired:
            self._end(task, states.EXPIRE, error=ANY)
        return len(expired)

    def put_off(self, task_ids: Iterable[str], *, delay_ms: int, patience_ms: int) -> tuple[int, int]:
        waiting = [task for task in self._known(task_ids) if task.status == states.PENDING]
        unknown_before = self.now - patience_ms // HOUR_MS
        old = [task for task in waiting if task.unknown_since is not None and task.unknown_since <= unknown_before]
        for task in old:
            self._end(task, states.REJECT, error="no worker knows it")
        for task in waiting:
            if task.status == states.PENDING:
                task.unknown_since = self.now if task.unknown_since is None else task.unknown_since
                task.run_at, task.delayed, task.in_line = self.now + delay_ms // HOUR_MS, True, False
                task.error_message = "no worker knows it"
        return len(waiting) - len(old), len(old)

    def _known(self, task_ids: Iterable[str] | None) -> list[Task]:
        """Return the tasks with these ids, each once. None: all tasks."""
        wanted = None if task_ids is None else set(task_ids)
        return [task for task_id, task in self.tasks.items() if wanted is None or task_id in wanted]
