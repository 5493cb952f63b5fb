"""A report as one HTML page that needs nothing else: no script, no address, styles and plots inside."""

import base64
import hashlib
from functools import cache
from pathlib import Path

from django.template.loader import render_to_string

from apps.projects.reports import plots, svg
from apps.projects.reports.figures import Figures
from apps.projects.reports.tiles import tiles

STYLE_SHEET = Path(__file__).parent / "report.css"


@cache
def style() -> str:
    return STYLE_SHEET.read_text()


def policy() -> str:
    """What the page may load, for the page itself: nothing, and of styles only its own."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def render(figures: Figures) -> bytes:
    """The page, in UTF-8."""
    wide = plots.made(figures, width=plots.WIDE)
    narrow = {plot.name: plot for plot in plots.made(figures, width=plots.NARROW)}
    drawn = [
        {
            "name": plot.name,
            "title": plot.title,
            "note": plot.note,
            "wide": svg.markup(plot, variant="wide"),
            "narrow": svg.markup(narrow[plot.name], variant="narrow"),
        }
        for plot in wide
    ]
    page = render_to_string(
        "projects/report.html",
        {
            "figures": figures,
            "tiles": tiles(figures),
            "plots": drawn,
            "style": style(),
            "policy": policy(),
            "left_out": figures.documents - len(figures.lines),
        },
    )
    return page.encode(errors="replace")
