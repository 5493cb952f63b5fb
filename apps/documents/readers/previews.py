"""Show a text in each of the encodings that it may have, so that its writer can choose."""

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

#: Lines of a preview, and characters of each before and after the first place that tells the encodings apart.
LINES = 3
CHARACTERS_BEFORE, CHARACTERS_AFTER = 60, 100

_LINE_END = re.compile(r"\r\n?|\n")
#: Beginnings of the names of encodings that a text may have. Python has codecs besides, and some take quadratic time.
_NAME = re.compile(r"(?:big5|cp|euc|gb|hz|iso|johab|koi8|kz|mac|ptcp|shift|tis|utf)[a-z0-9_]{0,30}")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A text as it reads in one encoding.

    Parameters:
      encoding: Python's name of it.
      preview: Lines that read differently in the other encodings, or parts of them, without control characters.
    """

    encoding: str
    preview: str


def readings(sample: bytes, *, encodings: Sequence[str]) -> list[Reading]:
    """Return the sample as it reads in each encoding, in their order. One that reads like an earlier one is left out.

    Parameters:
      sample: Whole lines, at best.
    """
    texts: dict[str, str] = {}
    for encoding in encodings:
        texts.setdefault(sample.decode(encoding, "replace"), encoding)
    # Line by line, each with its readings. Those that differ most come first, and stay in the order of the text.
    lines = list(dict.fromkeys(zip(*map(_LINE_END.split, texts), strict=False)))
    most = sorted(range(len(lines)), key=lambda at: -len(set(lines[at])))[:LINES]
    telling = [lines[at] for at in sorted(most) if len(set(lines[at])) > 1]
    parts = [_parts(line) for line in telling]
    return [
        Reading(encoding=encoding, preview="\n".join(part[at] for part in parts))
        for at, encoding in enumerate(texts.values())
    ]


def is_encoding(name: str) -> bool:
    """Return whether the name is one of an encoding that a text may have."""
    try:
        return bool(_NAME.fullmatch(name) and codecs.lookup(name))
    except LookupError:
        return False


def printable(text: str) -> str:
    """Return the text with U+FFFD for each character that is not shown: NULs, halves of pairs, turns of direction."""
    return "".join(one if one.isprintable() else "\ufffd" for one in text)


def _parts(line: Sequence[str]) -> list[str]:
    """Return the part of a line at which its readings begin to differ, in each of them."""
    at = sum(1 for _ in takewhile(lambda ones: len(set(ones)) == 1, zip(*line, strict=False)))
    start = max(0, at - CHARACTERS_BEFORE)
    dots = "…" if start else ""
    return [dots + printable(" ".join(reading[start : at + CHARACTERS_AFTER].split())) for reading in line]
