"""The outermost ASGI application."""

from collections.abc import Collection, Iterable

from aiWriting.gate.asgi import Application, Receive, Scope, Send
from aiWriting.gate.crowd import Crowd
from aiWriting.gate.exchange import Exchange, Kinds
from aiWriting.gate.known_users import KnownUsers
from aiWriting.gate.places import Places
from aiWriting.gate.proxies import Network, TrustedProxies
from apps.core import request_id

#: One user, and all strangers together, hold at most this part of the places. So the others find one free, and share
#: the processor of Python with two requests of each instead of four.
PARTY_SHARE = 8
#: Part of the places that requests with large bodies hold at most, one of each user.
LARGE_SHARE = 4
#: Requests of a party that wait for a place at most, as a multiple of the places.
WAITING_FACTOR = 16
#: Bodies that arrive at once, as a multiple of the places.
RECEIVING_FACTOR = 16
#: Event streams of all clients of a process.
STREAMS_LIMIT = 2_000
#: Places of health checks. Whatever the other requests do, a load balancer gets its answer.
PROBE_PLACES = 4


class Gate:
    """An ASGI application that passes on what the application behind it can afford.

    Parameters:
      application: Django.
      proxies: Networks of proxies whose forwarded headers are believed.
      requests: Requests that are answered at once. Others wait for a place.
      per_client: Requests and bodies of one client at once.
      streams_per_client: Event streams of one client at once.
      probes: Paths of health checks, which have places of their own.
    """

    def __init__(
        self,
        application: Application,
        *,
        proxies: Iterable[Network],
        requests: int,
        per_client: int,
        streams_per_client: int,
        probes: Collection[str] = (),
    ) -> None:
        self.application = application
        self.proxies = TrustedProxies(proxies)
        self.probes = frozenset(probes)
        self.known_users = KnownUsers()
        waiting = WAITING_FACTOR * requests
        receiving = Places(total=RECEIVING_FACTOR * requests, per_client=per_client)
        share = max(1, requests // PARTY_SHARE)
        large_total = max(1, requests // LARGE_SHARE)
        crowd = Crowd()
        large = Places(total=large_total, per_client=per_client, waiting=waiting, share=1, crowd=crowd, is_large=True)
        streaming = Places(total=STREAMS_LIMIT, per_client=streams_per_client)
        self._usual = Kinds(
            receiving=receiving,
            running=Places(total=requests, per_client=per_client, waiting=waiting, share=share, crowd=crowd),
            large=large,
            streaming=streaming,
        )
        self._probing = Kinds(
            receiving=receiving,
            running=Places(total=PROBE_PLACES, per_client=per_client, waiting=waiting, crowd=crowd),
            large=large,
            streaming=streaming,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        own = self.proxies.request_id(scope)
        request_id.bind(own)
        scope = {**self.proxies.reveal_client(scope), request_id.SCOPE_KEY: own}
        places = self._probing if scope["path"] in self.probes else self._usual
        await Exchange(scope, receive, send, places=places, known_users=self.known_users).run(self.application)
