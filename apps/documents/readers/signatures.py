"""Files that are known by how they begin, so that a writer is told what was sent instead of text."""

import re

from apps.documents.readers.source import Source

SEND_INSTEAD = (
    "Send your manuscript as one of: plain text (.txt), Markdown (.md), a web page (.html), Word (.docx), "
    "OpenDocument (.odt), an e-book (.epub), PDF (.pdf)."
)

OLD_WORD = "an old Word file (.doc)"

#: The first bytes of formats that are not text, and what people call them.
SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "a PDF file"),
    (b"{\\rtf", "an RTF file"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLD_WORD),
    (b"\x89PNG\r\n", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"GIF8", "a picture (GIF)"),
    (b"\x1f\x8b", "a compressed file (gzip)"),
    (b"7z\xbc\xaf\x27\x1c", "an archive (7z)"),
    (b"Rar!\x1a\x07", "an archive (RAR)"),
)

#: What stands near the beginning of a ZIP file, and what it then is.
ZIP_CONTENTS: tuple[tuple[bytes, str], ...] = (
    (b"application/epub+zip", "an e-book (.epub)"),
    (b"application/vnd.oasis.opendocument.text", "an OpenDocument text (.odt)"),
    (b"word/", "a Word file (.docx)"),
)

#: Names that say a file is no plain text, and what it should be.
BINARY_SUFFIXES: dict[str, str] = {
    ".pdf": "PDF file",
    ".docx": "Word file",
    ".docm": "Word file",
    ".dotx": "Word file",
    ".doc": "Word file",
    ".odt": "OpenDocument text",
    ".epub": "e-book",
    ".rtf": "RTF file",
    ".zip": "archive",
}

#: In an old compound file: a newer Word file with a password.
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")

#: A comment matches in one way only: a page of nothing but comments would be tried in all ways to divide it, which has
#: no end. Not by a possessive group, which Python before 3.11.5 gets wrong.
_HTML = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--[^-]*(?:-(?!->)[^-]*)*-->\s*)*<(?:!doctype\s+html|html)[\s>]", re.IGNORECASE
)


def is_html(head: bytes) -> bool:
    """Whether a file that begins so is a web page."""
    return _HTML.match(head.removeprefix(b"\xef\xbb\xbf")) is not None


def recognised(head: bytes) -> str | None:
    """What a file is that begins so, such as "a PDF file", or None where it may be text."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for signature, name in SIGNATURES:
        if start.startswith(signature):
            return name
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return next((name for content, name in ZIP_CONTENTS if content in head), "an archive (ZIP)")
    if is_html(head):
        return "a web page (HTML)"
    return None


def refusal(source: Source) -> str | None:
    """Why a file of a kind that no reader is for cannot be read, for the writer. None where it may be text."""
    kind = recognised(source.head)
    if kind == OLD_WORD and _ENCRYPTED_PACKAGE in source.content():
        return "This is a Word file with a password. Save it without one and send that."
    if kind is not None:
        return f"This is {kind}, which cannot be read. {SEND_INSTEAD}"
    if source.suffix in BINARY_SUFFIXES:
        return (
            f"The file is called {source.suffix}, but it is no {BINARY_SUFFIXES[source.suffix]}: nothing in it begins "
            f"like one. Look whether it was sent or saved whole, and give it the name that fits. {SEND_INSTEAD}"
        )
    return None
