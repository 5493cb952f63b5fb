"""Errors of texts that cannot be read. Their messages are for the writer."""

from collections.abc import Sequence

from apps.documents.readers.previews import Reading

CHOOSE = "The file's encoding cannot be told. Choose on the document's page how its text reads."


class UnreadableTextError(Exception):
    """The text cannot be read. The message tells the writer why, and what to do. A retry does not help."""


class AmbiguousEncodingError(UnreadableTextError):
    """The text makes sense in several encodings. Read it again with the one that the writer chooses.

    Parameters:
      readings: The text as it reads in each, the most likely one first; two or three.
    """

    def __init__(self, readings: Sequence[Reading]) -> None:
        self.readings = readings
        super().__init__(CHOOSE)


class TextTooLargeError(UnreadableTextError):
    """The text is larger than `DOCUMENT_MAX_UPLOAD_BYTES`. The message names both sizes.

    Parameters:
      size_bytes: Size of the file, or of the pasted text in UTF-8.
      limit_bytes: Largest size that is taken.
    """

    def __init__(self, *, size_bytes: int, limit_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes
        super().__init__(
            f"The text is {in_words(size_bytes, limit_bytes)}, and at most {in_words(limit_bytes)} can be taken. "
            "Split it into several documents."
        )


class ReadingTimeoutError(UnreadableTextError):
    """Reading the file took longer than its time limit.

    Parameters:
      seconds: The limit.
    """

    def __init__(self, *, seconds: int) -> None:
        super().__init__(
            f"Reading the file took more than {seconds:,} seconds, and it was not done. "
            "Split it into several documents, or send it as plain text (.txt)."
        )


class ReadersBusyError(Exception):
    """The machine has no memory to read another file. The message is for the writer; the file is not at fault."""

    def __init__(self) -> None:
        super().__init__("Many files are being read at the moment. Send this one again in a few seconds.")


class CageError(Exception):
    """The cage of the process that reads strangers' files cannot be closed, and READER_CAGE is "required".

    Parameters:
      lacks: The missing parts.
    """

    def __init__(self, lacks: Sequence[str]) -> None:
        super().__init__(f"The cage of the process that reads files needs {'; and '.join(lacks)}.")


class AnalysisTimeoutError(UnreadableTextError):
    """Analysing the text took longer than its time limit.

    Parameters:
      seconds: The limit.
    """

    def __init__(self, *, seconds: int) -> None:
        super().__init__(
            f"Analysing the text took more than {seconds:,} seconds, and it was not done. "
            "Split it into several documents."
        )


def in_words(size_bytes: int, other_bytes: int | None = None) -> str:
    """Return a size in MB, or in bytes if it is small or if MB would hide its difference from `other_bytes`."""
    megabytes = f"{size_bytes / 1024**2:,.1f} MB"
    if size_bytes < 1024**2 or (other_bytes is not None and megabytes == in_words(other_bytes)):
        return f"{size_bytes:,} bytes"
    return megabytes
