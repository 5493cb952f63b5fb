"""API tokens: at rest, in use, and their ends."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import ApiToken, User
from apps.accounts.tokens import secret as secrets
from apps.accounts.tokens.errors import TokenLifetimeError, TokenNameError, TooManyTokensError
from apps.accounts.tokens.issuing import issue
from apps.projects.models import Project
from tests.clients import DescribedClient

pytestmark = pytest.mark.django_db

PASSWORD = "sense-and-sensibility"


@pytest.fixture
def jane() -> User:
    return User.objects.create_user("jane", password=PASSWORD)


def program(secret: str) -> DescribedClient:
    return DescribedClient(headers={"Authorization": f"Token {secret}"})


def status(secret: str) -> int:
    return int(program(secret).get("/api/projects/").status_code)


# --- At rest -------------------------------------------------------------------------------------


def test_the_database_has_the_digest_alone(jane: User) -> None:
    token, secret = issue(jane, name="Backup")

    [row] = ApiToken.objects.values()
    assert row["digest"] == secrets.digest(secret)
    assert secret not in str(row)
    assert token.start == secret[:8] == str(row["start"])


def test_a_secret_has_the_form_that_scanners_look_for(jane: User) -> None:
    found = {issue(jane, name="Backup")[1] for _ in range(5)}

    assert len(found) == 5
    assert all(re.fullmatch(r"aiw_[A-Za-z0-9]{40}", secret) for secret in found)


# --- Scope ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_token_that_may_only_read_changes_nothing(jane: User, method: str) -> None:
    project = Project.objects.create(owner=jane, name="Emma")
    _, secret = issue(jane, name="Backup", scope=ApiToken.Scope.READ)

    for path in ("/api/projects/", f"/api/projects/{project.pk}/", f"/api/projects/{project.pk}/report/"):
        answer = getattr(program(secret), method)(path, {"name": "Changed"})
        assert (answer.status_code, answer.json()) == (403, {"detail": "This token may only read."})

    assert status(secret) == 200
    assert Project.objects.get().name == "Emma"


def test_a_token_that_may_write_writes(jane: User) -> None:
    _, secret = issue(jane, name="Editor")

    assert program(secret).post("/api/projects/", {"name": "Emma"}).status_code == 201


# --- Ends ----------------------------------------------------------------------------------------


def test_an_expired_token_is_refused_with_a_sentence(jane: User) -> None:
    _, secret = issue(jane, name="Backup")
    ApiToken.objects.update(expires_at=timezone.now())

    answer = program(secret).get("/api/projects/")

    assert (answer.status_code, answer.json()) == (401, {"detail": "The token has expired."})


def test_a_token_that_is_revoked_is_refused(jane: User) -> None:
    token, secret = issue(jane, name="Backup")
    token.delete()

    assert status(secret) == 401


@pytest.mark.parametrize("change", ["set_password", "form", "unusable"])
def test_a_new_password_revokes_all_tokens_of_the_user(jane: User, change: str) -> None:
    _, secret = issue(jane, name="Backup")
    _, other = issue(User.objects.create_user("emily"), name="Backup")

    user = User.objects.get(pk=jane.pk)
    user.set_unusable_password() if change == "unusable" else user.set_password("a-walk-to-meryton")
    user.save(update_fields=["password"]) if change == "form" else user.save()

    assert status(secret) == 401
    assert status(other) == 200


def test_a_hash_that_is_computed_anew_revokes_nothing(jane: User, settings: Any) -> None:
    _, secret = issue(jane, name="Backup")
    before = jane.password
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher", *settings.PASSWORD_HASHERS]

    assert User.objects.get(pk=jane.pk).check_password(PASSWORD)

    assert User.objects.get(pk=jane.pk).password != before
    assert status(secret) == 200


def test_other_changes_of_the_user_revoke_nothing(jane: User) -> None:
    _, secret = issue(jane, name="Backup")
    jane = User.objects.get(pk=jane.pk)
    jane.email = "jane@example.com"
    jane.save()

    assert status(secret) == 200


# --- Lifetime and number -------------------------------------------------------------------------


def test_a_token_lives_as_long_as_the_settings_say(jane: User, settings: Any) -> None:
    settings.API_TOKEN_DAYS, settings.API_TOKEN_MAX_DAYS = 3, 10

    token, _ = issue(jane, name="Backup")
    longest, _ = issue(jane, name="Backup", days=10)

    assert timedelta(days=2.9) < token.expires_at - timezone.now() <= timedelta(days=3)
    assert timedelta(days=9.9) < longest.expires_at - timezone.now() <= timedelta(days=10)
    for days in (0, -1, 11, 10**12):
        with pytest.raises(TokenLifetimeError, match="1 to 10 days"):
            issue(jane, name="Backup", days=days)


def test_a_user_has_a_limited_number_of_tokens(jane: User, settings: Any) -> None:
    settings.API_TOKENS_PER_USER = 2
    issue(jane, name="First")
    issue(jane, name="Second")

    with pytest.raises(TooManyTokensError, match="at most 2 can be kept"):
        issue(jane, name="Third")
    issue(User.objects.create_user("emily"), name="First")

    ApiToken.objects.filter(name="First", user=jane).update(expires_at=timezone.now())
    issue(jane, name="Third")
    assert list(jane.api_tokens.order_by("pk").values_list("name", flat=True)) == ["Second", "Third"]


def test_beyond_the_limit_a_password_replaces_the_oldest_token_that_it_made(jane: User, settings: Any) -> None:
    settings.API_TOKENS_PER_USER = 3
    _, own = issue(jane, name="Backup")
    sign_in = {"username": "jane", "password": PASSWORD}
    made = [DescribedClient().post("/api/token/", sign_in).json()["token"] for _ in range(4)]

    assert [status(secret) for secret in (own, *made)] == [200, 401, 401, 200, 200]

    settings.API_TOKENS_PER_USER = 1
    ApiToken.objects.filter(is_from_password=True).delete()
    refused = DescribedClient().post("/api/token/", sign_in)
    assert refused.status_code == 400
    assert "at most 1 can be kept" in str(refused.json()["detail"])


def test_name_scope_and_days_can_be_asked_for_with_the_password(jane: User) -> None:
    asked = {"username": "jane", "password": PASSWORD, "name": "Sync", "scope": "read", "days": 2}

    answer = DescribedClient().post("/api/token/", asked).json()

    token = ApiToken.objects.get()
    assert (answer["name"], answer["scope"]) == (token.name, token.scope) == ("Sync", "read")
    assert token.expires_at - timezone.now() < timedelta(days=2)


@pytest.mark.parametrize("wrong", [{"days": 0}, {"days": 100_000}, {"days": "x"}, {"scope": "all"}, {"name": "a\x00"}])
def test_a_token_that_cannot_be_made_is_refused_with_a_sentence(jane: User, wrong: dict[str, Any]) -> None:
    answer = DescribedClient().post("/api/token/", {"username": "jane", "password": PASSWORD} | wrong)

    assert answer.status_code == 400
    assert not ApiToken.objects.exists()


# --- Last use ------------------------------------------------------------------------------------


def test_the_last_use_is_written_once_an_hour(jane: User) -> None:
    token, secret = issue(jane, name="Backup")

    def writes() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert status(secret) == 200
        return sum(query["sql"].startswith("UPDATE") for query in queries)

    assert [writes() for _ in range(3)] == [1, 0, 0]
    token.refresh_from_db()
    assert token.last_used_at is not None
    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(minutes=61))
    assert [writes() for _ in range(2)] == [1, 0]


def test_a_database_that_takes_no_write_is_no_reason_to_refuse_a_token(
    jane: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = issue(jane, name="Backup")

    def refuse(*args: Any, **values: Any) -> int:
        raise DatabaseError("read-only")

    monkeypatch.setattr("apps.accounts.tokens.model.ApiTokenQuerySet.update", refuse)

    assert status(secret) == 200


# --- The command line ----------------------------------------------------------------------------


def test_the_command_prints_the_secret_alone(jane: User, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("createtoken", "jane", "--name", "Cron", "--read-only", "--days", "5")

    secret = capsys.readouterr().out.strip()
    assert status(secret) == 200
    assert (ApiToken.objects.get().name, ApiToken.objects.get().scope) == ("Cron", "read")


def test_the_command_says_why_it_makes_no_token(jane: User) -> None:
    with pytest.raises(CommandError, match="no user 'emily'"):
        call_command("createtoken", "emily")
    with pytest.raises(CommandError, match="1 to 365 days"):
        call_command("createtoken", "jane", "--days", "1000")
    User.objects.filter(pk=jane.pk).update(is_active=False)
    with pytest.raises(CommandError, match="'jane' may not sign in"):
        call_command("createtoken", "jane")


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "two\nlines", "nul\0", "\udc80"])
def test_no_way_makes_a_token_whose_name_cannot_be_shown(jane: User, name: str) -> None:
    with pytest.raises(TokenNameError, match="1 to 100 characters in one line"):
        issue(jane, name=name)
    with pytest.raises(CommandError, match="1 to 100 characters in one line"):
        call_command("createtoken", "jane", "--name", name)

    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("name", ["Cron", "👩\u200d💻 of " + "x" * 90, "وورد"])
def test_a_name_in_any_script_is_kept(jane: User, name: str) -> None:
    assert issue(jane, name=f" {name} ")[0].name == name
