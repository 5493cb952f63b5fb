"""Sentences about tasks that an action changes or leaves as they are, in singular and plural."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from apps.tasks.admin import elements


@dataclass(frozen=True, kw_only=True, eq=False)
class Sentence:
    """A sentence about tasks.

    Parameters:
      alone: About a single task when no other could be meant.
      counted: About a number of tasks. A message of `ngettext_lazy(..., ..., "number")` with `%(count)s`.
      note: Further sentences for any number of tasks. A message of `ngettext_lazy(..., ..., "number")`.
    """

    alone: Any
    counted: Any
    note: Any = None

    def about(self, count: int, *, alone: bool = False, is_capped: bool = False, **values: Any) -> str:
        """Return the sentence.

        Parameters:
          alone: No other task could be meant.
          is_capped: There are more of them than were counted.
        """
        is_alone = alone and count == 1
        text = str(self.alone % values) if is_alone else elements.counted(self.counted, count, **values)
        if is_capped:
            text = text.replace(elements.number(count), elements.number(count) + "+", 1)
        return text if self.note is None else f"{text} {elements.counted(self.note, count)}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Reason:
    """Reason why tasks are left as they are. Both parts are messages of `ngettext_lazy(..., ..., "number")`.

    Parameters:
      shared: With a pronoun, for tasks that all have this reason.
      counted: With `%(count)s`, for a list of reasons.
    """

    shared: Any
    counted: Any


# --- Tasks that are left as they are -------------------------------------------------------------

LEFT = Sentence(
    alone=_("The task is left as it is: %(reasons)s."),
    counted=ngettext_lazy(
        "%(count)s task is left as it is: %(reasons)s.", "%(count)s tasks are left as they are: %(reasons)s.", "number"
    ),
)
KEY_TAKEN = Reason(
    shared=ngettext_lazy(
        "it has the unique key of an unfinished task",
        "they have the unique keys of unfinished tasks",
        "number",
    ),
    counted=ngettext_lazy(
        "%(count)s has the unique key of an unfinished task",
        "%(count)s have the unique keys of unfinished tasks",
        "number",
    ),
)
LOCKED = Reason(
    shared=ngettext_lazy(
        "it is locked by another transaction (try again)",
        "they are locked by another transaction (try again)",
        "number",
    ),
    counted=ngettext_lazy(
        "%(count)s is locked by another transaction (try again)",
        "%(count)s are locked by another transaction (try again)",
        "number",
    ),
)
GONE = Reason(
    shared=ngettext_lazy("it is deleted", "they are deleted", "number"),
    counted=ngettext_lazy("%(count)s is deleted", "%(count)s are deleted", "number"),
)
WAITS = Reason(
    shared=ngettext_lazy("it waits already", "they wait already", "number"),
    counted=ngettext_lazy("%(count)s waits already", "%(count)s wait already", "number"),
)
HELD = Reason(
    shared=ngettext_lazy("it is held by a worker already", "they are held by a worker already", "number"),
    counted=ngettext_lazy("%(count)s is held by a worker already", "%(count)s are held by a worker already", "number"),
)
STOPPING = Reason(
    shared=ngettext_lazy("it is being cancelled already", "they are being cancelled already", "number"),
    counted=ngettext_lazy("%(count)s is being cancelled already", "%(count)s are being cancelled already", "number"),
)
COMPLETED = Reason(
    shared=ngettext_lazy("it has completed", "they have completed", "number"),
    counted=ngettext_lazy("%(count)s has completed", "%(count)s have completed", "number"),
)
FAILED = Reason(
    shared=ngettext_lazy("it has failed", "they have failed", "number"),
    counted=ngettext_lazy("%(count)s has failed", "%(count)s have failed", "number"),
)
CANCELLED = Reason(
    shared=ngettext_lazy("it was cancelled already", "they were cancelled already", "number"),
    counted=ngettext_lazy("%(count)s was cancelled already", "%(count)s were cancelled already", "number"),
)

DUE = Reason(
    shared=ngettext_lazy(
        "it is due already, and waits for a worker or for the end of a pause",
        "they are due already, and wait for a worker or for the end of a pause",
        "number",
    ),
    counted=ngettext_lazy("%(count)s is due already", "%(count)s are due already", "number"),
)
AFTER_PREVIOUS_RUN = Reason(
    shared=ngettext_lazy(
        "it waits for the previous run of its schedule",
        "they wait for the previous runs of their schedules",
        "number",
    ),
    counted=ngettext_lazy(
        "%(count)s waits for the previous run of its schedule",
        "%(count)s wait for the previous runs of their schedules",
        "number",
    ),
)
SAME = Reason(
    shared=ngettext_lazy(
        "it has that value already, or is locked by another transaction",
        "they have that value already, or are locked by another transaction",
        "number",
    ),
    counted=ngettext_lazy(
        "%(count)s has that value already, or is locked by another transaction",
        "%(count)s have that value already, or are locked by another transaction",
        "number",
    ),
)
UNFINISHED = Reason(
    shared=ngettext_lazy("it is not finished (cancel it first)", "they are not finished (cancel them first)", "number"),
    counted=ngettext_lazy(
        "%(count)s is not finished (cancel it first)", "%(count)s are not finished (cancel them first)", "number"
    ),
)
NEEDED = Reason(
    shared=ngettext_lazy(
        "it is still needed by its group, its unique key or its children",
        "they are still needed by their groups, their unique keys or their children",
        "number",
    ),
    counted=ngettext_lazy(
        "%(count)s is still needed by its group, its unique key or its children",
        "%(count)s are still needed by their groups, their unique keys or their children",
        "number",
    ),
)
NOT_COUNTED = Reason(
    shared=ngettext_lazy(
        "it ended lately, and the relay counts it for the figures within ten minutes",
        "they ended lately, and the relay counts them for the figures within ten minutes",
        "number",
    ),
    counted=ngettext_lazy(
        "%(count)s ended lately and is not counted for the figures yet",
        "%(count)s ended lately and are not counted for the figures yet",
        "number",
    ),
)

# --- Cancel --------------------------------------------------------------------------------------

CANCEL_QUESTION = Sentence(
    alone=_("Cancel this task?"), counted=ngettext_lazy("Cancel %(count)s task?", "Cancel %(count)s tasks?", "number")
)
WILL_CANCEL = Sentence(
    alone=_("The task waits and is cancelled at once."),
    counted=ngettext_lazy(
        "%(count)s task waits and is cancelled at once.", "%(count)s tasks wait and are cancelled at once.", "number"
    ),
)
DID_CANCEL = Sentence(
    alone=_("The task was cancelled."),
    counted=ngettext_lazy("%(count)s task was cancelled.", "%(count)s tasks were cancelled.", "number"),
)
REQUEST_NOTE = ngettext_lazy(
    "If it has not started yet, it will not start. "
    "If it runs, it is interrupted as soon as its code lets it, and it is not retried.",
    "Those that have not started yet will not start. "
    "Those that run are interrupted as soon as their code lets them, and they are not retried.",
    "number",
)
WILL_REQUEST = Sentence(
    alone=_("The task is held by a worker, so its cancellation is requested."),
    counted=ngettext_lazy(
        "%(count)s task is held by a worker, so its cancellation is requested.",
        "%(count)s tasks are held by a worker, so their cancellation is requested.",
        "number",
    ),
    note=REQUEST_NOTE,
)
DID_REQUEST = Sentence(
    alone=_("The task is held by a worker, so its cancellation was requested."),
    counted=ngettext_lazy(
        "%(count)s task is held by a worker, so its cancellation was requested.",
        "%(count)s tasks are held by a worker, so their cancellation was requested.",
        "number",
    ),
    note=REQUEST_NOTE,
)

# --- Retry ---------------------------------------------------------------------------------------

RETRY_QUESTION = Sentence(
    alone=_("Retry this task?"), counted=ngettext_lazy("Retry %(count)s task?", "Retry %(count)s tasks?", "number")
)
WILL_RETRY = Sentence(
    alone=_("The task runs again, from its beginning and with the same arguments, as soon as a worker is free."),
    counted=ngettext_lazy(
        "%(count)s task runs again, from its beginning and with the same arguments, as soon as a worker is free.",
        "%(count)s tasks run again, from their beginning and with the same arguments, as soon as a worker is free.",
        "number",
    ),
    note=ngettext_lazy(
        "Its effects outside the database, such as a mail, happen again.",
        "Their effects outside the database, such as mails, happen again.",
        "number",
    ),
)
DID_RETRY = Sentence(
    alone=_("The task was retried."),
    counted=ngettext_lazy("%(count)s task was retried.", "%(count)s tasks were retried.", "number"),
)

# --- Run now -------------------------------------------------------------------------------------

RUN_NOW_QUESTION = Sentence(
    alone=_("Run this task now?"),
    counted=ngettext_lazy("Run %(count)s task now?", "Run %(count)s tasks now?", "number"),
)
WILL_RUN_NOW = Sentence(
    alone=_("The task is due at once. If it waits for a place of its limit, it becomes the first of its line."),
    counted=ngettext_lazy(
        "%(count)s task is due at once. If it waits for a place of its limit, it becomes the first of its line.",
        "%(count)s tasks are due at once. Those that wait for a place of their limit become the first of their line.",
        "number",
    ),
)
DID_RUN_NOW = Sentence(
    alone=_("The task runs as soon as a worker is free."),
    counted=ngettext_lazy(
        "%(count)s task runs as soon as a worker is free.", "%(count)s tasks run as soon as workers are free.", "number"
    ),
)

# --- Priority and queue --------------------------------------------------------------------------

PRIORITY_QUESTION = Sentence(
    alone=_("Change the priority of this task?"),
    counted=ngettext_lazy(
        "Change the priority of %(count)s task?", "Change the priority of %(count)s tasks?", "number"
    ),
)
WILL_SET_PRIORITY = Sentence(
    alone=_("The task waits, and gets the priority below."),
    counted=ngettext_lazy(
        "%(count)s task waits, and gets the priority below.",
        "%(count)s tasks wait, and get the priority below.",
        "number",
    ),
)
DID_SET_PRIORITY = Sentence(
    alone=_("The task has the priority %(value)s now."),
    counted=ngettext_lazy(
        "%(count)s task has the priority %(value)s now.", "%(count)s tasks have the priority %(value)s now.", "number"
    ),
)
QUEUE_QUESTION = Sentence(
    alone=_("Change the queue of this task?"),
    counted=ngettext_lazy("Change the queue of %(count)s task?", "Change the queue of %(count)s tasks?", "number"),
)
WILL_SET_QUEUE = Sentence(
    alone=_("The task waits, and moves to the queue below."),
    counted=ngettext_lazy(
        "%(count)s task waits, and moves to the queue below.",
        "%(count)s tasks wait, and move to the queue below.",
        "number",
    ),
)
DID_SET_QUEUE = Sentence(
    alone=_("The task is on the queue %(value)s now."),
    counted=ngettext_lazy(
        "%(count)s task is on the queue %(value)s now.", "%(count)s tasks are on the queue %(value)s now.", "number"
    ),
)

# --- Delete --------------------------------------------------------------------------------------

DELETE_QUESTION = Sentence(
    alone=_("Delete this task?"), counted=ngettext_lazy("Delete %(count)s task?", "Delete %(count)s tasks?", "number")
)
WILL_DELETE = Sentence(
    alone=_("The task is deleted for good, with its result, its error and its attempts."),
    counted=ngettext_lazy(
        "%(count)s task is deleted for good, with its result, its error and its attempts.",
        "%(count)s tasks are deleted for good, with their results, errors and attempts.",
        "number",
    ),
)
DID_DELETE = Sentence(
    alone=_("The task was deleted."),
    counted=ngettext_lazy("%(count)s task was deleted.", "%(count)s tasks were deleted.", "number"),
)
