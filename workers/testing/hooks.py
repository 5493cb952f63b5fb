"""Hooks of `transaction.on_commit` in a test's transaction, which never commits."""

from typing import Any

from django.db import transaction

from workers.sending.on_commit import CommitBatch
from workers.testing.errors import MisuseError


def is_at_top() -> bool:
    """Return whether no transaction is open but those of the test case itself."""
    blocks: list[Any] = transaction.get_connection().atomic_blocks
    return all(getattr(block, "_from_testcase", False) for block in blocks)


def check_at_top(name: str) -> None:
    """Raise MisuseError if a transaction is open that is not the test case's."""
    if not is_at_top():
        raise MisuseError(
            f"{name} was called inside transaction.atomic(). No worker sees a task before its commit: leave the block "
            "first."
        )


def run_hooks(*, after: int) -> None:
    """Run the hooks that wait in the test's transaction, and those that they add. Messages for Redis are dropped.

    Parameters:
      after: Number of hooks to leave, from the first one.
    """
    hooks = transaction.get_connection().run_on_commit
    while len(hooks) > after:
        _, hook, is_robust = hooks.pop(after)
        if isinstance(hook, CommitBatch):
            continue
        try:
            hook()
        except Exception:
            if not is_robust:
                raise
