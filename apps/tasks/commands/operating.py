"""`manage.py tasks cancel` and `retry`."""

import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.management.base import CommandError
from django.db.models import QuerySet

from apps.tasks import actions, audit, ledger, search, states
from apps.tasks.commands import DONE, FAILED, WRONG, facts, options
from apps.tasks.commands.screen import BOLD, Screen, shown
from apps.tasks.models import TaskGroup, TaskGroupMember, TaskStatus

#: Words for tasks that are left as they are, by their state.
LEFT = {
    states.PENDING: "wait already",
    states.PROCESSING: "are held by a worker already",
    states.COMPLETED: "have completed",
    states.FAILED: "have failed",
    states.CANCELLED: "were cancelled already",
}
#: Why a task was left as it is, although it could be changed a moment before.
NOT_TAKEN = "are locked by another transaction, or have the unique key of an unfinished task (try again)"


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change that is made.

    Parameters:
      act: Its name in the audit.
      words: For a number of tasks.
      sentence: About one task.
    """

    act: str
    words: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Verb:
    """A change of tasks.

    Parameters:
      act: The action, whose name is the word of the command.
      help: Its line in the help.
      before: Words for the change of tasks, by their state.
      after: Changes that it makes.
      left: Words for tasks that are left as they are, by their state, where they differ from `LEFT`.
    """

    act: actions.Action
    help: str
    before: dict[str, str]
    after: tuple[Change, ...]
    left: dict[str, str]

    @property
    def name(self) -> str:
        return self.act.name

    @property
    def HELP(self) -> str:  # noqa: N802 (As the modules of other subcommands have it.)
        return self.help

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("ids", nargs="*", metavar="ID", help="id of a task, or the beginning of it")
        parser.add_argument("--group", metavar="KEY", help="the tasks of a group, by its key")
        parser.add_argument("--search", metavar="WORDS", help='all tasks that a search finds, such as "state:failed"')
        options.add_yes(parser)
        options.add_why(parser)
        options.add_json(parser)

    def run(self, chosen: dict[str, Any], screen: Screen) -> int:
        """Change tasks, and write a line for each or for each kind of change. All are looked up before any is changed.

        Raises:
          CommandError: A task is unknown, none is named, or the question was not answered with yes.
        """
        rows = self._chosen(chosen)
        may = self.act.may()
        row_ids = list(rows.filter(may).order_by("-pk").values_list("pk", flat=True))
        left = Counter(rows.exclude(may).order_by().values_list("status", flat=True).iterator())
        if len(row_ids) > 1 and not chosen["yes"]:
            self._ask(row_ids, left, screen)
        changes = {change.act: change for change in self.after}
        done: dict[int, Change] = {}
        meant = {"by": audit.by_terminal(), "reason": chosen["why"], "query": chosen["search"] or ""}
        for changed in actions.pages(self.act, row_ids, **meant):
            page = {pk: changes[act] for act, pks in changed.items() for pk in pks}
            done |= page
            if screen.as_json:
                for task in facts.loaded(TaskStatus.objects.filter(pk__in=page)):
                    screen.json(facts.of(task) | {"done": page[task.pk].act})
        not_taken = len(row_ids) - len(done)
        if chosen["ids"]:
            self._tell_each(rows, done, screen)
            return FAILED if not_taken or left else DONE
        self._tell_all(Counter(done.values()), left, not_taken, screen)
        return FAILED if not_taken else DONE

    def _chosen(self, chosen: dict[str, Any]) -> QuerySet[TaskStatus]:
        if [bool(chosen["ids"]), chosen["group"] is not None, chosen["search"] is not None].count(True) != 1:
            raise CommandError(
                "Name the ids of tasks, or a group with --group KEY, or a search with --search WORDS.",
                returncode=WRONG,
            )
        if chosen["ids"]:
            return TaskStatus.objects.filter(pk__in=[task.pk for task in facts.find_all(chosen["ids"])])
        if chosen["search"] is not None:
            found = search.parse(chosen["search"])
            if not found:
                raise CommandError("--search has no word, so it would mean all tasks.", returncode=WRONG)
            return found.rows(TaskStatus.objects.all(), newest=None)
        key = chosen["group"]
        if not TaskGroup.objects.filter(key=key).exists():
            raise CommandError(f"Unknown group {key!r}. Nothing was changed.", returncode=WRONG)
        return TaskStatus.objects.filter(task_id__in=TaskGroupMember.objects.filter(group__key=key).values("task_id"))

    def _ask(self, row_ids: Sequence[int], left: Counter[str], screen: Screen) -> None:
        """Write the changes that are going to be made, and ask.

        Raises:
          CommandError: The answer is not yes, or there is no terminal to ask at.
        """
        count = len(row_ids)
        if not (screen.is_terminal and sys.stdin.isatty()):
            raise CommandError(
                f"This would {self.name} {count:,} tasks. Without a terminal to ask, it needs --yes. "
                "Nothing was changed.",
                returncode=WRONG,
            )
        screen.line(screen.painted(f"{self.name.capitalize()} {count:,} tasks?", BOLD))
        for status, number in self._statuses(row_ids).items():
            screen.line(f"  {number:,} {self.before[status]}")
        for line in self._left(left):
            screen.line(f"  {line}")
        screen.write("Type yes to go on: ")
        screen.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was changed.", returncode=FAILED)

    def _statuses(self, row_ids: Sequence[int]) -> Counter[str]:
        found: Counter[str] = Counter()
        for start in range(0, len(row_ids), ledger.PAGE):
            rows = TaskStatus.objects.filter(pk__in=row_ids[start : start + ledger.PAGE]).order_by()
            found.update(status for status in rows.values_list("status", flat=True) if status in self.before)
        return found

    def _left(self, left: Counter[str]) -> list[str]:
        words = LEFT | self.left
        return [f"{number:,} left as they are: they {words[status]}" for status, number in left.most_common()]

    def _tell_each(self, rows: QuerySet[TaskStatus], done: dict[int, Change], screen: Screen) -> None:
        """Write a line for each task that was named."""
        if screen.as_json:
            return
        for task in facts.loaded(rows):
            sentence = done[task.pk].sentence if task.pk in done else f"is left as it is: {facts.state(task)}."
            screen.line(f"{shown(task.task_id)} {sentence}")

    def _tell_all(self, done: Counter[Change], left: Counter[str], not_taken: int, screen: Screen) -> None:
        """Write a line for each kind of change."""
        if screen.as_json:
            return
        for change in self.after:
            screen.line(f"{done[change]:,} {change.words}")
        for line in self._left(left):
            screen.line(line)
        if not_taken:
            screen.line(f"{not_taken:,} left as they are: they {NOT_TAKEN}")


CANCEL = Verb(
    act=actions.CANCEL,
    help="cancel waiting tasks, and ask the workers of running ones to",
    before={
        states.PENDING: "waiting: cancelled at once",
        states.PROCESSING: "held by a worker: interrupted as soon as their code lets them, and not retried",
    },
    after=(
        Change(act="cancel", words="cancelled", sentence="is cancelled."),
        Change(
            act="request_cancel",
            words="held by a worker: their cancellation is requested",
            sentence="runs: its worker is asked to cancel it.",
        ),
    ),
    left={states.PROCESSING: "are being cancelled already"},
)
RETRY = Verb(
    act=actions.RETRY,
    help="run failed and cancelled tasks again, from their beginning and with the same arguments",
    before={
        states.FAILED: "failed: run again from their beginning, and their effects, such as mails, happen again",
        states.CANCELLED: "cancelled: run again from their beginning",
    },
    after=(
        Change(
            act="retry",
            words="retried: they run as soon as a worker is free",
            sentence="is retried: it runs as soon as a worker is free.",
        ),
    ),
    left={},
)
