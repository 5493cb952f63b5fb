"""The language that a text is written in, told from samples of it."""

from functools import cache
from threading import Lock
from typing import Any

#: Samples are taken at even distances: so many, and so long.
SAMPLES = 10
SAMPLE_CHARACTERS = 2_000
#: A guess that is less sure than this is none.
MIN_CONFIDENCE = 0.9

_LOADING = Lock()


def detect(text: str, start: int = 0, end: int | None = None, *, samples: int = SAMPLES) -> str:
    """The ISO 639-1 code of the language between two offsets; empty if it cannot be told.

    Of several languages it is the one that prevails. Some words are not enough to tell it.

    Parameters:
      samples: How many samples are looked at; a shorter text is looked at as a whole.
    """
    end = len(text) if end is None else end
    with _LOADING:
        identifier = _identifier()
    language, confidence = identifier.classify(_sampled(text, start, end, samples))
    # "zxx" is what is no language.
    return str(language) if confidence >= MIN_CONFIDENCE and len(language) == 2 else ""


def _sampled(text: str, start: int, end: int, samples: int) -> str:
    if end - start <= samples * SAMPLE_CHARACTERS:
        return text[start:end]
    distance = (end - start) // samples
    return "\n".join(text[at : at + SAMPLE_CHARACTERS] for at in range(start, start + samples * distance, distance))


@cache
def _identifier() -> Any:
    """The model: half a second and 100 MB, once a process and only where it is needed."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
