"""Places for requests: how many clients and users may hold at once, and in which order they get them."""

import asyncio
import math
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass

from aiWriting.gate.crowd import Crowd
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Place:
    """A place that a request holds."""

    kind: "Places"
    turn: Turn

    def leave(self) -> None:
        """Give it back, to the party whose turn it is."""
        self.kind.get_back(self)


class Places:
    """Places of one kind. Parties that wait get the free ones in turn.

    Parameters:
      total: Requests that hold a place at once.
      per_client: Requests of one client that hold a place or wait for one.
      waiting: Requests of one party that wait for a place.
      share: Requests of one party that hold a place at once. None: all of them.
      crowd: Parties whose requests run one at a time. None: there is no such rule.
      is_large: Whether the requests have large bodies, and wait for longer.
    """

    def __init__(
        self,
        *,
        total: int,
        per_client: int,
        waiting: int = 0,
        share: int | None = None,
        crowd: Crowd | None = None,
        is_large: bool = False,
    ) -> None:
        self.is_large = is_large
        self.free = total
        self.per_client = per_client
        self.waiting_limit = waiting
        self.share = total if share is None else share
        self.crowd = crowd or Crowd(limit=math.inf)
        self.crowd.on_room(self.hand_on)
        #: Requests of each party that wait, and that hold a place.
        self.waiting: Counter[str] = Counter()
        self.holding: Counter[str] = Counter()
        #: Requests of each client that hold a place or wait.
        self.held: Counter[str] = Counter()
        self._queues: OrderedDict[str, OrderedDict[str, deque[asyncio.Future[Place]]]] = OrderedDict()

    async def take(self, turn: Turn) -> Place:
        """Take a place, or wait for one.

        Raises:
          ClientBusyError: The client has too many requests at once.
          BusyError: All places were taken for too long.
        """
        if self.held[turn.client] >= self.per_client:
            raise ClientBusyError(retry_after_seconds=RETRY_AFTER_SECONDS)
        self.held[turn.client] += 1
        self.crowd.arrive(turn.party)
        try:
            if turn.party not in self._queues and self._has_place(turn.party):
                return self._given(turn)
            return await self._wait(turn)
        except BaseException:
            self._depart(turn)
            raise

    async def _wait(self, turn: Turn) -> Place:
        if self.waiting[turn.party] >= self.waiting_limit:
            raise BusyError(retry_after_seconds=RETRY_AFTER_SECONDS)
        place: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(turn.party, OrderedDict()).setdefault(turn.client, deque()).append(place)
        self.waiting[turn.party] += 1
        try:
            async with asyncio.timeout(LARGE_WAIT_SECONDS if self.is_large else WAIT_SECONDS):
                return await place
        except BaseException as error:
            if place.done() and not place.cancelled():
                self._take_back(place.result())  # It came at the moment in which the wait ended.
            if isinstance(error, TimeoutError):
                raise BusyError(retry_after_seconds=RETRY_AFTER_SECONDS) from None
            raise
        finally:
            _take_off(self.waiting, turn.party)

    def hand_on(self) -> None:
        """Give the free places to those whose turn it is."""
        while (party := next(filter(self._has_place, self._queues), None)) is not None:
            client, waiting = self._next_of(party)
            if not waiting.done():
                waiting.set_result(self._given(Turn(party=party, client=client)))

    def get_back(self, place: Place) -> None:
        """Take back the place of a request that has ended."""
        self._depart(place.turn)
        self._take_back(place)

    def _depart(self, turn: Turn) -> None:
        _take_off(self.held, turn.client)
        self.crowd.depart(turn.party)

    def _has_place(self, party: str) -> bool:
        return self.free > 0 and self.holding[party] < self.share and self.crowd.has_room(party)

    def _given(self, turn: Turn) -> Place:
        self.free -= 1
        self.holding[turn.party] += 1
        place = Place(kind=self, turn=turn)
        self.crowd.start(place, turn.party)
        return place

    def _take_back(self, place: Place) -> None:
        self.free += 1
        _take_off(self.holding, place.turn.party)
        self.crowd.end(place)
        self.hand_on()

    def _next_of(self, party: str) -> tuple[str, asyncio.Future[Place]]:
        """Return the party's next client and the first that waits of it. Both go to the end of their queues."""
        clients = self._queues.pop(party)
        client, queue = clients.popitem(last=False)
        waiting = queue.popleft()
        if queue:
            clients[client] = queue
        if clients:
            self._queues[party] = clients
        return client, waiting


def _take_off(counts: Counter[str], key: str) -> None:
    counts[key] -= 1
    if counts[key] <= 0:
        del counts[key]
