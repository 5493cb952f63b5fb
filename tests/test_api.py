"""Rules for every address of the API: permissions, formats and errors."""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import DataError, IntegrityError, OperationalError
from django.test import Client

from apps.accounts.models import User
from apps.projects.models import Project
from apps.projects.views import ProjectViewSet
from apps.tasks.errors import QueueFullError
from tests.clients import DescribedClient, Writer

pytestmark = pytest.mark.django_db

LISTS = ["/api/", "/api/documents/", "/api/projects/", "/api/tasks/"]


# --- Permissions ---


@pytest.mark.parametrize("path", [*LISTS, "/api/documents/1/", "/api/tasks/x/", "/api/tasks/x/events/"])
def test_an_anonymous_request_is_answered_with_the_way_to_sign_in(path: str) -> None:
    response = DescribedClient().get(path)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Token"
    assert response.json().keys() == {"detail"}


@pytest.mark.parametrize("path", ["/api/documents/", "/api/documents/1/process/", "/api/projects/1/report/"])
def test_an_anonymous_request_starts_no_task(path: str) -> None:
    assert DescribedClient().post(path, {"name": "x"}).status_code == 401


@pytest.mark.parametrize("header", ["Token", "Token x", "Token a b", "Token \xff", "Bearer x", "Token " + "x" * 5000])
def test_a_wrong_token_is_refused(header: str) -> None:
    assert DescribedClient().get("/api/projects/", HTTP_AUTHORIZATION=header).status_code == 401


def test_a_user_who_may_not_sign_in_any_more_is_refused(jane: Writer) -> None:
    User.objects.update(is_active=False)

    assert jane.get("/api/projects/").status_code == 401


def test_a_token_is_given_for_name_and_password(jane: Writer) -> None:
    sign_in = {"username": "jane", "password": "sense-and-sensibility"}

    answers: list[Any] = [
        DescribedClient().post("/api/token/", sign_in, format=format) for format in ("json", "multipart")
    ]
    answers.append(Client().post("/api/token/", urlencode(sign_in), "application/x-www-form-urlencoded"))

    for answer in answers:
        assert answer.status_code == 200
        assert answer.json().keys() == {"token", "name", "scope", "expires_at"}
        assert answer.headers["Cache-Control"] == "private, no-store"
        program = DescribedClient(headers={"Authorization": f"Token {answer.json()['token']}"})
        assert program.get("/api/projects/").status_code == 200


@pytest.mark.parametrize(
    "sign_in",
    [{}, {"username": "jane"}, {"username": "jane", "password": "wrong"}, {"username": "j\x00", "password": "x"}, []],
    ids=repr,
)
def test_no_token_is_given_for_wrong_credentials(jane: Writer, sign_in: Any) -> None:
    response = DescribedClient().post("/api/token/", sign_in, format="json")

    assert response.status_code == 400
    assert "token" not in response.json()


def test_a_session_can_read_and_needs_the_csrf_token_to_write(jane: Writer) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(jane.user)

    assert browser.get("/api/projects/").status_code == 200
    assert browser.post("/api/projects/", {"name": "Emma"}, "application/json").status_code == 403
    assert not Project.objects.exists()
    browser.get("/admin/login/")
    browser.cookies["csrftoken"] = token = "x" * 32
    signed = browser.post("/api/projects/", {"name": "Emma"}, "application/json", headers={"X-CSRFToken": token})
    assert signed.status_code == 201


# --- Addresses and methods ---


@pytest.mark.parametrize(
    "path", ["/api/nothing/", "/api/projects/1/nothing/", "/api//", "/api/%00", "/api/é/", "/api/x.json"]
)
@pytest.mark.parametrize("method", ["get", "post", "delete", "head"])
def test_an_unknown_address_is_a_404_in_json(path: str, method: str) -> None:
    response = getattr(DescribedClient(), method)(path)

    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/json"
    assert method == "head" or "nothing at /api/" in response.json()["detail"]


@pytest.mark.parametrize("path", ["/api/projects", "/api/documents/5", "/api/documents/5/process"])
def test_a_forgotten_slash_is_pointed_out(jane: Writer, path: str) -> None:
    response = jane.post(path, {"name": "Emma"})

    assert response.status_code == 404
    assert response.json()["detail"].endswith(f"Did you mean {path}/?")


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("method", ["put", "delete", "options", "trace"])
def test_an_unknown_method_is_refused_in_json(jane: Writer, path: str, method: str) -> None:
    response = jane.generic(method.upper(), path)

    assert (response.status_code, response.json().keys()) == (405, {"detail"})
    assert "GET" in response.headers["Allow"]


def test_a_task_cannot_be_created(jane: Writer) -> None:
    assert jane.post("/api/tasks/", {}).status_code == 405
    assert jane.get("/api/token/").status_code == 405
    assert jane.get("/api/documents/1/process/").status_code == 405


@pytest.mark.parametrize("accept", ["text/html", "text/event-stream", "application/xml", "nonsense", ""])
def test_the_answer_is_json_whatever_the_client_accepts(jane: Writer, accept: str) -> None:
    response = jane.get("/api/projects/?format=html", headers={"Accept": accept})

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"


# --- Bodies and errors ---


@pytest.mark.parametrize("path", ["/api/projects/", "/api/token/", "/api/documents/1/process/"])
def test_a_body_without_a_manuscript_may_not_be_large(jane: Writer, path: str) -> None:
    response = jane.post(path, {"name": "x" * 70_000})

    assert response.status_code == 413
    assert "at most 65,536 can be taken" in response.json()["detail"]


def test_a_body_of_unknown_length_is_refused(jane: Writer) -> None:
    response = jane.post("/api/projects/", {"name": "Emma"}, CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked")

    assert response.status_code == 411
    assert "Content-Length" in response.json()["detail"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OperationalError("could not connect to server at 10.0.0.7"), 503),
        (IntegrityError("violates foreign key constraint"), 409),
        (DataError("invalid byte sequence"), 400),
        (QueueFullError(what="queue", name="secret", waiting=7, refused=1, max_waiting=7), 429),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_that_time_or_another_value_mends_is_answered_without_its_text(
    jane: Writer, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fail(*args: Any) -> None:
        raise error

    monkeypatch.setattr(ProjectViewSet, "perform_create", fail)

    response = jane.post("/api/projects/", {"name": "Emma"})

    assert response.status_code == status
    assert response.json().keys() == {"detail"}
    assert str(error) not in response.content.decode()
    assert ("Retry-After" in response.headers) == (status in (429, 503))


def test_an_unexpected_error_is_answered_without_its_text(jane: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise LookupError("secret words")

    monkeypatch.setattr(ProjectViewSet, "perform_create", fail)
    jane.raise_request_exception = False

    response = jane.post("/api/projects/", {"name": "Emma"})

    assert response.status_code == 500
    assert "secret words" not in response.content.decode()
