"""`manage.py seed_sample`: what `bin/run` does on its first start, for other set-ups."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from aiWriting import sample


class Command(BaseCommand):
    help = (
        "Makes a user, a sample project and a document, and sends its processing; does nothing where there are users."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--username", default="writer", help="default: %(default)s")

    def handle(self, *args: Any, **options: Any) -> None:
        made = sample.seed(username=options["username"])
        if made is None:
            self.stdout.write("There are users already; nothing was made.")
            return
        self.stdout.write(f"user {made.username}, password {made.password} (shown this once), task {made.task_id}")
