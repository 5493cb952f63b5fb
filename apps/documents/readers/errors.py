"""Why a text cannot be taken."""


class UnreadableTextError(Exception):
    """The text cannot be read. The message tells a writer why and what to do; trying again will not help."""


class TextTooLargeError(UnreadableTextError):
    """The text is larger than `DOCUMENT_MAX_UPLOAD_BYTES`. The message names both sizes.

    Parameters:
      size_bytes: What was sent in, as UTF-8 if it was pasted.
      limit_bytes: What may be.
    """

    def __init__(self, *, size_bytes: int, limit_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes
        super().__init__(
            f"The text is {in_words(size_bytes, limit_bytes)}, and at most {in_words(limit_bytes)} can be taken. "
            "Split it into several documents."
        )


class ReadingTimeoutError(UnreadableTextError):
    """Reading the file took longer than it may.

    Parameters:
      seconds: What it may take.
    """

    def __init__(self, *, seconds: int) -> None:
        super().__init__(
            f"Reading the file took more than {seconds:,} seconds, and it was not done. "
            "Split it into several documents, or send it as plain text (.txt)."
        )


def in_words(size_bytes: int, other_bytes: int | None = None) -> str:
    """A size as people say it; in bytes where MB would hide how it differs from `other_bytes`."""
    megabytes = f"{size_bytes / 1024**2:,.1f} MB"
    if size_bytes < 1024**2 or (other_bytes is not None and megabytes == in_words(other_bytes)):
        return f"{size_bytes:,} bytes"
    return megabytes
