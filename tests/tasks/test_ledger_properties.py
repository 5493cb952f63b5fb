"""The ledger against its model, under random sends, claims, ends, crashes and losses.

Hypothesis makes up the steps: transactions that roll back, messages that are lost, doubled and come late, claims whose
replies get lost, workers that stop, die, freeze and come back, relays that die half-way, people who cancel. After each
step every row must equal its task in the model, and must have got there by a legal move. At the end Redis is wiped, all
workers die, and one pass of an honest relay and worker must leave no task unfinished.

    LEDGER_EXAMPLES=5000 python -m pytest tests/tasks/test_ledger_properties.py

runs that number of random examples, others each time. `--hypothesis-seed` repeats them. A failure prints its few steps.
"""

import os
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from apps.tasks import ledger, presence, states
from apps.tasks.errors import KeyTakenError
from apps.tasks.models import Limit, TaskAttempt, TaskGroup, TaskGroupMember, TaskKey, TaskStatus, WorkerProcess
from apps.tasks.values import KEY_OPTION, Claim, Outcome, Report, Send, Unique
from tests.tasks.ledger_model import HOUR_MS, Group, Model, Pair, Task
from workers.sending.on_commit import publish_on_commit

#: Number of examples, and of steps in each. They are the same each time unless the variable is set.
EXAMPLES = int(os.environ.get("LEDGER_EXAMPLES", "60"))
STEPS = 60
#: Number of tasks in an example, at most. With more of them, less happens to each.
MANY_TASKS = 10
HOUR = timedelta(hours=1)
#: Limited tasks that have a place at once.
PLACES = 2

#: Columns that no move changes. They are not compared: reading them after each step takes long.
CONSTANT = {
    "task_name",
    "queue_name",
    "priority",
    "args",
    "kwargs",
    "options",
    "owner",
    "related_object_type",
    "related_object_id",
    "weight",
}
COLUMNS = [column.name for column in TaskStatus._meta.concrete_fields if column.name not in CONSTANT]
TIMES = ("run_at", "expires_at", "unknown_since", "created_at", "updated_at", "claimed_at", "started_at", "finished_at")


# --- Redis and the workers, as far as the ledger can tell -----------------------------------------


class Wire:
    """The messages that wait in Redis, and those that each worker fetched and has not acked."""

    def __init__(self) -> None:
        self.waiting: list[Pair] = []
        self.fetched: dict[uuid.UUID, set[Pair]] = {}
        #: All messages that were published so far.
        self.published: list[Pair] = []

    def has(self, pair: Pair) -> bool:
        return pair in self.waiting or any(pair in fetched for fetched in self.fetched.values())

    def publish(self, pairs: Iterable[Pair]) -> None:
        for pair in pairs:
            if pair not in self.published:
                self.published.append(pair)
            if not self.has(pair):
                self.waiting.append(pair)

    def fetch(self, worker: uuid.UUID, pairs: Iterable[Pair]) -> None:
        for pair in pairs:
            self.waiting.remove(pair)
            self.fetched.setdefault(worker, set()).add(pair)

    def ack(self, worker: uuid.UUID, pairs: Iterable[Pair]) -> None:
        self.fetched.get(worker, set()).difference_update(pairs)

    def requeue(self, worker: uuid.UUID, pairs: Iterable[Pair] | None = None) -> None:
        fetched = self.fetched.get(worker, set())
        requeued = sorted(fetched if pairs is None else fetched.intersection(pairs))
        fetched.difference_update(requeued)
        self.waiting[:0] = requeued

    def wipe(self) -> None:
        self.waiting, self.fetched = [], {}


@dataclass
class FetchedBatch:
    """Messages that a worker has fetched, until it has the answer to their claim."""

    claim_id: uuid.UUID
    batch: list[Pair] = field(default_factory=list)
    suspects: list[Pair] = field(default_factory=list)
    #: Claim id of the first suspect, once it was asked for.
    suspect_claim_id: uuid.UUID | None = None


class RolledBackError(Exception):
    """Raised inside a transaction to roll it back."""


@contextmanager
def atomic(*, rolled_back: bool) -> Iterator[None]:
    """Run a transaction, or a savepoint, that commits or is rolled back."""
    try:
        with transaction.atomic():
            yield
            if rolled_back:
                raise RolledBackError
    except RolledBackError:
        pass


# --- Steps: drawn when their turn comes, from the tasks and workers of that time -------------------


@dataclass(frozen=True)
class Sent:
    """A message to send: a new one, or one with the id of a known task. It may have a key or a limit."""

    delay_hours: int
    max_age_hours: int | None
    known: str | None
    key: str = ""
    while_pending: bool = False
    is_limited: bool = False


@dataclass(frozen=True)
class Block:
    """Messages that are sent inside a savepoint."""

    sent: tuple[Sent, ...]
    rolled_back: bool


@dataclass(frozen=True)
class End:
    """The reported end of an attempt."""

    move: states.Move
    is_error: bool
    delay_hours: int
    ran: bool
    sends: int


#: The database refuses a task without an id.
NO_TASK_ID: Any = None
#: Arguments of a claim: messages, claim id, worker.
Call = tuple[tuple[Pair, ...], uuid.UUID, uuid.UUID]
NEW = Sent(delay_hours=0, max_age_hours=None, known=None)
DONE = End(move=states.COMPLETE, is_error=False, delay_hours=0, ran=True, sends=0)
ENDINGS = (
    states.COMPLETE, states.COMPLETE, states.FAIL, states.RETRY, states.SNOOZE, states.RELEASE, states.CANCEL_CLAIMED,
)  # fmt: skip
FATES = (
    "dies", "dies", "dies", "stops", "freezes", "reconciles", "releases one", "releases one", "is busy", "is busy",
)  # fmt: skip
ACTIONS = (
    "cancel",
    "cancel",
    "cancel",
    "retry",
    "retry",
    "retry",
    "postpone",
    "put off",
    "dead letter",
    "expire",
    "forget workers",
    "send a refused message",
)


def one_of(choose: Callable[["LedgerMachine"], Iterable[Any]]) -> st.SearchStrategy[Any]:
    """Draw one of the items that the machine has when the step is drawn. There must be one."""
    return st.runner().flatmap(lambda machine: st.sampled_from(list(choose(machine))))


def some_of(choose: Callable[["LedgerMachine"], Iterable[Any]], *, most: int = 4) -> st.SearchStrategy[list[Any]]:
    """Draw some of the items that the machine has when the step is drawn. None if it has none."""

    def some(machine: "LedgerMachine") -> st.SearchStrategy[list[Any]]:
        items = list(choose(machine))
        return st.lists(st.sampled_from(items), unique=True, min_size=1, max_size=most) if items else st.just([])

    return st.runner().flatmap(some)


def forged(claim: Claim) -> st.SearchStrategy[Claim]:
    """Draw a claim like this one with a wrong attempt or claim id."""
    return st.one_of(
        st.sampled_from((-1, 1)).map(lambda by: claim._replace(attempt=max(claim.attempt + by, 0))),
        st.just(claim._replace(claim_id=uuid.UUID(int=0))),
    )


#: Seldom true. False is the simplest value for shrinking.
RARELY = st.sampled_from((False, False, False, True))
DELAYS = st.sampled_from((0, 0, 1, 3))
#: Held tasks are drawn more often than others.
TASKS = one_of(
    lambda machine: [task_id for task_id, _ in machine.pairs_of(states.PROCESSING)] * 2 + [*machine.model.tasks]
)
WORKERS = one_of(lambda machine: machine.model.lives)
LIVING = one_of(lambda machine: machine.living)
#: A worker that holds a task, if there is one.
HOLDERS = one_of(lambda machine: {claim.worker_id: 0 for claim in machine.valid_claims} or machine.model.lives)
#: A task with its current attempt or one beside it, or an unknown task.
PAIRS = st.builds(
    lambda pair, by: (pair[0], max(pair[1] + by, 0)),
    one_of(lambda machine: [*machine.pairs_of(states.PROCESSING), *machine.pairs_of(*states.STATES), ("unknown", 0)]),
    st.sampled_from((0, 0, 0, -1, 1)),
)
CLAIMS = st.one_of(
    one_of(lambda machine: machine.valid_claims or machine.claims),
    one_of(lambda machine: machine.claims),
    one_of(lambda machine: machine.valid_claims or machine.claims).flatmap(forged),
)
MAX_AGES = st.sampled_from((*[None] * 6, 0, 1, 2))
KEYS = st.sampled_from(("", "a", "a"))
NEW_SENDS, KNOWN_SENDS = (
    st.builds(
        Sent,
        delay_hours=DELAYS,
        max_age_hours=MAX_AGES,
        known=known,
        key=KEYS,
        while_pending=st.booleans(),
        is_limited=st.booleans(),
    )
    for known in (st.none(), TASKS)
)
SENDS = NEW_SENDS | NEW_SENDS | KNOWN_SENDS
BLOCKS = st.builds(Block, sent=st.lists(SENDS, min_size=1, max_size=2).map(tuple), rolled_back=RARELY)
ENDS = st.builds(
    End,
    move=st.sampled_from(ENDINGS),
    is_error=st.booleans(),
    delay_hours=DELAYS,
    ran=st.booleans(),
    sends=st.sampled_from((0, 0, 1, 2)),
)


class LedgerMachine(RuleBasedStateMachine):
    """The ledger, its users, and everything that can happen to them."""

    #: Over all examples, the number of times that each move was made, and the number of steps.
    made: Counter[str] = Counter()
    model: Model

    def __init__(self) -> None:
        super().__init__()
        self._raised_before = sys.exception()
        for model in (TaskAttempt, TaskStatus, TaskGroupMember, TaskGroup, TaskKey, WorkerProcess):
            model.objects.all()._raw_delete(using="default")
        Limit.objects.update_or_create(task_name="acting.effect", defaults={"concurrency": PLACES})
        self.model = Model(made=self.made)
        self.wire = Wire()
        self.rows: dict[str, dict[str, Any]] = {}
        self.batches: dict[uuid.UUID, FetchedBatch] = {}
        self.max_crashes = 1
        #: All claims that were granted to a worker, and the calls that asked for them.
        self.claims: list[Claim] = []
        self.calls: list[Call] = []
        #: The claim that holds or held each attempt. Attempts that have ended.
        self.granted: dict[Pair, Claim] = {}
        self.ended: set[Pair] = set()
        self.row_ids: dict[str, int] = {}
        self.callbacks: Counter[str] = Counter()
        self.retried: set[str] = set()
        self._numbers = 0

    @property
    def valid_claims(self) -> list[Claim]:
        return [claim for claim in self.claims if self.model.holder(claim)]

    @property
    def living(self) -> list[uuid.UUID]:
        return [worker for worker, lives in self.model.lives.items() if lives]

    def pairs_of(self, *wanted: str) -> list[Pair]:
        """Return the tasks that are in one of these states, each with its current attempt."""
        return [(task_id, task.attempt) for task_id, task in self.model.tasks.items() if task.status in wanted]

    def new_number(self) -> int:
        self._numbers += 1
        return self._numbers

    def new_uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self.new_number())

    def send_of(self, sent: Sent) -> Send:
        return Send(
            task_id=sent.known or f"t{self.new_number()}",
            task_name="acting.effect",
            queue_name="default",
            delay_ms=sent.delay_hours * HOUR_MS,
            max_age_ms=None if sent.max_age_hours is None else sent.max_age_hours * HOUR_MS,
            options={KEY_OPTION: sent.key} if sent.key else {},
            unique=Unique(key=sent.key, while_pending=sent.while_pending) if sent.key else None,
            line="" if sent.is_limited else None,
        )

    # --- Sending ---

    @initialize(sent=st.lists(NEW_SENDS, min_size=1, max_size=3), max_crashes=st.integers(1, 3))
    def begin(self, sent: list[Sent], max_crashes: int) -> None:
        self.max_crashes = max_crashes
        self._boot()
        self._boot()
        self._send(sent)

    def _send(self, sent: Iterable[Sent]) -> None:
        """Record and publish like the broker."""
        sends = [self.send_of(one) for one in sent]
        new: list[Send] = []
        assert ledger.record(sends, meanwhile=new.extend) == self.model.record(sends)
        due = [(send.task_id, 0) for send in new if not send.delay_ms and send.line is None]
        publish_on_commit(due, self.wire.publish)

    @contextmanager
    def transaction(self, *, rolled_back: bool) -> Iterator[None]:
        """Run a transaction. If it is rolled back, restore the model."""
        tasks, groups = dict(self.model.tasks), dict(self.model.groups)
        keys, key_of = dict(self.model.keys), dict(self.model.key_of)
        with atomic(rolled_back=rolled_back):
            yield
        if rolled_back:
            self.model.tasks, self.model.groups = tasks, groups
            self.model.keys, self.model.key_of = keys, key_of

    @precondition(lambda machine: len(machine.model.tasks) < MANY_TASKS)
    @rule(blocks=st.lists(BLOCKS, min_size=1, max_size=3), rolled_back=RARELY, is_redis_away=RARELY)
    def send(self, blocks: list[Block], rolled_back: bool, is_redis_away: bool) -> None:
        waiting = list(self.wire.waiting)
        with self.transaction(rolled_back=rolled_back):
            for block in blocks:
                with self.transaction(rolled_back=block.rolled_back):
                    self._send(block.sent)
        if is_redis_away:
            self.wire.waiting = waiting

    @precondition(lambda machine: len(machine.model.tasks) < MANY_TASKS)
    @rule(size=st.integers(1, 3), rolled_back=RARELY)
    def send_a_group(self, size: int, rolled_back: bool) -> None:
        key = f"g{self.new_number()}"
        before = set(self.model.tasks)
        with self.transaction(rolled_back=rolled_back):
            self._send([NEW] * size)
            task_ids = [task_id for task_id in self.model.tasks if task_id not in before]
            callbacks = [{"on": on, "message": {"id": f"{key}-{on}"}} for on in (ledger.FINISHED, ledger.SUCCESS)]
            ledger.open_group(key, members=[[task_id] for task_id in task_ids], callbacks=callbacks)
            self.model.groups[key] = Group(task_ids)

    # --- Working ---

    @rule(
        worker=LIVING,
        fetched=some_of(lambda machine: machine.wire.waiting),
        percent=st.none() | st.integers(0, 100),
        ends=st.lists(st.none() | ENDS | ENDS, min_size=1, max_size=3),
    )
    def work(self, worker: uuid.UUID, fetched: list[Pair], percent: int | None, ends: list[End | None]) -> None:
        """Fetch, claim, report and finish like a worker. Tasks without an end are held until another step."""
        self._claim_batch(worker, fetched)
        self._claim_suspect(worker)
        held = [claim for claim in self.valid_claims if claim.worker_id == worker]
        if percent is not None:
            self.check()
            self._report(held, percent=percent)
        self.check()
        self._finish([self._outcome(claim, end) for claim, end in zip(held, ends, strict=False) if end])

    @rule(
        worker=WORKERS,
        fetched=some_of(lambda machine: machine.wire.waiting),
        lost=st.sampled_from(("reply", "request", "reply about a suspect")),
    )
    def lose_a_claim(self, worker: uuid.UUID, fetched: list[Pair], lost: str) -> None:
        """The database or the network fails, and the worker keeps its fetched batch."""
        if lost == "reply about a suspect":
            self._claim_suspect(worker, is_reply_lost=True)
        else:
            self._claim_batch(worker, fetched, is_asked=lost == "reply", is_reply_lost=True)

    def _claim_batch(
        self, worker: uuid.UUID, fetched: list[Pair], *, is_asked: bool = True, is_reply_lost: bool = False
    ) -> None:
        batch = self.batches[worker]
        if not batch.batch:
            self.wire.fetch(worker, fetched)
            last = dict(sorted(fetched))
            batch.batch, batch.claim_id = list(last.items()), self.new_uuid()
            self.wire.ack(worker, set(fetched) - set(batch.batch))
        if not (batch.batch and is_asked):
            return
        held, refusals = self._claim(batch.batch, claim_id=batch.claim_id, worker=worker)
        if is_reply_lost:
            return
        self._grant(held, claim_id=batch.claim_id, worker=worker)
        refused = [pair for pair in batch.batch if pair not in held]
        batch.batch = []
        for pair, refusal in zip(refused, refusals, strict=True):
            if refusal.early:
                self.wire.requeue(worker, [pair])
            elif refusal.suspect:
                batch.suspects.append(pair)
            else:
                self.wire.ack(worker, [pair])

    def _claim_suspect(self, worker: uuid.UUID, *, is_reply_lost: bool = False) -> None:
        batch = self.batches[worker]
        if not batch.suspects:
            return
        pair, batch.suspect_claim_id = batch.suspects[0], batch.suspect_claim_id or self.new_uuid()
        is_held = self._claim_alone(pair, claim_id=batch.suspect_claim_id, worker=worker)
        if is_reply_lost:
            return
        if is_held:
            self._grant([pair], claim_id=batch.suspect_claim_id, worker=worker)
        else:
            self.wire.ack(worker, [pair])
        del batch.suspects[0]
        batch.suspect_claim_id = None

    def _claim(
        self, pairs: list[Pair], *, claim_id: uuid.UUID, worker: uuid.UUID
    ) -> tuple[set[Pair], list[ledger.Refusal]]:
        """Claim, compare the answer with the model's and return it: the held pairs, and the refusals."""
        self.calls.append((tuple(pairs), claim_id, worker))
        held, refusals = ledger.claim(pairs, claim_id=claim_id, worker_id=worker)
        self.row_ids |= {one.task_id: one.row_id for one in held}
        tasks = {one.task_id for one in held}
        answer = {pair for pair in pairs if pair[0] in tasks}, refusals
        assert answer == self.model.claim(pairs, claim_id=claim_id, worker_id=worker)
        return answer

    def _claim_alone(self, pair: Pair, *, claim_id: uuid.UUID, worker: uuid.UUID) -> bool:
        held = ledger.claim_suspect(*pair, claim_id=claim_id, worker_id=worker)
        is_held = self.model.claim_suspect(pair, claim_id=claim_id, worker_id=worker)
        assert (held and held.task_id) == (pair[0] if is_held else None)
        self.row_ids |= {held.task_id: held.row_id} if held else {}
        return is_held

    def _grant(self, pairs: Iterable[Pair], *, claim_id: uuid.UUID, worker: uuid.UUID) -> None:
        """Note that the worker may start these. No attempt is started by two workers."""
        for task_id, attempt in sorted(pairs):
            row_id = self.row_ids[task_id]
            claim = Claim(task_id=task_id, row_id=row_id, attempt=attempt, claim_id=claim_id, worker_id=worker)
            assert self.granted.setdefault((task_id, attempt), claim) == claim, "another worker may run it"
            if claim not in self.claims:
                self.claims.append(claim)

    @rule(
        worker=WORKERS,
        pairs=st.lists(PAIRS, min_size=1, max_size=4, unique_by=lambda pair: pair[0]),
        how=st.sampled_from(("in a batch", "in a batch, doubled", "alone")),
    )
    def claim_anything(self, worker: uuid.UUID, pairs: list[Pair], how: str) -> None:
        """Claim messages that are stale, doubled, ahead of their row or without a row."""
        claim_id = self.new_uuid()
        if how == "alone":
            held = {pairs[0]} if self._claim_alone(pairs[0], claim_id=claim_id, worker=worker) else set()
        else:
            held, _ = self._claim(pairs * (1 + (how != "in a batch")), claim_id=claim_id, worker=worker)
        self._grant(held, claim_id=claim_id, worker=worker)

    @precondition(lambda machine: machine.calls)
    @rule(call=one_of(lambda machine: machine.calls))
    def repeat_a_claim(self, call: Call) -> None:
        """Repeat a call, however late."""
        pairs, claim_id, worker = call
        held, _ = self._claim(list(pairs), claim_id=claim_id, worker=worker)
        self._grant(held, claim_id=claim_id, worker=worker)

    @precondition(lambda machine: machine.claims)
    @rule(
        ends=st.lists(st.tuples(CLAIMS, ENDS), min_size=1, max_size=4, unique_by=lambda end: end[0]),
        percent=st.integers(0, 100),
        rolled_back=RARELY,
        is_refused=RARELY,
    )
    def end_anything(self, ends: list[tuple[Claim, End]], percent: int, rolled_back: bool, is_refused: bool) -> None:
        """Report and finish attempts that run, that have ended, that another worker holds, or that never were."""
        self._report([claim for claim, _ in ends], percent=percent, rolled_back=rolled_back)
        self.check()
        outcomes = [self._outcome(claim, end) for claim, end in ends]
        if is_refused and self.model.holder(outcomes[-1].claim):
            outcomes[-1] = outcomes[-1]._replace(sends=(self.send_of(NEW)._replace(task_id=NO_TASK_ID),))
            with pytest.raises(IntegrityError):
                ledger.finish(outcomes)
        else:
            self._finish(outcomes, rolled_back=rolled_back)

    def _report(self, claims: Iterable[Claim], *, percent: int, rolled_back: bool = False) -> None:
        reports = [Report(claim=claim, percent=percent, text=f"{percent} %", ran_ms=5) for claim in claims]
        with atomic(rolled_back=rolled_back):
            ledger.report(reports)
        if not rolled_back:
            self.model.report(reports)

    def _finish(self, outcomes: list[Outcome], *, rolled_back: bool = False) -> None:
        with atomic(rolled_back=rolled_back):
            settled = ledger.finish(outcomes)
            sends = [send for one in settled for send in one.sends]
            publish_on_commit([(send.task_id, 0) for send in sends], self.wire.publish)
        if rolled_back:
            return
        assert settled == self.model.finish(outcomes)
        for claim in (outcome.claim for outcome in outcomes):
            self.wire.ack(claim.worker_id, [(claim.task_id, claim.attempt)])

    def _outcome(self, claim: Claim, end: End) -> Outcome:
        completes = end.move is states.COMPLETE
        return Outcome(
            claim=claim,
            move=end.move,
            result=self.new_number() if completes else None,
            error_message=f"error {self.new_number()}" if end.is_error and not completes else "",
            ran_ms=5 if end.ran or completes else None,
            delay_ms=end.delay_hours * HOUR_MS,
            percent=40,
            text="Chapter 4",
            sends=tuple(self.send_of(NEW) for _ in range(end.sends)),
        )

    # --- Recovering ---

    def _boot(self) -> None:
        worker = self.new_uuid()
        presence.register(
            worker, broker_id=str(worker), host="h", hostname="h", pid=1, process_started="1", queues=[], threads=1
        )
        self.model.lives[worker] = True
        self.batches[worker] = FetchedBatch(claim_id=self.new_uuid())

    @rule(worker=HOLDERS, how=st.sampled_from(FATES), pair=PAIRS)
    def worker_does(self, worker: uuid.UUID, how: str, pair: Pair) -> None:
        """Let a worker stop, die, freeze or release tasks. A frozen one is declared dead and continues later."""
        if how == "reconciles":
            self._reconcile(worker)
        elif how == "releases one":
            self._release_one(worker, pair)
        elif how == "is busy":
            self._release_unstarted(worker)
        else:
            if how == "stops":
                assert ledger.release_all(worker) == self.model.release_all(worker)
                self.wire.requeue(worker)
            if how != "freezes":
                self.batches[worker] = FetchedBatch(claim_id=self.new_uuid())
            self._leave(worker)

    def _leave(self, worker: uuid.UUID) -> None:
        """Note that the worker stopped. There is always another one."""
        lived = self.model.lives[worker]
        assert presence.beat(worker) == lived
        assert presence.stop(worker) == lived
        assert not presence.beat(worker)
        self.model.lives[worker] = False
        if not self.living:
            self._boot()

    def _reconcile(self, worker: uuid.UUID) -> None:
        """Release the tasks that the worker does not know of, since the reply was lost."""
        rows = ledger.held_by(worker)
        assert rows == self.model.held_by(worker)
        assert ledger.cancel_requests(worker) == {key for key, is_requested in rows.items() if is_requested}
        known = {(claim.task_id, claim.attempt) for claim in self.claims if claim.worker_id == worker}
        for task_id, attempt in sorted(rows.keys() - known):
            assert ledger.release_one(task_id, attempt, worker_id=worker)
            assert self.model.release_one((task_id, attempt), worker_id=worker)

    def _release_one(self, worker: uuid.UUID, pair: Pair) -> None:
        taken = ledger.release_one(*pair, worker_id=worker)
        assert taken == self.model.release_one(pair, worker_id=worker)

    def _release_unstarted(self, worker: uuid.UUID) -> None:
        """Release tasks that wait for a thread. Another worker may hold some of them by now."""
        claims = [claim for claim in self.claims if claim.worker_id == worker]
        taken = ledger.release_unstarted(claims)
        assert taken == self.model.release_unstarted(claims)
        for claim in claims:
            if claim.task_id in taken:
                self.wire.ack(worker, [(claim.task_id, claim.attempt)])
        self.wire.publish(sorted((task_id, self.model.tasks[task_id].attempt) for task_id in taken))

    # --- The relay, and what happens to Redis ---

    @rule(
        hours=st.sampled_from((0, 0, 1, 3, -1)),
        work=st.sampled_from(("all", "all", "rescue", "publish", "groups")),
        limit=st.integers(1, 4),
        is_cut_off=RARELY,
    )
    def relay_passes(self, hours: int, work: str, limit: int, is_cut_off: bool) -> None:
        """Let time pass, or set the clock back, and let a relay make a pass.

        Cut off, the relay dies between its write and its publication, or between two dead workers.
        """
        if hours:
            self._shift(hours)
        if work in ("rescue", "all"):
            self._rescue(is_cut_off=is_cut_off)
        if work in ("publish", "all"):
            self.check()
            self._publish_due(limit=limit, is_cut_off=is_cut_off)
            self._audit(page=limit, is_cut_off=is_cut_off)
        if work in ("groups", "all"):
            self._settle_groups(rolled_back=is_cut_off)

    def _settle_groups(self, *, rolled_back: bool = False) -> bool:
        """Look at the groups like a relay. Return whether one called back."""

        def send_of(message: dict[str, Any], named: dict[str, Any]) -> Send:
            assert ("group" in named) == message["id"].endswith("-finished")
            return self.send_of(NEW)._replace(task_id=message["id"])

        with atomic(rolled_back=rolled_back):
            sends = ledger.settle_groups(send_of)
            publish_on_commit([(send.task_id, 0) for send in sends], self.wire.publish)
        if rolled_back:
            return False
        assert {send.task_id for send in sends} == self.model.settle_groups()
        self.model.record(sends)
        self.callbacks.update(send.task_id for send in sends)
        self.rows = read_rows()
        return bool(sends)

    def _rescue(self, *, is_cut_off: bool) -> None:
        holders = sorted(presence.dead_holders())
        assert len(holders) == len(set(holders))
        assert set(holders) == self.model.dead_holders
        for worker in holders[: len(holders) // 2] if is_cut_off else holders:
            rescued = ledger.rescue(worker, max_crashes=self.max_crashes)
            assert rescued == self.model.rescue(worker, max_crashes=self.max_crashes)
        if not is_cut_off:
            for worker, lives in self.model.lives.items():
                if not lives:
                    self.wire.requeue(worker)

    def _publish_due(self, *, limit: int, is_cut_off: bool) -> None:
        due = self.model.due(delayed=True)
        longest = sorted((self.rows[task_id]["run_at"], self.rows[task_id]["id"]) for task_id in due)
        rows = ledger.take_due(limit=limit)
        assert [row.pk for row in rows] == [pk for _, pk in longest[:limit]], "the tasks that wait longest come first"
        self.model.take_due([row.task_id for row in rows])
        if not is_cut_off:
            self.wire.publish((row.task_id, row.attempt) for row in rows if row.line is None)

    @rule(is_cut_off=RARELY)
    def admit(self, is_cut_off: bool) -> None:
        self._admit(is_cut_off=is_cut_off)

    def _admit(self, *, is_cut_off: bool) -> bool:
        """Give limited tasks their places, as many as are free, in the order of their sends. Return whether any has."""
        waiting = sorted(self.model.in_line, key=lambda task_id: self.rows[task_id]["id"])
        rows = ledger.admit("acting.effect", threads=1).rows
        assert [row.task_id for row in rows] == waiting[: max(PLACES - self.model.with_place, 0)]
        self.model.admit([row.task_id for row in rows])
        assert self.model.with_place <= PLACES
        if not is_cut_off:
            self.wire.publish((row.task_id, row.attempt) for row in rows)
        return bool(rows)

    def _audit(self, *, page: int, is_cut_off: bool) -> None:
        found: list[ledger.Waiting] = []
        while rows := ledger.due_after(found[-1].pk if found else 0, limit=page):
            assert len(rows) <= page
            found += rows
        assert sorted(row.task_id for row in found) == sorted(self.model.due(delayed=False))
        if not is_cut_off:
            absent = [row for row in found if not self.wire.has((row.task_id, row.attempt))]
            self.wire.publish((row.task_id, row.attempt) for row in ledger.still_due(absent))

    @precondition(lambda machine: machine.wire.published)
    @rule(
        pairs=some_of(lambda machine: machine.wire.published),
        what=st.sampled_from(("repeat", "repeat", "lose", "wipe")),
    )
    def redis_forgets_or_repeats(self, pairs: list[Pair], what: str) -> None:
        if what == "lose":
            self.wire.waiting = [pair for pair in self.wire.waiting if pair not in pairs]
        elif what == "repeat":
            self.wire.publish(pairs)
        else:
            self.wire.wipe()

    # --- Operating ---

    @rule(
        action=st.sampled_from(ACTIONS),
        task_ids=st.lists(TASKS, min_size=1, max_size=3, unique=True),
        hours=st.integers(0, 2),
    )
    def operate(self, action: str, task_ids: list[str], hours: int) -> None:
        """Cancel and retry like a person, or settle tasks as a deploy or a foreign message makes necessary."""
        ms = hours * HOUR_MS
        if action in ("cancel", "retry") and hours:
            self._operate_many(action, task_ids)
        elif action == "cancel":
            for task_id in task_ids:
                assert ledger.cancel(task_id) == self.model.cancel(task_id)
        elif action == "retry":
            self.retried.update(task_ids)
            for task_id in task_ids:
                if self.model.is_key_taken(task_id) and self.rows[task_id]["status"] != states.COMPLETED:
                    with pytest.raises(KeyTakenError):
                        ledger.retry(task_id)
                else:
                    assert ledger.retry(task_id) == self.model.retry(task_id)
        elif action == "postpone":
            assert ledger.postpone(task_ids, delay_ms=ms) == self.model.postpone(task_ids, delay_ms=ms)
        elif action == "put off":
            waiting = [task_id for task_id, _ in self.pairs_of(states.PENDING)][:1]
            # Twice, since the patience begins with the first time.
            for known in (task_ids, waiting, waiting):
                counts = ledger.put_off(known, delay_ms=HOUR_MS, patience_ms=ms, reason="no worker knows it")
                assert counts == self.model.put_off(known, delay_ms=HOUR_MS, patience_ms=ms)
        elif action == "dead letter":
            send = self.send_of(replace(NEW, known=task_ids[0] if hours else None))
            assert ledger.dead_letter(send, reason="foreign") == self.model.dead_letter(send.task_id)
        elif action == "send a refused message":
            sends = [self.send_of(NEW), self.send_of(NEW)._replace(task_id=NO_TASK_ID)]
            with pytest.raises(IntegrityError):
                ledger.record(sends)
        elif action == "expire":
            assert ledger.expire_waiting() == self.model.expire()
        else:
            presence.forget(older_than=hours * HOUR)
            assert ledger.forget_keys() == self.model.forget_keys()

    def _operate_many(self, action: str, task_ids: list[str]) -> None:
        keys = {task_id: self.rows[task_id]["id"] for task_id in task_ids}
        if action == "retry":
            self.retried.update(task_ids)
            # Of several with one unique key, the oldest.
            sent = {keys[task_id] for task_id in sorted(keys, key=keys.__getitem__) if self.model.retry(task_id)}
            assert ledger.retry_many([*keys.values()]) == sent
            return
        tasks = {keys[task_id]: self.model.tasks[task_id] for task_id in task_ids}
        held = {key for key, task in tasks.items() if task.status == states.PROCESSING}
        asked = {key for key in held if not tasks[key].is_cancel_requested}
        cancelled = {key for task_id, key in keys.items() if self.model.cancel(task_id)}
        assert ledger.cancel_many([*keys.values()]) == (cancelled, asked)

    def _shift(self, hours: int) -> None:
        """Move all times in the rows instead of the clock, which is the database's own."""
        by = hours * HOUR
        TaskStatus.objects.update(**{name: F(name) - by for name in TIMES})
        WorkerProcess.objects.update(stopped_at=F("stopped_at") - by)
        self.model.now += hours
        self.rows = read_rows()

    # --- Invariants ---

    @invariant()
    def after_each_step(self) -> None:
        self.made["steps"] += 1
        self.check()

    def check(self) -> None:
        before = self.rows
        self.every_row_equals_its_task_in_the_model_and_got_there_by_a_legal_move()
        if self.rows != before:
            self.attempts_and_groups_equal_those_of_the_model()
            self.keys_equal_those_of_the_model()
        self.each_callback_of_a_group_is_sent_once()
        self.no_message_is_published_before_its_commit()

    def every_row_equals_its_task_in_the_model_and_got_there_by_a_legal_move(self) -> None:
        before, self.rows = self.rows, read_rows()
        now = timezone.now()
        seen = {task_id: task_of(row, now=now, hours=self.model.now) for task_id, row in self.rows.items()}
        differing = {
            task_id: (seen.get(task_id), self.model.tasks.get(task_id))
            for task_id in seen.keys() | self.model.tasks.keys()
            if seen.get(task_id) != self.model.tasks.get(task_id)
        }
        assert not differing, "rows that differ from the model"
        for task_id, row in before.items():
            self._check_move(row, self.rows[task_id])
        self.retried.clear()

    def _check_move(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        if old["status"] in states.TERMINAL and old["task_id"] not in self.retried:
            assert new == old, "an ended task does not change"
        if new["status"] == old["status"]:
            assert new["attempt"] == old["attempt"]
            assert new["claim_id"] == old["claim_id"], "a claim holds until its attempt ends"
            return
        assert states.legal(old["status"], new["status"])
        assert new["attempt"] - old["attempt"] == (new["status"] == states.PENDING), (
            "every return to pending is a new attempt"
        )
        if old["status"] == states.PROCESSING:
            pair = (old["task_id"], old["attempt"])
            assert pair not in self.ended, "an attempt ends once"
            self.ended.add(pair)
        if new["status"] == states.PROCESSING:
            assert (new["task_id"], new["attempt"]) not in self.ended
            assert new["claim_id"] is not None
            assert new["worker_id"] is not None
            assert old["run_at"] <= new["claimed_at"]
            assert old["expires_at"] is None or old["expires_at"] > new["claimed_at"]
            assert old["cancel_requested_at"] is None

    def attempts_and_groups_equal_those_of_the_model(self) -> None:
        kept = TaskAttempt.objects.values_list("task__task_id", "attempt", "outcome")
        assert {(task_id, attempt): outcome for task_id, attempt, outcome in kept} == self.model.attempts
        assert {key: at is not None for key, at in TaskGroup.objects.values_list("key", "ended_at")} == {
            key: group.has_ended for key, group in self.model.groups.items()
        }

    def keys_equal_those_of_the_model(self) -> None:
        assert dict(TaskKey.objects.values_list("key", "task_id")) == self.model.keys

    def each_callback_of_a_group_is_sent_once(self) -> None:
        sent = {f"{key}-finished": group.has_ended for key, group in self.model.groups.items()}
        sent |= {f"{key}-success": group.has_succeeded for key, group in self.model.groups.items()}
        for task_id, is_sent in sent.items():
            assert self.callbacks[task_id] == is_sent
            assert (task_id in self.rows) == is_sent

    def no_message_is_published_before_its_commit(self) -> None:
        for task_id, attempt in self.wire.published:
            assert self.rows[task_id]["attempt"] >= attempt, "it was published before its commit"

    # --- The end ---

    def teardown(self) -> None:
        if sys.exception() is self._raised_before:
            self.drain()

    def drain(self) -> None:
        """Wipe Redis and let all workers die. One pass of a relay and a worker must settle every task."""
        self.wire.wipe()
        for worker in self.living:
            self._leave(worker)
        presence.forget(older_than=timedelta())
        last = max((task.run_at for task in self.model.tasks.values()), default=0)
        self.relay_passes(max(last - self.model.now, 0), "all", limit=1000, is_cut_off=False)
        worker = self.living[0]
        batch = self.batches[worker]
        while self.wire.waiting or batch.suspects or self._settle_groups() or self._admit(is_cut_off=False):
            if self.wire.waiting:
                self._claim_batch(worker, list(self.wire.waiting))
            self._claim_suspect(worker)
            self.check()
            self._finish([self._outcome(claim, DONE) for claim in self.valid_claims])
            self.check()
        unfinished = {task_id: row for task_id, row in self.rows.items() if row["status"] not in states.TERMINAL}
        assert not unfinished, "lost"
        assert all(group.has_ended for group in self.model.groups.values()), "a group did not call back"
        assert self.rows.keys() == self.model.tasks.keys()


def read_rows() -> dict[str, dict[str, Any]]:
    return {row["task_id"]: row for row in TaskStatus.objects.order_by("pk").values(*COLUMNS)}


def task_of(row: dict[str, Any], *, now: datetime, hours: int) -> Task:
    """Return the row as a task of the model. Its times are off by the seconds that the test has taken so far."""

    def hour(time: datetime) -> int:
        return hours + round((time - now) / HOUR)

    return Task(
        status=row["status"],
        is_limited=row["line"] is not None,
        run_at=hour(row["run_at"]),
        created_at=hour(row["created_at"]),
        expires_at=None if row["expires_at"] is None else hour(row["expires_at"]),
        unknown_since=None if row["unknown_since"] is None else hour(row["unknown_since"]),
        is_claimed=row["claimed_at"] is not None,
        is_started=row["started_at"] is not None,
        is_finished=row["finished_at"] is not None,
        is_cancel_requested=row["cancel_requested_at"] is not None,
        **{
            name: row[name]
            for name in (
                "delayed",
                "in_line",
                "attempt",
                "retries",
                "snoozes",
                "crashes",
                "claim_id",
                "worker_id",
                "progress",
                "progress_text",
                "result",
                "error_message",
            )
        },
    )


@pytest.mark.django_db(transaction=True)
def test_the_ledger_does_the_same_as_its_model_and_loses_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    # The model counts hours.
    monkeypatch.setattr("apps.tasks.ledger.keys.OVERDUE_MS", 30 * 60_000)
    LedgerMachine.made.clear()
    for examples in (EXAMPLES, 2 * EXAMPLES):
        run_state_machine_as_test(
            LedgerMachine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=STEPS,
                derandomize="LEDGER_EXAMPLES" not in os.environ,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
                report_multiple_bugs=False,
                phases=(Phase.generate, Phase.shrink),
            ),
        )
        never = {move.name for move in states.MOVES} - LedgerMachine.made.keys()
        if not never:  # A change of the model changes what is drawn.
            break
    print(dict(LedgerMachine.made))
    assert not never, "moves that no step made"
