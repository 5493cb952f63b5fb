"""The class of actors: Dramatiq's, with options that are checked and with sends for async code."""

import asyncio
import time
import types
from functools import cache
from typing import Any, Never, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections
from dramatiq import Actor, Message

from apps.tasks.errors import AsyncTransactionError, BadOptionError
from workers.sending import options as message_options
from workers.sending.arguments import check_columns
from workers.sending.counterparts import METHODS_OF_OTHERS
from workers.wire.message import make, new_id

P = ParamSpec("P")
R = TypeVar("R")


class LedgerActor(Actor[P, R]):
    """Sends messages whose options are known.

    `LedgerBroker` gives this class to each actor that it declares. A project's own class of actors stays in front of
    it, so that its methods are called first and reach these by `super()`.
    """

    def __getattr__(self, name: str) -> Any:
        if advice := METHODS_OF_OTHERS.get(name):
            raise AttributeError(f"{self.__dict__.get('actor_name')} has no {name}: {advice}", name=name, obj=self)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    def message_with_options(
        self,
        *given: Never,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        message_id: str | None = None,
        **options: Any,
    ) -> Message[R]:
        """Return a message with options.

        Parameters:
          message_id: Id of the task, 1 to 255 characters. A second send with the same id has no effect.
          options: `docs/guidelines.md` has them all.

        Raises:
          BadOptionError: An option is unknown, belongs on the actor, or its value is wrong.
          BadArgumentsError: No row can have the id.
        """
        if given:
            raise BadOptionError(
                f"{self.actor_name} was sent with positional arguments and options, must be: "
                "send_with_options(args=(...,), kwargs={...}, ...) or send(...)"
            )
        if type(args) is not tuple or (kwargs is not None and type(kwargs) is not dict):
            message_options.check_call(self.actor_name, args, kwargs)
        if options:
            options = message_options.checked(self, options)
        message: Message[R] = make(
            queue_name=self.queue_name, actor_name=self.actor_name, args=tuple(args), kwargs=kwargs or {},
            options=options, message_id=new_id() if message_id is None else message_id,
            message_timestamp=int(time.time() * 1000),
        )  # fmt: skip
        if message_id is not None:
            check_columns(message, priority=self.priority)
        return message

    def send_with_options(
        self,
        *given: Never,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        delay: Any = None,
        **options: Any,
    ) -> Message[R]:
        """Send a message with options.

        Parameters:
          delay: Milliseconds before it may run, or a timedelta, or an aware datetime.

        Raises:
          SynchronousOnlyOperation: It was called in async code.
          Others: As `message_with_options` and `LedgerBroker.enqueue`.
        """
        if delay is not None:
            options["delay"] = delay
        message = self.message_with_options(*given, args=args, kwargs=kwargs, **options)
        try:
            return self.broker.enqueue(message, delay=message.options.get("delay"))
        except SynchronousOnlyOperation as error:
            name = self.fn.__name__
            raise SynchronousOnlyOperation(
                f"{self.actor_name} was sent from async code, where Django's database cannot be used: write await "
                f"{name}.asend(...) or await {name}.asend_with_options(...)"
            ) from error

    async def asend(self, *args: P.args, **kwargs: P.kwargs) -> Message[R]:
        """Send a message from async code. Raises: As `asend_with_options`."""
        return await self.asend_with_options(args=args, kwargs=kwargs)

    async def asend_with_options(self, **call: Any) -> Message[R]:
        """Send a message with options from async code, without blocking the event loop.

        The row is written in the thread in which Django's async queries run. A transaction that is open there, such as
        that of a test or of the function that called `async_to_sync`, has it.

        Raises:
          AsyncTransactionError: The thread of the event loop is inside a transaction, which has other connections.
          Others: As `send_with_options`.
        """
        check_loop(self.actor_name)
        return await sync_to_async(self.send_with_options)(**call)


def check_loop(name: str) -> None:
    """Check that async code may send.

    Parameters:
      name: Name of the actor or the task.

    Raises:
      AsyncTransactionError: The thread of the event loop is inside a transaction, which has other connections.
    """
    if _loop_is_in_transaction():
        raise AsyncTransactionError(
            f"{name} was sent from async code whose event loop runs inside transaction.atomic(). Another thread would "
            "write the row, outside of that transaction. Start the loop with asgiref.sync.async_to_sync instead of "
            "asyncio.run, or send inside a function that sync_to_async calls."
        )


def _loop_is_in_transaction() -> bool:
    """Return whether the thread of the running event loop began a transaction before it ran the loop."""
    loop = asyncio.get_running_loop()
    # Django shows async code other connections than the thread has, for as long as the loop says that it runs.
    asyncio._set_running_loop(None)
    try:
        return any(one.in_atomic_block for one in connections.all(initialized_only=True))
    finally:
        asyncio._set_running_loop(loop)


def adopt(actor: Actor[..., Any]) -> None:
    """Give an actor the methods of `LedgerActor`. It keeps its own class otherwise."""
    kind = type(actor)
    if not issubclass(kind, LedgerActor):
        actor.__class__ = LedgerActor if kind is Actor else _ledger_class(kind)  # type: ignore[arg-type]


@cache
def _ledger_class(kind: type[Actor[..., Any]]) -> type[Actor[..., Any]]:
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    return types.new_class(kind.__name__, (kind, LedgerActor), {}, lambda namespace: namespace.update(names))
