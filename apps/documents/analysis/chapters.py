"""Find the chapters of a text."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from apps.documents.analysis import headings, sequences, structure
from apps.documents.analysis.headings import CHAPTER, Heading
from apps.documents.analysis.structure import Stated, Text

#: Most lines such as "Book Two" and "Part One" above a chapter's heading that belong to it.
MAX_PART_LINES = 3
#: Fewest chapters of a structure that a file states.
MIN_STATED = 2
#: A guess with a word for a chapter in each heading is better than a structure with fewer chapters than its half.
MUCH_BETTER = 2
#: Share of bare headings from which on the lines below them are titles.
TITLES_SHARE = 0.6


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A chapter as offsets into the text.

    Parameters:
      start: Start of its heading, including the lines above that begin a part.
      body_start: End of its heading.
      end: Start of the next chapter, or of a part that is none, or end of the text.
      title: Its heading. Empty: the text has no headings.
    """

    start: int
    body_start: int
    end: int
    title: str


def find(text: str) -> list[Chapter]:
    """Return the chapters of a text, in order, at least one.

    They are those that a `Text` states, or else those that are guessed from the lines of the text. They follow each
    other without a gap to the end of the text, unless the file states a part between them that is no chapter. The text
    before the first heading (a title, a dedication, a table of contents) is front matter and belongs to no chapter. A
    text without headings is one chapter without a title.
    """
    stated = Text.of(text).stated
    candidates = headings.candidates(text)
    above: Sequence[Heading | Stated]
    chosen, above, ends = structure.chosen(text, stated)
    guessed = sequences.chosen(text, candidates)
    if len(chosen) < MIN_STATED or (
        len(guessed) > MUCH_BETTER * len(chosen)
        and any(heading.form == CHAPTER for heading in guessed)
        and not any(structure.names_a_chapter(heading.title) for heading in chosen)
    ):
        forms = {heading.form for heading in guessed}
        chosen, ends = _with_titles(text, guessed), []
        above = [heading for heading in candidates if heading.form not in forms]
    if len(chosen) < MIN_STATED:
        chosen = sequences.titled(text) or chosen
    if not chosen:
        return [Chapter(start=0, body_start=0, end=len(text), title="")]
    starts = _starts(text, chosen, above)
    stops = sorted({*starts, *ends, len(text)})
    following = dict(pairwise(stops))
    return [
        Chapter(
            start=start,
            body_start=heading.end,
            end=max(following.get(start, len(text)), heading.end),
            title=heading.title,
        )
        for heading, start in zip(chosen, starts, strict=True)
    ]


def _with_titles(text: str, chosen: Sequence[Heading]) -> list[Heading]:
    """Return the headings with the titles that stand below them after an empty line, if most have one."""
    bare = [heading for heading in chosen if heading.is_bare and sequences.is_numbered(heading)]
    titled = {heading.start: headings.title_below(text, heading) for heading in bare}
    if sum(not heading.is_bare for heading in titled.values()) < max(TITLES_SHARE * len(bare), MIN_STATED):
        return list(chosen)
    return [titled.get(heading.start, heading) for heading in chosen]


def _starts(text: str, chosen: Sequence[Heading], above: Sequence[Heading | Stated]) -> list[int]:
    """Return the start of each chapter: its heading, or the lines directly above it that begin a part."""
    part_that_ends_at = {_text_end(text, part.end): part for part in above if part.end > part.start}
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
