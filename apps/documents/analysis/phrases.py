"""Repeated phrases: three to six words that stand together more than once.

Two passes need little memory, however long the text is. The first counts three words at a time. The second counts,
exactly, the phrases that consist of frequent threes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from sys import intern

from apps.documents.analysis import stop_words
from apps.documents.analysis.tally import Tally
from apps.documents.analysis.term import Term

SHORTEST = 3
#: Different threes that are kept while they are counted: 70 MB, enough for a text of 400,000 words. In a longer text
#: the rare ones are dropped from time to time.
MAX_THREES = 400_000
#: Different words that are kept in lower case at a time.
MAX_WORDS = 100_000
#: Frequent threes that go into the second pass.
MAX_FREQUENT = 150_000

Phrase = tuple[str, ...]


class Lowered(dict[str, str]):
    """Words of a text in lower case: `lowered[word]`. The same word is always the same object."""

    def __missing__(self, word: str) -> str:
        if len(self) >= MAX_WORDS:
            self.clear()
        self[word] = lowered = intern(word.lower())
        return lowered

    def run(self, words: Sequence[str]) -> list[str]:
        return [*map(self.__getitem__, words)]


class Threes:
    """The first pass."""

    def __init__(self) -> None:
        self._tally: Tally[Phrase] = Tally(limit=MAX_THREES)

    def add(self, runs: Iterable[Sequence[str]], *, lowered: Lowered) -> None:
        """Count the threes in these runs of words."""
        self._tally.add(chain.from_iterable(_threes(lowered.run(run)) for run in runs))

    def frequent(self) -> frozenset[Phrase]:
        """Return the threes that occur more than once."""
        often = {phrase: count for phrase, count in self._tally.at_least().items() if count > 1}
        if len(often) > MAX_FREQUENT:
            often = dict(Counter(often).most_common(MAX_FREQUENT))
        return frozenset(often)


def find(runs: Iterable[Sequence[str]], *, frequent: frozenset[Phrase], lowered: Lowered) -> list[Phrase]:
    """Run the second pass over some runs of words. Return each phrase whose threes are all frequent, as written."""
    found: list[Phrase] = []
    for run in runs:
        hits = [at for at, three in enumerate(_threes(lowered.run(run))) if three in frequent]
        for first, last in _stretches(hits):
            words = [*map(intern, run[first : last + SHORTEST])]
            found += _threes(words)
            if last > first:
                found += zip(words, words[1:], words[2:], words[3:], strict=False)
                found += zip(words, words[1:], words[2:], words[3:], words[4:], strict=False)
                found += zip(words, words[1:], words[2:], words[3:], words[4:], words[5:], strict=False)
    return found


class Phrases:
    """Counts phrases.

    Parameters:
      limit: Different phrases that are kept; see `Tally`.
    """

    def __init__(self, *, limit: int) -> None:
        self._tally: Tally[Phrase] = Tally(limit=limit)

    def add(self, found: Iterable[Phrase]) -> None:
        """Count the phrases that `find` returned for some runs."""
        self._tally.add(found)

    def repeated(self, *, language: str, number: int) -> list[Term]:
        """Return the phrases that matter most, at most `number`. Length and frequency count.

        A phrase of three words must occur three times, a longer one twice. Left out are phrases of stop words ("and it
        was"), of a name and a stop word ("that Mr Darcy"), and those that have words in common with a better one.

        Parameters:
          language: ISO 639-1 code.
        """
        stopped = stop_words.of(language)
        often = [
            (phrase, count)
            for phrase, count in _folded(self._tally.exact()).items()
            if count >= (3 if len(phrase) == SHORTEST else 2) and _telling(phrase, stopped, language)
        ]
        often.sort(key=lambda entry: (-entry[1] * (len(entry[0]) - 1), entry[0]))
        chosen: list[tuple[Phrase, int]] = []
        for phrase, count in often:
            if len(chosen) == number:
                break
            if not any(_overlap(phrase, other) for other, _ in chosen):
                chosen.append((phrase, count))
        chosen.sort(key=lambda entry: (-entry[1], entry[0]))
        return [Term(text=" ".join(phrase), count=count) for phrase, count in chosen]


def _folded(counts: Counter[Phrase]) -> Counter[Phrase]:
    """Add the count of a phrase that begins a sentence to that of the same phrase within a sentence."""
    folded = Counter(counts)
    for phrase, count in counts.items():
        first = phrase[0]
        if first[0].isupper():
            within = (first[0].lower() + first[1:], *phrase[1:])
            if within in folded:
                folded[within] += count
                del folded[phrase]
    return folded


def _telling(phrase: Phrase, stopped: frozenset[str], language: str) -> bool:
    others = [word for word in phrase if word.lower().replace("\u2019", "'") not in stopped]
    if not any(character.isalpha() for word in others for character in word):
        return False
    # In German every noun begins with a capital, not only names.
    if language == "de" or not all(word[0].isupper() for word in others):
        return True
    return not (phrase[0][0].islower() or phrase[-1][0].islower())


def _overlap(one: Phrase, other: Phrase) -> bool:
    """Return whether one phrase contains the other, or they share two or more words at an end and a beginning."""
    short, long = sorted((one, other), key=len)
    if any(long[at : at + len(short)] == short for at in range(len(long) - len(short) + 1)):
        return True
    return any(one[-length:] == other[:length] or other[-length:] == one[:length] for length in range(2, len(short)))


def _threes(words: Sequence[str]) -> Iterator[Phrase]:
    return zip(words, words[1:], words[2:], strict=False)


def _stretches(hits: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of numbers that follow each other."""
    first = 0
    for index in range(1, len(hits) + 1):
        if index == len(hits) or hits[index] != hits[index - 1] + 1:
            yield hits[first], hits[index - 1]
            first = index
