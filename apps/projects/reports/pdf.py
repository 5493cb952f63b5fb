"""A report as a PDF, with its fonts and plots inside."""

import io
from collections.abc import Iterable, Sequence
from typing import Any

from django.utils import timezone
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_CENTER
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    CondPageBreak,
    Flowable,
    KeepTogether,
    LongTable,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
)

from apps.projects.contents import DocumentLine, Found
from apps.projects.reports import faces, paper, plots
from apps.projects.reports.figures import Figures
from apps.projects.reports.marks import Label, Plot, Role
from apps.projects.reports.tiles import Tile, tiles
from apps.projects.reports.wording import counted, day, duration

#: What is free on the sides, and above and below.
MARGIN, HEAD = 54.0, 46.0
WIDTH = A4[0] - 2 * MARGIN
#: Reportlab keeps so much free within the margins, on each side.
PADDING = 6.0
TILES_A_ROW = 4
UNKNOWN = "\N{EN DASH}"
#: Longer findings are cut.
MAX_FINDING_LENGTH = 400

INK, MUTED, MAIN, SECOND = (paper.COLOURS[role] for role in (Role.INK, Role.MUTED, Role.MAIN, Role.SECOND))
EDGE, BAD = paper.COLOURS[Role.GRID], HexColor("#b3362b")


def render(figures: Figures) -> bytes:
    """The PDF, on A4."""
    target = io.BytesIO()
    document = SimpleDocTemplate(
        target,
        pagesize=A4,
        leftMargin=MARGIN - PADDING,
        rightMargin=MARGIN - PADDING,
        topMargin=HEAD,
        bottomMargin=HEAD,
        title=f"{figures.name}: report",
        author=figures.owner,
        creator="aiWriting",
        lang="en",
    )
    foot = _Foot(name=figures.name)
    story = list(_story(figures))
    with faces.pdf_lock:
        document.build(story, onFirstPage=foot, onLaterPages=foot)
    return target.getvalue()


class _Foot:
    """What stands below each page."""

    def __init__(self, *, name: str) -> None:
        self.name = faces.fitted(name, size=8, points=WIDTH - 80)

    def __call__(self, canvas: Canvas, document: Any) -> None:
        for label in (
            Label(x=MARGIN, y=0, text=self.name, size=8, role=Role.MUTED),
            Label(x=A4[0] - MARGIN, y=0, text=f"Page {document.page}", size=8, role=Role.MUTED, anchor="end"),
        ):
            for string in paper.strings(label, y=30):
                canvas.setFont(string.fontName, string.fontSize)
                canvas.setFillColor(string.fillColor)
                canvas.drawString(string.x, string.y, string.text)


class _Drawn(Flowable):  # type: ignore[misc]
    """A plot as a part of the page."""

    def __init__(self, plot: Plot) -> None:
        super().__init__()
        self.drawing = paper.drawing(plot)
        self.width, self.height = plot.width, plot.height

    def wrap(self, *available: float) -> tuple[float, float]:
        return self.width, self.height

    def draw(self) -> None:
        self.drawing.drawOn(self.canv, 0, 0)


class _Text(Flowable):  # type: ignore[misc]
    """A line of text in a cell, cut where it is too wide for it."""

    def __init__(self, text: str, *, points: float, size: float = 8.5) -> None:
        super().__init__()
        self.text, self.size = faces.fitted(text, size=size, points=points), size

    def wrap(self, *available: float) -> tuple[float, float]:
        return faces.width(self.text, size=self.size), self.size * 1.2

    def draw(self) -> None:
        for string in paper.strings(Label(x=0, y=0, text=self.text, size=self.size), y=self.size * 0.25):
            self.canv.setFont(string.fontName, string.fontSize)
            self.canv.setFillColor(string.fillColor)
            self.canv.drawString(string.x, string.y, string.text)


def _style(size: float, **values: Any) -> ParagraphStyle:
    defaults = {"fontName": faces.load(faces.REGULAR), "fontSize": size, "leading": size * 1.35, "textColor": INK}
    return ParagraphStyle(f"size {size}", **{**defaults, **values})


def _story(figures: Figures) -> Iterable[Flowable]:
    """The parts of the report in their order."""
    faces.load(faces.BOLD)
    yield Paragraph("PROJECT REPORT", _style(8, fontName=faces.BOLD, textColor=MAIN))
    yield Paragraph(faces.markup(figures.name, bold=True), _style(22, spaceBefore=2, spaceAfter=4, leading=27))
    made = timezone.localtime(figures.made_at)
    byline = f"{figures.owner} · {day(made)}, {made:%H:%M}"
    yield Paragraph(faces.markup(byline), _style(9, textColor=MUTED, spaceAfter=14))
    yield _tiles(tiles(figures))
    yield Spacer(0, 16)
    if not figures.documents:
        yield from _empty(
            "Nothing here yet",
            "This project has no documents. Upload or paste a text, and the next report shows how it grows and reads.",
        )
    elif not figures.processed:
        yield from _empty(
            "No figures yet",
            "None of the documents was processed. Process them, and the next report has their figures and plots.",
        )
    if figures.failures:
        yield from _section("Could not be processed", _failures(figures))
    for plot in plots.made(figures, width=WIDTH):
        yield from _section(plot.title, [_Drawn(plot)], note=plot.note)
    if figures.longest_sentences:
        yield from _section("The longest sentences", _findings(figures.longest_sentences, unit="word"))
    if figures.repeated_phrases:
        yield from _section("Phrases that come again", _findings(figures.repeated_phrases, unit="time"))
    if figures.lines:
        yield from _documents(figures)
    if not _is_complete(figures):
        note = (
            f"{faces.MISSING} stands for a character that this PDF's fonts do not have. "
            "The report as a web page shows it."
        )
        yield Spacer(0, 12)
        yield Paragraph(faces.markup(note), _style(8, textColor=MUTED))


def _heading(title: str) -> Paragraph:
    return Paragraph(faces.markup(title, bold=True), _style(12.5, spaceAfter=1))


def _section(title: str, parts: Sequence[Flowable], *, note: str = "") -> Iterable[Flowable]:
    """A part of the report that is on one page. The space below it may be on none."""
    head = [_heading(title)]
    if note:
        head.append(Paragraph(faces.markup(note), _style(8.5, textColor=MUTED)))
    yield KeepTogether([*head, Spacer(0, 6), *parts])
    yield Spacer(0, 15)


def _empty(title: str, text: str) -> Iterable[Flowable]:
    yield Spacer(0, 40)
    yield Paragraph(faces.markup(title, bold=True), _style(13, alignment=TA_CENTER, spaceAfter=4))
    yield Paragraph(faces.markup(text), _style(10, alignment=TA_CENTER, textColor=MUTED, spaceAfter=40))


def _tiles(found: Sequence[Tile]) -> Table:
    """The figures in rows of four, each over what it counts."""
    cells = [
        [
            Paragraph(faces.markup(tile.figure, bold=True), _style(14, leading=17)),
            Paragraph(faces.markup(tile.name), _style(8.5, textColor=MUTED, leading=11)),
            Paragraph(faces.markup(tile.note), _style(7.5, textColor=SECOND, leading=10)),
        ]
        for tile in found
    ]
    cells += [[]] * (-len(cells) % TILES_A_ROW)
    rows = [cells[start : start + TILES_A_ROW] for start in range(0, len(cells), TILES_A_ROW)]
    style = [
        ("BOX", (0, 0), (-1, -1), 0.6, EDGE),
        ("INNERGRID", (0, 0), (-1, -1), 0.6, EDGE),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), 6),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
        ("LEFTPADDING", (0, 0), (-1, -1), 9),
    ]
    return Table(rows, colWidths=[WIDTH / TILES_A_ROW] * TILES_A_ROW, style=style)


def _failures(figures: Figures) -> list[Flowable]:
    style = _style(9, spaceAfter=3)
    bad = BAD.hexval().replace("0x", "#")
    parts: list[Flowable] = []
    for line in figures.failures:
        reason = faces.markup(line.error or "no reason was given")
        parts.append(Paragraph(f"{faces.markup(line.title)}: <font color='{bad}'>{reason}</font>", style))
    if figures.failed > len(figures.failures):
        note = f"The first {len(figures.failures)} of {figures.failed:,}."
        parts.append(Paragraph(faces.markup(note), _style(8.5, textColor=MUTED)))
    return parts


def _findings(found: Sequence[Found], *, unit: str) -> list[Flowable]:
    style = _style(9.5, leading=13, spaceAfter=4)
    muted = MUTED.hexval().replace("0x", "#")
    return [
        Paragraph(
            f"{faces.markup(_cut(one.text))} <font color='{muted}'>({counted(one.number, unit)})</font>",
            style,
        )
        for one in found
    ]


def _cut(text: str) -> str:
    return text if len(text) <= MAX_FINDING_LENGTH else text[:MAX_FINDING_LENGTH].rstrip() + faces.ELLIPSIS


def _documents(figures: Figures) -> Iterable[Flowable]:
    """A table with a row for each document; columns of which nobody knows anything are left out."""
    columns = [column for column in _columns(figures) if column is not None]
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
    widths = [title_width, *(width for _, width, _ in columns)]
    # No head without some rows below it.
    yield CondPageBreak(90)
    yield _heading("Documents")
    yield Spacer(0, 4)
    yield LongTable([head, *rows], colWidths=widths, repeatRows=1, style=style)
    left_out = figures.documents - len(figures.lines)
    if left_out > 0:
        note = f"And {left_out:,} more, which are in the figures above."
        yield Paragraph(faces.markup(note), _style(8.5, textColor=MUTED, spaceBefore=6))


def _title(text: str, *, points: float) -> Flowable:
    """The title in one line or two. One from right to left is cut: its lines would be in the wrong order."""
    size = 8.5
    if faces.is_right_to_left(text) or faces.width(text, size=size) <= points:
        return _Text(text, points=points, size=size)
    shown = faces.fitted(text, size=size, points=1.7 * points)
    return Paragraph(faces.markup(shown), _style(size, leading=10.5, splitLongWords=1))


def _columns(figures: Figures) -> list[Any]:
    """Name, width in points, and what stands in it; None for a column that would be empty."""

    def known(number: float | None, text: str) -> str:
        return UNKNOWN if number is None else text

    def words(line: DocumentLine) -> str:
        return known(line.words, f"{line.words or 0:,}")

    def chapters(line: DocumentLine) -> str:
        return known(line.words, f"{line.chapters:,}")

    def reading(line: DocumentLine) -> str:
        return known(line.reading_minutes, duration(line.reading_minutes or 0))

    def reading_ease(line: DocumentLine) -> str:
        return known(line.reading_ease, f"{line.reading_ease or 0:.0f}")

    def grade(line: DocumentLine) -> str:
        return known(line.grade_level, f"{line.grade_level or 0:.1f}")

    def dialogue(line: DocumentLine) -> str:
        return known(line.dialogue_share, f"{line.dialogue_share or 0:.0%}")

    return [
        ("Words", 46, words),
        ("Chapters", 43, chapters),
        ("To read", 52, reading),
        ("Ease", 28, reading_ease) if figures.reading_ease is not None else None,
        ("Grade", 31, grade) if figures.grade_level is not None else None,
        ("Dialogue", 41, dialogue) if figures.dialogue_share is not None else None,
        ("Lang.", 28, lambda line: line.language or UNKNOWN) if figures.languages else None,
        ("Added", 56, lambda line: day(timezone.localtime(line.created_at))),
        ("Status", 52, lambda line: line.status),
    ]


def _is_complete(figures: Figures) -> bool:
    texts = [figures.name, figures.owner, *(line.title for line in figures.lines)]
    texts += [found.text[:MAX_FINDING_LENGTH] for found in (*figures.longest_sentences, *figures.repeated_phrases)]
    texts += [keyword.text for keyword in figures.keywords] + [line.error for line in figures.failures]
    return all(map(faces.is_complete, texts))
