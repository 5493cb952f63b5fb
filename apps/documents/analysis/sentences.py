"""Find sentences with sentencex, and those inside quotations as well."""

import re
from collections.abc import Iterable, Iterator

from sentencex import segment  # type: ignore[import-untyped]

from apps.documents.analysis import words

#: Most characters for sentencex at once. It takes quadratic time for opening quotation marks without a closing one.
BLOCK_CHARACTERS = 10_000

#: Quotations, each of which sentencex takes for a part of the sentence around it, whatever its number of sentences.
#: A quotation without a closing mark goes to the next opening one. A single closing mark between letters is an
#: apostrophe.
QUOTATION = re.compile(
    r"“([^“”]*)(?:”|(?=“)|\Z)|\"([^\"]*)\"|«([^«»]*)(?:»|(?=«)|\Z)|»([^«»]*)«|„([^„“”]*)(?:[“”]|(?=„)|\Z)"
    r"|「([^「」]*)(?:」|(?=「)|\Z)|『([^『』]*)(?:』|(?=『)|\Z)"
    r"|\u2018((?:[^\u2018\u2019]++|\u2019(?=\w))*+)(?:\u2019|(?=\u2018)|\Z)"
)
#: Beginning of a line of a list ("- ", "1. ", "a) "). Sentencex takes the whole line for a sentence.
_LIST_MARK = re.compile(r"(?:[-*+\u2022]|\(?(?:\d{1,4}(?:\.\d{1,4}){0,3}|[^\W\d_]|[ivxlcIVXLC]{2,6})[.)])\s++")

#: Place where sentencex needs a space to recognise an abbreviation: between a mark and a short name ("“Mr.").
_BEFORE_ABBREVIATION = re.compile(r"(?:(?<=[^\w\s])|(?<=_))(?=[A-Z][a-z]{0,5}\.\s)")
_PARAGRAPH_END = re.compile(r"\n(?:[^\S\n]*\n)+")
#: End of a line before one that a dash begins. Sentencex takes the "No." before it for "number".
_LINE_OF_SPEECH = re.compile(r"\n(?<=[.!?…]\n)(?=[—\u2013―])")
#: Ends of Khmer and Tibetan sentences, which sentencex does not know.
_FURTHER_END = re.compile(r"[\u17d4\u17d5\u0f0d\u0f0e]\s++(?=\S)")
_CLOSING_MARKS = ("”", "\u2019", "»", '"', "'")
_SENTENCE_ENDS = tuple(".!?…\u0964\u06d4。\uff01\uff1f")
_SENTENCE_WITHIN = re.compile(r"[.!?…\u0964\u06d4]\s+\S|[。\uff01\uff1f]\w")


def count(text: str, start: int = 0, end: int | None = None, *, language: str = "en") -> int:
    """Return the number of sentences between two offsets."""
    return sum(1 for _ in find(text, start, end, language=language))


def find(text: str, start: int = 0, end: int | None = None, *, language: str = "en") -> Iterator[str]:
    """Yield the sentences between two offsets, as they are written, with the white space after them.

    Speech and its reporting verb are one sentence ("“Is he single?” she asked."). A quotation of several sentences is
    split, so that each of them counts. A piece without a word is no sentence. A line of its own without a full stop,
    such as a title, is one.

    Parameters:
      language: ISO 639-1 code, for abbreviations such as "Mr.".
    """
    for block in _blocks(text, start, len(text) if end is None else end):
        yield from _in_block(block, language)


def _in_block(block: str, language: str) -> Iterator[str]:
    # White space between the empty line's two ends would hide the paragraph from sentencex.
    block = _BEFORE_ABBREVIATION.sub(" ", _LINE_OF_SPEECH.sub("\n\n", _PARAGRAPH_END.sub("\n\n", block)))
    for _, sentence in _sentences(_segments(language, block)):
        start = 0
        for cut in _cuts(sentence, language):
            yield sentence[start:cut]
            start = cut
        yield sentence[start:]


def _segments(language: str, block: str) -> Iterator[str]:
    """Yield the segments of a block. A line of a list, such as dialogue that begins with a hyphen, has many."""
    for line in _segment(language, block):
        mark = _LIST_MARK.match(line, len(line) - len(line.lstrip()))
        if mark is None:
            yield line
            continue
        first, *others = _segment(language, line[mark.end() :]) or [""]
        yield line[: mark.end()] + first
        yield from others


def _segment(language: str, text: str) -> list[str]:
    found: list[str] = segment(language, text)
    if not _FURTHER_END.search(text):
        return found
    return [piece for line in found for piece in _FURTHER_END.sub("\\g<0>\x00", line).split("\x00")]


def _cuts(sentence: str, language: str) -> Iterator[int]:
    """Yield the offsets of further sentences inside the quotations of a sentence."""
    for quotation in QUOTATION.finditer(sentence):
        group = quotation.lastindex or 0
        inner = quotation[group]
        if _SENTENCE_WITHIN.search(inner):
            for offset, _ in _sentences(segment(language, inner))[1:]:
                yield quotation.start(group) + offset
        is_closed = quotation.end() > quotation.end(group)
        if not is_closed and quotation.end() < len(sentence) and inner.rstrip().endswith(_SENTENCE_ENDS):
            yield quotation.end()


def _sentences(segments: Iterable[str]) -> list[tuple[int, str]]:
    """Return the pieces with a word, and their offsets. Speech and its reporting verb are joined again."""
    found: list[tuple[int, str]] = []
    offset = 0
    for piece in segments:
        if found and (
            (piece[0].islower() and found[-1][1].rstrip().endswith(_CLOSING_MARKS)) or _is_list_mark(found[-1][1])
        ):
            found[-1] = (found[-1][0], found[-1][1] + piece)
        elif words.any_in(piece):
            found.append((offset, piece))
        offset += len(piece)
    return found


def _is_list_mark(piece: str) -> bool:
    """Return whether a piece is the mark of the line that goes on after it ("1.1. ")."""
    return len(piece) < 20 and not piece.endswith("\n") and _LIST_MARK.fullmatch(piece.lstrip()) is not None


def _blocks(text: str, start: int, end: int) -> Iterator[str]:
    """Yield pieces of at most `BLOCK_CHARACTERS`, cut at the end of a paragraph, else of a line, else of a word."""
    while end - start > BLOCK_CHARACTERS:
        limit = start + BLOCK_CHARACTERS
        cut = next((at for mark in ("\n\n", "\n", " ") if (at := text.rfind(mark, start + 1, limit)) > 0), limit)
        yield text[start:cut]
        start = cut
    yield text[start:end]
