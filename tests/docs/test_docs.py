"""What the documentation says is so: its code runs, its tests exist, its pictures are drawn from the code."""

import re
from pathlib import Path
from typing import Any

import dramatiq
import pytest
from markdown_it import MarkdownIt

from aiWriting.environment import BASE_DIR
from apps.tasks import states

PAGES = sorted([BASE_DIR / "README.md", BASE_DIR / "CHANGELOG.md", *(BASE_DIR / "docs").glob("*.md")])


def blocks(page: Path, language: str) -> list[str]:
    tokens = MarkdownIt().parse(page.read_text())
    return [token.content for token in tokens if token.type == "fence" and token.info.strip() == language]


def diagram() -> str:
    """The moves of `states.py` as a state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> pending: send"]
    lines += [f"    {source} --> {move.target}: {move.name}" for move in states.MOVES for source in move.sources]
    lines += [f"    {state} --> [*]" for state in states.TERMINAL]
    return "\n".join(lines) + "\n"


def test_the_state_diagram_is_the_one_of_the_code() -> None:
    assert diagram() in blocks(BASE_DIR / "docs" / "guarantees.md", "mermaid")


def test_every_state_is_explained_as_in_the_code() -> None:
    text = (BASE_DIR / "docs" / "guarantees.md").read_text()
    for state, meaning in states.STATES.items():
        assert f"| `{state}` | {meaning} |" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_points_to_is_there(page: Path) -> None:
    text = page.read_text()
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    missing = [target for target in targets if not (page.parent / target).exists()]
    missing += [path for path in re.findall(r"`(tests/[\w/]+\.py)`", text) if not (BASE_DIR / path).exists()]
    assert missing == []


def test_every_variable_that_settings_read_is_documented() -> None:
    read: set[str] = set()
    for source in (*(BASE_DIR / "aiWriting").glob("*.py"), *(BASE_DIR / "workers").glob("*.py")):
        read |= set(
            re.findall(r"environment\.(?:text|boolean|integer|words|url|moment)\(\s*\"([A-Z_]+)\"", source.read_text())
        )
        read |= set(re.findall(r"os\.environ\.get\(\"([A-Z_]+)\"", source.read_text()))
    read -= {"CI", "NO_COLOR"}
    documented = set(re.findall(r"`([A-Z_]{4,})`", (BASE_DIR / "docs" / "operations.md").read_text()))
    assert read - documented == set()


@pytest.mark.django_db(transaction=True)
def test_the_actor_of_the_readme_works(working, django_user_model) -> None:
    from apps.documents.models import Document, Manuscript
    from apps.projects.models import Project
    from apps.tasks.models import TaskStatus

    (code,) = blocks(BASE_DIR / "README.md", "python")
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
