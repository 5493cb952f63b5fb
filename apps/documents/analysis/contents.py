"""Tables of contents: lines that look like the headings of chapters and are not."""

import re
from bisect import bisect_left
from collections.abc import Sequence

from apps.documents.analysis import words
from apps.documents.analysis.headings import Heading, Key

#: Between two lines of a table of contents there may be a page number, a subtitle or a sentence of summary.
HARDLY_ANY_WORDS = 20
#: So many chapters without a word in a row are an outline.
OUTLINE_LINES = 3

_CONTENTS_LINE = re.compile(
    r"^(?:[^\S\n]++|[#*_=]++)*+(?:(?:table of )?contents|inhalt(?:sverzeichnis)?|table des mati[eè]res|sommaire)"
    r"[^\S\n]*[.:*_=]*[^\S\n]*$",
    re.IGNORECASE | re.MULTILINE,
)


def without(text: str, found: Sequence[Heading]) -> list[Heading]:
    """The headings that are no lines of a table of contents.

    Such a line has hardly any text below it, and one of these holds:
    it is one of several without a word between them;
    no text came yet, and a heading of the same number follows that does have some;
    it stands below a line that says "Contents".
    The last line of the table may have any text below it, such as a foreword: it is known by its number, which is
    the next one, and comes again later or is the last of all.
    """
    thin = [_words_at_most(HARDLY_ANY_WORDS, text, found, index) for index in range(len(found))]
    empty = [_words_at_most(0, text, found, index) for index in range(len(found))]
    listed = {
        *_outlines(empty),
        *_repeated(found, thin, empty),
        *_below_contents_line(text, found, thin),
    }
    kept: list[Heading] = []
    later = _last_places(found)
    for index, heading in enumerate(found):
        comes_again = later[heading.key] > index
        is_last = index == len(found) - 1
        follows = index - 1 in listed and _follows(found[index - 1], heading)
        if index not in listed and follows and (comes_again or is_last):
            listed.add(index)
        if index not in listed:
            kept.append(heading)
    return kept


def _words_at_most(limit: int, text: str, found: Sequence[Heading], index: int) -> bool:
    end = found[index + 1].start if index + 1 < len(found) else len(text)
    return words.at_most(limit, text, found[index].end, end)


def _outlines(empty: Sequence[bool]) -> set[int]:
    listed: set[int] = set()
    run: list[int] = []
    for index, is_empty in enumerate([*empty, False]):
        if is_empty:
            run.append(index)
            continue
        if len(run) >= OUTLINE_LINES:
            listed.update(run)
        run = []
    return listed


def _repeated(found: Sequence[Heading], thin: Sequence[bool], empty: Sequence[bool]) -> set[int]:
    """Of the thin headings that come before any text, those whose number comes again with text."""
    before_text = next((index for index, is_thin in enumerate(thin) if not is_thin), len(found))
    with_text = {heading.key for heading, is_thin in zip(found, thin, strict=True) if not is_thin}
    listed: set[int] = set()
    not_empty: set[Key] = set()
    for index in range(len(found) - 1, -1, -1):
        key = found[index].key
        if index < before_text and (key in with_text or (empty[index] and key in not_empty)):
            listed.add(index)
        if not empty[index]:
            not_empty.add(key)
    # A single one is a short first chapter of a part, unless its heading is simply said twice.
    if len(listed) == 1 and found[0].key != found[1].key:
        return set()
    return listed


def _below_contents_line(text: str, found: Sequence[Heading], thin: Sequence[bool]) -> set[int]:
    listed: set[int] = set()
    covered = 0
    starts = [heading.start for heading in found]
    with_text, again = _next_with_text(thin), _next_of_same_key(found)
    for line in _CONTENTS_LINE.finditer(text):
        first = bisect_left(starts, line.end())
        if first == len(found) or not words.at_most(HARDLY_ANY_WORDS, text, line.end(), starts[first]):
            continue
        # Where all is short, the table ends where its first line comes again.
        stop = with_text[first] if with_text[first] < len(found) else again[first]
        # A table that an earlier line began reaches up to there, and is not gone through again.
        listed.update(range(max(first, covered), stop))
        covered = max(covered, stop)
    return listed


def _next_with_text(thin: Sequence[bool]) -> list[int]:
    """For each heading, the first from it on that has text below it; their number where there is none."""
    following = [len(thin)] * len(thin)
    for index in range(len(thin) - 1, -1, -1):
        if not thin[index]:
            following[index] = index
        elif index + 1 < len(thin):
            following[index] = following[index + 1]
    return following


def _next_of_same_key(found: Sequence[Heading]) -> list[int]:
    """For each heading, the next one with its number; their number where there is none."""
    following = [len(found)] * len(found)
    seen: dict[Key, int] = {}
    for index in range(len(found) - 1, -1, -1):
        following[index] = seen.get(found[index].key, len(found))
        seen[found[index].key] = index
    return following


def _follows(before: Heading, heading: Heading) -> bool:
    return before.number is not None and (heading.number == before.number + 1 or heading.number is None)


def _last_places(found: Sequence[Heading]) -> dict[Key, int]:
    return {heading.key: index for index, heading in enumerate(found)}
