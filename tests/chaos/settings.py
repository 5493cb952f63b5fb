"""The project's settings, with retries for the tasks of other people's apps."""

from typing import Any

from aiWriting.settings import *  # noqa: F403
from aiWriting.settings import TASKS as PROJECT_TASKS

#: The storm stops the database for seconds, so every failure is retried soon and without end.
PATIENT = {"max_retries": 100_000, "min_backoff": 100, "max_backoff": 1_000}
once: Any = PROJECT_TASKS["default"]
TASKS = {"default": once | {"OPTIONS": PATIENT}, "once": once}
