"""`manage.py startactor`: write an actor, its service and its test."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.tasks.commands import WRONG
from workers import new_actor


class Command(BaseCommand):
    help = "Writes an actor that passes the system checks, with its service and its test."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="such as documents.translate_document: an app's label, a dot, a function")
        parser.add_argument("--dry-run", action="store_true", help="show the files, and write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            files = new_actor.files(options["name"])
        except (new_actor.BadNameError, new_actor.ExistingError) as error:
            raise CommandError(str(error), returncode=WRONG) from None
        except (OSError, SyntaxError, UnicodeDecodeError) as error:
            raise CommandError(f"A file of the app cannot be read: {error}") from None
        if options["dry_run"]:
            for file in files:
                self.stdout.write(f"--- {_shown(file.path)}{'' if file.before is None else ', at its end'}")
                self.stdout.write(file.after.removeprefix((file.before or "").rstrip()).strip("\n"))
            return
        self._write(files)
        for file in files:
            self.stdout.write(f"{'made' if file.before is None else 'added to'} {_shown(file.path)}")
        self.stdout.write("Now fill in the service, and its test.")

    def _write(self, files: list[new_actor.NewFile]) -> None:
        """Write all files or none."""
        written: list[new_actor.NewFile] = []
        try:
            for file in files:
                file.path.parent.mkdir(exist_ok=True)
                written.append(file)
                with file.path.open("x" if file.before is None else "w", encoding="utf-8") as stream:
                    stream.write(file.after)
        except OSError as error:
            for file in reversed(written):
                if file.before is None:
                    file.path.unlink(missing_ok=True)
                else:
                    file.path.write_text(file.before, encoding="utf-8")
            raise CommandError(f"Nothing is written: {error}") from None


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
