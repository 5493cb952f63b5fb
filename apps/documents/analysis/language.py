"""Detect the language of a text from samples of it."""

import re
from collections import Counter
from threading import Lock
from typing import Any

from apps.documents.analysis import language_model, words
from apps.documents.analysis.scripts import WITHOUT_SPACES

#: Number and length of the samples, which are taken at even distances.
SAMPLES = 10
SAMPLE_CHARACTERS = 2_000
#: Least confidence of a detected language.
MIN_CONFIDENCE = 0.9
#: Least share of kana in Japanese. A Chinese text may name a Japanese thing.
MIN_KANA = 0.05

#: A letter of each script without spaces, by language.
_LETTERS = {language: re.compile(f"[{script}]") for language, script in WITHOUT_SPACES.items()}

_LOADING = Lock()
_identifier: Any = None


def detect(text: str, start: int = 0, end: int | None = None, *, samples: int = SAMPLES) -> str:
    """Return the ISO 639-1 code of the language between two offsets. Empty: unknown.

    Of several languages it is the prevailing one. Some words are not enough to detect it, unless their script tells it.

    Parameters:
      samples: Number of samples. A text that is shorter than all of them is read as a whole.
    """
    end = len(text) if end is None else end
    sample = _sampled(text, start, end, samples)
    if by_script := _by_script(sample):
        return by_script
    language, confidence = load().classify(sample)
    # "zxx" stands for no language.
    return str(language) if confidence >= MIN_CONFIDENCE and len(language) == 2 else ""


def load(model: int | None = None) -> Any:
    """Load the model unless it is loaded, and return it.

    Parameters:
      model: Descriptor of what `language_model.unpacked` unpacked, here or in another process. None: it is unpacked.
    """
    global _identifier
    with _LOADING:
        if _identifier is None:
            _identifier = language_model.identifier(language_model.unpacked() if model is None else model)
        return _identifier


def _sampled(text: str, start: int, end: int, samples: int) -> str:
    if end - start <= samples * SAMPLE_CHARACTERS:
        return text[start:end]
    distance = (end - start) // samples
    return "\n".join(text[at : at + SAMPLE_CHARACTERS] for at in range(start, start + samples * distance, distance))


def _by_script(sample: str) -> str:
    """Return the language whose script, without spaces, prevails in a sample. Empty: another script prevails."""
    letters = Counter({language: len(letter.findall(sample)) for language, letter in _LETTERS.items()})
    if 2 * letters.total() <= words.count(sample):
        return ""
    return "ja" if letters["ja"] > MIN_KANA * letters.total() else letters.most_common(1)[0][0]
