"""The last slots of schedules, drawn as a row of bars, and told in words."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, Subquery, Window
from django.db.models.functions import RowNumber
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from apps.tasks import states
from apps.tasks.admin import elements
from apps.tasks.models import ScheduleSlot, TaskStatus

#: Slots that are shown of each schedule.
MOST = 30

DONE, FAILED, CANCELLED, MISSED, HELD, SKIPPED, GOING, GONE = (
    "done", "failed", "cancelled", "missed", "held", "skipped", "going", "gone",
)  # fmt: skip
#: Words for one slot, in the order of a sentence.
WORDS = {
    FAILED: _("failed"),
    MISSED: _("missed"),
    HELD: _("waits for the run before"),
    SKIPPED: _("skipped"),
    CANCELLED: _("cancelled"),
    GOING: _("not done yet"),
    DONE: _("done"),
    GONE: _("its task is deleted"),
}
BY_STATUS = {states.COMPLETED: DONE, states.FAILED: FAILED, states.CANCELLED: CANCELLED}
SLOTS = ngettext_lazy("The last %(count)s slot", "The last %(count)s slots", "number")


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A slot, or a stretch of missed ones.

    Parameters:
      outcome: A key of `WORDS`.
      count: Number of slots that it stands for.
    """

    at: datetime
    outcome: str
    count: int = 1


def of(schedule_ids: Iterable[Any]) -> dict[Any, list[Slot]]:
    """Return the last slots of schedules, the oldest first, in one query."""
    place = Window(RowNumber(), partition_by=F("schedule_id"), order_by=F("slot").desc())
    status = TaskStatus.objects.filter(task_id=OuterRef("task_id")).values("status")[:1]
    rows = ScheduleSlot.objects.filter(schedule__in=list(schedule_ids)).annotate(place=place).filter(place__lte=MOST)
    found: defaultdict[Any, list[Slot]] = defaultdict(list)
    columns = ("schedule_id", "slot", "outcome", "is_held", "count", "status")
    chosen: Any = rows.annotate(status=Subquery(status)).order_by("slot").values_list(*columns)
    for pk, at, outcome, is_held, count, of_task in chosen:
        found[pk].append(Slot(at=at, outcome=_outcome(outcome, is_held, of_task), count=count))
    return dict(found)


def drawn(slots: Sequence[Slot]) -> SafeString:
    """Return the slots as bars, each with a tooltip, and in one sentence for people who cannot see them."""
    if not slots:
        return SafeString()
    bars = format_html_join(
        "", '<li data-outcome="{}" title="{}"></li>', ((slot.outcome, _told(slot)) for slot in slots)
    )
    return format_html(
        '<span class="slot-words">{}</span><ul class="slot-tracker" aria-hidden="true">{}</ul>', in_words(slots), bars
    )


def in_words(slots: Sequence[Slot]) -> str:
    """Return how many of the slots became what."""
    numbers: Counter[str] = Counter()
    for slot in slots:
        numbers[slot.outcome] += slot.count
    parts = ", ".join(f"{elements.number(numbers[name])} {word}" for name, word in WORDS.items() if numbers[name])
    return f"{elements.counted(SLOTS, numbers.total())}: {parts}"


def _outcome(outcome: str, is_held: bool, status: str | None) -> str:
    if outcome == ScheduleSlot.MISSED:
        return MISSED
    if outcome == ScheduleSlot.SKIPPED:
        return SKIPPED
    if status is None:
        return GONE
    return BY_STATUS.get(status, HELD if is_held else GOING)


def _told(slot: Slot) -> str:
    at = date_format(timezone.localtime(slot.at), "j M, H:i:s")
    words = WORDS[slot.outcome]
    if slot.count > 1:
        return gettext("until %(time)s: %(count)s %(outcome)s") % {"time": at, "count": slot.count, "outcome": words}
    return f"{at}: {words}"
