"""Recognise files by their first bytes, so that the refusal of a file can name its format."""

import codecs
import re

from apps.documents.readers.source import Source

SEND_INSTEAD = (
    "Send your manuscript as one of: plain text (.txt), Markdown (.md), a web page (.html), Word (.docx), "
    "OpenDocument (.odt), an e-book (.epub), PDF (.pdf)."
)

OLD_WORD = "an old Word file (.doc)"

#: First bytes of formats that are not text, and the name of each format.
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
    (b"AT&TFORM", "a DjVu file"),
    (b"%!PS", "a PostScript file"),
    (b"\\documentclass", "a LaTeX file"),
    (b"MIME-Version:", "a web page in one file (.mht)"),
)

#: Bytes near the beginning of a ZIP file, and the name of the format that they show.
ZIP_CONTENTS: tuple[tuple[bytes, str], ...] = (
    (b"application/epub+zip", "an e-book (.epub)"),
    (b"application/vnd.oasis.opendocument.text", "an OpenDocument text (.odt)"),
    (b"word/", "a Word file (.docx)"),
)

#: Suffixes of files that are no plain text, and the name of each format.
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

#: Suffixes of files whose marks would be counted as words, and the name of each format.
MARKUP_SUFFIXES = {".tex": "a LaTeX file", ".mht": "a web page in one file (.mht)", ".mobi": "a Kindle e-book"}

#: First elements of XML files that are no web page, and the name of each format.
XML_ROOTS: dict[bytes, str] = {
    b"FictionBook": "an e-book in FictionBook (.fb2)",
    b"office:document": "a flat OpenDocument text (.fodt)",
    b"w:wordDocument": "a Word file in XML",
    b"pkg:package": "a Word file in XML",
    b"svg": "a picture (SVG)",
}
_XML_ROOT = re.compile(rb"\A\s*(?:<[?!][^>]*>\s*)*<([\w:.-]+)[\s>]")

#: In an old compound file, it marks a newer Word file with a password.
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")

#: A comment matches in one way only. Otherwise a page of nothing but comments would be tried in all ways to divide it,
#: without end. A possessive group would do the same, but Python before 3.11.5 gets it wrong.
_HTML = re.compile(
    rb"\A\s*(?:<\?xml[^>]*>\s*)?(?:<!--[^-]*(?:-(?!->)[^-]*)*-->\s*)*<(?:!doctype\s+html|html)[\s>]", re.IGNORECASE
)


def is_html(head: bytes) -> bool:
    """Return whether a file with these first bytes is a web page."""
    return _HTML.match(_in_utf_8(head)) is not None


def _in_utf_8(head: bytes) -> bytes:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head.decode("utf-16", "ignore").encode(errors="ignore")
    return head.removeprefix(codecs.BOM_UTF8)


def recognised(head: bytes) -> str | None:
    """Return the name of the format with these first bytes, such as "a PDF file". None: it may be text."""
    start = _in_utf_8(head).lstrip()
    for signature, name in SIGNATURES:
        if start.startswith(signature):
            return name
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return next((name for content, name in ZIP_CONTENTS if content in head), "an archive (ZIP)")
    if is_html(head):
        return "a web page (HTML)"
    if root := _XML_ROOT.search(start):
        return XML_ROOTS.get(root[1]) or ("an XML file" if start.startswith(b"<?xml") and root[1] != b"html" else None)
    return None


def refusal(source: Source) -> str | None:
    """Return the refusal of a file that no reader takes, for the writer. None: it may be text."""
    kind = recognised(source.head) or MARKUP_SUFFIXES.get(source.suffix)
    if kind is None and source.suffix == ".xml" and _XML_ROOT.search(_in_utf_8(source.head)):
        kind = "an XML file"
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
