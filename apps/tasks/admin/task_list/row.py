"""Rows of the list. Each is light: a page of 50 has less than 60 kB."""

import json
from datetime import datetime, timedelta
from typing import Any

import dramatiq
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast, Left
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext_lazy

from apps.tasks import duration, failures, states
from apps.tasks.admin import elements
from apps.tasks.admin.held import HELD
from apps.tasks.models import TaskStatus
from apps.tasks.search import arguments
from apps.tasks.search.states import STATES

#: Columns that may be large. The list reads their starts.
LARGE = ("args", "kwargs", "options", "result", "error_message", "traceback")
#: Characters of JSON that are read for a row. Longer JSON is not shown.
MOST_JSON = 600
#: Characters of a note, and of an error.
NOTE_LENGTH, ERROR_LENGTH = 80, 120

KINDS = {"waiting": "primary", "retrying": "warning", "limited": "warning", "held": "default"}
AGES = (
    (timedelta(days=1), ngettext_lazy("%(count)s day ago", "%(count)s days ago", "number")),
    (timedelta(hours=1), ngettext_lazy("%(count)s h ago", "%(count)s h ago", "number")),
    (timedelta(minutes=1), ngettext_lazy("%(count)s min ago", "%(count)s min ago", "number")),
    (timedelta(seconds=1), ngettext_lazy("%(count)s s ago", "%(count)s s ago", "number")),
)


def light(tasks: QuerySet[Any]) -> QuerySet[Any]:
    """Leave out the columns that may be large, and add the starts of those that a row shows."""
    starts = {
        f"{column}_start": Left(Cast(column, TextField()), MOST_JSON + 1) for column in ("args", "kwargs", "options")
    }
    found: QuerySet[Any] = tasks.defer(*LARGE).annotate(error_start=Left("error_message", 2 * ERROR_LENGTH), **starts)
    return found


def row(task: Any) -> dict[str, Any]:
    """Return what a row shows of a task that `light` read, and `name_related` and `mark_held` marked."""
    now = timezone.now()
    state = state_of(task)
    return {
        "task": task,
        "state": STATES[state].title,
        "kind": KINDS.get(state, elements.STATUS_KINDS[task.status]),
        "has_bar": task.status == states.PROCESSING or (task.progress and task.status == states.PENDING),
        "arguments": named_arguments(task),
        "note": note(task, now),
        "is_error": bool(task.error_start) and task.status == states.FAILED,
        "attempt": attempt(task),
        "waited": _in_words(_waited(task, now)),
        "ran": _in_words((task.finished_at or now) - task.started_at if task.started_at else None),
        "age": ago(task.created_at, now),
        "sent": _exact(task.created_at),
        "ended": _exact(task.finished_at) if task.finished_at else "",
    }


def state_label(task: Any) -> str:
    """Return the label of a task that `mark_held` marked, with the word that the list and its search have for it."""
    state = state_of(task)
    return elements.label(STATES[state].title, kind=KINDS.get(state, elements.STATUS_KINDS[task.status]))


def state_of(task: Any) -> str:
    """Return the name of the task's state among the words of a search."""
    if task.status != states.PENDING:
        return {states.PROCESSING: "running", states.COMPLETED: "done"}.get(task.status) or str(task.status)
    if task.in_line:
        return "limited"
    if task.is_held:
        return "held"
    if task.delayed:
        return "retrying" if task.retries else "delayed"
    return "waiting"


def named_arguments(task: Any) -> str:
    """Return the arguments as `document_id=7, force=true`, as people may see them."""
    if len(task.args_start) > MOST_JSON or len(task.kwargs_start) > MOST_JSON:
        return gettext("long arguments")
    shown = arguments.named(task.task_name, _read(task.args_start), _read(task.kwargs_start))
    parts = (f"{name}={_short(value)}" if name else _short(value) for name, value in shown)
    return Truncator(", ".join(parts)).chars(NOTE_LENGTH)


def note(task: Any, now: datetime) -> Any:
    """Return the step of a task, its error or the time that it waits for."""
    error = ""
    if task.error_start or task.error_type:
        message = failures.in_short(task.error_type, task.error_start)
        error = Truncator(message).chars(ERROR_LENGTH)
    if task.status == states.PENDING and task.run_at > now:
        due = HELD if task.is_held else gettext("Not before %(time)s") % {"time": _exact(task.run_at)}
        return f"{due}. {error}" if error else due
    if task.cancel_requested_at and task.status == states.PROCESSING:
        return gettext("Cancel requested. %(step)s") % {"step": task.progress_text}
    return error or Truncator(task.progress_text).chars(ERROR_LENGTH)


def attempt(task: Any) -> str:
    """Return the number of the run, of those that there are at most: `4 of 8`."""
    options = _read(task.options_start)
    most = _max_retries(task.task_name)
    if isinstance(options, dict):
        most = options.get("max_retries", most)
    number = task.retries + 1
    if not isinstance(most, int) or isinstance(most, bool) or most < task.retries:
        return str(number)
    return gettext("%(number)s of %(most)s") % {"number": number, "most": most + 1}


def _max_retries(task_name: str) -> Any:
    broker = dramatiq.get_broker()
    actor = broker.actors.get(task_name)
    if actor is not None and "max_retries" in actor.options:
        return actor.options["max_retries"]
    return next((one.max_retries for one in broker.middleware if hasattr(one, "max_retries")), None)


def ago(time: datetime, now: datetime) -> str:
    """Return the time since then in one unit: `3 min ago`."""
    passed = now - time
    for unit, text in AGES:
        if passed >= unit:
            return elements.counted(text, passed // unit)
    return gettext("now")


def _waited(task: TaskStatus, now: datetime) -> timedelta | None:
    if task.started_at:
        return task.started_at - task.run_at
    return now - task.run_at if task.status == states.PENDING and task.run_at <= now else None


def _in_words(found: timedelta | None) -> str:
    return elements.NOTHING if found is None else duration.in_words(found)


def _exact(time: datetime) -> str:
    return date_format(timezone.localtime(time), "j M Y, H:i:s")


def _read(text: str) -> Any:
    """Return JSON, or an empty object if Python cannot read it."""
    try:
        return json.loads(text) if len(text) <= MOST_JSON else {}
    except (ValueError, RecursionError):
        return {}


def _short(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except ValueError:  # An integer of more than 4,300 digits.
        return "..."
