"""Plain text, in any encoding that writers have."""

import codecs

from apps.documents.readers import encodings, previews
from apps.documents.readers.content import NOT_TEXT, checked
from apps.documents.readers.errors import AmbiguousEncodingError, UnreadableTextError
from apps.documents.readers.limits import Limits
from apps.documents.readers.progress import OnProgress, ignore
from apps.documents.readers.source import Source

#: UTF-32 comes first. Its little-endian mark begins with that of UTF-16.
BYTE_ORDER_MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

#: Byte order marks, with which a text may begin.
MARKS = (codecs.BOM_UTF8, *(mark for mark, _ in BYTE_ORDER_MARKS))

UNKNOWN_ENCODING = (
    "The file's characters cannot be read: its encoding is unknown or it is damaged. "
    "Save it again as plain text in UTF-8 and send that."
)

_ASCII = bytes(range(128))
#: Begins a Japanese character set in seven bits, which looks like ASCII.
_ESCAPE = b"\x1b$"


def claims(source: Source) -> bool:
    """Return True: a file that is no text is refused by its content."""
    return True


def check(source: Source, limits: Limits) -> None:
    """Read it, which takes no longer than to store it."""
    checked(read(source, limits, ignore))


def read(source: Source, limits: Limits, on_progress: OnProgress) -> str:
    """Return the text of a plain text file, without a byte order mark. Line ends stay as they are."""
    return decoded(source.content(), encoding=source.encoding)


def decoded(data: bytes, *, encoding: str = "") -> str:
    """Decode a plain text.

    It is UTF-8, or UTF-16 or UTF-32 by its byte order mark, or in the most likely of the old encodings and of UTF-16
    without a mark.

    Parameters:
      encoding: The encoding that the writer chose. Empty: find it out.

    Raises:
      UnreadableTextError: It is binary, or its encoding is unknown.
      AmbiguousEncodingError: It may be in one of several encodings. An `UnreadableTextError` too.
    """
    if encoding:
        return data.decode(encoding, "replace")
    for mark, marked in BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _decoded(data, marked)
    if b"\x00" not in data and _ESCAPE not in data:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            if (salvaged := _salvaged(data)) is not None:
                return salvaged
    return _guessed(data)


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise UnreadableTextError(UNKNOWN_ENCODING) from None


def _salvaged(data: bytes) -> str | None:
    """Decode damaged UTF-8, if nine of ten characters beyond ASCII are sound. The others become U+FFFD."""
    text = data.decode("utf-8-sig", "replace")
    beyond_ascii = len(data.translate(None, _ASCII))
    return text if text.count("\ufffd") * 10 <= beyond_ascii else None


def _guessed(data: bytes) -> str:
    found = encodings.candidates(data)
    if len(found) > 1:
        readings = previews.readings(encodings.telling_lines(data), encodings=found)
        if len(readings) > 1:
            raise AmbiguousEncodingError(readings)
    if b"\x00" in data and not (found and found[0].startswith("utf")):
        raise UnreadableTextError(NOT_TEXT)
    if not found:
        raise UnreadableTextError(UNKNOWN_ENCODING)
    return data.decode(found[0], "replace")
