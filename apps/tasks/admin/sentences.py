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

    def about(self, count: int, *, alone: bool = False, **values: Any) -> str:
        is_alone = alone and count == 1
        text = str(self.alone % values) if is_alone else elements.counted(self.counted, count, **values)
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
