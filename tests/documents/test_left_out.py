"""Parts of a file that are no text: notes and their marks, hidden text, page numbers of print, comments."""

import time
from typing import Any

import pytest

from apps.documents import readers
from apps.documents.readers import UnreadableTextError
from tests import manuscripts
from tests.manuscripts import text_lines

PLACES = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
EPUB_NAMES = 'xmlns:epub="http://www.idpf.org/2007/ops"'


GONE = '<w:rStyle w:val="Gone"/>'
RAISED = '<w:vertAlign w:val="superscript"/>'
NOT_HIDDEN = '<w:vanish w:val="0"/>'
SVG = 'xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0"'


def run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (f"<w:p>{run('The rain.')}{run(' SECRET', '<w:vanish/>')}{run(' Fell.')}</w:p>", "The rain. Fell."),
        (f"<w:p>{run('The rain.', NOT_HIDDEN)}</w:p>", "The rain."),
        (f"<w:p>{run('The rain.')}{run(' SECRET', GONE)}</w:p>", "The rain."),
        (
            f'<w:p><w:pPr><w:pStyle w:val="Gone"/></w:pPr>{run("SECRET")}</w:p><w:p>{run("The rain.")}</w:p>',
            "The rain.",
        ),
        (
            f'<w:p><w:pPr><w:pStyle w:val="GoneToo"/></w:pPr>{run("SECRET")}</w:p><w:p>{run("The rain.")}</w:p>',
            "The rain.",
        ),
        (
            f'<w:p><w:pPr><w:pStyle w:val="Lines"/></w:pPr>{run("Chapter 1 3")}</w:p><w:p>{run("The rain.")}</w:p>',
            "The rain.",
        ),
        (
            f"<w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:p>{run('Click.')}</w:p></w:sdt><w:p>{run('Rain.')}</w:p>",
            "Rain.",
        ),
        (f"<w:p>{run('The lighthouse')}{run('1', RAISED)}{run(' stood.')}</w:p>", "The lighthouse stood."),
        (f"<w:p>{run('It has 5 m')}{run('2', RAISED)}{run('.')}</w:p>", "It has 5 m2."),
        # The mark of the paragraph is hidden, not its text.
        (f"<w:p><w:pPr><w:rPr><w:vanish/></w:rPr></w:pPr>{run('The rain.')}</w:p>", "The rain."),
        (
            f'<w:p><w:pPr><w:framePr w:dropCap="drop"/></w:pPr>{run("T")}</w:p><w:p>{run("he rain.")}</w:p>',
            "The rain.",
        ),
        (
            "<w:p><w:r><w:ruby><w:rt><w:r><w:t>ame</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>rain</w:t></w:r></w:rubyBase>"
            "</w:ruby></w:r></w:p>",
            "rain",
        ),
        ('<w:p><w:r><w:t>a</w:t><w:sym w:font="Symbol" w:char="F062"/><w:t>c</w:t></w:r></w:p>', "a\u03b2c"),
        ('<w:p><w:r><w:t>a</w:t><w:sym w:font="Arial" w:char="2014"/><w:t>c</w:t></w:r></w:p>', "a\u2014c"),
        ('<w:p><w:r><w:t>a</w:t><w:sym w:font="Wingdings" w:char="F04A"/></w:r></w:p>', "a"),
        (f'<w:p>{run("First.")}</w:p><w:altChunk {PLACES} r:id="r9"/>', "First.\n\nChapter 1\n\nThe rain."),
        (f'<w:altChunk {PLACES} r:id="r8"/><w:p>{run("Last.")}</w:p>', "Some words.\n\nLast."),
        (f'<w:altChunk {PLACES} r:id="r7"/><w:p>{run("Last.")}</w:p>', "Another file.\n\nLast."),
        (f'<w:altChunk {PLACES} r:id="gone"/><w:p>{run("Last.")}</w:p>', "Last."),
    ],
)
def test_a_word_file_has_its_visible_text(body: str, text: str) -> None:
    targets = (
        '<Relationships><Relationship Id="r9" Target="chunk.htm"/><Relationship Id="r8" Target="/word/chunk.txt"/>'
        '<Relationship Id="r7" Target="chunk.docx"/></Relationships>'
    )
    embedded: dict[str, Any] = {"word/_rels/document.xml.rels": targets, "word/chunk.docx": manuscripts.docx("<w:p/>")}
    parts: dict[str, Any] = {
        "word/_rels/document.xml.rels": targets,
        "word/chunk.htm": "<html><body><h1>Chapter 1</h1><p>The rain.</p></body></html>",
        "word/chunk.txt": "Some words.",
        "word/chunk.docx": manuscripts.docx(
            f'<w:p>{run("Another file.")}</w:p><w:altChunk {PLACES} r:id="r7"/>',
            **embedded,
        ),
        "word/styles.xml": f'<w:styles {manuscripts.W}><w:style w:styleId="Gone"><w:rPr><w:vanish/></w:rPr></w:style>'
        '<w:style w:styleId="GoneToo"><w:basedOn w:val="Gone"/></w:style>'
        '<w:style w:styleId="Lines"><w:name w:val="toc 1"/></w:style></w:styles>',
    }
    assert readers.read(manuscripts.docx(body, **parts), filename="a.docx") == f"{text}\n"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<text:h><text:title>The House</text:title></text:h><text:p>Rain.</text:p>", "The House\n\nRain."),
        ("<text:p>The <text:meta>old</text:meta> house.</text:p>", "The old house."),
        ('<text:p>Rain.<text:hidden-text text:is-hidden="true">SECRET</text:hidden-text></text:p>', "Rain."),
        ('<text:section text:display="none"><text:p>SECRET</text:p></text:section><text:p>Rain.</text:p>', "Rain."),
        ('<text:p>SECRET<text:hidden-paragraph text:is-hidden="true"/></text:p><text:p>Rain.</text:p>', "Rain."),
        ('<text:p>Rain.<text:hidden-paragraph text:is-hidden="false"/></text:p>', "Rain."),
        (
            '<text:section text:display="condition" text:is-hidden="true"><text:p>SECRET</text:p></text:section>'
            "<text:p>Rain.</text:p>",
            "Rain.",
        ),
        ('<text:p>Rain<text:hidden-text text:is-hidden="false"> fell.</text:hidden-text></text:p>', "Rain fell."),
        ("<text:p>Rain.<text:placeholder>&lt;Title&gt;</text:placeholder></text:p>", "Rain."),
        ("<text:h><text:number>1.</text:number>Rain</text:h>", "1. Rain"),
        (
            f'<text:p>Rain.<draw:frame xmlns:draw="urn:d" {SVG}><svg:title>SECRET</svg:title></draw:frame></text:p>',
            "Rain.",
        ),
    ],
)
def test_an_opendocument_text_has_its_visible_text(body: str, text: str) -> None:
    assert readers.read(manuscripts.odt(body), filename="a.odt") == f"{text}\n"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("The lighthouse<sup>1</sup> stood<sup><a href='#n2'>[2]</a></sup> alone.", "The lighthouse stood alone."),
        ("It ended.<sup>12</sup> Then<sup>*</sup> rain.", "It ended. Then rain."),
        ("The 1<sup>st</sup> of May, 5 m<sup>2</sup>, 10<sup>6</sup>.", "The 1st of May, 5 m2, 106."),
        ("The <span class='pagenum'>[Pg 12]</span>rain.", "The rain."),
        ("The <span role='doc-pagebreak'>12</span>rain.", "The rain."),
        ("The rain.<span style='display: none'>SECRET</span>", "The rain."),
        ("The rain.<span class='sr-only'>SECRET</span><del>SECRET</del>", "The rain."),
        ("The rain.<span class='unseen'>SECRET</span><span class='seen'> Fell.</span>", "The rain. Fell."),
        ("The rain<a href='#n1'>[1]</a> fell<sup><a href='#n2'>b</a></sup>.", "The rain fell."),
        ("<a href='#c2'>B</a> and <a href='https://x.org'>[1]</a>.", "B and [1]."),
        ("<img alt='T' src='t.png'/>he rain.<img alt='A ship' src='s.png'/>", "The rain."),
        (
            "The rain<a class='fnanchor' href='#f'>[1]</a> fell.<div class='footnote'>[1] A note.</div>",
            "The rain fell.",
        ),
        ("The rain.<a role='doc-noteref' href='#n'>1</a><aside role='doc-footnote'>A note.</aside>", "The rain."),
    ],
)
def test_a_web_page_has_its_visible_text_without_notes(body: str, text: str) -> None:
    style = "<style>p { color: red } .unseen { display: none } .seen { margin: 0 }</style>"
    page = f"<!DOCTYPE html><html><head>{style}</head><body><p>{body}</p></body></html>"
    assert readers.read(page.encode(), filename="a.html") == f"{text}\n"


def test_notes_and_page_numbers_of_an_e_book_are_left_out() -> None:
    page = (
        f'<p {EPUB_NAMES}>The rain<a epub:type="noteref" href="#n1">1</a> fell.'
        '<span epub:type="pagebreak">12</span></p>'
        f'<aside {EPUB_NAMES} epub:type="footnote" id="n1"><p>A note.</p></aside>'
    )
    assert readers.read(manuscripts.epub({"a.xhtml": manuscripts.xhtml(page)}), filename="a.epub") == "The rain fell.\n"


def test_parts_out_of_the_order_of_an_e_book_and_parts_that_are_gone_are_left_out() -> None:
    manifest = (
        '<item id="gone" href="gone.xhtml" media-type="application/xhtml+xml"/></manifest><spine>'
        '<itemref idref="a"/><itemref idref="gone"/><itemref idref="b" linear="no"/></spine><manifest>'
    )
    pages = {"a": manuscripts.xhtml("<p>The rain.</p>"), "b": manuscripts.xhtml("<p>SECRET</p>")}
    assert readers.read(manuscripts.epub(pages, manifest=manifest, order=()), filename="a.epub") == "The rain.\n"


@pytest.mark.parametrize("page", ['<p><img src="1.jpg"/></p>', '<svg xmlns="http://www.w3.org/2000/svg"/>'])
def test_an_e_book_of_pictures_is_no_damaged_one(page: str) -> None:
    with pytest.raises(UnreadableTextError, match="its pages are pictures"):
        readers.read(manuscripts.epub({"a.xhtml": manuscripts.xhtml(page)}), filename="a.epub")


def test_an_e_book_whose_order_is_of_pictures_is_no_damaged_one() -> None:
    manifest = '<item id="p" href="1.jpg" media-type="image/jpeg"/>'
    with pytest.raises(UnreadableTextError, match="its pages are pictures"):
        readers.check(manuscripts.epub({}, manifest=manifest, order=["p"]), filename="a.epub")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Rain[^1] fell.\n\n[^1]: A note.\n    It goes on.\n\nIt ended.\n", "Rain fell.\n\nIt ended.\n"),
        ("Rain[^1] fell[^b].\n\n[^1]: A note.\n[^b]: Another.\n\n# Chapter 2\n", "Rain fell.\n\nChapter 2\n"),
        ("Rain^[a note in the text] fell.\n", "Rain fell.\n"),
        ("Rain %%a comment\n\nof Obsidian%%fell.\n", "Rain fell.\n"),
        ("It was 50% of 100%.\n", "It was 50% of 100%.\n"),
        ("See [[House|the house]] and [[Rain]].\n\n![[map.png]]\n", "See the house and Rain.\n"),
        ("- [ ] Rain.\n- [x] Snow.\n\n> [!note] Wind.\n", "Rain.\n\nSnow.\n\nWind.\n"),
        ("[TOC]\n\n# One {#one .wide}\n\n::: poem\nRain. ^b1\n:::\n", "One\n\nRain.\n"),
        ("Rain {--SECRET--}{++fell++}.{>>SECRET<<}\n", "Rain fell.\n"),
        ("+++\ntitle = 'SECRET'\n+++\n\nRain.\n", "Rain.\n"),
    ],
)
def test_notes_and_comments_of_markdown_are_left_out(source: str, text: str) -> None:
    assert readers.read(source.encode(), filename="a.md") == text


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ('<?xml version="1.0"?><FictionBook xmlns="http://f"><body>Rain.</body></FictionBook>', "FictionBook"),
        ('<?xml version="1.0"?>\n<office:document xmlns:office="urn:o">Rain.</office:document>', "flat OpenDocument"),
        ("<svg width='5'>Rain.</svg>", r"a picture \(SVG\)"),
        ('<?xml version="1.0"?><!DOCTYPE TEI.2 SYSTEM "x.dtd"><TEI.2><p>Rain.</p></TEI.2>', "an XML file"),
        ("\\documentclass{book}\\begin{document}Rain.\\end{document}", "a LaTeX file"),
        ("MIME-Version: 1.0\nContent-Type: multipart/related\n\n<html>Rain.</html>", "a web page in one file"),
    ],
)
@pytest.mark.parametrize("filename", ["a.fb2", "a.xml", "a.txt"])
def test_tags_of_another_format_are_not_counted(content: str, name: str, filename: str) -> None:
    with pytest.raises(UnreadableTextError, match=name):
        readers.check(content.encode(), filename=filename)
    if content.startswith("<?xml"):
        with pytest.raises(UnreadableTextError, match=name):
            readers.check(content.encode("utf-16"), filename=filename)


def test_a_text_without_a_declaration_is_xml_by_its_name() -> None:
    with pytest.raises(UnreadableTextError, match="an XML file"):
        readers.check(b"<book><p>Rain.</p></book>", filename="a.xml")
    assert readers.read(b"<p>Rain.</p>", filename="a.txt")


def test_a_scan_with_a_printed_line_on_each_page_is_refused_with_the_number_of_pictures() -> None:
    stamped = manuscripts.SCANNED_PAGE + b"\n" + text_lines("Digitised by a library")
    pages = [text_lines("A title page of the library that scanned it"), *[stamped] * 5, *[manuscripts.SCANNED_PAGE] * 3]
    with pytest.raises(UnreadableTextError, match=r"^8 of 9 pages are pictures.*text recognition"):
        readers.read(manuscripts.pdf(*pages), filename="a.pdf")


def test_a_book_with_some_pictures_is_read() -> None:
    prose = text_lines(*["It rained on and on over the grey roofs of the town."] * 9)
    text = readers.read(manuscripts.pdf(*[prose, manuscripts.SCANNED_PAGE] * 4), filename="a.pdf")
    assert "It rained on and on" in text


@pytest.mark.parametrize(
    ("cap", "rest", "begins"), [("I", "t rained all day", "It rained"), ("A", "man came", "A man")]
)
def test_a_large_first_letter_of_a_pdf_joins_its_word(cap: str, rest: str, begins: str) -> None:
    page = b"\n".join(
        (
            text_lines(cap, left=72, top=680),
            text_lines("Chapter 1", left=72, top=740),
            text_lines(rest, "and it went on over", left=84, top=694),
            text_lines("the roofs. It was a man", "who saw it. A day went.", left=72, top=666),
        )
    )
    assert f"Chapter 1\n\n{begins}" in readers.read(manuscripts.pdf(page), filename="a.pdf")


@pytest.mark.parametrize(
    ("source", "filename"),
    [
        ("[^" * 200_000, "a.md"),
        ("^[" * 200_000, "a.md"),
        ("%%" + "a % " * 200_000, "a.md"),
        ("Rain.\n\n[^1]: " + "   \n" * 100_000 + "x", "a.md"),
        ("<!DOCTYPE html><html><p>word" + "<sup>1</sup> word" * 50_000, "a.html"),
    ],
)
def test_marks_without_end_take_no_longer_than_text(source: str, filename: str) -> None:
    began_at = time.process_time()
    assert readers.read(f"{source} end".encode(), filename=filename, limits=readers.Limits(seconds=30)).strip()
    assert time.process_time() - began_at < 30
