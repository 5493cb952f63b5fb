"""Reading time."""

#: Characters that are read in the time of a word: Han and kana as readers were measured (Trauzettel-Klosinski, 2012),
#: the South-East Asian scripts by the usual length of their words.
CHARACTERS_A_WORD = {"zh": 1.6, "ja": 1.9, "th": 4.0, "lo": 4.0, "km": 4.0, "my": 4.0}


def minutes(words: int, *, words_per_minute: int, language: str = "") -> float:
    """Return the reading time in minutes, to the hundredth.

    Parameters:
      words: Words, or characters in a language that is written without spaces.
      language: ISO 639-1 code. Empty: unknown.
    """
    return round(words / words_per_minute / CHARACTERS_A_WORD.get(language, 1), 2)
