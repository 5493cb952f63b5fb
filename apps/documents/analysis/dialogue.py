"""Share of an English text that is spoken: the words within quotation marks.

Other languages have marks and dashes of their own, and no text here whose share is known. They have no figure.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from apps.documents.analysis import words

#: ISO 639-1 codes of the languages whose dialogue is measured.
LANGUAGES = frozenset({"en"})

#: The closing mark of each opening one.
_DOUBLE = {"“": "”", '"': '"'}
_SINGLE = {"\u2018": "\u2019", "'": "'"}

_PARAGRAPH_END = re.compile(r"\n(?:[^\S\n]*\n)+")
#: A mark that may open or close opens directly before a character, and not after the end of a word or sentence.
_OPENS = r"(?<![\w.,!?;:…].)(?=\S)"
#: Words that begin with an apostrophe, which looks like an opening mark: 'tis.
_ELIDED = r"(?!(?:tis|twas|twere|twill|twould|em|cause|til|till|bout|round|neath|n|d|s|ll|ve|re|m|t)\b)"

_DOUBLE_END = {mark: re.compile(f"[{close}{mark}]") for mark, close in _DOUBLE.items()}
#: By opening mark. After a punctuation mark it cannot be an apostrophe; after a letter it may be one.
_SURE_END = {mark: re.compile(rf"(?<=[.,!?;:…—\u2013-]){close}(?!\w)") for mark, close in _SINGLE.items()}
_POSSIBLE_END = {mark: re.compile(rf"(?<=\w){close}(?!\w)") for mark, close in _SINGLE.items()}

#: Opening marks, by the single one that opens speech, or "".
_OPENING = {
    "": re.compile(rf'“|"{_OPENS}', re.IGNORECASE),
    **{
        mark: re.compile(rf"“|\"{_OPENS}|{mark}{_OPENS}{_ELIDED}(?=\w|[\"“\u2018…—])", re.IGNORECASE)
        for mark in _SINGLE
    },
}
#: By opening mark: a passage that ends like speech.
_SPEECH = {
    mark: re.compile(
        # It stops at the next opening mark, so that no part of the text is scanned twice. An atomic group: up to
        # its fifth patch, Python 3.11 gets a possessive group of alternatives wrong.
        rf"{mark}{_OPENS}{_ELIDED}(?=\w)(?>(?:[^{mark}{close}\n]|(?<=\w){close}(?=\w)|\n(?!\s*\n))*)"
        rf"(?<=[.,!?…—\u2013-]){close}(?!\w)",
        re.IGNORECASE,
    )
    for mark, close in _SINGLE.items()
}


@dataclass(frozen=True, kw_only=True)
class Style:
    """Quotation marks of a text.

    Parameters:
      opening: Matches a mark that opens a quotation.
      single: The single mark that opens speech. Empty: single marks are apostrophes, or quotations within speech.
    """

    opening: re.Pattern[str]
    single: str


def style(text: str) -> Style:
    """Return the marks that a text uses. Single ones hold speech where they are more frequent than double ones."""
    doubles = text.count("“") + text.count('"') - text.count('"') // 2
    single = next((mark for mark in _SINGLE if mark in text and _opened_by(mark, text) > doubles), "")
    return Style(opening=_OPENING[single], single=single)


def spoken_words(text: str, start: int = 0, end: int | None = None, *, style: Style) -> int:
    """Return the number of spoken words between two offsets.

    No quotation goes on beyond its paragraph. One without a closing mark ends there, and a speech of several
    paragraphs opens each of them anew.
    """
    end = len(text) if end is None else end
    return sum(
        words.count(text, *span)
        for paragraph in _paragraphs(text, start, end)
        for span in _quoted(text, *paragraph, style)
    )


def _opened_by(mark: str, text: str) -> int:
    """Return how often a single mark opens a passage that ends like speech."""
    return sum(1 for _ in _SPEECH[mark].finditer(text))


def _paragraphs(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for gap in _PARAGRAPH_END.finditer(text, start, end):
        yield start, gap.start()
        start = gap.end()
    yield start, end


def _quoted(text: str, start: int, end: int, style: Style) -> Iterator[tuple[int, int]]:
    """Yield the spans of a paragraph that are spoken."""
    opening = style.opening.search(text, start, end)
    while opening is not None:
        mark = opening[0]
        if mark in _SINGLE:
            limit = style.opening.search(text, opening.end(), end)
            last = limit.start() if limit else end
            close = _end_of_single(text, opening.end(), last, mark)
            if close is None:
                # Without a closing mark it is speech that goes on in the next paragraph, or an apostrophe.
                close = last if limit is None and _opens_next_paragraph(text, end, mark) else opening.end()
            at = max(close, opening.end())
        else:
            close, at = _end_of_double(text, opening.end(), end, mark, style)
        yield opening.end(), close
        opening = style.opening.search(text, at, end)


def _end_of_double(text: str, start: int, end: int, mark: str, style: Style) -> tuple[int, int]:
    """Return the end of a quotation, and the offset to search on from. A mark that opens the next one comes again."""
    closing = _DOUBLE_END[mark].search(text, start, end)
    if closing is None:
        return end, end
    if closing[0] == _DOUBLE[mark] and not (closing[0] == mark and style.opening.match(text, closing.start())):
        return closing.start(), closing.end()
    return closing.start(), closing.start()


def _end_of_single(text: str, start: int, end: int, mark: str) -> int | None:
    """Return the sure end, else the last mark that may be a closing one. None: there is neither."""
    ending = _SURE_END[mark].search(text, start, end)
    if ending is not None:
        return ending.start()
    return max((possible.start() for possible in _POSSIBLE_END[mark].finditer(text, start, end)), default=None)


def _opens_next_paragraph(text: str, end: int, mark: str) -> bool:
    gap = _PARAGRAPH_END.match(text, end)
    return gap is not None and text.startswith(mark, gap.end())


def note(*, language: str) -> str:
    """Return a sentence for the writer: the reason why a text has no share of dialogue.

    Parameters:
      language: ISO 639-1 code. Empty: unknown.
    """
    if not language:
        return "No share of dialogue: the language is unknown."
    if language not in LANGUAGES:
        return f"No share of dialogue: it is not measured in this language ({language})."
    return "No share of dialogue: there are no words."
