"""Fixtures for pytest: `pytest_plugins = ["workers.testing.pytest_plugin"]` in the `conftest.py` beside `manage.py`."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def tasks(db: None) -> ModuleType:
    """The testing kit, `workers.testing`, and the database."""
    from workers import testing

    return testing


@pytest.fixture
def eager_tasks(db: None, settings: Any) -> None:
    """Each task runs in the thread that sends it."""
    settings.TASK_EAGER = True


@pytest.fixture
def task_worker(transactional_db: None) -> Iterator[None]:
    """A worker of four threads and a relay run beside the test."""
    from workers.testing import working

    with working():
        yield
