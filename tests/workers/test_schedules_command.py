"""`manage.py schedules`: its output and its refusals."""

import io
import os
import subprocess

import pytest
from django.core.management import CommandError, call_command

from apps.tasks.models import Schedule, TaskStatus
from apps.tasks.schedules import actions
from tests.commands import environment, manage

WEEKLY = "projects.send_weekly_report"


def schedules(*arguments: str) -> str:
    out = io.StringIO()
    call_command("schedules", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "slots"),
    [
        (
            ["*/5 8-17 * * 1", "--zone", "Europe/Paris", "--from", "2026-11-24T12:03:00Z", "--count", "3"],
            ["2026-11-30T07:00:00Z", "2026-11-30T07:05:00Z", "2026-11-30T07:10:00Z"],
        ),
        (["@weekly", "--from", "2026-11-24", "--count", "2"], ["2026-11-29T00:00:00Z", "2026-12-06T00:00:00Z"]),
        (["0 8 * * *", "--from", "2026-11-24T09:00:00+02:00", "--count", "1"], ["2026-11-24T08:00:00Z"]),
        (
            ["30 2 * * *", "--zone", "Europe/Paris", "--from", "2026-10-24T12:00:00Z", "--count", "2"],
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        ),
    ],
)
def test_next_prints_the_slots_in_utc_one_a_line(arguments, slots) -> None:
    assert schedules("next", *arguments).splitlines() == slots


@pytest.mark.once
def test_next_begins_now_and_prints_five() -> None:
    assert len(schedules("next", "* * * * *").splitlines()) == 5


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["next", "61 * * * *"], "'61 * * * *': the minute is '61', must be 0 to 59"),
        (["next", "0 0 30 2 *"], "'0 0 30 2 *' never comes: there is no day '30' in month '2'"),
        (["next", "@often"], "Unknown cron word '@often', must be one of: @yearly"),
        (["next", "* * * * *", "--zone", "Mars"], "Unknown time zone 'Mars', must be a name of the tz database"),
        (["next", "* * * * *", "--from", "soon"], "--from is 'soon', must be an ISO time such as"),
        (["next", "* * * * *", "--from", "0001-01-01"], "--from is in the year 1, must be 1901 to 2200"),
        (["next", "* * * * *", "--count", "0"], "--count is '0', must be a whole number, 1 to 10000"),
        (["next", "* * * * *", "--count", "x"], "--count is 'x', must be a whole number, 1 to 10000"),
    ],
)
def test_an_invalid_argument_is_refused_in_one_sentence(arguments, words) -> None:
    with pytest.raises(CommandError) as refused:
        schedules(*arguments)
    assert str(refused.value).startswith(words)
    assert "\n" not in str(refused.value)
    assert refused.value.returncode == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("broker")
class TestActions:
    def test_list_shows_each_with_its_next_and_last_run(self) -> None:
        made = Schedule(name="mine", task_name="acting.say", kwargs={"value": 1}, interval_seconds=90)
        actions.make(made)
        actions.run_now(made)
        lines = {line.split()[0]: line for line in schedules().splitlines()}
        assert lines["NAME"].split() == ["NAME", "ACTOR", "TIME", "ZONE", "NEXT", "LAST", "STATE", "MISSED"]
        assert "0 8 * * 1" in lines[WEEKLY]
        assert "T08:00:00Z" in lines[WEEKLY]
        assert "every 90 s" in lines["mine"]
        assert "Z pending" in lines["mine"]
        assert schedules("list") == schedules()

    def test_a_broken_schedule_says_why(self) -> None:
        made = Schedule(name="mine", task_name="acting.gone", cron="@daily")
        actions.make(made)
        assert "mine is broken: Unknown actor 'acting.gone', must be one of:" in schedules("list")

    def test_the_list_takes_no_more_statements_for_more_schedules(self, django_assert_num_queries) -> None:
        schedules()
        for count in (1, 9):
            for number in range(count):
                made = Schedule(name=f"{count} {number}", task_name="acting.say", kwargs={"value": 1}, cron="@daily")
                actions.make(made)
                actions.run_now(made)
            with django_assert_num_queries(3):
                assert "Z pending" in schedules()

    def test_a_broken_schedule_that_is_resumed_says_why_it_does_not_run(self) -> None:
        actions.make(Schedule(name="mine", task_name="acting.gone", cron="@daily"))
        assert "mine is not paused any more, but it is broken: Unknown actor" in schedules("resume", "mine")

    def test_pause_and_resume(self) -> None:
        assert schedules("pause", WEEKLY) == f"{WEEKLY} is paused.\n"
        assert "paused" in schedules("list")
        assert schedules("resume", WEEKLY).startswith(f"{WEEKLY} runs next at 20")
        assert "paused" not in schedules("list")

    def test_run_prints_the_task_that_was_sent(self) -> None:
        task_id = schedules("run", WEEKLY).strip()
        assert TaskStatus.objects.get(task_id=task_id).kwargs == {"report_type": "summary"}

    @pytest.mark.parametrize("action", ["run", "pause", "resume"])
    def test_an_unknown_name_is_refused_with_the_known_ones(self, action) -> None:
        with pytest.raises(CommandError, match=f"Unknown schedule 'x', must be one of: .*{WEEKLY}") as refused:
            schedules(action, "x")
        assert refused.value.returncode == 2

    @pytest.mark.parametrize("action", ["run", "pause", "resume"])
    def test_bytes_that_are_no_text_are_refused(self, action) -> None:
        with pytest.raises(CommandError, match=r"'\\udcff' is no text in UTF-8"):
            schedules(action, "\udcff")

    def test_a_broken_schedule_is_not_run(self) -> None:
        actions.make(Schedule(name="mine", task_name="acting.gone", cron="@daily"))
        with pytest.raises(CommandError, match="Unknown actor") as refused:
            schedules("run", "mine")
        assert refused.value.returncode == 2


@pytest.mark.once
@pytest.mark.processes
@pytest.mark.parametrize("arguments", [["next", "61 * * * *"], ["often"], ["next"]])
def test_a_refusal_ends_with_two_and_without_a_traceback(command, arguments) -> None:
    refused = command("schedules", *arguments)
    refused.good_ends = {2}
    assert refused.wait() == 2
    assert "rror: " in refused.output
    assert "Traceback" not in refused.output


@pytest.mark.once
@pytest.mark.processes
def test_a_closed_pipe_leaves_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody:
        found = subprocess.run(
            manage("schedules", "next", "* * * * *", "--count", "10000"),
            env=environment(), stdout=nobody, stderr=subprocess.PIPE, text=True, timeout=120,
        )  # fmt: skip
    assert (found.stderr, found.returncode) == ("", 0)
