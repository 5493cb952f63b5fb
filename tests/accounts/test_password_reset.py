"""New passwords: after a forgotten one, by a link in a mail, and changed by their user."""

import re
from datetime import datetime, timedelta, tzinfo
from typing import Any

import pytest
from django.contrib.auth import tokens
from django.core import mail
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Throttle, User
from apps.accounts.sign_in import reset, throttling
from apps.accounts.tasks import send_password_mail
from apps.core.mail import MailRefusedError
from apps.tasks.models import TaskStatus
from tests.pages import Page, get

pytestmark = pytest.mark.django_db

PASSWORD, NEW = "sense-and-sensibility", "mansfield-park-1814"
ORIGIN = "http://testserver"


@pytest.fixture
def jane() -> User:
    return User.objects.create_user("jane", "jane@example.com", PASSWORD)


def ask(email: str = "jane@example.com", **headers: Any) -> Any:
    """Ask for a link in a browser of its own."""
    return Client(**headers).post("/sign-in/forgotten/", {"email": email})


def arguments_of_tasks() -> list[Any]:
    return [row.args for row in TaskStatus.objects.filter(task_name=send_password_mail.module_path).order_by("pk")]


def link_for(*users: User) -> str:
    """Return the path of the last link in a new mail to the users."""
    assert reset.mail_link([user.pk for user in users], origin=ORIGIN)
    return str(re.findall(rf"{ORIGIN}(\S+)", str(mail.outbox[-1].body))[-1])


def choose(client: Client, link: str, *, password: str = NEW) -> Any:
    """Open a link and choose a password."""
    form = client.get(link, follow=True)
    return client.post(form.request["PATH_INFO"], {"new_password1": password, "new_password2": password})


# --- A forgotten password ------------------------------------------------------------------------


def test_a_link_is_mailed_by_a_task_and_takes_a_new_password(client: Client, jane: User) -> None:
    assert ask().status_code == 200
    ((user_ids, origin),) = arguments_of_tasks()

    assert send_password_mail.call(user_ids, origin) == {"mailed": True}

    (message,) = mail.outbox
    assert message.to == ["jane@example.com"]
    (link,) = re.findall(r"http://testserver(\S+)", str(message.body))
    assert choose(client, link).headers["Location"] == "/sign-in/"
    jane.refresh_from_db()
    assert jane.check_password(NEW)


def page_of(response: Any) -> bytes:
    """Return a page without its nonce, which differs in each answer."""
    content: bytes = response.content
    return re.sub(rb'nonce="[^"]+"', b"", content)


def test_an_unknown_address_is_answered_alike_and_sends_a_task_as_well(jane: User) -> None:
    known, unknown = ask("jane@example.com"), ask("emma@example.com")

    assert page_of(known) == page_of(unknown).replace(b"emma@", b"jane@")
    assert arguments_of_tasks() == [[[jane.pk], ORIGIN], [[], ORIGIN]]
    assert send_password_mail.call([], ORIGIN) == {"mailed": False}
    assert mail.outbox == []


def test_the_ledger_has_neither_address_nor_link(jane: User) -> None:
    ask()

    row = TaskStatus.objects.get()
    assert "@" not in str(vars(row))


def test_the_link_is_used_once(client: Client, jane: User) -> None:
    link = link_for(jane)
    choose(client, link)

    assert "used already, or it is too old" in get(Client(), link).text


def test_the_link_ends_after_three_hours(client: Client, jane: User, settings: Any) -> None:
    link = link_for(jane)
    settings.PASSWORD_RESET_TIMEOUT = -1

    assert "used already, or it is too old" in get(client, link).text


def test_the_link_ends_when_the_user_signs_in(client: Client, jane: User) -> None:
    link = link_for(jane)
    client.post("/sign-in/", {"username": "jane", "password": PASSWORD})

    assert "used already, or it is too old" in get(Client(), link).text


def test_the_link_of_a_user_who_may_not_sign_in_any_more_takes_no_password(client: Client, jane: User) -> None:
    form = client.get(link_for(jane), follow=True)
    User.objects.filter(pk=jane.pk).update(is_active=False)

    for answer in (
        client.post(form.request["PATH_INFO"], {"new_password1": NEW, "new_password2": NEW}),
        choose(client, link_of_inactive(jane)),
    ):
        assert "is too old" in answer.content.decode()
    jane.refresh_from_db()
    assert jane.check_password(PASSWORD)


def link_of_inactive(user: User) -> str:
    """Return the path of a link that was mailed before the user was deactivated."""
    User.objects.filter(pk=user.pk).update(is_active=True)
    link = link_for(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    return link


def test_the_form_names_its_account(client: Client, jane: User) -> None:
    User.objects.create_user("emma", "emma@example.com", PASSWORD)

    assert "For jane." in get_followed(client, link_for(jane))


def test_a_link_that_was_cut_off_is_told_so(client: Client, jane: User) -> None:
    assert "or not complete" in get_followed(client, f"{link_for(jane)[:-9]}/")


def get_followed(client: Client, link: str) -> str:
    return Page(client.get(link, follow=True).content.decode()).text


@pytest.mark.parametrize("path", ["x/y", "MQ/set-password", "%00/x", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5/a-b"])
def test_a_made_up_link_is_too_old(client: Client, path: str) -> None:
    assert "used already, or it is too old" in get(client, f"/sign-in/new-password/{path}/").text


def test_a_new_password_ends_all_sessions_and_lifts_the_limits(browser: Client, client: Client, jane: User) -> None:
    stranger = Client()
    for _ in range(throttling.PAIR.burst):
        stranger.post("/sign-in/", {"username": "jane", "password": "wrong"})

    choose(Client(), link_for(jane))

    assert browser.get("/").status_code == 302
    assert Client().post("/sign-in/", {"username": "jane", "password": NEW}).status_code == 302


def test_after_a_new_password_strangers_cannot_keep_its_user_out_of_a_new_address(jane: User) -> None:
    choose(Client(REMOTE_ADDR="192.0.2.1"), link_for(jane))
    throttling.count([throttling.Counter(limit=throttling.ACCOUNT, name="jane", user_id=jane.pk)])
    Throttle.objects.update(free_at=timezone.now() + timedelta(days=1))
    name = {"username": "jane", "password": NEW}

    assert Client(REMOTE_ADDR="192.0.2.2").post("/sign-in/", name).status_code == 429
    assert Client(REMOTE_ADDR="192.0.2.1").post("/sign-in/", name).status_code == 302


def test_a_new_password_lifts_no_limit_of_codes(client: Client, jane: User) -> None:
    throttling.count([throttling.Counter(limit=throttling.CODE, name=str(jane.pk), user_id=jane.pk)])

    choose(client, link_for(jane))

    assert Throttle.objects.filter(user=jane, scope=Throttle.Scope.CODE).exists()


@pytest.fixture
def browser(jane: User) -> Client:
    """A browser in which jane is signed in."""
    browser = Client()
    browser.force_login(jane)
    return browser


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("kitty-1", "too short"),
        ("qwertyuiop", "too common"),
        ("4711081519", "entirely numeric"),
        ("jane@example.c", "too similar to the email address"),
        ("x" * 1_025, "too long"),
    ],
)
def test_a_weak_or_endless_password_is_refused_with_the_rule(
    client: Client, jane: User, password: str, rule: str
) -> None:
    assert rule in choose(client, link_for(jane), password=password).content.decode()
    assert client.login(username="jane", password=PASSWORD)


@pytest.mark.parametrize("length", [8, 1_024])
def test_the_shortest_and_the_longest_password_sign_in(client: Client, jane: User, length: int) -> None:
    password = "é🙂 ~" * (length // 4)
    assert choose(client, link_for(jane), password=password).status_code == 302
    assert client.post("/sign-in/", {"username": "jane", "password": password}).headers["Location"] == "/"


def test_a_link_works_for_three_hours(client: Client, jane: User, monkeypatch: pytest.MonkeyPatch) -> None:
    link = link_for(jane)

    class Later(datetime):
        passed = timedelta()

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + cls.passed

    monkeypatch.setattr(tokens, "datetime", Later)
    for passed, takes in ((timedelta(hours=2, minutes=59), True), (timedelta(hours=3, seconds=2), False)):
        Later.passed = passed
        assert ("set-password" in client.get(link, follow=True).request["PATH_INFO"]) is takes


def test_an_address_of_another_domain_gets_no_link_whatever_its_upper_case(jane: User) -> None:
    """The upper case of a dotless i is an I, for PostgreSQL as well."""
    stranger = User.objects.create_user("stranger", "jane@g\u0131thub.example", PASSWORD)
    User.objects.filter(pk=jane.pk).update(email="jane@github.example")

    ask("jane@g\u0131thub.example")
    ask("jane@github.example")

    assert [user_ids for user_ids, _ in arguments_of_tasks()] == [[stranger.pk], [jane.pk]]


def test_a_user_with_a_new_address_gets_no_link_of_another_account(jane: User) -> None:
    other = User.objects.create_user("austen", "jane@example.com", PASSWORD)
    ask()
    ((user_ids, origin),) = arguments_of_tasks()
    User.objects.filter(pk=jane.pk).update(email="jane@elsewhere.example")

    send_password_mail.call(user_ids, origin)

    (message,) = mail.outbox
    assert "austen" not in str(message.body)
    assert user_ids == [jane.pk, other.pk]


@pytest.mark.parametrize("password", ["aiWriting-2026", "my.novel.1", "ADMINadmin!!!", "Writing_Writer_7"])
def test_a_password_of_the_sites_words_is_refused(client: Client, jane: User, password: str) -> None:
    assert "a word of this site" in choose(client, link_for(jane), password=password).content.decode()


@pytest.mark.parametrize("password", ["novel-for-seven-aunts", "northanger-abbey"])
def test_a_long_password_may_have_such_a_word(client: Client, jane: User, password: str) -> None:
    choose(client, link_for(jane), password=password)

    jane.refresh_from_db()
    assert jane.check_password(password)


def test_one_mail_has_a_link_for_each_account_of_the_address(jane: User) -> None:
    other = User.objects.create_user("austen", "Jane@example.com", PASSWORD)

    ask()

    assert arguments_of_tasks() == [[[jane.pk, other.pk], ORIGIN]]
    link_for(jane, other)
    assert str(mail.outbox[-1].body).count("/sign-in/new-password/") == 2


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": "!"}, {"email": ""}])
def test_a_user_who_cannot_sign_in_with_a_password_gets_no_link(jane: User, change: dict[str, Any]) -> None:
    User.objects.filter(pk=jane.pk).update(**change)

    ask()

    assert arguments_of_tasks() == [[[], ORIGIN]]


def test_a_link_leads_to_the_named_origin_and_not_to_the_host_of_the_request(jane: User, settings: Any) -> None:
    settings.ALLOWED_HOSTS, settings.PUBLIC_ORIGIN = ["*"], "https://writing.example.com"

    ask(HTTP_HOST="evil.example.org")

    assert arguments_of_tasks() == [[[jane.pk], "https://writing.example.com"]]


def test_an_address_gets_few_mails_and_its_asker_does_not_learn_it(jane: User) -> None:
    answers = {page_of(ask(REMOTE_ADDR=f"10.0.0.{number}")) for number in range(throttling.MAILED.burst + 2)}

    assert len(answers) == 1
    sent = [bool(user_ids) for user_ids, _ in arguments_of_tasks()]
    assert sent == [True] * throttling.MAILED.burst + [False] * 2


def test_a_client_who_asks_for_many_addresses_is_stopped() -> None:
    answers = [ask(f"user-{number}@example.com") for number in range(throttling.MAILING.burst + 1)]

    assert [answer.status_code for answer in answers] == [200] * throttling.MAILING.burst + [429]
    assert "Too many attempts. Try again in 6 minutes." in answers[-1].content.decode()
    assert int(answers[-1].headers["Retry-After"]) > 300


def test_a_wrong_address_is_told_at_the_form(client: Client) -> None:
    page = Page(client.post("/sign-in/forgotten/", {"email": "no address"}).content.decode())

    assert "Enter a valid email address" in page.text
    assert not Throttle.objects.exists()


def test_a_refused_mail_fails_the_task_for_good() -> None:
    task: Any = send_password_mail
    assert task.actor_options["throws"] == (MailRefusedError,)


# --- A change by the user ------------------------------------------------------------------------


def change(browser: Client, *, old: str = PASSWORD, new: str = NEW) -> Any:
    form = {"old_password": old, "new_password1": new, "new_password2": new}
    return browser.post("/account/password/", form)


def test_a_user_changes_the_password_and_other_sessions_end(browser: Client, jane: User) -> None:
    other = Client()
    other.force_login(jane)

    assert change(browser).headers["Location"] == "/account/"

    jane.refresh_from_db()
    assert jane.check_password(NEW)
    assert browser.get("/").status_code == 200
    assert other.get("/").status_code == 302


def test_the_current_password_is_asked_for(browser: Client, jane: User) -> None:
    assert "That is not your password." in change(browser, old="wrong").content.decode()

    jane.refresh_from_db()
    assert jane.check_password(PASSWORD)


def test_guesses_of_the_current_password_are_limited(browser: Client) -> None:
    for _ in range(throttling.PAIR.burst):
        change(browser, old="wrong")

    refused = change(browser)

    assert refused.status_code == 429
    assert "Too many attempts" in refused.content.decode()
    assert "Change your password" in refused.content.decode()
    assert "Retry-After" in refused.headers


def test_the_old_password_is_no_new_one(browser: Client, jane: User) -> None:
    assert "That is your old password." in change(browser, new=PASSWORD).content.decode()


def test_a_rule_that_a_password_breaks_is_told_at_the_password(browser: Client) -> None:
    page = change(browser, new="jane1234").content.decode()

    first, second = re.findall(r'<div class="field.*?</div>', page, re.DOTALL)[1:]
    assert "a word of this site with little else, or your username" in first
    assert "error" not in second


def test_the_admin_leads_to_the_same_page(browser: Client) -> None:
    assert "Change your password" in get(browser, "/admin/password_change/").text
