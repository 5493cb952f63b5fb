"""Work of a process of `readers.isolated`: analyse a text, and answer with its figures as JSON."""

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from typing import Any, BinaryIO

from apps.documents.analysis import findings, language, stop_words
from apps.documents.analysis.findings import ChapterFigures, Findings, OnProgress
from apps.documents.analysis.longest_sentences import Sentence
from apps.documents.analysis.term import Term

#: Largest answer. Figures of 10,000 chapters that are full of long sentences are half of it.
ANSWER_BYTES = 64 * 1024**2
#: Largest whole number that the columns take.
MAX_INTEGER = 2**31 - 1


class SenselessAnswerError(Exception):
    """The process of the analysis gave an answer that it does not give unless its text has taken it over."""


class Analysing:
    """One text that is analysed.

    Parameters:
      words_per_minute: As in `findings.analyse`.
      model: Descriptor of the unpacked model of `language_model`. It is closed.
    """

    def __init__(self, *, words_per_minute: int, model: int) -> None:
        self.words_per_minute = words_per_minute
        # Loaded before the text is.
        import_module("sentencex")
        language.load(model)
        os.close(model)
        stop_words.of("en")

    def __call__(self, file: BinaryIO, limits: object, on_progress: OnProgress) -> bytes:
        found = findings.analyse(file.read().decode(), words_per_minute=self.words_per_minute, on_progress=on_progress)
        return json.dumps(asdict(found), ensure_ascii=False).encode()


#: What the process does.
WORK = Analysing


def decoded(answer: bytes) -> Findings:
    """Return the figures of an answer. Each value is checked: the text is a stranger's.

    Raises:
      SenselessAnswerError: It is not what `Analysing` answers.
    """
    try:
        content = json.loads(answer)
        chapters = [
            ChapterFigures(title=_text(chapter["title"]), **_figures(chapter)) for chapter in content["chapters"]
        ]
        return Findings(**_figures(content), chapters=chapters)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise SenselessAnswerError from None


def _figures(content: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "words": _integer(content["words"]),
        "sentences": _integer(content["sentences"]),
        "reading_minutes": _number(content["reading_minutes"]),
        "language": _text(content["language"], limit=2),
        "reading_ease": _or_none(_number, content["reading_ease"]),
        "grade_level": _or_none(_number, content["grade_level"]),
        "dialogue_share": _or_none(_number, content["dialogue_share"]),
        "keywords": _or_none(_terms, content["keywords"]),
        "longest_sentences": [
            Sentence(words=_integer(entry["words"]), text=_text(entry["text"]))
            for entry in content["longest_sentences"]
        ],
        "repeated_phrases": _or_none(_terms, content["repeated_phrases"]),
    }


def _terms(entries: Sequence[Mapping[str, Any]]) -> list[Term]:
    return [Term(text=_text(entry["text"]), count=_integer(entry["count"])) for entry in entries]


def _or_none(read: Callable[[Any], Any], value: object) -> Any:
    return None if value is None else read(value)


def _integer(value: object) -> int:
    if type(value) is not int or not 0 <= value <= MAX_INTEGER:
        raise ValueError
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError
    return float(value)


def _text(value: object, *, limit: int = 10_000) -> str:
    """Return a text that a database takes. Half a pair of surrogates cannot be encoded."""
    if not isinstance(value, str) or len(value) > limit or "\x00" in value:
        raise ValueError
    value.encode()
    return value
