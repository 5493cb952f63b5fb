"""Every address of the site, for every role and method, compared with the table of rules."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission
from django.db import connection, transaction
from django.http import HttpRequest
from django.template.response import SimpleTemplateResponse
from django.test import Client

from apps.accounts.models import User
from tests.access.addresses import PARAMETER, addresses, filled, values_of
from tests.access.rules import ADMIN, FORBIDDEN, IN, METHODS, MISSING, NOT_ALLOWED, ROLES, SIGN_IN, STAFF, entry_of
from tests.access.site import make_site

#: Permissions are the same on every database.
pytestmark = [pytest.mark.django_db, pytest.mark.once]

#: A primary key and a task id without a row.
GONE, GONE_TASK = 987_654_321, "00000000-0000-4000-8000-000000000000"


#: Methods by which a request may change something.
CHANGING = ("POST", "PATCH", "DELETE")
#: Tables of the own account and session, and of limits, whose rows are made from the code by whoever looks first.
OWN_TABLES = ("django_session", "accounts_throttle", "accounts_user", "accounts_browsersession", "tasks_limit")
#: At which whoever may see tasks asks a worker for a stack, and whoever has an invitation joins a project.
WRITTEN_BY_VIEWERS = {"admin:tasks_taskstatus_stack", "pages:invitation"}
#: Parameters that are no keys of rows.
NO_KEYS = {"url", "app_label", "kind", "content_type_id", "token", "uidb64", "cause"}


@pytest.fixture(autouse=True)
def without_log() -> Iterator[None]:
    """Thousands of refusals, each with a traceback, would take half of the time."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def users(db: None) -> dict[str, User]:
    found = {
        role: User.objects.create_user(role.replace(" ", "-"), is_staff=role in STAFF)
        for role in ROLES
        if role != "anonymous"
    }
    found["read-only staff"].user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    found["staff"].user_permissions.set(Permission.objects.all())
    found["superuser"].is_superuser = True
    found["superuser"].save()
    return found


@pytest.fixture
def clients(users: dict[str, User], monkeypatch: pytest.MonkeyPatch) -> dict[str, Client]:
    """A browser of each role. Its user needs no session: sessions and permissions would be most of the statements."""

    def user_of(request: HttpRequest) -> Any:
        return users.get(request.META["ROLE"], AnonymousUser())

    monkeypatch.setattr("django.contrib.auth.middleware.get_user", user_of)
    return {role: Client(raise_request_exception=False, ROLE=role) for role in ROLES}


def ask(client: Client, method: str, path: str) -> Any:
    """Send a request and undo what it changed."""
    content_type = "application/json" if path.startswith("/api/") else "application/x-www-form-urlencoded"
    if method not in CHANGING:
        return client.generic(method, path, content_type=content_type)
    with transaction.atomic():
        answer = client.generic(method, path, content_type=content_type)
        transaction.set_rollback(True)
    return answer


def methods_for(name: str, role: str, turn: int) -> tuple[str, ...]:
    """Return the methods to try. A page of the admin takes all but GET and POST alike, and gets one of them in turn."""
    if not name.startswith("admin:") or name in ADMIN:
        return METHODS
    others = [method for method in METHODS if method not in ("GET", "POST")]
    return "GET", "POST", others[(turn + ROLES.index(role)) % len(others)]


def kind_of(answer: Any) -> str:
    if answer.status_code == 401 or (
        answer.status_code == 302 and any(part in answer["Location"] for part in ("/sign-in/?next=", "/login/?next="))
    ):
        return SIGN_IN
    return {403: FORBIDDEN, 404: MISSING, 405: NOT_ALLOWED}.get(
        answer.status_code, IN if answer.status_code < 404 else str(answer.status_code)
    )


@pytest.fixture
def site(users: dict[str, User]) -> dict[str, dict[str, Any]]:
    return make_site(users)


@pytest.fixture
def without_templates(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Leave templates of the admin unrendered while `is_on` is set. Rendering is most of the time."""
    switch = {"is_on": False}
    rendered: Any = SimpleTemplateResponse.rendered_content

    def content(self: SimpleTemplateResponse) -> str:
        return "" if switch["is_on"] else str(rendered.fget(self))

    monkeypatch.setattr(SimpleTemplateResponse, "rendered_content", property(content))
    return switch


def test_every_address_answers_every_role_and_method_as_the_table_says(
    clients: dict[str, Client], site: dict[str, dict[str, Any]], without_templates: dict[str, bool]
) -> None:
    found = sorted(set(addresses()))
    missing = [name or pattern for name, pattern in found if entry_of(name) is None]
    assert not missing, f"These addresses need an entry in tests/access/rules.py: {missing}"
    wrong = []
    for turn, (name, pattern) in enumerate(found):
        entry, path = entry_of(name), filled(pattern, values_of(name, site))
        assert entry is not None
        for role, client in clients.items():
            for method in methods_for(name, role, turn):
                is_shown = role in ("writer", "superuser") or (role, name[-7:]) == ("read-only staff", "_change")
                without_templates["is_on"] = method != "GET" or not is_shown
                changed: list[str] = []
                with writes(changed) if role == "read-only staff" and method in CHANGING else nullcontext():
                    answer, expected = ask(client, method, path), entry.expected(method, role)
                if changed and name not in WRITTEN_BY_VIEWERS:
                    wrong.append(f"{method} {path} ({name}) for {role} changes rows: {changed}")
                if kind_of(answer) != expected:
                    wrong.append(f"{method} {path} ({name}) for {role}: {answer.status_code}, expected {expected}")
    assert not wrong, "\n".join(["", *wrong[:40], f"{len(wrong)} in all"])


@contextmanager
def writes(found: list[str]) -> Iterator[None]:
    """Collect the statements that change rows, but for those that whoever looks may cause."""

    def watch(execute: Any, sql: str, *args: Any) -> Any:
        if sql.startswith(("INSERT", "UPDATE", "DELETE")) and not any(table in sql for table in OWN_TABLES):
            found.append(sql[:200])
        return execute(sql, *args)

    with connection.execute_wrapper(watch):
        yield


def test_strangers_cannot_tell_a_row_from_none(clients: dict[str, Client], site: dict[str, dict[str, Any]]) -> None:
    wrong = []
    for name, pattern in sorted(set(addresses())):
        values = values_of(name, site)
        keys = {first or second for first, second in PARAMETER.findall(pattern)} - NO_KEYS
        # Before its history Django looks for the row, then at the permission. That tells staff alone.
        if not keys or name == "admin:" or name.endswith("_history"):
            continue
        gone = {key: GONE_TASK if key == "task_id" else GONE for key in keys}
        there, nowhere = filled(pattern, values), filled(pattern, values | gone)
        for role in ("anonymous", "other writer", "staff without"):
            for method in ("GET", *CHANGING):
                real, none = ask(clients[role], method, there), ask(clients[role], method, nowhere)
                if told(real, there) != told(none, nowhere):
                    wrong.append(f"{method} {there} ({name}) for {role}: {real.status_code} and {none.status_code}")
    assert not wrong, "\n".join(["", *wrong[:40], f"{len(wrong)} in all"])


def told(answer: Any, path: str) -> tuple[int, str, str]:
    """Return all that an answer tells, without the address that was asked for."""
    text = re.sub(r'value="\w{64}"', "", answer.content.decode())
    return answer.status_code, answer.get("Location", "").replace(path, "here"), text.replace(path, "here")
