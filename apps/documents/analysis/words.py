"""Find and count words. In scripts without spaces between words, each character counts as one."""

import re
import unicodedata

from apps.documents.analysis.scripts import UNSPACED

#: Combining marks (vowel signs, points, accents), soft hyphens and joiners. They are part of their word.
_CATEGORIES = "".join(unicodedata.category(character)[0] for character in map(chr, range(0x1F000)))
_MARKS = "\u00ad\u200c\u200d\u2060" + "".join(
    f"{chr(run.start())}-{chr(run.end() - 1)}" for run in re.finditer("M+", _CATEGORIES)
)
_LETTER = rf"[^\W_{UNSPACED}]"
#: Apostrophe and hyphens beyond ASCII, the Hebrew hyphen and abbreviation marks, and Armenian marks within a word.
_JOINERS = "\u2019\u00b4\uff07\u2010\u2011\u05be\u05f3\u05f4\u055b\u055c\u055e"
#: Marks that join the letters of one language only: Hebrew "צה\"ל", Catalan "col·lecció".
_JOINED = r"\"(?<=[\u0591-\u05ea]\")(?=[\u05d0-\u05ea])|\u00b7(?<=[lL]\u00b7)(?=[lL])"

#: A run of letters and digits with inner apostrophes and hyphens: "Don't" and "three-and-twenty" are one word,
#: "came--she" is two, "_must_" is one. In a script without spaces, each letter with its marks is one.
#: Possessive: otherwise a word of a million letters would take hundreds of megabytes. No look-ahead stands before the
#: alternatives, since a Python before 3.11.5 then takes too much.
WORD = re.compile(
    rf"{_LETTER}++(?:[{_MARKS}]++|['{_JOINERS}-](?={_LETTER})|{_JOINED}|{_LETTER}++)*+"
    rf"|[{UNSPACED}][{_MARKS}]*+"
)


def count(text: str, start: int = 0, end: int | None = None) -> int:
    """Return the number of words between two offsets."""
    return sum(1 for _ in WORD.finditer(text, start, len(text) if end is None else end))


def any_in(text: str) -> bool:
    return WORD.search(text) is not None


def at_most(limit: int, text: str, start: int, end: int) -> bool:
    """Return whether there are at most `limit` words between two offsets. It counts no further than the limit."""
    return all(number <= limit for number, _ in enumerate(WORD.finditer(text, start, end), start=1))
