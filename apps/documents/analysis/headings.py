"""Find lines that may begin a chapter, judged by themselves and the lines next to them.

`contents` then removes the lines of a table of contents, and `sequences` chooses the headings that go together.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from apps.documents.analysis import numerals, vocabulary, words
from apps.documents.analysis.scripts import UNSPACED

#: Most lines that are considered. A text with more of them is no book.
MAX_CANDIDATES = 50_000
#: Characters of a line within which its word for a division stands.
MAX_CHARACTERS_OF_WORDS = 60
#: Longest heading, and longest one in several lines, in characters.
MAX_CHARACTERS, MAX_CHARACTERS_OF_LINES = 120, 360
#: Longest heading with text directly below it, in characters. Prose fills its lines.
MAX_CHARACTERS_ABOVE_TEXT = 60
#: Characters above which a line that does not end like a sentence is prose that goes on. Titles are shorter.
PROSE_CHARACTERS = 45
#: Most words of a number that cannot be read: "Fünfundzwanzigstes", "двадцать первая".
MAX_WORDS_OF_NUMBER = 3
#: Most words of a heading that ends like a sentence.
MAX_WORDS_OF_SENTENCE_TITLE = 20

#: Forms of headings. A word that is none of a chapter or a part is a form of its own, as each kind of numeral is.
CHAPTER, PART, NAME, NUMBER = "chapter", "part", "name", "number"
#: Forms of titles without a number.
CAPITALS, APART = "capitals", "apart"
#: Empty lines above a title that stands apart, and characters in which they are looked for.
EMPTY_LINES, MAX_CHARACTERS_OF_GAP = 2, 40
#: Most gaps of as many empty lines for each such title.
MAX_GAPS_A_TITLE = 2

#: A heading's number and name.
Key = tuple[int | None, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Heading:
    """A line that begins a chapter, or may do so.

    Parameters:
      start, end: Offsets of the line, including lines below that belong to it, without the last line end.
      title: The line without marks such as `#`.
      form: Headings of one form may be a sequence.
      number: Number of the chapter. None: it has none, or it cannot be read.
      name: Of a prologue or an epilogue, or a number that cannot be read. Else empty.
      is_bare: Whether it has no title besides its number.
      step: Largest step from the number of the heading before. 0: it is a heading whatever its number.
    """

    start: int
    end: int
    title: str
    form: str
    number: int | None = None
    name: str = ""
    is_bare: bool = False
    step: int = 0

    @property
    def key(self) -> Key:
        """Number and name, which are the same for a chapter's heading and its line in the table of contents."""
        return self.number, self.name


_FORMS = dict.fromkeys(vocabulary.PARTS, PART) | dict.fromkeys(vocabulary.CHAPTERS, CHAPTER)
_DIVISIONS = _FORMS | {word: word for word in vocabulary.OTHER_WORDS}
_ENGLISH = frozenset(vocabulary.LANGUAGES["en"].split())
_NAMED = dict.fromkeys(vocabulary.PROLOGUES, "prologue") | dict.fromkeys(vocabulary.EPILOGUES, "epilogue")
#: First words of all of them, without their full stops.
_FIRST_WORDS = frozenset(word.split()[0].rstrip(".") for word in (*_DIVISIONS, *_NAMED))
#: Marks of Markdown and other emphasis around a heading.
_MARKS, _AFTER_TITLE = "#*_=~[<【 \t\u3000\u200e\u200f\ufeff", " \t*_=~#]>】\u200e\u200f\u3000"
#: Further marks before a number that stands alone.
_MARKS_OF_NUMBERS = _MARKS + "(\uff08\u2013\u2014§-"

_WORD, _TOKEN = re.compile(r"[^\s\d.:,;()]++"), re.compile(r"[^\s\d.:,;()\u2010-]++")
_NUMBER = re.compile(rf"(?:the[^\S\n]{{1,9}})?(?P<number>{numerals.PATTERN})", re.IGNORECASE)
_BARE_NUMBER = re.compile(numerals.PATTERN, re.IGNORECASE)
_NUMBER_BEFORE = re.compile(r"\d{1,4}+(?:[.\u2010-]|[^\S\n])*+(?=\D)")
#: "第三回 ...", "제1장", "1장", also after the name of a part; and "卷三".
_SIGNED = re.compile(
    rf"(?:(?:正文|第[\d{numerals.HAN}]{{1,8}}[{vocabulary.PART_SIGNS}])[^第\n]{{0,20}}+(?=第))?+(?:[第제][^\S\n]*+"
    rf"(?P<number>[\d{numerals.HAN}]{{1,12}}+|[{numerals.HANGUL}]{{1,4}}+)|(?P<digits>\d{{1,4}}+)"
    rf"(?=[^\S\n]?[장화회막편부]))[^\S\n]*+(?P<word>[{vocabulary.SIGNS}{vocabulary.PART_SIGNS}])"
)
_VOLUME = re.compile(rf"(?P<word>[卷回章其]|その)(?P<number>[\d{numerals.HAN}]{{1,12}}+)(?P<digits>)")
#: Any other word with a number and no more, or with a mark after it: "Hoofdstuk 3", "STAVE II.".
_ANY_WORD = re.compile(
    r"(?P<word>[^\W\d_]{3,20}+)[^\S\n]++(?P<number>\d{1,3}+|[IVXLC]{1,8}+)(?![^\W_])(?=[.:\u2013\u2014]|[^\S\n]*+$)"
)
#: Marks between a number and its title.
_SEPARATORS = frozenset(".:)]*_|\u2012\u2013\u2014\u2015-、\uff0e。\uff1a\uff09・")
_GAP = re.compile(r"\n[^\S\n]*+\n[^\S\n]*+\n\s*+")
_VISIBLE, _GAPS = re.compile(r"\S"), re.compile(r"\s++")
_UNSPACED_LETTER = re.compile(rf"[{UNSPACED}]")
_PARAGRAPH_ENDS = tuple(".!?…:\"”\u2019\u2018'»«\u203a\u2039“—\u2013-*#_=)]。\uff01\uff1f」』।؟\u06d4")
_SENTENCE_ENDS = (".", ",", ";", "。", "\uff0c", "、", "\uff1b", "।", "\u06d4", "،")
_PROSE_ENDS = (*_SENTENCE_ENDS, "!", "?", "…", "”", '"', "\u2019", "»", "\uff01", "\uff1f", "」", "』", "؟")
_NUMBER_ENDS = re.compile(r"[.:,\u2012-\u2015(]|[^\S\n][-\u2013][^\S\n]")


class _Line:
    """A line of a text that may be a heading.

    Parameters:
      above: The line above, stripped. Empty: the beginning of the text.
      content: The line without the marks before it.
    """

    def __init__(self, text: str, start: int, whole: str, above: str) -> None:
        self.text, self.start, self.end = text, start, start + len(whole)
        self.whole, self.above = whole, above
        self.content = whole.lstrip(_MARKS)

    @property
    def below(self) -> str:
        """The line below, stripped. Empty: the end of the text."""
        return _line_below(self.text, self.end).strip()


def candidates(text: str) -> list[Heading]:
    """Return the lines that may begin a chapter, in the order of the text; at most `MAX_CANDIDATES`."""
    found = (next(_headings(line), None) for line in _lines(text))
    return list(islice(filter(None, found), MAX_CANDIDATES))


def titles(text: str) -> list[Heading]:
    """Return the lines that stand apart like titles without a number: in capitals, or below two empty lines."""
    found: dict[str, list[Heading]] = {CAPITALS: [], APART: []}
    for line in _lines(text):
        if line.above or line.below or len(line.whole) > MAX_CHARACTERS_ABOVE_TEXT:
            continue
        form = CAPITALS if line.whole.isupper() else APART
        before = text[max(0, line.start - MAX_CHARACTERS_OF_GAP) : line.start]
        gap = before[len(before.rstrip()) :]
        if form == APART and gap.count("\n") <= EMPTY_LINES and len(gap) < line.start:
            continue
        title = shown(line.whole)
        if title[:1].isalnum() and any(map(str.isalpha, title)) and _title_like(title.rstrip(".!?")):
            found[form].append(Heading(start=line.start, end=line.end, title=title, form=form, name=title.casefold()))
            if len(found[form]) >= MAX_CANDIDATES:
                return []
    if next(islice(_GAP.finditer(text), MAX_GAPS_A_TITLE * len(found[APART]), None), None):
        found[APART] = []  # Two empty lines stand above other lines, too: they set nothing apart.
    return max(found.values(), key=len)


def names_a_chapter(line: str) -> bool:
    """Return whether a line is headed by a word for a chapter, a part or the like."""
    return any(not heading.form.startswith(NUMBER) for heading in candidates(line))


def shown(line: str) -> str:
    """Return a line as a title: on one line, without marks."""
    return " ".join(line.strip().lstrip(_MARKS).rstrip(_AFTER_TITLE).split())


def _lines(text: str) -> Iterator[_Line]:
    """Yield the lines that are short enough and have a word."""
    start, above = 0, ""
    while start < len(text):  # A list of all lines would take more memory than the text.
        end = text.find("\n", start)
        whole = text[start : end if end >= 0 else len(text)]
        stripped = whole.strip()
        if stripped and len(whole) <= MAX_CHARACTERS:
            yield _Line(text, start, whole, above)
        start, above = start + len(whole) + 1, stripped


def _headings(line: _Line) -> Iterator[Heading]:
    """Yield what a line may be as a heading, the most certain first."""
    content = line.content
    if not (content[:1].isalnum() or content[:1] == "_"):
        yield from _numbered(line)
        return
    if not _FIRST_WORDS.isdisjoint(_TOKEN.findall(content.lower(), 0, MAX_CHARACTERS_OF_WORDS)):
        yield from _word_first(line)
        yield from _number_first(line)
        for name, rest in _words_at(content, 0, _NAMED):
            yield from _heading(line, NAME, name=_NAMED[name], rest=rest)
    for match in () if content.isascii() else (_SIGNED.match(content), _VOLUME.match(content)):
        if match and (number := numerals.read(match["number"] or match["digits"])):
            yield from _heading(line, match["word"], number=number, rest=content[match.end() :])
    yield from _numbered(line)
    if not line.above and (match := _ANY_WORD.match(content)):
        word, number = match["word"].lower(), numerals.read(match["number"])
        is_word = word not in vocabulary.NO_DIVISIONS and (content[0].isupper() or not word.isascii())
        if number is not None and is_word:
            yield from _heading(line, word, number=number, rest=content[match.end() :])


def _word_first(line: _Line) -> Iterator[Heading]:
    """Yield the heading of a line such as "Chapter 1" or "Глава первая"."""
    for word, rest in _words_at(line.content, 0, _DIVISIONS):
        stripped = rest.lstrip(" \t\u00a0\u3000(\uff08")
        numeral = _NUMBER.match(stripped)
        number = numerals.read(numeral["number"]) if numeral else None
        if numeral and number is not None:
            yield from _heading(line, word, number=number, rest=stripped[numeral.end() :])
        # A letter may be a Roman numeral, or an article: "Kapitulli i parë".
        if (number is None or stripped[1:2].isspace()) and _may_be_unread(word) and rest[:1].isspace():
            end = _NUMBER_ENDS.search(rest)
            name = rest[: end.start() if end else None].strip(_AFTER_TITLE)
            yield from _heading(line, word, name=name, rest=rest[end.start() :] if end else "")


def _number_first(line: _Line) -> Iterator[Heading]:
    """Yield the heading of a line such as "Erstes Kapitel" or "1. fejezet"."""
    content = line.content
    digits = _NUMBER_BEFORE.match(content)
    places = [digits.end()] if digits else []
    places += [gap.end() for gap in islice(_GAPS.finditer(content), MAX_WORDS_OF_NUMBER)]
    for place in dict.fromkeys(places):
        for word, rest in _words_at(content, place, _DIVISIONS):
            name = content[:place].strip(" .\u2010-").removeprefix("The ")
            number = numerals.read(name)
            if number is not None or (_may_be_unread(word) and word not in _ENGLISH):
                yield from _heading(line, word, number=number, name=name, rest=rest)
                return


def _words_at(line: str, at: int, known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the known word, of one to three words, at a place of a line, in lower case, and the rest of the line."""
    end = at
    for _ in range(MAX_WORDS_OF_NUMBER):
        found = _WORD.match(line, end)
        if found is None:
            return
        for stop in (found.end() + line.startswith(".", found.end()), found.end()):
            word = line[at:stop].lower()
            if word in known:
                yield word, line[stop:]
                return
        end = found.end() + line.startswith(" ", found.end())


def _may_be_unread(word: str) -> bool:
    """Return whether a word is a division also where its number is a word that cannot be read."""
    is_long = len(word) > 3 or not word.isascii() or _FORMS.get(word) == CHAPTER
    return is_long and not word.endswith(".") and word not in vocabulary.ENGLISH_OTHERS


def _numbered(line: _Line) -> Iterator[Heading]:
    """Yield the heading of a line that begins with a number."""
    content = line.whole.lstrip(_MARKS_OF_NUMBERS)
    match = None if line.above else _BARE_NUMBER.match(content)
    if match is None:
        return
    told, tail = match[0], content[match.end() :]
    rest = tail.strip(_AFTER_TITLE + ".)\uff09、\uff0e\u2013\u2014-")
    is_numeral = told.isdecimal() or told.isupper() or told[0] in numerals.HAN
    if rest and not (is_numeral and _is_separated(tail) and _title_like(rest.rstrip("!?") or rest, tail)):
        return
    number = numerals.read(told)
    below = line.below
    if number is None or _goes_on(below):
        return
    if below and rest and not rest.isupper() and len(below) < MAX_CHARACTERS_ABOVE_TEXT:
        return
    form = "digit" if told.isdecimal() else "roman" if told.isupper() else "word"
    yield Heading(
        start=line.start,
        end=line.end,
        title=shown(line.whole),
        form=f"{NUMBER} {form}",
        number=number,
        is_bare=not rest,
        # A page number may stand apart as well, but most often in the middle of a sentence.
        step=int(_in_mid_sentence(line.text, line.start, line.end)),
    )


def _heading(line: _Line, word: str, *, number: int | None = None, name: str = "", rest: str) -> Iterator[Heading]:
    """Yield the heading of a line, unless the line is prose.

    Parameters:
      rest: The line after the number or the name.
    """
    whole, end, step = line.whole, line.end, 0
    rest = rest.rstrip(_AFTER_TITLE)
    above, below = line.above, line.below
    is_bare = not words.any_in(rest)
    is_apart = not above and not below
    if not (is_bare or _begins_title(rest, word) or (is_apart and rest.startswith(","))):
        return
    if number is None and word != NAME:
        name = " ".join(name.casefold().split())
        if above or not 1 <= len(name.split()) <= MAX_WORDS_OF_NUMBER or name.endswith(_PROSE_ENDS):
            return
    elif number is not None:
        name = ""
    if above and not ("#" in whole[: -len(line.content)] or _ends_paragraph(above)):
        if number is None or _goes_on(below):
            return
        step = 1
    title = shown(whole)
    if is_bare:
        if below and (subtitle := _subtitle(line.text, end)):
            end += 1 + len(subtitle)
            title, is_bare = f"{title} {shown(subtitle)}", False
        elif below and number is None and word != NAME and (_goes_on(below) or _goes_on(line.content)):
            return
    else:
        if below and (more := _more_lines(line, rest, in_capitals=word.upper() in whole)):
            end += len(more)
            title = f"{title} {shown(more)}"
            rest = more.rstrip()
        elif below and (len(whole) > MAX_CHARACTERS_ABOVE_TEXT or _goes_on(below)):
            return
        if rest.endswith(_SENTENCE_ENDS) and not rest.isupper():
            if number is None or (len(title.split()) > MAX_WORDS_OF_SENTENCE_TITLE and end == line.end):
                return
            step = step or (1 if below and end == line.end else 3)
    form = NAME if word == NAME else _FORMS.get(word, word)
    if len(word) == 1 and not word.isascii():
        form = PART if word in vocabulary.PART_SIGNS else CHAPTER if word in vocabulary.SIGNS else form
    yield Heading(
        start=line.start, end=end, title=title, form=form, number=number, name=name, is_bare=is_bare, step=step
    )


def _begins_title(rest: str, word: str) -> bool:
    """Return whether the text after a number is a title: after a mark, or with a capital or a script without them."""
    if _is_separated(rest):
        return True
    first = rest.lstrip()[:1]
    has_case = first.islower() or first.isupper()
    if not rest[:1].isspace() and not _UNSPACED_LETTER.match(first):
        return False
    if first.isupper() or first in "“\"\u2018'«([「『《\uff08【":
        return True
    return (
        not has_case and first.isalpha() and len(rest) <= MAX_CHARACTERS_ABOVE_TEXT and not rest.endswith(_PROSE_ENDS)
    )


def _is_separated(rest: str) -> bool:
    """Return whether a mark separates the rest of a line, a title, from the number before it."""
    stripped = rest.strip()
    return len(stripped) > 1 and stripped[0] in _SEPARATORS


def _subtitle(text: str, heading_end: int) -> str:
    """Return the line directly below a bare heading if it stands like a title, with an empty line below. Else empty."""
    line = _line_below(text, heading_end)
    stripped = line.strip()
    apart = not _line_below(text, heading_end + 1 + len(line)).strip()
    return line if apart and _title_like(stripped) and not _is_heading(stripped) and words.any_in(stripped) else ""


def title_below(text: str, heading: Heading) -> Heading:
    """Return a bare heading with the line below it, after an empty line, if it stands like a title."""
    visible = _VISIBLE.search(text, heading.end)
    if not heading.is_bare or not visible:
        return heading
    end = visible.start() - 1 - len(_line_start(text, visible.start()))
    line = _subtitle(text, end) if text[end : end + 1] == "\n" else ""
    if not line or _BARE_NUMBER.match(line.lstrip(_MARKS_OF_NUMBERS)):
        return heading
    return Heading(
        start=heading.start, end=end + 1 + len(line), title=f"{heading.title} {shown(line)}", form=heading.form,
        number=heading.number, name=heading.name,
    )  # fmt: skip


def _more_lines(line: _Line, rest: str, *, in_capitals: bool) -> str:
    """Return the lines below in which a heading goes on, with the line end before them. Empty: it does not.

    It ends at an empty line. Its first line is full, or its word is in capitals, as in no sentence.
    """
    is_full = len(line.whole) > PROSE_CHARACTERS and _is_separated(rest) and not rest.endswith(_SENTENCE_ENDS[0])
    more = ""
    for _ in range(3 if is_full else 1):
        following = _line_below(line.text, line.end + len(more))
        if not following.strip():
            break
        if _is_heading(following) or len(line.whole) + len(more) + len(following) > MAX_CHARACTERS_OF_LINES:
            return ""
        more += f"\n{following}"
    ends = not _line_below(line.text, line.end + len(more)).strip()
    return more if ends and (is_full or in_capitals) else ""


def _title_like(line: str, whole: str = ".") -> bool:
    """Return whether a line may be a title. A long one ends without a mark, with all that stood in its line."""
    limit = MAX_CHARACTERS_ABOVE_TEXT if whole.rstrip().endswith(_SENTENCE_ENDS) else MAX_CHARACTERS
    return len(line) <= limit and (line.isupper() or not (line[0].islower() or line.endswith(_PROSE_ENDS)))


def _goes_on(line: str) -> bool:
    """Return whether a line begins with a small letter. Georgian has no others."""
    return line[:1].islower() and line[:1].title() != line[:1]


def _is_heading(line: str) -> bool:
    content = line.lstrip(_MARKS)
    divided = any(_NUMBER.match(rest.lstrip()) for _, rest in _words_at(content, 0, _DIVISIONS))
    return divided or bool(_SIGNED.match(content)) or any(True for _ in _words_at(content, 0, _NAMED))


def _ends_paragraph(line: str) -> bool:
    """Return whether a line may stand directly above a heading. Prose that goes on may not."""
    return line.endswith(_PARAGRAPH_ENDS) or line.isupper() or _is_heading(line)


def _line_start(text: str, at: int) -> str:
    return text[text.rfind("\n", 0, at) + 1 : at]


def _line_above(text: str, start: int) -> str:
    """Return the line above the one that begins at `start`, stripped. Empty: the beginning of the text."""
    return text[text.rfind("\n", 0, max(start - 1, 0)) + 1 : max(start - 1, 0)].strip()


def _line_below(text: str, end: int) -> str:
    line_end = text.find("\n", end + 1)
    return text[end + 1 : line_end if line_end >= 0 else len(text)]


def _in_mid_sentence(text: str, start: int, end: int) -> bool:
    """Return whether the text around a line that stands apart seems to go on across it."""
    following = _VISIBLE.search(text, end)
    above = _text_above(text, start)
    return (following is not None and following[0].islower()) or (
        len(above) > PROSE_CHARACTERS and not above.endswith(_PARAGRAPH_ENDS)
    )


def _text_above(text: str, start: int) -> str:
    """Return the nearest line above that is not blank, stripped. Empty: there is none."""
    while start > 0:
        line = _line_above(text, start)
        if line:
            return line
        start = text.rfind("\n", 0, start - 1) + 1
    return ""
