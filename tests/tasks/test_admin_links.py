"""Links and forms of the pages of tasks: none leads a user to a page or a verb that answers with 403."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.tasks import health, pauses, permission
from apps.tasks.models import Limit, Schedule
from tests import rows
from tests.pages import get

pytestmark = [pytest.mark.django_db, pytest.mark.once]

#: Acts whose permission a user has alone, beside that to view.
ACTS = ("cancel", "retry", "priority", "pause")


@pytest.fixture(autouse=True)
def without_servers(monkeypatch) -> None:
    """Redis is looked at by tests of its own."""
    monkeypatch.setattr(health, "servers", {})


def fill() -> list[str]:
    """Make tasks in each state, and what holds them up. Return the addresses of the pages that show them."""
    now = timezone.now()
    worker = rows.worker_process()
    limit = Limit.objects.create(task_name="acting.limited", concurrency=0)
    Schedule.objects.create(
        name="late", task_name="acting.add", cron="61 * * * *", next_at=now, anchor_at=now, decided_until=now
    )
    rows.pause(pauses.QUEUE, "documents")
    tasks = [
        rows.task("acting.add", status="failed", cause="c", error_type="E", finished_at=now, started_at=now),
        rows.task("acting.add", status="processing", started_at=now, worker_id=worker.pk),
        rows.task("acting.add", status="processing", started_at=now, worker_id=worker.pk, cancel_requested_at=now),
        rows.task("acting.add", delayed=True, run_at=now + timedelta(hours=1)),
        rows.task("acting.add", queue_name="documents"),
        rows.task("acting.add", queue_name="nobody"),
        rows.task(limit.task_name, line="", in_line=True),
        rows.task("acting.add", status="cancelled", finished_at=now),
    ]
    names = ["index", "tasks_now", "tasks_failures", "tasks_deploy", "tasks_taskstatus_changelist"]
    names += ["tasks_pause_queues", "tasks_pause_actors"]
    pages = [reverse("admin:tasks_taskstatus_change", args=[task.pk]) for task in tasks]
    parts = [reverse("admin:tasks_taskstatus_part", args=[task.pk]) for task in tasks]
    of_an_actor = f"{reverse('admin:tasks_pause_actor')}?name=tasks.mail_alert"
    return [*(reverse(f"admin:{name}") for name in names), *pages, *parts, of_an_actor]


@pytest.mark.parametrize("act", ACTS)
def test_no_link_and_no_form_leads_where_the_user_may_not_go(client: Client, act: str) -> None:
    user = User.objects.create_user("rosa", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=[permission.NEEDED[one].partition(".")[2] for one in ("view", act)])
    )
    client.force_login(user)
    known: dict[str, int] = {}
    for page in [get(client, address) for address in fill()]:
        for tag, one in page.elements:
            address = str(one.get("href" if tag == "a" else "action"))
            # The filters of the list do not matter, and the verb on all that match does.
            place = address if "verb=" in address else address.partition("?")[0]
            if tag in ("a", "form") and place.startswith("/admin/") and place not in known:
                method = client.get if tag == "a" else client.options
                known[place] = method(address).status_code
    assert [place for place, status in known.items() if status in (403, 404)] == []
