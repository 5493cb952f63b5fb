"""A writer's page of API tokens."""

import re
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import ApiToken, User
from apps.accounts.tokens.issuing import issue
from tests.clients import DescribedClient
from tests.pages import Page, get

pytestmark = pytest.mark.django_db

TOKENS = "/account/tokens/"


def test_a_token_is_shown_only_when_it_is_made(browser: Client, jane: User) -> None:
    made = browser.post(TOKENS, {"name": "Backup", "scope": "read", "days": 30})

    assert made.status_code == 201
    [secret] = re.findall(r"aiw_[A-Za-z0-9]{40}", made.content.decode())
    program = DescribedClient(headers={"Authorization": f"Token {secret}"})
    assert program.get("/api/projects/").status_code == 200
    page = get(browser, TOKENS)
    assert secret not in page.html
    assert "Backup" in page.text
    assert f"{secret[:8]}…" in page.text
    assert "may read" in page.text
    assert jane.api_tokens.get().scope == "read"


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"scope": "all"}, {"days": "0"}, {"days": "9999"}, {"name": "a\x00"}, {"name": "a\nb"}]
)
def test_a_token_that_cannot_be_made_is_refused_with_a_sentence(browser: Client, wrong: dict[str, Any]) -> None:
    answer = browser.post(TOKENS, {"name": "Backup", "scope": "read", "days": "30"} | wrong)

    assert answer.status_code == 400
    assert Page(answer.content.decode()).with_attribute("class", "error")
    assert not ApiToken.objects.exists()


def test_the_limit_is_told_in_a_sentence(browser: Client, jane: User, settings: Any) -> None:
    settings.API_TOKENS_PER_USER = 1
    issue(jane, name="Backup")

    answer = browser.post(TOKENS, {"name": "More", "scope": "read", "days": "30"})

    assert answer.status_code == 400
    assert "at most 1 can be kept" in answer.content.decode()


def test_a_writer_revokes_own_tokens_and_no_other(browser: Client, jane: User) -> None:
    own, secret = issue(jane, name="Backup")
    other, _ = issue(User.objects.create_user("emily"), name="Hers")

    assert "Hers" not in get(browser, TOKENS).html
    assert "Revoke “Backup”?" in get(browser, f"{TOKENS}{own.pk}/revoke/").text
    for method in ("get", "post"):
        assert getattr(browser, method)(f"{TOKENS}{other.pk}/revoke/").status_code == 404
    assert browser.post(f"{TOKENS}{own.pk}/revoke/").headers["Location"] == TOKENS
    assert list(ApiToken.objects.all()) == [other]
    program = DescribedClient(headers={"Authorization": f"Token {secret}"})
    assert program.get("/api/projects/").status_code == 401


@pytest.mark.parametrize("path", [TOKENS, f"{TOKENS}1/revoke/"])
def test_a_visitor_is_sent_to_the_sign_in_page(path: str) -> None:
    for method in ("get", "post"):
        answer = getattr(Client(), method)(path)
        assert answer.headers["Location"] == f"/sign-in/?next={path}"


def test_a_token_opens_no_page(jane: User) -> None:
    _, secret = issue(jane, name="Backup")

    assert Client(headers={"Authorization": f"Token {secret}"}).get(TOKENS).status_code == 302
