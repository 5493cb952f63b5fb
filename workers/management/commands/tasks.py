"""`manage.py tasks`: looks at tasks in a terminal, and cancels them."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from apps.tasks.commands import WRONG, cancel, stack
from apps.tasks.errors import TaskError

#: Modules of the subcommands by name. Each has HELP, `add_arguments` and `run`.
ACTIONS = {"cancel": cancel, "stack": stack}


class Command(BaseCommand):
    help = "Works on tasks. `cancel` cancels them, by their ids or by group. `stack` shows what a running one does."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        subparsers = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
        for name, action in ACTIONS.items():
            action.add_arguments(subparsers.add_parser(name, help=action.HELP))

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            ACTIONS[options["action"]].run(options, self.stdout)
        except TaskError as error:
            raise CommandError(str(error)) from None
        except UnicodeEncodeError as error:
            raise CommandError(f"{error.object!r:.80} is no text in UTF-8.", returncode=WRONG) from None
        except DatabaseError as error:
            raise CommandError(f"The database cannot be used: {' '.join(str(error).split())}") from None
