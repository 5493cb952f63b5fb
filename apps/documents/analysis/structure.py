"""Headings that a file states.

Readers mark them in the text, so that a text is one string on its way between processes.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest

from apps.documents.analysis import headings, vocabulary, words
from apps.documents.analysis.headings import Heading

#: Begins a line that marks the paragraph below it. Unicode reserves this character for use within a program.
MARK = "\ufdd0"
#: Level of the heading of a part that is no chapter, such as a licence.
AROUND = 9
#: Most words between a part's heading and its first chapter, and between a chapter's and its first section.
FEW_WORDS, OWN_WORDS = 12, 100
#: Longest label and longest heading, in characters.
MAX_CHARACTERS = 300
#: Least share of the text under the headings of a level that has chapters below them.
SHARE_OF_PARTS = 0.4

_CHAPTERS = frozenset((headings.CHAPTER, headings.NAME, *vocabulary.OTHER_WORDS))
_MARK_LINE = re.compile(rf"^{MARK}(?P<level>\d)(?P<label>[^\n]{{0,{MAX_CHARACTERS}}})\n", re.MULTILINE)
#: A heading of Markdown, which writers also use in plain text.
_MARKDOWN = re.compile(r"^(?P<signs>#{1,6})[^\S\n]++(?P<title>[^#\s][^\n]*)$", re.MULTILINE)
#: Number of a section of a chapter: "1.1 Where".
_SECTION = re.compile(r"\A\W*+\d++[.\u2010-\u2013]\d")
_PARAGRAPH_END = re.compile(r"\n[^\S\n]*+\n|\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stated:
    """A heading that a file states.

    Parameters:
      start, end: Offsets of its paragraph. They are equal if the file names the place and has no heading there.
      level: 0 is the title of the book, 1 the highest heading. `AROUND`: it is no chapter.
    """

    start: int
    end: int
    level: int
    title: str


def mark(level: int, label: str = "") -> str:
    """Return the mark of the paragraph that follows.

    Parameters:
      level: 0 to 8, or `AROUND`.
      label: Its name in a table of contents.
    """
    return f"{MARK}{min(level, AROUND)}{' '.join(label.split())[:MAX_CHARACTERS]}\n"


class Text(str):
    """A text with the headings that its file states.

    Parameters:
      stated: In order, by their offsets. Without any they are those of Markdown, which writers use in plain text, too.
      has_marks: Whether the text came with marks.
    """

    stated: Sequence[Stated]
    has_marks: bool

    @classmethod
    def of(cls, marked: str) -> "Text":
        if isinstance(marked, Text):
            return marked
        text, stated = _unmarked(marked)
        made = cls(text)
        made.stated, made.has_marks = stated, MARK in marked
        return made

    @property
    def marked(self) -> str:
        """The text with the marks of its headings. A copy is not kept: a long text takes much memory."""
        starts = [heading.start for heading in self.stated] if self.has_marks else []
        pieces = [self[start:end] for start, end in pairwise([0, *starts, len(self)])]
        marks = ["", *(mark(heading.level, heading.title) for heading in self.stated)]
        return "".join(f"{told}{piece}" for told, piece in zip(marks, pieces, strict=False))


def marked(text: str) -> str:
    """Return a text with the marks of its headings."""
    return text.marked if isinstance(text, Text) else text


def _unmarked(text: str) -> tuple[str, list[Stated]]:
    pieces: list[str] = []
    places: list[tuple[int, int, str]] = []
    done = size = 0
    for match in _MARK_LINE.finditer(text):
        pieces.append(text[done : match.start()])
        size += match.start() - done
        done = match.end()
        places.append((size, int(match["level"]), match["label"]))
    text = "".join((*pieces, text[done:])).replace(MARK, "")
    if not places:
        return text, [
            Stated(start=match.start(), end=match.end(), level=len(match["signs"]), title=headings.shown(match[0]))
            for match in _MARKDOWN.finditer(text)
        ]
    return text, [stated for start, level, label in places if (stated := _stated(text, start, level, label))]


def _stated(text: str, start: int, level: int, label: str) -> Stated | None:
    found = _PARAGRAPH_END.search(text, start, start + 2 * MAX_CHARACTERS)
    end = found.start() if found else start + 2 * MAX_CHARACTERS
    paragraph = text[start:end]
    if label and not _all_words(paragraph) <= _all_words(label):
        end, title = start, label
    else:
        title = label or headings.shown(paragraph)
    if len(title) > MAX_CHARACTERS or not words.any_in(title):
        return None
    level = AROUND if vocabulary.is_around(title) else level
    return Stated(start=start, end=end, level=level, title=title)


def is_longer(label: str, heading: str) -> bool:
    """Return whether a label has all words of a heading and others."""
    return _all_words(heading) < _all_words(label)


def _all_words(text: str) -> set[str]:
    return {word.casefold() for word in words.WORD.findall(text)}


def chosen(text: str, stated: Sequence[Stated]) -> tuple[list[Heading], list[Stated], list[int]]:
    """Return the headings of the chapters, those of parts, and the places at which the chapter before them ends.

    The chapters are the deepest headings down to the level that has them: the highest that occurs more than once, and
    whose headings are not those of parts. Headings of a title page begin no chapter.
    """
    ends = [heading.start for heading in stated if heading.level == AROUND]
    inside = _merged(text, [heading for heading in stated if heading.level != AROUND])
    levels = sorted({heading.level for heading in inside})
    cut = levels[0] if levels else 0
    for level, deeper in pairwise(levels):
        if not _has_parts(text, inside, level):
            break
        cut = deeper
    kept = [heading for heading in inside if heading.level <= cut]
    found: list[Heading] = []
    parts: list[Stated] = []
    for index, heading in enumerate(kept):
        after = kept[index + 1] if index + 1 < len(kept) else None
        if after and after.level > heading.level:
            is_title = sum(other.level == heading.level for other in kept) == 1
            if is_title or words.at_most(OWN_WORDS, text, heading.end, after.start):
                parts.extend([heading][is_title:])
                continue
        found.append(
            Heading(
                start=heading.start,
                end=heading.end,
                title=heading.title,
                form=headings.CHAPTER,
                name=heading.title.casefold(),
            )
        )
    return found[_title_pages(text, found, ends) :], parts, ends


def _title_pages(text: str, found: Sequence[Heading], ends: Sequence[int]) -> int:
    """Return the number of headings before the first that names a chapter or has text below it. 0: none has."""
    stops = sorted({*(heading.start for heading in found), *ends, len(text)})
    for index, heading in enumerate(found):
        end = stops[bisect_right(stops, heading.start)] if heading.start < len(text) else len(text)
        if names_a_chapter(heading.title) or not words.at_most(FEW_WORDS, text, heading.end, end):
            return index
    return 0


def _has_parts(text: str, inside: Sequence[Stated], level: int) -> bool:
    """Return whether the headings of a level are those of parts, with the chapters below them."""
    own = [index for index, heading in enumerate(inside) if heading.level <= level]
    spans = [
        (inside[index], inside[index + 1 : after])
        for index, after in zip(own, [*own[1:], len(inside)], strict=True)
        if inside[index].level == level
    ]
    if len(spans) == 1:
        return True
    parents = [(heading, below) for heading, below in spans if below]
    if any(found.form == headings.PART for heading, _ in parents for found in headings.candidates(heading.title)):
        return True
    bare = [heading for heading, below in parents if words.at_most(FEW_WORDS, text, heading.end, below[0].start)]
    if not parents or 2 * len(bare) < len(parents):
        return False
    if _count_on([[_number(heading) for heading in below] for _, below in parents]):
        return True
    sections = sum(bool(_SECTION.match(heading.title)) for _, below in parents for heading in below)
    named = sum(names_a_chapter(heading.title) for heading, _ in parents)
    if named * 2 > len(parents) or sections * 2 > len(inside) - len(own):
        return False
    ends = [*(inside[index].start for index in own[1:]), len(text)]
    covered = sum(
        end - inside[index].start
        for index, end in zip(own, ends, strict=True)
        if inside[index].level == level and index + 1 < len(inside) and inside[index + 1].level > level
    )
    return covered >= SHARE_OF_PARTS * (len(text) - inside[0].start)


def _count_on(numbers: Sequence[Sequence[int | None]]) -> bool:
    """Return whether numbers go on counting from each group to the next, as those of chapters do across parts."""
    known = [[number for number in group if number] for group in numbers]
    pairs = [(before[-1], group[0]) for before, group in pairwise(known) if before and group]
    return bool(pairs) and all(first == last + 1 for last, first in pairs)


def _number(stated: Stated) -> int | None:
    """Return the number of a chapter's heading. None: it has none, or is a section such as "1.1"."""
    if _SECTION.match(stated.title):
        return None
    return next((heading.number for heading in headings.candidates(stated.title)), None)


def _is_number(stated: Stated) -> bool:
    found = headings.candidates(stated.title)
    return any(heading.is_bare and heading.number and heading.form != headings.PART for heading in found)


def names_a_chapter(title: str) -> bool:
    """Return whether a title is that of a chapter by its word or its number."""
    return any(
        heading.form in _CHAPTERS or heading.form.startswith(headings.NUMBER) for heading in headings.candidates(title)
    )


def _merged(text: str, stated: Sequence[Stated]) -> list[Stated]:
    """Return the headings without those that stand twice. "Chapter I" and "The Storm" below it are one."""
    merged: list[Stated] = []
    for heading, after in zip_longest(stated, stated[1:]):
        last = merged[-1] if merged else None
        is_alone = last is None or heading.level == last.level or after is None or after.level < heading.level
        if not last or text[last.end : heading.start].strip():
            merged.append(heading)
        elif heading.title.casefold() == last.title.casefold():
            merged[-1] = heading
        elif is_alone and heading.level >= last.level > 0 and _is_number(last) and not _is_number(heading):
            title = f"{last.title} {heading.title}"
            merged[-1] = Stated(start=last.start, end=heading.end, level=last.level, title=title)
        else:
            merged.append(heading)
    return merged
