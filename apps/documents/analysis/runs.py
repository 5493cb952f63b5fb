"""Find runs of words: words that stand together between two marks."""

import re
from collections.abc import Iterable, Iterator

from apps.documents.analysis import words
from apps.documents.analysis.scripts import UNSPACED

#: Longest word of a run, in characters. Many longer ones would not fit into memory.
MAX_WORD_CHARACTERS = 40

#: Marks, and scripts in which no space tells the words.
_MARK = re.compile(
    r"[,;:!?()\[\]{}<>|*/=+“”\"«»„‟\u2018…—\u2013―\n\u3001-\u3011\uff01-\uff0f\uff1a-\uff1f"
    rf"{UNSPACED}]|--+|\.\.+"
)
#: Sentences that are split together.
_SENTENCES = 50


def find(sentences: Iterable[str]) -> Iterator[list[list[str]]]:
    """Yield the runs of words in sentences, some sentences at once. No run goes on beyond a mark or its sentence.

    The full stop of an abbreviation is no mark, so "Mr. Darcy" is in one run. Words that are too long are left out.
    """
    gathered: list[str] = []
    for sentence in sentences:
        gathered.append(sentence.replace("\n", " "))
        if len(gathered) == _SENTENCES:
            yield _runs("\n".join(gathered))
            gathered.clear()
    if gathered:
        yield _runs("\n".join(gathered))


def _runs(text: str) -> list[list[str]]:
    found = (words.WORD.findall(piece) for piece in _MARK.split(text))
    return [run for run in found if run and (len(max(run, key=len)) <= MAX_WORD_CHARACTERS or _shortened(run))]


def _shortened(run: list[str]) -> bool:
    """Remove the words that are too long. Return whether any are left."""
    run[:] = [word for word in run if len(word) <= MAX_WORD_CHARACTERS]
    return bool(run)
