"""Plain text, in any encoding that writers have."""

import codecs
import re

from charset_normalizer import from_bytes

from apps.documents.readers.content import NOT_TEXT, checked
from apps.documents.readers.errors import UnreadableTextError
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

#: Encodings that are guessed, the second group only if none of the first makes sense. In one group, the Central
#: European ones would win over cp1252 for short English and Swedish texts.
LEGACY_ENCODINGS: tuple[tuple[str, ...], ...] = (("cp1252", "mac_roman", "cp850"), ("cp1250", "iso8859_2"))

#: Bytes of lines beyond ASCII on which the guess is made.
SAMPLE_BYTES = 64 * 1024

UNKNOWN_ENCODING = (
    "The file's characters cannot be read: its encoding is unknown or it is damaged. "
    "Save it again as plain text in UTF-8 and send that."
)

_ASCII = bytes(range(128))
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_LINE_END = re.compile(rb"\r\n?|\n")


def claims(source: Source) -> bool:
    """Return True: a file that is no text is refused by its content."""
    return True


def check(source: Source, limits: Limits) -> None:
    """Read it, which takes no longer than to store it."""
    checked(read(source, limits, ignore))


def read(source: Source, limits: Limits, on_progress: OnProgress) -> str:
    """Return the text of a plain text file, without a byte order mark. Line ends stay as they are."""
    return decoded(source.content())


def decoded(data: bytes) -> str:
    """Decode a plain text.

    UTF-8 may have a byte order mark, UTF-16 and UTF-32 must have one. Otherwise the encoding is the best guess among
    the one-byte encodings of Western and Central European writers.

    Raises:
      UnreadableTextError: It is binary, or its encoding is unknown.
    """
    for mark, encoding in BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _decoded(data, encoding)
    if b"\x00" in data:
        raise UnreadableTextError(NOT_TEXT)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _salvaged(data) or _guessed(data)


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
    sample = _telling_lines(data)
    for encodings in LEGACY_ENCODINGS:
        guess = from_bytes(sample, cp_isolation=list(encodings)).best()
        if guess is not None:
            return _decoded(data, guess.encoding)
    raise UnreadableTextError(UNKNOWN_ENCODING)


def _telling_lines(data: bytes) -> bytes:
    """Return the lines with bytes beyond ASCII, at most `SAMPLE_BYTES`. One by one, since there may be millions."""
    lines: list[bytes] = []
    room, at = SAMPLE_BYTES, 0
    while room > 0 and (found := _BEYOND_ASCII.search(data, at)):
        start = max(at, *(data.rfind(line_end, at, found.start()) + 1 for line_end in (b"\n", b"\r")))
        # A line may be a whole book, so the sample begins near the byte that was found.
        start = max(start, found.start() - room // 2)
        stop = _LINE_END.search(data, found.end(), found.end() + room)
        at = stop.end() if stop else found.end() + room
        lines.append(data[start:at][:room])
        room -= len(lines[-1])
    return b"".join(lines)
