"""The backend of Django's Tasks API: `TASKS = {"default": {"BACKEND": "workers.django_tasks.LedgerBackend"}}`.

Each task becomes an actor named by its dotted path when it is declared, so its rows are like those of any other actor.
"""

from __future__ import annotations  # Classes of Django 6 take no parameters in brackets.

import inspect
import logging
import pkgutil
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import partial
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

import django
import dramatiq
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.db import close_old_connections, connections, transaction
from django.utils import timezone
from django.utils.module_loading import import_string
from dramatiq.middleware import CurrentMessage

from apps.tasks import errors, states
from apps.tasks.conf import conf
from apps.tasks.json_safe import clean_text
from apps.tasks.queues import did_you_mean
from apps.tasks.signals import outcomes_written, worker_stopping
from apps.tasks.values import Outcome
from workers.process.attempt import ClaimedMessage
from workers.sending.actor import check_loop
from workers.sending.arguments import check_value

# Django 6 has the API itself. The types are its own.
if TYPE_CHECKING or django.VERSION >= (6, 0):
    from django.tasks import TaskContext, TaskResult, TaskResultStatus
    from django.tasks.backends.base import BaseTaskBackend
    from django.tasks.base import Task, TaskError
    from django.tasks.exceptions import InvalidTask, TaskResultDoesNotExist
    from django.tasks.signals import task_enqueued, task_finished, task_started
    from django.utils.json import normalize_json
else:
    from django_tasks import TaskContext, TaskResult, TaskResultStatus
    from django_tasks.backends.base import BaseTaskBackend
    from django_tasks.base import Task, TaskError
    from django_tasks.exceptions import InvalidTaskError as InvalidTask
    from django_tasks.exceptions import TaskResultDoesNotExist
    from django_tasks.signals import task_enqueued, task_finished, task_started
    from django_tasks.utils import normalize_json

logger = logging.getLogger(__name__)

#: Parameters of Django's tasks. Others of `@task` are options of the actor.
TASK_FIELDS = frozenset(one.name for one in fields(Task))
#: Options of the actors of tasks, where neither the task nor the backend says others. Django's tasks run once.
DEFAULT_OPTIONS = {"max_retries": 0}
#: Class of the error of a task that ended without an exception, such as one that expired or was cancelled.
NO_EXCEPTION = "apps.tasks.errors.TaskError"


#: Ways to send an actor, and those of a task.
SENDS = {
    "send": "write enqueue(...)",
    "send_with_options": "write using(priority=..., queue_name=..., run_after=...).enqueue(...)",
    "asend": "write await aenqueue(...)",
    "delay": "write enqueue(...)",
    "apply_async": "write using(...).enqueue(...)",
}

#: Option of a message whose priority is not its actor's: the task's.
PRIORITY_OPTION = "task_priority"
#: Ends whose rows are read at once, at most.
MANY = 200
#: Types whose values JSON carries as they are.
PLAIN = frozenset({int, str, bool, float, type(None)})

#: Dotted paths of the tasks that this process knows.
_paths: set[str] = set()


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerTask(Task):
    """A task of Django's API with options of our actors: `@task(max_retries=3, time_limit=60_000)`."""

    actor_options: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __getattr__(self, name: str) -> Any:
        if name in SENDS:
            raise AttributeError(
                f"{self.func.__name__} is a task of Django's API and has no {name}: {SENDS[name]}", name=name, obj=self
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerResult(TaskResult):  # type: ignore[misc]
    """A result whose arguments are what JSON carries already. Django's own makes them so at each send."""

    #: By the sender's clock until the row is read, which has the database's.
    enqueued_at: datetime | None = field(compare=False)

    def __post_init__(self) -> None:
        pass


class LedgerTaskError(TaskError):
    """An error whose class may be inside another one, as `Order.DoesNotExist` is."""

    @property
    def exception_class(self) -> type[BaseException]:
        """Class of the exception. Raises: ImportError, ValueError: This process has no such class."""
        try:
            return super().exception_class
        except ImportError:
            with suppress(AttributeError, ValueError):
                found = pkgutil.resolve_name(self.exception_class_path)
                if isinstance(found, type) and issubclass(found, BaseException):
                    return found
            raise


class LedgerBackend(BaseTaskBackend):
    """Records tasks of Django's API in the ledger and lets the workers run them.

    Parameters of its `OPTIONS`: options of actors, as defaults for its tasks. `max_retries` is 0 if neither says it.
    """

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        #: Actors by function, priority and queue that were found valid. Reading a signature at each send is slow.
        self._actors: dict[tuple[Any, ...], Any] = {}

    def task_class(self, **parameters: Any) -> LedgerTask:  # type: ignore[override]
        """Return a task. Parameters that Django does not know are options of its actor."""
        own = {name: parameters.pop(name) for name in list(parameters) if name not in TASK_FIELDS}
        return LedgerTask(**parameters, actor_options=own)

    def validate_task(self, task: Task[..., Any]) -> None:
        """Refuse a task that cannot run here, and declare its actor.

        Raises:
          InvalidTask: Django's rules forbid it. The backport's name is InvalidTaskError.
          BadOptionError, UnknownQueueError: As the declaration of an actor.
        """
        self._check_types(task)
        super().validate_task(task)
        self._actor_of(task)

    def _check_types(self, task: Task[..., Any]) -> None:
        """Refuse values that Django compares without a look at their types, and name the queues."""
        if type(task.priority) not in (int, float):
            raise InvalidTask(f"priority is {task.priority!r}, must be a whole number from -100 to 100, higher first")
        if task.run_after is not None and not isinstance(task.run_after, datetime):
            raise InvalidTask(f"run_after is {task.run_after!r}, must be a datetime: timezone.now() + timedelta(...)")
        if self.queues and task.queue_name not in self.queues:
            raise InvalidTask(
                f"Queue {task.queue_name!r} is not valid for backend. Must be one of its QUEUES: "
                f"{', '.join(sorted(self.queues))}{did_you_mean(task.queue_name, self.queues)}"
            )

    def _actor_of(self, task: Task[..., Any]) -> Any:
        broker: Any = dramatiq.get_broker()
        path = task.module_path
        if path not in broker.actors:
            for queue_name in self.queues:
                broker.declare_queue(queue_name)
            options: dict[str, Any] = DEFAULT_OPTIONS | self.options | dict(getattr(task, "actor_options", {}))
            declare = dramatiq.actor(actor_name=path, queue_name=task.queue_name, priority=-task.priority, **options)
            declare(self._function_of(task))
            _paths.add(path)
        return broker.actors[path]

    def _function_of(self, task: Task[..., Any]) -> Callable[..., Any]:
        """Return the function of the task's actor. It looks like the task's own, without the context."""

        def is_told() -> bool:
            is_in_worker = CurrentMessage.get_current_message() is not None
            return task.takes_context or bool(is_in_worker and task_started.receivers)

        def begin(args: tuple[Any, ...]) -> tuple[Any, ...]:
            result = self._running_result(task)
            task_started.send(type(self), task_result=result)
            return (TaskContext(task_result=result), *args) if task.takes_context else args

        async def run_async(*args: Any, **kwargs: Any) -> Any:
            if is_told():
                args = await sync_to_async(begin)(args)
            return normalize_json(await task.func(*args, **kwargs))

        def run_plain(*args: Any, **kwargs: Any) -> Any:
            if is_told():
                args = begin(args)
            return normalize_json(task.func(*args, **kwargs))

        run: Callable[..., Any] = run_async if inspect.iscoroutinefunction(task.func) else run_plain
        signature = inspect.signature(task.func)
        if task.takes_context:
            signature = signature.replace(parameters=list(signature.parameters.values())[1:])
        for name in ("__module__", "__name__", "__qualname__", "__doc__"):
            setattr(run, name, getattr(task.func, name))
        run.__signature__ = signature  # type: ignore[attr-defined]
        return run

    def _running_result(self, task: Task[..., Any]) -> TaskResult[Any, Any]:
        """Return the result of the task that this thread runs. Its row may not tell its start yet."""
        message = CurrentMessage.get_current_message()
        if message is None:
            raise RuntimeError(f"{task.module_path} runs outside of a worker: use perform() of workers.testing")
        now = timezone.now()
        attempt = message.attempt if isinstance(message, ClaimedMessage) else None
        if attempt is None or not attempt.claim.attempt:
            # Of a first attempt the message tells all: reading the row would cost more than most tasks. Without an
            # attempt a test performs the task.
            worker_id = "" if attempt is None else str(attempt.claim.worker_id)
            return self._first_result(task, message, worker_id=worker_id, started_at=_shown(now))
        result = self.get_result(message.message_id)
        _set(result, status=TaskResultStatus.RUNNING, last_attempted_at=now, started_at=result.started_at or now)
        return result

    def _first_result(
        self, task: Task[..., Any], message: Any, *, worker_id: str, started_at: Any
    ) -> TaskResult[Any, Any]:
        """Return the result of a task that runs for the first time."""
        priority = message.options.get(PRIORITY_OPTION, task.priority)
        return LedgerResult(
            task=_as_sent(task, priority=priority, queue_name=message.queue_name, backend=self.alias),
            id=message.message_id,
            status=TaskResultStatus.RUNNING,
            enqueued_at=_shown(datetime.fromtimestamp(message.message_timestamp / 1000, UTC)),
            started_at=started_at,
            finished_at=None,
            last_attempted_at=started_at,
            args=_normalized(task, list(message.args)),
            kwargs=_normalized(task, dict(message.kwargs)),
            backend=self.alias,
            errors=[],
            worker_ids=[worker_id],
        )

    def enqueue(self, task: Task[..., Any], args: Iterable[Any], kwargs: Mapping[str, Any]) -> TaskResult[Any, Any]:
        """Record a task in the caller's transaction. Workers see it when that commits.

        Raises:
          InvalidTask: As `validate_task`.
          TypeError: JSON cannot carry an argument.
          Others: As `LedgerBroker.enqueue`.
        """
        broker: Any = dramatiq.get_broker()
        known = (task.func, task.priority, task.queue_name)
        actor = self._actors.get(known)
        if actor is None or broker.actors.get(actor.actor_name) is not actor:
            self.validate_task(task)
            actor = self._actors[known] = self._actor_of(task)
        arguments: Any = _normalized(task, list(args))
        named: Any = _normalized(task, dict(kwargs))
        # Without options a send is cheaper.
        options: dict[str, Any] = {} if actor.priority == -task.priority else {"priority": -task.priority}
        is_urgent = bool(options)
        run_after = task.run_after
        if run_after is not None:
            run_after = timezone.make_aware(run_after) if timezone.is_naive(run_after) else run_after
            if run_after > timezone.now():
                options["delay"] = run_after
        message = actor.message_with_options(args=tuple(arguments), kwargs=named, **options)
        if is_urgent:
            message.options[PRIORITY_OPTION] = task.priority
        if message.queue_name != task.queue_name:
            message = message.copy(queue_name=task.queue_name)
        sent = broker.enqueue(message, delay=message.options.get("delay"))
        if sent.message_id != message.message_id:
            return self.get_result(sent.message_id)
        result = LedgerResult(
            task=task,
            id=message.message_id,
            status=TaskResultStatus.READY,
            enqueued_at=timezone.now(),
            started_at=None,
            finished_at=None,
            last_attempted_at=None,
            args=arguments,
            kwargs=named,
            backend=self.alias,
            errors=[],
            worker_ids=[],
        )
        database = transaction.get_connection()
        if database.in_atomic_block or not database.autocommit:
            transaction.on_commit(partial(task_enqueued.send, type(self), task_result=result), robust=True)
        else:
            task_enqueued.send_robust(type(self), task_result=result)
        return result

    async def aenqueue(
        self, task: Task[..., Any], args: Iterable[Any], kwargs: Mapping[str, Any]
    ) -> TaskResult[Any, Any]:
        """Record a task from async code.

        Raises:
          AsyncTransactionError: As `asend` of an actor.
          Others: As `enqueue`.
        """
        check_loop(task.module_path)
        return await super().aenqueue(task, list(args), dict(kwargs))

    def get_result(self, result_id: str) -> TaskResult[Any, Any]:
        """Return the result of a task, whatever its state.

        Raises:
          TaskResultDoesNotExist: No task has the id, or it is no task of Django's API that this process can import.
        """
        from apps.tasks.models import TaskStatus

        text = str(result_id)
        row = TaskStatus.objects.filter(task_id=text).first() if clean_text(text) == text else None
        task = None if row is None else _task_named(row.task_name)
        if row is None or task is None:
            raise TaskResultDoesNotExist(result_id)
        return self.result_of(row, task)

    def result_of(self, row: Any, task: LedgerTask) -> TaskResult[Any, Any]:
        """Return the result of a row's task."""
        # A first attempt that has not failed has no row of its own.
        has_attempts = row.attempt or row.status in (states.FAILED, states.CANCELLED)
        attempts = row.attempts.order_by("attempt") if has_attempts else []
        ended = [one for one in attempts if one.started_at is not None or one.error_type]
        starts = {one.attempt: one.started_at for one in ended if one.started_at is not None}
        if row.started_at:
            # The attempt's own record is written a moment after the row's end.
            starts[row.attempt] = row.started_at
        workers = [str(one.worker_id) for one in ended if one.worker_id]
        is_counted = any(one.attempt == row.attempt for one in ended)
        if not is_counted and row.worker_id:
            workers.append(str(row.worker_id))
        errors = [_error(one) for one in ended if one.error_type or one.error_message]
        if row.status in (states.FAILED, states.CANCELLED) and not (is_counted and errors):
            errors.append(_error(row))
        is_due = row.run_at <= row.created_at
        result = LedgerResult(
            task=_as_sent(
                task,
                priority=-row.priority,
                queue_name=row.queue_name,
                run_after=None if is_due or row.status != states.PENDING else _shown(row.run_at),
                backend=self.alias,
            ),
            id=row.task_id,
            status=_status(row),
            enqueued_at=_shown(row.created_at),
            started_at=_shown(min(starts.values(), default=None)),
            finished_at=_shown(row.finished_at),
            last_attempted_at=_shown(max(starts.values(), default=None)),
            args=row.args,
            kwargs=row.kwargs,
            backend=self.alias,
            errors=errors,
            worker_ids=workers,
        )
        _set(result, _return_value=row.result)
        return result

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """tasks.E010: The `QUEUES` of the backend are queues of `TASK_QUEUES`, if the settings declare some."""
        unknown = sorted(self.queues.difference(conf.TASK_QUEUES)) if conf.TASK_QUEUES else []
        if not unknown:
            return []
        return [
            Error(
                f"TASKS[{self.alias!r}] names queues that TASK_QUEUES does not declare: {', '.join(unknown)}.",
                hint=f"Must be of: {', '.join(sorted(conf.TASK_QUEUES))}",
                id="tasks.E010",
            )
        ]


def _as_sent(task: Any, **changes: Any) -> Any:
    """Return the task as it was sent. Making another one reads the signature of its function."""
    return task if all(getattr(task, name) == value for name, value in changes.items()) else task.using(**changes)


def _normalized(task: Task[..., Any], values: Any) -> Any:
    """Return what JSON makes of arguments, which is mostly what they are."""
    each = values.values() if isinstance(values, dict) else values
    if PLAIN.issuperset(map(type, each)):
        return values
    try:
        return normalize_json(values)
    except TypeError:
        for name, value in values.items() if isinstance(values, dict) else enumerate(values, start=1):
            check_value(task.module_path, f"argument {name!r}", value)
        raise


def _shown(timestamp: Any) -> Any:
    """Return a timestamp as the project's code has them: naive without USE_TZ."""
    if timestamp is not None and not settings.USE_TZ and timezone.is_aware(timestamp):
        return timezone.make_naive(timestamp)
    return timestamp


def _set(result: TaskResult[Any, Any], **values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(result, name, value)


def _task_named(path: str) -> LedgerTask | None:
    try:
        found = import_string(path)
    except (ImportError, TypeError, ValueError):  # Actors may have names that are no paths.
        return None
    return found if isinstance(found, LedgerTask) else None


def _status(row: Any) -> TaskResultStatus:
    if row.status == states.PROCESSING:
        return TaskResultStatus.RUNNING
    if row.status == states.PENDING:
        return TaskResultStatus.READY
    return TaskResultStatus.SUCCESSFUL if row.status == states.COMPLETED else TaskResultStatus.FAILED


def _error(ended: Any) -> TaskError:
    """Return the error of a row or an attempt. Names of built-in exceptions have no module in the ledger."""
    name = ended.error_type or NO_EXCEPTION
    path = name if "." in name else f"builtins.{name}"
    return LedgerTaskError(exception_class_path=path, traceback=ended.traceback or ended.error_message)


class FinishedSignals:
    """Sends `task_finished` once the end of a task is committed, in the process that wrote it.

    It has a thread of its own, since a slow receiver must not keep the writer from its work. Where no writer's thread
    runs, as in `run_due` of the testing kit, it sends them at once: no other thread sees the transaction of a test.
    """

    def __init__(self) -> None:
        self._task_ids: Queue[str] = Queue()
        self._thread: threading.Thread | None = None

    def take_outcomes(
        self, sender: object, *, outcomes: Iterable[Outcome], may_block: bool = False, **kwargs: object
    ) -> None:
        """Take the ends that a worker process wrote."""
        ended = [one for one in outcomes if one.move.target in states.TERMINAL and one.task_name in _paths]
        if may_block:
            if ended:
                self._send([one.claim.task_id for one in ended])
            return
        for one in ended:
            self._task_ids.put(one.claim.task_id)
        if ended and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="task-finished", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            task_ids = self._take()
            try:
                close_old_connections()
                self._send(task_ids)
            except Exception:
                logger.exception("task_finished was not sent count=%d first=%s", len(task_ids), task_ids[0])
            finally:
                if self._task_ids.empty():
                    connections.close_all()
                for _ in task_ids:
                    self._task_ids.task_done()

    def _take(self) -> list[str]:
        """Wait for the next end, and return it with those that came meanwhile."""
        task_ids = [self._task_ids.get()]
        with suppress(Empty):
            while len(task_ids) < MANY:
                task_ids.append(self._task_ids.get_nowait())
        return task_ids

    def settle(self, sender: object, *, timeout_seconds: float, **kwargs: object) -> None:
        """Wait for the signals of a worker process that stops. The thread ends with the process."""
        is_done = self._task_ids.all_tasks_done
        with is_done:
            if not is_done.wait_for(lambda: not self._task_ids.unfinished_tasks, timeout_seconds):
                logger.warning("task_finished is not sent for all count=%d", self._task_ids.unfinished_tasks)

    def _send(self, task_ids: list[str]) -> None:
        from apps.tasks.models import TaskStatus

        rows = TaskStatus.objects.in_bulk(task_ids, field_name="task_id")
        for row in (rows[task_id] for task_id in task_ids if task_id in rows):  # Others were cleaned up since.
            task = _task_named(row.task_name)
            if task is None:
                continue
            backend: Any = task.get_backend()
            result = backend.result_of(row, task)
            try:
                if result.status == TaskResultStatus.FAILED:
                    raise errors.TaskError(result.errors[-1].traceback)
                _tell_finished(backend, result)
            except errors.TaskError:
                # As if its exception were handled here: Django's own receiver logs that.
                _tell_finished(backend, result)


def _tell_finished(backend: LedgerBackend, result: TaskResult[Any, Any]) -> None:
    for receiver, answer in task_finished.send_robust(type(backend), task_result=result):
        if isinstance(answer, Exception):
            logger.error("receiver of task_finished failed id=%s receiver=%r error=%r", result.id, receiver, answer)


_finished = FinishedSignals()
outcomes_written.connect(_finished.take_outcomes, dispatch_uid="django_tasks")
worker_stopping.connect(_finished.settle, dispatch_uid="django_tasks")
