"""PDF files. The library is a large one in C and the files come from strangers, so `isolated` runs this reader."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from apps.documents.analysis import words
from apps.documents.readers import pdf_outline, pdf_pages
from apps.documents.readers.errors import UnreadableTextError
from apps.documents.readers.limits import Limits
from apps.documents.readers.pdf_pages import Line
from apps.documents.readers.progress import OnProgress
from apps.documents.readers.source import Source

if TYPE_CHECKING:
    import pypdfium2

#: Signature of a PDF. Other bytes may come before it.
SIGNATURE = b"%PDF-"
SIGNATURE_WITHIN_BYTES = 1024

LOCKED = "The PDF has a password. Save it without one and send that."
DAMAGED = (
    "The PDF is damaged or was cut off while it was sent or copied. "
    "Export it again from the program that wrote it and send that."
)
RECOGNISE = "Let a text recognition program (OCR) read it, or send the manuscript that it was made from."
NO_TEXT = f"There is no text in the PDF: its pages are pictures, as a scanner makes them. {RECOGNISE}"

#: Share of pages that are pictures from which on the text of the others is no manuscript.
PICTURES_SHARE = 2 / 3
#: Pictures that any PDF may have, such as a scanned letter with a line of text beneath.
MOST_PICTURES = 2
#: Most words on a page that is a picture, such as a printed line of a library.
WORDS_ON_PICTURE = 15


def claims(source: Source) -> bool:
    return SIGNATURE in source.head[:SIGNATURE_WITHIN_BYTES] and not source.head[:1].isalnum()


def check(source: Source, limits: Limits) -> None:
    with _opened(source, limits):
        pass


def read(source: Source, limits: Limits, on_progress: OnProgress) -> str:
    """Return the text of all pages, each paragraph between empty lines, without running heads and page numbers.

    Its headings are those that the outline names.
    """
    pages: list[list[Line]] = []
    pictures = 0
    with _opened(source, limits) as document:
        count = len(document)
        for number in range(count):
            lines, is_picture = _lines(document, number)
            pages.append(lines)
            pictures += is_picture
            on_progress((number + 1) / count, f"Reading page {number + 1:,} of {count:,}")
        pdf_outline.mark(pages, pdf_outline.entries(document))
    text = pdf_pages.text(pages)
    if not text.strip():
        raise UnreadableTextError(NO_TEXT)
    if pictures > max(MOST_PICTURES, PICTURES_SHARE * count):
        raise UnreadableTextError(f"{pictures:,} of {count:,} pages are pictures, as a scanner makes them. {RECOGNISE}")
    return text


@contextmanager
def _opened(source: Source, limits: Limits) -> Iterator["pypdfium2.PdfDocument"]:
    import pypdfium2
    import pypdfium2.raw as pdfium

    try:
        document = pypdfium2.PdfDocument(source.content())
    except pypdfium2.PdfiumError as error:
        needs_password = getattr(error, "err_code", None) in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY)
        raise UnreadableTextError(LOCKED if needs_password else DAMAGED) from None
    try:
        count = len(document)
        if count == 0:
            raise UnreadableTextError(DAMAGED)
        if count > limits.pages:
            raise UnreadableTextError(
                f"The PDF has {count:,} pages, and at most {limits.pages:,} can be taken. "
                "Split it into several documents."
            )
        yield document
    finally:
        document.close()


def _lines(document: "pypdfium2.PdfDocument", number: int) -> tuple[list[Line], bool]:
    """Return the lines of a page, in its order, and whether it is a picture. A damaged page has no lines."""
    import pypdfium2

    try:
        page = document[number]
    except pypdfium2.PdfiumError:
        return [], False
    try:
        textpage = page.get_textpage()
        try:
            lines = list(_read_lines(textpage))
            return lines, _is_picture(page, lines)
        finally:
            textpage.close()
    except pypdfium2.PdfiumError:
        return [], False
    finally:
        page.close()


def _is_picture(page: "pypdfium2.PdfPage", lines: list[Line]) -> bool:
    import pypdfium2.raw as pdfium

    if len(lines) > WORDS_ON_PICTURE or sum(words.count(line.text) for line in lines) > WORDS_ON_PICTURE:
        return False
    return next(page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=2), None) is not None


def _read_lines(textpage: "pypdfium2.PdfTextPage") -> Iterator[Line]:
    text = textpage.get_text_range()
    # A place is asked for by the number of its character. Where these numbers do not fit, lines have no places.
    fits = len(text) == textpage.count_chars()
    start = 0
    for line in text.split("\n"):
        shown = line.strip("\r\n ")
        if shown:
            first = start + len(line) - len(line.lstrip())
            last = start + len(line.rstrip()) - 1
            left, baseline = _origin(textpage, first) if fits else (None, None)
            right = _right(textpage, last) if fits else None
            yield Line(text=shown, left=left, right=right, baseline=baseline)
        start += len(line) + 1


def _origin(textpage: Any, index: int) -> tuple[float | None, float | None]:
    import ctypes

    import pypdfium2.raw as pdfium

    x, y = ctypes.c_double(), ctypes.c_double()
    if not pdfium.FPDFText_GetCharOrigin(textpage, index, x, y):
        return None, None
    return x.value, y.value


def _right(textpage: Any, index: int) -> float | None:
    try:
        return float(textpage.get_charbox(index)[2])
    except Exception:
        return None
