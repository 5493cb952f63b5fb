"""Figures in words."""

from collections.abc import Iterable
from datetime import date

#: Stands between two nouns.
OR = " or "


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as "1 word" and "1,234 words"."""
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """Return the plural of a noun, or of several such as "word or character"."""
    return OR.join(f"{one}s" for one in noun.split(OR))


def noun_of(nouns: Iterable[str]) -> str:
    """Return the noun of what is counted under several, such as "word or character". Without any it is "word"."""
    return OR.join(sorted({one for noun in nouns for one in noun.split(OR)}, reverse=True)) or "word"


def duration(minutes: float) -> str:
    """Return minutes in words, such as "45 min" and "8 h 50 min". Only nothing is "0 min"."""
    whole = max(round(minutes), 1) if minutes else 0
    hours, rest = divmod(whole, 60)
    return f"{hours:,} h {rest} min" if hours else f"{rest} min"


def compact(number: float) -> str:
    """Return a number for a scale, such as "0", "750", "12k" and "1.5M"."""
    for limit, suffix in ((1_000_000, "M"), (1_000, "k")):
        if abs(number) >= limit:
            return f"{number / limit:.1f}".removesuffix(".0") + suffix
    return f"{number:.2f}".rstrip("0").rstrip(".")


def day(value: date) -> str:
    """Return a date such as "3 Nov 2026"."""
    return f"{value.day} {value:%b %Y}"


#: Lowest reading ease of a text that is called by this word.
EASE_WORDS = ((90, "very easy"), (70, "easy"), (60, "plain"), (50, "fairly hard"), (30, "hard"))


def ease(reading_ease: float) -> str:
    """Return the meaning of Flesch's reading ease in a word or two."""
    return next((word for least, word in EASE_WORDS if reading_ease >= least), "very hard")
