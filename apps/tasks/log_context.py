"""The task and the request that a log line belongs to."""

import logging
from typing import Any

from apps.core import request_id
from apps.tasks import progress
from apps.tasks.values import REQUEST_OPTION

#: Attributes that a record gets, in the order in which lines show them.
TASK_FIELDS = ("task_id", "actor", "attempt")
FIELDS = (*TASK_FIELDS, "request_id")


class LogContext(logging.Filter):
    """Gives each record the attributes `FIELDS`. One that does not apply is None.

    On a handler it also sees the lines of libraries:

        LOGGING = {
            "filters": {"context": {"()": "apps.tasks.log_context.LogContext"}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "filters": ["context"]}},
            ...
        }
    """

    def filter(self, record: logging.LogRecord) -> bool:
        known = vars(record)
        if any(name not in known for name in FIELDS):
            # A line that names a task by itself may mean another one, so it gets no actor and no attempt of this one.
            found = dict.fromkeys(FIELDS) | {"request_id": current_request_id()} if "task_id" in known else fields()
            known.update(found | known)
        return True


def fields() -> dict[str, Any]:
    """Return the values of `FIELDS` in this context."""
    message = running_message()
    if message is None:
        return dict.fromkeys(FIELDS) | {"request_id": request_id.current() or None}
    return fields_of(message)


def fields_of(message: Any) -> dict[str, Any]:
    """Return the values of `FIELDS` for a message whose task runs."""
    options = message.options
    return {
        "task_id": message.message_id,
        "actor": message.actor_name,
        "attempt": options.get("attempt"),
        "request_id": _text(options[REQUEST_OPTION]) if REQUEST_OPTION in options else None,
    }


def running_message() -> Any:
    """Return the message of the task that runs in this context. None: outside a task."""
    reporter = progress.current()
    return None if reporter is None else reporter.message


def current_request_id() -> str | None:
    """Return the id of the request that this context answers, or that its task goes back to."""
    message = running_message()
    if message is None:
        return request_id.current() or None
    return _text(message.options.get(REQUEST_OPTION))


def with_request(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a new message, with the id of the request that it goes back to, unless they have one."""
    found = current_request_id()
    return options if found is None else {REQUEST_OPTION: found, **options}


def _text(value: Any) -> str | None:
    """Return an id as the site has made it. Another program may have written anything into the row."""
    return value if isinstance(value, str) and request_id.WELL_FORMED.fullmatch(value) else None
