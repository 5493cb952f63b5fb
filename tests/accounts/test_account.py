"""A user's account: name and address, and the sessions."""

import importlib
import re
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core import mail, signing
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from apps.accounts.models import ApiToken, BrowserSession, Throttle, User
from apps.accounts.sessions import browser as browsers
from apps.accounts.sessions import confirmation, registry
from apps.accounts.sign_in import throttling
from apps.accounts.tasks import send_address_mail
from apps.accounts.tokens.issuing import issue
from apps.core.models import StoredFile
from apps.documents.models import Document, Manuscript
from apps.documents.services.document_service import DocumentService
from apps.pages.views import account as account_page
from apps.tasks.models import TaskStatus
from tests import rows
from tests.pages import Page, get, statements

pytestmark = pytest.mark.django_db

record_earlier = importlib.import_module("apps.accounts.migrations.0005_earlier_sessions").record

PASSWORD = "sense-and-sensibility"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
PERSON = {"first_name": "Jane", "last_name": "Austen", "email": "jane@chawton.example"}


@pytest.fixture
def jane() -> User:
    return User.objects.create_user("jane", "jane@example.com", PASSWORD)


@pytest.fixture
def browser(jane: User) -> Client:
    """A browser in which jane is signed in."""
    return signed_in(jane, user_agent=FIREFOX)


def signed_in(user: User, *, user_agent: str = "curl/8", address: str = "192.0.2.1") -> Client:
    browser = Client(REMOTE_ADDR=address, headers={"User-Agent": user_agent})
    browser.force_login(user)
    browser.get("/")
    return browser


def grow_old(browser: Client) -> None:
    """Let more time pass since the password than counts as lately."""
    session = browser.session
    session[confirmation.KEY] -= confirmation.RECENT_SECONDS + 1
    session.save()


# --- Name and address ----------------------------------------------------------------------------


def test_a_user_changes_name_and_address(browser: Client, jane: User) -> None:
    assert browser.post("/account/", PERSON).headers["Location"] == "/account/"

    jane.refresh_from_db()
    assert (jane.get_full_name(), jane.email) == ("Jane Austen", "jane@example.com")
    (row,) = TaskStatus.objects.all()
    assert (row.args, row.owner_id) == ([jane.pk, "http://testserver"], jane.pk)
    assert send_address_mail(*row.args) == {"mailed": True}
    (message,) = mail.outbox
    assert message.to == ["jane@chawton.example"]
    answer = browser.get(link_of(message), follow=True)
    assert answer.redirect_chain == [("/account/address/opened/", 302), ("/account/", 302)]
    jane.refresh_from_db()
    assert (jane.email, jane.new_email) == ("jane@chawton.example", "")


def test_an_address_is_the_users_own_once_its_mail_was_read(browser: Client, jane: User, settings: Any) -> None:
    browser.post("/account/", PERSON)
    send_address_mail(jane.pk, "http://testserver")
    link = link_of(mail.outbox[0])

    emma = signed_in(User.objects.create_user("emma"))
    for other, path in ((emma, link), (browser, "/account/address/made-up/"), (browser, f"{link[:-2]}x/")):
        assert "That link is too old" in get_followed(other, path)
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert "That link is too old" in get_followed(browser, link)

    assert sorted(User.objects.values_list("email", flat=True)) == ["", "jane@example.com"]


def test_a_text_that_the_site_signed_for_another_purpose_is_no_link(browser: Client, jane: User) -> None:
    User.objects.filter(pk=jane.pk).update(new_email="jane@chawton.example")
    for salt in ("django.core.signing", "apps.projects.invitation"):
        token = signing.dumps([jane.pk, "jane@chawton.example"], salt=salt)
        assert "That link is too old" in get_followed(browser, f"/account/address/{token}/")


def test_a_link_that_is_opened_twice_is_no_error(browser: Client, jane: User) -> None:
    browser.post("/account/", PERSON)
    send_address_mail(jane.pk, "http://testserver")
    link = link_of(mail.outbox[0])

    for _ in range(2):
        assert "jane@chawton.example is your address now." in get_followed(browser, link)
    browser.post("/account/", PERSON | {"email": ""})
    assert "That link is too old" in get_followed(browser, link)


def test_the_page_says_how_long_a_new_address_waits(browser: Client) -> None:
    browser.post("/account/", PERSON)

    assert (
        "jane@chawton.example is not in use yet: open the link in the mail that went there, within 3 hours."
        in get(browser, "/account/").text
    )


def test_an_older_link_does_not_count_when_another_address_was_asked_for(browser: Client, jane: User) -> None:
    browser.post("/account/", PERSON)
    send_address_mail(jane.pk, "http://testserver")
    browser.post("/account/", PERSON | {"email": "jane@bath.example"})

    assert "That link is too old" in get_followed(browser, link_of(mail.outbox[0]))


def test_an_address_is_removed_at_once(browser: Client, jane: User) -> None:
    browser.post("/account/", PERSON | {"email": ""})

    jane.refresh_from_db()
    assert jane.email == ""
    assert not TaskStatus.objects.exists()


def test_strangers_are_not_flooded_with_mails(browser: Client, jane: User) -> None:
    answers = [browser.post("/account/", PERSON) for _ in range(throttling.MAILED.burst + 1)]

    assert [answer.status_code for answer in answers] == [302] * throttling.MAILED.burst + [429]
    page = Page(answers[-1].content.decode())
    assert "Too many attempts" in page.text
    assert page.with_attribute("name", "email")[0]["value"] == PERSON["email"]


def link_of(message: mail.EmailMessage) -> str:
    """Return the path of the link in a mail."""
    return str(re.findall(r"http://testserver(\S+)", str(message.body))[0])


def get_followed(browser: Client, path: str) -> str:
    return browser.get(path, follow=True).content.decode()


def test_nothing_else_of_the_user_is_changed(browser: Client, jane: User) -> None:
    browser.post("/account/", PERSON | {"username": "root", "is_staff": "on", "is_superuser": "on"})

    jane.refresh_from_db()
    assert (jane.username, jane.is_staff, jane.is_superuser) == ("jane", False, False)


def test_a_malformed_address_is_told_at_the_form(browser: Client, jane: User) -> None:
    page = Page(browser.post("/account/", PERSON | {"email": "nowhere"}).content.decode())

    assert "Enter a valid email address" in page.text
    jane.refresh_from_db()
    assert jane.email == "jane@example.com"


def test_every_page_links_to_the_account(browser: Client) -> None:
    assert get(browser, "/").with_attribute("href", "/account/")


# --- The password, once more ---------------------------------------------------------------------


SENSITIVE = [
    ("post", "/account/"), ("get", "/account/two-step/"), ("post", "/account/two-step/off/"),
    ("post", "/account/two-step/codes/"), ("post", "/account/sessions/end/"), ("post", "/account/sessions/1/end/"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), SENSITIVE)
def test_a_sensitive_change_asks_for_a_password_that_was_given_long_ago(
    browser: Client, jane: User, method: str, path: str
) -> None:
    other = signed_in(jane)
    grow_old(browser)

    response = getattr(browser, method)(path, PERSON)

    assert response.headers["Location"].startswith("/account/confirm/")
    jane.refresh_from_db()
    assert jane.email == "jane@example.com"
    assert other.get("/").status_code == 200


@pytest.mark.parametrize(("minutes", "counts"), [(14, True), (16, False)])
def test_a_given_password_counts_for_fifteen_minutes(browser: Client, minutes: int, counts: bool) -> None:
    session = browser.session
    session[confirmation.KEY] = int(time.time()) - minutes * 60
    session.save()

    assert (browser.get("/account/two-step/").status_code == 200) is counts


def test_the_password_gives_the_session_a_new_key(browser: Client) -> None:
    grow_old(browser)
    before = browser.cookies["sessionid"].value

    browser.post("/account/confirm/", {"password": PASSWORD})

    assert browser.cookies["sessionid"].value != before
    assert not Session.objects.filter(session_key=before).exists()
    assert get(browser, "/account/").text.count("This session") == 1


def test_no_use_prolongs_a_session(browser: Client) -> None:
    ends_at = Session.objects.get().expire_date

    browser.post("/account/confirm/", {"password": PASSWORD})
    browser.post("/account/", PERSON)

    assert Session.objects.get().expire_date == ends_at
    assert abs(ends_at - timezone.now() - timedelta(days=14)) < timedelta(minutes=5)


def test_a_notice_is_in_no_cookie(browser: Client) -> None:
    browser.post("/account/", PERSON)

    assert set(browser.cookies) <= {"sessionid", "csrftoken"}


def test_the_password_leads_back(browser: Client) -> None:
    grow_old(browser)
    asked = browser.get("/account/two-step/").headers["Location"]

    assert "That is not your password." in browser.post(asked, {"password": "wrong"}).content.decode()
    assert browser.post(asked, {"password": PASSWORD}).headers["Location"] == "/account/two-step/"
    assert browser.get("/account/two-step/").status_code == 200


def test_the_password_leads_to_no_other_site(browser: Client) -> None:
    asked = "/account/confirm/?next=https://evil.example.org/"

    assert browser.post(asked, {"password": PASSWORD}).headers["Location"] == "/account/"


def test_the_account_itself_is_shown_without_asking(browser: Client) -> None:
    grow_old(browser)

    assert "Sessions" in get(browser, "/account/").text


# --- Sessions ------------------------------------------------------------------------------------


def test_a_user_sees_browsers_and_addresses(browser: Client, jane: User) -> None:
    signed_in(jane, user_agent="curl/8", address="198.51.100.7")

    text = get(browser, "/account/").text

    assert "Firefox on Linux This session · 192.0.2.1" in text
    assert "curl In use · 198.51.100.7" in text


def test_many_sessions_are_listed_in_pages(browser: Client, jane: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program may sign in again for each of its requests."""
    monkeypatch.setattr(account_page, "PAGE_SIZE", 2)
    for _ in range(2):
        signed_in(jane)

    first, second = get(browser, "/account/"), get(browser, "/account/?page=2")

    assert [page.text.count("since") for page in (first, second)] == [2, 1]
    assert "Page 1 of 2" in first.text
    assert all("End all other sessions" in page.text for page in (first, second))


def test_a_user_ends_one_session(browser: Client, jane: User) -> None:
    other, third = signed_in(jane), signed_in(jane)
    row = BrowserSession.objects.get(session_id=other.session.session_key)

    browser.post(f"/account/sessions/{row.pk}/end/")

    assert [each.get("/").status_code for each in (browser, other, third)] == [200, 302, 200]


def test_a_user_ends_all_other_sessions(browser: Client, jane: User) -> None:
    others = [signed_in(jane) for _ in range(2)]

    browser.post("/account/sessions/end/")

    assert [each.get("/").status_code for each in (browser, *others)] == [200, 302, 302]


def test_sessions_of_earlier_versions_are_recorded_and_ended(browser: Client, jane: User, admin_client: Client) -> None:
    """They have no record before their next request."""
    earlier = Client()
    earlier.force_login(jane)
    deleted = Client()
    deleted.force_login(User.objects.create_user("deleted"))
    User.objects.filter(username="deleted").delete()
    BrowserSession.objects.all().delete()

    record_earlier(apps, SimpleNamespace(connection=connection))
    browser.post("/account/sessions/end/")

    assert browser.get("/").status_code == 200
    assert earlier.get("/").status_code == 302
    assert admin_client.get("/").status_code == 200


def test_a_session_that_could_not_be_recorded_is_recorded_by_the_next_request(
    jane: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("database is locked")

    browser = Client()
    browser.force_login(jane)
    with monkeypatch.context() as broken:
        broken.setattr(registry, "record", fail)
        browser.get("/")

    browser.get("/")

    assert registry.sessions_of(jane).count() == 1


def test_a_session_that_is_not_there_cannot_be_ended(browser: Client) -> None:
    for key in (0, 10**30):
        assert browser.post(f"/account/sessions/{key}/end/").headers["Location"] == "/account/"


def test_a_session_of_another_user_is_neither_seen_nor_ended(browser: Client) -> None:
    emma = signed_in(User.objects.create_user("emma"), address="203.0.113.9")
    row = BrowserSession.objects.get(session_id=emma.session.session_key)

    browser.post(f"/account/sessions/{row.pk}/end/")
    browser.post("/account/sessions/end/")

    assert emma.get("/").status_code == 200
    assert "203.0.113.9" not in get(browser, "/account/").text


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("sessions/end/", "/account/"),
        ("sessions/1/end/", "/account/"),
        ("two-step/codes/", "/account/two-step/"),
        ("two-step/off/", "/account/two-step/"),
    ],
)
def test_a_button_whose_session_ended_leads_to_its_page_after_the_sign_in(
    browser: Client, jane: User, path: str, page: str
) -> None:
    other = signed_in(jane)
    registry.end_all(jane, but=browser.session.session_key)

    asked = other.post(f"/account/{path}")
    answer = other.post(asked.headers["Location"], {"username": "jane", "password": PASSWORD}, follow=True)

    assert answer.redirect_chain[-1] == (page, 302)
    assert browser.get("/").status_code == 200


def test_ending_takes_a_post(browser: Client, jane: User) -> None:
    other = signed_in(jane)
    grow_old(browser)

    assert browser.get("/account/sessions/end/").headers["Location"] == "/account/"
    assert browser.put("/account/sessions/end/").status_code == 405
    assert other.get("/").status_code == 200


def test_staff_end_the_sessions_of_a_user(browser: Client, jane: User, admin_client: Client) -> None:
    admin_client.post("/admin/accounts/user/", {"action": "end_sessions", "_selected_action": [jane.pk]})

    assert browser.get("/").status_code == 302


def test_a_user_who_may_not_sign_in_any_more_has_no_session(browser: Client, jane: User) -> None:
    User.objects.filter(pk=jane.pk).update(is_active=False)

    assert browser.get("/").status_code == 302


def unused(browser: Client, *, days: float) -> Client:
    """Return a browser with the same session, last used days ago. Its process has recorded no session."""
    seen_at = timezone.now() - timedelta(days=days)
    BrowserSession.objects.filter(session_id=browser.session.session_key).update(seen_at=seen_at)
    later = Client()
    later.cookies = browser.cookies
    return later


def test_a_session_that_was_not_used_for_a_week_ends(browser: Client) -> None:
    key = browser.session.session_key
    later = unused(browser, days=7.01)

    assert later.get("/").headers["Location"].startswith("/sign-in/")
    assert not Session.objects.filter(pk=key).exists()
    assert not later.cookies["sessionid"].value


def test_a_session_of_the_api_ends_alike(browser: Client) -> None:
    assert unused(browser, days=7.01).get("/api/projects/").status_code == 401


@pytest.mark.parametrize(("idle_days", "days"), [(7, 6.99), (30, 8), (0, 13)])
def test_a_session_lasts_while_it_is_used(browser: Client, settings: Settings, idle_days: int, days: float) -> None:
    settings.SESSION_IDLE_DAYS = idle_days

    assert unused(browser, days=days).get("/").status_code == 200
    assert BrowserSession.objects.get().seen_at > timezone.now() - timedelta(minutes=1)


def test_a_page_costs_no_statement_for_a_session_that_was_recorded_lately(browser: Client) -> None:
    assert not [sql for sql in statements(browser, "/") if "browsersession" in sql]


def test_a_session_is_followed_through_a_new_password(browser: Client) -> None:
    new = "mansfield-park-1814"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    browser.post("/account/password/", form)

    assert "Firefox on Linux This session" in get(browser, "/account/").text


def test_a_sign_in_deletes_expired_sessions_and_forgets_old_addresses(browser: Client, jane: User) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    first = BrowserSession.objects.get()

    signed_in(jane)
    first.refresh_from_db()
    assert first.session is None
    assert Session.objects.count() == 1

    BrowserSession.objects.filter(pk=first.pk).update(seen_at=timezone.now() - registry.KEPT - timedelta(seconds=1))
    signed_in(jane)
    assert not BrowserSession.objects.filter(pk=first.pk).exists()


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 "
            "Safari/537.36 Edg/141.0.0.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/18.0 Mobile/15E148 Safari/604.1",
            "Safari on iPhone",
        ),
        ("", "A browser"),
        ("<script>\0" * 200, "A browser"),
    ],
)
def test_a_browser_is_named_by_its_header(jane: User, user_agent: str, name: str) -> None:
    assert browsers.name_of(user_agent) == name
    browser: Any = signed_in(jane, user_agent=user_agent)
    assert name in get(browser, "/account/").text


# --- The end of an account -----------------------------------------------------------------------


def test_a_deleted_user_leaves_no_manuscript_and_no_personal_data(
    browser: Client, jane: User, django_capture_on_commit_callbacks: Any
) -> None:
    project = rows.project(owner="jane")
    DocumentService.create(project=project, title="Emma", data=b"Emma Woodhouse.", filename="emma.txt")
    issue(jane, name="Backup")
    Client(REMOTE_ADDR="192.0.2.1").post("/sign-in/", {"username": "jane", "password": "wrong"})
    browser.get("/")
    send_address_mail.send_with_options(args=(jane.pk, "http://testserver"), owner_id=jane.pk)
    models = (Document, Manuscript, StoredFile, ApiToken, BrowserSession)
    assert all(model.objects.exists() for model in models)
    assert Throttle.objects.filter(user=jane).exists()

    with django_capture_on_commit_callbacks(execute=True):
        jane.delete()

    assert [model.__name__ for model in models if model.objects.exists()] == []
    assert not Throttle.objects.exclude(user=None).exists()
    assert TaskStatus.objects.get().owner_id is None
    assert browser.get("/").status_code == 302
