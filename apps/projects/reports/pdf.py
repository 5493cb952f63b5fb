"""A report as a PDF. `paper/report.typ` has its pages; this module gives it texts and figures."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from django.utils import timezone

from apps.projects.contents import DocumentLine, Found
from apps.projects.reports import plots
from apps.projects.reports.figures import Figures
from apps.projects.reports.tiles import tiles
from apps.projects.reports.typesetting import drawn, plain, typeset
from apps.projects.reports.wording import counted, day, duration, plural

#: A column's name and the text of a document in it.
Column = tuple[str, Callable[[DocumentLine], str]]

UNKNOWN = "\N{EN DASH}"


def render(figures: Figures) -> bytes:
    """Return the PDF, on A4."""
    made = timezone.localtime(figures.made_at)
    columns = _columns(figures)
    data = {
        "name": plain(figures.name),
        "owner": plain(figures.owner),
        "made": f"{day(made)}, {made:%H:%M}",
        "tiles": [asdict(tile) for tile in tiles(figures)],
        "documents": figures.documents,
        "processed": figures.processed,
        "failures": [{"title": plain(line.title), "error": plain(line.error)} for line in figures.failures],
        "failed": figures.failed,
        "plots": drawn(plots.made(figures, width=plots.WIDE)),
        "longest_sentences": _findings(figures.longest_sentences, unit=figures.noun),
        "repeated_phrases": _findings(figures.repeated_phrases, unit="time"),
        "notes": [f"{note.text} ({counted(note.number, 'document')})" for note in figures.notes],
        "columns": [name for name, _ in columns],
        "lines": [
            {"cells": [plain(cell(line)) for _, cell in columns], "failed": line.failed} for line in figures.lines
        ],
    }
    return typeset("report.typ", data, kind="pdf", made_at=figures.made_at)


def _findings(found: Sequence[Found], *, unit: str) -> list[dict[str, Any]]:
    return [{"text": plain(one.text), "count": counted(one.number, unit)} for one in found]


def _columns(figures: Figures) -> list[Column]:
    """Return the columns of the documents, without those that would be empty."""

    def known(number: float | None, write: Callable[[float], str] = "{:,.0f}".format) -> str:
        return UNKNOWN if number is None else write(number)

    columns: list[Column] = [
        ("Title", lambda line: line.title),
        (plural(figures.noun).capitalize(), lambda line: known(line.words)),
        ("Chapters", lambda line: known(None if line.words is None else line.chapters)),
        ("To read", lambda line: known(line.reading_minutes, duration)),
    ]
    if figures.reading_ease is not None:
        columns.append(("Ease", lambda line: known(line.reading_ease)))
    if figures.grade_level is not None:
        columns.append(("Grade", lambda line: known(line.grade_level, "{:.1f}".format)))
    if figures.dialogue_share is not None:
        columns.append(("Dialogue", lambda line: known(line.dialogue_share, "{:.0%}".format)))
    if figures.languages:
        columns.append(("Lang.", lambda line: line.language or UNKNOWN))
    columns.append(("Added", lambda line: day(timezone.localtime(line.created_at))))
    columns.append(("Status", lambda line: line.status))
    return columns
