"""The life of a task, event by event."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from apps.tasks import duration, failures, states
from apps.tasks.admin import elements, links
from apps.tasks.admin.task_page import traces
from apps.tasks.figures import Counts
from apps.tasks.models import TaskAttempt, TaskStatus

#: Attempts that are read, and those of them that are not folded.
MOST_ATTEMPTS, OPEN_ATTEMPTS = 50, 5
EARLIER = ngettext_lazy("%(count)s earlier attempt", "%(count)s earlier attempts", "number")
#: Width of a bar, in its own units.
WIDTH = 100
#: Events by the outcome of an attempt.
OUTCOMES = {
    states.RETRY.name: gettext_lazy("failed, and is retried"),
    states.SNOOZE.name: gettext_lazy("put itself off"),
    states.RELEASE.name: gettext_lazy("was released by its worker"),
    states.RESCUE.name: gettext_lazy("lost its worker"),
    states.POISON.name: gettext_lazy("lost its worker for the last time"),
    states.FAIL.name: gettext_lazy("failed"),
    states.CANCEL_CLAIMED.name: gettext_lazy("was cancelled"),
}
#: Outcomes that are no failure.
MILD = (states.SNOOZE.name, states.RELEASE.name, states.CANCEL_CLAIMED.name)
#: Outcomes that end the task, too.
LAST = (states.FAIL.name, states.POISON.name, states.CANCEL_CLAIMED.name)


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event of a task's life.

    Parameters:
      kind: `sent`, `waits`, `attempt`, `runs`, `completed`, `failed` or `cancelled`, for its colour.
      at: Its time. None: it is to come, or not known.
      note: More about it, as text or HTML.
      lasted: Time that it took, with a bar.
      since: Beginning of a time that goes on.
    """

    kind: str
    title: Any
    at: datetime | None = None
    note: Any = ""
    lasted: Any = ""
    worker: Any = ""
    since: datetime | None = None

    @property
    def time(self) -> SafeString | str:
        return elements.timestamp(self.at) if self.at is not None else ""


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Events in their order.

    Parameters:
      before: The send.
      folded: Earlier attempts.
      folded_title: Their number in words.
      after: All that came later.
    """

    before: list[Event]
    folded: list[Event]
    folded_title: str
    after: list[Event]


def of(
    task: TaskStatus,
    attempts: Sequence[TaskAttempt],
    *,
    usual: Counts,
    now: datetime,
    is_held: bool = False,
    closed: tuple[str, ...] = (),
) -> Timeline:
    """Return the timeline of a task.

    Parameters:
      attempts: Its last attempts that did not complete, the newest first.
      usual: Counts of its actor.
      is_held: Whether it waits for the previous run of its schedule: its time says nothing then.
      closed: Starts of the addresses that the user may not open.
    """
    scale = Scale(task, attempts, usual=usual, now=now)
    ended = [_attempt(attempt, scale, closed) for attempt in reversed(attempts)]
    # The outcome of the last attempt is told by the end of the task.
    if attempts and task.is_finished and attempts[0].outcome in LAST:
        ended = ended[:-1]
    folded, open_ones = ended[:-OPEN_ATTEMPTS], ended[-OPEN_ATTEMPTS:]
    return Timeline(
        before=[Event(kind="sent", title=_("Sent"), at=task.created_at)],
        folded=folded,
        folded_title=elements.counted(EARLIER, len(folded)),
        after=[*open_ones, *_current(task, scale, now, closed, is_held=is_held)],
    )


class Scale:
    """Durations as words and bars: the longest run fills a bar.

    Parameters:
      usual_run, usual_wait: Medians of the actor. None: not known.
    """

    def __init__(self, task: TaskStatus, attempts: Sequence[TaskAttempt], *, usual: Counts, now: datetime) -> None:
        self.usual_run, self.usual_wait = usual.run_quantile(0.5), usual.wait_quantile(0.5)
        runs = [(one.ended_at - one.started_at).total_seconds() for one in attempts if one.started_at]
        if task.started_at is not None:
            runs.append(((task.finished_at or now) - task.started_at).total_seconds())
        self.longest = max([*runs, self.usual_run or 0.0, 0.001])

    def run(self, lasted: timedelta, *, shows_usual: bool = True, goes_on: bool = False) -> SafeString:
        share = min(WIDTH, max(1, round(WIDTH * lasted.total_seconds() / self.longest)))
        mark: Any = ""
        if self.usual_run is not None:
            mark = format_html('<line x1="{0}" x2="{0}" y1="0" y2="8"/>', round(WIDTH * self.usual_run / self.longest))
        return format_html(
            '<span>{}{}</span><svg class="task-bar" viewBox="0 0 {} 8" preserveAspectRatio="none" aria-hidden="true">'
            '<rect width="{}" height="8"/>{}</svg>',
            (_("for %(time)s") if goes_on else _("ran %(time)s")) % {"time": duration.in_words(lasted)},
            self._usual(self.usual_run) if shows_usual else "",
            WIDTH, share, mark,
        )  # fmt: skip

    def wait(self, lasted: timedelta) -> SafeString:
        text = _("waited %(time)s") % {"time": duration.in_words(lasted)}
        return format_html("<span>{}{}</span>", text, self._usual(self.usual_wait))

    def _usual(self, seconds: float | None) -> str:
        if seconds is None:
            return ""
        return _(", usual %(time)s") % {"time": duration.in_words(timedelta(seconds=seconds))}


def _attempt(attempt: TaskAttempt, scale: Scale, closed: tuple[str, ...]) -> Event:
    outcome = OUTCOMES.get(attempt.outcome, attempt.outcome)
    words = failures.in_words(attempt.error_type, attempt.error_message)
    note = elements.paragraph(words, is_error=True) if words else ""
    return Event(
        kind="attempt" if attempt.outcome in MILD else "failed",
        title=_("Attempt %(number)s %(outcome)s") % {"number": attempt.attempt + 1, "outcome": outcome},
        at=attempt.ended_at,
        note=format_html("{}{}", note, traces.details(attempt.traceback)),
        lasted=scale.run(attempt.ended_at - attempt.started_at, shows_usual=False) if attempt.started_at else "",
        worker=links.worker(attempt.worker_id, closed=closed) if attempt.worker_id else "",
    )


def _current(
    task: TaskStatus, scale: Scale, now: datetime, closed: tuple[str, ...], *, is_held: bool
) -> Iterator[Event]:
    """Yield the events of the current attempt."""
    if is_held:
        yield Event(kind="waits", title=_("Waits for its schedule"))
    elif task.run_at - task.created_at > timedelta(seconds=1) or task.status == states.PENDING:
        yield Event(kind="waits", title=_("Due") if task.run_at <= now else _("Not before"), at=task.run_at)
    if task.status == states.PENDING:
        if task.in_line:
            yield Event(kind="waits", title=_("Waits for a place of its limit"))
        if task.cancel_requested_at is not None:
            yield Event(kind="waits", title=_("Cancellation requested"), at=task.cancel_requested_at)
        return
    worker = links.worker(task.worker_id, closed=closed) if task.worker_id else ""
    if task.claimed_at is not None:
        yield Event(kind="waits", title=_("Handed to a worker"), at=task.claimed_at, worker=worker)
    if task.started_at is not None:
        lasted = scale.wait(task.started_at - task.run_at)
        yield Event(kind="runs", title=_("Started"), at=task.started_at, lasted=lasted)
    if task.status == states.PROCESSING and task.started_at is not None:
        yield Event(
            kind="runs",
            title=_("Runs"),
            note=elements.paragraph(task.progress_text) if task.progress_text else "",
            lasted=scale.run(now - task.started_at, goes_on=True),
        )
    # A task that waits is cancelled at once.
    if task.cancel_requested_at is not None and (task.started_at is not None or not task.is_finished):
        yield Event(kind="waits", title=_("Cancellation requested"), at=task.cancel_requested_at)
    if task.is_finished:
        ran = None
        if task.started_at is not None and task.finished_at is not None:
            ran = scale.run(task.finished_at - task.started_at)
        yield Event(kind=task.status, title=task.get_status_display(), at=task.finished_at, lasted=ran or "")
