"""`manage.py tasks show`."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from apps.tasks import audit, duration, ledger, masking
from apps.tasks.commands import facts, options
from apps.tasks.commands.screen import BOLD, DIM, RED, Screen, cut, shown, shown_lines
from apps.tasks.failures import in_words
from apps.tasks.models import TaskAttempt, TaskStatus

HELP = "all that is known of a task: its state, times, arguments, result, errors"
#: Characters of a value that are shown. JSON has all of it.
LONGEST = 2_000
#: Lines of a traceback that are shown, the last ones.
MOST_LINES = 40
INDENT = "  "


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("task_id", metavar="ID", help="the task's id, or the beginning of it")
    options.add_json(parser)


def run(chosen: dict[str, Any], screen: Screen) -> None:
    task = facts.find(chosen["task_id"])
    attempts = list(task.attempts.order_by("attempt", "pk"))
    if screen.as_json:
        screen.json(as_json(task, attempts))
        return
    screen.line(f"{screen.painted(shown(task.task_name), BOLD)}  {_state(task, screen)}")
    screen.line(shown(ledger.why(task)))
    for name, value in lines(task):
        screen.line(f"{screen.painted(f'{name:<12}', DIM)}{cut(shown(value), LONGEST)}")
    if error := in_words(task.error_type, task.error_message):
        _block(screen, "error", error, RED)
    if task.traceback:
        _block(screen, "traceback", task.traceback)
    for attempt in attempts:
        screen.line(_attempt(attempt, screen))
    for act in audit.of(task):
        screen.line(_act(act, screen))


def as_json(task: TaskStatus, attempts: list[TaskAttempt]) -> dict[str, Any]:
    args, kwargs = arguments(task)
    return facts.of(task) | {
        "why": str(ledger.why(task)),
        "args": args,
        "kwargs": kwargs,
        "result": masking.shown_result(task),
        "traceback": task.traceback,
        "worker_id": None if task.worker_id is None else str(task.worker_id),
        "attempts": [
            {
                "attempt": one.attempt,
                "outcome": one.outcome,
                "error_type": one.error_type,
                "error": one.error_message,
                "started_at": facts.iso(one.started_at),
                "ended_at": facts.iso(one.ended_at),
            }
            for one in attempts
        ],
        "audit": [
            {"at": facts.iso(one.at), "act": one.verb, "by": one.name, "door": one.door, "why": one.reason}
            for one in audit.of(task)
        ],
    }


def arguments(task: TaskStatus) -> tuple[Any, Any]:
    """Return the arguments as people may see them."""
    return masking.shown(task)


def lines(task: TaskStatus) -> Iterator[tuple[str, Any]]:
    """Yield names and values, those that the task has."""
    args, kwargs = arguments(task)
    ran = facts.ran(task)
    found = {
        "id": task.task_id,
        "queue": task.queue_name + (f", priority {task.priority}" if task.priority else ""),
        "about": facts.related(task),
        "owner": task.owner_id,
        "progress": f"{task.progress} % {task.progress_text}".rstrip() if task.progress or task.progress_text else None,
        "args": json.dumps(args, ensure_ascii=False) if args else None,
        "kwargs": json.dumps(kwargs, ensure_ascii=False) if kwargs else None,
        "result": None if task.result is None else json.dumps(masking.shown_result(task), ensure_ascii=False),
        "sent": _time(task.created_at),
        "due": _time(task.run_at) if task.run_at != task.created_at else None,
        "expires": _time(task.expires_at),
        "started": _time(task.started_at),
        "finished": _time(task.finished_at),
        "ran": None if ran is None else duration.in_words(ran),
        "cancelled": _time(task.cancel_requested_at),
        "retries": task.retries or None,
        "crashes": task.crashes or None,
        "worker": task.worker_id,
        "cause": task.cause or None,
    }
    yield from ((name, value) for name, value in found.items() if value is not None)


def _state(task: TaskStatus, screen: Screen) -> str:
    word = facts.state(task)
    return screen.painted(word, *facts.STATE_COLOURS[word])


def _time(time: Any) -> str | None:
    return None if time is None else f"{facts.iso(time.replace(microsecond=0))}  {facts.distance(time)}"


def _block(screen: Screen, title: str, text: str, *styles: int) -> None:
    found = shown_lines(text)
    left_out = len(found) - MOST_LINES
    screen.line(screen.painted(title, DIM) + (f" (without its first {left_out:,} lines)" if left_out > 0 else ""))
    for line in found[-MOST_LINES:]:
        screen.line(INDENT + screen.painted(cut(line, LONGEST), *styles))


def _attempt(attempt: TaskAttempt, screen: Screen) -> str:
    error = in_words(attempt.error_type, attempt.error_message).partition("\n")[0]
    ended = f"{attempt.ended_at:%Y-%m-%dT%H:%M:%SZ}"
    number = screen.painted(f"attempt {attempt.attempt}", DIM)
    return f"{number}  {ended}  {shown(attempt.outcome)}  {cut(shown(error), LONGEST)}"


def _act(act: audit.Noted, screen: Screen) -> str:
    why = f": {cut(shown(act.reason), LONGEST)}" if act.reason else ""
    value = f" {shown(act.value)}" if act.value else ""
    return f"{screen.painted('audit', DIM)}       {act.text}{value} by {shown(act.name)}, {facts.distance(act.at)}{why}"
