"""The sessions of users: recorded, listed and ended."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.accounts.sessions.model import BrowserSession
from apps.accounts.sign_in.client import address_of

#: Time that the address of a user is remembered after the last request.
KEPT = timedelta(days=90)
#: Sessions, and rows of ended ones, that a sign-in deletes.
DELETED_AT_ONCE = 20


def record(request: Any, *, user_id: int) -> None:
    """Write the browser and address of a request to the row of its session."""
    key = request.session.session_key
    seen = _seen(request)
    if not BrowserSession.objects.filter(session_id=key, user_id=user_id).update(**seen):
        try:
            with transaction.atomic():
                BrowserSession.objects.create(session_id=key, user_id=user_id, **seen)
        except IntegrityError:
            return  # The session or its user is gone, or another request recorded it.
        _forget_some()


def remember(request: Any, *, user: Any) -> None:
    """Write where a user is, without a session: a link from the user's mail was used there.

    So strangers who guess at the account cannot keep its user out who came to a new address.
    """
    BrowserSession.objects.create(session=None, user=user, **_seen(request))


def is_idle(key: str) -> bool:
    """Return whether the session was not used for `SESSION_IDLE_DAYS`. One without a record was used."""
    if not settings.SESSION_IDLE_DAYS:
        return False
    since = timezone.now() - timedelta(days=settings.SESSION_IDLE_DAYS)
    return BrowserSession.objects.filter(session_id=key, seen_at__lt=since).exists()


def sessions_of(user: Any) -> QuerySet[BrowserSession]:
    """Return the sessions in which a user is signed in, the latest first."""
    found = BrowserSession.objects.filter(user=user, session__expire_date__gt=timezone.now())
    return found.order_by("-seen_at", "-pk")


def end(user: Any, pk: int) -> bool:
    """End one session of a user. Return whether there was one."""
    return bool(Session.objects.filter(browser_session__pk=pk, browser_session__user=user).delete()[0])


def end_all(user: Any, *, but: str | None = None) -> int:
    """End the sessions of a user, except the one with the key `but`. Return their number."""
    ended = Session.objects.filter(browser_session__user=user)
    # Rows are locked one after another, so their number is counted first.
    keys = [key for key in ended.values_list("pk", flat=True) if key != but]
    Session.objects.filter(pk__in=keys).delete()
    return len(keys)


def _seen(request: Any) -> dict[str, Any]:
    user_agent = request.headers.get("User-Agent", "").replace("\0", "")
    return {
        "user_agent": user_agent[: BrowserSession._meta.get_field("user_agent").max_length],
        "address": address_of(request),
        "seen_at": timezone.now(),
    }


def _forget_some() -> None:
    """Delete some expired sessions, and rows of those that ended long ago. A sign-in adds one, so neither grows."""
    now = timezone.now()
    with transaction.atomic():
        expired = Session.objects.select_for_update(skip_locked=True).filter(expire_date__lt=now)
        Session.objects.filter(pk__in=list(expired.values_list("pk", flat=True)[:DELETED_AT_ONCE])).delete()
    with transaction.atomic():
        old = BrowserSession.objects.select_for_update(skip_locked=True).filter(session=None, seen_at__lt=now - KEPT)
        BrowserSession.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:DELETED_AT_ONCE])).delete()
