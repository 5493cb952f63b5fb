"""`manage.py import_celery_beat`: rows of django-celery-beat become schedules, all of them or none."""

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from apps.tasks.errors import CannotImportError
from apps.tasks.models import Schedule
from apps.tasks.schedules.celery_beat import crontab
from tests import rows

pytestmark = pytest.mark.django_db

CLEAN = "documents.clean_expired_documents"
REPORT = "projects.generate_project_report"
LATER = "2099-01-01T05:00:00Z"
KINDS = ("crontab", "interval", "solar", "clocked")
DAILY = {"minute": "30", "hour": "7", "day_of_week": "*", "day_of_month": "*", "month_of_year": "*", "timezone": "UTC"}


def dump(path: Path, *tasks: dict[str, Any]) -> str:
    """Write a dump with these tasks. Each names its time as `crontab={...}` and the like."""
    objects: list[dict[str, Any]] = []
    for pk, task in enumerate(tasks, start=1):
        fields = {"name": f"task {pk}", "task": CLEAN, "args": "[]", "kwargs": "{}", "enabled": True} | task
        for kind in KINDS:
            if kind in fields:
                objects.append({"model": f"django_celery_beat.{kind}schedule", "pk": pk, "fields": fields[kind]})
                fields[kind] = pk
        objects.append({"model": "django_celery_beat.periodictask", "pk": pk, "fields": fields})
    path.write_text(json.dumps(objects))
    return str(path)


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("import_celery_beat", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "beat.json"


def imported(file: Path, **task: Any) -> Schedule:
    run("--json", dump(file, task))
    return Schedule.objects.get(name="task 1")


def refusal(file: Path, **task: Any) -> str:
    """Return the sentence about a task that is refused, after a look that nothing was written."""
    before = Schedule.objects.filter(declared_cron="").count()
    with pytest.raises(CommandError, match="Nothing was imported: 1 of 1 are refused"):
        run("--json", dump(file, task))
    assert Schedule.objects.filter(declared_cron="").count() == before
    return next(line for line in run("--json", str(file), "--dry-run").splitlines() if line.startswith("task 1: "))


def test_a_crontab_becomes_a_cron_text_in_its_zone(file: Path) -> None:
    made = imported(file, crontab=DAILY | {"day_of_week": "mon-fri", "timezone": "Europe/Paris"})
    assert (made.task_name, made.cron, made.time_zone, made.enabled) == (CLEAN, "30 7 * * 1-5", "Europe/Paris", True)
    assert made.next_at is not None
    assert made.next_at > timezone.now()


@pytest.mark.parametrize(
    ("every", "period", "seconds"), [(10, "seconds", 10), (2, "days", 172_800), (2_000_000, "microseconds", 2)]
)
def test_an_interval_becomes_seconds(file: Path, every: int, period: str, seconds: int) -> None:
    assert imported(file, interval={"every": every, "period": period}).interval_seconds == seconds


def test_an_interval_goes_on_from_its_last_run(file: Path) -> None:
    last = (timezone.now() - timedelta(hours=5)).replace(microsecond=0)
    made = imported(file, interval={"every": 1, "period": "days"}, last_run_at=last.isoformat())
    assert made.next_at == last + timedelta(days=1)


def test_a_clocked_task_has_one_slot(file: Path) -> None:
    made = imported(file, clocked={"clocked_time": LATER}, one_off=True)
    assert made.timing.upcoming(timezone.now(), count=3) == [datetime(2099, 1, 1, 5, tzinfo=UTC)]


def test_a_task_of_one_run_has_one_slot(file: Path) -> None:
    made = imported(file, crontab=DAILY, one_off=True)
    assert made.timing.upcoming(made.decided_until, count=3) == [made.next_at]


def test_start_expiry_and_pause_are_kept(file: Path) -> None:
    made = imported(file, crontab=DAILY, start_time="2090-01-01T00:00:00Z", expires=LATER, enabled=False)
    assert (made.start_at, made.end_at) == (datetime(2090, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, 5, tzinfo=UTC))
    assert not made.enabled


def test_arguments_by_place_get_their_names(file: Path) -> None:
    project = rows.project()
    run("--json", dump(file, {"task": REPORT, "args": f"[{project.pk}]", "crontab": DAILY}))
    assert Schedule.objects.get(name="task 1").kwargs == {"project_id": project.pk}


@pytest.mark.parametrize(
    ("task", "arguments"),
    [("documents.tasks.clean_expired_documents", []), ("old.clean", ["--map", f"old.clean={CLEAN}"])],
)
def test_a_task_is_found_by_its_name_or_by_the_map(file: Path, task: str, arguments: list[str]) -> None:
    run("--json", dump(file, {"task": task, "crontab": DAILY}), *arguments)
    assert Schedule.objects.get(name="task 1").task_name == CLEAN


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"solar": {"event": "sunset", "latitude": 1, "longitude": 2}}, "It comes with the sun (sunset)"),
        ({"crontab": DAILY | {"day_of_month": "1-7", "day_of_week": "1"}}, "Celery runs on days that are in both"),
        ({"crontab": DAILY | {"minute": "61"}}, "the minute is '61', must be 0 to 59"),
        ({"crontab": DAILY | {"timezone": "Mars"}}, "Unknown time zone 'Mars'"),
        ({"interval": {"every": 5, "period": "microseconds"}}, "a whole number of seconds"),
        ({"interval": {"every": 0, "period": "days"}}, "It comes every 0 'days'"),
        ({}, "It has no crontab, interval or time"),
        ({"clocked": {}}, "It has no crontab, interval or time"),
        ({"crontab": DAILY, "task": "old.clean"}, "No actor is called 'old.clean'. Name it with --map old.clean=ACTOR"),
        (
            {"crontab": DAILY, "args": "[1, 2]"},
            "It has 2 arguments without a name, and documents.clean_expired_documents",
        ),
        ({"crontab": DAILY, "args": "x"}, "must be a JSON list and a JSON object"),
        ({"crontab": DAILY, "kwargs": '{"a": 1}'}, "unexpected keyword argument"),
        ({"crontab": DAILY, "task": REPORT, "args": "[1]", "kwargs": '{"project_id": 2}'}, "two values for project_id"),
        ({"crontab": DAILY, "task": REPORT, "args": '["x"]'}, "must be of type int"),
    ],
)
def test_a_row_that_cannot_be_a_schedule_is_refused_with_a_sentence(file: Path, task: Any, words: str) -> None:
    assert words in refusal(file, **task)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"task": "celery.backend_cleanup", "crontab": DAILY}, "the relay deletes old tasks by itself"),
        ({"crontab": DAILY, "expires": "2020-01-01T00:00:00Z"}, "it expired at 2020-01-01T00:00:00Z"),
        ({"clocked": {"clocked_time": "2020-01-01T00:00:00Z"}}, "its one time has passed: 2020-01-01T00:00:00Z"),
        (
            {"crontab": DAILY, "one_off": True, "enabled": False, "last_run_at": "2020-01-01T00:00:00Z"},
            "it was to run once, and ran at 2020-01-01T00:00:00Z",
        ),
    ],
)
def test_a_row_with_nothing_left_to_do_is_left_out(file: Path, task: Any, words: str) -> None:
    assert words in run("--json", dump(file, task))
    assert not Schedule.objects.filter(name="task 1").exists()


def test_what_a_schedule_does_not_keep_is_said(file: Path) -> None:
    told = run(
        "--json",
        dump(
            file,
            {"crontab": DAILY, "queue": "mails", "expire_seconds": 60, "priority": 3, "headers": '{"a": 1}'},
            {"crontab": DAILY, "queue": "documents", "headers": "{}"},
        ),
    )
    assert "not on the queue 'mails'" in told
    assert "write expires=timedelta(seconds=60) at the actor" in told
    assert "priority 3 is left out" in told
    assert "its headers are left out" in told
    assert told.count("task 2: ") == 0


def test_one_refused_row_keeps_all_others_out_unless_a_part_is_wanted(file: Path) -> None:
    path = dump(file, {"crontab": DAILY}, {"task": "unknown", "crontab": DAILY})
    with pytest.raises(CommandError, match="Nothing was imported: 1 of 2 are refused"):
        run("--json", path)
    assert not Schedule.objects.filter(name__startswith="task").exists()
    assert "Imported: 1 new, 1 refused." in run("--json", path, "--partial")


def test_a_dry_run_shows_and_writes_nothing(file: Path) -> None:
    before = Schedule.objects.count()
    told = run("--json", dump(file, {"crontab": DAILY}), "--dry-run")
    assert told.splitlines()[0].split() == ["NAME", "TASK", "ACTOR", "TIME", "ZONE", "STATE", "OUTCOME"]
    assert f"{CLEAN}  30 7 * * *  UTC   on     new" in told
    assert "Nothing was written: 1 new." in told
    assert Schedule.objects.count() == before


def test_it_may_run_again(file: Path) -> None:
    path = dump(file, {"crontab": DAILY}, {"interval": {"every": 1, "period": "hours"}})
    run("--json", path)
    Schedule.objects.filter(name="task 1").update(cron="0 0 * * *")
    assert "Imported: 2 there." in run("--json", path)
    assert Schedule.objects.get(name="task 1").cron == "0 0 * * *"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--json", "nowhere.json"], "nowhere.json: No such file or directory"),
        (["--database", "nowhere"], "Unknown database 'nowhere', must be one of: default"),
        ([], "has no table django_celery_beat_periodictask"),
        (["--map", "old"], "--map is 'old', must be OLD=NEW"),
    ],
)
def test_a_source_that_is_none_is_refused_with_a_sentence(arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        run(*arguments)


@pytest.mark.parametrize("text", ["", "{", "1", '{"a": 1}', "[1]", '[{"model": "django_celery_beat.periodictask"}]',
                                  '[{"model": "django_celery_beat.periodictask", "pk": 1, "fields": {}}]'])  # fmt: skip
def test_a_file_that_is_no_dump_is_refused_with_a_sentence(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(CommandError, match=r"is no dump of django_celery_beat|cannot be read"):
        run("--json", str(file))


def test_a_map_that_no_row_needs_is_refused(file: Path) -> None:
    with pytest.raises(CommandError, match="--map names tasks that no row has: old"):
        run("--json", dump(file, {"crontab": DAILY}), "--map", f"old={CLEAN}")


def test_the_tables_are_read_without_the_package() -> None:
    with connection.cursor() as cursor:
        for kind in KINDS:
            columns = {"crontab": ", ".join(f"{name} text" for name in DAILY), "interval": "every integer, period text"}
            cursor.execute(
                f"CREATE TABLE django_celery_beat_{kind}schedule (id integer, {columns.get(kind, 'event text')})"
            )
        cursor.execute(
            "CREATE TABLE django_celery_beat_periodictask (id integer, name text, task text, args text, kwargs text, "
            "queue text, expires timestamp, enabled bool, one_off bool, crontab_id integer, interval_id integer)"
        )
        cursor.execute(
            "INSERT INTO django_celery_beat_crontabschedule VALUES (7, '30', '7', '*', '*', '*', 'Asia/Tokyo')"
        )
        cursor.execute(
            "INSERT INTO django_celery_beat_periodictask VALUES "
            f"(1, 'nightly', '{CLEAN}', '[]', '{{}}', NULL, '2099-01-01 05:00:00', true, false, 7, NULL)"
        )
    assert "Imported: 1 new." in run()
    made = Schedule.objects.get(name="nightly")
    assert (made.cron, made.time_zone, made.end_at) == ("30 7 * * *", "Asia/Tokyo", datetime(2099, 1, 1, 5, tzinfo=UTC))


@pytest.mark.once
@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({}, "* * * * *"),
        ({"minute": "*/15", "hour": "8-17/3, 22"}, "*/15 8-17/3,22 * * *"),
        ({"hour": "22-2"}, "* 22-23,0-2 * * *"),
        ({"hour": "22-4/2"}, "* 0,2,4,22 * * *"),
        ({"day_of_week": "fri-mon"}, "* * * * 5-6,0-1"),
        ({"day_of_week": "Monday,wed"}, "* * * * 1,3"),
        ({"day_of_week": "7"}, "* * * * 0"),
        ({"month_of_year": "jan-mar,December"}, "* * * 1-3,12 *"),
        ({"month_of_year": "nov-feb"}, "* * * 11-12,1-2 *"),
        ({"day_of_month": "1,15", "day_of_week": "*"}, "* * 1,15 * *"),
    ],
)
def test_a_crontab_of_celery_in_the_words_of_cron(columns: dict[str, str], text: str) -> None:
    assert crontab.text_of(columns) == text


@pytest.mark.once
def test_days_that_celery_joins_in_another_way_are_refused() -> None:
    with pytest.raises(CannotImportError, match=r"days of the month \(1-7\) and of the week \(1\)"):
        crontab.text_of({"day_of_month": "1-7", "day_of_week": "mon"})
    assert crontab.text_of({"day_of_month": "*/2", "day_of_week": "mon"}) == "* * */2 * 1"


@pytest.mark.parametrize(
    "task",
    [
        {"clocked": {"clocked_time": "soon"}},
        {"clocked": {"clocked_time": "9999-12-31T23:59:59.9Z"}},
        {"interval": {"every": 3_000_000, "period": "days"}},
        {"interval": {"every": 10**18, "period": "days"}},
        {"interval": {"every": 1, "period": ["days"]}},
        {"crontab": DAILY | {"minute": "\u00b2-1/2"}},
    ],
)
def test_a_time_that_cannot_be_read_refuses_its_own_row_only(file: Path, task: dict[str, Any]) -> None:
    refusal(file, **task)
    out = run("--partial", "--json", dump(file, task, {"crontab": DAILY}))
    assert "Imported: 1 new, 1 refused." in out
    assert Schedule.objects.filter(declared_cron="").get().name == "task 2"
