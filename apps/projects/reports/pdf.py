"""A report as a PDF, with its fonts and plots inside."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

from django.utils import timezone
from reportlab.lib.enums import TA_CENTER
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table

from apps.plots import faces, paper
from apps.plots.marks import Label, Plot, Role
from apps.projects.contents import Found
from apps.projects.reports import pdf_documents, plots
from apps.projects.reports.figures import Figures
from apps.projects.reports.pdf_style import (
    BAD,
    EDGE,
    HEAD,
    MAIN,
    MARGIN,
    MUTED,
    SECOND,
    WIDTH,
    coloured,
    heading,
    style,
    text,
)
from apps.projects.reports.tiles import Tile, tiles
from apps.projects.reports.wording import counted, day

#: Padding that reportlab adds within the margins, on each side.
PADDING = 6.0
TILES_A_ROW = 4
#: Longer findings are cut.
MAX_FINDING_LENGTH = 400


def render(figures: Figures) -> bytes:
    """Return the PDF, on A4."""
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
    name = Label(x=MARGIN, y=13, text=faces.fitted(figures.name, size=8, points=WIDTH - 80), size=8, role=Role.MUTED)

    def foot(canvas: Canvas, document: Any) -> None:
        page, right = f"Page {document.page}", A4[0] - MARGIN
        marks = (name, Label(x=right, y=name.y, text=page, anchor="end", size=8, role=Role.MUTED))
        plot = Plot(name="foot", title="", description="", width=A4[0], height=HEAD, marks=marks)
        paper.drawing(plot).drawOn(canvas, 0, 0)

    story = list(_story(figures))
    with faces.pdf_lock:
        document.build(story, onFirstPage=foot, onLaterPages=foot)
    return target.getvalue()


def _story(figures: Figures) -> Iterator[Flowable]:
    """Yield the parts of the report in their order."""
    made = timezone.localtime(figures.made_at)
    yield text("PROJECT REPORT", 8, bold=True, textColor=MAIN)
    yield text(figures.name, 22, bold=True, spaceBefore=2, spaceAfter=4, leading=27)
    yield text(f"{figures.owner} · {day(made)}, {made:%H:%M}", 9, textColor=MUTED, spaceAfter=14)
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
        yield from _section(plot.title, [paper.drawing(plot)], note=plot.note)
    if figures.longest_sentences:
        yield from _section("The longest sentences", _findings(figures.longest_sentences, unit="word"))
    if figures.repeated_phrases:
        yield from _section("Phrases that come again", _findings(figures.repeated_phrases, unit="time"))
    if figures.lines:
        yield from pdf_documents.table(figures)
    if not _is_complete(figures):
        note = (
            f"{faces.MISSING} stands for a character that this PDF's fonts do not have. "
            "The report as a web page shows it."
        )
        yield Spacer(0, 12)
        yield text(note, 8, textColor=MUTED)


def _section(title: str, parts: Sequence[Flowable], *, note: str = "") -> Iterator[Flowable]:
    """Yield a part of the report that stays on one page, and the space below it, which need not."""
    head = [heading(title), *([text(note, 8.5, textColor=MUTED)] if note else [])]
    yield KeepTogether([*head, Spacer(0, 6), *parts])
    yield Spacer(0, 15)


def _empty(title: str, sentence: str) -> Iterator[Flowable]:
    yield Spacer(0, 40)
    yield text(title, 13, bold=True, alignment=TA_CENTER, spaceAfter=4)
    yield text(sentence, 10, alignment=TA_CENTER, textColor=MUTED, spaceAfter=40)


def _tiles(found: Sequence[Tile]) -> Table:
    """Return the figures in rows, each above its name."""
    cells = [
        [
            text(tile.figure, 14, bold=True, leading=17),
            text(tile.name, 8.5, textColor=MUTED, leading=11),
            text(tile.note, 7.5, textColor=SECOND, leading=10),
        ]
        for tile in found
    ]
    cells += [[]] * (-len(cells) % TILES_A_ROW)
    rows = [cells[start : start + TILES_A_ROW] for start in range(0, len(cells), TILES_A_ROW)]
    lines = [
        ("BOX", (0, 0), (-1, -1), 0.6, EDGE),
        ("INNERGRID", (0, 0), (-1, -1), 0.6, EDGE),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), 6),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
        ("LEFTPADDING", (0, 0), (-1, -1), 9),
    ]
    return Table(rows, colWidths=[WIDTH / TILES_A_ROW] * TILES_A_ROW, style=lines)


def _failures(figures: Figures) -> list[Flowable]:
    parts: list[Flowable] = [
        Paragraph(
            f"{faces.markup(line.title)}: {coloured(line.error or 'no reason was given', BAD)}", style(9, spaceAfter=3)
        )
        for line in figures.failures
    ]
    if figures.failed > len(figures.failures):
        parts.append(text(f"The first {len(figures.failures)} of {figures.failed:,}.", 8.5, textColor=MUTED))
    return parts


def _findings(found: Sequence[Found], *, unit: str) -> list[Flowable]:
    return [
        Paragraph(
            f"{faces.markup(_cut(one.text))} {coloured(f'({counted(one.number, unit)})', MUTED)}",
            style(9.5, leading=13, spaceAfter=4),
        )
        for one in found
    ]


def _cut(finding: str) -> str:
    return finding if len(finding) <= MAX_FINDING_LENGTH else finding[:MAX_FINDING_LENGTH].rstrip() + faces.ELLIPSIS


def _is_complete(figures: Figures) -> bool:
    """Return whether the fonts have all characters of the report."""
    texts = [figures.name, figures.owner, *(line.title for line in figures.lines)]
    texts += [found.text[:MAX_FINDING_LENGTH] for found in (*figures.longest_sentences, *figures.repeated_phrases)]
    texts += [keyword.text for keyword in figures.keywords] + [line.error for line in figures.failures]
    return all(map(faces.is_complete, texts))
