"""The error of the testing kit."""

from apps.tasks.errors import TaskError


class MisuseError(TaskError):
    """The test uses the kit in a way that could not tell anything. Its text says what to write instead."""
