"""Password hashing whose cost is bounded."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth.hashers import Argon2PasswordHasher

from apps.accounts.errors import HashingBusyError

#: Sign-ins of a process whose passwords are hashed at once, and that wait for it.
AT_ONCE, WAITING = 1, 15

_slots = threading.BoundedSemaphore(AT_ONCE)
_places = threading.BoundedSemaphore(AT_ONCE + WAITING)


class Argon2Hasher(Argon2PasswordHasher):
    """Argon2id as OWASP recommends it: 19 MiB, two passes, one thread.

    Django's own parameters take 100 MiB and eight threads for each sign-in.
    """

    memory_cost = 19 * 1024
    time_cost = 2
    parallelism = 1


@contextmanager
def slot() -> Iterator[None]:
    """Hold a slot in which a password is hashed, and wait for one before.

    Raises:
      HashingBusyError: `WAITING` sign-ins of this process wait already.
    """
    if not _places.acquire(blocking=False):
        raise HashingBusyError
    try:
        with _slots:
            yield
    finally:
        _places.release()
