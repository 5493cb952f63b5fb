"""The rows of django-celery-beat, from its tables or from a dump."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TextIO

from django.db import connections
from django.utils.translation import gettext as _

from apps.core import timestamp
from apps.tasks.errors import CannotImportError

APP = "django_celery_beat"
TASK = "periodictask"
#: Models that say when a task comes, by the task's column.
KINDS = {
    "crontab": "crontabschedule",
    "interval": "intervalschedule",
    "solar": "solarschedule",
    "clocked": "clockedschedule",
}


@dataclass(frozen=True, kw_only=True)
class BeatTask:
    """A row of PeriodicTask.

    Parameters:
      kind: `crontab`, `interval`, `solar`, `clocked`, or empty.
      time: Columns of that schedule.
    """

    name: str
    task: str
    kind: str = ""
    time: dict[str, Any] = field(default_factory=dict)
    args: Any = ()
    kwargs: Any = field(default_factory=dict)
    enabled: bool = True
    one_off: bool = False
    start_time: datetime | None = None
    expires: datetime | None = None
    last_run_at: datetime | None = None
    #: Columns by name that have no counterpart in a schedule of ours.
    rest: dict[str, Any] = field(default_factory=dict)


def from_tables(alias: str) -> list[BeatTask]:
    """Return the rows of the tables in a database, in the order of their names.

    Raises:
      CannotImportError: There is no such database or no such table.
    """
    if alias not in connections:
        raise CannotImportError(
            _("Unknown database %(alias)r, must be one of: %(known)s")
            % {"alias": alias, "known": ", ".join(sorted(connections))}
        )
    found = {model: _table(alias, model) for model in (TASK, *KINDS.values())}
    return _joined(found)


def from_dump(file: TextIO) -> list[BeatTask]:
    """Return the rows of a dump: `manage.py dumpdata django_celery_beat`.

    Raises:
      CannotImportError: It is none.
    """
    try:
        objects = json.load(file)
        found: dict[str, dict[Any, dict[str, Any]]] = {model: {} for model in (TASK, *KINDS.values())}
        for one in objects:
            app, _dot, model = one["model"].partition(".")
            if app == APP and model in found:
                found[model][one.get("pk", one["fields"].get("name"))] = one["fields"]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CannotImportError(
            _("The file is no dump of django_celery_beat: %(error)s") % {"error": f"{type(error).__name__}: {error}"}
        ) from None
    return _joined(found)


def _table(alias: str, model: str) -> dict[Any, dict[str, Any]]:
    connection = connections[alias]
    table = f"{APP}_{model}"
    with connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor):
            raise CannotImportError(
                _("The database %(alias)r has no table %(table)s") % {"alias": alias, "table": table}
            )
        cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608 - One of five names.
        names = [column[0].removesuffix("_id") if column[0] != "id" else "pk" for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {row.pop("pk"): row for row in rows}


def _joined(found: dict[str, dict[Any, dict[str, Any]]]) -> list[BeatTask]:
    try:
        tasks = [_task(columns, found) for columns in found[TASK].values()]
    except (ValueError, TypeError, KeyError) as error:
        raise CannotImportError(
            _("A row of %(model)s cannot be read: %(error)s")
            % {"model": f"{APP}.{TASK}", "error": f"{type(error).__name__}: {error}"}
        ) from None
    return sorted(tasks, key=lambda task: task.name)


def _task(columns: dict[str, Any], found: dict[str, dict[Any, dict[str, Any]]]) -> BeatTask:
    kind = next((kind for kind in KINDS if columns.get(kind) is not None), "")
    time: dict[str, Any] = found[KINDS[kind]].get(columns[kind], {}) if kind else {}
    return BeatTask(
        name=str(columns["name"]),
        task=str(columns["task"]),
        kind=kind if time else "",
        time=time,
        args=_json(columns.get("args"), empty=[]),
        kwargs=_json(columns.get("kwargs"), empty={}),
        enabled=bool(columns.get("enabled", True)),
        one_off=bool(columns.get("one_off", False)),
        start_time=timestamp_of(columns.get("start_time")),
        expires=timestamp_of(columns.get("expires")),
        last_run_at=timestamp_of(columns.get("last_run_at")),
        rest={name: columns.get(name) for name in ("queue", "routing_key", "exchange", "expire_seconds", "priority")}
        | {"headers": _json(columns.get("headers"), empty={})},
    )


def _json(value: Any, *, empty: Any) -> Any:
    """Return the value of a column with JSON. A text that is none stays a text, so that its check refuses it."""
    if value in (None, ""):
        return empty
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def timestamp_of(value: Any) -> datetime | None:
    """Return the timestamp of a column. SQLite and dumps have texts, in UTC if they have no offset."""
    if value is None or value == "":
        return None
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return timestamp.parse(text.replace("Z", "+00:00"))
