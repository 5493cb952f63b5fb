"""Keywords: words that a text uses often and other texts do not."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from apps.documents.analysis import stop_words
from apps.documents.analysis.term import Term

#: Fewest occurrences and letters of a keyword.
MIN_COUNT = 2
MIN_LETTERS = 3
#: First and last character of scripts in which a word may have two letters.
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
    """Return the words that may be keywords, by their lower case: no stop words, no numbers, no single letters.

    Words that differ in their case only are the same, and so are an English possessive and its word.

    Parameters:
      counts: Number of occurrences of each word, as it is written.
      language: ISO 639-1 code.
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
    """Return the terms that occur most often, at least `MIN_COUNT` times. Of equals, the earlier one is first."""
    often = [term for term in found.values() if term.count >= MIN_COUNT]
    return sorted(often, key=lambda term: -term.count)[:number]


def most_telling(found: Iterable[Term], *, parts_with: Mapping[str, int], parts: int, number: int) -> Sequence[Term]:
    """Return the terms that set one part of a text apart from the others (tf-idf).

    Parameters:
      found: The most frequent terms of the part.
      parts_with: Number of parts in which each term occurs, by its lower case.
      parts: Number of all parts.
    """

    def weight(term: Term) -> float:
        with_it = parts_with.get(term.text.lower().replace("\u2019", "'"), 1)
        return term.count * (1 + math.log(parts / max(with_it, 1)))

    return sorted(found, key=lambda term: -weight(term))[:number]


def keys(found: Mapping[str, Term]) -> Counter[str]:
    """Count each term once. The sum over all parts is the number of parts that have it."""
    return Counter(dict.fromkeys(found, 1))


@lru_cache(maxsize=50_000)
def _candidate(word: str, language: str) -> tuple[str, str] | None:
    """Return the word as it is shown, and in lower case. None: it is no keyword."""
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
