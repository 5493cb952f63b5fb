"""The documentation is true: its links and names exist, its tables are those of the code, its example runs."""

import ast
import os
import re
from pathlib import Path
from typing import Any

import dramatiq
import pytest
from dramatiq import Worker

from aiWriting.environment import BASE_DIR
from apps.tasks import conf, states
from tests.docs.names import find
from tests.docs.pages import DOCS, PAGES, README, blocks, code_words, name_of, rows
from workers.metrics import catalogue

GUARANTEES = DOCS / "guarantees.md"
OPERATIONS = DOCS / "operations.md"
CHANGELOG = BASE_DIR / "CHANGELOG.md"

#: A word in backticks that is a file or folder of the project.
PATH = re.compile(
    r"[\w./-]+\.(?:py|md|sh|txt|toml|html|css|js)|(?:apps|workers|aiWriting|tests|benchmarks|bin|docs)/[\w/-]*"
)
#: A constant with its value, such as `relay.DUE_SECONDS` (0.2 s).
CONSTANT = re.compile(r"`([\w.]+\.[A-Z][A-Z_]+)`\s\(([\d.,]+)(?: (s|ms))?\)")
#: Folders that are not part of the project.
NOT_OURS = {".venv", ".git", "var", "node_modules", "__pycache__", "staticfiles"}


# --- Links and names -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def paths() -> set[str]:
    """The paths of all files and folders, each also without its first folders."""
    found = set()
    for folder, names, files in os.walk(BASE_DIR):
        names[:] = [name for name in names if name not in NOT_OURS]
        for name in [*names, *files]:
            parts = (Path(folder) / name).relative_to(BASE_DIR).parts
            found |= {"/".join(parts[start:]) for start in range(len(parts))}
    return found


@pytest.mark.parametrize("page", [*PAGES, CHANGELOG], ids=name_of)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    missing = []
    for target in targets:
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        other = page.parent / path if path else page
        if not other.exists() or (anchor and anchor not in anchors(other)):
            missing.append(target)
    assert missing == []


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_files_and_modules_of_a_page_exist(page: Path, paths: set[str]) -> None:
    words = code_words(page)
    missing = [word for word in words if PATH.fullmatch(word) and word.strip("/") not in paths]
    for word in words:
        if re.fullmatch(r"(apps|workers|aiWriting|tests)(\.\w+)+", word):
            try:
                find(word)
            except LookupError:
                missing.append(word)
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_constants_of_a_page_have_the_values_of_the_code(page: Path) -> None:
    for name, value, _ in CONSTANT.findall(page.read_text()):
        assert float(value.replace(",", "")) == find(name), name


@pytest.mark.parametrize("name", ["apps.tasks.outbox", "Writer.run_away", "ledger.send_again", "surplus.Surplus"])
def test_a_name_that_does_not_exist_is_not_found(name: str) -> None:
    with pytest.raises(LookupError):
        find(name)


# --- States --------------------------------------------------------------------------------------


def diagram() -> str:
    """Return the moves of `states.py` as a state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> pending: send"]
    lines += [f"    {source} --> {move.target}: {move.name}" for move in states.MOVES for source in move.sources]
    lines += [f"    {state} --> [*]" for state in states.TERMINAL]
    return "\n".join(lines) + "\n"


def test_the_state_diagram_is_the_one_of_the_code() -> None:
    assert blocks(GUARANTEES, "mermaid") == [diagram()]


def test_the_states_are_those_of_the_code() -> None:
    assert rows(GUARANTEES, header="state") == [[f"`{state}`", text] for state, text in states.STATES.items()]


def test_the_moves_are_those_of_the_code() -> None:
    assert rows(GUARANTEES, header="move") == [
        [move.name, move.by, "yes" if move.new_attempt else ""] for move in states.MOVES
    ]


# --- Settings ------------------------------------------------------------------------------------

#: Readers of `aiWriting.environment`, most with a default.
READERS = {"text", "boolean", "integer", "words", "url", "timestamp", "choice", "file", "networks", "origin"}


def read_variables() -> dict[str, Any]:
    """Return the environment variables that the project reads, with their defaults. None: it is computed."""
    found: dict[str, Any] = {}
    for folder in ("aiWriting", "workers"):
        for path in (BASE_DIR / folder).rglob("*.py"):
            for call in ast.walk(ast.parse(path.read_text())):
                if isinstance(call, ast.Call) and call.args and _is_reader(call.func):
                    name = _value(call.args[0])
                    if isinstance(name, str) and name.isupper():
                        default = _value(call.args[1]) if len(call.args) > 1 else None
                        found[name] = default if default is not None else found.get(name)
    return found


def _is_reader(function: ast.expr) -> bool:
    text = ast.unparse(function)
    module, _, name = text.rpartition(".")
    return text == "os.environ.get" or (module == "environment" and name in READERS)


def _value(node: ast.expr) -> Any:
    try:
        return eval(compile(ast.Expression(node), "default", "eval"), {"__builtins__": {}})
    except Exception:
        return None  # Computed from other things.


def shown(value: Any) -> str:
    """Return a default as the page shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if hasattr(value, "strftime") else str(value) or "none"


def test_the_settings_of_tasks_are_those_of_the_code() -> None:
    assert rows(OPERATIONS, header="setting") == [
        [f"`{name}`", f"`{shown(setting.default)}`", setting.help] for name, setting in conf.SETTINGS.items()
    ]


def test_the_metrics_are_those_of_the_code() -> None:
    assert rows(OPERATIONS, header="metric") == [
        [f"`{family.name}`", ", ".join(family.labels), family.help] for family in catalogue.FAMILIES
    ]


def test_the_settings_of_tasks_are_read_from_the_environment_but_for_two() -> None:
    assert set(conf.SETTINGS) - set(read_variables()) == {"TASK_QUEUES", "TASK_TIME_LIMIT_MS"}


def test_every_variable_that_is_read_is_documented_with_its_default() -> None:
    documented = {name: row[1] for row in rows(OPERATIONS, header="variable") for name in re.findall(r"\w+", row[0])}
    others = {name: default for name, default in read_variables().items() if name not in conf.SETTINGS}
    assert set(others) - set(documented) == {"NO_COLOR"}
    for name, default in others.items():
        if isinstance(default, int) and name in documented:
            assert f"`{shown(default)}`" in documented[name], name


def test_no_variable_is_documented_that_is_not_read() -> None:
    documented = {name for row in rows(OPERATIONS, header="variable") for name in re.findall(r"`(\w+)`", row[0])}
    assert documented - set(read_variables()) == set()


def test_the_log_lines_are_those_of_the_code() -> None:
    sources = "".join(
        path.read_text()
        for folder in ("apps/core", "apps/tasks", "workers", "aiWriting/gate")
        for path in (BASE_DIR / folder).rglob("*.py")
    )
    lines = [row[0].strip("`") for row in rows(OPERATIONS, header="log line")]
    assert lines
    assert [line for line in lines if line not in sources] == []


def test_the_texts_of_the_admin_are_those_of_the_code() -> None:
    source = "".join(path.read_text() for path in (BASE_DIR / "apps" / "tasks").rglob("*.py")).lower()
    for page in (OPERATIONS, DOCS / "guidelines.md"):
        texts = re.findall(r"(?<!\*)\*([A-Z][\w ]+)\*(?!\*)", page.read_text())
        assert texts
        assert [text for text in texts if f'"{text.lower()}"' not in source] == []


# --- The example of the README -------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_actor_of_the_readme_works(working: Worker, django_user_model: Any) -> None:
    from apps.documents.models import Document, Manuscript
    from apps.projects.models import Project
    from apps.tasks.models import TaskStatus

    (code,) = blocks(README, "python")
    namespace: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), namespace)
    try:
        owner = django_user_model.objects.create_user("writer")
        document = Document.objects.create(project=Project.objects.create(owner=owner, name="p"), title="t")
        Manuscript.objects.create(document=document, text="one\ntwo\nthree")
        message = namespace["count_letters"].send(document.pk)
        assert message.get_result(block=True) == {"letters": 11}
        row = TaskStatus.objects.get()
        assert (row.progress, row.progress_text) == (100, "Lines: 3 of 3")
        assert TaskStatus.objects.about(document).get() == row
    finally:
        del dramatiq.get_broker().actors["documents.count_letters"]
