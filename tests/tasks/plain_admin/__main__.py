"""Visit the admin's pages of tasks, workers and schedules in a project without Unfold and other optional packages.

Run in a process of its own, `python -m tests.tasks.plain_admin`: another look needs another set of apps.
"""

import os
import sys
import uuid
from datetime import timedelta
from importlib.abc import MetaPathFinder
from typing import Any

import django
import dramatiq

OPTIONAL = ("unfold", "rest_framework", "django_dramatiq")


class NotInstalled(MetaPathFinder):
    """Refuses the optional packages, as if they were not installed."""

    def find_spec(self, fullname: str, *args: object) -> None:
        if fullname.partition(".")[0] in OPTIONAL:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


sys.meta_path.insert(0, NotInstalled())
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.tasks.plain_admin.settings"
django.setup()

from django import forms  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.contrib.staticfiles import finders  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402
from django.urls import reverse  # noqa: E402
from django.utils import timezone  # noqa: E402

from apps.tasks import ledger, states  # noqa: E402
from apps.tasks.admin import actions  # noqa: E402
from apps.tasks.admin.now import part  # noqa: E402
from apps.tasks.models import Schedule, TaskStatus, WorkerProcess  # noqa: E402
from apps.tasks.schedules.allowed import schedulable  # noqa: E402
from tests.pages import Page  # noqa: E402
from workers.broker import LedgerBroker  # noqa: E402

#: What pages call states of rows, if by another word.
WORDS = {"pending": "Waiting", "processing": "Running", "completed": "Done"}
TASKS = reverse("admin:tasks_taskstatus_changelist")
SCHEDULES = reverse("admin:tasks_schedule_changelist")


class CountForm(forms.Form):
    colour = forms.ChoiceField(choices=[("red", "Red"), ("blue", "Blue")])
    times = forms.IntegerField(min_value=1)
    is_dry = forms.BooleanField(required=False)


def visit(client: Client, address: str, form: dict[str, Any] | None = None) -> Page:
    """Return the page at the address or, with a form, the page that a POST leads to."""
    response = client.get(address) if form is None else client.post(address, form, follow=True)
    page = Page(response.content.decode())
    assert response.status_code == 200, f"{address} answered {response.status_code}: {page.text}"
    assert "/static/tasks/admin.css" in page.loads or form is not None, f"{address} has no style sheet of ours"
    static = [load.removeprefix("/static/") for load in page.loads if load.startswith("/static/")]
    assert [path for path in static if not finders.find(path)] == [], address
    return page


def page_of(row: Any, name: str = "change") -> str:
    return reverse(f"admin:tasks_{row._meta.model_name}_{name}", args=[row.pk])


def make_task(status: str, **values: Any) -> TaskStatus:
    defaults = {"task_id": str(uuid.uuid4()), "task_name": "plain.say", "run_at": timezone.now(), "status": status}
    return TaskStatus.objects.create(**defaults | values)


def visit_tasks(client: Client) -> None:
    assert "No tasks yet" in visit(client, TASKS).text
    user = get_user_model().objects.get()
    tasks = {
        status: make_task(
            status,
            owner=user,
            related_object_type=user._meta.label,
            related_object_id=user.pk,
            error_message="ValueError: no",
            traceback="Traceback",
            kwargs={"value": 1},
            result={"words": 3},
            started_at=timezone.now(),
            worker_id=uuid.uuid4(),
        )
        for status in states.STATES
    }
    tasks["failed"].attempts.create(attempt=0, outcome="retry", error_message="first error", ended_at=timezone.now())

    listed = visit(client, TASKS)
    assert "5 tasks" in listed.text
    assert len([tag for tag, _ in listed.elements if tag == "progress"]) == 1
    assert len([one for one in listed.with_attribute("data-kind", "danger") if one.get("class") == "tasks-state"]) == 1
    for query in ("status__exact=failed", "q=state:failed+actor:say", "queue=default", "created=day", "q=plain"):
        assert "Nothing matches" not in visit(client, f"{TASKS}?{query}").text
    assert "Nothing matches" in visit(client, f"{TASKS}?q=nothing").text
    assert "Unknown word 'stat'" in visit(client, f"{TASKS}?q=stat:failed").text
    assert "was saved" in visit(client, f"{TASKS}views/", {"q": "state:failed", "name": "Failed"}).text
    for status, task in tasks.items():
        page = visit(client, page_of(task))
        assert WORDS.get(status, status.capitalize()) in page.text
        assert bool(page.with_attribute("href", page_of(task, "cancel"))) == (status in states.UNFINISHED)
        assert bool(page.with_attribute("href", page_of(task, "retry"))) == (status in ("failed", "cancelled"))
    assert "first error" in visit(client, page_of(tasks["failed"])).text
    TaskStatus.objects.filter(pk=tasks["failed"].pk).update(options={"group_key": "g", "max_retries": 3})
    ledger.open_group("g", members=[[tasks["failed"].task_id]])
    text = visit(client, page_of(tasks["failed"])).text
    for words in ("1 member : 1 failed", "3 at most"):
        assert words in text
    assert "1 task" in visit(client, f"{TASKS}?group=g").text

    assert "Cancel this task?" in visit(client, page_of(tasks["pending"], "cancel")).text
    assert "The task was cancelled." in visit(client, page_of(tasks["pending"], "cancel"), {}).text
    form: dict[str, Any] = {"action": "retry", "_selected_action": [tasks["failed"].pk, tasks["cancelled"].pk]}
    assert "Retry 2 tasks?" in visit(client, TASKS, form).text
    assert "2 tasks were retried." in visit(client, TASKS, form | {"is_confirmed": "1"}).text
    assert sorted(TaskStatus.objects.values_list("status", flat=True)) == [
        "cancelled", "completed", "pending", "pending", "processing",
    ]  # fmt: skip
    assert "Retried by" in visit(client, page_of(tasks["failed"])).text

    for _ in range(60):
        make_task(states.PENDING)
    assert "65 tasks" in visit(client, f"{TASKS}?p=2").text
    assert actions.LIMIT > 65


def visit_now(client: Client) -> None:
    """Visit the dashboard, which is full by now, as a page and as the part that its script asks for."""
    now = reverse("admin:tasks_now")
    part.kept.clear()
    for words in ("No worker and no relay live", "Why it failed", "Took the most time"):
        assert words in visit(client, now).text
    assert "No worker and no relay live" in client.get(now, {"part": "1"}).content.decode()


def visit_workers(client: Client) -> None:
    now = timezone.now()
    worker = WorkerProcess.objects.create(
        broker_id="x",
        host="boot:1",
        hostname="web-1",
        pid=1,
        process_started="1",
        threads=8,
        started_at=now,
        beat_at=now,
    )
    assert "Living" in visit(client, reverse("admin:tasks_workerprocess_changelist")).text
    assert "web-1" in visit(client, page_of(worker)).text


def visit_schedules(client: Client) -> None:
    assert "No schedules yet" in visit(client, SCHEDULES).text
    add = reverse("admin:tasks_schedule_add")
    assert visit(client, add).with_attribute("id", "schedule-upcoming")
    form = {
        "name": "Mondays", "task_name": "plain.say", "kwargs": '{"value": 1}', "cron": "0 8 * * 1", "every": "",
        "every_unit": "60", "time_zone": "Europe/Paris", "start_at_0": "", "start_at_1": "", "end_at_0": "",
        "end_at_1": "", "missed_policy": "once", "missed_limit": "100", "grace_seconds": "10", "overlap": "queue",
        "jitter_seconds": "0", "enabled": "on",
    }  # fmt: skip
    assert "the minute is '61'" in visit(client, add, form | {"cron": "61 * * * *"}).text
    preview = client.get(reverse("admin:tasks_schedule_preview"), form)
    assert "At 08:00 on Monday, Europe/Paris" in preview.content.decode()
    visit(client, add, form)
    schedule = Schedule.objects.get()
    assert "was sent" in visit(client, page_of(schedule, "run"), {}).text
    assert "is paused" in visit(client, page_of(schedule, "pause"), {}).text
    assert "runs again" in visit(client, page_of(schedule, "resume"), {}).text
    schedule.slots.create(
        slot=timezone.now(), first_slot=timezone.now() - timedelta(days=1), count=1_234, outcome="missed"
    )
    page = visit(client, page_of(schedule))
    for words in ("Run now", "Sent by hand", "Missed 1,234 slots"):
        assert words in page.text
    action = {"action": "pause_selected", "_selected_action": [schedule.pk]}
    assert "1 schedule was paused." in visit(client, SCHEDULES, action).text
    own = form | {"name": "Own", "task_name": "plain.count"}
    assert "This actor has a form of its own" in visit(client, add, own).text
    own |= {"arguments_of": "plain.count", "arguments-colour": "red", "arguments-times": "0"}
    assert "greater than or equal to 1" in visit(client, add, own).text
    visit(client, add, own | {"arguments-times": "3"})
    assert Schedule.objects.get(name="Own").kwargs == {"colour": "red", "times": 3, "is_dry": False}
    assert "Paused" in visit(client, f"{SCHEDULES}?state=paused&origin=admin").text


def main() -> None:
    # Nothing listens there. A send stays in the ledger, from where the relay would publish it.
    dramatiq.set_broker(LedgerBroker(url="redis://127.0.0.1:1/0"))

    @dramatiq.actor(actor_name="plain.say")
    def say(value: int) -> int:
        return value

    @dramatiq.actor(actor_name="plain.count")
    def count(colour: str, times: int, is_dry: bool) -> int:
        return times

    schedulable(count, form=CountForm)
    setup_test_environment()
    call_command("migrate", verbosity=0)
    call_command("check", fail_level="WARNING")
    client = Client(raise_request_exception=True)
    client.force_login(get_user_model().objects.create_superuser("ada"))
    assert "Send one from your code" in visit(client, reverse("admin:tasks_now")).text
    visit_tasks(client)
    visit_now(client)
    visit_workers(client)
    visit_schedules(client)
    assert not {name.partition(".")[0] for name in sys.modules} & set(OPTIONAL)
    print("visited")


main()
