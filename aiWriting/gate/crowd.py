"""The crowd: parties that ask for more and more before they are answered. Their requests run one at a time."""

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

#: A party with more requests than this, on average, is in the crowd.
CROWDING = 2.0
#: Seconds of that average: what was this long ago weighs a third.
AVERAGE_SECONDS = 2.0
#: Seconds after which a request counts as one that waits, for a database or a disk. The next one runs beside it.
SLOW_SECONDS = 1.0
#: Seconds after a request of another party in which the crowd rests after each of its own, as long as it took.
RESTING_SECONDS = 1.0
#: Parties whose average is remembered.
REMEMBERED = 10_000


@dataclass(kw_only=True)
class _Demand:
    """The requests of a party that run or wait.

    Parameters:
      number: Those of now.
      average: That of the last seconds, at a time of the clock.
    """

    number: int = 0
    average: float = 0.0
    at: float


#: In place of a request, between two of the crowd.
_RESTING = object()


class Crowd:
    """Lets one request of the crowd run at a time.

    Python runs one thread at a time. If each party that asks without a pause held its share of the places, a request of
    another would take as many times longer. While there are others, the crowd leaves them half of the time.

    Parameters:
      limit: Requests of a party that run or wait on average. Those with more are in the crowd.
      now: The clock, in seconds.
    """

    def __init__(self, *, limit: float = CROWDING, now: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._now = now
        self._demands: OrderedDict[str, _Demand] = OrderedDict()
        self._running: object = None
        self._since = 0.0
        self._others_at = -math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._listeners: deque[Callable[[], None]] = deque()

    def on_room(self, listener: Callable[[], None]) -> None:
        """Call this function when the next request of the crowd may run. Listeners take turns in being the first."""
        self._listeners.append(listener)

    def arrive(self, party: str) -> None:
        """Note that the party has one request more, which waits."""
        self._demand(party).number += 1
        while len(self._demands) > REMEMBERED and not next(iter(self._demands.values())).number:
            self._demands.popitem(last=False)

    def depart(self, party: str) -> None:
        """Note that the party has one request less."""
        self._demand(party).number -= 1

    def has_room(self, party: str) -> bool:
        """Return whether a request of this party may run now."""
        return self._running is None or not self._is_member(party)

    def start(self, request: object, party: str) -> None:
        """Note that a request runs."""
        if not self._is_member(party):
            self._others_at = self._now()
        elif self._running is None:
            self._running, self._since = request, self._now()
            self._call(self._go_on, after=SLOW_SECONDS)

    def end(self, request: object) -> None:
        """Note that a request has ended. If it was of the crowd, the next one may run, after a rest."""
        if self._running is not request:
            return
        now = self._now()
        self._running = _RESTING
        self._call(self._go_on, after=now - self._since if now < self._others_at + RESTING_SECONDS else 0)

    def _call(self, function: Callable[[], None], *, after: float) -> None:
        """Call a function later, and not that of the last call."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if after <= 0:
            function()
        else:
            self._timer = asyncio.get_running_loop().call_later(after, function)

    def _go_on(self) -> None:
        self._running = None
        self._listeners.rotate(-1)
        for listener in tuple(self._listeners):
            listener()

    def _is_member(self, party: str) -> bool:
        return self._demand(party).average > self._limit

    def _demand(self, party: str) -> _Demand:
        """Return the demand of a party, with the average of now."""
        now = self._now()
        demand = self._demands.setdefault(party, _Demand(at=now))
        self._demands.move_to_end(party)
        weight = math.exp((demand.at - now) / AVERAGE_SECONDS)
        demand.average, demand.at = demand.average * weight + demand.number * (1 - weight), now
        return demand
