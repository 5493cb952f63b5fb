"""Chapters that a file states by its headings, and those of an e-book's contents."""

import time

import pytest
import typst

from apps.documents import readers
from apps.documents.analysis import chapters, findings, structure
from apps.documents.analysis.structure import Text
from apps.documents.readers import pdf_outline, pdf_pages
from apps.documents.readers.pdf_outline import Entry
from apps.documents.readers.pdf_pages import Line
from tests import manuscripts
from tests.manuscripts import W, xhtml

PROSE = "The rain had not stopped since morning, and the street below the window was a river. No one had come. She sat."
TITLES = ["The Storm", "The Calm", "What the Lighthouse Saw"]


def titles(data: bytes, filename: str) -> list[str]:
    return [chapter.title for chapter in chapters.find(readers.read(data, filename=filename))]


def styled(*paragraphs: tuple[str, str]) -> str:
    """Return paragraphs of a Word file, each with its style."""
    return "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'
        for style, text in paragraphs
    )


def style(name: str, content: str) -> str:
    return f'<w:style w:styleId="{name}">{content}</w:style>'


STYLES = (
    style("Kop1", '<w:name w:val="heading 1"/>')
    + style("Kop2", '<w:name w:val="heading 2"/>')
    + style("Mine", '<w:basedOn w:val="Kop2"/>')
    + style("Titel", '<w:name w:val="Title"/>')
    + style("Outlined", '<w:pPr><w:outlineLvl w:val="1"/></w:pPr>')
    + style("Loop", '<w:basedOn w:val="Loop"/>')
)


@pytest.mark.parametrize("chapter", ["Kop2", "Mine", "Outlined"])
def test_styles_and_outline_levels_of_a_word_file_are_headings(chapter: str) -> None:
    body = styled(("Titel", "A Book"), ("Kop1", "A Book"), *((kind, text) for title in TITLES for kind, text in (
        (chapter, title), ("Loop", PROSE)
    )))  # fmt: skip
    data = manuscripts.docx(body, **{"word/styles.xml": f"<w:styles {W}>{STYLES}</w:styles>"})
    assert titles(data, "a.docx") == TITLES


def test_an_outline_level_of_a_paragraph_makes_it_a_heading() -> None:
    body = "".join(
        f'<w:p><w:pPr><w:outlineLvl w:val="0"/></w:pPr><w:r><w:t>{title}</w:t></w:r></w:p>'
        f"<w:p><w:r><w:t>{PROSE}</w:t></w:r></w:p>"
        for title in TITLES
    )
    assert titles(manuscripts.docx(body), "a.docx") == TITLES


def test_headings_of_an_opendocument_text_are_chapters() -> None:
    body = '<text:p text:style-name="Title">A Book</text:p>' + "".join(
        f'<text:h text:outline-level="1">{title}</text:h><text:p>{PROSE}</text:p>' for title in TITLES
    )
    assert titles(manuscripts.odt(body), "a.odt") == TITLES


def test_headings_of_a_web_page_and_of_markdown_are_chapters() -> None:
    page = "<h1>A Book</h1>" + "".join(f"<h2>{title}</h2><p>{PROSE}</p>" for title in TITLES)
    markdown = "# A Book\n\n" + "".join(f"## {title}\n\n{PROSE}\n\n" for title in TITLES)
    assert titles(f"<!DOCTYPE html><html><body>{page}".encode(), "a.html") == TITLES
    assert titles(markdown.encode(), "a.md") == TITLES
    assert titles(markdown.encode(), "a.txt") == TITLES


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("<h1>Part One</h1><h2>A</h2>P<h2>B</h2>P<h1>Part Two</h1><h2>C</h2>P", ["A", "B", "C"]),
        (
            "<h1>Prologue</h1>P<h1>Part One</h1><h2>A</h2>P<h2>B</h2>P<h1>Epilogue</h1>P",
            ["Prologue", "A", "B", "Epilogue"],
        ),
        ("<h1>A</h1>P<h2>first</h2>P<h2>second</h2>P<h1>B</h1>P<h2>third</h2>P", ["A", "B"]),
        ("<h1>Chapter 1</h1><h2>a</h2>P<h1>Chapter 2</h1><h2>b</h2>P", ["Chapter 1 a", "Chapter 2 b"]),
        # Numbers that go on counting are those of chapters, and the headings above them those of parts.
        ("<h1>I</h1><h2>1</h2>P<h2>2</h2>P<h1>II</h1><h2>3</h2>P<h2>4</h2>P", ["1", "2", "3", "4"]),
        ("<h1>I</h1><h2>1</h2>P<h2>2</h2>P<h1>II</h1><h2>1</h2>P<h2>2</h2>P", ["I", "II"]),
        ("<h1>1 A</h1><h2>1.1 a</h2>P<h2>1.2 b</h2>P<h1>2 B</h1><h2>2.1 c</h2>P", ["1 A", "2 B"]),
        (
            "<h1>Preface</h1>P<h1>Thanks</h1>P<h1>1. A</h1><h2>a</h2>P<h2>b</h2>P<h1>Coda</h1>P",
            ["Preface", "Thanks", "1. A", "Coda"],
        ),
        ("<h2>I<br>The Storm</h2>P<h2>II<br>Home</h2>P", ["I The Storm", "II Home"]),
        ("<h2>I</h2><h3>The Storm</h3>P<h2>II</h2><h3>Home</h3>P", ["I The Storm", "II Home"]),
        ("<h2>By Anna</h2><h2>A</h2>P<h2>B</h2>P<h2>Notes</h2>P", ["A", "B"]),
        (
            "<h1>A Book</h1><h2>About me</h2>P" + "".join(f"<p>Chapter {n}</p>P" for n in range(1, 8)),
            [f"Chapter {n}" for n in range(1, 8)],
        ),
    ],
)
def test_the_level_that_has_the_chapters_is_found(page: str, found: list[str]) -> None:
    page = page.replace("P<", f"<p>{PROSE}</p><").removesuffix("P") + f"<p>{PROSE}</p>"
    assert titles(f"<!DOCTYPE html><html><body>{page}".encode(), "a.html") == found


def test_a_part_that_is_no_chapter_ends_the_chapter_before_it() -> None:
    page = f"<h2>A</h2><p>{PROSE}</p><h2>B</h2><p>{PROSE}</p><h2>Endnotes</h2><p>SECRET {PROSE}</p>"
    text = readers.read(f"<!DOCTYPE html><html><body>{page}".encode(), filename="a.html")
    last = chapters.find(text)[-1]
    assert "SECRET" not in text[last.start : last.end]
    found = findings.analyse(text, words_per_minute=230)
    assert found.words > sum(chapter.words for chapter in found.chapters)


# --- E-books ---

NAV = '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
NCX = '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'


def nav(*entries: tuple[str, str]) -> str:
    links = "".join(f'<li><a href="{href}">{label}</a></li>' for href, label in entries)
    return (
        '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"><body>'
        f'<nav epub:type="toc"><ol>{links}</ol></nav></body></html>'
    )


def test_the_contents_of_an_e_book_name_its_chapters() -> None:
    pages = {
        "1.xhtml": xhtml(f"<p>{PROSE}</p>"),
        "2.xhtml": xhtml(f'<p id="a"><b>The Calm</b></p><p>{PROSE}</p><h3 id="b">Home<br/>again</h3><p>{PROSE}</p>'),
        "3.xhtml": xhtml(f"<h2>Not in the contents</h2><p>{PROSE}</p><p>THE LICENSE</p>"),
        "4.xhtml": xhtml(f"<p>{PROSE}</p>"),
    }
    entries = [
        ("1.xhtml", "The Storm"), ("2.xhtml#a", "The Calm"), ("2.xhtml#b", "Home"), ("4.xhtml", "License"),
    ]  # fmt: skip
    book = manuscripts.epub({"nav.xhtml": nav(*entries), **pages}, manifest=NAV, order=list(pages))
    text = readers.read(book, filename="a.epub")
    found = chapters.find(text)
    assert [chapter.title for chapter in found] == ["The Storm", "The Calm", "Home again"]
    # A label that is not in the text takes nothing from it.
    assert text[found[0].body_start :].startswith(PROSE)
    assert text[found[1].body_start :].strip().startswith(PROSE)


def test_the_contents_of_an_older_e_book_name_its_chapters() -> None:
    points = "".join(
        f'<navPoint><navLabel><text>{title}</text></navLabel><content src="{n}.xhtml"/></navPoint>'
        for n, title in enumerate(TITLES)
    )
    pages = {f"{n}.xhtml": xhtml(f"<p>{PROSE}</p>") for n in range(len(TITLES))}
    ncx = f'<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{points}</navMap></ncx>'
    book = manuscripts.epub({**pages, "toc.ncx": ncx}, manifest=NCX, order=list(pages))
    assert titles(book, "a.epub") == TITLES


def test_contents_may_point_to_the_names_of_links() -> None:
    page = f'<a name="a"/><h2>The Storm</h2><p>{PROSE}</p><p><a name="b">The Calm</a></p><p>{PROSE}</p>'
    links = nav(("1.xhtml#a", "The Storm"), ("1.xhtml#b", "The Calm"))
    book = manuscripts.epub({"nav.xhtml": links, "1.xhtml": xhtml(page)}, manifest=NAV, order=["1.xhtml"])
    assert titles(book, "a.epub") == ["The Storm", "The Calm"]


def test_an_entry_whose_place_is_not_in_its_page_names_the_beginning_of_the_page() -> None:
    pages = {f"{n}.xhtml": xhtml(f"<h2>{title}</h2><p>{PROSE}</p>") for n, title in enumerate(TITLES)}
    links = nav(*((f"{n}.xhtml#gone", title) for n, title in enumerate(TITLES)), ("0.xhtml#gone-too", "Nowhere"))
    book = manuscripts.epub({"nav.xhtml": links, **pages}, manifest=NAV, order=list(pages))
    assert titles(book, "a.epub") == TITLES


@pytest.mark.parametrize("contents", ["<html>", nav(("gone.xhtml", "A"), ("//host/x", "B"), ("", "C"))])
def test_contents_that_say_nothing_leave_the_headings(contents: str) -> None:
    pages = {f"{n}.xhtml": xhtml(f"<h2>{title}</h2><p>{PROSE}</p>") for n, title in enumerate(TITLES)}
    book = manuscripts.epub({"nav.xhtml": contents, **pages}, manifest=NAV, order=list(pages))
    assert titles(book, "a.epub") == TITLES


# --- Marks ---


def test_marks_are_in_no_text_and_in_no_figure() -> None:
    text = structure.Text.of(f"{structure.mark(1)}A\n\n{PROSE}\n\n{structure.mark(2, 'a b')}B\n\n{PROSE}\n")
    assert text == f"A\n\n{PROSE}\n\nB\n\n{PROSE}\n"
    assert [(stated.level, stated.title) for stated in text.stated] == [(1, "A"), (2, "a b")]
    assert findings.analyse(text, words_per_minute=230).words == 2 * len(PROSE.split()) + 2


def test_forged_and_endless_marks_take_no_long_time() -> None:
    began = time.process_time()
    for text in (f"{structure.MARK}9x\n" * 50_000, structure.MARK * 500_000, structure.mark(1) + "a" * 500_000):
        chapters.find(structure.Text.of(f"{text}{PROSE}"))
    assert time.process_time() - began < 20


def test_two_entries_of_the_contents_that_point_to_one_place_are_headings_both() -> None:
    page = xhtml(
        f'<div id="p1"><div id="c1"><p>{PROSE}</p></div><div id="c2"><p>{PROSE}</p></div></div>'
        f'<div id="p2"><div id="c3"><p>{PROSE}</p></div></div>'
    )
    links = nav(*((f"1.xhtml#{place}", label) for place, label in (("p1", "Part One"), ("c1", "A"), ("c2", "B"))))
    links = links.replace("</ol>", '<li><a href="1.xhtml#p2">Part Two</a></li><li><a href="1.xhtml#c3">C</a></li></ol>')
    text = Text.of(
        readers.read(manuscripts.epub({"nav.xhtml": links, "1.xhtml": page}, manifest=NAV, order=["1.xhtml"]))
    )
    assert [stated.title for stated in text.stated] == ["Part One", "A", "B", "Part Two", "C"]


def test_chapters_that_have_no_text_yet_are_chapters() -> None:
    assert titles(b"# One\n\n# Two\n\n# Three\n\n# Four\n", "a.md") == ["One", "Two", "Three", "Four"]


# --- PDF ---


def set_pdf(*pages: str) -> bytes:
    """Return a PDF with an outline of these pages' headings, which begin with signs such as "="."""
    source = "#set document(date: none)\n" + "\n#pagebreak()\n".join(f"{page}\n\n{PROSE} {PROSE}\n" for page in pages)
    return typst.compile(source.encode())


LONG = "The Calm, in which nothing at all happens for so long that this heading goes on over the end of its line"


@pytest.mark.parametrize(
    ("pages", "found"),
    [
        (["= The Storm", f"= {LONG}", "= Home"], ["The Storm", LONG, "Home"]),
        (["= Part One\n\n== The Storm", "== The Calm", "= Part Two\n\n== Home"], ["The Storm", "The Calm", "Home"]),
        ([f"= The Storm\n\n{PROSE}\n\n= The Calm", "= Home"], ["The Storm", "The Calm", "Home"]),
        # An outline of one entry is the title of the book.
        (["= A Book\n\nChapter 1", "Chapter 2", "Chapter 3"], ["Chapter 1", "Chapter 2", "Chapter 3"]),
    ],
)
def test_the_outline_of_a_pdf_names_its_chapters(pages: list[str], found: list[str]) -> None:
    assert titles(set_pdf(*pages), "a.pdf") == found


def test_an_entry_of_an_outline_whose_heading_is_no_line_marks_its_place() -> None:
    lines = [Line(text=text, baseline=700 - 20.0 * number) for number, text in enumerate(("One.", "Two.", "Three."))]
    pages = [list(lines), list(lines), []]
    pdf_outline.mark(
        pages,
        [
            Entry(title="The Storm", level=1, page=0, top=680),
            Entry(title="The Calm", level=1, page=1, top=None),
            Entry(title="Nowhere", level=1, page=2, top=None),
            Entry(title="Nowhere", level=1, page=9, top=None),
        ],
    )
    assert [line.text for page in pages for line in page if line.mark] == ["One.", "One."]
    assert Text.of(pdf_pages.text(pages)).stated[1].title == "The Calm"
