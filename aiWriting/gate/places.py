"""Places for requests: how many clients and users may hold at once, and in which order they get them."""

import asyncio
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass

from aiWriting.gate.errors import BusyError, ClientBusyError

#: Seconds that a request waits for a place at most.
WAIT_SECONDS = 5.0
#: Seconds for one whose large body has arrived. It would have to be sent again.
LARGE_WAIT_SECONDS = 30.0
#: Seconds after which a client that was refused may try again.
RETRY_AFTER_SECONDS = 2


@dataclass(frozen=True, kw_only=True)
class Turn:
    """The order of a request among those that wait. Parties come in turn, and of each party its clients.

    Parameters:
      party: A user, or all strangers together.
    """

    party: str
    client: str


class Places:
    """Places of one kind. Parties that wait get the free ones in turn.

    Parameters:
      total: Requests that hold a place at once.
      per_client: Requests of one client that hold a place or wait for one.
      waiting: Requests of one party that wait for a place.
      share: Requests of one party that hold a place at once. None: all of them.
      is_large: Whether the requests have large bodies, and wait for longer.
    """

    def __init__(
        self, *, total: int, per_client: int, waiting: int = 0, share: int | None = None, is_large: bool = False
    ) -> None:
        self.is_large = is_large
        self.free = total
        self.per_client = per_client
        self.waiting_limit = waiting
        self.share = total if share is None else share
        #: Requests of each party that wait, and that hold a place.
        self.waiting: Counter[str] = Counter()
        self.holding: Counter[str] = Counter()
        #: Requests of each client that hold a place or wait.
        self.held: Counter[str] = Counter()
        self._queues: OrderedDict[str, OrderedDict[str, deque[asyncio.Future[None]]]] = OrderedDict()

    async def take(self, client: str, turn: Turn) -> None:
        """Take a place, or wait for one.

        Raises:
          ClientBusyError: The client has too many requests at once.
          BusyError: All places were taken for too long.
        """
        if self.held[client] >= self.per_client:
            raise ClientBusyError(retry_after_seconds=RETRY_AFTER_SECONDS)
        self.held[client] += 1
        if self._has_place(turn.party):
            self._give(turn.party)
            return
        try:
            await self._wait(turn)
        except BaseException:
            _take_off(self.held, client)
            raise

    async def _wait(self, turn: Turn) -> None:
        if self.waiting[turn.party] >= self.waiting_limit:
            raise BusyError(retry_after_seconds=RETRY_AFTER_SECONDS)
        place = asyncio.get_running_loop().create_future()
        self._queues.setdefault(turn.party, OrderedDict()).setdefault(turn.client, deque()).append(place)
        self.waiting[turn.party] += 1
        try:
            async with asyncio.timeout(LARGE_WAIT_SECONDS if self.is_large else WAIT_SECONDS):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled():
                self._get_back(turn.party)  # The place came at the moment in which the wait ended.
            if isinstance(error, TimeoutError):
                raise BusyError(retry_after_seconds=RETRY_AFTER_SECONDS) from None
            raise
        finally:
            _take_off(self.waiting, turn.party)

    def leave(self, client: str, turn: Turn) -> None:
        """Give a place to the party whose turn it is."""
        _take_off(self.held, client)
        self._get_back(turn.party)

    def _has_place(self, party: str) -> bool:
        return self.free > 0 and self.holding[party] < self.share

    def _give(self, party: str) -> None:
        self.free -= 1
        self.holding[party] += 1

    def _get_back(self, party: str) -> None:
        self.free += 1
        _take_off(self.holding, party)
        while (next_one := next(filter(self._has_place, self._queues), None)) is not None:
            place = self._next_of(next_one)
            if not place.done():
                self._give(next_one)
                place.set_result(None)

    def _next_of(self, party: str) -> asyncio.Future[None]:
        """Return the first that waits of the party's next client. Both go to the end of their queues."""
        clients = self._queues.pop(party)
        client, queue = clients.popitem(last=False)
        place = queue.popleft()
        if queue:
            clients[client] = queue
        if clients:
            self._queues[party] = clients
        return place


def _take_off(counts: Counter[str], key: str) -> None:
    counts[key] -= 1
    if counts[key] <= 0:
        del counts[key]
