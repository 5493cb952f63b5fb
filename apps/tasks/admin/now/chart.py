"""Charts of ended tasks and of their times, as SVG without a script."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from apps.tasks import duration
from apps.tasks.admin import elements
from apps.tasks.figures import DAY, HOUR, WEEK, Counts, Period, Series
from apps.tasks.models import Deploy

#: Width of a drawing in units of its view box. A bar gets its share of it.
WIDTH, HEIGHT, LINES_HEIGHT = 720, 120, 60
#: Part of its share that a bar takes.
BAR = 0.78
#: Least height of a bar that stands for anything.
LEAST = 2.0
#: Deploys that are marked, at most: the last ones.
MOST_MARKS = 12
#: Parts of the times that are drawn, by the class of their line.
PARTS = {"now-half": 0.5, "now-most": 0.95}


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A deploy in a chart.

    Parameters:
      number, version: Those of the deploy.
      time: Its time in words.
    """

    number: int
    version: str
    time: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """The chart of a period.

    Parameters:
      bars: The drawing.
      top: Number that the top of the chart stands for.
      first, last: Times of the first and the last step.
      summary: The chart in one sentence.
      marks: The deploys that it marks.
    """

    bars: SafeString
    top: str
    first: str
    last: str
    summary: str
    marks: list[Mark] = field(default_factory=list)
    width: int = WIDTH
    height: int = HEIGHT


def of(series: Series, deploys: Sequence[Deploy] = ()) -> Chart:
    """Return the chart of completed and failed tasks, with the deploys of its period."""
    top = max((point.counts.completed + point.counts.failed for point in series.points), default=0) or 1
    share, total, times = _share(series), series.total, _times(series)
    done: list[str] = []
    failed: list[str] = []
    titles: list[str] = []
    for number, (point, time) in enumerate(zip(series.points, times, strict=True)):
        left = f"{number * share + share * (1 - BAR) / 2:.4g}"
        width = f"{share * BAR:.4g}"
        done_height = _height(point.counts.completed, top)
        failed_height = _height(point.counts.failed, top)
        if done_height:
            done.append(f"M{left} {HEIGHT}h{width}v-{done_height:.4g}h-{width}z")
        if failed_height:
            failed.append(f"M{left} {HEIGHT - done_height:.4g}h{width}v-{failed_height:.4g}h-{width}z")
        title = _("%(time)s: %(done)s completed, %(failed)s failed") % {
            "time": time,
            "done": point.counts.completed,
            "failed": point.counts.failed,
        }
        titles.append(f'<rect x="{left}" width="{width}" height="{HEIGHT}"><title>{escape(title)}</title></rect>')
    marks = list(_marks(series, deploys))
    return Chart(
        # Hundreds of elements: a template would take ten times as long.
        bars=_drawn(
            (
                f'<path class="now-done" d="{"".join(done)}"/>' if done else "",
                f'<path class="now-failed" d="{"".join(failed)}"/>' if failed else "",
                f'<g class="now-room">{"".join(titles)}</g>',
                *(drawn for drawn, _mark in marks),
            )
        ),
        top=elements.number(top),
        first=times[0],
        last=times[-1],
        summary=_("%(done)s completed and %(failed)s failed")
        % {"done": elements.number(total.completed), "failed": elements.number(total.failed)},
        marks=[mark for _drawn_mark, mark in marks],
    )


def lines(series: Series, quantile: Callable[[Counts, float], float | None]) -> Chart | None:
    """Return the chart of a time: half of the tasks and 95 of 100 were within it. None: there are no times.

    Parameters:
      quantile: `Counts.wait_quantile` or `Counts.run_quantile`.
    """
    found = {name: [quantile(point.counts, part) for point in series.points] for name, part in PARTS.items()}
    top = max((value for values in found.values() for value in values if value is not None), default=None)
    if top is None:
        return None
    share, times = _share(series), _times(series)
    parts = [
        f'<path class="{name}" d="{"".join(_line(values, share, max(top, 0.01)))}"/>' for name, values in found.items()
    ]
    return Chart(
        bars=_drawn(parts),
        top=duration.in_words(timedelta(seconds=top)),
        first=times[0],
        last=times[-1],
        summary=_("at most %(time)s") % {"time": duration.in_words(timedelta(seconds=top))},
        height=LINES_HEIGHT,
    )


def _line(values: Sequence[float | None], share: float, top: float) -> Iterable[str]:
    """Yield a level stroke for each step that has a value."""
    is_drawn = False
    for number, value in enumerate(values):
        if value is None:
            is_drawn = False
            continue
        # By roots: seconds are seen beside hours.
        y = LINES_HEIGHT - 2 - math.sqrt(value / top) * (LINES_HEIGHT - 4)
        yield f"{'V' if is_drawn else f'M{number * share:.4g} '}{y:.3g}h{share:.4g}"
        is_drawn = True


def _marks(series: Series, deploys: Sequence[Deploy]) -> Iterable[tuple[str, Mark]]:
    """Yield the dashed line of each deploy, with its text."""
    first, step = series.points[0].start, timedelta(minutes=series.period.step)
    whole = step * len(series.points)
    for deploy in deploys:
        at = deploy.at - first
        if timedelta() <= at < whole:
            x = f"{at / whole * WIDTH:.4g}"
            mark = Mark(number=deploy.number, version=deploy.version, time=_time(series.period, deploy.at))
            title = _("%(time)s: deploy of %(version)s") % {"time": mark.time, "version": mark.version}
            yield (
                f'<path class="now-deploy" d="M{x} 0V{HEIGHT}"><title>{escape(title)}</title></path>',
                mark,
            )


def deploys_of(series: Series) -> list[Deploy]:
    """Return the last deploys of the period, the first one first."""
    found = Deploy.objects.filter(at__gte=series.points[0].start)[:MOST_MARKS]
    return list(found)[::-1]


def _drawn(parts: Iterable[str]) -> SafeString:
    return mark_safe("".join(parts))  # noqa: S308 - numbers, and texts that are escaped


def _share(series: Series) -> float:
    return WIDTH / len(series.points)


def _height(number: int, top: int) -> float:
    # A failed task among thousands must be seen.
    return min(max(number / top * (HEIGHT - 2 * LEAST), LEAST), HEIGHT) if number else 0.0


def _times(series: Series) -> list[str]:
    return [_time(series.period, point.start) for point in series.points]


def _time(period: Period, time: datetime) -> str:
    local = timezone.localtime(time)
    if period.name in (HOUR.name, DAY.name):
        return f"{local:%H:%M}"
    return date_format(local, FORMATS[period.name])


#: Formats of Django by period.
FORMATS: dict[str, Any] = {WEEK.name: "D j M, H:i"}
