"""Names under which files are sent back: no program of a reader's machine runs one for its suffix."""

import re

from apps.documents.readers import markdown, signatures, web_page
from apps.documents.readers.source import Source

#: Suffixes of formats that are read.
SUFFIXES = {".txt", ".text", ".docx", ".docm", ".dotx", ".odt", ".epub", ".pdf", *web_page.SUFFIXES, *markdown.SUFFIXES}
#: Suffixes of formats whose names have none.
UNNAMED = {"a PDF file": ".pdf", "a web page (HTML)": ".html", "an archive (ZIP)": ".zip"}
_NAMED = re.compile(r"\((\.\w+)\)")


def download_name(source: Source) -> str:
    """Return the name of a file, with the suffix of its content added to one that is of no format."""
    if source.suffix in SUFFIXES:
        return source.filename
    kind = signatures.recognised(source.head) or ""
    named = _NAMED.search(kind)
    return f"{source.filename}{UNNAMED.get(kind) or (named[1] if named else '.txt')}"
