"""The longest sentences of a text."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from apps.documents.analysis import words

#: Characters of a sentence that are shown.
MAX_CHARACTERS = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class Sentence:
    """A sentence and its length.

    Parameters:
      words: Number of its words.
      text: The sentence in one line, cut after `MAX_CHARACTERS` with an ellipsis.
    """

    words: int
    text: str


class Longest:
    """Keeps the longest of the sentences that pass through it.

    Parameters:
      count: Sentences that are kept.
      seen: Sentences that have passed.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.seen = 0
        self._heap: list[tuple[int, int, str]] = []

    def watch(self, sentences: Iterable[str]) -> Iterator[str]:
        """Yield the sentences, and keep the longest."""
        for sentence in sentences:
            self.seen += 1
            # A word and the gap to the next one take two characters.
            if len(self._heap) < self.count or len(sentence) // 2 >= self._heap[0][0]:
                self._keep(words.count(sentence), sentence)
            yield sentence

    def add(self, found: Iterable[Sentence]) -> None:
        """Add the longest sentences of a part."""
        for sentence in found:
            self.seen += 1
            self._push((sentence.words, -self.seen, sentence.text))

    def found(self) -> Sequence[Sentence]:
        """Return the longest first. Of two with the same length, the earlier one is first."""
        return [Sentence(words=count, text=text) for count, _, text in sorted(self._heap, reverse=True)]

    def _keep(self, count: int, sentence: str) -> None:
        if len(self._heap) < self.count or count > self._heap[0][0]:
            self._push((count, -self.seen, shown(sentence)))

    def _push(self, entry: tuple[int, int, str]) -> None:
        if len(self._heap) < self.count:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)


def shown(sentence: str) -> str:
    """Return a sentence in one line, without control characters, cut at a word if it is too long."""
    # White space at most doubles the length. A sentence of a million characters is not scanned as a whole.
    line = " ".join(sentence[: 4 * MAX_CHARACTERS].split())
    line = "".join(character for character in line if character.isprintable())
    if len(line) <= MAX_CHARACTERS:
        return line
    cut = line.rfind(" ", MAX_CHARACTERS // 2, MAX_CHARACTERS)
    return line[: cut if cut > 0 else MAX_CHARACTERS - 1].rstrip(" ,;:") + "…"
