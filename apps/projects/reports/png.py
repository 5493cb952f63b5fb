"""Plots as PNG, for mail readers, which show neither SVG nor PDF."""

from datetime import UTC, datetime

from apps.plots.marks import Plot
from apps.projects.reports.typesetting import drawn, typeset

#: Pixels per point: sharp on today's screens.
SCALE = 3.0
#: Margin on each side in points, as the template has it.
MARGIN = 6.0


def image(plot: Plot) -> bytes:
    """Return the plot as a PNG on white, `SCALE` pixels per point."""
    [data] = drawn([plot])
    return typeset("picture.typ", data, kind="png", made_at=datetime.fromtimestamp(0, UTC), ppi=72 * SCALE)
