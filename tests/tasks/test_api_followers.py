"""Event streams end when their users may not follow the task any more."""

import time
from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import ApiToken, User
from apps.accounts.tokens.issuing import issue
from apps.tasks.api import events, followers
from apps.tasks.api.followers import Follower, allowed
from apps.tasks.models import TaskStatus
from tests import rows
from tests.clients import Writer, writer
from tests.web import Event, EventStream, serving

PASSWORD = "sense-and-sensibility"
END = Event(name="end", id="end", data=None)
#: Longest time between a revocation and the end of the streams.
PROMISED_SECONDS = 2.0


@pytest.fixture
def jane(transactional_db: None) -> Writer:
    return writer("jane")


@pytest.fixture
def task(jane: Writer) -> TaskStatus:
    return rows.task(owner_id=jane.user.pk)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(followers, "ACCESS_SECONDS", 0.05)


@pytest.fixture
def port(transactional_db: None, quick: None) -> Iterator[int]:
    with serving() as number:
        yield number


def path(task: TaskStatus) -> str:
    return f"/api/tasks/{task.task_id}/events/"


def browser(user: User) -> Client:
    found = Client()
    found.force_login(user)
    return found


def cookie(client: Client) -> str:
    name = django_settings.SESSION_COOKIE_NAME
    return f"{name}={client.cookies[name].value}"


def new_password(user: User) -> None:
    user = User.objects.get(pk=user.pk)
    user.set_password("a-walk-to-meryton")
    user.save()


def lock_out(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def revoke(user: User) -> None:
    ApiToken.objects.filter(user=user).delete()


def expire(user: User) -> None:
    ApiToken.objects.filter(user=user).update(expires_at=timezone.now())


@pytest.mark.parametrize(
    "change", [new_password, lock_out, revoke, expire, User.delete], ids=lambda each: each.__name__
)
def test_a_stream_that_a_token_opened_ends(
    port: int, jane: Writer, task: TaskStatus, change: Callable[[User], Any]
) -> None:
    emily = writer("emily")
    hers = rows.task(owner_id=emily.user.pk)
    with (
        EventStream(port, path(task), Authorization=f"Token {jane.token}") as stream,
        EventStream(port, path(hers), Authorization=f"Token {emily.token}") as other,
    ):
        assert (stream.next(), other.next()) != (None, None)
        change(jane.user)

        assert stream.next() == END
        assert stream.next() is None
        TaskStatus.objects.filter(pk=hers.pk).update(progress=7)
        event = other.next()
        assert event is not None
        assert event.data["progress"] == 7


def sign_out(client: Client) -> None:
    client.post("/sign-out/")


def change_own_password(client: Client) -> None:
    passwords = {"old_password": PASSWORD, "new_password1": "a-walk-to-meryton", "new_password2": "a-walk-to-meryton"}
    assert client.post("/admin/password_change/", passwords).status_code == 302


def end_session(client: Client) -> None:
    client.session.delete()


@pytest.mark.parametrize("change", [sign_out, change_own_password, end_session], ids=lambda each: each.__name__)
@pytest.mark.parametrize("engine", ["db", "cached_db", "cache"])
def test_a_stream_that_a_session_opened_ends(
    quick: None,
    jane: Writer,
    task: TaskStatus,
    settings: Any,
    engine: str,
    change: Callable[[Client], None],
) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    User.objects.update(is_staff=True)
    client = browser(jane.user)
    elsewhere = browser(jane.user)
    with (
        serving() as port,
        EventStream(port, path(task), Cookie=cookie(client)) as stream,
        EventStream(port, path(task), Cookie=cookie(elsewhere)) as other,
    ):
        assert (stream.next(), other.next()) != (None, None)
        change(client)

        assert stream.next() == END
        if change is change_own_password:
            assert other.next() == END
        else:
            TaskStatus.objects.update(progress=7)
            assert (other.next() or END).data["progress"] == 7


def test_a_stream_ends_for_a_user_who_leaves_the_staff(port: int, task: TaskStatus) -> None:
    staff = User.objects.create_superuser("ada")
    _, secret = issue(staff, name="Test")
    with EventStream(port, path(task), Authorization=f"Token {secret}") as stream:
        assert stream.next()
        User.objects.filter(pk=staff.pk).update(is_staff=False, is_superuser=False)

        assert stream.next() == END


@pytest.mark.django_db
def test_a_stream_with_what_staff_see_ends_for_the_owner_of_the_task_as_well() -> None:
    ann = writer("ann", is_staff=True, permissions=["tasks.view_taskstatus"]).user
    task = rows.task(owner_id=ann.pk)
    follower = Follower(task_id=task.task_id, user_pk=ann.pk, auth_hash=ann.get_session_auth_hash(), sees_all=True)
    assert allowed([follower]) == {follower}

    User.objects.update(is_staff=False)

    assert allowed([follower]) == set()


def test_streams_end_within_the_promised_time(jane: Writer, task: TaskStatus) -> None:
    """With the intervals of production."""
    with serving() as port, EventStream(port, path(task), Authorization=f"Token {jane.token}") as stream:
        stream.next()
        began = time.monotonic()
        revoke(jane.user)
        assert stream.next_with_name() == END
        # A busy machine may take longer; the intervals alone may not.
        assert followers.ACCESS_SECONDS + events.LOOK_SECONDS < PROMISED_SECONDS
        assert time.monotonic() - began < 10


def test_a_check_without_the_database_ends_no_stream(
    port: int, jane: Writer, task: TaskStatus, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Any]
) -> None:
    refused = []

    def away(each: Collection[Follower]) -> set[Follower]:
        refused.append(each)
        raise OperationalError("the database system is shutting down")

    with EventStream(port, path(task), Authorization=f"Token {jane.token}") as stream:
        stream.next()
        with monkeypatch.context() as patch:
            patch.setattr(followers, "allowed", away)
            wait_until(lambda: len(refused) >= 2, timeout=20)
        TaskStatus.objects.update(progress=7)
        assert (stream.next() or END).data["progress"] == 7
        revoke(jane.user)
        assert stream.next() == END


def test_a_check_that_fails_ends_the_streams(
    port: int, jane: Writer, task: TaskStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(each: Collection[Follower]) -> set[Follower]:
        raise LookupError("a bug")

    with EventStream(port, path(task), Authorization=f"Token {jane.token}") as stream:
        stream.next()
        monkeypatch.setattr(followers, "allowed", broken)
        assert stream.next() == END


# --- One look for all ---


def followers_of(count: int) -> list[Follower]:
    """Make users who each follow a task of their own, by a token and by a session."""
    found = []
    store = import_module(django_settings.SESSION_ENGINE).SessionStore
    for number in range(count):
        user = User.objects.create_user(f"user-{number}")
        task = rows.task(owner_id=user.pk)
        token, _ = issue(user, name="Test")
        session = store()
        session.save()
        common: dict[str, Any] = {
            "task_id": task.task_id,
            "user_pk": user.pk,
            "auth_hash": user.get_session_auth_hash(),
        }
        found += [Follower(**common, token=(ApiToken, token.pk)), Follower(**common, session_key=session.session_key)]
    return found


@pytest.mark.django_db
def test_any_number_of_followers_takes_as_many_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    some = followers_of(30)

    def statements(each: list[Follower]) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert allowed(each) == set(each)
        return len(queries)

    assert statements(some) == statements(some[:2]) == 4
    monkeypatch.setattr(followers, "USERS_AT_ONCE", 7)
    assert statements(some) == 3 + 5


@pytest.mark.django_db
def test_each_follower_is_judged_alone() -> None:
    some = followers_of(3)
    first, second, third = (Follower(**vars(each)) for each in some[::2])
    elsewhere = Follower(**vars(first) | {"task_id": second.task_id})
    changed = Follower(**vars(third) | {"auth_hash": "other"})

    assert allowed([first, second, elsewhere, changed]) == {first, second}
    assert allowed([]) == set()


@pytest.mark.django_db
def test_an_expired_session_is_no_credential() -> None:
    [by_token, by_session] = followers_of(1)
    store = import_module(django_settings.SESSION_ENGINE).SessionStore
    store.get_model_class().objects.update(expire_date=timezone.now() - timedelta(seconds=1))

    assert allowed([by_token, by_session]) == {by_token}
