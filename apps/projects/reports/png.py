"""Plots as PNG, for mail readers, which show neither SVG nor PDF."""

import io
import threading

import pypdfium2

from apps.projects.reports import paper
from apps.projects.reports.marks import Plot

#: Pixels a point: sharp on today's screens.
SCALE = 3.0
MARGIN = 6.0

# PDFium may be called by one thread at a time.
_lock = threading.Lock()


def image(plot: Plot) -> bytes:
    """The plot as a PNG on white, `SCALE` pixels a point."""
    source = paper.page(plot, margin=MARGIN)
    with _lock:
        document = pypdfium2.PdfDocument(source)
        try:
            page = document[0]
            bitmap = page.render(scale=SCALE)
            picture = bitmap.to_pil().convert("P", palette=1, colors=64)
            bitmap.close()
            page.close()
        finally:
            document.close()
    target = io.BytesIO()
    picture.save(target, "PNG", optimize=True)
    return target.getvalue()
