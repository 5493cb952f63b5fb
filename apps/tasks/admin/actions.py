"""The words of operators' actions on the pages: what is going to become of tasks, what became of them, and why not."""

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.tasks import actions, figures, ledger, own_queue, pauses, states
from apps.tasks.admin import elements, sentences
from apps.tasks.admin.sentences import Reason, Sentence
from apps.tasks.audit import By
from apps.tasks.models import TaskStatus

#: Largest number of tasks that are acted on within the request, which takes 1 to 2 s. A task acts on more.
LIMIT = 10_000

TOO_MANY: Any = gettext_lazy("They are too many for one request. A task does it, and its page shows how far it is.")
PAUSED: Any = gettext_lazy("The task starts once %(name)s is resumed. %(pause)s")
#: A level of `django.contrib.messages`, and a sentence.
Message = tuple[int, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Change:
    """A change that an action makes to a task.

    Parameters:
      name: Its word in the audit.
      before: Sentence on the page that asks for confirmation.
      after: Sentence when it is done.
      level: Level of the sentence when it is done.
    """

    name: str
    before: Sentence
    after: Sentence
    level: int = messages.SUCCESS


def held_up() -> list[str]:
    """Return a sentence about the pause for which a task that acts on very many would wait, if there is one."""
    pause = own_queue.pause_of(actions.ACTOR, pauses.read())
    return [] if pause is None else [PAUSED % {"name": pause.name, "pause": elements.pause_text(pause)}]


def none_refused(row_ids: Collection[int]) -> Counter[Reason]:
    return Counter()


@dataclass(frozen=True, kw_only=True, eq=False)
class Action:
    """An action with its words.

    Parameters:
      act: The action itself.
      title: Text of its buttons.
      selected: Text of its choice in the list of actions.
      yes: Text of the button that confirms it.
      question: Title of the page that asks for confirmation.
      icon: Material symbol of its buttons.
      is_danger: Whether it loses work.
      changes: Change of a row that it applies to, by the row's state.
      reasons: Reason why another row is left as it is, by the row's state.
      refused: Returns why rows are left that it seemed to apply to.
      field: Returns the field for its value. None: it needs no value.
    """

    act: actions.Action
    title: Any
    selected: Any
    yes: Any
    question: Sentence
    icon: str
    is_danger: bool = False
    changes: Mapping[str, Change]
    reasons: Mapping[str, Reason]
    refused: Callable[[Collection[int]], Counter[Reason]] = none_refused
    field: Callable[[], forms.Field] | None = None

    @property
    def name(self) -> str:
        return self.act.name

    def applies_to(self, task: TaskStatus) -> bool:
        """Return whether the task is in a state that the action may start from."""
        return TaskStatus.objects.filter(self.act.may(), pk=task.pk).exists()

    def select(self, tasks: QuerySet[TaskStatus]) -> "Selection":
        """Return the newest of the tasks that the action applies to, up to `LIMIT`, and whether there are more."""
        may = self.act.may()
        rows = tasks.order_by("-pk").values_list("pk", "status")
        found = list(rows.filter(may)[: LIMIT + 1])
        left = list(rows.exclude(may)[: LIMIT + 1])
        return Selection(
            action=self,
            matching=tasks.filter(may),
            row_ids=[pk for pk, _status in found[:LIMIT]],
            statuses=Counter(status for _pk, status in found[:LIMIT]),
            has_more=len(found) > LIMIT,
            left=Counter(self.reasons[status] for _pk, status in left),
        )


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The tasks of one run of an action, and the number of those that it does not apply to.

    Parameters:
      matching: All of them.
      row_ids: At most `LIMIT`, the newest first.
      statuses: Number of these in each state.
      has_more: Whether there are more of them. A task acts on them then.
      left: Number of the others, by reason. Counted up to `LIMIT` and one more.
    """

    action: Action
    matching: QuerySet[TaskStatus]
    row_ids: list[int]
    statuses: Counter[str]
    has_more: bool
    left: Counter[Reason]

    @property
    def is_alone(self) -> bool:
        return self.statuses.total() + self.left.total() == 1

    @property
    def question(self) -> str:
        return self.action.question.about(len(self.row_ids), alone=True, is_capped=self.has_more)

    @property
    def before(self) -> list[str]:
        """Sentences about the changes that the action is going to make."""
        counts: Counter[Change] = Counter()
        for status, number in self.statuses.items():
            counts[self.action.changes[status]] += number
        found = [
            change.before.about(counts[change], alone=self.is_alone, is_capped=self.has_more)
            for change in dict.fromkeys(self.action.changes.values())
            if counts[change]
        ]
        if self.has_more:
            found += [TOO_MANY, *held_up()]
        return [*found, *self._left(self.left)]

    def refuse(self) -> list[Message]:
        """Return why there is nothing to do."""
        return [(messages.WARNING, sentence) for sentence in self._left(self.left or Counter([sentences.GONE]))]

    def run(self, *, by: By, value: Any = None, reason: str = "", query: str = "") -> list[Message]:
        """Run the action on at most `LIMIT` tasks. Return what it did."""
        done = actions.run(self.action.act, self.row_ids, by=by, value=value, reason=reason, query=query)
        changes = {change.name: change for change in self.action.changes.values()}
        results = [
            (changes[name].level, changes[name].after.about(len(found), alone=self.is_alone, value=value))
            for name, found in done.items()
            if found
        ]
        not_taken = set(self.row_ids).difference(*done.values())
        left = self.left + self._why(not_taken)
        return [*results, *((messages.WARNING, sentence) for sentence in self._left(left))]

    def start(self, *, by: By, value: Any = None, reason: str = "", query: str = "") -> str:
        """Send the task that acts on all of them. Return its id."""
        from apps.tasks import tasks  # Not at the top: a project whose broker is not ours cannot declare its actors.

        row_ids = array("q", self.matching.order_by("pk").values_list("pk", flat=True).iterator(chunk_size=LIMIT))
        return tasks.start(
            self.action.act, row_ids, number=len(row_ids), by=by, value=value, reason=reason, query=query
        )

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

    def _why(self, row_ids: Collection[int]) -> Counter[Reason]:
        """Return why these were not taken, although the action applied to them a moment ago."""
        rows, may = TaskStatus.objects.filter(pk__in=row_ids), self.action.act.may()
        why = Counter(self.action.reasons[status] for status in rows.exclude(may).values_list("status", flat=True))
        refused = self.action.refused(row_ids)
        why[sentences.LOCKED] += max(0, rows.filter(may).count() - refused.total())
        why += refused
        why[sentences.GONE] += len(row_ids) - why.total()
        return +why


# --- Why tasks are refused that an action seemed to apply to ---------------------------------------


def rivals(row_ids: Collection[int]) -> Counter[Reason]:
    return Counter({sentences.KEY_TAKEN: len(ledger.rivals(row_ids))})


def held(row_ids: Collection[int]) -> Counter[Reason]:
    return Counter({sentences.AFTER_PREVIOUS_RUN: len(ledger.held(row_ids))})


def same(row_ids: Collection[int]) -> Counter[Reason]:
    """Count all that are still pending: they have the value already, or another transaction has them locked."""
    return Counter({sentences.SAME: TaskStatus.objects.filter(pk__in=row_ids, status=states.PENDING).count()})


def needed(row_ids: Collection[int]) -> Counter[Reason]:
    ended = TaskStatus.objects.filter(pk__in=row_ids, status__in=states.TERMINAL)
    not_counted = set(ended.exclude(finished_at__lte=figures.settled_until()).values_list("pk", flat=True))
    others = ledger.still_needed(set(row_ids) - not_counted)
    return Counter({sentences.NOT_COUNTED: len(not_counted), sentences.NEEDED: len(others)})


# --- The actions ---------------------------------------------------------------------------------

CANCEL_WAITING = Change(name="cancel", before=sentences.WILL_CANCEL, after=sentences.DID_CANCEL)
REQUEST_CANCEL = Change(
    name="request_cancel", before=sentences.WILL_REQUEST, after=sentences.DID_REQUEST, level=messages.INFO
)
RUN_AGAIN = Change(name="retry", before=sentences.WILL_RETRY, after=sentences.DID_RETRY)
MAKE_DUE = Change(name="run_now", before=sentences.WILL_RUN_NOW, after=sentences.DID_RUN_NOW)
SET_PRIORITY = Change(name="priority", before=sentences.WILL_SET_PRIORITY, after=sentences.DID_SET_PRIORITY)
SET_QUEUE = Change(name="queue", before=sentences.WILL_SET_QUEUE, after=sentences.DID_SET_QUEUE)
REMOVE = Change(name="delete", before=sentences.WILL_DELETE, after=sentences.DID_DELETE)

ENDED = {
    states.COMPLETED: sentences.COMPLETED,
    states.FAILED: sentences.FAILED,
    states.CANCELLED: sentences.CANCELLED,
}

CANCEL = Action(
    act=actions.CANCEL,
    title=gettext_lazy("Cancel"),
    selected=gettext_lazy("Cancel the selected tasks"),
    yes=gettext_lazy("Yes, cancel"),
    question=sentences.CANCEL_QUESTION,
    icon="block",
    is_danger=True,
    changes={states.PENDING: CANCEL_WAITING, states.PROCESSING: REQUEST_CANCEL},
    reasons={states.PROCESSING: sentences.STOPPING, **ENDED},
)
RETRY = Action(
    act=actions.RETRY,
    title=gettext_lazy("Retry"),
    selected=gettext_lazy("Retry the selected tasks"),
    yes=gettext_lazy("Yes, retry"),
    question=sentences.RETRY_QUESTION,
    icon="replay",
    changes=dict.fromkeys(states.RETRY_BY_HAND.sources, RUN_AGAIN),
    reasons={
        states.PENDING: sentences.WAITS,
        states.PROCESSING: sentences.HELD,
        states.COMPLETED: sentences.COMPLETED,
    },
    refused=rivals,
)
RUN_NOW = Action(
    act=actions.RUN_NOW,
    title=gettext_lazy("Run now"),
    selected=gettext_lazy("Run the selected tasks now"),
    yes=gettext_lazy("Yes, run now"),
    question=sentences.RUN_NOW_QUESTION,
    icon="play_arrow",
    changes={states.PENDING: MAKE_DUE},
    reasons={states.PENDING: sentences.DUE, states.PROCESSING: sentences.HELD, **ENDED},
    refused=held,
)
PRIORITY = Action(
    act=actions.PRIORITY,
    title=gettext_lazy("Change priority"),
    selected=gettext_lazy("Change the priority of the selected tasks"),
    yes=gettext_lazy("Change priority"),
    question=sentences.PRIORITY_QUESTION,
    icon="low_priority",
    changes={states.PENDING: SET_PRIORITY},
    reasons={states.PROCESSING: sentences.HELD, **ENDED},
    refused=same,
    field=lambda: forms.CharField(
        label=_("Priority"),
        max_length=20,
        help_text=_("A whole number. A lower one runs first, and 0 is the usual one."),
        widget=forms.TextInput(attrs={"inputmode": "numeric"}),
    ),
)
QUEUE = Action(
    act=actions.QUEUE,
    title=gettext_lazy("Change queue"),
    selected=gettext_lazy("Change the queue of the selected tasks"),
    yes=gettext_lazy("Change queue"),
    question=sentences.QUEUE_QUESTION,
    icon="alt_route",
    changes={states.PENDING: SET_QUEUE},
    reasons={states.PROCESSING: sentences.HELD, **ENDED},
    refused=same,
    field=lambda: forms.ChoiceField(label=_("Queue"), choices=[(name, name) for name in actions.declared_queues()]),
)
DELETE = Action(
    act=actions.DELETE,
    title=gettext_lazy("Delete"),
    selected=gettext_lazy("Delete the selected tasks"),
    yes=gettext_lazy("Yes, delete"),
    question=sentences.DELETE_QUESTION,
    icon="delete",
    is_danger=True,
    changes=dict.fromkeys(states.TERMINAL, REMOVE),
    reasons={states.PENDING: sentences.UNFINISHED, states.PROCESSING: sentences.UNFINISHED},
    refused=needed,
)
ACTIONS = (CANCEL, RETRY, RUN_NOW, PRIORITY, QUEUE, DELETE)
BY_NAME = {action.name: action for action in ACTIONS}


class ActionForm(forms.Form):
    """The value and the reason of an action."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        required=False,
        max_length=1_000,
        help_text=gettext_lazy("Optional. It is shown on the tasks' pages with your name."),
    )

    def __init__(self, action: Action, data: Any = None) -> None:
        super().__init__(data, label_suffix="")
        self.action = action
        if action.field is not None:
            self.fields = {"value": action.field(), **self.fields}

    def clean_value(self) -> Any:
        parse = self.action.act.parse
        assert parse is not None, "an action with a field reads it"
        try:
            return parse(self.cleaned_data["value"])
        except actions.BadValueError as error:
            raise forms.ValidationError(str(error)) from error
