"""The admin with the keyboard alone: verbs on tasks, queues, processes, alerts and schedules."""

from collections.abc import Callable

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from apps.tasks.models import Alert, AlertRule, Pause, Schedule, TaskStatus
from apps.tasks.schedules import actions
from tests import rows

pytestmark = [pytest.mark.once, pytest.mark.processes, pytest.mark.django_db(transaction=True)]

#: Keys of Tab to anything on a page, at most.
MOST = 120
#: Whether an element shows that it has the focus.
IS_SHOWN = """element => {
    const style = getComputedStyle(element);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0 || style.boxShadow !== "none";
}"""


def reach(page: Page, role: str, name: str) -> None:
    """Press Tab until the focus is on an element, and expect it to be seen."""
    wanted = page.get_by_role(role, name=name).first  # type: ignore[arg-type]
    expect(wanted).to_be_attached()
    for _ in range(MOST):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            assert wanted.evaluate(IS_SHOWN), f"the focus on {name} is not seen"
            return
    raise AssertionError(f"no Tab leads to {name} on {page.url}")


def press(page: Page, role: str, name: str) -> None:
    """Go to a link or a button and press it. It leads to another page."""
    reach(page, role, name)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def go(page: Page, name: str, *values: object, query: str = "") -> None:
    """Open a page of the admin and skip its side bar."""
    page.goto(reverse(f"admin:tasks_{name}", args=values) + query)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")


@pytest.fixture
def page(signed_in: Callable[..., Page], jane: User) -> Page:
    User.objects.filter(pk=jane.pk).update(is_staff=True, is_superuser=True)
    return signed_in("/account/", viewport={"width": 1300, "height": 900}, reduced_motion="reduce")


# One test: a browser and a server take seconds to start. The verbs that have the same page are tried once.
def test_verbs_of_each_kind_are_done_with_the_keyboard_alone(page: Page) -> None:
    task = rows.task("aiwriting.debug_task")
    for _ in range(3):
        rows.task("aiwriting.debug_task", status="failed", finished_at=timezone.now())
    type_priority(page, task)
    choose_queue(page, task)
    cancel(page, task)
    retry_a_selection(page)
    retry_all_that_match(page)
    pause_a_queue(page)
    quiet_a_process(page)
    silence_an_alert(page)
    run_a_schedule(page)
    open_and_close_what_opens(page)


def type_priority(page: Page, task: TaskStatus) -> None:
    go(page, "taskstatus_change", task.pk)
    press(page, "link", "Change priority")
    reach(page, "textbox", "Priority")
    page.keyboard.type("-5")
    press(page, "button", "Change priority")
    task.refresh_from_db()
    assert task.priority == -5


def choose_queue(page: Page, task: TaskStatus) -> None:
    go(page, "taskstatus_change", task.pk)
    press(page, "link", "Change queue")
    reach(page, "combobox", "Queue")
    page.keyboard.type("documents")
    press(page, "button", "Change queue")
    task.refresh_from_db()
    assert task.queue_name == "documents"


def cancel(page: Page, task: TaskStatus) -> None:
    go(page, "taskstatus_change", task.pk)
    press(page, "link", "Cancel")
    press(page, "button", "Yes, cancel")
    task.refresh_from_db()
    assert task.status == "cancelled"


def retry_a_selection(page: Page) -> None:
    go(page, "taskstatus_changelist", query="?q=state:failed")
    reach(page, "checkbox", "Select this task")
    page.keyboard.press("Space")
    reach(page, "combobox", "Select action to run")
    page.keyboard.type("Retry")
    press(page, "button", "Run")
    press(page, "button", "Yes, retry")
    assert TaskStatus.objects.filter(status="failed").count() == 2


def retry_all_that_match(page: Page) -> None:
    go(page, "taskstatus_changelist", query="?q=state:failed")
    press(page, "link", "Retry all 2")
    press(page, "button", "Yes, retry")
    assert TaskStatus.objects.filter(status="failed").count() == 0


def pause_a_queue(page: Page) -> None:
    go(page, "pause_queues")
    press(page, "link", "Pause documents")
    press(page, "button", "Pause")
    assert Pause.objects.get().name == "documents"


def quiet_a_process(page: Page) -> None:
    process = rows.worker_process(taken_at=timezone.now())
    go(page, "workerprocess_change", process.pk)
    press(page, "link", "Take nothing new")
    press(page, "button", "Take nothing new")
    process.refresh_from_db()
    assert process.wanted == "quiet"


def silence_an_alert(page: Page) -> None:
    now = timezone.now()
    rule = AlertRule.objects.create(name="Mine", kind="no_worker")
    alert = Alert.objects.create(
        rule=rule, kind=rule.kind, sentence="No worker lives.", noticed_at=now, checked_at=now, started_at=now
    )
    go(page, "alert_change", alert.pk)
    press(page, "link", "Silence")
    reach(page, "combobox", "Silence for")
    page.keyboard.press("ArrowDown")
    reach(page, "textbox", "Why")
    page.keyboard.type("The server is being moved")
    press(page, "button", "Silence it")
    alert.refresh_from_db()
    assert alert.silenced_until


def run_a_schedule(page: Page) -> None:
    schedule = Schedule(name="mine", task_name="aiwriting.debug_task", cron="0 8 * * *")
    actions.make(schedule)
    go(page, "schedule_change", schedule.pk)
    press(page, "button", "Run now")
    assert TaskStatus.objects.filter(options__schedule="mine").exists()


def open_and_close_what_opens(page: Page) -> None:
    """The filters of a list and the menu of the user take the focus, and give it back."""
    go(page, "schedule_changelist")
    for name, inside in (("Filters", "#changelist-filter"), ("jane", "nav")):
        reach(page, "button", name)
        page.keyboard.press("Enter")
        page.wait_for_function("part => document.activeElement.closest(part)", arg=inside)
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name=name).first).to_be_focused()
