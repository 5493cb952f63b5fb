"""Password hashing whose cost is bounded."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth.hashers import Argon2PasswordHasher

from apps.accounts.errors import HashingBusyError


class Argon2Hasher(Argon2PasswordHasher):
    """Argon2id as OWASP recommends it: 19 MiB, two passes, one thread.

    Django's own parameters take 100 MiB and eight threads for each sign-in.
    """

    memory_cost = 19 * 1024
    time_cost = 2
    parallelism = 1


class Slots:
    """Slots in which passwords are hashed.

    Parameters:
      at_once: Number of slots.
      waiting: Number of threads that may wait for one.
    """

    def __init__(self, *, at_once: int, waiting: int) -> None:
        self._slots = threading.BoundedSemaphore(at_once)
        self._places = threading.BoundedSemaphore(at_once + waiting)

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold a slot, and wait for one before.

        Raises:
          HashingBusyError: Too many threads wait already.
        """
        if not self._places.acquire(blocking=False):
            raise HashingBusyError
        try:
            with self._slots:
                yield
        finally:
            self._places.release()


#: One password is hashed at once by a process, and 15 sign-ins wait for it.
slots = Slots(at_once=1, waiting=15)
