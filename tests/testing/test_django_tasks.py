"""The testing kit with tasks of Django's Tasks API."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import ModuleType
from unittest import mock

import dramatiq
import pytest
from asgiref.sync import async_to_sync
from django.test import TestCase
from django_tasks.exceptions import InvalidTaskError

from apps.tasks.errors import AsyncTransactionError
from tests.acting import django_tasks as tasks
from tests.acting.models import Effect
from tests.docs import pages
from workers import testing
from workers.testing import MisuseError, assert_sent, perform, refute_sent, run_due, run_tasks, sent


class DjangoTasksTests(TestCase):
    def test_a_send_is_found_by_its_arguments_and_runs(self) -> None:
        result = tasks.add.enqueue(1, second=2)
        assert assert_sent(tasks.add, first=1).task_id == result.id
        refute_sent(tasks.add, 2)
        refute_sent(tasks.give)
        [task] = run_due()
        assert task.result == 3
        assert tasks.add.get_result(result.id).return_value == 3

    def test_retries_run_with_their_context(self) -> None:
        tasks.succeed_at.enqueue(2)
        assert [task.status for task in run_tasks()] == ["pending", "completed"]

    def test_one_task_runs_alone(self) -> None:
        assert perform(tasks.add, 1, 2) == 3
        assert perform(tasks.add_later, 1, 2) == 3
        assert sent() == []

    def test_the_class_of_an_error_may_be_inside_another_one(self) -> None:
        result = tasks.not_there.enqueue()
        run_due()
        result.refresh()
        [error] = result.errors
        assert error.exception_class_path == "tests.acting.models.Effect.DoesNotExist"
        assert error.exception_class is Effect.DoesNotExist
        broken = replace(error, exception_class_path="tests.acting.models.Effect.Gone")
        with pytest.raises(ImportError):
            _ = broken.exception_class

    def test_a_loop_inside_the_transaction_is_refused_at_once(self) -> None:
        with self.assertRaisesMessage(AsyncTransactionError, "async_to_sync instead of asyncio.run"):
            asyncio.run(tasks.add.aenqueue(1))
        result = async_to_sync(tasks.add.aenqueue)(1)
        assert assert_sent(tasks.add).task_id == result.id

    def test_a_task_with_a_context_runs_alone_as_its_first_attempt(self) -> None:
        attempt, _, errors = perform(tasks.succeed_at, 1)
        assert (attempt, errors) == (1, 0)
        with pytest.raises(LookupError, match="too early"):
            perform(tasks.succeed_at, 2)

    def test_what_a_task_cannot_be_sent_with_is_told(self) -> None:
        wrong: list[tuple[Callable[[], object], type[Exception], str]] = [
            (lambda: tasks.give.enqueue(Effect(pk=1)), TypeError, "argument 1 for .*the Effect itself; send effect.id"),
            (lambda: tasks.give.enqueue(value={1}), TypeError, r"argument 'value' for .*set.*\(send a list\)"),
            (lambda: tasks.give.using(priority="high"), InvalidTaskError, "priority is 'high', must be a whole number"),  # type: ignore[arg-type]
            (lambda: tasks.give.using(run_after=timedelta(1)), InvalidTaskError, "run_after is .*, must be a datetime"),  # type: ignore[arg-type]
            (lambda: tasks.give.using(queue_name="defalt"), InvalidTaskError, "Must be one of.*did you mean 'default'"),
            (lambda: tasks.give.send(1), AttributeError, "of Django's API and has no send: write enqueue"),  # type: ignore[attr-defined]
            (lambda: tasks.give.sned(1), AttributeError, "object has no attribute 'sned'"),  # type: ignore[attr-defined]
        ]
        for send, kind, told in wrong:
            with pytest.raises(kind, match=told):
                send()
        refute_sent(tasks.give)

    def test_the_example_of_the_docs_passes(self) -> None:
        _, *sources = pages.blocks(pages.DOCS / "django-tasks.md", "python")
        module = ModuleType("reminders")
        with mock.patch.dict(sys.modules, reminders=module):
            for source in sources:
                exec(source, module.__dict__)
            module.test_a_reminder_is_sent_after_an_hour(testing)
        for name in ("send_receipt", "send_reminder"):
            del dramatiq.get_broker().actors[f"reminders.{name}"]

    def test_what_is_no_task_is_refused(self) -> None:
        with self.assertRaisesMessage(MisuseError, "must be an actor or a task"):
            sent(tasks.add.func)  # type: ignore[arg-type]
