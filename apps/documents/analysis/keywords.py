"""Keywords: the words that a text uses often, and others do not."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from apps.documents.analysis import stop_words
from apps.documents.analysis.term import Term

#: A keyword occurs at least so often, and has so many letters.
MIN_COUNT = 2
MIN_LETTERS = 3
#: In these scripts a word may have fewer.
_DENSE_SCRIPTS = ("\u2e80", "\ud7ff")

#: Languages in which an article or a pronoun is joined to its word with an apostrophe: "l'homme", "dell'arte".
_ELIDING = frozenset({"ca", "fr", "it", "oc"})
_MAX_ELIDED_LETTERS = 7


@dataclass(slots=True)
class _Forms:
    count: int
    best: str
    best_count: int


def terms(counts: Mapping[str, int], *, language: str) -> dict[str, Term]:
    """The words that may be keywords, by their lower case: no stop words, no numbers, no single letters.

    Words are the same whatever their case; an English possessive is the same as its word.

    Parameters:
      counts: How often each word occurs, as it is written.
      language: The ISO 639-1 code.
    """
    found: dict[str, _Forms] = {}
    for word, count in counts.items():
        candidate = _candidate(word, language)
        if candidate is None:
            continue
        form, key = candidate
        forms = found.get(key)
        if forms is None:
            found[key] = _Forms(count, form, count)
            continue
        forms.count += count
        if count > forms.best_count:
            forms.best, forms.best_count = form, count
    return {key: Term(text=forms.best, count=forms.count) for key, forms in found.items()}


def most_frequent(found: Mapping[str, Term], *, number: int) -> list[Term]:
    """The terms that occur most often, at least `MIN_COUNT` times; of equals, the one that comes first."""
    often = [term for term in found.values() if term.count >= MIN_COUNT]
    return sorted(often, key=lambda term: -term.count)[:number]


def most_telling(found: Iterable[Term], *, parts_with: Mapping[str, int], parts: int, number: int) -> Sequence[Term]:
    """The terms that set one part of a text apart from the others (tf-idf).

    Parameters:
      found: The most frequent terms of the part.
      parts_with: In how many parts each term occurs, by its lower case.
      parts: How many there are.
    """

    def weight(term: Term) -> float:
        with_it = parts_with.get(term.text.lower().replace("\u2019", "'"), 1)
        return term.count * (1 + math.log(parts / max(with_it, 1)))

    return sorted(found, key=lambda term: -weight(term))[:number]


def keys(found: Mapping[str, Term]) -> Counter[str]:
    """Each term once, to count the parts that have it."""
    return Counter(dict.fromkeys(found, 1))


@lru_cache(maxsize=50_000)
def _candidate(word: str, language: str) -> tuple[str, str] | None:
    """The word as it may be shown, and in lower case; None if it tells nothing."""
    stopped = stop_words.of(language)
    form = _bare(word, language)
    key = form.lower().replace("\u2019", "'")
    if key in stopped or key.replace("'", "") in stopped or not _telling(key):
        return None
    return form, key


def _bare(word: str, language: str) -> str:
    if "'" not in word and "\u2019" not in word:
        return word
    if language == "en" and word[-2:].lower() in ("'s", "\u2019s"):
        return word[:-2]
    if language in _ELIDING:
        at = max(word.rfind("'"), word.rfind("\u2019"))
        return word[at + 1 :] if at <= _MAX_ELIDED_LETTERS else word
    return word


def _telling(key: str) -> bool:
    if len(key) < MIN_LETTERS and not (key and _DENSE_SCRIPTS[0] <= key[0] <= _DENSE_SCRIPTS[1] and len(key) > 1):
        return False
    return key[0].isalpha() or any(character.isalpha() for character in key)
