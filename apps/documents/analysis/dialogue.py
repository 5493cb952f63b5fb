"""Share of a text that is spoken: the words in quotation marks, or after the dash that begins a line of speech.

A language is measured if the tests have texts in it whose share is known. Other languages have no figure.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from apps.documents.analysis import words

#: ISO 639-1 codes of the languages in which a dash begins speech, and of those in which it goes on after a pair of
#: dashes with spaces. Elsewhere a mark stands before the dash, or no space on one side.
_DASHED = "be bg ca cs el es fi fr hr hu it mk pl pt ro ru sk sl sr sv tr uk"
_SPACED = "bg cs hr hu pl pt ro sk sl tr"
#: Languages in which “ closes what „ opens.
_LOW = "bg cs de hr mk sk sl sr"
#: Languages whose dialogue is measured.
LANGUAGES = frozenset(f"{_DASHED} da de en he ja nl no zh".split())

#: Each opening mark with the closing ones, in languages that do not have them otherwise.
_USUAL = (("“", "”"), ('"', '"'), ("«", "»"), ("„", "“”"), ("「", "」"), ("『", "』"), ("\u05f4", "\u05f4"))
_SINGLE = {"\u2018": "\u2019", "'": "'"}

#: Lengths of the full lines of a page, in characters.
SHORTEST_FULL_LINE, LONGEST_FULL_LINE = 50, 100

_PARAGRAPH_END = re.compile(r"\n(?:[^\S\n]*\n)+")
#: A mark that may open or close opens directly before a character, and not after the end of a word or sentence.
_OPENS = r"(?<![\w.,!?;:…].)(?=\S)"
#: Words that begin with an apostrophe, which looks like an opening mark: 'tis.
_ELIDED = r"(?!(?:tis|twas|twere|twill|twould|em|cause|til|till|bout|round|neath|n|d|s|ll|ve|re|m|t)\b)"

#: A mark that opens and closes may stand within a word, as in Hebrew abbreviations.
_DOUBLE_END = {
    pair: re.compile(rf"(?<!\w){pair[0]}|{pair[0]}(?!\w)" if pair[0] == pair[1] else f"[{''.join(pair)}]")
    for pair in (*_USUAL, ("”", "”"), ("»", "«»"))
}
#: A guillemet before a word and after none.
_POINTING = {mark: re.compile(rf"(?<![^\s(—\u2013-]){mark}(?=\w)") for mark in "«»"}
#: Opening marks, by the single one that opens speech, or "".
_OPENING = {
    single: re.compile(
        rf"[“«„「『]|[\"\u05f4”»]{_OPENS}" + (rf"|{single}{_OPENS}{_ELIDED}(?=\w|[\"“\u2018…—])" if single else ""),
        re.IGNORECASE,
    )
    for single in ("", *_SINGLE)
}

#: By opening mark. After a punctuation mark it cannot be an apostrophe; after a letter it may be one.
_SURE_END = {mark: re.compile(rf"(?<=[.,!?;:…—\u2013-]){close}(?!\w)") for mark, close in _SINGLE.items()}
_POSSIBLE_END = {mark: re.compile(rf"(?<=\w){close}(?!\w)") for mark, close in _SINGLE.items()}

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
#: A dash at the beginning of a line, with the mark or letter after it.
_DASH = re.compile(r"^[^\S\n]{0,20}[—\u2013―-][^\S\n]{0,4}(?=[^\W\d_]|[¡¿…«“„\"(])", re.MULTILINE)
_LINE = re.compile(r"[^\n]+")
_SENTENCE_ENDS = tuple('.!?…:;»”")\u2019')
#: In a line that a dash begins: the dash before or after "he said", without and with the one between two spaces.
_BEFORE_VERB = (
    r"(?<=[,.!?…:»”])\s{1,9}[—\u2013―-]\s|(?<=\s)[—\u2013―](?=[^\s—\u2013―])"
    r"|(?<=[^\s—\u2013―])[—\u2013―](?=[\s.,;:!?…])"
)
_INSERTED = {False: re.compile(_BEFORE_VERB), True: re.compile(rf"{_BEFORE_VERB}|(?<=\s)[—\u2013―](?=\s)")}


@dataclass(frozen=True, kw_only=True)
class Style:
    """Marks of speech in a text.

    Parameters:
      single: The single mark that opens speech. Empty: single marks are apostrophes, or quotations within speech.
      closing: By other opening mark, a pattern that matches what closes it, or the same mark again.
      inserted: Matches the dashes between speech and its verb in a line that a dash begins. None: no dash does.
    """

    single: str
    closing: dict[str, re.Pattern[str]]
    inserted: re.Pattern[str] | None


def style(text: str, *, language: str = "en") -> Style:
    """Return the marks that a text uses. Single ones hold speech where they are more frequent than double ones.

    Parameters:
      language: ISO 639-1 code.
    """
    closing = {pair[0]: _DOUBLE_END[pair] for pair in _USUAL}
    if "„" in text and language in _LOW.split():
        del closing["“"]
    elif "”" in text and "“" not in text:
        closing["”"] = _DOUBLE_END["”", "”"]
    if "»" in text and len(_POINTING["»"].findall(text)) > len(_POINTING["«"].findall(text)):
        closing["»"] = _DOUBLE_END["»", "«»"]
        del closing["«"]
    doubles = sum(map(text.count, closing)) - text.count('"') // 2
    single = next((mark for mark in _SINGLE if mark in text and _opened_by(mark, text) > doubles), "")
    return Style(
        single=single,
        closing=closing,
        inserted=_INSERTED[language in _SPACED.split()] if language in _DASHED.split() else None,
    )


def spoken_words(text: str, start: int = 0, end: int | None = None, *, style: Style) -> int:
    """Return the number of spoken words between two offsets.

    No quotation goes on beyond its paragraph. One without a closing mark ends there, and a speech of several
    paragraphs opens each of them anew.
    """
    end = len(text) if end is None else end
    return sum(
        words.count(text, *span)
        for paragraph in _paragraphs(text, start, end)
        for span in _spoken(text, *paragraph, style)
    )


def _opened_by(mark: str, text: str) -> int:
    """Return how often a single mark opens a passage that ends like speech."""
    return sum(1 for _ in _SPEECH[mark].finditer(text))


def _paragraphs(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for gap in _PARAGRAPH_END.finditer(text, start, end):
        yield start, gap.start()
        start = gap.end()
    yield start, end


def _spoken(text: str, start: int, end: int, style: Style) -> Iterator[tuple[int, int]]:
    """Yield the spans of a paragraph that are spoken: lines that a dash begins, and quotations in the others."""
    for dash in _DASH.finditer(text, start, end) if style.inserted else ():
        if dash.start() < start or not (stop := _end_of_speech(text, dash, end)):
            continue
        yield from _quoted(text, start, dash.start(), style)
        at, is_speech = dash.end(), True
        for inserted in style.inserted.finditer(text, at, stop) if style.inserted else ():
            if is_speech:
                yield at, inserted.start()
            at, is_speech = inserted.end(), not is_speech
        if is_speech:
            yield at, stop
        start = stop
    yield from _quoted(text, start, end, style)


def _end_of_speech(text: str, dash: re.Match[str], end: int) -> int:
    """Return the end of the paragraph that a dash begins. 0: it begins no speech, but the line of a list.

    A line that is short, or too long to be one of several of a page, is a paragraph if its sentence ends.
    """
    begins_lower = text[dash.end()].islower()
    for line in _LINE.finditer(text, dash.end(), end):
        is_sentence = line[0].rstrip().endswith(_SENTENCE_ENDS)
        if line.start() == dash.end() and (begins_lower or not (is_sentence or "-" not in dash[0])):
            return 0
        if (is_sentence and not SHORTEST_FULL_LINE < len(line[0]) < LONGEST_FULL_LINE) or _DASH.match(
            text, line.end() + 1
        ):
            return line.end()
    return end


def _quoted(text: str, start: int, end: int, style: Style) -> Iterator[tuple[int, int]]:
    """Yield the spans of a paragraph that stand in quotation marks."""
    opening = _opening(text, start, end, style)
    while opening is not None:
        mark = opening[0]
        if mark in _SINGLE:
            limit = _opening(text, opening.end(), end, style)
            last = limit.start() if limit else end
            close = _end_of_single(text, opening.end(), last, mark)
            if close is None:
                # Without a closing mark it is speech that goes on in the next paragraph, or an apostrophe.
                close = last if limit is None and _opens_next_paragraph(text, end, mark) else opening.end()
            at = max(close, opening.end())
        else:
            close, at = _end_of_double(text, opening.end(), end, mark, style)
        yield opening.end(), close
        opening = _opening(text, at, end, style)


def _opening(text: str, start: int, end: int, style: Style) -> re.Match[str] | None:
    """Return the next mark that opens a quotation in this style."""
    for mark in _OPENING[style.single].finditer(text, start, end):
        if mark[0] in style.closing or mark[0] == style.single:
            return mark
    return None


def _end_of_double(text: str, start: int, end: int, mark: str, style: Style) -> tuple[int, int]:
    """Return the end of a quotation, and the offset to search on from. A mark that opens the next one comes again."""
    closing = style.closing[mark].search(text, start, end)
    if closing is None:
        return end, end
    opens_next = closing[0] == mark and _OPENING[style.single].match(text, closing.start())
    return closing.start(), closing.start() if opens_next else closing.end()


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
