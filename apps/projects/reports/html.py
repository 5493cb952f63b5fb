"""A report as one HTML page with its style and plots inside. It has no script and loads nothing."""

import base64
import hashlib
from functools import cache
from pathlib import Path

from django.template.loader import render_to_string
from django.utils.safestring import mark_safe

from apps.plots import svg
from apps.projects.reports import plots
from apps.projects.reports.figures import Figures
from apps.projects.reports.tiles import tiles

STYLE_SHEET = Path(__file__).parent / "report.css"


@cache
def style() -> str:
    """Return the page's style sheet."""
    return STYLE_SHEET.read_text()


def policy() -> str:
    """Return the page's own Content-Security-Policy: it may load nothing and use no style but its own."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def render(figures: Figures) -> bytes:
    """Return the page in UTF-8."""
    wide, narrow = (plots.made(figures, width=width) for width in (plots.WIDE, plots.NARROW))
    drawings = [
        mark_safe(f"{svg.scaled(one, variant='wide')}\n{svg.scaled(other, variant='narrow')}")  # noqa: S308 (escaped)
        for one, other in zip(wide, narrow, strict=True)
    ]
    page = render_to_string(
        "projects/report.html",
        {
            "figures": figures,
            "tiles": tiles(figures),
            "plots": list(zip(wide, drawings, strict=True)),
            "style": style(),
            "policy": policy(),
            "left_out": figures.documents - len(figures.lines),
        },
    )
    return page.encode(errors="replace")
