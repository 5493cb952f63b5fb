"""The log lines of refused requests: who asked for what, and from where."""

import json
import logging
from collections.abc import Callable
from logging import config
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from aiWriting.log_format import JSONFormatter
from apps.accounts.models import User
from apps.documents.models import Document
from apps.projects.models import Project
from tests.clients import writer

pytestmark = [pytest.mark.django_db, pytest.mark.once]

Lines = Callable[[], list[str]]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    """Return the lines of the test as the settings form them."""
    logs: Any = settings.LOGGING
    configurator = config.DictConfigurator(logs)
    filters = [configurator.configure_filter(logs["filters"][name]) for name in logs["handlers"]["stderr"]["filters"]]
    formatter = configurator.configure_formatter(logs["formatters"]["line"])

    def found() -> list[str]:
        with CaptureQueriesContext(connection) as statements:
            found = [one for one in caplog.get_records("call") if one.name.startswith(("django", "apps.some"))]
            shown = [formatter.format(one) for one in found if all(each.filter(one) for each in filters)]
        assert not len(statements), "a line asks the database nothing"
        return shown

    return found


@pytest.fixture
def document(project: Project) -> Document:
    document: Document = Document.objects.create(project=project, title="Emma")
    return document


def test_a_line_tells_who_asked_for_the_row_of_another(document: Document, lines: Lines) -> None:
    other = User.objects.create_user("other")
    browser = Client(REMOTE_ADDR="192.0.2.7")
    browser.force_login(other)
    assert browser.get(f"/documents/{document.pk}/").status_code == 404
    (line,) = lines()
    assert (
        f"django.request Not Found: /documents/{document.pk}/ "
        f"account={other.pk} address=192.0.2.7 method=GET view=pages:document request_id="
    ) in line


def test_a_line_tells_whose_token_asked_for_the_row_of_another(document: Document, lines: Lines) -> None:
    other = writer("other")
    assert other.delete(f"/api/documents/{document.pk}/").status_code == 404
    (line,) = lines()
    assert f" account={other.user.pk} address=127.0.0.1 method=DELETE view=document-detail " in line
    assert other.token not in line


def test_a_line_tells_who_sent_a_form_without_its_token(project: Project, lines: Lines) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(project.owner)
    assert browser.post(f"/projects/{project.pk}/delete/").status_code == 403
    (line,) = lines()
    assert f" account={project.owner_id} address=127.0.0.1 method=POST view=pages:delete-project " in line


@pytest.mark.parametrize(
    ("method", "path", "status", "told"),
    [
        ("get", "/api/projects/", 401, " address=127.0.0.1 method=GET view=project-list "),
        ("post", "/admin/", 302, None),
        ("put", "/sign-out/", 405, " address=127.0.0.1 method=PUT view=pages:sign-out "),
        ("get", "/nowhere/", 404, " address=127.0.0.1 method=GET request_id="),
    ],
)
def test_a_line_tells_the_address_of_a_stranger(
    client: Client, lines: Lines, method: str, path: str, status: int, told: str | None
) -> None:
    assert getattr(client, method)(path).status_code == status
    found = lines()
    assert len(found) == (told is not None)
    assert all(str(told) in line and "account=" not in line for line in found)


def test_staff_without_a_permission_are_told_in_a_line(client: Client, lines: Lines) -> None:
    staff = User.objects.create_user("staff", is_staff=True)
    client.force_login(staff)
    assert client.get("/admin/accounts/user/").status_code == 403
    (line,) = lines()
    assert f" account={staff.pk} address=127.0.0.1 method=GET view=admin:accounts_user_changelist " in line


def test_a_json_line_has_them_by_themselves(client: Client, caplog: pytest.LogCaptureFixture, lines: Lines) -> None:
    client.get("/nowhere/", REMOTE_ADDR="2001:db8::7")
    assert lines()
    found = json.loads(JSONFormatter().format(caplog.records[0]))
    assert {name: found.get(name) for name in ("status_code", "address", "method", "account", "view")} == {
        "status_code": 404, "address": "2001:db8::/64", "method": "GET", "account": None, "view": None,
    }  # fmt: skip


def test_a_line_hides_the_secret_of_a_link(client: Client, lines: Lines) -> None:
    assert client.put("/invitations/0123456789abcdef0123456789abcdef/").status_code == 302
    client.force_login(User.objects.create_user("jane"))
    assert client.put("/invitations/0123456789abcdef0123456789abcdef/").status_code == 405
    (line,) = lines()
    assert "/invitations/<token>/" in line
    assert "0123456789abcdef" not in line.partition("request_id=")[0]


def test_lines_of_others_have_no_request(lines: Lines) -> None:
    logging.getLogger("apps.some").warning("a line", extra={"request": object()})
    (line,) = lines()
    assert line.endswith(" a line")
