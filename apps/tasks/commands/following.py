"""`manage.py tasks follow` and `wait`: until tasks end."""

from argparse import ArgumentParser
from collections.abc import Iterable
from time import monotonic, sleep
from typing import Any

from apps.tasks import duration, states
from apps.tasks.commands import CANCELLED, DONE, FAILED, TIMED_OUT, facts, options
from apps.tasks.commands.screen import DIM, RED, Screen, cut, joined, shown
from apps.tasks.models import TaskStatus

#: Seconds between two looks.
LOOK_SECONDS = 0.5
#: Tasks of one statement. SQLite takes no more values.
PAGE = 500
BAR_LENGTH = 24
#: Erases a line of a terminal.
ERASE = "\r\x1b[2K"


class Deadline:
    """Time at which a wait ends.

    Parameters:
      seconds: Seconds from now. None: never.
    """

    def __init__(self, seconds: float | None) -> None:
        self._at = None if seconds is None else monotonic() + seconds

    def sleep(self) -> bool:
        """Wait until the next look. Return whether there is time for one."""
        left = LOOK_SECONDS if self._at is None else min(LOOK_SECONDS, self._at - monotonic())
        if left <= 0:
            return False
        sleep(left)
        return True


def exit_code(statuses: Iterable[str | None]) -> int:
    """Return the exit code for tasks that ended like this. None is one that is gone."""
    found = set(statuses)
    if found & {states.FAILED, None}:
        return FAILED
    return CANCELLED if states.CANCELLED in found else DONE


class Follow:
    """`follow`: one task, with a bar."""

    HELP = "the progress of a task until it ends, with a bar; ends with its exit code"

    @staticmethod
    def add_arguments(parser: ArgumentParser) -> None:
        parser.add_argument("task_id", metavar="ID", help="the task's id, or the beginning of it")
        options.add_timeout(parser)
        options.add_json(parser)

    @staticmethod
    def run(chosen: dict[str, Any], screen: Screen) -> int:
        task: TaskStatus | None = facts.find(chosen["task_id"])
        deadline, last = Deadline(chosen["timeout"]), None
        try:
            while task is not None:
                seen = (facts.state(task), task.progress, task.progress_text, task.attempt)
                if screen.as_json:
                    if seen != last:
                        screen.json(facts.of(task))
                elif screen.is_terminal:
                    screen.write(ERASE + _bar(task, screen))
                elif seen != last:
                    screen.line(_line(task))
                screen.flush()
                last = seen
                if task.is_finished:
                    break
                if not deadline.sleep():
                    return TIMED_OUT
                task = TaskStatus.objects.defer(*facts.LARGE).filter(pk=task.pk).first()
        finally:
            if screen.is_terminal and not screen.as_json:
                screen.line()
        if not screen.as_json:
            if task is None:
                screen.line("The task is gone: it was deleted.")
            elif error := facts.error_line(task):
                screen.line(screen.painted(shown(error), RED))
        return exit_code([None if task is None else task.status])


class Wait:
    """`wait`: several tasks, in silence."""

    HELP = "wait until all these tasks have ended"

    @staticmethod
    def add_arguments(parser: ArgumentParser) -> None:
        parser.add_argument("ids", nargs="+", metavar="ID", help="id of a task, or the beginning of it")
        options.add_timeout(parser)
        options.add_json(parser)

    @staticmethod
    def run(chosen: dict[str, Any], screen: Screen) -> int:
        tasks = facts.find_all(chosen["ids"])
        unfinished = {task.pk: task for task in tasks}
        deadline, ends = Deadline(chosen["timeout"]), []
        while True:
            for pk, task in _ended(unfinished).items():
                ends.append(None if task is None else task.status)
                _tell(unfinished.pop(pk) if task is None else task, screen, is_gone=task is None)
                unfinished.pop(pk, None)
            screen.flush()
            if not unfinished:
                return exit_code(ends)
            if not deadline.sleep():
                return TIMED_OUT


def _ended(unfinished: dict[int, TaskStatus]) -> dict[int, TaskStatus | None]:
    """Return the tasks that have ended, by row id. None: its row is gone."""
    found: dict[int, TaskStatus | None] = {}
    keys = list(unfinished)
    for page in (keys[start : start + PAGE] for start in range(0, len(keys), PAGE)):
        statuses = dict(TaskStatus.objects.filter(pk__in=page).values_list("pk", "status"))
        found |= dict.fromkeys(pk for pk in page if pk not in statuses)
        ended = [pk for pk, status in statuses.items() if status in states.TERMINAL]
        found |= {task.pk: task for task in facts.loaded(TaskStatus.objects.filter(pk__in=ended))}
    return found


def _tell(task: TaskStatus, screen: Screen, *, is_gone: bool) -> None:
    if screen.as_json:
        screen.json(facts.of(task) | ({"status": "gone"} if is_gone else {}))
        return
    word = "gone" if is_gone else task.status
    text = (
        f"{shown(task.task_id)}  {screen.painted(f'{word:<9}', *facts.COLOURS.get(word, ()))}  {shown(task.task_name)}"
    )
    error = "" if is_gone else facts.error_line(task)
    screen.line(f"{text}  {shown(error)}" if error else text)


def _bar(task: TaskStatus, screen: Screen) -> str:
    done = BAR_LENGTH * min(max(task.progress, 0), 100) // 100
    word = facts.state(task)
    bar = screen.painted("█" * done, *facts.STATE_COLOURS[word]) + screen.painted("░" * (BAR_LENGTH - done), DIM)
    ran = facts.ran(task)
    parts = [word, "" if ran is None else duration.in_words(ran), shown(task.task_name), shown(task.progress_text)]
    # One column stays free: some terminals begin a new line when the last one is written.
    room = (screen.width or 0) - BAR_LENGTH - 8
    return f"{bar} {task.progress:>3} %  {cut(joined(parts), room)}"


def _line(task: TaskStatus) -> str:
    text = f"{task.progress:>3} %  {facts.state(task)}"
    return f"{text}  {shown(task.progress_text)}" if task.progress_text else text
