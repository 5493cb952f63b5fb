"""The line of a search: its words, values and quotes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _

from apps.tasks.json_safe import clean_text
from apps.tasks.search.errors import SearchError, shown

#: Characters of a line, and number of its words, at most.
MOST_CHARACTERS = 1_000
MOST_TERMS = 30

#: Name of free text among the words.
TEXT = ""

#: A word, its value, and a quoted text. A quote inside a quoted text has a backslash before it.
_TERM = re.compile(
    r"""(?:(?P<word>[A-Za-z][\w.-]*):(?=\S)(?!//))? (?:"(?P<quoted>(?:[^"\\]|\\.)*)"(?=\s|\Z) | (?P<bare>\S+))""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Term:
    """A word with its value, as in `state:failed`. Free text has no word."""

    word: str
    value: str

    def __str__(self) -> str:
        return f"{self.word}:{quoted(self.value)}" if self.word else quoted(self.value)


def terms(text: str) -> Iterator[Term]:
    """Yield the terms of a line.

    Raises:
      SearchError: The line is too long, a quote has no end, or a word has no value.
    """
    text = clean_text(text)
    if len(text) > MOST_CHARACTERS:
        message = _("The search has %(count)s characters, at most %(most)s are allowed")
        raise SearchError(message % {"count": f"{len(text):,}", "most": f"{MOST_CHARACTERS:,}"})
    found = list(_TERM.finditer(text))
    if len(found) > MOST_TERMS:
        message = _("The search has %(count)s words, at most %(most)s are allowed")
        raise SearchError(message % {"count": len(found), "most": MOST_TERMS})
    for match in found:
        if match["quoted"] is not None:
            value = re.sub(r"\\(.)", r"\1", match["quoted"], flags=re.DOTALL)
        else:
            value = match["bare"]
            if value.startswith('"'):
                raise SearchError(_("The quote in %(text)s has no end") % {"text": value[:80]})
        if match["word"] and not value:
            raise no_value(match["word"])
        if value:
            yield Term(match["word"] or TEXT, value)


def no_value(word: str) -> SearchError:
    return SearchError(_("The word %(word)s has no value") % {"word": shown(word)})


def quoted(value: str) -> str:
    """Return a value as it is written in a line: in quotes if it needs them."""
    if value and not re.search(r'[\s"]', value) and not re.match(r"\A[A-Za-z][\w.-]*:(?!//)\S", value):
        return value
    return '"{}"'.format(re.sub(r'(["\\])', r"\\\1", value))


def line(**words: object) -> str:
    """Return the line with these words: `line(state="failed", queue="slow")` is `state:failed queue:slow`."""
    return " ".join(str(Term(word, str(value))) for word, value in words.items())
