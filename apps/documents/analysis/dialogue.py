"""How much of a text is spoken: what stands within quotation marks, or behind the dash that stands for them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from apps.documents.analysis import words

#: Where „ opens, “ closes, but in some it is ”.
_LOW_CLOSERS = "“”"
#: Here guillemets point at what they hold: »so«.
_INWARD_GUILLEMETS = frozenset({"cs", "da", "de", "hr", "sk", "sl", "sr"})
#: Here a dash at the beginning of a line opens speech; what closes and opens it again inside.
_ONE_SIDED = r"(?<=\s)[—\u2013―](?=[^\s])|(?<=[^\s])[—\u2013―](?=[\s.,;:!?…])"
_AFTER_A_MARK = r"(?<=[,.!?…])\s+[—\u2013―](?=\s)"
_DASHES: dict[str, str | None] = {
    **dict.fromkeys(("es", "gl", "ca", "it"), _ONE_SIDED),
    "pt": rf"{_ONE_SIDED}|(?<=\s)[—\u2013―](?=\s)",
    **dict.fromkeys(("ru", "uk", "be", "bg", "mk", "pl", "ro"), _AFTER_A_MARK),
    **dict.fromkeys(("el", "fr", "sv", "tr", "hu"), None),
}

_PARAGRAPH_END = re.compile(r"\n(?:[^\S\n]*\n)+")
#: A mark that may open or close opens where no word and no sentence has just ended, and right before what it opens.
_OPENS = r"(?<![\w.,!?;:…].)(?=\S)"
#: These begin with what looks like an opening mark: 'tis.
_ELIDED = r"(?!(?:tis|twas|twere|twill|twould|em|cause|til|till|bout|round|neath|n|d|s|ll|ve|re|m|t)\b)"
_SINGLE = {"\u2018": "\u2019", "'": "'"}
#: By the mark that opens: after a mark of the sentence no apostrophe stands; after a letter it may be one.
_SURE_END = {mark: re.compile(rf"(?<=[.,!?;:…—\u2013-]){close}(?!\w)") for mark, close in _SINGLE.items()}
_POSSIBLE_END = {mark: re.compile(rf"(?<=\w){close}(?!\w)") for mark, close in _SINGLE.items()}


@dataclass(frozen=True, kw_only=True)
class Style:
    """The marks that a text uses.

    Parameters:
      opening: Matches what opens a quotation.
      closers: For each opening mark the ones that close it, as a class of characters.
      endings: For each opening mark a pattern that matches what closes it, or the same mark again.
      dash: Whether a dash at the beginning of a line opens speech.
      inserted: Matches a dash that ends speech or lets it go on, in a line that a dash has opened.
    """

    opening: re.Pattern[str]
    closers: dict[str, str]
    endings: dict[str, re.Pattern[str]]
    dash: bool
    inserted: re.Pattern[str] | None


def style(text: str, *, language: str) -> Style:
    """The marks that a text uses, told from the text itself; the language decides where that leaves a doubt.

    Single marks hold speech where they are the usual ones: elsewhere they hold what is quoted within speech, or are
    apostrophes.

    Parameters:
      language: The ISO 639-1 code. Empty: not known.
    """
    closers = {'"': '"', "「": "」", "『": "』"}
    if "„" in text:
        closers["„"] = _LOW_CLOSERS
    elif "“" in text:
        closers["“"] = "”"
    elif "”" in text:
        closers["”"] = "”"
    closers |= _guillemets(text, language)
    doubles = sum(text.count(mark) for mark in closers) - text.count('"') // 2
    for mark in _SINGLE:
        if mark in text and _opened_by(mark, text) > doubles:
            closers[mark] = _SINGLE[mark]
            break
    clear = "".join(mark for mark in closers if mark not in closers[mark] and mark not in _SINGLE)
    either = "".join(mark for mark in closers if mark in closers[mark] and mark not in _SINGLE)
    patterns = [f"[{clear}]", f"[{either}]{_OPENS}"]
    patterns += [mark + _OPENS + _ELIDED + r"(?=\w|[\"“\u2018…—])" for mark in closers if mark in _SINGLE]
    inserted = _DASHES.get(language)
    return Style(
        opening=re.compile("|".join(patterns), re.IGNORECASE),
        closers=closers,
        endings={mark: re.compile(f"[{closers[mark]}{mark}]") for mark in closers},
        dash=language in _DASHES,
        inserted=re.compile(inserted) if inserted else None,
    )


def spoken_words(text: str, start: int = 0, end: int | None = None, *, style: Style) -> int:
    """How many words between two offsets are spoken. No quotation goes on beyond its paragraph: one that nothing
    closes ends there, and one that runs over several paragraphs opens each of them anew, as is the custom.
    """
    end = len(text) if end is None else end
    return sum(
        words.count(text, *span)
        for paragraph in _paragraphs(text, start, end)
        for span in _in_paragraph(text, *paragraph, style)
    )


def _guillemets(text: str, language: str) -> dict[str, str]:
    left, right = text.count("«"), text.count("»")
    if right and not left:
        return {"»": "»"}  # As Finns and Swedes may do.
    if not left:
        return {}
    inward = len(re.findall(r"»(?=\w)", text)) - len(re.findall(r"«(?=\w)", text))
    if inward > 0 or (inward == 0 and language in _INWARD_GUILLEMETS):
        return {"»": "«"}
    return {"«": "»"}


def _opened_by(mark: str, text: str) -> int:
    """How often a single mark opens something that ends like speech."""
    speech = re.compile(
        # It stops at the next mark that opens, so that no part of the text is looked at twice. An atomic group, since
        # Python 3.11 has trouble with a possessive one of alternatives until its fifth patch.
        rf"{mark}{_OPENS}{_ELIDED}(?=\w)(?>(?:[^{mark}{_SINGLE[mark]}\n]|(?<=\w){_SINGLE[mark]}(?=\w)|\n(?!\s*\n))*)"
        rf"(?<=[.,!?…—\u2013-]){_SINGLE[mark]}(?!\w)",
        re.IGNORECASE,
    )
    return sum(1 for _ in speech.finditer(text))


def _paragraphs(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for gap in _PARAGRAPH_END.finditer(text, start, end):
        yield start, gap.start()
        start = gap.end()
    yield start, end


_DASH_LINE = re.compile(r"[^\S\n]*(?:[—\u2013―]|--)(?=\s*\w|\s*[¡¿…«“\"])")
_NEXT_DASH_LINE = re.compile(r"(?<=[.!?…:»”\"])[^\S\n]*\n(?=[^\S\n]*(?:[—\u2013―]|--))")


def _in_paragraph(text: str, start: int, end: int, style: Style) -> Iterator[tuple[int, int]]:
    """The spans of a paragraph that are spoken."""
    if style.dash:
        # A line that a dash opens may follow upon another without an empty line.
        for line_start, line_end in _lines(text, start, end):
            dash = _DASH_LINE.match(text, line_start, line_end)
            if dash is None:
                yield from _quoted(text, line_start, line_end, style)
            else:
                yield from _behind_dash(text, dash.end(), line_end, style)
    else:
        yield from _quoted(text, start, end, style)


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for line_end in _NEXT_DASH_LINE.finditer(text, start, end):
        yield start, line_end.end()
        start = line_end.end()
    yield start, end


def _behind_dash(text: str, start: int, end: int, style: Style) -> Iterator[tuple[int, int]]:
    spoken = True
    # In French a guillemet that was opened lines before ends the whole conversation.
    closing = text.find("»", start, end)
    if closing >= 0 and "«" in style.closers and text.find("«", start, closing) < 0:
        yield from _quoted(text, closing + 1, end, style)
        end = closing
    if style.inserted is not None:
        for dash in style.inserted.finditer(text, start, end):
            if spoken:
                yield start, dash.start()
            spoken = not spoken
            start = dash.end()
    if spoken:
        yield start, end


def _quoted(text: str, start: int, end: int, style: Style) -> Iterator[tuple[int, int]]:
    opening = style.opening.search(text, start, end)
    while opening is not None:
        mark = opening[0]
        if mark in _SINGLE:
            limit = style.opening.search(text, opening.end(), end)
            last = limit.start() if limit else end
            close = _end_of_single(text, opening.end(), last, mark)
            if close is None:
                # Nothing closes it: speech that goes on in the next paragraph, or no mark but an apostrophe.
                close = last if limit is None and _opens_next_paragraph(text, end, mark) else opening.end()
            at = max(close, opening.end())
        else:
            close, at = _end_of_double(text, opening.end(), end, mark, style)
        yield opening.end(), close
        opening = style.opening.search(text, at, end)


def _end_of_double(text: str, start: int, end: int, mark: str, style: Style) -> tuple[int, int]:
    """Where a quotation ends, and where to look on: at the mark that opens the next one, if that is what ends it."""
    closing = style.endings[mark].search(text, start, end)
    if closing is None:
        return end, end
    if closing[0] in style.closers[mark] and not (closing[0] == mark and style.opening.match(text, closing.start())):
        return closing.start(), closing.end()
    return closing.start(), closing.start()


def _end_of_single(text: str, start: int, end: int, mark: str) -> int | None:
    """Where it surely ends; else at the last mark that may be no apostrophe; None if there is neither."""
    ending = _SURE_END[mark].search(text, start, end)
    if ending is not None:
        return ending.start()
    return max((possible.start() for possible in _POSSIBLE_END[mark].finditer(text, start, end)), default=None)


def _opens_next_paragraph(text: str, end: int, mark: str) -> bool:
    gap = _PARAGRAPH_END.match(text, end)
    return gap is not None and text.startswith(mark, gap.end())
