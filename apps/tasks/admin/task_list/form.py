"""Parts of the list above its rows: words that are on, words that are suggested, and filters."""

from collections.abc import Callable, Iterator
from typing import Any

from django.utils.translation import gettext_lazy as _

from apps.tasks.search import WORDS, Search

#: Lines that are suggested at most.
MOST_SUGGESTIONS = 80

#: Words that are filters with a choice, and those with a field.
CHOICES = ("state", "actor", "queue", "finished", "sent")
FIELDS = ("owner", "worker", "schedule", "error", "version")
ANY = _("any")


def chips(shown: Search, address: Callable[[str], str]) -> list[dict[str, Any]]:
    """Return the words that are on, each with the address of the list without it."""
    return [{"text": str(term), "href": address(shown.without(term))} for term in shown.terms]


def suggestions(shown: Search | None) -> list[str]:
    """Return lines that the search may go on with."""
    start = f"{shown} " if shown else ""
    used = {term.word for term in shown.terms} if shown else set()
    # Actors come last: there may be many.
    words = sorted(([name, *word.suggested()] for name, word in WORDS.items() if name not in used), key=len)
    values = [f"{name}:{value}" for name, *values in words for value in values or [WORDS[name].example]]
    return [f"{start}{value}" for value in ["arg.document_id:7", *values]][:MOST_SUGGESTIONS]


def filters(shown: Search | None) -> Iterator[dict[str, Any]]:
    """Yield the filters, with what is chosen in each."""
    for name in (*CHOICES, *FIELDS):
        if name not in WORDS:
            continue
        word = WORDS[name]
        chosen = shown.values(name) if shown else []
        value = chosen[0] if len(chosen) == 1 else ""
        if name in CHOICES:
            known = list(word.suggested())
            choices = known if value in known or not value else [*known, value]
            yield {"name": name, "title": word.title, "value": value, "choices": choices}
        else:
            yield {"name": name, "title": word.title, "value": value, "example": word.example}
