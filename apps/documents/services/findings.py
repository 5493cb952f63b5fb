"""Find the figures of a text, in a process of its own unless the text is short."""

import io
import logging

from django.conf import settings

from apps.documents.analysis import analysing, findings, language_model, structure
from apps.documents.analysis.findings import Findings, OnProgress
from apps.documents.readers import isolated
from apps.documents.readers.errors import AnalysisTimeoutError, ReadingTimeoutError, UnreadableTextError
from apps.documents.readers.limits import MEGABYTE, Limits

logger = logging.getLogger(__name__)

#: Characters from which on a text is analysed in a process of its own. A shorter one takes less time than the start of
#: a process, whatever is in it.
ISOLATED_CHARACTERS = 20_000
#: Time limit of the analysis, and what each megabyte of text adds: ten times what a slow one takes.
SECONDS, SECONDS_A_MEGABYTE = 20, 20
#: Memory of the analysis, most of it the model of languages, and what each byte of text adds.
MEMORY_BYTES, MEMORY_A_BYTE = 512 * MEGABYTE, 16
#: Size of the answer, and what each byte of text adds: twice what a text of nothing but chapters takes.
ANSWER_BYTES, ANSWER_A_BYTE = 1 * MEGABYTE, 32
#: Most chapters of a document. Each is a row.
MAX_CHAPTERS = 10_000

NOT_ANALYSED = (
    "The text could not be analysed: something in it breaks the program that does it. "
    "Open it in the program that wrote it, save it again as plain text (.txt), and send that."
)


def analyse(text: str, *, on_progress: OnProgress) -> Findings:
    """Return the figures of a text.

    Raises:
      UnreadableTextError: The analysis took too long or too much memory, its process crashed, or the text has more
        than `MAX_CHAPTERS` chapters.
      ReadingInterruptedError: Its process was ended from outside. Retry.
      ReadersBusyError: No slot became free. Retry.
    """
    words_per_minute = settings.READING_WORDS_PER_MINUTE
    if len(text) < ISOLATED_CHARACTERS:
        return findings.analyse(text, words_per_minute=words_per_minute, on_progress=on_progress)
    content = structure.marked(text).encode(errors="replace")
    del text
    limits = limits_of(len(content))
    try:
        answer = isolated.run(
            analysing.__name__,
            io.BytesIO(content),
            {"words_per_minute": words_per_minute, "model": isolated.Inherited(language_model.unpacked())},
            limits=limits,
            on_progress=on_progress,
        )
    except ReadingTimeoutError:
        raise AnalysisTimeoutError(seconds=limits.seconds) from None
    try:
        found = analysing.decoded(answer)
    except analysing.SenselessAnswerError:
        logger.warning("analysis gave an answer that makes no sense answer=%r", answer[:200])
        raise UnreadableTextError(NOT_ANALYSED) from None
    if len(found.chapters) > MAX_CHAPTERS:
        raise UnreadableTextError(
            f"The text has {len(found.chapters):,} chapters, and at most {MAX_CHAPTERS:,} can be taken. "
            "Split it into several documents."
        )
    return found


def limits_of(size_bytes: int) -> Limits:
    """Return the limits of the analysis of a text of this size."""
    return Limits(
        seconds=SECONDS + SECONDS_A_MEGABYTE * size_bytes // MEGABYTE,
        memory_bytes=MEMORY_BYTES + MEMORY_A_BYTE * size_bytes,
        text_bytes=min(analysing.ANSWER_BYTES, ANSWER_BYTES + ANSWER_A_BYTE * size_bytes),
        at_once=settings.READERS_AT_ONCE,
        cage_required=settings.READER_CAGE == "required",
    )
