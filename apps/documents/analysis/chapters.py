"""Find the chapters of a text."""

from collections.abc import Sequence
from dataclasses import dataclass

from apps.documents.analysis import contents, headings
from apps.documents.analysis.headings import Family, Heading

#: Most words of a heading that ends like a sentence.
MAX_WORDS_OF_SENTENCE_TITLE = 20
#: Largest step from the number of the heading before it, since headings between may not be recognised.
MAX_NUMBERS_MISSED = 3
#: Most lines such as "Book Two" and "Part One" above a chapter's heading that belong to it.
MAX_PART_LINES = 3


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A chapter as offsets into the text.

    Parameters:
      start: Start of its heading, including the lines above that begin a part.
      body_start: End of its heading.
      end: Start of the next chapter, or end of the text.
      title: Its heading. Empty: the text has no headings.
    """

    start: int
    body_start: int
    end: int
    title: str


def find(text: str) -> list[Chapter]:
    """Return the chapters of a text, in order, at least one.

    They follow each other without a gap to the end of the text. The text before the first heading (a title, a
    dedication, a table of contents) is front matter and belongs to no chapter. A text without headings is one chapter
    without a title.
    """
    candidates = headings.candidates(text)
    parts = [heading for heading in candidates if heading.family is Family.PART]
    chosen = _chosen(text, candidates)
    if not chosen:
        return [Chapter(start=0, body_start=0, end=len(text), title="")]
    starts = _starts(text, chosen, parts)
    ends = [*starts[1:], len(text)]
    return [
        Chapter(start=start, body_start=heading.end, end=end, title=heading.title)
        for heading, start, end in zip(chosen, starts, ends, strict=True)
    ]


def _chosen(text: str, candidates: Sequence[Heading]) -> list[Heading]:
    """Return the headings of the first family that has any. A prologue and an epilogue belong to every family."""
    for family in Family:
        numbered = [heading for heading in candidates if heading.family is family or heading.name]
        found = _in_sequence(contents.without(text, _no_prose(numbered)), strictly=family is Family.NUMBER)
        if any(heading.number is not None for heading in found):
            return found
    return contents.without(text, [heading for heading in candidates if heading.name])


def _no_prose(found: Sequence[Heading]) -> list[Heading]:
    """Remove headings that end like a sentence, unless they are short and their number is 1 or one of the next."""
    kept: list[Heading] = []
    number = 0
    for heading in found:
        if heading.ends_like_a_sentence and (
            heading.number is None
            or not (heading.number == 1 or number < heading.number <= number + MAX_NUMBERS_MISSED)
            or len(heading.title.split()) > MAX_WORDS_OF_SENTENCE_TITLE
        ):
            continue
        kept.append(heading)
        number = heading.number or number
    return kept


def _in_sequence(found: Sequence[Heading], *, strictly: bool) -> list[Heading]:
    """Return all headings, or strictly those that count from 1 without a gap, if there are two or more.

    Numbers may begin again at 1, as in a second part.
    """
    if not strictly:
        return list(found)
    kept: list[Heading] = []
    number = 0
    for heading in found:
        if heading.number is None:
            kept.append(heading)
        elif heading.number == number + 1 or (heading.number == 1 and number > 1):
            kept.append(heading)
            number = heading.number
    return kept if sum(heading.number is not None for heading in kept) > 1 else []


def _starts(text: str, chosen: Sequence[Heading], parts: Sequence[Heading]) -> list[int]:
    """Return the start of each chapter: its heading, or the lines directly above it that begin a part."""
    part_that_ends_at = {_text_end(text, part.end): part for part in parts}
    starts: list[int] = []
    floor = 0
    for heading in chosen:
        start = heading.start
        for _ in range(MAX_PART_LINES):
            part = part_that_ends_at.get(_text_end(text, start))
            if part is None or part.start < floor:
                break
            start = part.start
        starts.append(start)
        floor = heading.end
    return starts


def _text_end(text: str, end: int) -> int:
    """Return the offset after the last character before `end` that is no white space."""
    while end > 0 and text[end - 1].isspace():
        end -= 1
    return end
