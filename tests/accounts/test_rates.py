"""Rates and limits of a user, in the database."""

import subprocess
import sys
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from aiWriting.environment import BASE_DIR
from apps.accounts.models import Allowance, Meter, User
from apps.accounts.quotas import metering
from apps.accounts.quotas.errors import NotNowError
from apps.accounts.quotas.limits import SETTINGS, limits_of
from tests.at_once import at_once
from tests.pages import get

pytestmark = pytest.mark.django_db

UPLOADS = metering.UPLOADS


@pytest.fixture
def jane(db: None) -> User:
    return User.objects.create_user("jane")


def counted(user: User, *, times: int) -> int:
    """Count several times. Return the number of those that were taken."""
    taken = 0
    for _ in range(times):
        try:
            metering.count(UPLOADS, user_id=user.pk)
        except NotNowError:
            continue
        taken += 1
    return taken


def later(user: User, **passed: float) -> None:
    """Let time pass for the user's meter."""
    free_at = Meter.objects.get(user=user).uploads_free_at
    assert free_at is not None
    Meter.objects.filter(user=user).update(uploads_free_at=free_at - timedelta(**passed))


# --- Rates ---------------------------------------------------------------------------------------


def test_as_many_as_the_limit_are_taken_at_once(jane: User, settings: Settings) -> None:
    settings.QUOTA_UPLOADS_A_MINUTE = 3
    assert counted(jane, times=5) == 3


def test_one_more_is_taken_after_an_even_share_of_the_minute(jane: User, settings: Settings) -> None:
    settings.QUOTA_UPLOADS_A_MINUTE = 3
    counted(jane, times=3)
    later(jane, seconds=20)
    assert counted(jane, times=2) == 1
    later(jane, minutes=5)
    assert counted(jane, times=5) == 3


def test_the_refusal_names_the_limit_and_the_seconds_to_wait(jane: User, settings: Settings) -> None:
    settings.QUOTA_UPLOADS_A_MINUTE = 1
    metering.count(UPLOADS, user_id=jane.pk)
    with pytest.raises(NotNowError) as caught:
        metering.count(UPLOADS, user_id=jane.pk)
    wait = caught.value.wait
    assert str(caught.value) == (
        f"You have added 1 document within a minute, as many as you may. Add the next one in {wait} seconds."
    )
    assert wait is not None
    assert 50 <= wait <= 60


def test_waiting_as_long_as_the_refusal_says_is_enough(jane: User, settings: Settings) -> None:
    settings.QUOTA_UPLOADS_A_MINUTE = 7
    counted(jane, times=7)
    with pytest.raises(NotNowError) as caught:
        metering.count(UPLOADS, user_id=jane.pk)
    assert caught.value.wait is not None
    later(jane, seconds=caught.value.wait)
    assert counted(jane, times=1) == 1


def test_refused_attempts_do_not_make_the_wait_longer(jane: User, settings: Settings) -> None:
    settings.QUOTA_UPLOADS_A_MINUTE = 1
    counted(jane, times=1)
    before = Meter.objects.get().uploads_free_at
    counted(jane, times=20)
    assert Meter.objects.get().uploads_free_at == before


def test_no_request_leaves_a_row(jane: User) -> None:
    counted(jane, times=20)
    assert Meter.objects.count() == 1


def test_users_do_not_share_a_rate(jane: User, settings: Settings) -> None:
    settings.QUOTA_UPLOADS_A_MINUTE = 1
    assert counted(jane, times=2) == counted(User.objects.create_user("emily"), times=2) == 1


def test_zero_is_no_limit_and_writes_nothing(jane: User, settings: Settings) -> None:
    settings.QUOTA_UPLOADS_A_MINUTE = 0
    assert counted(jane, times=50) == 50
    assert not Meter.objects.exists()


def test_a_level_from_a_clock_that_is_wrong_blocks_no_user(jane: User, settings: Settings) -> None:
    settings.QUOTA_UPLOADS_A_MINUTE = 1
    Meter.objects.create(user=jane, uploads_free_at=timezone.now() + timedelta(days=900))
    metering.check(UPLOADS, user_id=jane.pk)
    assert counted(jane, times=2) == 1


def test_a_lower_limit_holds_at_once_and_blocks_for_a_period_at_most(jane: User, settings: Settings) -> None:
    settings.QUOTA_UPLOADS_A_MINUTE = 100
    counted(jane, times=100)
    settings.QUOTA_UPLOADS_A_MINUTE = 2
    assert counted(jane, times=1) == 0
    later(jane, minutes=1)
    assert counted(jane, times=3) == 2


@given(limit=st.integers(1, 1_000_000), used=st.floats(0, 1))
def test_a_wait_is_never_longer_than_the_period(limit: int, used: float) -> None:
    now = timezone.now()
    refusal = UPLOADS.refusal(now + used * UPLOADS.period, limit=limit, now=now)
    assert refusal is None or (refusal.wait is not None and 1 <= refusal.wait <= 60)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_first", [True, False], ids=["without a meter", "with a meter"])
def test_of_many_at_once_as_many_as_the_limit_are_taken(settings: Settings, is_first: bool) -> None:
    settings.QUOTA_UPLOADS_A_MINUTE = 3
    jane = User.objects.create_user("jane")
    if not is_first:
        Meter.objects.create(user=jane)
    assert sum(at_once(lambda _: counted(jane, times=1), times=8)) == 3


def test_a_request_that_read_the_clock_before_another_one_is_not_refused_for_it() -> None:
    now = timezone.now()
    behind = now - timedelta(milliseconds=300)
    assert UPLOADS.refusal(now + UPLOADS.period * 2 / 3, limit=3, now=behind) is None
    assert UPLOADS.refusal(now + UPLOADS.period, limit=3, now=behind) is not None


# --- Limits --------------------------------------------------------------------------------------


def test_the_limits_are_those_of_the_settings(jane: User, settings: Settings) -> None:
    for number, setting in enumerate(SETTINGS.values(), start=1):
        setattr(settings, setting, number)
    limits = limits_of(jane.pk)
    assert [getattr(limits, name) for name in SETTINGS] == list(range(1, len(SETTINGS) + 1))


def test_an_allowance_holds_for_its_user_and_leaves_the_other_limits(jane: User, settings: Settings) -> None:
    settings.QUOTA_DOCUMENTS, settings.QUOTA_TASKS = 10, 20
    Allowance.objects.create(user=jane, documents=99, projects=0)
    emily = User.objects.create_user("emily")
    assert (limits_of(jane.pk).documents, limits_of(jane.pk).projects, limits_of(jane.pk).tasks) == (99, 0, 20)
    assert limits_of(emily.pk).documents == 10


def test_an_allowance_goes_with_its_user(jane: User) -> None:
    Allowance.objects.create(user=jane)
    counted(jane, times=1)
    jane.delete()
    assert not Allowance.objects.exists()
    assert not Meter.objects.exists()


def test_staff_raise_a_quota_in_the_admin(admin_client: Client, jane: User, settings: Settings) -> None:
    settings.QUOTA_DOCUMENTS = 1234
    assert (
        "Documents in the user's projects. Empty: 1,234. 0: no limit."
        in get(admin_client, reverse("admin:accounts_allowance_add")).text
    )
    response = admin_client.post(reverse("admin:accounts_allowance_add"), {"user": jane.pk, "documents": "2000"})
    assert response.status_code == 302
    assert limits_of(jane.pk).documents == 2000
    assert "jane" in get(admin_client, reverse("admin:accounts_allowance_changelist")).text


@pytest.mark.parametrize("value", ["-1", "many", "1.5", "9" * 30])
@pytest.mark.parametrize("name", ["stored_megabytes", "documents"])
def test_the_admin_refuses_a_quota_that_is_no_number_beside_its_field(
    admin_client: Client, jane: User, name: str, value: str
) -> None:
    response = admin_client.post(reverse("admin:accounts_allowance_add"), {"user": jane.pk, name: value})
    assert response.status_code == 200
    assert not Allowance.objects.exists()


def test_a_wrong_setting_is_refused_at_the_start() -> None:
    program = """
import os, runpy, sys
for name in sys.argv[1:]:
    for value in ("-1", "many", "1.5"):
        os.environ[name] = value
        try:
            runpy.run_module("aiWriting.settings")
        except Exception as error:
            print(error)
        del os.environ[name]
"""
    done = subprocess.run(
        [sys.executable, "-c", program, *SETTINGS.values()],
        cwd=BASE_DIR,
        env={"SECRET_KEY": "x", "PATH": ""},
        capture_output=True,
        check=True,
        text=True,
    )
    expected = []
    for name in SETTINGS.values():
        expected.append(f"{name} is -1, must be at least 0")
        expected += [f"{name} is {value!r}, must be a whole number, at least 0" for value in ("many", "1.5")]
    assert done.stdout.splitlines() == expected
