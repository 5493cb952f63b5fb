"""The geometry of plots."""

import itertools

import pytest

from apps.pages import plots


def bars(values: list[float | None], top: float | None = None) -> plots.Plot:
    labels = [f"Chapter {number}" for number, _ in enumerate(values, start=1)]
    return plots.bars(
        title="t", values=values, labels=labels, written="{:g} words".format, scale="{:g}".format, top=top
    )


def dots(values: list[float | None]) -> plots.Plot:
    labels = [f"Chapter {number}" for number, _ in enumerate(values, start=1)]
    return plots.dots(
        title="t", values=values, labels=labels, written="{:g}".format, guides=[(60, "plain"), (30, "difficult")]
    )


def test_a_bar_is_as_high_as_its_figure() -> None:
    plot = bars([0, 500, 1_000, None], top=1_000)

    assert [mark.height for mark in plot.marks] == [0, 50, 100, 0]
    assert [mark.y for mark in plot.marks] == [100, 50, 0, None]


def test_bars_stand_side_by_side_from_edge_to_edge() -> None:
    marks = bars([1.0] * 61).marks

    assert marks[0].x == 0
    assert marks[-1].x + marks[-1].width == pytest.approx(100, abs=0.01)
    assert all(mark.bar_x + mark.bar_width <= after.bar_x for mark, after in itertools.pairwise(marks))


def test_few_bars_do_not_fill_the_page() -> None:
    assert bars([1, 2]).marks[0].width == 10


@pytest.mark.parametrize(
    ("highest", "labels"),
    [
        (5_179, ["0", "2000", "4000", "6000"]),
        (9, ["0", "5", "10"]),
        (1_000, ["0", "500", "1000"]),
        (0, ["0", "1"]),
    ],
)
def test_the_scale_has_round_numbers_that_reach_above(highest: float, labels: list[str]) -> None:
    assert [line.label for line in bars([highest]).lines] == labels


def test_the_summary_names_the_ends() -> None:
    assert bars([3, None, 1, 2]).summary == "From 1 words (Chapter 3) to 3 words (Chapter 1)"
    assert bars([None]).summary == "There are no figures."


def test_every_mark_tells_its_figure() -> None:
    assert [mark.label for mark in bars([3, None]).marks] == ["Chapter 1: 3 words", "Chapter 2: no figure"]


def test_dots_are_joined_where_both_have_figures() -> None:
    plot = dots([50, 70, None, 60])

    assert len(plot.trend) == 1
    assert 0 < plot.marks[1].y < plot.marks[3].y < plot.marks[0].y < 100


def test_dots_show_the_guides_that_are_near() -> None:
    assert [line.label for line in dots([50, 70]).lines] == ["plain"]
    assert dots([80, 80]).lines == []
    assert dots([None]).summary == "There are no figures."
