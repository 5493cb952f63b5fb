"""Plots as SVG, from marks in the terms of the engine."""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from apps.plots import svg
from apps.plots.marks import Area, Bar, Dot, Label, Line, Mark, Plot, Target

HOSTILE = "<script>alert('&')</script>\x00"
BAR = Bar(x=0, y=25, width=50, height=75)


def plot(*marks: Mark, **values: str) -> Plot:
    texts = {"name": "lengths", "title": "Lengths", "description": "Two bars", **values}
    return Plot(width=100, height=100, marks=marks, **texts)


def found(markup: str, tag: str) -> list[Element]:
    return list(ElementTree.fromstring(markup).iter(tag))


def target(hint: str = "Chapter 1: 3 words", mark: Bar | Dot | None = BAR) -> Target:
    return Target(x=0, y=0, width=50, height=100, hint=hint, mark=mark)


def test_a_plot_that_grows_as_a_whole_is_named_and_described() -> None:
    [root] = found(svg.scaled(plot(BAR), variant="wide"), "svg")

    texts = {element.get("id"): element.text for element in root.iter() if element.get("id")}
    assert texts == {"lengths-wide-title": "Lengths", "lengths-wide-description": "Two bars"}
    assert root.get("aria-labelledby", "").split() == list(texts)
    assert root.get("viewBox") == "0 0 100 100"


def test_a_plot_that_stretches_is_in_per_cent_and_can_have_the_focus() -> None:
    markup = svg.fluid(plot(target()))

    [root] = found(markup, "svg")
    assert (root.get("aria-label"), root.get("tabindex")) == ("Lengths. Two bars", "0")
    assert [element.get("height") for element in found(markup, "rect")] == ["100%", "75%"]


def test_dots_and_the_width_of_lines_do_not_stretch() -> None:
    dot, line = Dot(x=50, y=50, radius=3), Line(points=((0, 0), (50, 50), (100, 0)), width=1.5)
    markup = svg.fluid(plot(dot, line))

    [circle] = found(markup, "circle")
    assert (circle.get("cx"), circle.get("r")) == ("50%", "3")
    lines = found(markup, "line")
    assert [element.get("x1") for element in lines] == ["0%", "50%"]
    assert {element.get("stroke-width") for element in lines} == {"1.5"}


def test_a_value_answers_to_the_pointer_where_it_has_no_mark() -> None:
    markup = svg.fluid(plot(target("Chapter 2: no figure", None)))

    [group] = found(markup, "g")
    assert group.get("data-label") == "Chapter 2: no figure"
    assert [element.tag for element in group] == ["title", "rect"]


def test_a_value_without_a_hint_is_its_mark_alone() -> None:
    assert [element.tag for element in ElementTree.fromstring(svg.fluid(plot(target("")))).iter()] == ["svg", "rect"]


@pytest.mark.parametrize("render", [svg.fluid, lambda plot: svg.scaled(plot, variant="wide")], ids=["fluid", "scaled"])
def test_texts_are_text_and_have_no_control_characters(render: object) -> None:
    markup = render(plot(target(HOSTILE), Label(x=0, y=0, text=HOSTILE), title=HOSTILE, description=HOSTILE))  # type: ignore[operator]

    assert "<script" not in markup
    assert "\x00" not in markup
    assert found(markup, "text")[0].text == HOSTILE[:-1]


def test_an_area_and_a_line_of_many_points_keep_their_points() -> None:
    points = ((0.0, 0.0), (12.3456, 50.0), (100.0, 100.0))
    markup = svg.scaled(plot(Area(points=points), Line(points=points, dashed=True)), variant="wide")

    for tag in ("polygon", "polyline"):
        assert found(markup, tag)[0].get("points") == "0,0 12.346,50 100,100"
    assert found(markup, "polyline")[0].get("stroke-dasharray") == "3 2"


def test_shapes_are_a_file_of_marks_without_texts() -> None:
    [root] = found(svg.shapes(plot(target(), Label(x=0, y=0, text="Emma"))), "{http://www.w3.org/2000/svg}svg")

    assert [element.tag.rpartition("}")[2] for element in root] == ["style", "rect"]
    assert (root.get("width"), root.get("height")) == ("100", "100")
