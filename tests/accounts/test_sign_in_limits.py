"""Limits of attempts to sign in: on the pages, in the admin and in the API."""

import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import aauthenticate, authenticate
from django.contrib.auth.hashers import get_hasher
from django.db import connection
from django.db.models import F
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from aiWriting.environment import BASE_DIR
from apps.accounts.errors import TooManyAttemptsError
from apps.accounts.models import Throttle, User
from apps.accounts.sign_in import hashing, throttling
from apps.accounts.sign_in.client import address_of
from tests.pages import Page, get

pytestmark = pytest.mark.django_db

PASSWORD = "sense-and-sensibility"
HERE, ELSEWHERE = "192.0.2.1", "198.51.100.7"
WAYS = ["/sign-in/", "/admin/login/", "/api/token/"]


@pytest.fixture
def jane() -> User:
    return User.objects.create_user("jane", password=PASSWORD, is_staff=True)


def attempt(way: str = "/sign-in/", *, password: str = "wrong", name: str = "jane", address: str = HERE) -> Any:
    """Try to sign in from an address, in a browser of its own."""
    return Client(REMOTE_ADDR=address).post(way, {"username": name, "password": password})


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that few attempts reach."""
    for name in ("ACCOUNT", "ADDRESS"):
        monkeypatch.setattr(throttling, name, replace(getattr(throttling, name), burst=6))


def exhaust(*, name: str = "jane", address: str = HERE) -> None:
    """Use up the attempts of an address at an account."""
    for _ in range(throttling.PAIR.burst):
        attempt(name=name, address=address)


def let_pass(time: timedelta) -> None:
    """Let time pass for the counters."""
    Throttle.objects.update(free_at=F("free_at") - time)


@pytest.mark.parametrize("way", WAYS)
def test_after_five_wrong_passwords_a_client_waits(jane: User, way: str) -> None:
    for _ in range(5):
        assert attempt(way).status_code in (200, 400)

    refused = attempt(way, password=PASSWORD)

    assert refused.status_code == 429
    assert "Too many attempts. Try again in 3 minutes." in refused.content.decode()
    assert 170 <= int(refused.headers["Retry-After"]) <= 180


@pytest.mark.parametrize("way", WAYS)
def test_a_password_that_is_too_long_for_any_user_is_not_looked_at(jane: User, way: str) -> None:
    password = "x" * 1_025
    jane.set_password(password)
    jane.save()

    assert attempt(way, password=password).status_code in (200, 400)
    assert not Throttle.objects.exists()


@pytest.mark.parametrize("way", WAYS)
def test_attempts_count_wherever_they_are_made(jane: User, way: str) -> None:
    exhaust()

    assert attempt(way, password=PASSWORD).status_code == 429


def test_a_refused_attempt_does_not_prolong_the_wait(jane: User) -> None:
    exhaust()
    for _ in range(10):
        attempt()
    let_pass(throttling.PAIR.interval)

    assert attempt(password=PASSWORD).status_code == 302


def test_the_name_stays_in_the_form_of_a_refused_attempt(jane: User) -> None:
    exhaust()

    page = Page(attempt().content.decode())

    assert page.with_attribute("name", "username")[0]["value"] == "jane"


def test_a_stranger_elsewhere_is_no_hindrance_to_the_user(jane: User) -> None:
    exhaust(address=ELSEWHERE)

    assert attempt(password=PASSWORD).status_code == 302


def test_many_strangers_together_make_no_more_than_a_hundred_guesses_in_an_hour(jane: User) -> None:
    guesses = throttling.Counter(limit=throttling.ACCOUNT, name="jane", user_id=jane.pk)
    made = 0
    for _minute in range(60):
        for _ in range(throttling.ACCOUNT.burst):
            try:
                throttling.count([guesses])
            except TooManyAttemptsError:
                break
            made += 1
        let_pass(timedelta(minutes=1))

    assert 90 <= made <= 100


def test_strangers_cannot_slow_down_a_user_where_they_signed_in_before(jane: User, small_limits: None) -> None:
    browser = Client(REMOTE_ADDR=HERE)
    browser.post("/sign-in/", {"username": "jane", "password": PASSWORD})
    browser.get("/")
    browser.post("/sign-out/")
    for number in range(throttling.ACCOUNT.burst):
        attempt(address=f"10.0.0.{number}")

    assert attempt(password=PASSWORD, address=ELSEWHERE).status_code == 429
    assert attempt(password=PASSWORD, address=HERE).status_code == 302


def test_the_wait_for_an_account_under_attack_is_short(jane: User, small_limits: None) -> None:
    for number in range(throttling.ACCOUNT.burst):
        attempt(address=f"10.0.0.{number}")

    assert int(attempt(password=PASSWORD, address=ELSEWHERE).headers["Retry-After"]) <= 45


def test_one_client_who_tries_many_accounts_is_stopped(small_limits: None) -> None:
    answers = [attempt(name=f"user-{number}").status_code for number in range(throttling.ADDRESS.burst + 2)]

    assert answers == [200] * throttling.ADDRESS.burst + [429] * 2


def test_an_unknown_name_is_answered_like_a_known_one(jane: User) -> None:
    answers = {
        name: [attempt(name=name, address=address).status_code for _ in range(7)]
        for name, address in (("jane", HERE), ("nobody", ELSEWHERE))
    }

    assert answers["jane"] == answers["nobody"] == [200] * 5 + [429] * 2


def test_a_right_password_costs_no_attempt(jane: User) -> None:
    for _ in range(throttling.PAIR.burst + 1):
        assert attempt(password=PASSWORD).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_attempts_at_the_same_time_do_not_exceed_the_limit(jane: User) -> None:
    ready = threading.Barrier(12)

    def one(number: int) -> bool:
        ready.wait(timeout=20)
        try:
            throttling.count([throttling.Counter(limit=throttling.PAIR, name="jane", address=HERE)])
        except TooManyAttemptsError:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(one, range(12))) == throttling.PAIR.burst


def test_an_attempt_that_waited_for_another_one_is_not_refused_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    two = replace(throttling.PAIR, burst=2)
    counters = [throttling.Counter(limit=two, name="jane", address=HERE)]
    clock = [timezone.now()]
    monkeypatch.setattr(timezone, "now", lambda: clock[0])
    create = Throttle.objects.bulk_create

    def create_after_another_one(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(Throttle.objects, "bulk_create", create)
        clock[0] += timedelta(seconds=1)
        throttling.count(counters)
        return create(*args, **options)

    monkeypatch.setattr(Throttle.objects, "bulk_create", create_after_another_one)
    throttling.count(counters)
    with pytest.raises(TooManyAttemptsError):
        throttling.count(counters)


def test_limits_are_kept_in_the_database(jane: User) -> None:
    exhaust()

    scopes = set(Throttle.objects.values_list("scope", "user", "address"))

    assert scopes == {("pair", jane.pk, HERE), ("account", jane.pk, ""), ("address", None, HERE)}


@pytest.mark.parametrize("name", ["hunter2", "Jane"])
def test_the_name_of_no_user_is_stored_and_logged_nowhere(name: str, caplog: pytest.LogCaptureFixture) -> None:
    attempt(name=name)

    assert name not in caplog.text
    assert not [row for row in Throttle.objects.values_list() if name in map(str, row)]


def test_a_failed_attempt_is_one_line_with_account_and_address(jane: User, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "apps.accounts"):
        attempt(password="my-secret")

    lines = [record.getMessage() for record in caplog.records if record.name.startswith("apps.accounts")]
    assert lines == [f"sign-in failed account={jane.pk} address={HERE}"]
    assert "my-secret" not in caplog.text


def test_a_sign_in_is_one_line_with_account_and_address(jane: User, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "apps.accounts"):
        attempt(password=PASSWORD)

    lines = [record.getMessage() for record in caplog.records if record.name.startswith("apps.accounts")]
    assert lines == [f"signed in account={jane.pk} address={HERE}"]


def test_a_header_of_the_client_changes_no_address(jane: User) -> None:
    exhaust()

    response = Client(REMOTE_ADDR=HERE).post(
        "/sign-in/", {"username": "jane", "password": PASSWORD}, headers={"X-Forwarded-For": ELSEWHERE}
    )

    assert response.status_code == 429


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix:", ""),
    ],
)
def test_a_network_of_ipv6_counts_as_one_client(peer: str, address: str) -> None:
    assert address_of(RequestFactory().get("/", REMOTE_ADDR=peer)) == address


@pytest.mark.parametrize(
    ("name", "password"),
    [("ja\0ne", "x"), ("\ud800", "x"), ("x" * 151, "x"), ("jane", "x" * 1_025), ("jane", "\udfff"), ("jane", "a\0b")],
)
def test_a_name_or_password_that_no_user_has_is_wrong(jane: User, name: str, password: str) -> None:
    assert authenticate(RequestFactory().get("/"), username=name, password=password) is None


def test_a_caller_without_a_request_is_limited_by_the_account(jane: User) -> None:
    for _ in range(throttling.ACCOUNT.burst):
        assert authenticate(username="jane", password="wrong") is None

    with pytest.raises(TooManyAttemptsError):
        authenticate(username="jane", password=PASSWORD)


@pytest.mark.django_db(transaction=True)
def test_a_caller_in_async_code_is_limited_too(jane: User) -> None:
    def attempt_once() -> object:
        return async_to_sync(aauthenticate)(username="jane", password="wrong")

    assert [attempt_once() for _ in range(throttling.ACCOUNT.burst)] == [None] * throttling.ACCOUNT.burst
    with pytest.raises(TooManyAttemptsError):
        attempt_once()


# --- Staff ---------------------------------------------------------------------------------------


def test_staff_see_who_waits_and_unlock_an_account(jane: User, admin_client: Client) -> None:
    exhaust()
    assert "jane" in get(admin_client, reverse("admin:accounts_throttle_changelist")).text

    form = {"action": "unlock", "_selected_action": [jane.pk]}
    page = admin_client.post(reverse("admin:accounts_user_changelist"), form, follow=True)

    assert "Sign-in limits lifted: 2." in page.content.decode()
    assert attempt(password=PASSWORD).status_code == 302


def test_staff_unlock_an_address(small_limits: None, admin_client: Client) -> None:
    for number in range(throttling.ADDRESS.burst):
        attempt(name=f"user-{number}")
    row = Throttle.objects.get(scope="address")

    admin_client.post(reverse("admin:accounts_throttle_delete", args=[row.pk]), {"post": "yes"})

    assert attempt().status_code == 200


def test_a_limit_is_neither_added_nor_changed_by_hand(jane: User, admin_client: Client) -> None:
    exhaust()
    row = Throttle.objects.first()
    assert row is not None

    assert admin_client.get(reverse("admin:accounts_throttle_add")).status_code == 403
    assert admin_client.post(reverse("admin:accounts_throttle_change", args=[row.pk]), {}).status_code == 403


def test_an_attempt_deletes_counters_that_are_empty(jane: User) -> None:
    attempt(address=HERE)
    let_pass(timedelta(days=1))
    attempt(address=ELSEWHERE)

    assert set(Throttle.objects.values_list("address", flat=True)) == {"", ELSEWHERE}


# --- Hashing -------------------------------------------------------------------------------------


def test_more_sign_ins_than_can_wait_are_refused_at_once(jane: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "slots", hashing.Slots(at_once=1, waiting=0))
    with hashing.slots.take():
        refused = attempt(password=PASSWORD)

    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "5"
    assert "Too many users sign in at this moment" in refused.content.decode()
    # The refused attempt does not count.
    assert not Throttle.objects.filter(free_at__gt=timezone.now()).exists()
    assert attempt(password=PASSWORD).status_code == 302


def test_passwords_are_hashed_with_argon2(jane: User) -> None:
    assert get_hasher("default").algorithm == "argon2"
    assert jane.password.startswith("argon2$argon2id$")


def test_an_older_hash_is_replaced_at_the_next_sign_in(jane: User) -> None:
    jane.password = get_hasher("pbkdf2_sha256").encode(PASSWORD, "salt")
    jane.save()

    assert attempt(password=PASSWORD).status_code == 302

    jane.refresh_from_db()
    assert jane.password.startswith("argon2$")


@pytest.mark.parametrize("name", ["jane", "unknown"])
def test_a_wrong_password_and_an_unknown_name_hash_alike(
    jane: User, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []

    def noting(work: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any) -> Any:
            hashed.append("hash")
            return work(*args)

        return noted

    for name_of_work in ("encode", "verify"):
        work = getattr(hashing.Argon2Hasher, name_of_work)
        monkeypatch.setattr(hashing.Argon2Hasher, name_of_work, noting(work))

    attempt(name=name)

    assert hashed == ["hash"]


def test_a_refused_attempt_hashes_nothing(jane: User, monkeypatch: pytest.MonkeyPatch) -> None:
    exhaust()
    monkeypatch.setattr(hashing.Argon2Hasher, "verify", lambda *args: pytest.fail("hashed"))

    assert attempt(password=PASSWORD).status_code == 429


def test_the_release_step_warns_of_links_to_any_host(settings: Any) -> None:
    from apps.accounts.checks import check_origin_of_links

    settings.ALLOWED_HOSTS = ["*"]
    assert [warning.id for warning in check_origin_of_links(None)] == ["accounts.W001"]
    settings.PUBLIC_ORIGIN = "https://writing.example.com"
    assert check_origin_of_links(None) == []


@pytest.mark.once
def test_passwords_are_hashed_at_the_cost_that_owasp_recommends() -> None:
    """In a process of its own, since the tests lower the cost."""
    program = (
        "from django.conf import settings; "
        "settings.configure(PASSWORD_HASHERS=['apps.accounts.sign_in.hashing.Argon2Hasher']); "
        "from django.contrib.auth.hashers import make_password; print(make_password('x'))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=BASE_DIR, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
