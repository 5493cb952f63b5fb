"""A chart of what ended, as SVG without a script."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from apps.tasks.admin import elements
from apps.tasks.figures import DAY, HOUR, WEEK, Period, Point, Series

#: Width of the drawing in units of its view box. A bar gets its share of it.
WIDTH, HEIGHT = 720, 120
#: Part of its share that a bar takes.
BAR = 0.78
#: Least height of a bar that stands for anything.
LEAST = 2.0


@dataclass(frozen=True, kw_only=True)
class Chart:
    """The chart of a period.

    Parameters:
      bars: One group for each step: completed tasks, and failed ones on top of them.
      top: Number that the top of the chart stands for.
      first, last: Times of the first and the last bar.
      summary: The chart in one sentence.
    """

    bars: SafeString
    top: str
    first: str
    last: str
    summary: str
    width: int = WIDTH
    height: int = HEIGHT


def of(series: Series) -> Chart:
    """Return the chart of completed and failed tasks."""
    top = max((point.counts.completed + point.counts.failed for point in series.points), default=0) or 1
    share = WIDTH / len(series.points)
    total = series.total
    return Chart(
        # Hundreds of elements: a template would take ten times as long.
        bars=mark_safe(  # noqa: S308 - numbers, and texts that are escaped
            "".join(
                _bar(point, number * share, share, top, series.period) for number, point in enumerate(series.points)
            )
        ),
        top=elements.number(top),
        first=_time(series.period, series.points[0].start),
        last=_time(series.period, series.points[-1].start),
        summary=_("%(done)s completed and %(failed)s failed")
        % {"done": elements.number(total.completed), "failed": elements.number(total.failed)},
    )


def _bar(point: Point, x: float, share: float, top: int, period: Period) -> str:
    completed, failed = point.counts.completed, point.counts.failed
    done_height, failed_height = _height(completed, top), _height(failed, top)
    title = _("%(time)s: %(done)s completed, %(failed)s failed") % {
        "time": _time(period, point.start),
        "done": completed,
        "failed": failed,
    }
    place = f'x="{x + share * (1 - BAR) / 2:.1f}" width="{share * BAR:.1f}"'
    parts = [f'<rect class="now-room" {place} y="0" height="{HEIGHT}"/>']
    if completed:
        parts.append(f'<rect class="now-done" {place} y="{HEIGHT - done_height:.1f}" height="{done_height:.1f}"/>')
    if failed:
        y = HEIGHT - done_height - failed_height
        parts.append(f'<rect class="now-failed" {place} y="{y:.1f}" height="{failed_height:.1f}"/>')
    return f"<g><title>{escape(title)}</title>{''.join(parts)}</g>"


def _height(number: int, top: int) -> float:
    # A failed task among thousands must be seen.
    return min(max(number / top * (HEIGHT - 2 * LEAST), LEAST), HEIGHT) if number else 0.0


def _time(period: Period, time: datetime) -> str:
    formats = {HOUR.name: "H:i", DAY.name: "H:i", WEEK.name: "D j M, H:i"}
    return date_format(timezone.localtime(time), formats[period.name])
