"""Notes of who did what, and when, from where and why."""

import getpass
from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.utils import timezone

from apps.accounts.models import User
from apps.tasks import audit
from apps.tasks.models import AuditEntry, AuditPage
from tests import rows
from workers.broker import LedgerBroker
from workers.relay import Relay

pytestmark = pytest.mark.django_db

TERMINAL = audit.By(name="root", door=audit.TERMINAL)


def test_a_task_tells_who_did_what_from_where_and_why(jane: Any) -> None:
    task, other = rows.task(), rows.task()
    user = User.objects.get(username="jane")

    audit.note("cancel", by=audit.by_user(user, door=audit.PAGE), row_ids=[task.pk], reason=" wrong file ")
    audit.note("retry", by=TERMINAL, row_ids=[task.pk, other.pk])

    retried, cancelled = audit.of(task)
    assert (retried.verb, retried.name, retried.door, retried.others) == ("retry", "root", "terminal", 1)
    assert (cancelled.verb, cancelled.name, cancelled.reason) == ("cancel", "jane", "wrong file")
    assert cancelled.door == "page of a writer"
    assert abs(cancelled.at - timezone.now()) < timedelta(minutes=1)
    assert [one.verb for one in audit.of(other)] == ["retry"]


def test_an_entry_keeps_names_whatever_is_deleted(jane: Any) -> None:
    task, user = rows.task(), User.objects.get(username="jane")
    audit.note("delete", by=audit.by_user(user, door=audit.ADMIN), row_ids=[task.pk])
    told = f"{task.task_name} {task.task_id}"
    task.delete()
    user.delete()

    entry = AuditEntry.objects.get()
    assert (entry.target, entry.name, entry.user_id) == (told, "jane", None)


def test_a_note_is_about_a_queue_too_and_odd_texts_are_cut_and_cleaned() -> None:
    entry = audit.note("pause", by=TERMINAL, target="queue:" + "x" * 300, reason="\x00" + "y" * 2_000, value="\ud800")
    entry.refresh_from_db()
    assert (len(entry.target), len(entry.reason)) == (255, 1_000)
    assert "\x00" not in entry.reason


def test_an_unknown_act_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(audit.UnknownVerbError, match="Unknown act 'canel', must be one of: cancel, "):
        audit.note("canel", by=TERMINAL)


def test_the_terminal_acts_as_its_system_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "emily")
    assert audit.by_terminal() == audit.By(name="emily", door=audit.TERMINAL)

    def no_name() -> str:
        raise OSError("no name")

    monkeypatch.setattr(getpass, "getuser", no_name)
    assert audit.by_terminal().name.startswith("uid ")


def test_many_tasks_share_an_entry_whose_pages_name_each_of_them(django_assert_num_queries: Any) -> None:
    tasks = [rows.task() for _ in range(3)]
    between = tasks[1]
    entry = audit.note("retry", by=TERMINAL, row_ids=[tasks[0].pk, tasks[2].pk], query="status__exact=failed", total=9)
    audit.note_more(entry, {"request_cancel": [between.pk]})

    assert (entry.number, entry.total) == (3, 9)
    with django_assert_num_queries(2):
        assert [one.verb for one in audit.of(between)] == ["request_cancel"]
    assert [one.others for one in audit.of(tasks[0])] == [2]


def test_a_page_has_runs_of_rows_and_no_more_than_a_thousand() -> None:
    entry = audit.note("retry", by=TERMINAL, total=2_000)
    row_ids = [*range(1, 1_500), *range(3_000, 3_501)]
    audit.plan(entry, row_ids)

    pages = list(AuditPage.objects.order_by("first"))
    assert [(page.first, page.last, page.number) for page in pages] == [(1, 1_000, 1_000), (1_001, 3_500, 1_000)]
    assert [pk for page in pages for pk in audit.row_ids_of(page)] == row_ids
    assert not audit.has(pages[1], 2_000)
    assert audit.has(pages[1], 3_500)


def test_a_planned_task_has_nothing_done_to_it_yet() -> None:
    task = rows.task()
    audit.plan(audit.note("retry", by=TERMINAL, total=2), [task.pk, task.pk + 1])
    assert audit.of(task) == []


def test_the_relay_deletes_old_entries_with_their_pages(broker: LedgerBroker, settings: Any) -> None:
    old = audit.note("retry", by=TERMINAL, row_ids=[1, 2])
    audit.note("retry", by=TERMINAL, row_ids=[1, 2])
    AuditEntry.objects.filter(pk=old.pk).update(at=timezone.now() - timedelta(days=366))
    settings.TASK_KEEP_AUDIT_DAYS = 0
    Relay(broker).forget()
    assert AuditEntry.objects.count() == 2

    settings.TASK_KEEP_AUDIT_DAYS = 365
    Relay(broker).forget()
    assert (AuditEntry.objects.count(), AuditPage.objects.count()) == (1, 1)


def test_the_migration_leaves_staff_with_what_they_had() -> None:
    migration = import_module("apps.tasks.migrations.0015_audit_and_permissions")
    permissions = Permission.objects.filter(content_type__app_label="tasks", content_type__model="taskstatus")
    permissions.filter(codename__in=migration.NEW).delete()
    viewers, staff = Group.objects.create(name="viewers"), User.objects.create(username="staff", is_staff=True)
    viewers.permissions.add(permissions.get(codename="view_taskstatus"))
    staff.user_permissions.add(permissions.get(codename="change_taskstatus"))
    for _ in range(2):
        migration.grant(apps, SimpleNamespace(connection=connection))

    assert set(viewers.permissions.values_list("codename", flat=True)) == {
        "view_taskstatus", "view_arguments_taskstatus",
    }  # fmt: skip
    assert set(staff.user_permissions.values_list("codename", flat=True)) == {
        "change_taskstatus", "cancel_taskstatus", "retry_taskstatus", "view_arguments_taskstatus",
    }  # fmt: skip
