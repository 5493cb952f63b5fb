"""`manage.py seed_sample`: make the first data of `bin/run` in another installation."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from aiWriting import sample


class Command(BaseCommand):
    help = "Makes a user, a sample project and a document, and sends its processing. Does nothing if there are users."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--username", default="writer", help="default: %(default)s")

    def handle(self, *args: Any, **options: Any) -> None:
        made = sample.seed(username=options["username"])
        if made is None:
            self.stdout.write("There are users already; nothing was made.")
            return
        self.stdout.write(f"user {made.username}, password {made.password} (shown this once), task {made.task_id}")
