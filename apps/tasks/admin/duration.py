"""Durations in words, for the pages."""

from apps.tasks.duration import in_words

__all__ = ["in_words"]
