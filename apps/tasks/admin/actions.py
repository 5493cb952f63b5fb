"""What people do to tasks: to which ones, what becomes of each, and in which words it is told."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.db.models import Q, QuerySet

from apps.tasks import ledger, states
from apps.tasks.models import TaskStatus

#: At most so many tasks are taken at once, as many as the list shows: one waits 1 to 2 s.
LIMIT = 10_000

#: A sentence, or a part of one, about one task and about several.
Words = tuple[str, str]
#: A level of `django.contrib.messages`, and a sentence.
Told = tuple[int, str]

LOCKED: Words = ("is being written by somebody else (try again)", "are being written by somebody else (try again)")
GONE: Words = ("is deleted", "are deleted")


def say(words: Words, count: int, *, alone: bool = False) -> str:
    """The words about so many tasks.

    Parameters:
      alone: There is no other task that could be meant.
    """
    one, many = words
    if count == 1:
        return one.format(tasks="The task" if alone else "1 task")
    return many.format(tasks=f"{count:,} tasks")


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What becomes of a task.

    Parameters:
      will: What is said before it is done.
      did: What is said when it is done.
      logged: What stands in the task's history.
      level: How that is said: as a success, or as a mere message where it is only asked for.
    """

    will: Words
    did: Words
    logged: str
    level: int = messages.SUCCESS


@dataclass(frozen=True, kw_only=True)
class Verb:
    """What people do to tasks.

    Parameters:
      name: In addresses and forms, such as `call_off`.
      title: On buttons.
      question: The title of the page that asks whether one is sure.
      is_harsh: Whether something is lost by it.
      may: The rows that it can be done to.
      effects: What becomes of such a task, by its state.
      left: Why another task is left as it is, by its state.
      act: Does it to rows, in one transaction. Returns the row ids that took.
    """

    name: str
    title: str
    question: Words
    icon: str
    is_harsh: bool
    may: Q
    effects: Mapping[str, Effect]
    left: Mapping[str, Words]
    act: Callable[[Sequence[int]], Iterable[tuple[Effect, set[int]]]]

    def takes(self, task: TaskStatus) -> bool:
        """Whether it can be done to the task, as it is now."""
        return TaskStatus.objects.filter(self.may, pk=task.pk).exists()

    def choose(self, tasks: QuerySet[TaskStatus]) -> "Choice":
        """Which of the tasks it is to be done to: the newest of those that it can be done to."""
        rows = tasks.order_by("-pk").values_list("pk", "status")
        found = list(rows.filter(self.may)[: LIMIT + 1])
        left = list(rows.exclude(self.may)[: LIMIT + 1])
        return Choice(
            verb=self,
            row_ids=[pk for pk, _ in found[:LIMIT]],
            statuses=Counter(status for _, status in found[:LIMIT]),
            has_more=len(found) > LIMIT,
            left=Counter(self.left[status] for _, status in left),
        )


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The tasks that something is to be done to, and those that it cannot be done to.

    Parameters:
      row_ids: At most `LIMIT`, the newest first.
      statuses: How many of these are in which state.
      has_more: Whether there are more of them.
      left: Why others are left as they are, and how many; counted to `LIMIT` and one more.
    """

    verb: Verb
    row_ids: list[int]
    statuses: Counter[str]
    has_more: bool
    left: Counter[Words]

    @property
    def is_alone(self) -> bool:
        return self.statuses.total() + self.left.total() == 1

    @property
    def question(self) -> str:
        return say(self.verb.question, len(self.row_ids))

    @property
    def will(self) -> list[str]:
        """What is going to happen, as sentences."""
        said = [
            say(effect.will, self.statuses[status], alone=self.is_alone)
            for status, effect in self.verb.effects.items()
            if self.statuses[status]
        ]
        if self.has_more:
            said.append(f"These are the newest {LIMIT:,}: more are not taken at once. Do it again for the others.")
        return [*said, *self._left(self.left)]

    def refuse(self) -> list[Told]:
        """Say why there is nothing to do."""
        return [(messages.WARNING, sentence) for sentence in self._left(self.left or Counter([GONE]))]

    def act(self, *, user_id: int) -> list[Told]:
        """Do it in pages, each with its entries in the history, and say what became of it."""
        done: Counter[Effect] = Counter()
        not_taken: list[int] = []
        for start in range(0, len(self.row_ids), ledger.PAGE):
            page = self.row_ids[start : start + ledger.PAGE]
            taken: set[int] = set()
            with transaction.atomic():
                for effect, row_ids in self.verb.act(page):
                    done[effect] += len(row_ids)
                    taken |= row_ids
                    _log(row_ids, effect=effect, user_id=user_id)
            not_taken += set(page) - taken
        said = [(effect.level, say(effect.did, count, alone=self.is_alone)) for effect, count in done.items() if count]
        if self.has_more:
            said.append((messages.WARNING, f"These were the newest {LIMIT:,}. Do it again for the others."))
        return [*said, *((messages.WARNING, sentence) for sentence in self._left(self.left + self._why(not_taken)))]

    def _left(self, reasons: Counter[Words]) -> list[str]:
        """A sentence about those that are left as they are, if there are any."""
        count = reasons.total()
        if count > LIMIT:
            return [f"More than {LIMIT:,} other tasks are left as they are."]
        parts = [f"{number:,} {words[number != 1]}" for words, number in reasons.most_common()]
        start = say(("{tasks} is left as it is", "{tasks} are left as they are"), count, alone=self.is_alone)
        if len(parts) == 1:
            # No need to count them twice.
            parts = [f"it {words[0]}" if count == 1 else f"they {words[1]}" for words in reasons]
        return [f"{start}: {', '.join(parts)}."] if parts else []

    def _why(self, row_ids: list[int]) -> Counter[Words]:
        """Why these were not taken, though they could be a moment ago."""
        rows = TaskStatus.objects.filter(pk__in=row_ids)
        why = Counter(self.verb.left[status] for status in rows.exclude(self.verb.may).values_list("status", flat=True))
        why[LOCKED] += rows.filter(self.verb.may).count()
        why[GONE] += len(row_ids) - why.total()
        return +why


def _log(row_ids: set[int], *, effect: Effect, user_id: int) -> None:
    if row_ids:
        tasks = TaskStatus.objects.filter(pk__in=row_ids).only("pk", "task_name", "status")
        LogEntry.objects.log_actions(user_id, tasks, CHANGE, effect.logged)


# --- The verbs -----------------------------------------------------------------------------------

CANCELLED = Effect(
    will=("{tasks} waits: it is called off at once.", "{tasks} wait: they are called off at once."),
    did=("{tasks} was called off.", "{tasks} were called off."),
    logged="Called off.",
)
#: What asking a task to stop comes to.
_ONE_STOPS = (
    "If it has not started yet, it will not start. "
    "If it runs, it is not interrupted and may still complete, but it is not tried again."
)
_MANY_STOP = (
    "What has not started yet will not start. "
    "What runs is not interrupted and may still complete, but it is not tried again."
)
ASKED = Effect(
    will=(
        f"{{tasks}} is held by a worker: it is asked to stop. {_ONE_STOPS}",
        f"{{tasks}} are held by a worker: they are asked to stop. {_MANY_STOP}",
    ),
    did=(
        f"{{tasks}} is held by a worker and was asked to stop. {_ONE_STOPS}",
        f"{{tasks}} are held by a worker and were asked to stop. {_MANY_STOP}",
    ),
    logged="Asked to stop.",
    level=messages.INFO,
)
RETRIED = Effect(
    will=(
        "{tasks} runs again, from its beginning and with the same arguments, as soon as a worker is free. "
        "What it did outside the database, such as a mail, is done again.",
        "{tasks} run again, from their beginning and with the same arguments, as soon as a worker is free. "
        "What they did outside the database, such as mails, is done again.",
    ),
    did=("{tasks} was sent again.", "{tasks} were sent again."),
    logged="Sent again.",
)

COMPLETED: Words = ("has completed", "have completed")

CANCEL = Verb(
    name="call_off",
    title="Call off",
    question=("Call off this task?", "Call off {tasks}?"),
    icon="block",
    is_harsh=True,
    may=ledger.may(states.CANCEL) | (ledger.may(states.CANCEL_CLAIMED) & Q(cancel_requested_at=None)),
    effects={states.PENDING: CANCELLED, states.PROCESSING: ASKED},
    left={
        states.PROCESSING: ("was asked to stop already", "were asked to stop already"),
        states.COMPLETED: COMPLETED,
        states.FAILED: ("has failed", "have failed"),
        states.CANCELLED: ("was called off already", "were called off already"),
    },
    act=lambda row_ids: zip((CANCELLED, ASKED), ledger.cancel_many(row_ids), strict=True),
)
RETRY = Verb(
    name="send_again",
    title="Send again",
    question=("Send this task again?", "Send {tasks} again?"),
    icon="replay",
    is_harsh=False,
    may=ledger.may(states.RETRY_BY_HAND),
    effects=dict.fromkeys(states.RETRY_BY_HAND.sources, RETRIED),
    left={
        states.PENDING: ("waits already", "wait already"),
        states.PROCESSING: ("is held by a worker already", "are held by a worker already"),
        states.COMPLETED: COMPLETED,
    },
    act=lambda row_ids: [(RETRIED, ledger.retry_many(row_ids))],
)
VERBS = (CANCEL, RETRY)
