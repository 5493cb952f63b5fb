"""Errors of searches."""

from collections.abc import Iterable
from difflib import get_close_matches

from django.utils.translation import gettext as _

from apps.tasks.errors import TaskError

#: Characters of a bad value that are shown.
SHOWN_CHARACTERS = 80


class SearchError(TaskError, ValueError):
    """Unknown word 'stat', must be one of: state, actor, queue"""


def shown(value: str) -> str:
    """Return a value in quotes, cut off if it is long."""
    return repr(value if len(value) <= SHOWN_CHARACTERS else f"{value[:SHOWN_CHARACTERS]}...")


def unknown(message: str, value: str, valid: Iterable[str]) -> SearchError:
    """Return the error of a value that is none of the valid ones, with the nearest of them.

    Parameters:
      message: Sentence with `%(value)s` and `%(valid)s`.
    """
    names = list(valid)
    text = message % {"value": shown(value), "valid": ", ".join(names)}
    if near := get_close_matches(value.lower(), names, n=1):
        text += " " + _("(did you mean %(name)s?)") % {"name": repr(near[0])}
    return SearchError(text)
