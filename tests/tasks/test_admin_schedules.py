"""The schedules' pages in the admin."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.tasks.admin import elements
from apps.tasks.models import Schedule, ScheduleSlot, TaskStatus
from apps.tasks.schedules import actions, declared, firing
from tests.clients import allow
from tests.pages import Page, get, statements

#: Pages and forms are the same on every database. `tests/access/test_databases.py` opens every page on the second.
pytestmark = [pytest.mark.once, pytest.mark.django_db, pytest.mark.usefixtures("broker")]

LIST = reverse("admin:tasks_schedule_changelist")
ADD = reverse("admin:tasks_schedule_add")
PREVIEW = reverse("admin:tasks_schedule_preview")

WEEKLY = "projects.send_weekly_report"


def fields(**changes) -> dict[str, object]:
    """Return the fields that a filled-in form sends."""
    return {
        "name": "Mondays",
        "task_name": WEEKLY,
        "kwargs": '{"report_type": "summary"}',
        "cron": "0 8 * * 1",
        "every": "",
        "every_unit": "60",
        "time_zone": "Europe/Paris",
        "start_at_0": "", "start_at_1": "", "end_at_0": "", "end_at_1": "",
        "missed_policy": "once", "missed_limit": "100", "grace_seconds": "10",
        "overlap": "queue", "jitter_seconds": "0", "enabled": "on",
        "slots-TOTAL_FORMS": "0", "slots-INITIAL_FORMS": "0",
    } | changes  # fmt: skip


def page_of(schedule: Schedule) -> str:
    return reverse("admin:tasks_schedule_change", args=[schedule.pk])


def run_action(client, schedule: Schedule, name: str) -> Page:
    response = client.post(reverse(f"admin:tasks_schedule_{name}", args=[schedule.pk]), follow=True)
    assert response.status_code == 200
    return Page(response.content.decode())


def refused(client, address: str = ADD, **changes) -> str:
    """Return the text of the form that comes back, after a check that nothing was saved."""
    before = list(Schedule.objects.values())
    response = client.post(address, fields(**changes))
    assert response.status_code == 200
    assert list(Schedule.objects.values()) == before
    return Page(response.content.decode()).text


def make(name: str = "a", **values) -> Schedule:
    schedule = Schedule(name=name, **({"task_name": WEEKLY, "cron": "0 8 * * 1"} | values))
    actions.make(schedule)
    return schedule


@pytest.fixture
def weekly(db) -> Schedule:
    declared.make_missing()
    return Schedule.objects.get(name=WEEKLY)


# --- Making and changing ---------------------------------------------------------------------------


def test_a_schedule_is_made(admin_client) -> None:
    assert admin_client.post(ADD, fields()).status_code == 302
    schedule = Schedule.objects.get(name="Mondays")
    assert (schedule.kwargs, schedule.time_zone) == ({"report_type": "summary"}, "Europe/Paris")
    assert schedule.next_at is not None
    assert schedule.next_at.weekday() == 0
    assert schedule.next_at > timezone.now()


def test_an_interval_begins_when_it_is_saved_or_at_its_start(admin_client) -> None:
    admin_client.post(ADD, fields(cron="", every="90", every_unit="60"))
    schedule = Schedule.objects.get(name="Mondays")
    assert schedule.interval_seconds == 5_400
    assert schedule.next_at is not None
    assert timedelta(minutes=89) < schedule.next_at - timezone.now() <= timedelta(minutes=90)
    admin_client.post(
        ADD, fields(name="later", cron="", every="2", every_unit="86400", start_at_0="2099-01-01", start_at_1="06:00")
    )
    assert Schedule.objects.get(name="later").next_at == datetime(2099, 1, 1, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cron": "61 * * * *"}, "the minute is '61', must be 0 to 59"),
        ({"cron": "0 0 30 2 *"}, "never comes: there is no day '30' in month '2'"),
        ({"cron": "* * * * * *"}, "6 fields, must have five"),
        ({"cron": ""}, "There must be a cron text or an interval"),
        ({"every": "5"}, "There must be a cron text or an interval, not both"),
        ({"cron": "", "every": "0"}, "greater than or equal to 1"),
        ({"cron": "", "every": "999999999", "every_unit": "86400"}, "at most 3,660 are allowed"),
        ({"cron": "", "every": "5", "every_unit": "7"}, "not one of the available choices"),
        ({"time_zone": "Europe/Pariss"}, "Unknown time zone 'Europe/Pariss', must be a name of the tz database"),
        ({"task_name": "projects.gone"}, "Unknown actor 'projects.gone', must be one of: "),
        ({"task_name": ""}, "This field is required"),
        ({"kwargs": "{"}, "This is not JSON"),
        ({"kwargs": "[1]"}, "must be an object"),
        ({"kwargs": "[" * 50_000}, "nested too deeply"),
        ({"kwargs": '{"report": 1}'}, "unexpected keyword argument 'report'"),
        (
            {"kwargs": '{"report_type": 1}'},
            "is 1 of type int, must be of type str, as its function says",
        ),
        ({"task_name": "documents.process_document", "kwargs": ""}, "missing a required argument: 'document_id'"),
        ({"task_name": "documents.process_document", "kwargs": '{"document_id": true}'}, "must be of type int"),
        ({"kwargs": '{"report_type": "\\u0000"}'}, "a NUL"),
        ({"kwargs": '{"report_type": "", "\\ud800": 1}'}, "report_type=str, ?=int): got an unexpected"),
        ({"kwargs": f'{{"report_type": {"1" * 5_000}}}'}, "a number of more than 4,300 digits"),
        (
            {"task_name": "documents.process_document", "kwargs": f'{{"document_id": {10**19}}}'},
            "is out of range for the id of",
        ),
        ({"name": "a\nb"}, "must be one line without control characters"),
        ({"name": "a\x1b[2Jb"}, "must be one line without control characters"),
        ({"end_at_0": "2020-01-01", "end_at_1": "00:00"}, "no slot left before the end"),
        (
            {"start_at_0": "2098-01-01", "start_at_1": "00:00", "end_at_0": "2097-01-01", "end_at_1": "00:00"},
            "The end must be later than the start",
        ),
        ({"start_at_0": "9999-12-31", "start_at_1": "23:59"}, "in the year 9999, must be 1970 to 2200"),
        ({"end_at_0": "0001-01-01", "end_at_1": "00:00"}, "in the year 1, must be 1970 to 2200"),
        ({"missed_limit": "0"}, "greater than or equal to 1"),
        ({"grace_seconds": "-1"}, "greater than or equal to 0"),
        ({"jitter_seconds": "100000"}, "less than or equal to 86400"),
        ({"name": WEEKLY}, "is the name of a schedule that is declared in the code"),
        ({"name": ""}, "This field is required"),
        ({"missed_policy": "twice"}, "not one of the available choices"),
    ],
)
def test_an_invalid_value_is_refused_at_its_field(admin_client, changes, words) -> None:
    assert words in refused(admin_client, **changes)


def test_a_name_is_given_once(admin_client) -> None:
    make("Mondays")
    assert "already exists" in refused(admin_client)


def test_saving_an_old_page_keeps_how_far_the_schedule_is(admin_client) -> None:
    schedule = make("Mondays")
    now = timezone.now().replace(microsecond=0)
    Schedule.objects.update(decided_until=now, missed_count=3, next_at=now + timedelta(days=1))
    assert (
        admin_client.post(page_of(schedule), fields(grace_seconds="99", time_zone="UTC", kwargs="")).status_code == 302
    )
    schedule.refresh_from_db()
    assert (schedule.decided_until, schedule.missed_count, schedule.grace_seconds) == (now, 3, 99)


def test_a_new_time_begins_now(admin_client) -> None:
    schedule = make("Mondays")
    admin_client.post(page_of(schedule), fields(cron="* * * * *"))
    schedule.refresh_from_db()
    assert schedule.next_at is not None
    assert timedelta(0) < schedule.next_at - timezone.now() <= timedelta(minutes=1)


def test_a_schedule_that_has_ended_may_still_be_renamed(admin_client) -> None:
    end = datetime(2026, 1, 1, tzinfo=UTC)
    schedule = make("old", end_at=end, time_zone="Europe/Paris")
    sent = fields(name="new", end_at_0="2026-01-01", end_at_1="00:00:00", kwargs="")
    assert admin_client.post(page_of(schedule), sent).status_code == 302
    schedule.refresh_from_db()
    assert schedule.name == "new"


# --- The next times ----------------------------------------------------------------------------------


def preview(client, **changes) -> Page:
    return get(client, PREVIEW, pk="", **fields(**changes))


def test_the_next_five_times_are_shown_in_the_schedules_zone_before_it_is_saved(admin_client) -> None:
    page = preview(admin_client)
    times = [attributes["datetime"] for tag, attributes in page.elements if tag == "time"]
    assert len(times) == 5
    for text in times:
        time = datetime.fromisoformat(text or "")
        assert (time.weekday(), time.hour, time.minute) == (0, 8, 0)
        assert time.utcoffset() in (timedelta(hours=1), timedelta(hours=2))
    assert "At 08:00 on Monday, Europe/Paris" in page.text
    assert Schedule.objects.count() == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cron": "0 0 30 2 *"}, "never comes"),
        ({"time_zone": "<b>"}, "Unknown time zone '<b>'"),
        ({"cron": "", "every": "15"}, "Every 15 minutes"),
        ({"jitter_seconds": "30"}, "Each is sent up to 30 s later"),
        ({"end_at_0": "nonsense"}, "Enter a valid"),
        ({"name": "", "task_name": "", "kwargs": "{"}, "At 08:00 on Monday"),
    ],
)
def test_the_preview_explains_the_times_or_the_error(admin_client, changes, words) -> None:
    assert words in preview(admin_client, **changes).text


@pytest.mark.parametrize("pk", ["", "x", "-1", "9" * 19, "9" * 5_000])
def test_the_preview_of_a_schedule_that_is_not_there_is_that_of_a_new_one(admin_client, pk) -> None:
    response = admin_client.get(PREVIEW, fields(pk=pk, cron="* * * * *"))
    assert (response.status_code, "Every minute" in response.content.decode()) == (200, True)


def test_the_preview_is_not_for_everybody(client, django_user_model) -> None:
    assert client.get(PREVIEW).status_code == 302
    client.force_login(django_user_model.objects.create_user("staff", is_staff=True))
    assert client.get(PREVIEW).status_code == 403


# --- Declared ----------------------------------------------------------------------------------------


def test_a_declared_schedule_says_where_it_is_declared(admin_client) -> None:
    page = get(admin_client, LIST)
    weekly = Schedule.objects.get(name=WEEKLY)
    assert weekly.declared_in in page.text
    text = get(admin_client, page_of(weekly)).text
    assert f"in {weekly.declared_in} , as 0 8 * * 1 in UTC" in text


def test_the_time_of_a_declared_schedule_is_changed_and_changed_back(admin_client, weekly) -> None:
    declared_next = weekly.next_at
    sent = fields(cron="0 9 * * 2", name="other", task_name="aiwriting.debug_task", kwargs="{}")
    assert admin_client.post(page_of(weekly), sent).status_code == 302
    weekly.refresh_from_db()
    assert (weekly.cron, weekly.time_zone, weekly.is_overridden) == ("0 9 * * 2", "Europe/Paris", True)
    assert (weekly.name, weekly.task_name, weekly.kwargs) == (WEEKLY, WEEKLY, {"report_type": "summary"})
    assert "(declared: 0 8 * * 1)" in get(admin_client, LIST).text
    assert "comes at its declared time again" in run_action(admin_client, weekly, "undo").text
    weekly.refresh_from_db()
    assert (weekly.cron, weekly.is_overridden, weekly.next_at) == ("0 8 * * 1", False, declared_next)


def test_a_declared_schedule_is_not_deleted(admin_client, weekly) -> None:
    address = reverse("admin:tasks_schedule_delete", args=[weekly.pk])
    assert admin_client.post(address, {"post": "yes"}).status_code == 403
    made = make()
    address = reverse("admin:tasks_schedule_delete", args=[made.pk])
    assert admin_client.post(address, {"post": "yes"}).status_code == 302
    assert list(Schedule.objects.values_list("name", flat=True)) == sorted(declared.declarations())


# --- Actions -----------------------------------------------------------------------------------------


def test_a_schedule_is_paused_and_resumed(admin_client, weekly) -> None:
    assert "is paused" in run_action(admin_client, weekly, "pause").text
    weekly.refresh_from_db()
    assert not weekly.enabled
    assert "Paused" in get(admin_client, LIST).text
    assert "runs again" in run_action(admin_client, weekly, "resume").text
    weekly.refresh_from_db()
    assert weekly.enabled


def test_run_now_sends_the_task_and_links_to_it(admin_client, admin_user, weekly) -> None:
    page = run_action(admin_client, weekly, "run")
    task = TaskStatus.objects.get()
    assert (task.task_name, task.kwargs, task.owner) == (WEEKLY, {"report_type": "summary"}, admin_user)
    assert page.with_attribute("href", reverse("admin:tasks_taskstatus_change", args=[task.pk]))
    assert "Sent by hand" in page.text


@pytest.mark.parametrize("name", ["run", "pause", "resume", "undo"])
def test_an_action_needs_a_post_and_the_permission(client, admin_client, django_user_model, weekly, name) -> None:
    address = reverse(f"admin:tasks_schedule_{name}", args=[weekly.pk])
    assert admin_client.get(address).status_code == 405
    client.force_login(django_user_model.objects.create_user("staff", is_staff=True))
    assert client.post(address).status_code == 403
    assert TaskStatus.objects.count() == 0


@pytest.mark.parametrize(
    ("action", "words"),
    [("run_selected", "was sent"), ("pause_selected", "were paused"), ("resume_selected", "were resumed")],
)
def test_an_action_runs_on_many_schedules(admin_client, action, words) -> None:
    keys = [make(name).pk for name in "ab"]
    response = admin_client.post(LIST, {"action": action, "_selected_action": keys}, follow=True)
    assert words in Page(response.content.decode()).text


# --- Pages -------------------------------------------------------------------------------------------


def test_a_schedule_whose_actor_is_gone_is_shown_as_broken(admin_client) -> None:
    schedule = make("of an old deploy")
    Schedule.objects.filter(pk=schedule.pk).update(task_name="projects.gone")
    page = get(admin_client, LIST)
    assert "Broken" in page.text
    assert "Unknown actor 'projects.gone'" in get(admin_client, page_of(schedule)).text
    assert "cannot be run: Unknown actor" in run_action(admin_client, schedule, "run").text
    only = get(admin_client, LIST, state="broken").text
    assert "of an old deploy" in only
    assert WEEKLY not in only


@pytest.mark.parametrize("values", [{"cron": "nonsense"}, {"time_zone": "Mars"}, {"kwargs": ["list"]}, {"cron": ""}])
def test_a_row_that_makes_no_sense_breaks_no_page(admin_client, values) -> None:
    schedule = make("odd")
    Schedule.objects.filter(pk=schedule.pk).update(**values)
    assert "Broken" in get(admin_client, LIST).text
    assert "Broken" in get(admin_client, page_of(schedule)).text


def test_a_schedule_that_no_scheduler_fires_is_shown_as_late(admin_client) -> None:
    schedule = make()
    assert "Nothing matches" in get(admin_client, LIST, state="late").text
    Schedule.objects.filter(pk=schedule.pk).update(next_at=timezone.now() - timedelta(minutes=2))
    assert "Nothing matches" not in get(admin_client, LIST, state="late").text
    assert "Is a scheduler running?" in get(admin_client, page_of(schedule)).text


def test_the_list_shows_missed_slots_and_the_state_of_the_last_run(admin_client) -> None:
    schedule = make(missed_count=1_234)
    task_id = actions.run_now(schedule)
    page = get(admin_client, LIST)
    assert "1,234" in page.text
    task = TaskStatus.objects.get(task_id=task_id)
    assert page.with_attribute("href", reverse("admin:tasks_taskstatus_change", args=[task.pk]))
    assert "Pending" in page.text


def test_a_held_task_says_on_list_and_page_that_it_waits_for_the_previous_run(admin_client) -> None:
    schedule = make(cron="* * * * *", missed_policy="all", missed_limit=2, grace_seconds=0)
    Schedule.objects.update(next_at=timezone.now(), decided_until=timezone.now() - timedelta(minutes=5))
    assert firing.fire_due() == 2
    held = TaskStatus.objects.get(task_id=schedule.slots.get(is_held=True).task_id)
    for address in (
        reverse("admin:tasks_taskstatus_changelist"),
        reverse("admin:tasks_taskstatus_change", args=[held.pk]),
    ):
        text = Page(admin_client.get(address).content.decode()).text
        assert text.lower().count("waits for the previous run of its schedule") == 1
        assert Page(elements.timestamp(held.run_at)).text not in text


def test_the_page_shows_the_outcomes_of_its_slots(admin_client) -> None:
    schedule = make()
    now = timezone.now()
    rows = [("fired", 1, "gone"), ("missed", 37, ""), ("skipped", 1, "")]
    for number, (outcome, count, task_id) in enumerate(rows):
        time = now - timedelta(hours=number)
        ScheduleSlot.objects.create(
            schedule=schedule, slot=time, first_slot=time, outcome=outcome, count=count, task_id=task_id
        )
    text = get(admin_client, page_of(schedule)).text
    for words in ("Sent", "Deleted", "Missed 37 slots", "Skipped: the last run was not done"):
        assert words in text


def test_names_and_arguments_are_text(admin_client) -> None:
    schedule = make("<script>alert(1)</script>", kwargs={"report_type": "</script><img src=x>"})
    for address in (LIST, page_of(schedule)):
        page = get(admin_client, address)
        assert "<script>alert(1)" not in page.html
        assert "<img src=x>" not in page.html


def test_the_list_takes_no_more_statements_for_more_schedules(admin_client) -> None:
    for number in range(3):
        actions.run_now(make(f"a {number}"))
    few = len(statements(admin_client, LIST))
    for number in range(20):
        actions.run_now(make(f"b {number}"))
    assert len(statements(admin_client, LIST)) == few


def test_a_user_who_may_only_view_sees_the_page_and_no_button(client, django_user_model) -> None:
    from django.contrib.auth.models import Permission

    user = django_user_model.objects.create_user("staff", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_schedule"))
    client.force_login(user)
    for schedule in (make(kwargs={"report_type": "summary"}), make("b", cron="", interval_seconds=3_600)):
        page = get(client, page_of(schedule))
        assert "Run now" not in page.text
        assert client.post(page_of(schedule), fields()).status_code == 403
    assert "Every hour" in page.text


def test_the_form_sends_the_arguments_back_as_they_are(admin_client) -> None:
    schedule = make("Mondays", kwargs={"report_type": "Ärger"}, time_zone="Europe/Paris")
    sent = fields(kwargs=json.dumps(schedule.kwargs, ensure_ascii=False), grace_seconds="11")
    assert admin_client.post(page_of(schedule), sent).status_code == 302
    schedule.refresh_from_db()
    assert (schedule.kwargs, schedule.grace_seconds) == ({"report_type": "Ärger"}, 11)


# --- Actors that staff may schedule ------------------------------------------------------------------

CLEAN = "documents.clean_expired_documents"


@pytest.fixture
def operator(client, django_user_model):
    """A browser of staff who may do all with schedules, and are no superusers."""
    user = django_user_model.objects.create_user("staff", is_staff=True)
    allow(user, *(f"tasks.{action}_schedule" for action in ("view", "add", "change", "delete")))
    client.force_login(user)
    return client


def test_staff_schedule_the_actors_that_their_modules_offer(operator) -> None:
    refused = operator.post(ADD, fields(task_name="documents.mark_document_failed", kwargs="{}"))
    text = Page(refused.content.decode()).text
    assert f"Only superusers may schedule documents.mark_document_failed. You may schedule: {CLEAN}." in text
    assert not Schedule.objects.filter(name=fields()["name"]).exists()
    assert "documents.process_document" not in get(operator, ADD).html

    assert operator.post(ADD, fields(task_name=CLEAN, arguments_of=CLEAN)).status_code == 302
    assert Schedule.objects.get(name=fields()["name"]).task_name == CLEAN


def test_an_actor_may_need_a_permission_besides(operator, django_user_model) -> None:
    assert operator.post(ADD, fields(task_name=WEEKLY)).status_code == 200
    allow(django_user_model.objects.get(), "projects.change_project")
    assert operator.post(ADD, fields(task_name=WEEKLY)).status_code == 302


@pytest.mark.parametrize("name", ["run", "pause", "resume", "undo"])
def test_staff_leave_schedules_of_other_actors_alone(operator, weekly, name) -> None:
    assert operator.post(reverse(f"admin:tasks_schedule_{name}", args=[weekly.pk])).status_code == 403
    assert operator.post(page_of(weekly), fields(cron="* * * * *")).status_code == 403
    response = operator.post(LIST, {"action": "run_selected", "_selected_action": [weekly.pk]}, follow=True)
    assert "only superusers may schedule its actor" in Page(response.content.decode()).text
    assert operator.post(reverse("admin:tasks_schedule_delete", args=[weekly.pk]), {"post": "yes"}).status_code == 403
    assert TaskStatus.objects.count() == 0


def test_staff_operate_schedules_of_an_offered_actor(operator) -> None:
    schedule = make(task_name=CLEAN)
    assert "was sent" in run_action(operator, schedule, "run").text
    assert "is paused" in run_action(operator, schedule, "pause").text
    assert operator.post(reverse("admin:tasks_schedule_delete", args=[schedule.pk]), {"post": "yes"}).status_code == 302
