"""A site with one row of everything."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.core.files.base import ContentFile
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
from tests.access import busy
from tests.access.addresses import addresses, filled, values_of
from tests.access.rules import IN, STAFF, entry_of

#: Addresses of files, of a stream, and of the state of processes, which needs a connection of its own.
NO_PAGES = {"document-file", "report-file", "task-events", "readyz"}


def make_busy_site() -> tuple[User, list[str]]:
    """Make a site on which much goes on. Return its owner, who may do everything, and the addresses of its pages."""
    users = {
        role: User.objects.create_user(role.replace(" ", "-"), is_staff=role in STAFF)
        for role in ("writer", "other writer", "editor", "reader", "staff")
    }
    User.objects.filter(pk=users["writer"].pk).update(is_staff=True, is_superuser=True)
    values = make_site(users)
    busy.fill(users["writer"])
    return User.objects.get(pk=users["writer"].pk), [
        filled(pattern, values_of(name, values))
        for name, pattern in sorted(set(addresses()))
        if name not in NO_PAGES and (entry := entry_of(name))
        if IN in {entry.expected("GET", role) for role in ("superuser", "writer")}
    ]


def make_site(users: dict[str, User]) -> dict[str, dict[str, Any]]:
    """Make a site with one row of everything. Return the parameters of its addresses, by a part of their names.

    Parameters:
      users: One of each of these roles: writer, other writer, editor, reader and staff.
    """
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
    alert = Alert.objects.create(
        rule=rule, kind=rule.kind, sentence="No worker lives.", noticed_at=now, checked_at=now, started_at=now
    )
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
