"""The plots of a report, each from the project's figures at a width in points."""

from collections.abc import Callable, Sequence
from itertools import accumulate

from apps.plots import letters
from apps.plots.marks import Area, Bar, Label, Line, Mark, Plot, Role, Target
from apps.plots.panel import Panel
from apps.plots.scale import Scale
from apps.projects.reports.courses import READING_EASE, Course
from apps.projects.reports.figures import Figures
from apps.projects.reports.wording import compact, counted, day, plural

#: Widths of a plot on a page, on a telephone, and in a mail, which may be read on either.
WIDE, NARROW, MAIL = 487.0, 280.0, 340.0
#: Height of a row of horizontal bars, and of the bar in it.
ROW, BAR = 16.0, 10.0
#: Room around a panel. The labels of its ticks are on the left, others below.
LEFT, RIGHT, TOP, BELOW = 34.0, 6.0, 6.0, 18.0
#: Height of a panel; of one among several in a plot; of the title above each of these, and of the space below.
PANEL, STRIP, TITLE, SPACE = 108.0, 64.0, 20.0, 22.0
#: Number of values up to which a line has dots. More would hide it.
MAX_DOTS = 80
SIZE = 8.5
#: Names of a period in its hint and below the panel, by the period's unit.
PERIODS = {
    "week": ("Week of {0.day} {0:%b %Y}", "{0.day} {0:%b}"),
    "month": ("{0:%B %Y}", "{0:%b %y}"),
    "year": ("{0:%Y}", "{0:%Y}"),
}


def lengths(figures: Figures, width: float) -> Plot | None:
    """Return a comparison of the longest documents, or of the chapters of a single one."""
    rows = [(line.title, line.words) for line in figures.longest if line.words]
    if len(rows) < 2:
        return _chapter_lengths(figures, width)
    note = f"The {len(rows)} longest of {figures.processed:,}." if figures.processed > len(rows) else ""
    unit = plural(figures.noun)
    return _rows("lengths", f"Length in {unit}", rows, noun="document", unit=unit, note=note, width=width)


def _chapter_lengths(figures: Figures, width: float) -> Plot | None:
    if not figures.courses:
        return None
    course = figures.courses[0]
    panel = _panel(width, highest=max(course.words))
    hints = _hints(course, [f"{words:,.0f} {plural(course.unit)}" for words in course.words])
    return Plot(
        name="lengths",
        title=f"Length of the chapters in {plural(course.unit)}",
        description=f"A bar for each of {counted(course.chapters, 'chapter')} of {course.title}.",
        width=width,
        height=panel.bottom + BELOW,
        marks=(*panel.grid(), *panel.columns(course.words, hints=hints), _floor(panel), *_ends(course, panel)),
    )


def keywords(figures: Figures, width: float) -> Plot | None:
    """Return the keywords of all documents, the most frequent first."""
    rows = [(keyword.text, keyword.number) for keyword in figures.keywords]
    note = "How often each occurs, over all documents."
    return _rows("keywords", "Keywords", rows, noun="keyword", unit="times", note=note, width=width) if rows else None


def progress(figures: Figures, width: float) -> Plot | None:
    """Return the growth of the project, by the week, month or year in which the documents came in."""
    periods, unit, nouns = figures.periods, figures.unit, plural(figures.noun)
    totals = list(accumulate(period.words for period in periods))
    if len(periods) < 2 or not totals[-1]:
        return None
    panel = _panel(width, highest=totals[-1])
    step = panel.step(len(periods))
    steps = [
        (panel.left + (index + side) * step, panel.y(total)) for index, total in enumerate(totals) for side in (0, 1)
    ]
    hint, label = PERIODS[unit]
    hints = [
        f"{hint.format(period.start)}: {counted(period.words, figures.noun)} in {counted(period.documents, 'document')}"
        for period in periods
    ]
    every = max(round(42 / step + 0.49), 1)
    labels = [
        _below(panel, label.format(period.start), x=panel.left + (index + 0.5) * step)
        for index, period in enumerate(periods)
        if index % every == 0 and (index + 0.5) * step < panel.right - panel.left - 8
    ]
    return Plot(
        name="progress",
        title="Progress over time",
        description=f"{nouns.capitalize()} that came in, by {unit}, since {day(periods[0].start)}: {totals[-1]:,}.",
        note=f"Bars: the {nouns} of documents added in each {unit}. Area: all of them.",
        width=width,
        height=panel.bottom + BELOW,
        marks=(
            *panel.grid(),
            Area(points=((panel.left, panel.bottom), *steps, (panel.right, panel.bottom))),
            Line(points=tuple(steps), role=Role.SECOND, width=1.2),
            *panel.columns([period.words for period in periods], hints=hints, share=min(0.62, 26 / step)),
            _floor(panel),
            *labels,
        ),
    )


def readability(figures: Figures, width: float) -> Plot | None:
    """Return the readability of the longest documents, from chapter to chapter."""
    courses, height = figures.courses, TITLE + STRIP + SPACE
    if not courses:
        return None
    is_ease = READING_EASE in {course.measure for course in courses}
    note = "Flesch's reading ease: higher is easier." if is_ease else "Shorter sentences read more easily."
    names = ", ".join(f"{course.title} ({counted(course.chapters, 'chapter')})" for course in courses)
    return Plot(
        name="readability",
        title="Readability by chapter",
        description=f"A line from chapter to chapter for each of: {names}.",
        note=f"{note} Dashed: the whole text." + (" The longest documents with chapters." if len(courses) > 1 else ""),
        width=width,
        height=len(courses) * height - 4,
        marks=tuple(
            mark for index, course in enumerate(courses) for mark in _strip(course, width=width, top=index * height)
        ),
    )


#: The plots of a report, in its order.
MAKERS: tuple[Callable[[Figures, float], Plot | None], ...] = (progress, lengths, readability, keywords)


def made(figures: Figures, *, width: float) -> list[Plot]:
    """Return the plots for which the project has figures."""
    return [plot for plot in (make(figures, width) for make in MAKERS) if plot]


def _rows(
    name: str, title: str, rows: Sequence[tuple[str, int]], *, noun: str, unit: str, note: str, width: float
) -> Plot:
    """Return a plot with a row for each pair of a text and a number: the text, a bar, the number."""
    text_width = min(max(letters.width(text, size=SIZE) for text, _ in rows), width * 0.38)
    number_width = max(letters.width(f"{number:,}", size=SIZE) for _, number in rows)
    left = text_width + 8
    longest = width - left - number_width - 8
    first, most = max(rows, key=lambda row: row[1])
    marks: list[Mark] = []
    for index, (text, number) in enumerate(rows):
        y = 1 + (index + 0.5) * ROW
        bar = Bar(x=left, y=y - BAR / 2, width=max(number / max(most, 1) * longest, 1), height=BAR)
        shown = letters.fitted(text, size=SIZE, points=text_width)
        marks += [
            Label(x=text_width, y=y, text=shown, anchor="end", size=SIZE),
            Target(x=0, y=y - ROW / 2, width=width, height=ROW, hint=f"{text}: {number:,} {unit}", mark=bar),
            Label(x=left + bar.width + 5, y=y, text=f"{number:,}", size=SIZE, role=Role.MUTED),
        ]
    return Plot(
        name=name,
        title=title,
        description=f"A bar for each of {counted(len(rows), noun)}. The longest is {first}: {most:,} {unit}.",
        note=note,
        width=width,
        height=len(rows) * ROW + 2,
        marks=tuple(marks),
    )


def _strip(course: Course, *, width: float, top: float) -> list[Mark]:
    """Return one course: its title, its grid, its line, and one for the whole document."""
    low, high = min(*course.values, course.whole), max(*course.values, course.whole)
    if high - low < 1:
        low, high = low - 1, high + 1
    panel = _panel(width, scale=Scale.rounded(low, high, steps=3, label=compact), top=top + TITLE, height=STRIP)
    measure = f"{course.measure} {course.whole:.1f}"
    room = panel.right - panel.left - 8 - letters.width(measure, size=SIZE)
    title = letters.fitted(course.title, size=SIZE, points=room, bold=True)
    hints = _hints(course, [f"{value:.1f}" for value in course.values])
    radius = 1.7 if len(course.values) <= MAX_DOTS else 0
    return [
        Label(x=panel.left, y=top + 8, text=title, size=SIZE, bold=True),
        Label(x=panel.right, y=top + 8, text=measure, anchor="end", size=SIZE, role=Role.MUTED),
        *panel.grid(),
        panel.rule(panel.y(course.whole), role=Role.SECOND, width=0.8, dashed=True),
        *panel.course(course.values, hints=hints, width=1.4, radius=radius),
        *_ends(course, panel),
    ]


def _panel(
    width: float, *, highest: float = 1, scale: Scale | None = None, top: float = TOP, height: float = PANEL
) -> Panel:
    """Return a panel across the plot. Without a `scale`, it begins at 0."""
    scale = scale or Scale.rounded(0, max(highest, 1), steps=5, label=compact)
    return Panel(left=LEFT, right=width - RIGHT, top=top, bottom=top + height, scale=scale)


def _floor(panel: Panel) -> Line:
    return panel.rule(panel.bottom, role=Role.MUTED, width=0.6)


def _below(panel: Panel, text: str, *, x: float, anchor: str = "middle") -> Label:
    return Label(x=x, y=panel.bottom + 9, text=text, anchor=anchor, size=8, role=Role.MUTED)


def _hints(course: Course, written: Sequence[str]) -> list[str]:
    """Return each chapter's number and figure; nothing where the values are means of neighbours."""
    if len(written) != course.chapters:
        return [""] * len(written)
    return [f"Chapter {number}: {value}" for number, value in enumerate(written, start=1)]


def _ends(course: Course, panel: Panel) -> tuple[Label, Label]:
    """Return the numbers of the first and the last chapter, below their values."""
    half, last = panel.step(len(course.values)) / 2, f"Chapter {course.chapters}"
    end = panel.right + min(letters.width(last, size=8) / 2 - half, 0)
    return _below(panel, "1", x=panel.left + half), _below(panel, last, x=end, anchor="end")
