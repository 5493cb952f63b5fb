"""The broker as a worker thread sees it in a test: each actor runs in a savepoint of the test's transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, transaction
from dramatiq import Actor

from workers.broker import LedgerBroker
from workers.testing.hooks import run_hooks

#: `TransactionStatus.INERROR` of libpq.
ABORTED = 3


class Stage:
    """Takes the place of the broker. All but the actors is the broker's."""

    def __init__(self, broker: LedgerBroker) -> None:
        self.broker = broker
        #: Exception of the last actor.
        self.raised: BaseException | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.broker, name)

    def get_actor(self, actor_name: str) -> "StagedActor":
        return StagedActor(self, self.broker.get_actor(actor_name))


class StagedActor:
    """An actor that runs as if each of its statements committed, whatever the transaction of the test."""

    def __init__(self, stage: Stage, actor: Actor[..., Any]) -> None:
        self.stage = stage
        self.actor = actor

    def __getattr__(self, name: str) -> Any:
        return getattr(self.actor, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if not transaction.get_connection().in_atomic_block:
                return self.actor(*args, **kwargs)
            return self._run(args, kwargs)
        except BaseException as error:
            self.stage.raised = error
            raise

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the actor in a savepoint. Its writes before an error stay, as outside of transactions."""
        hooks = len(transaction.get_connection().run_on_commit)
        raised: BaseException | None = None
        with transaction.atomic():
            try:
                result = self.actor(*args, **kwargs)
            except BaseException as error:
                if is_aborted():
                    raise
                raised = error
        run_hooks(after=hooks)
        if raised is not None:
            raise raised
        return result


def is_aborted() -> bool:
    """Return whether an error of the database keeps the transaction from going on without a rollback."""
    database: Any = transaction.get_connection()
    server = getattr(database.connection, "pgconn", None)
    return database.needs_rollback or (server is not None and server.transaction_status == ABORTED)


@contextmanager
def kept_open() -> Iterator[None]:
    """Let nothing in the block close a connection with the transaction of a test, which would lose it.

    In a worker a thread closes its connection after an interrupt, and opens another one.
    """
    kept = [one for one in connections.all(initialized_only=True) if one.in_atomic_block and "close" not in vars(one)]
    for one in kept:
        one.close = lambda: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        for one in kept:
            del one.close
