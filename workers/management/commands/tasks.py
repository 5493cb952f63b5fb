"""`manage.py tasks`: looks at tasks in a terminal, and works on them."""

import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from apps.tasks.commands import EXIT_CODES, FAILED, INTERRUPTED, WRONG, causes, doctor, listing, show, stack, stats, why
from apps.tasks.commands.following import Follow, Wait
from apps.tasks.commands.operating import CANCEL, RETRY
from apps.tasks.commands.pausing import Pause, Resume
from apps.tasks.commands.screen import Screen, shown
from apps.tasks.errors import BadPauseError, TaskError, UnknownActorError, UnknownQueueError
from apps.tasks.search import SearchError

#: Subcommands by name: see `apps.tasks.commands`.
ACTIONS: dict[str, Any] = {
    "list": listing,
    "show": show,
    "why": why,
    "causes": causes,
    "stats": stats,
    "follow": Follow,
    "wait": Wait,
    "stack": stack,
    "cancel": CANCEL,
    "retry": RETRY,
    "pause": Pause,
    "resume": Resume,
    "doctor": doctor,
}
#: Errors of the arguments.
WRONG_ERRORS = (BadPauseError, SearchError, UnknownActorError, UnknownQueueError)


class Command(BaseCommand):
    help = "Shows tasks in a terminal, and works on them. An id may be cut to its beginning, as log lines have it."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        codes = "\n".join(f"  {code:<3}  {meaning}" for code, meaning in EXIT_CODES.items())
        parser.epilog = f"exit codes:\n{codes}"
        parser.formatter_class = RawDescriptionHelpFormatter
        subparsers = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
        for name, action in ACTIONS.items():
            action.add_arguments(subparsers.add_parser(name, help=action.HELP, description=_sentence(action.HELP)))

    def handle(self, *args: Any, **options: Any) -> None:
        screen = Screen(self.stdout, as_json=options.get("as_json", False))
        try:
            code = ACTIONS[options["action"]].run(options, screen)
            screen.flush()
        except BrokenPipeError:
            # The reader, such as `head`, has read enough. The rest goes nowhere, also at the exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return
        except KeyboardInterrupt:
            with suppress(BrokenPipeError):
                screen.flush()
            code = INTERRUPTED
        except TaskError as error:
            code = WRONG if isinstance(error, WRONG_ERRORS) else FAILED
            raise CommandError(shown(error), returncode=code) from None
        except UnicodeEncodeError as error:
            raise CommandError(f"{error.object!r:.80} is no text in UTF-8.", returncode=WRONG) from None
        except DatabaseError as error:
            raise CommandError(f"The database cannot be used: {' '.join(str(error).split())}") from None
        if code:
            sys.exit(code)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
