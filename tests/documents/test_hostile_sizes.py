"""Readers and analysis take time in proportion to the size of a file, whatever is in it."""

import io
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from apps.documents.analysis import findings
from apps.documents.readers import (
    Limits,
    Reader,
    UnreadableTextError,
    e_book,
    markdown,
    open_document,
    pdf_outline,
    pdf_pages,
    plain_text,
    web_page,
    word,
)
from apps.documents.readers.pdf_outline import Entry
from apps.documents.readers.pdf_pages import Line
from apps.documents.readers.progress import ignore
from apps.documents.readers.source import Source
from tests import manuscripts

#: Characters or bytes of the smaller of two inputs; the larger has four times as many.
SMALL = 5_000
#: Largest growth of the time for four times the size. Linear time grows by 4, quadratic time by 16.
GROWTH = 10
#: Seconds below which a time is not looked at.
SHORT_SECONDS = 0.03
#: Measurements, of which the least counts. A slow one has a cause outside of the code.
REPEATS = 3


def seconds(call: Callable[[], object]) -> float:
    began = time.thread_time()
    call()
    return time.thread_time() - began


def assert_in_proportion(call: Callable[[int], object]) -> None:
    """Fail if four times the size takes much more than four times as long, at each of some measurements."""
    call(SMALL // 100)  # Loads libraries.
    for _ in range(REPEATS):
        small, large = seconds(lambda: call(SMALL)), seconds(lambda: call(4 * SMALL))
        if large < GROWTH * max(small, SHORT_SECONDS):
            return
    pytest.fail(f"{small * 1000:.0f} ms for {SMALL:,}, {large * 1000:.0f} ms for four times as much")


def read(reader: Reader, data: bytes) -> None:
    limits = Limits(unpacked_ratio=1_000_000)
    with suppress(UnreadableTextError):
        reader.read(Source(io.BytesIO(data), filename="a"), limits, ignore)


def growing(mark: str, size: int) -> str:
    """Return runs of a mark, each longer by one."""
    length = int((2 * size) ** 0.5)
    return " ".join(mark * number for number in range(1, length))


TEXTS: dict[str, Callable[[int], str]] = {
    "a number, spaces and a letter": lambda size: "1" + " " * size + "x\n\nHello you there.\n",
    "a heading, spaces and a letter": lambda size: "Chapter 1" + " " * size + "x\n\nHello you there.\n",
    "contents and spaces": lambda size: "Contents" + " " * size + "x\n\nHello you there.\n",
    "a credit and spaces": lambda size: "*** START OF THE PROJECT GUTENBERG EBOOK A ***" + " \n" * (size // 2) + "a",
    "one word": lambda size: "a" * size,
    "one line": lambda size: "word " * (size // 5),
    "tiny paragraphs": lambda size: "a\n\n" * (size // 3),
    "numbers that stand apart": lambda size: "1\n\n" * (size // 3),
    "numbers in gaps": lambda size: ("1" + "\n" * 500) * (size // 501),
    "chapters": lambda size: "Chapter 1\n\n" * (size // 11),
    "parts": lambda size: "Part 1\n\nChapter 1\n\n" * (size // 19),
    "tables of contents": lambda size: "Contents\n\nChapter 1\n\n" * (size // 21),
    "marks that open": lambda size: "“" * size,
    "straight marks": lambda size: '"a ' * (size // 3),
    "single marks": lambda size: "\u2018a " * (size // 3),
    "apostrophes": lambda size: "'a. " * (size // 4),
    "growing runs of marks": lambda size: growing("“", size),
    "lines of a list": lambda size: "- a) 1. " * (size // 8),
    "abbreviations": lambda size: "Mr. A. e.g. " * (size // 12),
    "combining marks": lambda size: "a" + "\u0301" * size,
    "characters that are words": lambda size: "中。" * (size // 2),
}

MARKDOWNS: dict[str, Callable[[int], str]] = {
    "growing backticks": lambda size: growing("`", size),
    "brackets": lambda size: "[" * size,
    "pictures": lambda size: "![a](" * (size // 5),
    "emphasis": lambda size: "*a **a " * (size // 7),
    "quotations": lambda size: ">" * size + "a",
    "notes": lambda size: "[^a]: b\n" * (size // 8),
    "a note and blank lines": lambda size: "[^a]: b\n" + "   \n" * (size // 4) + "x",
    "a note and spaces": lambda size: "[^a]: b\n" + " " * size + "\n",
    "notes in the text": lambda size: "^[" * (size // 2),
    "comments": lambda size: "%%" * (size // 2) + "%",
    "fences": lambda size: "```\n" * (size // 4),
    "tables": lambda size: "|a|b|\n|-|-|\n" + "|\n" * (size // 8),
    "HTML comments": lambda size: "<!--" * (size // 4),
}

PAGES: dict[str, Callable[[int], bytes]] = {
    "unclosed elements": lambda size: b"<html>" + b"<div>" * (4 * size) + b"</p>" * (4 * size),
    "comments": lambda size: b"<!---->" * (size // 7),
    "a long attribute": lambda size: b"<html><p class='" + b"a " * (20 * size) + b"'>Words</p>",
    "an attribute without end": lambda size: b"<html><p class='" + b"a" * (50 * size),
    "many attributes": lambda size: b"<html><p " + b"".join(b"a%d " % at for at in range(size)) + b">Words</p>",
    "superscripts": lambda size: b"<html>" + b"a<sup>1</sup>" * (size // 13),
    "a codec that is no encoding": lambda size: b"<html><meta charset=punycode>-" + b"a" * (10 * size),
    "spaces before an encoding": lambda size: b"<html><meta charset" + b" " * size,
}

FIELD = "<w:r><w:fldChar w:fldCharType='begin'/><w:t>a</w:t></w:r>"
WORDS: dict[str, Callable[[int], str]] = {
    "a long attribute": lambda size: "<w:p a='" + "a" * (500 * size) + "'/>",
    "a long comment": lambda size: "<!--" + "a" * (500 * size) + "-->",
    "open fields": lambda size: "<w:p>" + FIELD * (size // 4) + "</w:p>",
    "a long instruction": lambda size: (
        "<w:p><w:fldChar w:fldCharType='begin'/>"
        + f"<w:instrText>{'a' * 100}</w:instrText>" * (size // 4)
        + "<w:fldChar w:fldCharType='separate'/>" * (size // 4)
        + "</w:p>"
    ),
    "tiny paragraphs": lambda size: "<w:p><w:t>a</w:t></w:p>" * (size // 4),
    "a long namespace": lambda size: f"<a xmlns='{'a' * (10 * size)}'>" + "<b/>" * size + "</a>",
    "a long namespace of attributes": lambda size: f"<a xmlns:n='{'a' * (5 * size)}'>" + "<b n:c=''/>" * size + "</a>",
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_analysed_in_proportion(name: str) -> None:
    assert_in_proportion(lambda size: findings.analyse("x " + TEXTS[name](size), words_per_minute=230))


@pytest.mark.parametrize("name", MARKDOWNS)
def test_markdown_is_read_in_proportion(name: str) -> None:
    assert_in_proportion(lambda size: read(markdown, f"Words\n\n{MARKDOWNS[name](size)}".encode()))


@pytest.mark.parametrize("name", PAGES)
def test_a_web_page_is_read_in_proportion(name: str) -> None:
    assert_in_proportion(lambda size: read(web_page, PAGES[name](size)))


@pytest.mark.parametrize("name", WORDS)
def test_a_word_file_is_read_in_proportion(name: str) -> None:
    assert_in_proportion(lambda size: read(word, manuscripts.docx(WORDS[name](size))))


def test_embedded_texts_are_read_in_proportion() -> None:
    """Many names for one part, in a long list of parts."""

    def document(size: int) -> bytes:
        names = range(size // 20)
        listed = "".join(f"<Relationship Id='a{name}' Target='part.txt'/>" for name in names)
        body = "".join(f"<w:altChunk w:id='a{name}'/>" for name in names)
        more = {"word/_rels/document.xml.rels": f"<a>{listed}</a>", "word/part.txt": "Words. " * size}
        return manuscripts.docx(body, **more)

    assert_in_proportion(lambda size: read(word, document(size)))


def test_defaults_of_attributes_take_no_time() -> None:
    def document(size: int) -> bytes:
        prolog = f"<!DOCTYPE a [<!ATTLIST b c CDATA '{'a' * (20 * size)}'>]>"
        return manuscripts.docx("<b/>" * size, prolog=prolog)

    assert_in_proportion(lambda size: read(word, document(size)))


def test_an_open_document_is_read_in_proportion() -> None:
    paragraph = "<text:p>" * 50 + "a" + "<text:s text:c='100'/>" * 50 + "</text:p>" * 50
    assert_in_proportion(lambda size: read(open_document, manuscripts.odt(paragraph * (size // 500))))


def test_an_e_book_is_read_in_proportion() -> None:
    def book(size: int) -> bytes:
        items = "".join(
            f'<item id="x{at}" href="{"a/../" * 20}{at}" media-type="text/html"/>' for at in range(size // 8)
        )
        order = ["1.xhtml", *(f"x{at}" for at in range(size // 8))]
        return manuscripts.epub({"1.xhtml": manuscripts.xhtml("<p>Words</p>")}, manifest=items, order=order)

    assert_in_proportion(lambda size: read(e_book, book(size)))


def test_a_table_of_contents_that_an_e_book_names_often_is_read_in_proportion() -> None:
    def book(size: int) -> bytes:
        items = "".join(f'<item id="{at}" href="a" media-type="{e_book.NCX}"/>' for at in range(size // 20))
        table = "<a><navMap>" + "<navPoint/>" * (size // 20) + "</navMap></a>"
        pages = {"1.xhtml": manuscripts.xhtml("<p>Words</p>")}
        return manuscripts.epub(pages, manifest=items, **{"OEBPS/a": table})

    assert_in_proportion(lambda size: read(e_book, book(size)))


@pytest.mark.parametrize(("title", "top"), [("abc", 0.0), ("abc " * 125, None), ("another", None)])
def test_the_outline_of_a_pdf_is_looked_up_in_proportion(title: str, top: float | None) -> None:
    def marked(size: int) -> None:
        page = [Line(text="abc", baseline=100.0) for _ in range(size // 20)]
        pdf_outline.mark([page], [Entry(title=title, level=1, page=0, top=top)] * (size // 20))

    assert_in_proportion(marked)


@pytest.mark.parametrize("line", ["A", "Contents", "abc", "Chapter 1", "a" * 50 + " . . . . .x"])
def test_the_lines_of_a_pdf_are_joined_in_proportion(line: str) -> None:
    def page(size: int) -> list[Line]:
        return [
            Line(text=line if at % 3 else "abc", left=10.0, right=12.0, baseline=float(at)) for at in range(size // 4)
        ]

    assert_in_proportion(lambda size: pdf_pages.text([page(size)]))


@pytest.mark.parametrize("piece", [b"\xe9\n", b"\xe9\r", b"a\x00", b"\x1b$", b"\xff\xfe"])
def test_a_plain_text_is_decoded_in_proportion(piece: bytes) -> None:
    assert_in_proportion(lambda size: read(plain_text, piece * size))
