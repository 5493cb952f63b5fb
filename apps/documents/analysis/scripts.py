"""Scripts that are written without spaces between words. In them, characters are counted."""

from typing import Final

#: Letters of scripts without spaces between words, as ranges of a character class, by the ISO 639-1 code of a language
#: that is written in them. Japanese is written in Han characters, too.
WITHOUT_SPACES: Final = {
    "ja": r"\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f",
    "zh": r"\u3005-\u3007\u3021-\u3029\u3105-\u312f\u31a0-\u31bf\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\U00020000-\U0003ffff",
    "th": r"\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46",
    "lo": r"\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6\u0edc-\u0edf",
    "my": r"\u1000-\u102a\u103f\u1050-\u1055\u105a-\u105d\u1061\u1065\u1066\u106e-\u1070\u1075-\u1081",
    "km": r"\u1780-\u17b3\u17d7",
}
UNSPACED: Final = "".join(WITHOUT_SPACES.values())


def unit(language: str) -> str:
    """Return the noun of what is counted in a language: "word" or "character".

    Parameters:
      language: ISO 639-1 code. Empty: unknown.
    """
    return "character" if language in WITHOUT_SPACES else "word"
