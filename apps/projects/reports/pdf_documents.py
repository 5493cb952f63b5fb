"""The table of documents in the PDF: a row for each document, and columns for the figures that any of them has."""

from collections.abc import Callable, Iterator

from django.utils import timezone
from reportlab.platypus import CondPageBreak, Flowable, LongTable, Spacer

from apps.plots import faces
from apps.projects.contents import DocumentLine
from apps.projects.reports.figures import Figures
from apps.projects.reports.pdf_style import BAD, EDGE, INK, MUTED, WIDTH, heading, text
from apps.projects.reports.wording import day, duration

#: A column's name, its width in points, and the text of a document in it.
Column = tuple[str, float, Callable[[DocumentLine], str]]

UNKNOWN = "\N{EN DASH}"


def table(figures: Figures) -> Iterator[Flowable]:
    """Yield the heading, the table, and the number of documents that it leaves out."""
    columns = _columns(figures)
    title_width = WIDTH - sum(width for _, width, _ in columns)
    head = ["Title", *(name for name, _, _ in columns)]
    rows = [
        [_title(line.title, points=title_width - 8), *(cell(line) for _, _, cell in columns)] for line in figures.lines
    ]
    style = [
        ("FONT", (0, 0), (-1, 0), faces.BOLD, 8),
        ("FONT", (0, 1), (-1, -1), faces.REGULAR, 8.5),
        ("TEXTCOLOR", (0, 0), (-1, 0), MUTED),
        ("TEXTCOLOR", (1, 1), (-1, -1), INK),
        ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -2), 0.5, EDGE),
        ("LEFTPADDING", (0, 0), (-1, -1), 2),
        ("RIGHTPADDING", (0, 0), (-1, -1), 2),
        ("TOPPADDING", (0, 0), (-1, -1), 2.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3.5),
    ]
    style += [
        ("TEXTCOLOR", (-1, row), (-1, row), BAD) for row, line in enumerate(figures.lines, start=1) if line.failed
    ]
    # No heading without some rows below it.
    yield CondPageBreak(90)
    yield heading("Documents")
    yield Spacer(0, 4)
    widths = [title_width, *(width for _, width, _ in columns)]
    yield LongTable([head, *rows], colWidths=widths, repeatRows=1, style=style)
    left_out = figures.documents - len(figures.lines)
    if left_out > 0:
        yield text(f"And {left_out:,} more, which are in the figures above.", 8.5, textColor=MUTED, spaceBefore=6)


def _title(title: str, *, points: float) -> Flowable:
    """Return the title in one line or two. From right to left it has one: two would be in the wrong order."""
    lines = 1 if faces.is_right_to_left(title) else 1.7
    return text(faces.fitted(title, size=8.5, points=lines * points), 8.5, leading=10.5, splitLongWords=1)


def _columns(figures: Figures) -> list[Column]:
    """Return the columns after the title, without those that would be empty."""

    def known(number: float | None, write: Callable[[float], str] = "{:,.0f}".format) -> str:
        return UNKNOWN if number is None else write(number)

    columns: list[Column] = [
        ("Words", 46, lambda line: known(line.words)),
        ("Chapters", 43, lambda line: known(None if line.words is None else line.chapters)),
        ("To read", 52, lambda line: known(line.reading_minutes, duration)),
    ]
    if figures.reading_ease is not None:
        columns.append(("Ease", 28, lambda line: known(line.reading_ease)))
    if figures.grade_level is not None:
        columns.append(("Grade", 31, lambda line: known(line.grade_level, "{:.1f}".format)))
    if figures.dialogue_share is not None:
        columns.append(("Dialogue", 41, lambda line: known(line.dialogue_share, "{:.0%}".format)))
    if figures.languages:
        columns.append(("Lang.", 28, lambda line: line.language or UNKNOWN))
    columns.append(("Added", 56, lambda line: day(timezone.localtime(line.created_at))))
    columns.append(("Status", 52, lambda line: line.status))
    return columns
