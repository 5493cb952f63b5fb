"""aiWriting, with tasks of Django's Tasks API."""

from typing import Any

from benchmarks.systems.aiwriting import clear as clear
from benchmarks.systems.aiwriting import is_done as is_done
from benchmarks.systems.aiwriting import is_writable as is_writable
from benchmarks.systems.aiwriting import prepare as prepare
from benchmarks.systems.aiwriting import states as states

from benchmarks.acting import django_tasks  # isort: skip


def send(task: str, number: int, *arguments: Any) -> None:
    getattr(django_tasks, task).enqueue(number, *arguments)
