"""Find lines that may begin a chapter, judged by themselves and the lines next to them.

`contents` then removes the lines of a table of contents, and `chapters` those that make no sequence.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from apps.documents.analysis import numerals, words

#: Most lines of one kind that are considered. A text with more of them is no book.
MAX_CANDIDATES = 20_000
#: Longest heading, in characters.
MAX_CHARACTERS = 120
#: Longest heading with text directly below it, in characters. Prose fills its lines.
MAX_CHARACTERS_ABOVE_TEXT = 60
#: Characters above which a line that does not end like a sentence is prose that goes on. Titles are shorter.
PROSE_CHARACTERS = 45


class Family(StrEnum):
    """Ways to mark chapters. The first family that a text has is the one that counts."""

    CHAPTER = "chapter"  # "Chapter 1", "Prologue"
    NUMBER = "number"  # "1", "IV.", "I. The Period"
    PART = "part"  # "Part One", "Book II"


#: A heading's number and name.
Key = tuple[int | None, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Heading:
    """A line that may begin a chapter.

    Parameters:
      start, end: Offsets of the line, including a subtitle in the line below, without the last line end.
      title: The line without marks such as `#`.
      number: Number of the chapter. None: a prologue or an epilogue.
      name: `prologue` or `epilogue`, else empty.
      ends_like_a_sentence: Whether it is prose unless its number follows the one before.
    """

    start: int
    end: int
    title: str
    family: Family
    number: int | None = None
    name: str = ""
    ends_like_a_sentence: bool = False

    @property
    def key(self) -> Key:
        """Number and name, which are the same for a chapter's heading and its line in the table of contents."""
        return self.number, self.name


_CHAPTER_WORDS = r"chapter|chap\.|kapitel|chapitre|cap[ií]tulo|capitolo|hoofdstuk"
_PART_WORDS = r"part|book|volume|vol\.|teil|buch|band|partie|livre|tome"
_SPECIAL_NAMES = {
    "prologue": "prologue",
    "prolog": "prologue",
    "epilogue": "epilogue",
    "epilog": "epilogue",
    "épilogue": "epilogue",
}
#: Markdown's marks and other emphasis around a heading. Possessive, so that no line takes long.
_BEFORE = r"^(?P<marks>(?:[^\S\n]++|[#*_=~\[]++)*+)(?=\w)"
_AFTER_TITLE = " \t*_=~#]"

_NUMBER = rf"(?P<number>{numerals.PATTERN})"
_FLAGS = re.IGNORECASE | re.MULTILINE

#: "Chapter 1 ...", "Chapter the First ...", "Erstes Kapitel ...", "1. Kapitel ...", "Part One ...".
_NUMBERED = re.compile(
    rf"{_BEFORE}(?:(?P<word>{_CHAPTER_WORDS}|(?P<part>{_PART_WORDS}))[^\S\n]+(?:the[^\S\n]+)?{_NUMBER}"
    rf"|(?P<number_first>{numerals.PATTERN})\.?[^\S\n]+(?:kapitel|chapitre|chapter)(?![^\W_]))"
    r"(?P<rest>[^\n]*)$",
    _FLAGS,
)
_SPECIAL = re.compile(rf"{_BEFORE}(?P<word>{'|'.join(_SPECIAL_NAMES)})(?![^\W_])(?P<rest>[^\n]*)$", _FLAGS)
_NUMBER_FIRST = re.compile(rf"{_BEFORE}{_NUMBER}(?P<rest>[^\n]*)$", _FLAGS)

#: Marks between a number and its title.
_SEPARATORS = frozenset(".:)]*_\u2012\u2013\u2014\u2015-")
#: First character of a title that only a space separates.
_TITLE_START = re.compile(r"[^\Wa-zß-öø-ÿ_]|[“\"\u2018'«(\[]")
_LAST_NUMBER = re.compile(r"(?:(?<!\d)\d++|(?<![ivxlc])[ivxlc]++)[^\S\n]*+$", re.IGNORECASE)
#: Fewest spaces that are a gap.
_GAP = 3
_VISIBLE = re.compile(r"\S")
_PARAGRAPH_ENDS = tuple(".!?…:\"”\u2019'»“—-*#_=)]")
_SENTENCE_ENDS = (".", ",", ";")
_PROSE_ENDS = (*_SENTENCE_ENDS, "!", "?", "…", "”", '"', "\u2019", "»")


def candidates(text: str) -> list[Heading]:
    """Return the lines that may begin a chapter, in the order of the text; at most `MAX_CANDIDATES` of each kind."""
    kinds = (_numbered(text), _special(text), _numbers(text))
    found = (heading for kind in kinds for heading in islice(kind, MAX_CANDIDATES))
    return sorted(found, key=lambda heading: heading.start)


def _numbered(text: str) -> Iterator[Heading]:
    for match in _NUMBERED.finditer(text):
        number = numerals.read(match["number"] or match["number_first"])
        if number is None:
            continue
        family = Family.PART if match["part"] else Family.CHAPTER
        heading = _heading(text, match, family=family, number=number)
        if heading is not None:
            yield heading


def _special(text: str) -> Iterator[Heading]:
    for match in _SPECIAL.finditer(text):
        heading = _heading(text, match, family=Family.CHAPTER, name=_SPECIAL_NAMES[match["word"].lower()])
        if heading is not None:
            yield heading


def _numbers(text: str) -> Iterator[Heading]:
    for match in _NUMBER_FIRST.finditer(text):
        rest = match["rest"].strip(_AFTER_TITLE + ".")
        is_numeral = match["number"].isdecimal() or match["number"].isupper()
        if rest and not (is_numeral and _is_separated(match["rest"]) and _title_like(rest)):
            continue
        number = numerals.read(match["number"])
        stands_apart = _line_above(text, match.start()) == "" and _line_below(text, match.end()) == ""
        # A page number may stand apart as well, but most often in the middle of a sentence.
        if number is not None and stands_apart and not _in_mid_sentence(text, match.start(), match.end()):
            yield Heading(
                start=match.start(), end=match.end(), title=_shown(match[0]), family=Family.NUMBER, number=number
            )


def _heading(
    text: str, match: re.Match[str], *, family: Family, number: int | None = None, name: str = ""
) -> Heading | None:
    line, rest = match[0], match["rest"].rstrip(_AFTER_TITLE)
    if len(line) > MAX_CHARACTERS or _ends_with_page(rest):
        return None
    above, below = _line_above(text, match.start()), _line_below(text, match.end())
    if above and not ("#" in match["marks"] or _ends_paragraph(above)):
        return None
    bare = not rest.strip(" \t.:\u2012\u2013\u2014\u2015-)")
    ends_like_a_sentence = False
    end = match.end()
    title = _shown(line)
    if bare:
        subtitle = _subtitle(text, end) if below else ""
        if subtitle:
            end += 1 + len(subtitle)
            title = f"{title} {_shown(subtitle)}"
    else:
        if not (_is_separated(rest) or (rest[0].isspace() and _TITLE_START.match(rest.lstrip()))):
            return None
        if below and _second_line(text, match):
            end += 1 + len(_raw_line_below(text, end))
            title = f"{title} {_shown(below)}"
            rest = below
        elif below and (len(line) > MAX_CHARACTERS_ABOVE_TEXT or below[0].islower() or rest.endswith(_SENTENCE_ENDS)):
            return None
        ends_like_a_sentence = rest.endswith(_SENTENCE_ENDS) and not rest.isupper()
    return Heading(
        start=match.start(),
        end=end,
        title=title,
        family=family,
        number=number,
        name=name,
        ends_like_a_sentence=ends_like_a_sentence,
    )


def _is_separated(rest: str) -> bool:
    """Return whether a mark separates the rest of a line, a title, from the number before it."""
    shown = rest.strip()
    return len(shown) > 1 and shown[0] in _SEPARATORS


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
    shown = line.strip()
    apart = _line_below(text, heading_end + 1 + len(line)) == ""
    return line if apart and _title_like(shown) and not _is_heading(shown) and words.any_in(shown) else ""


def _second_line(text: str, match: re.Match[str]) -> bool:
    """Return whether a heading goes on in the line below and ends there. Its word is in capitals, as in no sentence."""
    line = _raw_line_below(text, match.end())
    in_capitals = (match["word"] or "").isupper()
    return in_capitals and not _is_heading(line) and _line_below(text, match.end() + 1 + len(line)) == ""


def _title_like(line: str) -> bool:
    return len(line) <= MAX_CHARACTERS_ABOVE_TEXT and (
        line.isupper() or not (line[0].islower() or line.endswith(_PROSE_ENDS))
    )


def _is_heading(line: str) -> bool:
    return bool(_NUMBERED.match(line) or _SPECIAL.match(line))


def _ends_paragraph(line: str) -> bool:
    """Return whether a line may stand directly above a heading. Prose that goes on may not."""
    return line.endswith(_PARAGRAPH_ENDS) or line.isupper() or _is_heading(line)


def _shown(line: str) -> str:
    return " ".join(line.strip().lstrip("#*_=~[ \t").rstrip(_AFTER_TITLE).split())


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
