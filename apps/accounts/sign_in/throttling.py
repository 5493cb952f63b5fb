"""Limits of attempts: by account and address, by account, and by address.

Each limit is a leaky bucket in one row, the generic cell rate algorithm. An attempt is counted before its password is
hashed, so attempts at the same time cannot exceed a limit, and is taken off again when it succeeds. A refused attempt
costs one statement that reads, and moves nothing: waiting always helps.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone
from django.utils.crypto import salted_hmac

from apps.accounts.errors import TooManyAttemptsError
from apps.accounts.sessions.model import BrowserSession
from apps.accounts.sign_in.client import address_of
from apps.accounts.sign_in.model import Throttle


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A limit of attempts.

    Parameters:
      burst: Attempts that are taken at once.
      interval: Time after which one more is taken.
    """

    scope: Throttle.Scope
    burst: int
    interval: timedelta

    def wait(self, free_at: datetime, *, now: datetime) -> timedelta:
        """Return the time until the next attempt is taken. Not positive: it is taken now."""
        return free_at - now - (self.burst - 1) * self.interval


#: Empty counters that an attempt deletes.
DELETED_AT_ONCE = 20

#: One client who guesses at one account. A stranger elsewhere is no hindrance to its owner.
PAIR = Limit(scope=Throttle.Scope.PAIR, burst=5, interval=timedelta(minutes=3))
#: All strangers together who guess at one account: 100 guesses in the first hour, as OWASP recommends at most.
ACCOUNT = Limit(scope=Throttle.Scope.ACCOUNT, burst=20, interval=timedelta(seconds=45))
#: One client who guesses at many accounts. An office may share the address.
ADDRESS = Limit(scope=Throttle.Scope.ADDRESS, burst=50, interval=timedelta(seconds=30))
#: Codes of the second factor, whose guesser has the password.
CODE = Limit(scope=Throttle.Scope.CODE, burst=5, interval=timedelta(minutes=5))
#: Mails with a link: to an address, and for a client.
MAILED = Limit(scope=Throttle.Scope.MAILED, burst=3, interval=timedelta(minutes=20))
MAILING = Limit(scope=Throttle.Scope.MAILING, burst=10, interval=timedelta(minutes=6))


@dataclass(frozen=True, kw_only=True)
class Counter:
    """The counter of a limit for one account, one address, or both.

    Parameters:
      name: Name as it was typed. It is stored as a digest.
    """

    limit: Limit
    name: str = ""
    user_id: int | None = None
    address: str = ""

    @property
    def digest(self) -> str:
        key = "\0".join([self.limit.scope, self.address, self.name])
        return salted_hmac("apps.accounts.sign_in", key, algorithm="sha256").hexdigest()


def sign_in_counters(request: Any, *, username: str) -> list[Counter]:
    """Return the counters of a sign-in.

    An account's own counter does not hold for an address from which its user has signed in lately. So strangers
    can slow down other strangers alone.
    """
    address = address_of(request)
    from_here = BrowserSession.objects.filter(user=OuterRef("pk"), address=address)
    users = get_user_model().objects.filter(username=username).annotate(is_known_here=Exists(from_here))
    found = users.values_list("pk", "is_known_here").first()
    user_id, is_known_here = found or (None, False)
    counters = []
    if address:
        counters += [
            Counter(limit=ADDRESS, address=address),
            Counter(limit=PAIR, address=address, name=username, user_id=user_id),
        ]
    if not (address and is_known_here):
        counters.append(Counter(limit=ACCOUNT, name=username, user_id=user_id))
    return counters


def mail_counters(request: Any, *, email: str) -> list[Counter]:
    """Return the counters of a mail that a client has sent to an address."""
    counters = [Counter(limit=MAILED, name=email.casefold())]
    if address := address_of(request):
        counters.append(Counter(limit=MAILING, address=address))
    return counters


def count(counters: Sequence[Counter]) -> None:
    """Count an attempt.

    Raises:
      TooManyAttemptsError: A counter is full. Nothing was counted.
    """
    by_digest = {counter.digest: counter for counter in counters}
    throttles = Throttle.objects.filter(digest__in=by_digest)
    # A refused attempt takes no lock.
    now = _check(throttles, by_digest)
    with transaction.atomic():
        # In order, so that two attempts never wait for each other.
        Throttle.objects.bulk_create(
            [
                Throttle(
                    scope=counter.limit.scope,
                    digest=digest,
                    user_id=counter.user_id,
                    address=counter.address,
                    free_at=now,
                )
                for digest, counter in sorted(by_digest.items())
            ],
            ignore_conflicts=True,
        )
        locked = list(throttles.select_for_update().order_by("digest"))
        now = _check(locked, by_digest)
        for throttle in locked:
            throttle.free_at = max(throttle.free_at, now) + by_digest[throttle.digest].limit.interval
            throttle.save(update_fields=["free_at"])
    _delete_empty()


def take_off(counters: Sequence[Counter]) -> None:
    """Take an attempt off its counters: it succeeded, or was not made."""
    for counter in counters:
        Throttle.objects.filter(digest=counter.digest).update(free_at=F("free_at") - counter.limit.interval)


def unlock(user: Any) -> int:
    """Delete the counters of a user's account. Return their number."""
    return Throttle.objects.filter(user=user).delete()[0]


def unlock_password(user: Any) -> None:
    """Delete the counters of a user's password. Those of codes stay: whoever reads the mails may still guess them."""
    Throttle.objects.filter(user=user).exclude(scope=Throttle.Scope.CODE).delete()


def _delete_empty() -> None:
    """Delete some counters that are empty by now. An attempt adds fewer, so their number is that of recent attempts."""
    with transaction.atomic():
        # A counter that an attempt holds is not empty.
        empty = Throttle.objects.select_for_update(skip_locked=True).filter(free_at__lt=timezone.now())
        if pks := list(empty.values_list("pk", flat=True)[:DELETED_AT_ONCE]):
            Throttle.objects.filter(pk__in=pks).delete()


def _check(throttles: Iterable[Throttle], counters: dict[str, Counter]) -> datetime:
    """Check the counters, and return the time at which they were looked at.

    The clock is read after the rows, and after waiting for their locks: an earlier time would be behind that of an
    attempt that came first.

    Raises:
      TooManyAttemptsError: One of them is full.
    """
    found = list(throttles)
    now = timezone.now()
    wait = max((counters[one.digest].limit.wait(one.free_at, now=now) for one in found), default=timedelta())
    if wait > timedelta():
        raise TooManyAttemptsError(wait)
    return now
