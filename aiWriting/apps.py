"""The project as an app, so that its `tasks.py` is found like every other app's."""

from django.apps import AppConfig


class AiWritingConfig(AppConfig):
    name = "aiWriting"
    label = "aiwriting"
    verbose_name = "aiWriting"

    def ready(self) -> None:
        from aiWriting import checks as checks
