"""The plots of a report, each from the project's figures at a width."""

from collections.abc import Callable, Sequence

from reportlab.graphics.charts.utils import find_good_grid

from apps.projects.reports import faces
from apps.projects.reports.figures import READING_EASE, Course, Figures, Period
from apps.projects.reports.marks import Area, Bar, Dot, Label, Line, Mark, Plot, Role
from apps.projects.reports.wording import compact, counted, day

#: A plot on a page, on a telephone, and in a mail, which may be read on either, in points.
WIDE, NARROW, MAIL = 487.0, 280.0, 340.0
#: A row of horizontal bars, and the bar in it.
ROW, BAR = 16.0, 10.0
#: A plot with a vertical axis: the axis, what is above it and below it.
AXIS_HEIGHT, TOP, BOTTOM = 108.0, 6.0, 18.0
STRIP_HEIGHT = 64.0
#: A page's font may be so much wider than the one that is measured here.
SLACK = 1.18
#: Steps of an axis.
STEPS = (3, 4, 5)

Maker = Callable[[Figures, float], Plot | None]


def lengths(figures: Figures, width: float) -> Plot | None:
    """The longest documents, compared."""
    rows = [(line.title, line.words or 0, f"{line.words or 0:,}") for line in figures.longest if line.words]
    if len(rows) < 2:
        return _chapter_lengths(figures, width)
    left_out = figures.processed - len(rows)
    note = f"The {len(rows)} longest of {figures.processed:,}." if left_out > 0 else ""
    title, _, _ = rows[0]
    return Plot(
        name="lengths",
        title="Length in words",
        description=f"A bar for each of {counted(len(rows), 'document')}. The longest is {title}: {rows[0][2]} words.",
        note=note,
        width=width,
        height=len(rows) * ROW + 2,
        marks=tuple(_bars(rows, width=width, unit="words")),
    )


def _chapter_lengths(figures: Figures, width: float) -> Plot | None:
    """The chapters of the only document, compared."""
    if not figures.courses:
        return None
    course = figures.courses[0]
    top, bottom, left, right = TOP, TOP + AXIS_HEIGHT, 34.0, width - 6
    high, marks = _axis(top=top, bottom=bottom, left=left, right=right, most=max(course.words))
    step = (right - left) / len(course.words)
    for index, words in enumerate(course.words):
        height = words / high * (bottom - top)
        x = left + index * step + step * 0.14
        hint = f"Chapter {index + 1}: {words:,.0f} words" if len(course.words) == course.chapters else ""
        marks.append(Bar(x=x, y=bottom - height, width=step * 0.72, height=height, hint=hint))
    marks.append(Line(points=((left, bottom), (right, bottom)), role=Role.MUTED, width=0.6))
    marks += _ends(course, left=left, right=right, y=bottom + 12)
    return Plot(
        name="lengths",
        title="Length of the chapters in words",
        description=f"A bar for each of {counted(course.chapters, 'chapter')} of {course.title}.",
        width=width,
        height=bottom + BOTTOM,
        marks=tuple(marks),
    )


def keywords(figures: Figures, width: float) -> Plot | None:
    """The keywords over all documents, by how often they are there."""
    rows = [(keyword.text, keyword.number, f"{keyword.number:,}") for keyword in figures.keywords]
    if not rows:
        return None
    first, times, _ = rows[0]
    return Plot(
        name="keywords",
        title="Keywords",
        description=f"A bar for each of {counted(len(rows), 'keyword')}. The first is {first}, {times:,} times.",
        note="How often each is there, over all documents.",
        width=width,
        height=len(rows) * ROW + 2,
        marks=tuple(_bars(rows, width=width, unit="times")),
    )


def progress(figures: Figures, width: float) -> Plot | None:
    """How the words became more, by the week, month or year in which the documents came in."""
    periods = figures.periods
    if len(periods) < 2 or not any(period.words for period in periods):
        return None
    totals = _running(periods)
    top, bottom, left, right = TOP, TOP + AXIS_HEIGHT, 34.0, width - 6
    high, marks = _axis(top=top, bottom=bottom, left=left, right=right, most=totals[-1])
    step = (right - left) / len(periods)
    height_of = (bottom - top) / high
    steps = [(left, bottom - (totals[0] * height_of))]
    for index, total in enumerate(totals):
        y = bottom - total * height_of
        steps += [(left + index * step, y), (left + (index + 1) * step, y)]
    marks.append(Area(points=((left, bottom), *steps, (right, bottom)), role=Role.SOFT))
    marks.append(Line(points=tuple(steps), role=Role.SECOND, width=1.2))
    thick = min(step * 0.62, 26)
    for index, period in enumerate(periods):
        if period.documents:
            height = max(period.words * height_of, 0.8)
            middle = left + (index + 0.5) * step
            hint = f"{_period(period, unit=figures.unit)}: {counted(period.words, 'word')} in "
            hint += counted(period.documents, "document")
            marks.append(Bar(x=middle - thick / 2, y=bottom - height, width=thick, height=height, hint=hint))
    marks.append(Line(points=((left, bottom), (right, bottom)), role=Role.MUTED, width=0.6))
    marks += _period_labels(figures, left=left, right=right, step=step, y=bottom + 12)
    return Plot(
        name="progress",
        title="Progress over time",
        description=f"Words that came in, by {figures.unit}, from {day(periods[0].start)}; {totals[-1]:,} in all.",
        note=f"Bars: the words of documents added in each {figures.unit}. Area: the words in all.",
        width=width,
        height=bottom + BOTTOM,
        marks=tuple(marks),
    )


def readability(figures: Figures, width: float) -> Plot | None:
    """How easily the chapters read, one after the other, in the longest documents."""
    courses = figures.courses
    if not courses:
        return None
    left, right = 34.0, width - 6
    marks: list[Mark] = []
    top = 0.0
    for course in courses:
        measure = f"{course.measure} {course.whole:.1f}"
        room = (right - left - 8) / SLACK - faces.width(measure, size=8.5)
        title = faces.fitted(course.title, size=8.5, points=room, bold=True)
        marks.append(Label(x=left, y=top + 11, text=title, bold=True))
        marks.append(Label(x=right, y=top + 11, text=measure, anchor="end", role=Role.MUTED))
        marks += _strip(course, top=top + 20, left=left, right=right)
        top += 20 + STRIP_HEIGHT + 22
    shown = {course.measure for course in courses}
    note = (
        "Flesch's reading ease: higher is easier." if READING_EASE in shown else "Shorter sentences read more easily."
    )
    names = ", ".join(f"{course.title} ({counted(course.chapters, 'chapter')})" for course in courses)
    return Plot(
        name="readability",
        title="Readability by chapter",
        description=f"A line from chapter to chapter for each of: {names}.",
        note=f"{note} Dashed: the whole text." + (" The longest documents with chapters." if len(courses) > 1 else ""),
        width=width,
        height=top - 4,
        marks=tuple(marks),
    )


#: The plots of a report, in its order.
MAKERS: tuple[Maker, ...] = (progress, lengths, readability, keywords)


def made(figures: Figures, *, width: float, makers: Sequence[Maker] = MAKERS) -> list[Plot]:
    """The plots for which there is anything to show."""
    return [plot for plot in (make(figures, width) for make in makers) if plot is not None]


def _bars(rows: Sequence[tuple[str, int, str]], *, width: float, unit: str) -> list[Mark]:
    """A row for each: its name, a bar, its figure."""
    size = 8.5
    name_width = min(max(faces.width(name, size=size) for name, _, _ in rows) * SLACK, width * 0.38)
    figure_width = max(faces.width(figure, size=size) for _, _, figure in rows) * SLACK
    left = name_width + 8
    longest = width - left - figure_width - 8
    most = max(number for _, number, _ in rows) or 1
    marks: list[Mark] = []
    for index, (name, number, figure) in enumerate(rows):
        y = index * ROW + 1
        stands_on = y + ROW / 2 + size * 0.34
        length = max(number / most * longest, 1)
        shown = faces.fitted(name, size=size, points=name_width / SLACK + 0.5)
        marks += [
            Label(x=name_width, y=stands_on, text=shown, anchor="end", size=size),
            Bar(x=left, y=y + (ROW - BAR) / 2, width=length, height=BAR, hint=f"{name}: {number:,} {unit}"),
            Label(x=left + length + 5, y=stands_on, text=figure, size=size, role=Role.MUTED),
        ]
    return marks


def _axis(*, top: float, bottom: float, left: float, right: float, most: float) -> tuple[float, list[Mark]]:
    """An axis that begins at 0, with its grid. Returns what its upper end stands for."""
    _, high, step = find_good_grid(0, max(most, 1), n=STEPS)
    return high, _grid(0, high, step, top=top, bottom=bottom, left=left, right=right)


def _grid(low: float, high: float, step: float, *, top: float, bottom: float, left: float, right: float) -> list[Mark]:
    """A line and a figure for each step of an axis."""
    marks: list[Mark] = []
    for index in range(round((high - low) / step) + 1):
        value = low + index * step
        y = bottom - (value - low) / (high - low) * (bottom - top)
        marks.append(Line(points=((left, y), (right, y)), role=Role.GRID, width=0.5))
        marks.append(Label(x=left - 6, y=y + 2.8, text=compact(value), anchor="end", size=8, role=Role.MUTED))
    return marks


def _strip(course: Course, *, top: float, left: float, right: float) -> list[Mark]:
    """One course: its grid, its line, and one for the whole document."""
    bottom = top + STRIP_HEIGHT
    least, most = min(*course.values, course.whole), max(*course.values, course.whole)
    if most - least < 1:
        least, most = least - 1, most + 1
    low, high, step = find_good_grid(least, most, n=(2, 3))
    height_of = (bottom - top) / (high - low)
    marks = _grid(low, high, step, top=top, bottom=bottom, left=left, right=right)
    distance = (right - left - 8) / (len(course.values) - 1)
    places = [
        (left + 4 + index * distance, bottom - (value - low) * height_of) for index, value in enumerate(course.values)
    ]
    y = bottom - (course.whole - low) * height_of
    marks.append(Line(points=((left, y), (right, y)), role=Role.SECOND, width=0.8, dashed=True))
    marks.append(Line(points=tuple(places), width=1.4))
    each = course.chapters == len(course.values)
    if len(places) <= 80:
        marks += [
            Dot(x=x, y=y, radius=1.7, hint=f"Chapter {number}: {value:.1f}" if each else "")
            for number, ((x, y), value) in enumerate(zip(places, course.values, strict=True), start=1)
        ]
    return [*marks, *_ends(course, left=left, right=right, y=bottom + 12)]


def _ends(course: Course, *, left: float, right: float, y: float) -> list[Mark]:
    """The first and the last chapter below an axis."""
    last = f"Chapter {course.chapters}"
    return [
        Label(x=left + 4, y=y, text="1", anchor="middle", size=8, role=Role.MUTED),
        Label(x=right - 4, y=y, text=last, anchor="end", size=8, role=Role.MUTED),
    ]


def _running(periods: Sequence[Period]) -> list[int]:
    totals, total = [], 0
    for period in periods:
        total += period.words
        totals.append(total)
    return totals


def _period(period: Period, *, unit: str) -> str:
    if unit == "week":
        return f"Week of {day(period.start)}"
    return f"{period.start:%B %Y}" if unit == "month" else f"{period.start:%Y}"


def _period_labels(figures: Figures, *, left: float, right: float, step: float, y: float) -> list[Mark]:
    """As many names of periods below the axis as there is room for."""
    shown = {"week": lambda start: f"{start.day} {start:%b}", "month": lambda start: f"{start:%b %y}"}
    name = shown.get(figures.unit, lambda start: f"{start:%Y}")
    every = max(round(42 / step + 0.49), 1)
    return [
        Label(x=left + (index + 0.5) * step, y=y, text=name(period.start), anchor="middle", size=8, role=Role.MUTED)
        for index, period in enumerate(figures.periods)
        if index % every == 0 and left + (index + 0.5) * step < right - 8
    ]
