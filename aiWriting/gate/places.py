"""Places for requests: how many clients may hold at once, and in which order they get them."""

import asyncio
from collections import Counter, OrderedDict, deque

from aiWriting.gate.errors import BusyError, ClientBusyError

#: Seconds that a request waits for a place at most.
WAIT_SECONDS = 5.0
#: Seconds after which a client that was refused may try again.
RETRY_AFTER_SECONDS = 2


class Places:
    """Places of one kind. Clients that wait get the free ones in turn.

    Parameters:
      total: Requests that hold a place at once.
      per_client: Requests of one client that hold a place or wait for one.
      waiting: Requests that wait for a place.
    """

    def __init__(self, *, total: int, per_client: int, waiting: int = 0) -> None:
        self.free = total
        self.per_client = per_client
        self.waiting_limit = waiting
        self.waiting = 0
        #: Requests of each client that hold a place or wait.
        self.held: Counter[str] = Counter()
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def take(self, client: str) -> None:
        """Take a place, or wait for one.

        Raises:
          ClientBusyError: The client has too many requests at once.
          BusyError: All places were taken for too long.
        """
        if self.held[client] >= self.per_client:
            raise ClientBusyError(retry_after_seconds=RETRY_AFTER_SECONDS)
        self.held[client] += 1
        if self.free > 0:
            self.free -= 1
            return
        try:
            await self._wait(client)
        except BaseException:
            self._forget(client)
            raise

    async def _wait(self, client: str) -> None:
        if self.waiting >= self.waiting_limit:
            raise BusyError(retry_after_seconds=RETRY_AFTER_SECONDS)
        turn = asyncio.get_running_loop().create_future()
        self._queues.setdefault(client, deque()).append(turn)
        self.waiting += 1
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._pass_on()  # The place came at the moment in which the wait ended.
            if isinstance(error, TimeoutError):
                raise BusyError(retry_after_seconds=RETRY_AFTER_SECONDS) from None
            raise
        finally:
            self.waiting -= 1

    def leave(self, client: str) -> None:
        """Give a place to the client whose turn it is."""
        self._forget(client)
        self._pass_on()

    def _pass_on(self) -> None:
        while self._queues:
            client, queue = self._queues.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._queues[client] = queue
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1

    def _forget(self, client: str) -> None:
        self.held[client] -= 1
        if not self.held[client]:
            del self.held[client]
