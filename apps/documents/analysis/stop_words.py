"""The words that every text of a language is full of: "the", "of", "said"."""

from functools import cache


@cache
def of(language: str) -> frozenset[str]:
    """The stop words of a language, in lower case with straight apostrophes; none if the language is not known.

    Parameters:
      language: The ISO 639-1 code.
    """
    # Reads the words of all languages, and few processes ever ask.
    from stopwordsiso import stopwords

    return frozenset(stopwords(language))
