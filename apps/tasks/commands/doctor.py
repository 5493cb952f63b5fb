"""`manage.py tasks doctor`."""

import time
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import django
import dramatiq
from django.core import checks
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from apps.tasks import health
from apps.tasks.commands import DONE, FAILED, facts, options
from apps.tasks.commands.screen import GREEN, RED, YELLOW, Screen, shown
from apps.tasks.models import WorkerProcess

HELP = "what keeps tasks from running, and what to do about it"
OK, WARNING, TROUBLE = "ok", "warning", "trouble"
COLOURS = {OK: GREEN, WARNING: YELLOW, TROUBLE: RED}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A line of the doctor.

    Parameters:
      part: Part of the system that it is about, in a word.
      remedy: A sentence that says what to do. Empty: nothing has to be done.
    """

    level: str
    part: str
    text: str
    remedy: str = ""


def add_arguments(parser: ArgumentParser) -> None:
    options.add_json(parser)


def run(chosen: dict[str, Any], screen: Screen) -> int:
    is_well = True
    for finding in look():
        is_well = is_well and finding.level != TROUBLE
        if screen.as_json:
            screen.json(vars(finding))
        else:
            level = screen.painted(f"{finding.level:<7}", COLOURS[finding.level])
            screen.line(f"{level}  {finding.part:<10}  {shown(f'{finding.text} {finding.remedy}'.rstrip())}")
    return DONE if is_well else FAILED


def look() -> Iterator[Finding]:
    """Yield what is wrong and what is well. Without a database the rest is not known."""
    try:
        yield from database()
        yield from _migrations()
    except DatabaseError as error:
        text = f"The database cannot be used: {' '.join(str(error).split())}"
        yield Finding(level=TROUBLE, part="database", text=text, remedy="Mend it. All else goes on by itself then.")
        return
    yield from _servers()
    yield from _trouble()
    yield from _processes()
    yield from _checks()
    text = f"Django {django.get_version()}, Dramatiq {dramatiq.__version__}"
    yield Finding(level=OK, part="versions", text=text)


def database() -> Iterator[Finding]:
    started = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    spent = (time.monotonic() - started) * 1000
    version = ".".join(map(str, connection.get_database_version()))
    yield Finding(level=OK, part="database", text=f"{connection.display_name} {version} answers in {spent:.1f} ms.")


def _migrations() -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    missing = [str(migration) for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]
    if missing:
        text = f"{len(missing)} migrations are missing: {', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}."
        yield Finding(level=TROUBLE, part="migrations", text=text, remedy="Run manage.py migrate.")
    else:
        yield Finding(level=OK, part="migrations", text="All are applied.")


def _servers() -> Iterator[Finding]:
    """Yield the servers that answer. Trouble has the others."""
    for name, error_of in health.servers.items():
        started = time.monotonic()
        if error_of() is None:
            spent = (time.monotonic() - started) * 1000
            yield Finding(level=OK, part="servers", text=f"{name} takes writes, and answers in {spent:.1f} ms.")


def _trouble() -> Iterator[Finding]:
    """Yield the trouble of the dashboard."""
    # Not at the top: the other subcommands need no admin.
    from apps.tasks.admin.now import trouble
    from apps.tasks.alerts.facts import Facts

    for one in trouble.of(Facts()):
        yield Finding(level=TROUBLE, part="tasks", text=one.text, remedy=one.remedy)


def _processes() -> Iterator[Finding]:
    for process in WorkerProcess.objects.beating():
        text = f"{process} lives since {facts.ago(process.started_at)}"
        if process.kind == WorkerProcess.KIND_WORKER:
            text += f", {process.busy_threads} of {process.threads} threads busy, {process.memory_mb} MB"
        yield Finding(level=OK, part=process.kind, text=f"{text}.")


def _checks() -> Iterator[Finding]:
    found = [one for one in checks.run_checks(databases=[connection.alias]) if not one.is_silenced()]
    for one in found:
        level = TROUBLE if one.level >= checks.ERROR else WARNING
        yield Finding(level=level, part="checks", text=f"{one.id} {one.msg}", remedy=one.hint or "")
    if not found:
        yield Finding(level=OK, part="checks", text="All system checks pass.")
