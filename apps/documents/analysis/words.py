"""Find and count words."""

import re

#: Accents apart from their letter (NFD), soft hyphens and joiners. They are part of their word.
_MARKS = "\u0300-\u036f\u00ad\u200c\u200d"

#: Apostrophe and hyphens beyond ASCII.
_JOINERS = "\u2019\u2010\u2011"

#: A run of letters and digits with inner apostrophes and hyphens: "Don't" and "three-and-twenty" are one word,
#: "came--she" is two, "_must_" is one. In a script without spaces, all text between two marks is one word.
#: Possessive: otherwise a word of a million letters would take hundreds of megabytes.
WORD = re.compile(rf"[^\W_]++(?:[{_MARKS}]++|['{_JOINERS}-](?=[^\W_])|[^\W_]++)*+")


def count(text: str, start: int = 0, end: int | None = None) -> int:
    """Return the number of words between two offsets."""
    return sum(1 for _ in WORD.finditer(text, start, len(text) if end is None else end))


def any_in(text: str) -> bool:
    return WORD.search(text) is not None


def at_most(limit: int, text: str, start: int, end: int) -> bool:
    """Return whether there are at most `limit` words between two offsets. It counts no further than the limit."""
    return all(number <= limit for number, _ in enumerate(WORD.finditer(text, start, end), start=1))
