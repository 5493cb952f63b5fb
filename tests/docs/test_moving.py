"""The code blocks of the pages about moving: those of before are Python, and those of after run."""

import ast
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import dramatiq
import pytest
from django.db import transaction
from django.utils import timezone

from apps.tasks.models import TaskStatus
from tests.docs.pages import DOCS, blocks

PAGES = ("from-celery", "from-django-tasks")


@pytest.mark.parametrize("name", PAGES)
def test_each_block_is_python_and_says_which_side_it_is(name: str) -> None:
    found = blocks(DOCS / "moving" / f"{name}.md", "python")
    assert [block.split("\n")[0].removeprefix("# ").partition(":")[0] for block in found] == ["before", "after"] * 3
    for block in found:
        ast.parse(block)


@pytest.mark.django_db
@pytest.mark.parametrize("name", PAGES)
def test_the_blocks_of_after_run(name: str, forgotten: None) -> None:
    @dramatiq.actor(actor_name="orders.report")
    def report() -> None: ...

    here: dict[str, Any] = {
        "order": SimpleNamespace(pk=7, save=lambda: None), "orders": [7, 8], "report": report, "mail": id,
        "tomorrow": timezone.now() + timedelta(days=1), "transaction": transaction,
    }  # fmt: skip
    for block in blocks(DOCS / "moving" / f"{name}.md", "python"):
        if block.startswith("# after"):
            exec(compile(block, name, "exec"), here)
    sent = list(TaskStatus.objects.order_by("id").values_list("task_name", "args", "priority"))
    if name == "from-celery":
        assert sent == [("orders.send_invoice", [pk], priority) for pk, priority in ((7, 0), (7, -9), (7, 0), (8, 0))]
    else:
        assert sent == [("orders.send_invoice", [7], -10), ("orders.send_invoice", [7], -50)]
        assert here["found"].status == "pending"
