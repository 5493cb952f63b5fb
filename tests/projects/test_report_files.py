"""Reports as HTML and PDF, and their plots as SVG and PNG."""

import itertools
import struct

import pytest

from apps.plots.marks import Bar, Plot, Target
from apps.projects.contents import Found
from apps.projects.reports import html, mail, pdf, plots, png
from apps.projects.reports.filename import filename
from tests.pages import Page
from tests.projects.sources import draft, figures, full, line, pages

SCRIPT = "<script>alert(1)</script>"
CASES = {
    "empty": (),
    "only a draft": (draft(),),
    "one": (full(),),
    "one without the newer figures": (line(chapters=19),),
    "failed alone": (draft("Scan", failed=True, status="Failed", error="There is no text in it."),),
    "no words": (line(words=0, sentences=0, reading_minutes=0.0),),
    "several": (full(1), full(2), draft(), draft("Scan", failed=True, status="Failed", error=SCRIPT)),
    "many": tuple(full(number) for number in range(301)),
}


def bars(plot: Plot | None) -> list[Bar]:
    assert plot is not None
    marks = (mark.mark for mark in plot.marks if isinstance(mark, Target))
    return [mark for mark in marks if isinstance(mark, Bar)]


@pytest.mark.parametrize("case", CASES)
def test_every_project_has_a_page_and_a_pdf_with_its_name_and_figures(case: str) -> None:
    found = figures(*CASES[case])
    page = Page(html.render(found).decode())
    text = " ".join(pages(pdf.render(found)))
    for shown in (page.text, text):
        assert "Novels" in shown
        assert f"{found.words:,}" in shown
    assert page.loads == []
    assert ("Nothing here yet" in page.text) == ("Nothing here yet" in text) == (case == "empty")
    assert ("No figures yet" in page.text) == ("No figures yet" in text) == (case in ("only a draft", "failed alone"))


def test_all_figures_are_in_both() -> None:
    found = figures(full(1), full(2))
    page, text = Page(html.render(found).decode()).text, " ".join(" ".join(pages(pdf.render(found))).split())
    for shown in (page, text):
        for expected in (
            "62",
            "plain",
            "31%",
            "young man",
            "It went on.",
        ):
            assert expected in shown
        for title in ("Progress over time", "Length in words", "Readability by chapter", "Keywords", "Documents"):
            assert title in shown


def test_an_unknown_figure_has_no_column_and_a_gap_is_a_dash() -> None:
    old = Page(html.render(figures(line())).decode()).text
    mixed = Page(html.render(figures(line(), full())).decode()).text
    assert "Dialogue" not in old
    assert "Dialogue" in mixed
    assert "\N{EN DASH}" in mixed


def test_missing_figures_have_their_reasons() -> None:
    found = figures(full(notes=("No readability: none.",)), line(notes=("No readability: none.", "No dialogue.")))
    for text in (Page(html.render(found).decode()).text, " ".join(pages(pdf.render(found))).replace("\r\n", " ")):
        assert "No readability: none. (2 documents)" in text
        assert "No dialogue. (1 document)" in text


def test_a_report_names_what_is_counted() -> None:
    for units, noun in (
        (("word", "word"), "words"),
        (("character", "character"), "characters"),
        (("character", "word"), "words or characters"),
    ):
        found = figures(*(full(unit=unit, words=5000) for unit in units))
        page = Page(html.render(found).decode()).text
        assert f"{noun} 10,000" in page
        assert f"103 {noun}" in page
        assert f"Length in {noun}" in page
        assert f"{noun.capitalize()} Chapters" in page
        assert noun.capitalize() in " ".join(pages(pdf.render(found)))
        assert mail.summary(found) == f"2 documents, 10,000 {noun}"


def test_what_writers_typed_is_text_and_no_markup() -> None:
    found = figures(
        full(title=SCRIPT, keywords=(Found(text=SCRIPT, number=1),), language="<b>"),
        draft(SCRIPT, failed=True, error=SCRIPT),
        full(longest_sentences=(Found(text=SCRIPT, number=3),), repeated_phrases=(Found(text=SCRIPT, number=3),)),
        name=SCRIPT,
    )
    page = Page(html.render(found).decode())
    assert "script" not in {tag for tag, _ in page.elements}
    assert page.html.count("<script") == 0
    assert page.text.count(SCRIPT) >= 6
    assert SCRIPT in " ".join(pages(pdf.render(found)))


def test_the_page_allows_itself_its_one_style_sheet_and_nothing_else() -> None:
    page = Page(html.render(figures(full())).decode())
    (policy,) = [attributes["content"] for attributes in page.with_attribute("http-equiv", "Content-Security-Policy")]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    # A policy with a hash refuses inline styles, and the page does without.
    assert not any("style" in attributes for _, attributes in page.elements)
    assert [tag for tag, _ in page.elements].count("style") == 1


def test_each_plot_has_a_wide_and_a_narrow_drawing_and_a_description() -> None:
    page = Page(html.render(figures(full(1), full(2))).decode())
    drawn = [attributes for tag, attributes in page.elements if tag == "svg"]
    assert [one["class"] for one in drawn] == ["plot wide", "plot narrow"] * 4
    identities = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(identities) == len(set(identities))
    for one in drawn:
        assert all(identity in identities for identity in str(one["aria-labelledby"]).split())


@pytest.mark.parametrize(
    "title",
    [
        "",
        " ",
        "a\x00b\x1f",
        "\u202e\u2066",
        "👩‍👩‍👧‍👦🏽",
        "\U0010ffff",
        "e\u0301" * 50,
        "x" * 200,
        "漢" * 200,
        "\N{ARABIC LETTER ALEF}" * 200,
        "&amp;<>\"'",
        "{{ a }}{% b %}",
        "a\ud800b",
    ],
    ids=ascii,
)
def test_no_title_breaks_a_report(title: str) -> None:
    found = figures(full(title=title, keywords=(Found(text=title, number=2),)), full(), name=title or "n")
    assert html.render(found).decode().endswith("</html>\n")
    assert pages(pdf.render(found))


@pytest.mark.parametrize("width", [plots.WIDE, plots.NARROW])
@pytest.mark.parametrize("case", CASES)
def test_marks_stay_within_their_plot(case: str, width: float) -> None:
    for plot in plots.made(figures(*CASES[case]), width=width):
        targeted = (mark.mark for mark in plot.marks if isinstance(mark, Target) and mark.mark)
        for mark in (*plot.marks, *targeted):
            places = getattr(mark, "points", None) or ((mark.x, mark.y),)  # type: ignore[union-attr]
            for x, y in places:
                assert -0.01 <= x <= plot.width + 0.01
                assert -0.01 <= y <= plot.height + 0.01


def test_the_longest_bar_is_the_longest_document() -> None:
    widths = [bar.width for bar in bars(plots.lengths(figures(full(words=4000), full(words=1000)), plots.WIDE))]
    assert widths[0] == pytest.approx(4 * widths[1])


def test_a_single_document_is_compared_chapter_by_chapter() -> None:
    heights = [bar.height for bar in bars(plots.lengths(figures(full()), plots.WIDE))]
    assert len(heights) == 19
    assert all(before < after for before, after in itertools.pairwise(heights))


def test_a_plot_is_a_picture_that_a_mail_reader_shows() -> None:
    plot = plots.made(figures(full(1), full(2)), width=plots.WIDE)[0]
    content = png.image(plot)
    assert content.startswith(b"\x89PNG\r\n")
    width, height = struct.unpack(">II", content[16:24])
    assert width == pytest.approx((plot.width + 2 * png.MARGIN) * png.SCALE, abs=2)
    assert height == pytest.approx((plot.height + 2 * png.MARGIN) * png.SCALE, abs=2)


def test_pages_after_the_first_have_the_head_of_the_table_and_a_number() -> None:
    text = pages(pdf.render(figures(*(full(number) for number in range(120)))))
    assert len(text) > 3
    assert all("Title" in page for page in text[-2:])
    assert [f"Page {number}" in page for number, page in enumerate(text, start=1)] == [True] * len(text)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Novels", "Novels.pdf"), ("a/b\\c:d\n\x00", "a b c d.pdf"), ("...", "report.pdf"), ("小説", "小説.pdf")],
)
def test_a_file_is_named_after_the_project(name: str, expected: str) -> None:
    assert filename(name, kind="pdf") == expected


def test_a_very_long_name_is_cut() -> None:
    assert filename("x" * 300, kind="html") == "x" * 100 + ".html"
