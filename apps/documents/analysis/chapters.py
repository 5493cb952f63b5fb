"""Where the chapters of a text are."""

from collections.abc import Sequence
from dataclasses import dataclass

from apps.documents.analysis import contents, headings
from apps.documents.analysis.headings import Family, Heading

#: A heading that ends like a sentence has no more words than this.
MAX_WORDS_OF_SENTENCE_TITLE = 20
#: Its number is the next one; or by so many higher, where headings between were not recognised.
MAX_NUMBERS_MISSED = 3
#: So many lines such as "Book Two" and "Part One" may stand above a chapter's heading and belong to it.
MAX_PART_LINES = 3


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A chapter as offsets into the text.

    Parameters:
      start: Where its heading begins, with the lines above that begin a part.
      body_start: Where its heading ends.
      end: Where the next chapter begins, or the end of the text.
      title: Its heading; empty for a text without headings.
    """

    start: int
    body_start: int
    end: int
    title: str


def find(text: str) -> list[Chapter]:
    """The chapters of a text, in order, at least one.

    They follow each other without a gap to the end of the text. What comes before the first heading (a title, a
    dedication, a table of contents) is front matter: it belongs to no chapter. A text without headings is one
    chapter without a title, from its beginning.
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
    """The headings of the first family that has any, a prologue and an epilogue being of each."""
    for family in Family:
        numbered = [heading for heading in candidates if heading.family is family or heading.name]
        found = _in_sequence(contents.without(text, _no_prose(numbered)), strictly=family is Family.NUMBER)
        if any(heading.number is not None for heading in found):
            return found
    return contents.without(text, [heading for heading in candidates if heading.name])


def _no_prose(found: Sequence[Heading]) -> list[Heading]:
    """Without what ends like a sentence, unless it is short and its number is 1 or among the next ones."""
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
    """All, or strictly those that count from 1 without a gap, where there are two or more of them.

    Numbers may begin again at 1, as they do in a second part.
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
    """Where each chapter begins: at its heading, or at the lines right above it that begin a part."""
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
    """The offset after the last character before `end` that is no white space."""
    while end > 0 and text[end - 1].isspace():
        end -= 1
    return end
