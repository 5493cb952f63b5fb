"""Headings that the outline of a PDF names. Programs show it beside the pages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING

from apps.documents.analysis import structure, words
from apps.documents.readers.pdf_pages import Line

if TYPE_CHECKING:
    import pypdfium2

#: Fewest entries of an outline, and most that are read.
MIN_ENTRIES, MAX_ENTRIES = 2, 10_000
#: Most levels. Headings have no more.
MAX_LEVELS = 8
#: Most entries that point to one page, which has fewer lines, and most characters of a title. Each entry is looked for
#: in all of its page.
MAX_ENTRIES_A_PAGE, MAX_CHARACTERS = 200, 500
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
            title = " ".join(bookmark.get_title().split())[:MAX_CHARACTERS]
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
    by_page: dict[int, list[Entry]] = {}
    for entry in outline:
        if 0 <= entry.page < len(pages) and pages[entry.page]:
            by_page.setdefault(entry.page, []).append(entry)
    for number, found in by_page.items():
        _mark(pages[number], found[:MAX_ENTRIES_A_PAGE])


def _mark(page: list[Line], outline: Sequence[Entry]) -> None:
    told = [_words(line.text) for line in page]
    start = 0
    for entry in outline:
        first, stop = _place(page, told, entry, start)
        end = stop or first + 1
        text = " ".join(line.text for line in page[first:end])
        label = "" if stop else entry.title
        mark = page[first].mark + structure.mark(entry.level, label)
        page[first:end] = [replace(page[first], text=text, mark=mark, is_heading=stop > 0)]
        told[first:end] = [list(chain.from_iterable(told[first:end]))]
        start = first + (stop > 0)


def _place(page: Sequence[Line], told: Sequence[list[str]], entry: Entry, start: int) -> tuple[int, int]:
    """Return the indexes of the first line of a heading and of the line below it. The latter is 0: it has no line.

    Parameters:
      told: Words of each line of the page.
      start: Index of the line from which on it is looked for.
    """
    title = _words(entry.title)
    first = None
    for index in range(start, len(page)):
        if not _is_below(page[index], entry.top):
            continue
        first = index if first is None else first
        stop, rest = index, title
        while stop < min(index + MAX_LINES, len(page)) and told[stop] and told[stop] == rest[: len(told[stop])]:
            rest = rest[len(told[stop]) :]
            stop += 1
        if stop > index and not rest:
            return index, stop
    return (min(start, len(page) - 1) if first is None or entry.top is None else first), 0


def _is_below(line: Line, top: float | None) -> bool:
    return top is None or line.baseline is None or line.baseline <= top + MAX_BELOW


def _words(text: str) -> list[str]:
    return [word.casefold() for word in words.WORD.findall(text)]
