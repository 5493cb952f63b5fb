"""Words that head the divisions of books, by language. They stand in `vocabulary.toml`."""

import tomllib
import unicodedata
from pathlib import Path

_TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))

LANGUAGES: dict[str, str] = _TABLE["languages"]
ENGLISH_OTHERS: frozenset[str] = frozenset(_TABLE["english_others"].split())
NO_DIVISIONS: frozenset[str] = frozenset(_TABLE["no_divisions"].split())
_CONTENTS = frozenset(_TABLE["contents"])
_AROUND = _CONTENTS | frozenset(_TABLE["around"])
#: Signs for a chapter and for a part, after the number, in Han characters and in Hangul.
SIGNS, PART_SIGNS = "章回话話折节節幕夜齣장화회막절", "卷部篇集編冊册부편권"


def is_contents(title: str) -> bool:
    return _named(title) in _CONTENTS


def is_around(title: str) -> bool:
    """Return whether a title is that of a part that is no chapter: contents, a cover, a licence, notes."""
    return _named(title) in _AROUND


def _named(title: str) -> str:
    return " ".join(title.lower().split()).strip(" .:*_=#")


def plain(word: str) -> str:
    """Return a word in lower case without the accents that capitals and hasty writers leave out."""
    folded = unicodedata.normalize("NFC", word.casefold())
    if unicodedata.name(folded[:1], "").partition(" ")[0] not in ("LATIN", "GREEK"):
        return folded
    return "".join(one for one in unicodedata.normalize("NFD", folded) if not unicodedata.combining(one))


def _words(number: int) -> frozenset[str]:
    words = " ".join(line.split("|")[number] for line in LANGUAGES.values()).split()
    return frozenset(form for word in words for form in (word.replace("_", " "), plain(word.replace("_", " "))))


CHAPTERS, PARTS, PROLOGUES, EPILOGUES = map(_words, range(4))
OTHER_WORDS = ENGLISH_OTHERS.union(_TABLE["others"].split()) - CHAPTERS - PARTS
