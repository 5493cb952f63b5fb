"""Phrases that come again: three to six words that stand together more than once.

In two passes, so that it needs little memory whatever the length of the text. The first counts three words at a time.
The second counts, exactly, the phrases that are made of frequent threes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from sys import intern

from apps.documents.analysis import stop_words
from apps.documents.analysis.tally import Tally
from apps.documents.analysis.term import Term

SHORTEST, LONGEST = 3, 6
#: So many different threes are kept while counting them: those of a text of 400,000 words and more. In longer texts
#: the rare ones are forgotten from time to time; 70 MB.
MAX_THREES = 400_000
#: Of the frequent ones so many go into the second pass.
MAX_FREQUENT = 150_000

Phrase = tuple[str, ...]


class Threes:
    """The first pass."""

    def __init__(self) -> None:
        self._tally: Tally[Phrase] = Tally(limit=MAX_THREES)

    def add(self, runs: Iterable[Sequence[str]]) -> None:
        """Count what stands in these runs of words."""
        lowered = map(_lowered, runs)
        self._tally.add(chain.from_iterable(zip(run, run[1:], run[2:], strict=False) for run in lowered))

    def frequent(self) -> frozenset[Phrase]:
        """Those that occur more than once."""
        counts = self._tally.at_least()
        often = {phrase: count for phrase, count in counts.items() if count > 1}
        if len(often) > MAX_FREQUENT:
            often = dict(Counter(often).most_common(MAX_FREQUENT))
        return frozenset(often)


def find(runs: Iterable[Sequence[str]], *, frequent: frozenset[Phrase]) -> Iterator[tuple[Phrase, Sequence[str]]]:
    """The second pass: every place of a phrase whose threes are all frequent, in lower case and as it is written."""
    for run in runs:
        lowered = _lowered(run)
        threes = zip(lowered, lowered[1:], lowered[2:], strict=False)
        hits = [at for at, three in enumerate(threes) if three in frequent]
        for first, last in _stretches(hits):
            end = last + SHORTEST
            for start in range(first, end - SHORTEST + 1):
                for stop in range(start + SHORTEST, min(start + LONGEST, end) + 1):
                    yield tuple(lowered[start:stop]), run[start:stop]


class Phrases:
    """How often each phrase occurs, and how it is written.

    Parameters:
      limit: So many different ones are kept; see `Tally`.
    """

    def __init__(self, *, limit: int) -> None:
        self.limit = limit
        self._tally: Tally[Phrase] = Tally(limit=limit)
        self._written: dict[Phrase, str] = {}

    def add(self, found: Iterable[tuple[Phrase, Sequence[str]]]) -> None:
        """Count what `find` found in some pages."""
        places = list(found)
        self._tally.add(phrase for phrase, _ in places)
        for phrase, words in places:
            written = self._written.get(phrase)
            # In the middle of a sentence, if it stands there anywhere.
            if written is None or (written[0].isupper() and words[0][0].islower()):
                self._written[phrase] = " ".join(words)
        self._tidy()

    def merge(self, other: "Phrases") -> None:
        """Add the ones of a part."""
        self._tally.merge(other._tally.at_least())
        for phrase, written in other._written.items():
            if phrase not in self._written or (self._written[phrase][0].isupper() and written[0].islower()):
                self._written[phrase] = written
        self._tidy()

    def repeated(self, *, language: str, number: int) -> list[Term]:
        """The phrases that matter most, at most `number`: the longer and the more frequent the more.

        A phrase of three words must occur three times, a longer one twice. What consists of stop words ("and it was")
        or of a name and a stop word ("that Mr Darcy") is none, nor is what has words in common with a better one.

        Parameters:
          language: The ISO 639-1 code.
        """
        stopped = stop_words.of(language)
        often = [
            (phrase, count)
            for phrase, count in self._tally.exact().items()
            if count >= (3 if len(phrase) == SHORTEST else 2)
            and _telling(self._written[phrase], phrase, stopped, language)
        ]
        often.sort(key=lambda entry: (-entry[1] * (len(entry[0]) - 1), entry[0]))
        chosen: list[tuple[Phrase, int]] = []
        for phrase, count in often:
            if len(chosen) == number:
                break
            if not any(_overlap(phrase, other) for other, _ in chosen):
                chosen.append((phrase, count))
        chosen.sort(key=lambda entry: (-entry[1], entry[0]))
        return [Term(text=self._written[phrase], count=count) for phrase, count in chosen]

    def _tidy(self) -> None:
        if len(self._written) > 2 * self.limit:
            known = self._tally.at_least()
            self._written = {phrase: written for phrase, written in self._written.items() if phrase in known}


def _telling(written: str, phrase: Phrase, stopped: frozenset[str], language: str) -> bool:
    words = written.split(" ")
    others = [
        word for word, lowered in zip(words, phrase, strict=True) if lowered.replace("\u2019", "'") not in stopped
    ]
    if not any(character.isalpha() for word in others for character in word):
        return False
    # In German every noun begins with a capital, so it tells nothing there.
    if language == "de" or not all(word[0].isupper() for word in others):
        return True
    return not (words[0][0].islower() or words[-1][0].islower())


def _overlap(one: Phrase, other: Phrase) -> bool:
    """Whether one is part of the other, or ends with two or more words with which the other begins."""
    short, long = sorted((one, other), key=len)
    if any(long[at : at + len(short)] == short for at in range(len(long) - len(short) + 1)):
        return True
    return any(one[-length:] == other[:length] or other[-length:] == one[:length] for length in range(2, len(short)))


def _lowered(run: Sequence[str]) -> list[str]:
    return [*map(intern, map(str.lower, run))]


def _stretches(hits: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first and the last of numbers that follow each other."""
    first = 0
    for index in range(1, len(hits) + 1):
        if index == len(hits) or hits[index] != hits[index - 1] + 1:
            yield hits[first], hits[index - 1]
            first = index
