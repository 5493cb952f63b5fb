"""Files that are known by how they begin, so that a writer is told what was sent instead of text."""

import re

#: How much of a file is looked at.
HEAD_BYTES = 4096

#: The first bytes of formats that are not text, and what people call them.
SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "a PDF file"),
    (b"{\\rtf", "an RTF file"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Word file (.doc)"),
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

HTML = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)[\s>]", re.IGNORECASE | re.DOTALL
)


def recognised(data: bytes) -> str | None:
    """What the file is, such as "a PDF file", or None where it may be text."""
    head = data[:HEAD_BYTES]
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for signature, name in SIGNATURES:
        if start.startswith(signature):
            return name
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return next((name for content, name in ZIP_CONTENTS if content in head), "an archive (ZIP)")
    if HTML.match(start):
        return "a web page (HTML)"
    return None
