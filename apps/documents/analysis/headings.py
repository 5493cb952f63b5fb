"""Find lines that may begin a chapter, judged by themselves and the lines next to them.

`contents` then removes the lines of a table of contents, and `sequences` chooses the headings that go together.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from apps.documents.analysis import numerals, vocabulary, words
from apps.documents.analysis.scripts import UNSPACED

#: Most lines of one kind that are considered. A text with more of them is no book.
MAX_CANDIDATES = 20_000
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
#: Markdown's marks and other emphasis around a heading. Possessive, so that no line takes long.
_BEFORE = r"^(?P<marks>(?:[^\S\n]++|[#*_=~\[\u200e\u200f\ufeff]++)*+)(?=\w)"
_AFTER_TITLE = " \t*_=~#]\u200e\u200f\u3000"
_FLAGS = re.IGNORECASE | re.MULTILINE
_REST = r"(?P<rest>[^\n]*)$"

#: A line that is short enough.
_LINE = re.compile(rf"{_BEFORE}(?P<line>[^\n]{{1,{MAX_CHARACTERS}}}+)$", re.MULTILINE)
_WORD = re.compile(r"[^\s\d.:,;()]++")
_NUMBER = re.compile(rf"\A(?:the[^\S\n]{{1,9}})?(?P<number>{numerals.PATTERN})", re.IGNORECASE)
_NUMBER_BEFORE = re.compile(r"(?P<number>\d{1,4}+)(?:[.\u2010-]|[^\S\n])*+(?=\D)")
#: "第三回 ...", "제1장", "1장".
_SIGNED = re.compile(
    rf"{_BEFORE}(?:[第제][^\S\n]*+(?P<number>[\d{numerals.HAN}]{{1,12}}+|[{numerals.HANGUL}]{{1,4}}+)|(?P<digits>\d{{1,4}}+)"
    rf"(?=[^\S\n]?[장화회막편부]))[^\S\n]*+(?P<word>[{vocabulary.SIGNS}{vocabulary.PART_SIGNS}]){_REST}",
    _FLAGS,
)
_VOLUME = re.compile(rf"{_BEFORE}(?P<word>[卷回章])(?P<number>[\d{numerals.HAN}]{{1,12}}+){_REST}", _FLAGS)
_NUMBERS = re.compile(
    rf"^(?P<marks>(?:[^\S\n]++|[#*_=~\[(\uff08\u2013\u2014-]++)*+)(?=\w)(?P<number>{numerals.PATTERN}){_REST}", _FLAGS
)
#: Any other word with a number and no more, or with a mark after it: "Hoofdstuk 3", "STAVE II.".
_ANY_WORD = re.compile(
    rf"{_BEFORE}(?P<word>[^\W\d_]{{3,20}}+)[^\S\n]++(?P<number>\d{{1,3}}+|[IVXLC]{{1,8}}+)(?![^\W_])"
    r"(?P<rest>[.:\u2013\u2014][^\n]*|[^\S\n]*)$",
    re.MULTILINE,
)
#: Words before a number that is none of a chapter.
_NO_DIVISIONS = frozenset(vocabulary.NO_DIVISIONS.split())

#: Marks between a number and its title.
_SEPARATORS = frozenset(".:)]*_\u2012\u2013\u2014\u2015-、\uff0e。\uff1a\uff09・")
_LAST_NUMBER = re.compile(r"(?:(?<!\d)\d++|(?<![ivxlc])[ivxlc]++)[^\S\n]*+$", re.IGNORECASE)
#: Fewest spaces that are a gap.
_GAP = 3
_VISIBLE = re.compile(r"\S")
_UNSPACED_LETTER = re.compile(rf"[{UNSPACED}]")
_PARAGRAPH_ENDS = tuple(".!?…:\"”\u2019'»“—-*#_=)]。\uff01\uff1f」』।؟\u06d4")
_SENTENCE_ENDS = (".", ",", ";", "。", "\uff0c", "、", "\uff1b", "।", "\u06d4", "،")
_PROSE_ENDS = (*_SENTENCE_ENDS, "!", "?", "…", "”", '"', "\u2019", "»", "\uff01", "\uff1f", "」", "』", "؟")
_NUMBER_ENDS = re.compile(r"[.:\u2012-\u2015(]|[^\S\n][-\u2013][^\S\n]")


def candidates(text: str) -> list[Heading]:
    """Return the lines that may begin a chapter, in the order of the text; at most `MAX_CANDIDATES` of each kind."""
    kinds = (_worded(text), _numbered(text), _any_word(text))
    found: dict[int, Heading] = {}
    for kind in kinds:
        for heading in islice(kind, MAX_CANDIDATES):
            found.setdefault(heading.start, heading)
    return [found[start] for start in sorted(found)]


def names_a_chapter(line: str) -> bool:
    """Return whether a line is headed by a word for a chapter, a part or the like."""
    return any(not heading.form.startswith(NUMBER) for heading in candidates(line))


def shown(line: str) -> str:
    """Return a line as a title: on one line, without marks."""
    return " ".join(line.strip().lstrip("#*_=~[ \t\u200e\u200f\ufeff").rstrip(_AFTER_TITLE).split())


def _worded(text: str) -> Iterator[Heading]:
    for match in _LINE.finditer(text):
        line = match["line"]
        for word, rest in _words_at(line, 0, _DIVISIONS):
            stripped = rest.lstrip()
            if numeral := _NUMBER.match(stripped):
                if (number := numerals.read(numeral["number"])) is not None:
                    yield from _heading(text, match, word, number=number, rest=stripped[numeral.end() :])
            elif _may_be_unread(word) and rest[:1].isspace():
                end = _NUMBER_ENDS.search(rest)
                name = rest[: end.start() if end else None].strip(_AFTER_TITLE)
                yield from _heading(text, match, word, name=name, rest=rest[end.start() :] if end else "")
        yield from _number_first(text, match, line)
        for name, rest in _words_at(line, 0, _NAMED):
            yield from _heading(text, match, NAME, name=_NAMED[name], rest=rest)
    for pattern in (_SIGNED, _VOLUME):
        for match in pattern.finditer(text):
            if number := numerals.read(match["number"] or match["digits"]):
                yield from _heading(text, match, match["word"], number=number, rest=match["rest"])


def _number_first(text: str, match: re.Match[str], line: str) -> Iterator[Heading]:
    """Yield the heading of a line such as "Erstes Kapitel" or "1. fejezet"."""
    digits = _NUMBER_BEFORE.match(line)
    places = [digits.end()] if digits else []
    at = 0
    for token in line.split(None, MAX_WORDS_OF_NUMBER)[:MAX_WORDS_OF_NUMBER]:
        at = line.index(token, at) + len(token)
        places.append(at + len(line[at:]) - len(line[at:].lstrip()))
    for place in dict.fromkeys(places):
        for word, rest in _words_at(line, place, _FORMS):
            name = digits["number"] if digits and place == digits.end() else line[:place].strip(" .\u2010-")
            number = numerals.read(name)
            if number is not None or (_may_be_unread(word) and word not in _ENGLISH):
                yield from _heading(text, match, word, number=number, name=name, rest=rest)
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
    return word in _FORMS and (len(word) > 3 or not word.isascii())


def _any_word(text: str) -> Iterator[Heading]:
    for match in _ANY_WORD.finditer(text):
        word = match["word"].lower()
        number = numerals.read(match["number"])
        apart = _line_above(text, match.start()) == "" and (match["word"][0].isupper() or not match["word"].isascii())
        if number is not None and apart and word not in _NO_DIVISIONS:
            yield from _heading(text, match, word, number=number, rest=match["rest"])


def _numbered(text: str) -> Iterator[Heading]:
    for match in _NUMBERS.finditer(text):
        rest = match["rest"].strip(_AFTER_TITLE + ".)\uff09、\uff0e\u2013\u2014-")
        told = match["number"]
        is_numeral = told.isdecimal() or told.isupper() or told[0] in numerals.HAN
        if rest and not (is_numeral and _is_separated(match["rest"]) and _title_like(rest, match["rest"])):
            continue
        number = numerals.read(told)
        below = _line_below(text, match.end())
        if number is None or _line_above(text, match.start()) or (below and (rest or below[0].islower())):
            continue
        form = "digit" if told.isdecimal() else "roman" if told.isupper() else "word"
        yield Heading(
            start=match.start(),
            end=match.end(),
            title=shown(match[0]),
            form=f"{NUMBER} {form}",
            number=number,
            is_bare=not rest,
            # A page number may stand apart as well, but most often in the middle of a sentence.
            step=int(_in_mid_sentence(text, match.start(), match.end())),
        )


def _heading(
    text: str, match: re.Match[str], word: str, *, number: int | None = None, name: str = "", rest: str
) -> Iterator[Heading]:
    """Yield the heading of a line, unless the line is prose.

    Parameters:
      rest: The line after the number or the name.
    """
    line, end, step = match[0], match.end(), 0
    rest = rest.rstrip(_AFTER_TITLE)
    above, below = _line_above(text, match.start()), _line_below(text, end)
    is_bare = not words.any_in(rest)
    if len(line) > MAX_CHARACTERS or _ends_with_page(rest) or not (is_bare or _begins_title(rest, word)):
        return
    if number is None and word != NAME:
        name = " ".join(name.casefold().split())
        if above or not 1 <= len(name.split()) <= MAX_WORDS_OF_NUMBER or name.endswith(_PROSE_ENDS):
            return
    elif number is not None:
        name = ""
    if above and not ("#" in match["marks"] or _ends_paragraph(above)):
        if number is None or below[:1].islower():
            return
        step = 1
    title = shown(line)
    if is_bare:
        if below and (subtitle := _subtitle(text, end)):
            end += 1 + len(subtitle)
            title, is_bare = f"{title} {shown(subtitle)}", False
        elif below and number is None and word != NAME:
            return
    else:
        if below and (more := _more_lines(text, match, rest, in_capitals=word.upper() in line)):
            end += len(more)
            title = f"{title} {shown(more)}"
            rest = more.rstrip()
        elif below and (len(line) > MAX_CHARACTERS_ABOVE_TEXT or below[0].islower() or number is None):
            return
        if rest.endswith(_SENTENCE_ENDS) and not rest.isupper():
            if number is None or (len(title.split()) > MAX_WORDS_OF_SENTENCE_TITLE and end == match.end()):
                return
            step = step or (1 if below and end == match.end() else 3)
    form = NAME if word == NAME else _FORMS.get(word, word)
    if len(word) == 1 and not word.isascii():
        form = PART if word in vocabulary.PART_SIGNS else CHAPTER if word in vocabulary.SIGNS else form
    yield Heading(
        start=match.start(), end=end, title=title, form=form, number=number, name=name, is_bare=is_bare, step=step
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


def _ends_with_page(rest: str) -> bool:
    """Return whether a line ends like one of a table of contents: "Chapter 1 ........ 5", or a number after a gap."""
    number = _LAST_NUMBER.search(rest)
    if number is None:
        return False
    before = rest[: number.start()]
    gap = before[len(before.rstrip()) :]
    return len(gap) >= _GAP or "\t" in gap or "".join(before.split()).endswith(("...", "…"))


def _subtitle(text: str, heading_end: int) -> str:
    """Return the line directly below a bare heading if it stands like a title, with an empty line below. Else empty."""
    line = _raw_line_below(text, heading_end)
    stripped = line.strip()
    apart = _line_below(text, heading_end + 1 + len(line)) == ""
    return line if apart and _title_like(stripped) and not _is_heading(stripped) and words.any_in(stripped) else ""


def title_below(text: str, heading: Heading) -> Heading:
    """Return a bare heading with the line below it, after an empty line, if it stands like a title."""
    visible = _VISIBLE.search(text, heading.end)
    if not heading.is_bare or not visible:
        return heading
    end = visible.start() - 1 - len(_line_start(text, visible.start()))
    line = _subtitle(text, end) if text[end : end + 1] == "\n" else ""
    if not line or _NUMBERS.match(line):
        return heading
    return Heading(
        start=heading.start, end=end + 1 + len(line), title=f"{heading.title} {shown(line)}", form=heading.form,
        number=heading.number, name=heading.name,
    )  # fmt: skip


def _more_lines(text: str, match: re.Match[str], rest: str, *, in_capitals: bool) -> str:
    """Return the lines below in which a heading goes on, with the line end before them. Empty: it does not.

    It ends at an empty line. Its first line is full, or its word is in capitals, as in no sentence.
    """
    is_full = len(match[0]) > PROSE_CHARACTERS and _is_separated(rest) and not rest.endswith(_SENTENCE_ENDS[0])
    more = ""
    for _ in range(3 if is_full else 1):
        line = _raw_line_below(text, match.end() + len(more))
        if not line.strip():
            break
        if _is_heading(line) or len(match[0]) + len(more) + len(line) > MAX_CHARACTERS_OF_LINES:
            return ""
        more += f"\n{line}"
    ends = not _line_below(text, match.end() + len(more))
    return more if ends and (is_full or in_capitals) else ""


def _title_like(line: str, whole: str = ".") -> bool:
    """Return whether a line may be a title. A long one ends without a mark, with all that stood in its line."""
    limit = MAX_CHARACTERS_ABOVE_TEXT if whole.rstrip().endswith(_SENTENCE_ENDS) else MAX_CHARACTERS
    return len(line) <= limit and (line.isupper() or not (line[0].islower() or line.endswith(_PROSE_ENDS)))


def _is_heading(line: str) -> bool:
    match = _LINE.match(line)
    if match is None:
        return False
    divided = any(_NUMBER.match(rest.lstrip()) for _, rest in _words_at(match["line"], 0, _DIVISIONS))
    return divided or bool(_SIGNED.match(line)) or any(True for _ in _words_at(match["line"], 0, _NAMED))


def _ends_paragraph(line: str) -> bool:
    """Return whether a line may stand directly above a heading. Prose that goes on may not."""
    return line.endswith(_PARAGRAPH_ENDS) or line.isupper() or _is_heading(line)


def _line_start(text: str, at: int) -> str:
    return text[text.rfind("\n", 0, at) + 1 : at]


def _line_above(text: str, start: int) -> str:
    """Return the line above the one that begins at `start`, stripped. Empty: the beginning of the text."""
    return text[text.rfind("\n", 0, max(start - 1, 0)) + 1 : max(start - 1, 0)].strip()


def _raw_line_below(text: str, end: int) -> str:
    line_end = text.find("\n", end + 1)
    return text[end + 1 : line_end if line_end >= 0 else len(text)]


def _line_below(text: str, end: int) -> str:
    """Return the line below the one that ends at `end`, stripped. Empty: the end of the text."""
    return _raw_line_below(text, end).strip()


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
