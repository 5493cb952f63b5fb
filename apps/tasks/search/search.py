"""A search: the tasks that a line of words finds."""

from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.formats import number_format

from apps.tasks.search import anchor, arguments
from apps.tasks.search.anchor import Anchor
from apps.tasks.search.line import TEXT, Term, no_value, terms
from apps.tasks.search.words import ARGUMENT, WORDS, Match, match

#: Number of rows in which a search looks for what has no index.
NEWEST = 10_000


@dataclass(frozen=True)
class Found:
    """Rows that a search found.

    Parameters:
      is_limited: Whether there are rows in which was not looked: see `Search.limit`.
    """

    rows: QuerySet[Any]
    _: KW_ONLY
    is_limited: bool


@dataclass(frozen=True)
class Search:
    """The tasks that have all the words of a line. Of several values of one word, a task has one.

    Parameters:
      terms: Words with their values, in the order of the line.
      at: Time of the search, from which spans count.
    """

    terms: tuple[Term, ...]
    at: datetime

    def __str__(self) -> str:
        return " ".join(map(str, self.terms))

    def __bool__(self) -> bool:
        return bool(self.terms)

    # --- Other lines ---------------------------------------------------------------------------------

    def values(self, word: str) -> list[str]:
        return [term.value for term in self.terms if term.word == word]

    def without(self, term: Term) -> str:
        """Return the line without a term."""
        return " ".join(str(one) for one in self.terms if one != term)

    def replacing(self, word: str, *values: str) -> str:
        """Return the line with other values of a word, or with none."""
        others = [one for one in self.terms if one.word != word]
        return " ".join(map(str, [*(Term(word, value) for value in values), *others]))

    # --- Its rows ------------------------------------------------------------------------------------

    @cached_property
    def _matches(self) -> dict[str, list[tuple[str, Match]]]:
        found: dict[str, list[tuple[str, Match]]] = {}
        for term in self.terms:
            if term.word != TEXT:
                found.setdefault(term.word, []).append((term.value, match(term.word, term.value, now=self.at)))
        return found

    @property
    def _texts(self) -> list[str]:
        return self.values(TEXT)

    @cached_property
    def _anchor(self) -> Anchor:
        """The rows to start from: those of the one value of a word that are fewest."""
        alone = [matches[0][1].anchor for matches in self._matches.values() if len(matches) == 1]
        return min([found for found in alone if found] + [anchor.TABLE], key=lambda found: found.rank)

    @cached_property
    def _others(self) -> list[Q]:
        """Conditions that the rows of the anchor are searched for."""
        found = []
        for matches in self._matches.values():
            if len(matches) == 1 and matches[0][1].is_exact and matches[0][1].anchor is self._anchor:
                continue
            conditions = [one.condition for _value, one in matches if one.condition is not None]
            if conditions:
                found.append(_any(conditions))
        return found + [
            _any([Q(**{f"{column}__icontains": text}) for column in ("error_message", "error_type", "task_name")])
            for text in self._texts
        ]

    @cached_property
    def _arguments(self) -> list[tuple[str, list[str]]]:
        return [
            (word[len(ARGUMENT) :] if word.startswith(ARGUMENT) else "", [value for value, _match in matches])
            for word, matches in self._matches.items()
            if matches[0][1].condition is None
        ]

    @property
    def is_by_index(self) -> bool:
        """Whether an index has all that it finds, however many."""
        return not (self._others or self._arguments)

    def find(self, queryset: QuerySet[Any], *, newest: int | None = NEWEST) -> "Found":
        """Return the rows that the search finds, in the order of the given ones. They may be filtered further.

        Parameters:
          newest: Number of rows in which is looked for what has no index. None: all, except for arguments.
        """
        if len(self.terms) == 1 and self._texts:
            of_id = queryset.filter(task_id=self._texts[0])
            if of_id.exists():
                return Found(of_id, is_limited=False)
        rows, is_limited = queryset.filter(self._anchor.condition), self._anchor.always_limited
        if not self.is_by_index and (newest is not None or self._arguments):
            rows, is_limited = self._anchor.first(rows, newest or NEWEST)
            is_limited |= self._anchor.always_limited
        for condition in self._others:
            rows = rows.filter(condition)
        if self._arguments:
            rows = rows.filter(pk__in=arguments.having(rows, self._arguments))
        return Found(rows, is_limited=is_limited)

    def rows(self, queryset: QuerySet[Any], *, newest: int | None = NEWEST) -> QuerySet[Any]:
        """Return the rows of `find`."""
        return self.find(queryset, newest=newest).rows

    def is_limited(self, queryset: QuerySet[Any]) -> bool:
        """Return whether there are rows in which `find` does not look. This takes a query."""
        if not self.limit or self._anchor.always_limited:
            return bool(self.limit)
        return self._anchor.first(queryset.filter(self._anchor.condition), NEWEST)[1]

    @property
    def limit(self) -> str:
        """Sentence that says in which rows is looked, or an empty text: all that there are are found."""
        if not self._anchor.always_limited and (self.is_by_index or not self._anchor.order):
            return ""
        return str(self._anchor.limited) % {"count": number_format(NEWEST, force_grouping=True)}


def _any(conditions: list[Q]) -> Q:
    found = Q()
    for condition in conditions:
        found |= condition
    return found


def parse(text: str, *, now: datetime | None = None) -> Search:
    """Return the search of a line.

    Parameters:
      now: Time from which spans count, for a search that is carried on later.

    Raises:
      SearchError: A word is unknown, or a value is not one of its values.
    """
    found = Search(tuple(Term(_spelt(term.word), term.value) for term in terms(text)), now or timezone.now())
    for text in found._texts:
        if text.endswith(":") and text[:-1].lower() in WORDS:
            raise no_value(text[:-1])
    found._matches  # noqa: B018 (refuses what is wrong)
    return found


def _spelt(word: str) -> str:
    """Return a word as it is written here. A telephone may begin a line with a capital letter."""
    name = word[: len(ARGUMENT)].lower()
    return name + word[len(ARGUMENT) :] if name == ARGUMENT else word.lower()
