"""`manage.py schedules`: list, preview, run, pause and resume schedules in a terminal."""

import difflib
import os
import sys
from argparse import ArgumentParser
from datetime import datetime
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from apps.core import timestamp
from apps.tasks.commands import WRONG
from apps.tasks.errors import CannotRunError
from apps.tasks.models import Schedule, TaskStatus
from apps.tasks.schedules import actions, checking, clock, cron, declared, zones
from apps.tasks.schedules.firing import iso

MOST_SLOTS = 10_000


class Command(BaseCommand):
    help = "Lists the schedules. `next` shows the slots of a cron text. `run`, `pause` and `resume` change a schedule."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        subparsers = parser.add_subparsers(dest="action", metavar="ACTION")
        subparsers.add_parser("list", help="all schedules with their last and next run (also without an action)")
        slots = subparsers.add_parser("next", help="the next slots of a cron text, as ISO times in UTC, one a line")
        slots.add_argument("text", help='such as "*/5 8-17 * * 1" or @weekly')
        slots.add_argument("--zone", default="UTC", help="the clock of the text; default: %(default)s")
        slots.add_argument("--from", dest="begin", metavar="TIME", help="ISO, UTC if it has no offset; default: now")
        slots.add_argument("--count", default="5", help=f"number of slots, 1 to {MOST_SLOTS}; default: %(default)s")
        for name, text in (
            ("run", "send the schedule's task now, beside its slots; prints the task's id"),
            ("pause", "stop its slots until it is resumed"),
            ("resume", "start its slots again, from now on"),
        ):
            subparsers.add_parser(name, help=text).add_argument("name", help="the schedule's name, as `list` shows it")

    def handle(self, *args: Any, **options: Any) -> None:
        action = options["action"] or "list"
        try:
            if action == "next":
                self.show_next(options)
            elif action == "list":
                self.show_all()
            else:
                self.change(action, options["name"])
            self.stdout.flush()
        except BrokenPipeError:
            # The reader, such as `head`, has read enough. The rest goes nowhere, also at the exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except UnicodeEncodeError as error:
            raise CommandError(f"{error.object!r:.80} is no text in UTF-8.") from None
        except DatabaseError as error:
            raise CommandError(f"The database cannot be used: {' '.join(str(error).split())}") from None

    # --- Show ---

    def show_next(self, options: dict[str, Any]) -> None:
        try:
            understood = cron.parse(options["text"])
            zone = zones.named(options["zone"])
        except ValueError as error:
            raise CommandError(str(error), returncode=WRONG) from None
        slot = _timestamp(options["begin"]) if options["begin"] is not None else clock.faster(timezone.now())
        for _ in islice(range(MOST_SLOTS), _count(options["count"])):
            found = understood.next_after(slot, zone)
            if found is None:
                return
            self.stdout.write(iso(found))
            slot = found

    def show_all(self) -> None:
        declared.make_missing()
        schedules = list(Schedule.objects.with_last_run().order_by("name"))
        if not schedules:
            self.stdout.write("There are no schedules.")
            return
        rows: list[tuple[str, ...]] = [("NAME", "ACTOR", "TIME", "ZONE", "NEXT", "LAST", "STATE", "MISSED")]
        statuses = dict(
            TaskStatus.objects.filter(
                task_id__in=Schedule.objects.with_last_run().order_by().values("last_task_id")
            ).values_list("task_id", "status")
        )
        rows += [self.row(schedule, statuses) for schedule in schedules]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            self.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        for schedule in schedules:
            if problem := checking.broken(schedule):
                self.stdout.write(f"{schedule.name} is broken: {problem}")

    def row(self, schedule: Any, statuses: dict[str, str]) -> tuple[str, ...]:
        if checking.broken(schedule):
            state = "broken"
        elif not schedule.enabled:
            state = "paused"
        else:
            state = "on" if schedule.next_at else "ended"
        upcoming = iso(schedule.next_at.replace(microsecond=0)) if schedule.next_at and state == "on" else "-"
        time = schedule.cron or f"every {schedule.interval_seconds} s"
        return (
            schedule.name, schedule.task_name, time, schedule.time_zone, upcoming, _last_run(schedule, statuses), state,
            str(schedule.missed_count),
        )  # fmt: skip

    # --- Change ---

    def change(self, action: str, name: str) -> None:
        declared.make_missing()
        schedule = Schedule.objects.filter(name=name).first()
        if schedule is None:
            known = sorted(Schedule.objects.values_list("name", flat=True))
            alike = difflib.get_close_matches(name, known, n=5, cutoff=0.4) if len(known) > 20 else known
            raise CommandError(
                f"Unknown schedule {name!r}, must be one of: {', '.join(alike) or 'there are none'}", returncode=WRONG
            )
        if action == "run":
            try:
                self.stdout.write(actions.run_now(schedule))
            except CannotRunError as error:
                raise CommandError(str(error), returncode=WRONG) from None
            return
        (actions.pause if action == "pause" else actions.resume)(schedule)
        if action == "pause":
            self.stdout.write(f"{name} is paused.")
        elif problem := checking.broken(schedule):
            self.stdout.write(f"{name} is not paused any more, but it is broken: {problem}")
        else:
            self.stdout.write(
                f"{name} runs next at {iso(schedule.next_at) if schedule.next_at else 'no time: it ended'}."
            )


def _timestamp(text: str) -> datetime:
    try:
        found = timestamp.parse(text)
    except ValueError:
        raise CommandError(
            f"--from is {text!r}, must be an ISO time such as 2026-11-24T12:03:00Z", returncode=WRONG
        ) from None
    if not 1901 <= found.year <= 2200:
        raise CommandError(f"--from is in the year {found.year}, must be 1901 to 2200", returncode=WRONG)
    return found


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MOST_SLOTS:
        raise CommandError(f"--count is {text!r}, must be a whole number, 1 to {MOST_SLOTS}", returncode=WRONG)
    return int(text)


def _last_run(schedule: Any, statuses: dict[str, str]) -> str:
    """Return the time of its last run and the state of that task."""
    if schedule.last_slot is None:
        return "-"
    return f"{iso(schedule.last_slot.replace(microsecond=0))} {statuses.get(schedule.last_task_id, 'pruned')}"
