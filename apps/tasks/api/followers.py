"""Users who follow tasks by event streams, and whether each of them still may.

A stream ends when its user is locked out, has a new password or may not see the task any more, or not as staff do. It
ends as well with the session or the token with which it was opened. All streams of an event loop share the statements
that find out.
"""

import asyncio
import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from weakref import WeakKeyDictionary

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookies
from django.db import Error as DatabaseError
from django.db import models
from django.utils import timezone
from rest_framework.request import Request

from apps.core.connections import close_idle
from apps.core.permission import sees_all
from apps.tasks.models import TaskStatus

logger = logging.getLogger(__name__)

#: Seconds between two checks of all followers.
ACCESS_SECONDS = 1.0
#: Users whose tasks are looked for in one statement. SQLite takes 500 parts.
USERS_AT_ONCE = 200


@dataclass(frozen=True, kw_only=True)
class Follower:
    """A user who follows a task.

    Parameters:
      auth_hash: Django's hash of the user's password, which a new one changes.
      session_key: Session with which the stream was opened. Empty: it was another credential.
      token: Model and primary key of the token with which it was opened. None: it was another credential.
      sees_all: Whether the stream shows what staff see.
    """

    task_id: str
    user_pk: Any
    auth_hash: str
    session_key: str = ""
    token: tuple[type[models.Model], Any] | None = None
    sees_all: bool = False

    @classmethod
    def of(cls, request: Request, task_id: str) -> "Follower":
        user: Any = request.user
        token = request.auth if isinstance(request.auth, models.Model) else None
        session: Any = getattr(request._request, "session", None)
        by_session = token is None and session is not None and SESSION_KEY in session
        return cls(
            task_id=task_id,
            user_pk=user.pk,
            auth_hash=user.get_session_auth_hash(),
            session_key=(session.session_key or "") if by_session else "",
            token=None if token is None else (type(token), token.pk),
            sees_all=sees_all(user, TaskStatus),
        )


class Watched:
    """A follower during a stream. `may_follow` becomes false when the stream has to end."""

    def __init__(self, follower: Follower) -> None:
        self.follower = follower
        self.may_follow = True


class Watch:
    """Watches the followers of one event loop."""

    _of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, "Watch"] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._watched: set[Watched] = set()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def of_this_loop(cls) -> "Watch":
        return cls._of_loop.setdefault(asyncio.get_running_loop(), cls())

    @contextmanager
    def over(self, follower: Follower) -> Iterator[Watched]:
        """Watch a follower during the block."""
        watched = Watched(follower)
        self._watched.add(watched)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            yield watched
        finally:
            self._watched.discard(watched)

    async def _run(self) -> None:
        try:
            while self._watched:
                await asyncio.sleep(ACCESS_SECONDS)
                await self._check(tuple(self._watched))
        finally:
            self._task = None

    async def _check(self, watched: Collection[Watched]) -> None:
        try:
            allowed = await asyncio.to_thread(_on_own_connection, {each.follower for each in watched})
        except DatabaseError as error:
            # Without the database nothing new can be seen either.
            logger.warning("followers wait for the database error=%s", error)
            return
        except Exception:
            logger.exception("followers cannot be checked, so their streams end")
            allowed = set()
        for each in watched:
            each.may_follow = each.follower in allowed


def _on_own_connection(followers: Collection[Follower]) -> set[Follower]:
    try:
        return allowed(followers)
    finally:
        close_idle()


def allowed(followers: Collection[Follower]) -> set[Follower]:
    """Return those who still may follow their tasks, with a few statements for all together."""
    manager = get_user_model()._default_manager
    users = {
        pk: user
        for pk, user in manager.in_bulk({each.user_pk for each in followers}).items()
        if getattr(user, "is_active", True)
    }
    unchanged = {pk: user.get_session_auth_hash() for pk, user in users.items()}
    sessions = _living_sessions({each.session_key for each in followers} - {""})
    tokens = _living_tokens({each.token for each in followers if each.token is not None})
    holding = [
        each
        for each in followers
        if unchanged.get(each.user_pk) == each.auth_hash
        and (not each.session_key or each.session_key in sessions)
        and (each.token is None or each.token in tokens)
        and (not each.sees_all or sees_all(users[each.user_pk], TaskStatus))
    ]
    seen = _seen_tasks(holding, users)
    return {each for each in holding if (each.user_pk, each.task_id) in seen}


def _living_sessions(keys: set[str]) -> set[str]:
    """Return the keys of the sessions that were neither ended nor expired."""
    if not keys:
        return set()
    store: Any = import_module(settings.SESSION_ENGINE).SessionStore
    if issubclass(store, SignedCookies):
        return keys  # The browser has the only copy, so the server cannot end one.
    if hasattr(store, "get_model_class"):
        rows = store.get_model_class()._default_manager.filter(session_key__in=keys, expire_date__gt=timezone.now())
        return set(rows.values_list("session_key", flat=True))
    return {key for key in keys if store().exists(key)}


def _living_tokens(tokens: Collection[tuple[type[models.Model], Any]]) -> set[tuple[type[models.Model], Any]]:
    """Return the tokens that exist, or that are valid by a method `valid` of their model's queryset."""
    found = set()
    for model in {model for model, _ in tokens}:
        rows: Any = model._default_manager.filter(pk__in=[pk for of, pk in tokens if of is model])
        if hasattr(rows, "valid"):
            rows = rows.valid()
        found |= {(model, pk) for pk in rows.values_list("pk", flat=True)}
    return found


def _seen_tasks(followers: Collection[Follower], users: Mapping[Any, Any]) -> set[tuple[Any, str]]:
    """Return pairs of a user and of a task that this user may see."""
    wanted: dict[Any, set[str]] = {}
    for each in followers:
        wanted.setdefault(each.user_pk, set()).add(each.task_id)
    pks = list(wanted)
    found: set[tuple[Any, str]] = set()
    for start in range(0, len(pks), USERS_AT_ONCE):
        parts = [
            TaskStatus.objects.filter(task_id__in=wanted[pk])
            .visible_to(users[pk])
            .order_by()
            .annotate(user_number=models.Value(number))
            .values_list("user_number", "task_id")
            for number, pk in enumerate(pks[start : start + USERS_AT_ONCE], start)
        ]
        found |= {(pks[number], task_id) for number, task_id in parts[0].union(*parts[1:], all=True)}
    return found
