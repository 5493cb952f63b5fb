"""System checks of declared actors: each fires on a wrong one, and none on ours."""

import sys
from contextlib import contextmanager
from datetime import timedelta
from types import ModuleType
from typing import TYPE_CHECKING, Any

import dramatiq
import pytest
from django.core.checks import run_checks

from apps.documents.models import Document
from apps.projects.models import Project
from workers.checks import declarations

if TYPE_CHECKING:
    from apps.documents.models import Manuscript

RIGHT: dict[str, Any] = {"actor_name": "documents.read", "max_retries": 3, "time_limit": 20_000}
OURS = ("accounts.", "aiwriting.", "documents.", "pages.", "projects.")


@pytest.fixture
def found(broker, monkeypatch):
    """Return the messages of all checks about one actor."""

    def look(fn=None, *, module="apps.documents.tasks", without=(), **options):
        def read(document_id: int) -> None:
            return None

        function = fn or read
        function.__module__ = module
        given = {name: value for name, value in {**RIGHT, **options}.items() if name not in without}
        actor = dramatiq.actor(function, **given)
        try:
            monkeypatch.setattr(declarations, "own_actors", lambda: [actor])
            return [message for message in run_checks(tags=["tasks"]) if _is_declaration(message.id)]
        finally:
            monkeypatch.undo()
            del broker.actors[actor.actor_name]

    return look


def _is_declaration(number: str | None) -> bool:
    return number is not None and number.startswith("tasks.W") and 11 <= int(number.removeprefix("tasks.W")) <= 17


def ids(messages) -> list[str]:
    return [message.id for message in messages]


def test_our_own_actors_pass_every_check() -> None:
    told = [message.msg for message in run_checks(tags=["tasks"]) if _is_declaration(message.id)]
    assert [text for text in told if any(f"{prefix}" in text for prefix in OURS)] == []


def test_a_right_actor_passes_every_check(found) -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("change", "number", "hint"),
    [
        ({"without": ["max_retries"]}, "tasks.W011", "max_retries=3"),
        ({"max_retries": None}, "tasks.W011", "max_retries=3"),
        ({"without": ["time_limit"]}, "tasks.W012", "time_limit=20_000"),
        ({"time_limit": 25_001}, "tasks.W013", "idempotent=True"),
        ({"time_limit": float("inf")}, "tasks.W013", "idempotent=True"),
        ({"module": "apps.documents.services.document_service"}, "tasks.W016", "Move it to apps.documents.tasks."),
        ({"module": "apps.documents.tasks_of_readers"}, "tasks.W016", "Move it to apps.documents.tasks."),
        ({"module": "stray"}, "tasks.W016", "Move it to the tasks.py of an app."),
    ],
)
def test_a_risky_actor_is_a_warning_that_says_what_to_do(found, change, number, hint) -> None:
    (message,) = found(**change)
    assert message.id == number
    assert hint in str(message.hint)
    assert "'documents.read'" in message.msg
    assert not message.is_serious()


@pytest.mark.parametrize(
    "options",
    [
        {"retry_when": lambda retries, exception: False, "without": ["max_retries"]},
        {"max_retries": 0},
        {"hard_time_limit": timedelta(seconds=20), "without": ["time_limit"]},
        {"hard_time_limit": 60_000},
        {"time_limit": 25_000},
        *({"time_limit": 60_000, name: True} for name in ("idempotent", "transactional", "notify_shutdown", "isolate")),
        {"module": "apps.documents.tasks.reading"},
    ],
)
def test_an_actor_that_says_what_happens_is_no_risk(found, options) -> None:
    assert found(**options) == []


def test_the_drain_time_is_that_of_the_settings(found, settings) -> None:
    settings.WORKER_DRAIN_SECONDS = 5
    (message,) = found()
    assert "may run for 20 s" in message.msg
    assert "WORKER_DRAIN_SECONDS, 5 s" in message.msg


def test_an_argument_without_an_annotation_is_a_risk(found) -> None:
    def read(document_id: int, words, *others, **more) -> None:
        return None

    (message,) = found(read)
    assert (message.id, message.msg) == (
        "tasks.W014",
        "The actor 'documents.read' has arguments without an annotation: words, others, more.",
    )
    assert "words: int" in str(message.hint)


def _plain(document: Document) -> None: ...
def _optional(document: Document | None = None) -> None: ...
def _many(document: list[Document]) -> None: ...
def _deep(document: dict[str, tuple[Document, int]]) -> None: ...
def _named(document: "list[Document]") -> None: ...
def _inside(document: list["Document"]) -> None: ...
def _any_of(document: "Document") -> None: ...


@pytest.mark.parametrize("function", [_plain, _optional, _many, _deep, _named, _inside, _any_of])
def test_a_model_among_the_arguments_is_a_risk(found, function) -> None:
    (message,) = found(function)
    assert message.id == "tasks.W015"
    assert "'document' of the actor 'documents.read' is a Document" in message.msg
    assert "document_id: int" in str(message.hint)


def _for_type_checkers(found_in: "Manuscript") -> None: ...
def _beside_one_that_is_unknown(project: "Project", other: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("function", "model"), [(_for_type_checkers, "Manuscript"), (_beside_one_that_is_unknown, "Project")]
)
def test_an_annotation_that_cannot_be_read_is_judged_by_its_text(found, function, model) -> None:
    (message,) = found(function)
    assert message.id == "tasks.W015"
    assert f"is a {model}:" in message.msg


def _odd(document_id: "not a type") -> None: ...  # type: ignore[valid-type]  # noqa: F722


def test_an_annotation_that_is_no_type_is_no_failure_of_the_check(found) -> None:
    assert found(_odd) == []


# --- Imports ---------------------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write modules of an app that is not one of ours, and import nothing of them."""

    @contextmanager
    def write(**texts):
        for name, text in texts.items():
            path = tmp_path / f"{name}.py"
            path.write_text(text)
            module = ModuleType(f"apps.documents.{name}")
            module.__file__ = str(path)
            monkeypatch.setitem(sys.modules, module.__name__, module)
        yield

    return write


@pytest.mark.parametrize(
    ("tasks", "models", "is_wrong"),
    [
        ("from apps.documents.models import Document", "from apps.documents import tasks", True),
        ("from .models import Document", "from .tasks import read", True),
        ("import apps.documents.models", "import apps.documents.between", True),
        ("try:\n    from apps.documents import models\nexcept ImportError:\n    pass", "from . import tasks", True),
        ("from apps.documents.models import Document", "import datetime", False),
        ("def read():\n    from apps.documents.models import Document", "from apps.documents import tasks", False),
        ("from .models import Document", "def save():\n    from .tasks import read", False),
        ("if TYPE_CHECKING:\n    from .models import Document", "from .tasks import read", False),
        ("from .models import Document", "if typing.TYPE_CHECKING:\n    from .tasks import read", False),
    ],
)
def test_tasks_and_models_that_import_each_other_are_a_risk(found, written, tasks, models, is_wrong) -> None:
    with written(tasks=tasks, models=models, between="from apps.documents.tasks import read"):
        messages = found()
    assert ids(messages) == (["tasks.W017"] if is_wrong else [])
    assert all("Import the models inside the actor." in str(message.hint) for message in messages)
