"""Sentences, as sentencex tells them apart, with those inside quotations counted too."""

import re
from collections.abc import Iterator

from sentencex import segment  # type: ignore[import-untyped]

from apps.documents.analysis import words

#: sentencex is quadratic in opening quotation marks that nothing closes, so it never gets more at once.
BLOCK_CHARACTERS = 10_000

#: sentencex takes a quotation for a part of the sentence around it, however many sentences it holds.
#: A single closing mark between letters is an apostrophe.
QUOTATION = re.compile(
    r"“([^“”]*)”|\"([^\"]*)\"|«([^«»]*)»|»([^«»]*)«|„([^„“”]*)[“”]|\u2018((?:[^\u2018\u2019]++|\u2019(?=\w))*+)\u2019"
)

#: Where sentencex needs a space to know an abbreviation: between a mark and a short capitalised word ("“Mr.").
_BEFORE_ABBREVIATION = re.compile(r"(?:(?<=[^\w\s])|(?<=_))(?=[A-Z][a-z]{0,5}\.\s)")
_PARAGRAPH_END = re.compile(r"\n(?:[^\S\n]*\n)+")
_CLOSING_MARKS = ("”", "\u2019", "»", '"', "'")
_MARK_THEN_SPACE = re.compile(r"[.!?…]\s+\S")


def count(text: str, start: int = 0, end: int | None = None, *, language: str = "en") -> int:
    """How many sentences there are between two offsets.

    What speech and its reporting verb make together is one sentence ("“Is he single?” she asked."); a quotation of
    several sentences adds those that come after its first. What holds no word is no sentence; a line of its own
    that has no full stop, such as a title, is one.

    Parameters:
      language: The ISO 639-1 code, for abbreviations such as "Mr.".
    """
    return sum(_in_block(block, language) for block in _blocks(text, start, len(text) if end is None else end))


def _in_block(block: str, language: str) -> int:
    # White space between the empty line's two ends would hide the paragraph from sentencex.
    block = _BEFORE_ABBREVIATION.sub(" ", _PARAGRAPH_END.sub("\n\n", block))
    found = _sentences(segment(language, block))
    quoted: list[str] = []
    for sentence in found:
        for quotation in QUOTATION.finditer(sentence):
            inner = quotation[quotation.lastindex or 0]
            if _MARK_THEN_SPACE.search(inner):
                quoted.append(inner)
    if not quoted:
        return len(found)
    # All in one call, as paragraphs: the first sentence of each is in `found` already.
    inner_sentences = len(_sentences(segment(language, "\n\n".join(quoted))))
    return len(found) + inner_sentences - sum(1 for inner in quoted if words.any_in(inner))


def _sentences(segments: list[str]) -> list[str]:
    """What holds a word; speech and a reporting verb that were taken apart are together again."""
    found: list[str] = []
    for piece in segments:
        if found and piece[0].islower() and found[-1].rstrip().endswith(_CLOSING_MARKS):
            found[-1] += piece
        elif words.any_in(piece):
            found.append(piece)
    return found


def _blocks(text: str, start: int, end: int) -> Iterator[str]:
    """Pieces of at most `BLOCK_CHARACTERS`, cut at the end of a paragraph, else of a line or a word if there is one."""
    while end - start > BLOCK_CHARACTERS:
        limit = start + BLOCK_CHARACTERS
        cut = next((at for mark in ("\n\n", "\n", " ") if (at := text.rfind(mark, start + 1, limit)) > 0), limit)
        yield text[start:cut]
        start = cut
    yield text[start:end]
