"""The longest sentences of a text."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from apps.documents.analysis import words

#: So much of a sentence is shown, in characters.
MAX_CHARACTERS = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class Sentence:
    """A sentence and how long it is.

    Parameters:
      words: How many it has.
      text: It, in one line, cut after `MAX_CHARACTERS` with an ellipsis.
    """

    words: int
    text: str


class Longest:
    """Keeps the longest of the sentences that it hears, at most `count` of them.

    Parameters:
      heard: How many sentences it heard.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.heard = 0
        self._heap: list[tuple[int, int, str]] = []

    def hear(self, sentences: Iterable[str]) -> Iterator[str]:
        """Pass the sentences through, listening."""
        for sentence in sentences:
            self.heard += 1
            # A word and what parts it from the next take two characters.
            if len(self._heap) < self.count or len(sentence) // 2 >= self._heap[0][0]:
                self._keep(words.count(sentence), sentence)
            yield sentence

    def add(self, found: Iterable[Sentence]) -> None:
        """Take the longest of a part into account."""
        for sentence in found:
            self.heard += 1
            self._push((sentence.words, -self.heard, sentence.text))

    def found(self) -> Sequence[Sentence]:
        """The longest first; of two that are equally long, the one that comes first."""
        return [Sentence(words=count, text=text) for count, _, text in sorted(self._heap, reverse=True)]

    def _keep(self, count: int, sentence: str) -> None:
        if len(self._heap) < self.count or count > self._heap[0][0]:
            self._push((count, -self.heard, shown(sentence)))

    def _push(self, entry: tuple[int, int, str]) -> None:
        if len(self._heap) < self.count:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)


def shown(sentence: str) -> str:
    """The sentence in one line, without control characters, cut at a word where it is too long."""
    # What is white space at most doubles the length; a sentence of a million characters is not looked at as a whole.
    line = " ".join(sentence[: 4 * MAX_CHARACTERS].split())
    line = "".join(character for character in line if character.isprintable())
    if len(line) <= MAX_CHARACTERS:
        return line
    cut = line.rfind(" ", MAX_CHARACTERS // 2, MAX_CHARACTERS)
    return line[: cut if cut > 0 else MAX_CHARACTERS - 1].rstrip(" ,;:") + "…"
