"""`manage.py tasks pause` and `resume`."""

from argparse import ArgumentParser
from typing import Any

from django.db import transaction

from apps.tasks import audit, pauses
from apps.tasks.commands import facts, options
from apps.tasks.commands.screen import Screen, shown
from apps.tasks.models import Pause as PauseRow


class _Named:
    """A queue or an actor, by an option."""

    @staticmethod
    def add_arguments(parser: ArgumentParser) -> None:
        named = parser.add_mutually_exclusive_group(required=True)
        named.add_argument("--queue", metavar="NAME", help="the tasks of a queue")
        named.add_argument("--actor", metavar="NAME", help="the tasks of an actor")
        options.add_why(parser)
        options.add_json(parser)

    @staticmethod
    def of(chosen: dict[str, Any]) -> tuple[str, str]:
        """Return kind and name."""
        return (pauses.QUEUE, chosen["queue"]) if chosen["queue"] is not None else (pauses.ACTOR, chosen["actor"])


class Pause(_Named):
    """`pause`: no worker takes these tasks from now on."""

    HELP = "let the tasks of a queue or an actor wait; those that run go on to their end"

    @staticmethod
    def run(chosen: dict[str, Any], screen: Screen) -> None:
        kind, name = Pause.of(chosen)
        by = audit.by_terminal()
        with transaction.atomic():
            was_paused = PauseRow.objects.filter(kind=kind, name=name).exists()
            pause = pauses.pause(kind, name, by=by.name, why=chosen["why"])
            if not was_paused:
                audit.note("pause", by=by, target=f"{kind}:{name}", reason=chosen["why"])
        if screen.as_json:
            screen.json(_as_json(pause, is_paused=True))
            return
        already = " already" if was_paused else ""
        screen.line(f"The {kind} {shown(name)} is paused{already}, {_told(pause)}.")


class Resume(_Named):
    """`resume`: workers take these tasks again."""

    HELP = "let the tasks of a paused queue or actor run again"

    @staticmethod
    def run(chosen: dict[str, Any], screen: Screen) -> None:
        kind, name = Resume.of(chosen)
        with transaction.atomic():
            pause = pauses.resume(kind, name)
            if pause is not None:
                audit.note("resume", by=audit.by_terminal(), target=f"{kind}:{name}", reason=chosen["why"])
        if screen.as_json:
            found = {"kind": kind, "name": name, "is_paused": False}
            screen.json(found if pause is None else _as_json(pause, is_paused=False))
        elif pause is None:
            screen.line(f"The {kind} {shown(name)} was not paused.")
        else:
            screen.line(f"The {kind} {shown(name)} is resumed. It was paused {_told(pause)}.")


def _told(pause: PauseRow) -> str:
    by = f" by {shown(pause.by)}" if pause.by else ""
    why = f": {shown(pause.why)}" if pause.why else ""
    return f"{facts.distance(pause.since)}{by}{why}"


def _as_json(pause: PauseRow, *, is_paused: bool) -> dict[str, Any]:
    return {
        "kind": pause.kind, "name": pause.name, "is_paused": is_paused, "since": facts.iso(pause.since),
        "by": pause.by, "why": pause.why,
    }  # fmt: skip
