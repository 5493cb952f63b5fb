"""`manage.py import_celery_beat`: makes schedules of the rows of django-celery-beat."""

import sys
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, transaction

from apps.tasks.commands import WRONG
from apps.tasks.errors import CannotImportError
from apps.tasks.models import Schedule
from apps.tasks.schedules import clock, declared
from apps.tasks.schedules.celery_beat import rows
from apps.tasks.schedules.celery_beat.rows import BeatTask
from apps.tasks.schedules.celery_beat.translation import NEW, REFUSED, Translated, translated


class Command(BaseCommand):
    help = (
        "Makes schedules of the periodic tasks of django-celery-beat, from its tables or from a dump. Nothing is made "
        "if one of them is refused. Those whose names are there stay as they are, so it may run again."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        source = parser.add_mutually_exclusive_group()
        source.add_argument("--database", default="default", metavar="ALIAS", help="database that has its tables")
        source.add_argument(
            "--json", metavar="FILE", help="a dump instead, of `manage.py dumpdata django_celery_beat`; - is the input"
        )
        parser.add_argument(
            "--map", action="append", default=[], metavar="OLD=NEW", help="name of a Celery task, and of its actor"
        )
        parser.add_argument("--dry-run", action="store_true", help="only show what would become of each")
        parser.add_argument("--partial", action="store_true", help="make the others although some are refused")

    def handle(self, *args: Any, **options: Any) -> None:
        names = _names(options["map"])
        try:
            found = self.rows(options)
            self.check_names(names, found)
            self.make(found, names=names, options=options)
        except CannotImportError as error:
            raise CommandError(str(error), returncode=WRONG) from None
        except DatabaseError as error:
            raise CommandError(f"The database cannot be used: {' '.join(str(error).split())}") from None

    def rows(self, options: dict[str, Any]) -> list[BeatTask]:
        if options["json"] is None:
            return rows.from_tables(options["database"])
        if options["json"] == "-":
            return rows.from_dump(sys.stdin)
        try:
            with open(options["json"], encoding="utf-8") as file:
                return rows.from_dump(file)
        except OSError as error:
            raise CommandError(f"{options['json']}: {error.strerror}", returncode=WRONG) from None

    def check_names(self, names: dict[str, str], found: list[BeatTask]) -> None:
        if unused := sorted(names.keys() - {row.task for row in found}):
            raise CommandError(f"--map names tasks that no row has: {', '.join(unused)}", returncode=WRONG)

    def make(self, found: list[BeatTask], *, names: dict[str, str], options: dict[str, Any]) -> None:
        """Make all schedules, or none."""
        with transaction.atomic():
            declared.make_missing()
            now = clock.now()
            known = set(Schedule.objects.values_list("name", flat=True))
            results = []
            for row in found:
                results.append(translated(row, names=names, known=known, now=now))
                known.add(row.name)
            self.show(results)
            counts = Counter(result.outcome for result in results)
            if counts[REFUSED] and not (options["partial"] or options["dry_run"]):
                raise CommandError(
                    f"Nothing was imported: {counts[REFUSED]} of {len(results)} are refused. Mend them, map them with "
                    "--map, or leave them out with --partial."
                )
            if options["dry_run"]:
                transaction.set_rollback(True)
            else:
                for result in results:
                    if result.schedule is not None:
                        result.schedule.save(force_insert=True)
        told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())) or "no rows"
        self.stdout.write(f"{'Nothing was written' if options['dry_run'] else 'Imported'}: {told}.")

    def show(self, results: list[Translated]) -> None:
        lines: list[tuple[str, ...]] = [("NAME", "TASK", "ACTOR", "TIME", "ZONE", "STATE", "OUTCOME")]
        lines += [_line(result) for result in results]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            self.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        for result in results:
            for told in filter(None, (result.reason, *result.notes)):
                self.stdout.write(f"{result.row.name}: {told}.")


def _names(texts: list[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        old, equals, new = text.partition("=")
        if not (old and equals and new):
            raise CommandError(f"--map is {text!r}, must be OLD=NEW", returncode=WRONG)
        found[old] = new
    return found


def _line(result: Translated) -> tuple[str, ...]:
    made = result.schedule
    if made is None:
        return result.row.name, result.row.task, "-", result.row.kind or "-", "-", "-", result.outcome
    time = made.cron or f"every {made.interval_seconds} s"
    if made.next_at and (result.row.kind == "clocked" or result.row.one_off):
        time = f"once at {made.next_at:%Y-%m-%dT%H:%M:%SZ}"
    state = "on" if made.enabled else "paused"
    return made.name, result.row.task, made.task_name, time, made.time_zone, state, NEW
