"""The error of middleware that refuses an actor."""

from dramatiq.middleware import MiddlewareError

from apps.tasks.errors import TaskError


class BadActorError(TaskError, MiddlewareError):
    """The actor's options cannot work together. Dramatiq swallows errors of other classes in a hook."""
