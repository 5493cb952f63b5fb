"""The broker: Dramatiq's own, with a row for each message.

It is imported before Django's models exist, so functions import the ledger where they use it.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from dramatiq import Actor, Message
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import q_name
from dramatiq.errors import ActorNotFound, QueueJoinTimeout, QueueNotFound
from dramatiq.middleware import Callbacks, CurrentMessage, Middleware, MiddlewareError, Pipelines, Retries
from dramatiq.middleware.group_callbacks import GroupCallbacks
from dramatiq.threading import Interrupt

from apps.tasks import progress, queues, states
from apps.tasks.conf import conf
from apps.tasks.errors import BadArgumentsError, FollowUpError, QueueFullError
from apps.tasks.json_safe import COMPACT, json_safe
from apps.tasks.limits import declared as limits
from apps.tasks.log_context import with_request
from apps.tasks.queues import did_you_mean
from apps.tasks.results import IN_A_TEST, failure_of
from apps.tasks.values import KEY_OPTION, PARENT_OPTION, Send, Unique
from workers.process.attempt import Attempt
from workers.process.failure import Failure
from workers.sending import arguments, elsewhere, following, options, times, unique
from workers.sending.actor import adopt
from workers.sending.back_pressure import BackPressure
from workers.sending.elsewhere import ActorElsewhere
from workers.sending.on_commit import is_by_hand, pack_sends, publish_on_commit
from workers.sending.sent_message import SentMessage, sent
from workers.wire.message import WIRE_OPTIONS
from workers.wire.queue import WireQueue

if TYPE_CHECKING:
    from workers.process.consumer import LedgerConsumer
    from workers.process.runtime import Runtime

logger = logging.getLogger(__name__)

#: Options of a message that have columns of their own, or are for its send alone.
COLUMN_OPTIONS = (
    "owner_id", "priority", "weight", "delay", "eta", "max_age", "expires", "retries", "traceback",
    "requeue_timestamp", elsewhere.OPTION, *unique.OPTIONS, *WIRE_OPTIONS,
)  # fmt: skip

#: Those that a retry keeps nevertheless: no column has them.
KEPT = ("requeue_timestamp",)

#: Signals around the ack of a message. A hook that kept a message from it would keep the attempt for ever.
ACK_SIGNALS = ("ack", "nack")
#: Signals after an actor has returned or raised. Whatever a hook raises then, the attempt has to end.
ENDING_SIGNALS = ("process_message", "skip_message", *ACK_SIGNALS)
#: Signal before an actor is called, and those after which its thread has called all hooks of its message.
PROCESSING, ENDS = "process_message", ("process_message", "skip_message")

#: Messages that one statement records, of many.
RUN = 2_000
#: Place of the first field that plain sends of one actor have in common, with all after it.
ALIKE = Send._fields.index("priority")

#: Milliseconds that a join waits, unless it says otherwise.
JOIN_MS = 60_000

#: Middleware that sends what follows a task.
FOLLOWING = (Callbacks, Pipelines, GroupCallbacks, Retries)


class LedgerBroker(RedisBroker):
    """Records each message in the ledger, in the caller's transaction, and publishes it on commit.

    Parameters:
      url: Address of Redis.
      namespace: First part of every key in Redis. Projects that share a Redis need one each.
      middleware: Dramatiq's middleware, in Dramatiq's order.
    """

    def __init__(self, *, url: str, namespace: str = "ledger", middleware: list[Middleware] | None = None) -> None:
        self.wire = WireQueue(url, namespace=namespace, fast_path=conf.TASK_FAST_PATH)
        #: Listeners of each hook, for the list of middleware as it was then.
        self._listening: dict[str, list[Middleware]] = {}
        self._listening_of: list[Middleware] = []
        # Without Dramatiq's maintenance, which runs by chance. The relay does its work.
        super().__init__(client=self.wire.workers, middleware=middleware, namespace=namespace, maintenance_chance=0)
        self.back_pressure = BackPressure(self.actors)
        #: The parts of this worker process. The Lifecycle middleware sets it when a worker boots.
        self.runtime: Runtime | None = None
        #: Weights of queues that the command of this worker process named.
        self.weights: dict[str, int] = {}
        #: Isolated tasks that run at once in this worker process, as its command says. None: as the settings say.
        self.isolated: int | None = None

    # --- Signals ---

    def emit_before(self, signal: str, *args: Any, **kwargs: Any) -> None:
        if signal == PROCESSING:
            Attempt.note_processing(args[0])
        hook = f"before_{signal}"
        for middleware in self.listeners(hook):
            try:
                getattr(middleware, hook)(self, *args, **kwargs)
            except Exception as error:
                if isinstance(error, MiddlewareError) and signal not in ACK_SIGNALS:
                    raise
                _log_broken_hook(hook, middleware, Failure.of(error))

    def emit_after(self, signal: str, *args: Any, **kwargs: Any) -> None:
        hook = f"after_{signal}"
        for middleware in reversed(self.listeners(hook)):
            try:
                getattr(middleware, hook)(self, *args, **kwargs)
            except Interrupt:
                raise
            except BaseException as error:
                self._note_broken_hook(middleware, signal, error)
        if signal in ENDS:
            Attempt.note_processing(None)

    def _note_broken_hook(self, middleware: Middleware, signal: str, error: BaseException) -> None:
        """Log the error of an after-hook. The outcome of the attempt that ends, if one does, tells it as well."""
        attempt = Attempt.ending()
        if not isinstance(error, Exception) and signal not in ENDING_SIGNALS:
            raise error
        failure = Failure.of(error)
        _log_broken_hook(f"after_{signal}", middleware, failure)
        if attempt is not None:
            is_following = isinstance(middleware, FOLLOWING) or issubclass(type(error), FollowUpError)
            attempt.note_broken_hook(type(middleware).__name__, is_following=is_following, failure=failure)

    def listeners(self, hook: str) -> list[Middleware]:
        """Return the middleware that implements a hook. Dramatiq calls all of it: two dozen empty calls a task."""
        if self._listening_of != self.middleware:
            self._listening_of, self._listening = list(self.middleware), {}
        found = self._listening.get(hook)
        if found is None:
            nothing = getattr(Middleware, hook, None)
            found = [one for one in self.middleware if _function(one, hook) is not nothing]
            self._listening[hook] = found
        return found

    # --- Declaring ---

    @property
    def actor_options(self) -> set[str]:
        """Options that actors may have."""
        return self._actor_options

    @actor_options.setter
    def actor_options(self, names: set[str]) -> None:
        self._actor_options = options.Declared(names)

    def declare_actor(self, actor: Actor[..., Any]) -> None:
        """Declare an actor, which becomes a `LedgerActor`.

        Raises:
          BadOptionError: One of its options is unknown, or has a wrong value.
          UnknownQueueError: The settings declare queues, and not the actor's.
        """
        options.check_actor(actor, known=self.actor_options, on_messages=options.of_messages(self))
        if conf.TASK_QUEUES:
            queues.check_known(actor.queue_name, conf.TASK_QUEUES, of=actor.actor_name)
        adopt(actor)
        super().declare_actor(actor)

    def get_actor(self, actor_name: str) -> Actor[..., Any]:
        """Return a declared actor.

        Raises:
          ActorNotFound: None has the name. It says which ones there are.
        """
        if (found := self.actors.get(actor_name)) is not None:
            return found
        close = did_you_mean(actor_name, self.actors)
        apps = sorted({name.rpartition(".")[0] for name in self.actors} - {""})
        raise ActorNotFound(
            f"Unknown actor {times.shown(actor_name)}{close}"
            + ("" if close else f", must be one of the {len(self.actors)} actors of: {', '.join(apps)}")
        )

    def declare_queue(self, queue_name: str) -> None:
        """Declare a queue. There are no delay queues: a delay is a row.

        Raises:
          UnknownQueueError: `TASK_QUEUES` declares queues, and not this one.
        """
        if queue_name not in self.queues:
            if conf.TASK_QUEUES:
                queues.check_known(queue_name, conf.TASK_QUEUES)
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    # --- Sending ---

    def enqueue(self, message: Message[Any], *, delay: Any = None) -> SentMessage:
        """Record a message in the caller's transaction and publish it on commit.

        Parameters:
          delay: Milliseconds before it may run, or a timedelta. Ten years at most. If the message has a `delay` or
            an `eta` of its own, the later of both counts.

        Returns:
          The message, a `SentMessage`. If another task stands for a unique send, it has the id of that one. A message
          that follows a task is recorded with its outcome, and always new here.

        Raises:
          ActorNotFound: No actor of that name is declared, and the message has not the option `elsewhere`.
          BadArgumentsError: The actor cannot be called with the message's arguments, or JSON cannot carry them.
          TooLargeError: The arguments have more than `TASK_MAX_ARGUMENT_BYTES`.
          UnknownQueueError: `TASK_QUEUES` declares queues, and not the message's.
          QueueFullError: Its queue or its actor has as many waiting tasks as its `max_waiting`.
          FollowUpError: The message follows a task that ends, and JSON cannot carry its arguments.
          Cancelled: The task that sends is cancelled: before the send, or after it.
        """
        own = Attempt.of(message)
        if own is not None:
            return self._enqueue_again(own, message, delay=delay)
        attempt = Attempt.ending()
        with progress.shielded():
            self.emit_before("enqueue", message, delay)
            if attempt is not None:
                # Callbacks and pipelines belong to the outcome and are recorded in its commit.
                attempt.sends.append(self.follow_up_of(message, delay=delay))
                found = sent(message)
            else:
                known = self._record([self.send_of(message, delay=delay)])
                found = sent(message, known_as=known.get(0))
            self.emit_after("enqueue", found, delay)
        return found

    def _enqueue_again(self, attempt: Attempt, message: Any, *, delay: Any) -> SentMessage:
        """Let a task run again whose own message was enqueued: a retry, or a middleware or its actor put it off.

        Raises:
          BadArgumentsError: The delay is none, or the message differs in more than its options.
          FollowUpError: JSON cannot carry the options that a middleware has set.
          EndedError: The end of the attempt is written.
        """
        with progress.shielded():
            self.emit_before("enqueue", message, delay)
            following.check_again(attempt.message, message)
            delay_ms = times.delay_ms(message.actor_name, delay)
            attempt.retry(delay_ms=delay_ms, options=_options_of_retry(message))
            self.emit_after("enqueue", message, delay)
        return sent(message)

    def send_many(self, messages: Iterable[Message[Any]]) -> list[SentMessage]:
        """Record many messages with one insert and publish them with one call. All are checked before any is sent.

        Returns, Raises: As `enqueue`.
        """
        given = list(messages)
        with progress.shielded():
            if self.listeners("before_enqueue"):
                for message in given:
                    self.emit_before("enqueue", message, None)
            known = self._record_many(given)
            found = [sent(message, known_as=known.get(position)) for position, message in enumerate(given)]
            if self.listeners("after_enqueue"):
                for message in found:
                    self.emit_after("enqueue", message, None)
        return found

    def _record_many(self, messages: Sequence[Message[Any]]) -> dict[int, str]:
        """Record and publish messages. Return what `_record` does."""
        if len(messages) > RUN and self._are_plain(messages):
            # An id that is known is the only conflict there can be, and then the whole is done again with a look at it.
            with suppress(IntegrityError):
                self._insert_runs(messages)
                return {}
        return self._record(list(self._sends_of(messages)))

    def _are_plain(self, messages: Sequence[Message[Any]]) -> bool:
        """Return whether the messages are of one actor and need a look at their arguments alone."""
        name, queue_name = messages[0].actor_name, messages[0].queue_name
        actor = self.actors.get(name)
        return (
            actor is not None
            and limits.of(name) is None
            and not unique.is_unique(actor.options)
            and not self.back_pressure.is_limited(queue_name, name)
            and not is_by_hand()
            and all(not one.options and one.actor_name == name and one.queue_name == queue_name for one in messages)
        )

    def _insert_runs(self, messages: Iterable[Message[Any]]) -> None:
        """Record messages with new ids in one transaction, run by run, and publish them.

        While the database writes one run, the next one is checked.

        Raises:
          IntegrityError: An id is known. Nothing is recorded.
        """
        from apps.tasks import ledger

        packed: list[Any] = []
        sends = self._sends_of(messages)
        run, following = list(islice(sends, RUN)), list[Send]()

        def prepare() -> None:
            nonlocal following
            packed.extend(pack_sends(run, self.wire))
            following = list(islice(sends, RUN))

        with transaction.atomic():
            while run:
                ledger.record_new(run, meanwhile=prepare)
                run = following
        publish_on_commit(packed, self.wire.publish_packed)

    def _record(self, sends: list[Send]) -> dict[int, str]:
        """Record and publish sends. Return those that are not new: for each, by position, the id of its task."""
        from apps.tasks import ledger

        numbers = self.back_pressure.limits_of(sends)
        if numbers is None:
            return self._insert(sends)
        at_once = transaction.get_autocommit()
        try:
            with self.back_pressure.room_for(numbers):
                return self._insert(sends, at_once=at_once)
        except QueueFullError as error:
            # A send that is a known task needs no room.
            expected, full = ledger.not_new(sends, at_once=at_once), error
            if not expected:
                raise
        numbers = self.back_pressure.limits_of([one for place, one in enumerate(sends) if place not in expected])
        with self.back_pressure.room_for(numbers or Counter()), transaction.atomic():
            known = self._insert(sends, at_once=at_once)
            if not expected <= known.keys():
                # Its task has ended since then.
                raise full
            return known

    def _insert(self, sends: list[Send], *, at_once: bool | None = None) -> dict[int, str]:
        from apps.tasks import ledger

        packed: list[Any] = []
        if is_by_hand():
            # The relay publishes delayed rows, as soon as they are committed.
            sends = [send._replace(delay_ms=max(send.delay_ms, 1)) for send in sends]

        def prepare(new: Sequence[Send]) -> None:
            packed.extend(pack_sends(new, self.wire))
            if packed:
                # Inside a transaction its locks would wait for Redis, too.
                self.wire.settle(wait=transaction.get_connection().autocommit)

        known = ledger.record(sends, meanwhile=prepare, at_once=at_once)
        if packed:
            publish_on_commit(packed, self.wire.publish_packed)
        return known

    def send_of(self, message: Message[Any], *, delay: Any = None) -> Send:
        """Return the message as the ledger records it, checked. Raises: As `enqueue`."""
        given = message.options
        is_elsewhere = elsewhere.OPTION in given and message.actor_name not in self.actors
        actor: Any = ActorElsewhere(message) if is_elsewhere else self.get_actor(message.actor_name)
        plain = arguments.plain_options(message) if given else given
        checked = arguments.check(actor, message, options=plain, max_bytes=conf.TASK_MAX_ARGUMENT_BYTES)
        priority = arguments.priority_of(message, actor)
        arguments.check_columns(message, priority=priority)
        queue_name = q_name(message.queue_name)
        if conf.TASK_QUEUES and not is_elsewhere:
            queues.check_known(queue_name, conf.TASK_QUEUES)
        related_type, related_id = _related(actor, checked.first)
        if "pipe_target" in given:
            following.check_next(actor, given["pipe_target"], actors=self.actors, check_send=self.send_of)
        delay_ms, max_age_ms = times.checked_start_and_age(actor, message, delay=delay)
        owner_id = arguments.owner_key(given.get("owner_id", _current_owner()))
        line, weight = limits.place_of(
            message.actor_name, message.args, message.kwargs, owner_id=owner_id, weight=given.get("weight")
        )
        key = None
        if given or unique.is_unique(actor.options):
            key = self._unique_of(actor, message, is_delayed=bool(delay_ms))
        if key is not None and key.debounce_ms is not None:
            delay_ms, max_age_ms = times.checked_start_and_age(actor, message, delay=key.debounce_ms)
        return Send(
            task_id=message.message_id,
            task_name=message.actor_name,
            queue_name=queue_name,
            priority=int(priority),
            args=checked.args,
            kwargs=checked.kwargs,
            options=with_request(_with_key(_without_columns(plain) if given else {}, key)),
            delay_ms=delay_ms,
            max_age_ms=max_age_ms,
            owner_id=owner_id,
            related_object_type=related_type,
            related_object_id=related_id,
            line=line,
            weight=weight,
            unique=key,
            parent_id=_parent_of(message),
        )

    def _sends_of(self, messages: Iterable[Message[Any]]) -> Iterator[Send]:
        """Yield messages as `send_of` returns them.

        Those of one actor that have no options mostly differ in their ids and arguments alone.
        """
        known: dict[tuple[str, str], Send] = {}
        for message in messages:
            like = None if message.options else known.get((message.actor_name, message.queue_name))
            if like is None:
                send = self.send_of(message)
                if not message.options and send.line is None and send.unique is None:
                    known[message.actor_name, message.queue_name] = send
                yield send
                continue
            actor = self.actors[message.actor_name]
            found = arguments.check(actor, message, options={}, max_bytes=conf.TASK_MAX_ARGUMENT_BYTES)
            arguments.check_id(message)
            own = message.message_id, like.task_name, like.queue_name, found.args, found.kwargs
            yield Send._make((*own, *_related(actor, found.first), *like[ALIKE:]))

    def follow_up_of(self, message: Message[Any], *, delay: Any = None) -> Send:
        """Return a message that follows a task, as the ledger records it.

        No caller could mend it, so it is not checked like other sends. An actor that this process does not know, or
        that cannot be called like this, is for the worker that gets the message to tell. The size is what the task
        makes it. Values become what JSON carries, as those of a stored result do.

        Raises:
          FollowUpError: JSON cannot carry the arguments, or no column the id or a name.
        """
        key = parent_id = None
        try:
            name = message.actor_name
            parent_id = _parent_of(message)
            actor = self.actors.get(name) if isinstance(name, str) else None
            priority = arguments.priority_of(message, actor)
            arguments.check_columns(message, priority=priority)
            plain = arguments.plain_options(message)
            args, kwargs, kept = json_safe([message.args, message.kwargs, _without_columns(plain)])
            owner_id = arguments.owner_key(message.options.get("owner_id", _current_owner()))
            delay_ms, max_age_ms = times.start_and_age(message.options, actor.options if actor else {}, delay=delay)
            line: str | None = None
            weight = 1
            if actor is not None and not arguments.misfit(actor, message):
                line, weight = limits.place_of(
                    name, args, kwargs, owner_id=owner_id, weight=message.options.get("weight")
                )
                key = self._unique_of(actor, message, is_delayed=bool(delay_ms))
                if key is not None and key.debounce_ms is not None:
                    delay_ms, max_age_ms = times.start_and_age(message.options, actor.options, delay=key.debounce_ms)
        except Interrupt:
            raise
        except BaseException as error:
            failure = Failure.of(error)
            raise FollowUpError(f"{message.actor_name} cannot be sent: {failure.error_message}") from error
        related_type, related_id = "", None
        if actor is not None:
            with suppress(BadArgumentsError):
                related_type, related_id = _related(actor, next(iter(arguments.bound(actor, message).values()), None))
        return Send(
            task_id=message.message_id,
            task_name=message.actor_name,
            queue_name=q_name(message.queue_name),
            priority=int(priority),
            args=COMPACT.encode(args),
            kwargs=COMPACT.encode(kwargs),
            options=with_request(_with_key(kept, key)),
            delay_ms=delay_ms,
            max_age_ms=max_age_ms,
            owner_id=owner_id,
            related_object_type=related_type,
            related_object_id=related_id,
            line=line,
            weight=weight,
            unique=key,
            parent_id=parent_id,
        )

    def _unique_of(self, actor: Actor[..., Any], message: Message[Any], *, is_delayed: bool) -> Unique | None:
        """Return the key of a send. Raises: BadArgumentsError: It cannot have one."""
        if "pipe_target" in message.options:
            unique.check_next(message.options["pipe_target"], self.actors)
        return unique.unique_of(actor, message, is_delayed=is_delayed)

    # --- Working ---

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 1000) -> "LedgerConsumer":
        """Return a consumer of one queue for a worker of this process.

        Parameters:
          prefetch: Not used: `workers.process.prefetch` adapts to the tasks.
          timeout: Milliseconds to wait for a message.
        """
        self._check_queue(queue_name)
        assert self.runtime is not None, "the Lifecycle middleware starts the runtime when a worker boots"
        return self.runtime.consumer(queue_name, timeout_seconds=timeout / 1000)

    def flush(self, queue_name: str) -> None:
        """Cancel the tasks of a queue that wait, and drop their messages. Those that a worker has claimed stay.

        A task whose row another transaction has locked stays, too.
        """
        from apps.tasks import ledger
        from apps.tasks.models import TaskStatus

        waiting = TaskStatus.objects.filter(queue_name=queue_name, status=states.PENDING).order_by("pk")
        last = 0
        while row_ids := list(waiting.filter(pk__gt=last).values_list("pk", flat=True)[: ledger.PAGE]):
            ledger.cancel_many(row_ids)
            last = row_ids[-1]
        self.wire.forget(queue_name)

    def flush_all(self) -> None:
        """Cancel the tasks of all declared queues that wait, and drop their messages."""
        for queue_name in self.queues:
            self.flush(queue_name)

    def join(
        self, queue_name: str, *, interval: int = 20, timeout: int | None = JOIN_MS, fail_fast: bool = False
    ) -> None:
        """Wait until no task of the queue is unfinished. For tests.

        Parameters:
          interval: Milliseconds between two looks.
          timeout: Milliseconds to wait. None: for ever.
          fail_fast: Raise as soon as a task of the queue has failed, also if that was before the call.

        Raises:
          ResultFailure: With `fail_fast`, a task has failed.
          QueueNotFound: No such queue is declared.
          RuntimeError: A transaction is open, and a task of the queue is unfinished.
          QueueJoinTimeout: After the time, or at once if all that is left begins later than that.
        """
        from apps.tasks.clock import ClockTimestamp
        from apps.tasks.models import TaskStatus

        self._check_queue(queue_name)
        unfinished = TaskStatus.objects.unfinished().filter(queue_name=queue_name)
        deadline = None if timeout is None else time.monotonic() + timeout / 1000
        failed = TaskStatus.objects.filter(queue_name=queue_name, status=states.FAILED).order_by("pk")
        while True:
            if fail_fast and (row := failed.first()) is not None:
                raise failure_of(row)
            if not unfinished.exists():
                return
            if transaction.get_connection().in_atomic_block:
                raise RuntimeError(
                    f"join({queue_name!r}) cannot succeed inside a transaction, of which a worker sees no task: leave "
                    f"it first. {IN_A_TEST}"
                )
            if deadline is not None:
                left_ms = max((deadline - time.monotonic()) * 1000, 0)
                is_later = Q(status=states.PENDING, run_at__gt=ClockTimestamp(offset_ms=left_ms))
                # The last task may end between two looks.
                if not left_ms or (not unfinished.exclude(is_later).exists() and unfinished.exists()):
                    raise QueueJoinTimeout(_join_error(queue_name, unfinished.order_by("pk")))
            time.sleep(interval / 1000)

    def _check_queue(self, queue_name: str) -> None:
        if queue_name not in self.queues:
            raise QueueNotFound(f"Unknown queue {queue_name!r}, must be one of: {', '.join(sorted(self.queues))}")

    def close(self) -> None:
        self.wire.close()


def _join_error(queue_name: str, unfinished: Any) -> str:
    """Return the text of an error that names the first tasks which a join waits for."""
    rows = [f"{row.task_name} {row.status}, run at {row.run_at:%Y-%m-%d %H:%M:%S} UTC" for row in unfinished[:5]]
    return f"{queue_name}: {unfinished.count()} unfinished: {'; '.join(rows)}"


def _function(middleware: Middleware, hook: str) -> Any:
    """Return the function behind a hook, which may be an attribute of the object alone. None: there is none."""
    found = getattr(middleware, hook, None)
    return getattr(found, "__func__", found)


def _log_broken_hook(hook: str, middleware: Middleware, failure: Failure) -> None:
    logger.critical(
        "hook failed hook=%s middleware=%s\n%s", hook, type(middleware).__name__, failure.traceback.rstrip()
    )


def _without_columns(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that have no column of their own."""
    return {name: value for name, value in options.items() if name not in COLUMN_OPTIONS}


def _options_of_retry(message: Any) -> dict[str, Any]:
    """Return the options that the row keeps for the next attempt. Raises: FollowUpError: JSON cannot carry them."""
    options = {name: value for name, value in message.options.items() if name not in COLUMN_OPTIONS or name in KEPT}
    try:
        kept: dict[str, Any] = json_safe(options)
    except (TypeError, ValueError, RecursionError) as error:
        raise FollowUpError(
            f"{message.actor_name} cannot be enqueued again: {Failure.of(error).error_message}"
        ) from error
    return kept


def _with_key(options: dict[str, Any], key: Unique | None) -> dict[str, Any]:
    """Return the options of a row, with the key of its send."""
    return options if key is None else {**options, KEY_OPTION: key.key}


def _related(actor: Actor[..., Any], first: Any) -> tuple[str, int | None]:
    """Return label and id of the object a task works on. The first argument is its id, if that is an integer."""
    related_to = actor.options.get("related_to")
    if not related_to or not isinstance(first, int) or isinstance(first, bool):
        return "", None
    if not -arguments.BIG_INTEGER_LIMIT <= first < arguments.BIG_INTEGER_LIMIT:
        raise BadArgumentsError(
            f"the first argument for {actor.actor_name} is out of range for the id of a {related_to}"
        )
    return related_to, first


def _parent_of(message: Message[Any]) -> str | None:
    """Return the id of the task with which a message is cancelled. Raises: BadOptionError: It is none."""
    value = message.options.get(PARENT_OPTION)
    return None if value is None else options.parent_id(message.actor_name, value)


def _current_owner() -> Any:
    """Return the owner of the task that this thread runs. Tasks that it sends belong to the same user."""
    current = CurrentMessage.get_current_message()
    return getattr(current, "owner_id", None) if current is not None else None
