"""Stop words: the most frequent words of a language, such as "the" and "of"."""

from functools import cache


@cache
def of(language: str) -> frozenset[str]:
    """Return the stop words of a language, in lower case with straight apostrophes. Empty: an unknown language.

    Parameters:
      language: ISO 639-1 code.
    """
    # The import reads the words of all languages, and few processes need them.
    from stopwordsiso import stopwords

    return frozenset(stopwords(language))
