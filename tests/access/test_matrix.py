"""Every address of the site, for every role and method, compared with the table of rules."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.core.files.base import ContentFile
from django.db import connection, transaction
from django.http import HttpRequest
from django.template.response import SimpleTemplateResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from apps.accounts.models import Allowance, User
from apps.accounts.sign_in.model import Throttle
from apps.accounts.tokens.issuing import issue
from apps.documents.services.document_service import DocumentService
from apps.projects.models import Invitation, Membership, Project, Report, Role
from apps.projects.services import invitation_service
from apps.tasks import audit
from apps.tasks.models import Alert, AlertRule, Limit, Schedule, TaskGroup
from apps.tasks.schedules import actions
from tests import rows
from tests.access.rules import ADMIN, FORBIDDEN, IN, METHODS, MISSING, NOT_ALLOWED, ROLES, SIGN_IN, STAFF, entry_of

#: Permissions are the same on every database.
pytestmark = [pytest.mark.django_db, pytest.mark.once]

#: A parameter in a pattern: `<int:pk>`, or `(?P<pk>[^/.]+)`.
PARAMETER = re.compile(r"\(\?P<(\w+)>(?:[^()\[\]]|\[[^\]]*\])*\)|<(?:\w+:)?(\w+)>")
#: A primary key and a task id without a row.
GONE, GONE_TASK = 987_654_321, "00000000-0000-4000-8000-000000000000"


def addresses(patterns: Any = None, prefix: str = "", namespace: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name and the pattern of every address of the site."""
    for found in get_resolver().url_patterns if patterns is None else patterns:
        here = prefix + str(found.pattern)
        if isinstance(found, URLResolver):
            yield from addresses(found.url_patterns, here, found.namespace or namespace)
        else:
            assert isinstance(found, URLPattern)
            name = f"{namespace}:{found.name or ''}" if namespace else found.name or ""
            if (here, name) == ("api/", ""):
                yield "api/any", "api/nothing"
            else:
                yield {"admin/(?P<url>.*)$": "admin/any"}.get(here, name or here), here


def filled(pattern: str, values: dict[str, Any]) -> str:
    """Return the path of a pattern with these values of its parameters."""
    return "/" + PARAMETER.sub(lambda found: str(values[found[1] or found[2]]), pattern).replace("^", "").replace(
        "$", ""
    )


#: Methods by which a request may change something.
CHANGING = ("POST", "PATCH", "DELETE")
#: Tables of the own account and session, and of limits, whose rows are made from the code by whoever looks first.
OWN_TABLES = ("django_session", "accounts_throttle", "accounts_user", "accounts_session", "tasks_limit")
#: At which whoever may see tasks asks a worker for a stack.
WRITTEN_BY_VIEWERS = {"admin:tasks_taskstatus_stack"}
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


@pytest.fixture
def site(users: dict[str, User]) -> dict[str, dict[str, Any]]:
    """A site with one row of everything: the parameters of its addresses, by a part of their names."""
    project = Project.objects.create(name="Novels", owner=users["writer"])
    for role in (Role.EDITOR, Role.READER):
        Membership.objects.create(project=project, user=users[role.value], role=role)
    document = DocumentService.create(project=project, title="Emma", text="Emma Woodhouse, handsome, clever, and rich.")
    report = Report(project=project)
    report.html.save("report.html", ContentFile(b"<p>"), save=False)
    report.pdf.save("report.pdf", ContentFile(b"%PDF-"), save=False)
    report.save()
    task = rows.task(about=document, owner=users["writer"])
    entry = audit.note("cancel", by=audit.by_user(users["staff"], door=audit.ADMIN), row_ids=[task.pk])
    token = invitation_service.new_token()
    invitation = Invitation.objects.create(
        project=project, invited_by=users["writer"], email="a@example.com", role=Role.READER,
        token_hash=invitation_service.hash_of(token), expires_at=timezone.now() + invitation_service.LIFETIME,
    )  # fmt: skip
    schedule = Schedule(
        name="mine", task_name="documents.process_document", kwargs={"document_id": 1}, cron="0 8 * * *"
    )
    actions.make(schedule)
    allowance = Allowance.objects.create(user=users["writer"])
    throttle = Throttle.objects.create(
        scope="address", digest="x", address="192.0.2.1", free_at=timezone.now() + timedelta(hours=1)
    )
    rule, now = AlertRule.objects.create(name="Mine", kind="no_worker"), timezone.now()
    alert = Alert.objects.create(rule=rule, kind=rule.kind, noticed_at=now, checked_at=now, started_at=now)
    key, _secret = issue(users["writer"], name="Program")
    return {
        "": {"url": "nothing", "app_label": "documents", "content_type_id": 1, "object_id": 1, "uidb64": "MQ"},
        "cause": {"cause": "c"},
        "pages:": {"pk": project.pk, "user_id": users["reader"].pk, "invitation_id": invitation.pk, "token": token},
        "project-": {"pk": project.pk},
        "report-": {"project_id": project.pk, "kind": "html"},
        "document": {"pk": document.pk},
        "cancel-task": {"task_id": task.task_id},
        "task-": {"task_id": task.task_id},
        "_user_": {"object_id": users["writer"].pk, "id": users["writer"].pk},
        "_allowance_": {"object_id": allowance.pk},
        "_throttle_": {"object_id": throttle.pk},
        "_group_": {"object_id": Group.objects.create(name="support").pk},
        "revoke-token": {"pk": key.pk},
        "_apitoken_": {"object_id": key.pk},
        "_taskstatus_": {"object_id": task.pk},
        "_schedule_": {"object_id": schedule.pk},
        "_limit_": {"object_id": Limit.objects.create(task_name="matrix.limited").pk},
        "_auditentry_": {"object_id": entry.pk},
        "_workerprocess_": {"object_id": rows.worker_process().pk},
        "_alert_": {"object_id": alert.pk},
        "_alertrule_": {"object_id": rule.pk},
        "_taskgroup_": {"object_id": TaskGroup.objects.create(key="packing", size=1).pk},
        "_project_": {"object_id": project.pk},
        "_membership_": {"object_id": Membership.objects.earliest("pk").pk},
        "_document_": {"object_id": document.pk},
    }  # fmt: skip


def values_of(name: str, site: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the parameters of the address of that name."""
    found: dict[str, Any] = {}
    for part, values in site.items():
        found |= values if part in name else {}
    return found


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
