"""Actions of operators on tasks: the tasks that they apply to, and the changes that they make."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.tasks import ledger, states
from apps.tasks.admin import elements, sentences
from apps.tasks.admin.sentences import Reason, Sentence
from apps.tasks.models import TaskStatus

#: Largest number of tasks of one action, as many as the list shows. The request takes 1 to 2 s.
LIMIT = 10_000

#: A level of `django.contrib.messages`, and a sentence.
Message = tuple[int, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Change:
    """A change that an action makes to a task.

    Parameters:
      before: Sentence on the page that asks for confirmation.
      after: Sentence when it is done.
      history: Entry in the task's history.
      level: Level of the sentence when it is done.
    """

    before: Sentence
    after: Sentence
    history: Any
    level: int = messages.SUCCESS


@dataclass(frozen=True, kw_only=True)
class Action:
    """An action of operators on tasks.

    Parameters:
      name: Name in URLs and forms, such as `cancel`.
      title: Text of its buttons.
      yes: Text of the button that confirms it.
      question: Title of the page that asks for confirmation.
      icon: Material symbol of its buttons.
      is_danger: Whether it loses work.
      may: Condition for the rows that it applies to.
      changes: Change of such a row, by its state.
      reasons: Reason why another row is left as it is, by its state.
      run: Changes rows in one transaction. Returns the row ids that took, by change.
    """

    name: str
    title: Any
    yes: Any
    question: Sentence
    icon: str
    is_danger: bool
    may: Q
    changes: Mapping[str, Change]
    reasons: Mapping[str, Reason]
    run: Callable[[Sequence[int]], Iterable[tuple[Change, set[int]]]]

    def applies_to(self, task: TaskStatus) -> bool:
        """Return whether the task is in a state that the action may start from."""
        return TaskStatus.objects.filter(self.may, pk=task.pk).exists()

    def select(self, tasks: QuerySet[TaskStatus]) -> "Selection":
        """Return the newest of the tasks that the action applies to, up to `LIMIT`."""
        rows = tasks.order_by("-pk").values_list("pk", "status")
        found = list(rows.filter(self.may)[: LIMIT + 1])
        left = list(rows.exclude(self.may)[: LIMIT + 1])
        return Selection(
            action=self,
            row_ids=[pk for pk, _status in found[:LIMIT]],
            statuses=Counter(status for _pk, status in found[:LIMIT]),
            has_more=len(found) > LIMIT,
            left=Counter(self.reasons[status] for _pk, status in left),
        )


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The tasks of one run of an action, and the number of those that it does not apply to.

    Parameters:
      row_ids: At most `LIMIT`, the newest first.
      statuses: Number of these in each state.
      has_more: Whether there are more of them.
      left: Number of the others, by reason. Counted up to `LIMIT` and one more.
    """

    action: Action
    row_ids: list[int]
    statuses: Counter[str]
    has_more: bool
    left: Counter[Reason]

    @property
    def is_alone(self) -> bool:
        return self.statuses.total() + self.left.total() == 1

    @property
    def question(self) -> str:
        return self.action.question.about(len(self.row_ids), alone=True)

    @property
    def before(self) -> list[str]:
        """Sentences about the changes that the action is going to make."""
        found = [
            change.before.about(self.statuses[status], alone=self.is_alone)
            for status, change in self.action.changes.items()
            if self.statuses[status]
        ]
        if self.has_more:
            text = _("These are the newest %(limit)s: more are not taken at once. Do it again for the others.")
            found.append(text % {"limit": elements.number(LIMIT)})
        return [*found, *self._left(self.left)]

    def refuse(self) -> list[Message]:
        """Return why there is nothing to do."""
        return [(messages.WARNING, sentence) for sentence in self._left(self.left or Counter([sentences.GONE]))]

    def run(self, *, user_id: Any) -> list[Message]:
        """Run the action in pages, each in one transaction with its history entries. Return what it did."""
        done: Counter[Change] = Counter()
        not_taken: list[int] = []
        for start in range(0, len(self.row_ids), ledger.PAGE):
            page = self.row_ids[start : start + ledger.PAGE]
            taken: set[int] = set()
            with transaction.atomic():
                for change, row_ids in self.action.run(page):
                    done[change] += len(row_ids)
                    taken |= row_ids
                    log(row_ids, change=change, user_id=user_id)
            not_taken += set(page) - taken
        results = [
            (change.level, change.after.about(count, alone=self.is_alone)) for change, count in done.items() if count
        ]
        if self.has_more:
            text = _("These were the newest %(limit)s. Do it again for the others.")
            results.append((messages.WARNING, text % {"limit": elements.number(LIMIT)}))
        return [*results, *((messages.WARNING, sentence) for sentence in self._left(self.left + self._why(not_taken)))]

    def _left(self, reasons: Counter[Reason]) -> list[str]:
        """Return a sentence about the tasks that are left as they are, if there are any."""
        count = reasons.total()
        if not count:
            return []
        if count > LIMIT:
            text = _("More than %(limit)s other tasks are left as they are.")
            return [text % {"limit": elements.number(LIMIT)}]
        if len(reasons) == 1:
            # No need to count them twice.
            parts = [elements.counted(reason.shared, count) for reason in reasons]
        else:
            parts = [elements.counted(reason.counted, number) for reason, number in reasons.most_common()]
        return [sentences.LEFT.about(count, alone=self.is_alone, reasons=", ".join(parts))]

    def _why(self, row_ids: list[int]) -> Counter[Reason]:
        """Return why these were not taken, although the action applied to them a moment ago."""
        rows = TaskStatus.objects.filter(pk__in=row_ids)
        others = rows.exclude(self.action.may).values_list("status", flat=True)
        why = Counter(self.action.reasons[status] for status in others)
        why[sentences.KEY_TAKEN] += len(ledger.rivals(row_ids))
        why[sentences.LOCKED] += rows.filter(self.action.may).count() - why[sentences.KEY_TAKEN]
        why[sentences.GONE] += len(row_ids) - why.total()
        return +why


def log(row_ids: set[int], *, change: Change, user_id: Any) -> None:
    if row_ids:
        tasks = TaskStatus.objects.filter(pk__in=row_ids).only("pk", "task_name", "status")
        LogEntry.objects.log_actions(user_id, tasks, CHANGE, str(change.history))


# --- The actions ---------------------------------------------------------------------------------

CANCEL_WAITING = Change(before=sentences.WILL_CANCEL, after=sentences.DID_CANCEL, history=gettext_lazy("Cancelled."))
REQUEST_CANCEL = Change(
    before=sentences.WILL_REQUEST,
    after=sentences.DID_REQUEST,
    history=gettext_lazy("Cancellation requested."),
    level=messages.INFO,
)
RUN_AGAIN = Change(before=sentences.WILL_RETRY, after=sentences.DID_RETRY, history=gettext_lazy("Retried."))

CANCEL = Action(
    name="cancel",
    title=gettext_lazy("Cancel"),
    yes=gettext_lazy("Yes, cancel"),
    question=sentences.CANCEL_QUESTION,
    icon="block",
    is_danger=True,
    may=ledger.may(states.CANCEL) | (ledger.may(states.CANCEL_CLAIMED) & Q(cancel_requested_at=None)),
    changes={states.PENDING: CANCEL_WAITING, states.PROCESSING: REQUEST_CANCEL},
    reasons={
        states.PROCESSING: sentences.STOPPING,
        states.COMPLETED: sentences.COMPLETED,
        states.FAILED: sentences.FAILED,
        states.CANCELLED: sentences.CANCELLED,
    },
    run=lambda row_ids: zip((CANCEL_WAITING, REQUEST_CANCEL), ledger.cancel_many(row_ids), strict=True),
)
RETRY = Action(
    name="retry",
    title=gettext_lazy("Retry"),
    yes=gettext_lazy("Yes, retry"),
    question=sentences.RETRY_QUESTION,
    icon="replay",
    is_danger=False,
    may=ledger.may(states.RETRY_BY_HAND),
    changes=dict.fromkeys(states.RETRY_BY_HAND.sources, RUN_AGAIN),
    reasons={
        states.PENDING: sentences.WAITS,
        states.PROCESSING: sentences.HELD,
        states.COMPLETED: sentences.COMPLETED,
    },
    run=lambda row_ids: [(RUN_AGAIN, ledger.retry_many(row_ids))],
)
ACTIONS = (CANCEL, RETRY)
