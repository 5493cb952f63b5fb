"""The plots of a document's page."""

import itertools
from collections.abc import Sequence

import pytest

from apps.documents.models import Chapter
from apps.pages.plots import Series, plots_of
from apps.plots.marks import Bar, Dot, Label, Line, Mark, Plot, Role, Target
from apps.plots.scale import Scale


def series(values: Sequence[float | None], write: str) -> Series:
    names = [f"Chapter {number}" for number, _ in enumerate(values, start=1)]
    return Series(title="t", values=values, names=names, write=write.format)


def bars(values: Sequence[float | None], top: float | None = None) -> Plot:
    found = series(values, "{:g} words")
    return found.plot(Scale.rounded(0, top or max(found.known, default=0), steps=4, label="{:g}".format))


def dots(values: Sequence[float | None]) -> Plot:
    found = series(values, "{:g}")
    return found.plot(Scale.around(found.known, guides=[(60, "plain"), (30, "difficult")]), dotted=True)


def targets(plot: Plot) -> list[Target]:
    return [mark for mark in plot.marks if isinstance(mark, Target)]


def drawn(plot: Plot) -> list[Bar | Dot | None]:
    return [target.mark for target in targets(plot)]


def labels(plot: Plot) -> list[str]:
    return [mark.text for mark in plot.marks if isinstance(mark, Label)]


def trend(plot: Plot) -> list[Mark]:
    return [mark for mark in plot.marks if isinstance(mark, Line) and mark.role == Role.MAIN]


def test_a_bar_is_as_high_as_its_figure() -> None:
    marks = drawn(bars([0, 500, 1_000, None], top=1_000))

    assert [mark.height if isinstance(mark, Bar) else None for mark in marks] == [0, 50, 100, None]
    assert [mark and mark.y for mark in marks] == [100, 50, 0, None]


def test_bars_stand_side_by_side_from_edge_to_edge() -> None:
    plot = bars([1.0] * 61)
    found = [mark for mark in drawn(plot) if isinstance(mark, Bar)]

    assert targets(plot)[0].x == 0
    assert targets(plot)[-1].x + targets(plot)[-1].width == pytest.approx(100, abs=0.01)
    assert all(bar.x + bar.width <= after.x for bar, after in itertools.pairwise(found))


def test_few_bars_do_not_fill_the_page() -> None:
    assert targets(bars([1, 2]))[0].width == 10


@pytest.mark.parametrize(
    ("highest", "expected"),
    [
        (5_179, ["0", "2000", "4000", "6000"]),
        (9, ["0", "5", "10"]),
        (1_000, ["0", "500", "1000"]),
        (0, ["0", "1"]),
    ],
)
def test_the_scale_has_round_numbers_that_reach_above(highest: float, expected: list[str]) -> None:
    assert labels(bars([highest])) == expected


def test_the_summary_names_the_ends() -> None:
    assert bars([3, None, 1, 2]).description == "From 1 words (Chapter 3) to 3 words (Chapter 1)"
    assert bars([None]).description == "There are no figures."


def test_every_mark_tells_its_figure() -> None:
    assert [target.hint for target in targets(bars([3, None]))] == ["Chapter 1: 3 words", "Chapter 2: no figure"]


def test_dots_are_joined_where_both_have_figures() -> None:
    plot = dots([50, 70, None, 60])
    first, second, _, last = (mark.y if mark else -1 for mark in drawn(plot))

    assert len(trend(plot)) == 1
    assert 0 < second < last < first < 100


def test_dots_show_the_guides_that_are_near() -> None:
    assert labels(dots([50, 70])) == ["plain"]
    assert labels(dots([80, 80])) == []
    assert dots([None]).description == "There are no figures."


def test_a_name_from_right_to_left_turns_nothing_around_it() -> None:
    name = "\u05e4\u05e8\u05e7"
    [(plot, _)] = plots_of([Chapter(position=n, title=f"{name} {n}", words=n, sentences=1) for n in (1, 2)])
    assert plot.description == f"From 1 words (\u2068{name} 1\u2069) to 2 words (\u2068{name} 2\u2069)"
