"""Headings that the outline of a PDF names. Programs show it beside the pages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from apps.documents.analysis import structure, words
from apps.documents.readers.pdf_pages import Line

if TYPE_CHECKING:
    import pypdfium2

#: Fewest entries of an outline, and most that are read.
MIN_ENTRIES, MAX_ENTRIES = 2, 10_000
#: Most levels. Headings have no more.
MAX_LEVELS = 8
#: Most lines of a heading.
MAX_LINES = 4
#: Distance by which an entry may point below its heading, in points.
MAX_BELOW = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """An entry of an outline.

    Parameters:
      level: 1 is the highest.
      page: Index of the page that it points to.
      top: Height of the place in the page, in points. None: it points to the whole page.
    """

    title: str
    level: int
    page: int
    top: float | None


def entries(document: "pypdfium2.PdfDocument") -> list[Entry]:
    """Return the outline. Empty: there is none."""
    return list(islice(_entries(document), MAX_ENTRIES))


def _entries(document: "pypdfium2.PdfDocument") -> Iterator[Entry]:
    import pypdfium2.raw as pdfium

    for bookmark in document.get_toc(max_depth=MAX_LEVELS):
        place = bookmark.get_dest()
        page = place.get_index() if place else None
        if place is None or page is None:
            continue
        try:
            title = " ".join(bookmark.get_title().split())
        except UnicodeDecodeError:  # Half a pair of surrogates.
            continue
        mode, position = place.get_view()
        top = {pdfium.PDFDEST_VIEW_XYZ: 1, pdfium.PDFDEST_VIEW_FITH: 0}.get(mode, 4)
        yield Entry(
            title=title,
            level=bookmark.level + 1,
            page=page,
            top=position[top] if top < len(position) else None,
        )


def mark(pages: Sequence[list[Line]], outline: Sequence[Entry]) -> None:
    """Mark the lines to which the outline points as headings, or the places of headings that no line has."""
    if len(outline) < MIN_ENTRIES:
        return
    #: For each page, the index of the line from which on the next heading is looked for.
    done: dict[int, int] = {}
    for entry in outline:
        if not 0 <= entry.page < len(pages) or not pages[entry.page]:
            continue
        page = pages[entry.page]
        first, stop = _place(page, entry, done.get(entry.page, 0))
        text = " ".join(line.text for line in page[first : stop or first + 1])
        label = "" if stop else entry.title
        page[first : stop or first + 1] = [
            replace(
                page[first], text=text, mark=page[first].mark + structure.mark(entry.level, label), is_heading=stop > 0
            )
        ]
        done[entry.page] = first + (stop > 0)


def _place(page: Sequence[Line], entry: Entry, start: int) -> tuple[int, int]:
    """Return the indexes of the first line of a heading and of the line below it. The latter is 0: it has no line."""
    title = _words(entry.title)
    below = [index for index in range(start, len(page)) if _is_below(page[index], entry.top)]
    for index in below:
        stop = index
        rest = title
        while (
            stop < min(index + MAX_LINES, len(page)) and (told := _words(page[stop].text)) and told == rest[: len(told)]
        ):
            rest = rest[len(told) :]
            stop += 1
        if stop > index and not rest:
            return index, stop
    first = below[0] if below and entry.top is not None else min(start, len(page) - 1)
    return first, 0


def _is_below(line: Line, top: float | None) -> bool:
    return top is None or line.baseline is None or line.baseline <= top + MAX_BELOW


def _words(text: str) -> list[str]:
    return [word.casefold() for word in words.WORD.findall(text)]
