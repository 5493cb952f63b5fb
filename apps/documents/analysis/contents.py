"""Tell the lines of a table of contents from the headings of chapters."""

import re
from collections.abc import Sequence

from apps.documents.analysis import words
from apps.documents.analysis.headings import Heading, Key
from apps.documents.analysis.vocabulary import is_contents

#: Most words between two lines of a table of contents: a page number, a subtitle or a sentence of summary.
HARDLY_ANY_WORDS = 20
#: Characters between the line "Contents" and the first line below it.
CHARACTERS_BELOW_CONTENTS = 1_000
#: Fewest headings in a row without a word between them that are an outline.
OUTLINE_LINES = 3

_SHORT_LINE = re.compile(r"^[^\n]{2,40}+$", re.MULTILINE)


def without(text: str, found: Sequence[Heading]) -> list[Heading]:
    """Return the headings that are no lines of a table of contents.

    Such a line has hardly any text below it, and one of these is true:

    - it is one of several without a word between them;
    - it stands before any text, and a heading with the same number follows and has text;
    - it stands below the line "Contents".

    The last line of the table may have any text below it, such as a foreword. It has the next number, and it comes
    again later or is the last heading.
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
    """Return the thin headings before any text whose number comes again with text."""
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
    # A single one is a short first chapter of a part, unless its heading simply stands there twice.
    if len(listed) == 1 and found[0].key != found[1].key:
        return set()
    return listed


def _below_contents_line(text: str, found: Sequence[Heading], thin: Sequence[bool]) -> set[int]:
    listed: set[int] = set()
    covered = 0
    with_text, again = _next_with_text(thin), _next_of_same_key(found)
    for first, heading in enumerate(found):
        if first < covered or not _stands_below_contents_line(
            text, found[first - 1].end if first else 0, heading.start
        ):
            continue
        # If all chapters are short, the table ends where its first line comes again.
        covered = with_text[first] if with_text[first] < len(found) else again[first]
        listed.update(range(first, covered))
    return listed


def _stands_below_contents_line(text: str, start: int, end: int) -> bool:
    """Return whether the line "Contents" stands between two offsets, with hardly any word below it."""
    start = max(start, end - CHARACTERS_BELOW_CONTENTS)
    return any(
        is_contents(line[0]) and words.at_most(HARDLY_ANY_WORDS, text, line.end(), end)
        for line in _SHORT_LINE.finditer(text, start, end)
    )


def _next_with_text(thin: Sequence[bool]) -> list[int]:
    """Return, for each heading, the index of the first from it on that has text below it, or their number."""
    following = [len(thin)] * len(thin)
    for index in range(len(thin) - 1, -1, -1):
        if not thin[index]:
            following[index] = index
        elif index + 1 < len(thin):
            following[index] = following[index + 1]
    return following


def _next_of_same_key(found: Sequence[Heading]) -> list[int]:
    """Return, for each heading, the index of the next one with the same number, or their number."""
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
