"""Two-step sign-in: set up, asked for, required of staff, and removed."""

import logging
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.accounts.models import RecoveryCode, User
from apps.accounts.second_factor import service
from apps.accounts.sign_in import throttling
from tests.pages import Page, get

pytestmark = pytest.mark.django_db

PASSWORD = "sense-and-sensibility"
NAME = {"username": "jane", "password": PASSWORD}
ON = "/account/two-step/"


@pytest.fixture
def jane() -> User:
    return User.objects.create_user("jane", "jane@example.com", PASSWORD, is_staff=True, is_superuser=True)


@pytest.fixture
def browser(jane: User) -> Client:
    """A browser in which jane is signed in."""
    browser = Client()
    browser.force_login(jane)
    return browser


@pytest.fixture
def codes(jane: User) -> list[str]:
    """Recovery codes of jane, whose two-step sign-in is on."""
    TOTPDevice.objects.create(user=jane, confirmed=True)
    return service.renew_recovery_codes(jane)


def code_of(device: TOTPDevice, *, steps_ahead: int = 0) -> str:
    """Return the code that the app shows."""
    return f"{TOTP(device.bin_key, drift=steps_ahead).token():06d}"


def first_step(way: str = "/sign-in/") -> Client:
    """Give name and password in a browser of its own."""
    browser = Client()
    response = browser.post(way, NAME)
    assert response.headers["Location"].startswith("/sign-in/code/"), response
    return browser


def is_signed_in(browser: Client) -> bool:
    return "_auth_user_id" in browser.session


def test_the_first_step_gives_the_session_a_new_key(codes: list[str]) -> None:
    browser = Client()
    session = browser.session
    session["of a stranger"] = "who set the cookie"
    session.save()
    before = str(session.session_key)
    browser.cookies[settings.SESSION_COOKIE_NAME] = before

    browser.post("/sign-in/", NAME)

    assert browser.session.session_key not in (None, before)
    assert not Session.objects.filter(session_key=before).exists()


# --- Set up --------------------------------------------------------------------------------------


def test_a_user_sets_it_up_with_a_picture_and_a_code(browser: Client, jane: User) -> None:
    page = get(browser, ON)
    assert "<svg" in page.html
    assert "style=" not in page.html
    device = TOTPDevice.objects.get(user=jane)
    assert not device.confirmed

    codes = Page(browser.post(ON, {"code": code_of(device)}).content.decode())

    assert "shown this once" in codes.text
    assert service.device_of(jane) == device
    assert RecoveryCode.objects.filter(user=jane).count() == service.RECOVERY_CODES
    assert "Two-step sign-in is on" in get(browser, ON).text


def test_it_stays_off_until_a_code_was_right(browser: Client, jane: User) -> None:
    get(browser, ON)

    assert "That code is wrong" in browser.post(ON, {"code": "000000"}).content.decode()

    assert service.device_of(jane) is None
    assert Client().post("/sign-in/", NAME).headers["Location"] == "/"


def test_the_key_stays_the_same_while_it_is_set_up(browser: Client) -> None:
    get(browser, ON)
    key = TOTPDevice.objects.get().key
    get(browser, ON)

    assert TOTPDevice.objects.get().key == key


def test_other_sessions_end_when_it_begins(browser: Client, jane: User) -> None:
    other = Client()
    other.force_login(jane)
    other.get("/")
    get(browser, ON)

    browser.post(ON, {"code": code_of(TOTPDevice.objects.get())})

    assert other.get("/").status_code == 302
    assert browser.get("/").status_code == 200


def test_recovery_codes_are_stored_as_digests(codes: list[str]) -> None:
    stored = str(list(RecoveryCode.objects.values()))

    assert not [code for code in codes if code in stored or code.replace("-", "") in stored]


# --- Asked for -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("way", "destination"), [("/sign-in/", "/"), ("/admin/login/", "/admin/")])
def test_a_code_is_asked_for_after_the_password(codes: list[str], way: str, destination: str) -> None:
    browser = first_step(way)
    assert not is_signed_in(browser)
    assert browser.get("/").status_code == 302

    response = browser.post(f"/sign-in/code/?next={destination}", {"code": code_of(TOTPDevice.objects.get())})

    assert response.headers["Location"] == destination
    assert is_signed_in(browser)


def test_a_code_is_taken_once(codes: list[str]) -> None:
    code = code_of(TOTPDevice.objects.get())
    first_step().post("/sign-in/code/", {"code": code})
    again = first_step()

    assert "used already" in again.post("/sign-in/code/", {"code": code}).content.decode()
    assert not is_signed_in(again)


def test_a_recovery_code_is_taken_once_in_any_spelling(codes: list[str]) -> None:
    browser = first_step()
    browser.post("/sign-in/code/", {"code": f" {codes[0].upper().replace('-', ' ')} "})
    assert is_signed_in(browser)
    again = first_step()

    again.post("/sign-in/code/", {"code": codes[0]})

    assert not is_signed_in(again)
    assert f"{service.RECOVERY_CODES - 1} recovery codes" in get(browser, ON).text


def test_codes_are_guessed_five_times_and_then_slowly(codes: list[str]) -> None:
    browser = first_step()
    for _ in range(throttling.CODE.burst):
        assert browser.post("/sign-in/code/", {"code": "000000"}).status_code == 200

    refused = first_step().post("/sign-in/code/", {"code": codes[0]})

    assert refused.status_code == 429
    assert "Too many attempts. Try again in 5 minutes." in refused.content.decode()


def test_each_code_is_one_line_without_the_code(jane: User, codes: list[str], caplog: pytest.LogCaptureFixture) -> None:
    browser = first_step()
    with caplog.at_level(logging.INFO, service.__name__):
        browser.post("/sign-in/code/", {"code": "000000"})
        browser.post("/sign-in/code/", {"code": codes[0]})

    lines = [record.getMessage() for record in caplog.records if record.name == service.__name__]
    assert lines == [
        f"second step failed account={jane.pk} kind=app",
        f"second step passed account={jane.pk} kind=recovery code",
    ]


@pytest.mark.parametrize("code", ["", "x", "1" * 41, "\0", "१२३४५६", "-1", "1e5", "٣" * 24])
def test_a_malformed_code_is_wrong(codes: list[str], code: str) -> None:
    browser = first_step()

    assert browser.post("/sign-in/code/", {"code": code}).status_code == 200
    assert not is_signed_in(browser)


def test_the_second_step_needs_the_first(codes: list[str]) -> None:
    assert Client().get("/sign-in/code/").headers["Location"] == "/sign-in/"
    assert Client().post("/sign-in/code/", {"code": codes[0]}).headers["Location"] == "/sign-in/"


@pytest.mark.parametrize("end", ["time", "password", "deactivated", "app removed"])
def test_a_first_step_that_counts_no_longer_is_asked_for_again_with_the_reason(
    codes: list[str], jane: User, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    browser = first_step("/sign-in/?next=/account/")
    if end == "time":
        monkeypatch.setattr("apps.pages.views.people.FIRST_STEP_SECONDS", -1)
    elif end == "password":
        jane.set_password("mansfield-park-1814")
        jane.save()
    elif end == "deactivated":
        User.objects.filter(pk=jane.pk).update(is_active=False)
    else:
        service.remove(jane)

    asked = browser.post("/sign-in/code/", {"code": codes[0], "next": "/account/"}, follow=True)

    assert asked.redirect_chain == [("/sign-in/?next=%2Faccount%2F", 302)]
    assert "Your password does not count any more. Enter it again." in asked.content.decode()
    assert not is_signed_in(browser)
    assert "does not count" not in browser.get("/sign-in/code/", follow=True).content.decode()


def test_the_first_step_ends_with_the_password_and_with_time(
    codes: list[str], jane: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.pages.views import people

    browser, late = first_step(), first_step()
    jane.set_password("mansfield-park-1814")
    jane.save()
    assert browser.post("/sign-in/code/", {"code": codes[0]}).headers["Location"] == "/sign-in/"

    jane.set_password(PASSWORD)
    jane.save()
    late = first_step()
    monkeypatch.setattr(people, "FIRST_STEP_SECONDS", -1)
    assert late.post("/sign-in/code/", {"code": codes[0]}).headers["Location"] == "/sign-in/"


def test_a_password_alone_gets_no_token(codes: list[str]) -> None:
    response = Client().post("/api/token/", NAME)

    assert response.status_code == 403
    assert "needs two-step sign-in" in response.json()["detail"]


def test_a_new_password_does_not_turn_it_off(codes: list[str], jane: User) -> None:
    jane.set_password("mansfield-park-1814")
    jane.save()
    response = Client().post("/sign-in/", {"username": "jane", "password": "mansfield-park-1814"})

    assert response.headers["Location"].startswith("/sign-in/code/")


# --- Off -----------------------------------------------------------------------------------------


@pytest.fixture
def verified(codes: list[str]) -> Client:
    """A browser in which jane signed in with a code."""
    browser = first_step()
    browser.post("/sign-in/code/", {"code": codes[-1]})
    return browser


def test_a_user_makes_new_recovery_codes(verified: Client, codes: list[str], jane: User) -> None:
    page = Page(verified.post("/account/two-step/codes/").content.decode())

    assert codes[0] not in page.text
    assert service.verify(jane, codes[0]) is None


def test_a_user_turns_it_off(verified: Client, jane: User) -> None:
    verified.post("/account/two-step/off/")

    assert service.device_of(jane) is None
    assert not RecoveryCode.objects.exists()
    assert Client().post("/sign-in/", NAME).headers["Location"] == "/"


@pytest.mark.parametrize("path", [ON, "/account/two-step/codes/", "/account/two-step/off/"])
def test_a_session_without_a_code_changes_nothing(browser: Client, codes: list[str], jane: User, path: str) -> None:
    assert browser.post(path).status_code == 403

    assert service.device_of(jane)
    assert service.verify(jane, codes[0])


def test_staff_remove_a_lost_app(codes: list[str], jane: User, admin_client: Client) -> None:
    form = {"action": "remove_second_factor", "_selected_action": [jane.pk]}
    page = admin_client.post(reverse("admin:accounts_user_changelist"), form, follow=True)

    assert "Two-step sign-ins removed: 1." in page.content.decode()
    assert service.device_of(jane) is None


def test_no_page_of_the_admin_shows_the_keys(admin_client: Client) -> None:
    assert admin_client.get("/admin/otp_totp/totpdevice/").status_code == 404


# --- Required of staff ---------------------------------------------------------------------------


@pytest.fixture
def required(settings: Any) -> None:
    settings.STAFF_TWO_FACTOR = "required"


@pytest.mark.parametrize("path", ["/", "/admin/", "/account/", "/admin/accounts/user/", "/nowhere/x/"])
def test_staff_are_led_to_its_set_up(required: None, browser: Client, path: str) -> None:
    response = browser.get(path)

    assert response.status_code == 404 or response.headers["Location"] == ON


def test_staff_who_set_it_up_go_on(required: None, browser: Client) -> None:
    assert "Set it up to go on" in get(browser, ON).text

    browser.post(ON, {"code": code_of(TOTPDevice.objects.get())})

    assert browser.get("/admin/").status_code == 200


def test_staff_do_nothing_through_the_api_without_it(required: None, browser: Client) -> None:
    assert browser.get("/api/projects/").status_code == 403
    assert Client().post("/api/token/", NAME).status_code == 403


def test_staff_can_sign_out_without_it(required: None, browser: Client) -> None:
    assert browser.post("/sign-out/").headers["Location"] == "/sign-in/"


def test_writers_need_none(required: None, browser: Client, jane: User) -> None:
    User.objects.filter(pk=jane.pk).update(is_staff=False, is_superuser=False)

    assert browser.get("/").status_code == 200
    assert Client().post("/api/token/", NAME).status_code == 200


def test_it_is_offered_where_it_is_not_required(browser: Client) -> None:
    assert browser.get("/admin/").status_code == 200
    assert "Off: a password alone signs you in." in get(browser, "/account/").text
