"""The guidelines are true: their code runs, their names exist, and no section is missing."""

import inspect
import json
import re
import shlex
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import dramatiq
import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.checks import run_checks
from django.core.management import call_command, get_commands
from django.test import Client
from rest_framework.test import APIRequestFactory, force_authenticate

from aiWriting.environment import BASE_DIR
from apps.tasks.conf import SETTINGS
from apps.tasks.models import Schedule, TaskStatus
from apps.tasks.schedules import declared
from tests.docs import pages
from tests.docs.names import find
from tests.foreign_project.test_adopting import checks_table
from workers.broker import COLUMN_OPTIONS, LedgerBroker
from workers.sending.actor import LedgerActor
from workers.sending.options import of_messages

PAGE = pages.DOCS / "guidelines.md"

HEADINGS = [
    "# Asynchronous tasks: guidelines",
    "## Overview",
    "## Configuration",
    "### Basic setup",
    "### Settings",
    "## Task organization",
    "### Task modules",
    "### Task naming",
    "## Task implementation",
    "### Task definition",
    "### Task parameters",
    "## Task calling",
    "### Calling tasks",
    "### From views",
    "## Task progress and status tracking",
    "### Status model",
    "### Progress updates",
    "## Task scheduling",
    "### Periodic tasks",
    "## Task monitoring and management",
    "### Monitoring tools",
    "### Deployment configuration",
    "## Best practices",
    "### Task design",
    "### Performance",
    "### Security",
    "### Deployment",
]

#: Sections, names and practices of guidelines for Celery, which a developer who knows it looks for.
CELERY = json.loads((Path(__file__).parent / "celery_guidelines.json").read_text())
NAMES = sorted({name for names in CELERY["terms"].values() for name in names})
PRACTICES = [practice for practices in CELERY["practices"].values() for practice in practices]
#: System checks of actors, but for the place of their code.
ACTOR_CHECKS = {"tasks.E001", "tasks.W011", "tasks.W012", "tasks.W013", "tasks.W014", "tasks.W015"}
#: Headings that have another name here.
HERE = {"Settings Configuration": "Settings"}


def code() -> tuple[list[str], list[str]]:
    """Return the Python blocks that run, and those that begin with the file that they are from."""
    found = pages.blocks(PAGE, "python")
    quoted = [block for block in found if re.match(r"# \S+\.py\n", block)]
    return [block for block in found if block not in quoted], quoted


def rows() -> list[list[str]]:
    """Return the cells of the tables: Celery's names, ours, and a note."""
    return [row for header in ("Celery", "Celery version", "habit") for row in pages.rows(PAGE, header=header)]


def commands() -> list[str]:
    lines = [line for block in pages.blocks(PAGE, "sh") for line in block.splitlines()]
    assert all(line.startswith("manage.py ") for line in lines)
    return [line.removeprefix("manage.py ") for line in lines]


def is_known(name: str) -> bool:
    """Return whether a name of the tables exists in the code, the settings, the environment or the URLs."""
    broker = dramatiq.get_broker()
    if name.startswith("/"):
        return Client().get(name).status_code != 404
    if name.startswith("manage.py "):
        return name.removeprefix("manage.py ") in get_commands()
    if name in broker.actor_options | set(inspect.signature(dramatiq.actor).parameters) | set(COLUMN_OPTIONS):
        return True
    if name in {*inspect.signature(LedgerActor.send_with_options).parameters, *of_messages(broker)}:
        return True
    if hasattr(settings, name):
        return True
    if (BASE_DIR / name).is_file():
        return True
    if name.isupper():
        return f"| `{name}`" in (pages.DOCS / "operations.md").read_text()
    try:
        return find(name) is not None
    except LookupError:
        return False


def test_the_sections_are_there_in_order() -> None:
    text = re.sub(r"^```.*?^```", "", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert re.findall(r"^#+ .*", text, flags=re.MULTILINE) == HEADINGS


@pytest.mark.parametrize("name", NAMES)
def test_each_name_of_celery_has_a_line(name: str) -> None:
    assert any(re.search(rf"(?<![\w-]){re.escape(name)}(?!\w)", row[0]) for row in rows())


@pytest.mark.django_db
def test_each_name_of_ours_exists() -> None:
    named = [(row[0], name) for row in rows() for name in re.findall(r"`([^`]+)`", row[1])]
    assert len(named) > 60
    assert [(celery, name) for celery, name in named if not is_known(name)] == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name", ["rate_limited", "CELERY_BROKER_URL", "TaskStatus.finish", "manage.py work", "/flower/"]
)
def test_a_name_that_does_not_exist_is_unknown(name: str) -> None:
    assert not is_known(name)


def test_a_name_without_counterpart_is_explained() -> None:
    for row in rows():
        assert row[1] in ("not here", "always on") or "`" in row[1], row
        assert "`" in row[1] or row[2], row


def test_each_name_has_a_counterpart() -> None:
    assert [row[0] for row in rows() if row[1] == "not here"] == []


@pytest.mark.parametrize("section", CELERY["sections"])
def test_each_section_has_its_counterpart(section: str) -> None:
    headings = {heading.lstrip("# ").lower() for heading in HEADINGS}
    assert HERE.get(section, section).lower() in headings


def test_each_practice_is_held_by_a_check_a_setting_or_a_test() -> None:
    held = pages.rows(PAGE, header="practice")
    assert [row[0] for row in held] == PRACTICES
    for practice, here, by in held:
        names = re.findall(r"`([^`]+)`", by)
        assert here, practice
        assert names, practice
        assert [name for name in names if not _holds(name)] == [], practice


def _holds(name: str) -> bool:
    """Return whether a system check, a setting or a test has the name."""
    path, is_test, function = name.partition("::")
    if is_test:
        return f"def {function}(" in (BASE_DIR / path).read_text()
    return name in SETTINGS or any(line.startswith(f"| `{name}` |") for line in checks_table())


def test_quoted_code_is_that_of_the_file() -> None:
    quoted = code()[1]
    assert len(quoted) == 2
    for block in quoted:
        path, _, text = block.removeprefix("# ").partition("\n")
        if path == "aiWriting/settings.py":
            namespace: dict[str, Any] = {}
            exec(compile(text, path, "exec"), {}, namespace)
            assert namespace == {name: getattr(settings, name) for name in namespace}
        else:
            assert text in (BASE_DIR / path).read_text()


def test_the_code_runs(
    working: Any,
    forgotten: None,
    ended: Callable[..., TaskStatus],
    wait_until: Callable[..., Any],
    django_user_model: Any,
) -> None:
    from apps.documents.models import Document, Manuscript
    from apps.projects.models import Project

    user = django_user_model.objects.create_user("writer")
    project = Project.objects.create(owner=user, name="p")
    document = Document.objects.create(project=project, title="t")
    Manuscript.objects.create(document=document, text="a whale\nthe white whale")
    here: dict[str, Any] = {"__name__": "guidelines", "document": document, "user": user}
    before = set(dramatiq.get_broker().actors)
    for block in code()[0]:
        exec(compile(block, PAGE.name, "exec"), here)
    mine = set(dramatiq.get_broker().actors) - before

    # The actors that the blocks declare pass the checks of actors. They are in no app.
    told = run_checks(tags=["tasks"])
    assert [one.msg for one in told if one.id in ACTOR_CHECKS and any(f"'{name}'" in one.msg for name in mine)] == []

    # The tasks that the blocks sent.
    sent = TaskStatus.objects.exclude(task_name="documents.note_search").order_by("id")
    assert list(sent.values_list("task_name", flat=True)) == [
        "documents.process_document",
        *["documents.find_word"] * 8,
        "billing.charge",
        "projects.count_documents",
    ]
    assert here["task_id"] == list(sent)[-1].task_id
    later = sent.get(task_id=here["later"].message_id)
    assert (later.status, later.owner_id) == ("pending", user.pk)
    assert later.expires_at is not None
    assert round((later.expires_at - later.run_at).total_seconds()) == 3_600
    assert round((later.run_at - later.created_at).total_seconds()) == 60
    at_night = sent.get(task_id=f"find sea in {document.pk}")
    assert at_night.run_at >= here["tomorrow"]
    assert at_night.expires_at is not None
    assert round((at_night.expires_at - at_night.run_at).total_seconds()) == 7_200
    words = {"whale": 2, "sea": 0, "ship": 0}
    for row in sent.filter(task_name="documents.find_word").exclude(pk__in=[later.pk, at_night.pk]):
        assert ended(_message(row)).result == {"found": words[row.args[1]]}
    assert ended(_message(sent[0])).status == "completed"
    wait_until(lambda: TaskStatus.objects.finished().filter(task_name="documents.note_search").exists())
    assert TaskStatus.objects.get(task_name="documents.note_search").result == "2 of 2 words"
    assert set(here["mine"].filter(task_name="documents.find_word")) == {later, at_night}
    assert here["task"].task_id == here["message"].message_id
    assert here["told"][0] in {"pending", "processing", "completed"}

    # The actors that were declared.
    def result_of(name: str, *args: Any) -> Any:
        row = ended(here[name].send(*args))
        assert (row.status, row.progress, row.error_message) == ("completed", 100, "")
        return row.result

    assert result_of("count_documents", project.pk) == {"documents": 1}
    assert result_of("find_word", 0, "whale") == {"note": "Document 0 no longer exists."}
    assert result_of("longest_line", document.pk) == {"characters": 15}
    document.refresh_from_db()
    assert result_of("count_by_status", document.status) == {"documents": 1}
    assert result_of("append_line", document.pk, "whale!") is None
    assert Manuscript.objects.get().text == "a whale\nthe white whale\nwhale!"
    assert result_of("rename", project.pk, "Moby") is None
    assert Project.objects.get().name == "Moby"
    nameless = ended(here["rename"].send(project.pk, ""))
    assert (nameless.status, nameless.error_message) == ("failed", "The name has 0 characters, must be 1 to 200.")
    empty = ended(here["find_word"].send(document.pk, ""))
    assert (empty.status, empty.retries, empty.error_message) == ("failed", 0, "Say which word to look for.")
    for message in [here["look_up"].send(word) for word in ("A", "B", "C", "D")]:
        assert ended(message).result == message.args[0].lower()
    assert result_of("look_for_mail") is None
    assert here["look_for_mail"].options["keep"] == here["timedelta"](hours=1)
    assert {"documents.count_by_status"} <= set(declared.names())

    # From async code, and from a view.
    task_id = async_to_sync(here["look_for"])("whale")
    assert ended(_message(TaskStatus.objects.get(task_id=task_id))).result == {"found": 2}
    request = APIRequestFactory().post("/", {"word": "white"}, format="json")
    force_authenticate(request, user)
    response = here["FindWordView"].as_view()(request, pk=document.pk)
    wordless = APIRequestFactory().post("/", [], format="json")
    force_authenticate(wordless, user)
    assert here["FindWordView"].as_view()(wordless, pk=document.pk).status_code == 400
    assert response.status_code == 202
    assert response.data["task_url"].endswith(f"/api/tasks/{response.data['task_id']}/")
    assert TaskStatus.objects.get(task_id=response.data["task_id"]).owner_id == user.pk


def _message(row: TaskStatus) -> dramatiq.Message:
    return dramatiq.Message(
        queue_name=row.queue_name, actor_name=row.task_name, args=(), kwargs={}, options={}, message_id=row.task_id
    )


def test_retries_and_limits_are_as_described(working: Any, forgotten: None, ended: Callable[..., TaskStatus]) -> None:
    calls: list[str] = []

    @dramatiq.actor(actor_name="documents.note_failure", max_retries=0)
    def note_failure(message: dict[str, Any], what: dict[str, Any]) -> None:
        calls.append(what["type"] if "type" in what else f"exhausted after {what['retries']}")

    @dramatiq.actor(
        actor_name="documents.not_yet",
        max_retries=1,
        on_failure="documents.note_failure",
        on_retry_exhausted="documents.note_failure",
    )
    def not_yet() -> None:
        raise dramatiq.Retry("not yet", delay=10)

    @dramatiq.actor(
        actor_name="documents.never", throws=(KeyError,), on_retry_exhausted="documents.note_failure", max_retries=1
    )
    def never() -> None:
        raise KeyError("never")

    @dramatiq.actor(actor_name="documents.tidies_up", max_retries=0, time_limit=50)
    def tidies_up() -> str:
        try:
            _go_on()
        except dramatiq.middleware.TimeLimitExceeded:
            return "tidy"
        return "not cut"

    @dramatiq.actor(actor_name="documents.too_late", max_retries=3, min_backoff=60_000, max_age=300)
    def too_late() -> None:
        raise OSError("later")

    @dramatiq.actor(actor_name="documents.async", max_retries=0)
    async def asynchronous() -> str | None:
        message = dramatiq.middleware.CurrentMessage.get_current_message()
        return message.message_id if message else None

    message = asynchronous.send()
    assert ended(message).result == message.message_id
    with pytest.raises(dramatiq.middleware.MiddlewareError, match="async"):
        dramatiq.actor(actor_name="documents.both", transactional=True)(asynchronous.fn)
    row = ended(never.send())
    assert (row.status, row.retries) == ("failed", 0)
    row = ended(not_yet.send())
    assert (row.status, row.retries, row.error_message) == ("failed", 1, "not yet")
    for follower in TaskStatus.objects.filter(task_name="documents.note_failure"):
        ended(_message(follower))
    assert sorted(calls) == ["Retry", "Retry", "exhausted after 1"]
    assert ended(tidies_up.send()).result == "tidy"
    row = ended(too_late.send())
    assert (row.status, row.retries, row.error_message) == ("failed", 1, "It was not started before it expired.")
    (retries,) = [one for one in working.broker.middleware if isinstance(one, dramatiq.middleware.Retries)]
    assert (retries.max_retries, retries.min_backoff, retries.max_backoff) == (20, 15_000, 7 * 24 * 3_600_000)


def _go_on() -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.mark.django_db
def test_an_unknown_option_is_refused_on_an_actor_and_on_a_message(forgotten: None, broker: LedgerBroker) -> None:
    from tests.acting.tasks import say

    with pytest.raises(ValueError, match="bind: did you mean"):
        dramatiq.actor(actor_name="documents.bound", bind=True)(lambda: None)
    for options, words in ({"countdown": 60}, "countdown: did you mean delay"), ({"related_to": "x"}, "on the actor"):
        with pytest.raises(ValueError, match=words):
            say.send_with_options(args=(1,), **options)
    assert not TaskStatus.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_commands_run(broker: LedgerBroker) -> None:
    Schedule.objects.all().delete()
    for line in commands():
        if line.startswith("runworker"):
            continue
        output = StringIO()
        call_command(*shlex.split(line), stdout=output, stderr=output)
        if not line.startswith("shell"):
            assert output.getvalue().strip(), line
    names = list(TaskStatus.objects.order_by("id").values_list("task_name", flat=True))
    assert names == ["aiwriting.debug_task", "projects.send_weekly_report"]
    assert Schedule.objects.get(name="projects.send_weekly_report").enabled


@pytest.mark.processes
def test_the_worker_command_works_off_its_queue(command: Callable[..., Any], ended: Callable[..., TaskStatus]) -> None:
    from apps.documents.tasks import process_document

    (line,) = [line for line in commands() if line.startswith("runworker")]
    command(*shlex.split(line))
    message = process_document.send(0)
    assert ended(message).result == {"note": "Document 0 no longer exists."}
