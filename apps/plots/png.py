"""Plots as PNG, for mail readers, which show neither SVG nor PDF."""

import io
import threading

import pypdfium2
from reportlab.graphics import renderPDF

from apps.plots import faces, paper
from apps.plots.marks import Plot

#: Pixels per point: sharp on today's screens.
SCALE = 3.0
#: Margin on each side, in points.
MARGIN = 6.0

# PDFium may be called by one thread at a time.
_lock = threading.Lock()


def image(plot: Plot) -> bytes:
    """Return the plot as a PNG on white, `SCALE` pixels per point."""
    drawing, target = paper.drawing(plot), io.BytesIO()
    drawing.width, drawing.height = plot.width + 2 * MARGIN, plot.height + 2 * MARGIN
    drawing.translate(MARGIN, MARGIN)
    with faces.pdf_lock:
        source = renderPDF.drawToString(drawing)
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
    picture.save(target, "PNG", optimize=True)
    return target.getvalue()
