"""Words for the states of tasks, as people tell them apart: each pending task waits for something."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.tasks import states
from apps.tasks.models import ScheduleSlot
from apps.tasks.search import anchor
from apps.tasks.search.anchor import Anchor


@dataclass(frozen=True, kw_only=True)
class State:
    """A state in the words of a search.

    Parameters:
      title: Title of its tab.
      meaning: Sentence part that explains it.
      condition: Condition of its rows.
      anchor: Where a search for it starts. If the two have the same condition, nothing more is looked at.
    """

    name: str
    title: Any
    meaning: Any
    condition: Q
    anchor: Anchor

    @property
    def is_exact(self) -> bool:
        return self.condition == self.anchor.condition


def _state(name: str, title: Any, meaning: Any, anchor: Anchor, **columns: Any) -> State:
    condition = anchor.condition & Q(**columns) if columns else anchor.condition
    return State(name=name, title=title, meaning=meaning, condition=condition, anchor=anchor)


_HELD = Q(
    status=states.PENDING,
    task_id__in=ScheduleSlot.objects.filter(is_held=True).exclude(task_id="").order_by().values("task_id"),
)

_ALL = (
    _state("waiting", _("Waiting"), _("waits for a worker"), anchor.PENDING, in_line=False, delayed=False),
    _state("delayed", _("Delayed"), _("waits for its time"), anchor.DELAYED, in_line=False, retries=0),
    _state("retrying", _("Retrying"), _("waits for its automatic retry"), anchor.DELAYED, in_line=False, retries__gt=0),
    _state("limited", _("Limited"), _("waits for a place of its limit"), anchor.LIMITED),
    _state("running", _("Running"), _("a worker has it"), anchor.RUNNING),
    _state("done", _("Done"), _("completed"), anchor.ENDED, status=states.COMPLETED),
    _state("failed", _("Failed"), _("failed for good"), anchor.FAILED),
    _state("cancelled", _("Cancelled"), _("cancelled before it completed"), anchor.CANCELLED),
    _state("pending", _("Pending"), _("waits for anything"), anchor.PENDING),
    State(
        name="held",
        title=_("Held"),
        meaning=_("waits for the previous run of its schedule"),
        condition=_HELD,
        anchor=Anchor(condition=_HELD, order="", rank=anchor.FEW),
    ),
    _state(
        "cancel-requested", _("Cancel requested"), _("runs, and is to be cancelled"), anchor.RUNNING,
        cancel_requested_at__isnull=False,
    ),
    _state("crashed", _("Crashed"), _("a worker died with it"), anchor.TABLE, crashes__gt=0),
)  # fmt: skip

STATES: dict[str, State] = {state.name: state for state in _ALL}
#: The states of the rows, under their own names.
ALIASES = {"processing": "running", "completed": "done", "canceled": "cancelled"}
#: The states that have a tab: each task has one of them.
TABS = tuple(STATES[name] for name in (
    "waiting", "delayed", "retrying", "limited", "running", "done", "failed", "cancelled",
))  # fmt: skip
