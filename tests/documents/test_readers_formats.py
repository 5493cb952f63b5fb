"""The text that is read from each format."""

import gzip
import io
import random
from pathlib import Path

import pytest

from apps.documents import readers
from apps.documents.analysis import chapters, gutenberg, newlines, words
from apps.documents.readers import markdown, pdf_pages
from apps.documents.readers.pdf_pages import Line
from apps.documents.samples import PRIDE_AND_PREJUDICE
from tests import manuscripts
from tests.manuscripts import WRITTEN_ELSEWHERE, docx_paragraphs, text_lines, xhtml

NOVEL = Path(__file__).parent / "novel"


def plain(text: str) -> str:
    """Return the text with every run of white space as one space."""
    return " ".join(text.split())


def html(body: str) -> str:
    return readers.read(f"<!DOCTYPE html><html><body>{body}</body></html>".encode(), filename="a.html")


def odt(body: str) -> str:
    return readers.read(manuscripts.odt(body), filename="a.odt")


def docx(body: str) -> str:
    return readers.read(manuscripts.docx(body), filename="a.docx")


def md(text: str) -> str:
    return readers.read(text.encode(), filename="a.md")


# --- Written with another program ---


@pytest.mark.parametrize("suffix", ["docx", "odt", "epub", "pdf", "html", "xhtml"])
def test_a_file_of_another_program_has_the_same_text_as_plain_text(suffix: str) -> None:
    text = (WRITTEN_ELSEWHERE / "three-chapters.txt").read_text()
    file = WRITTEN_ELSEWHERE / f"three-chapters.{suffix}"
    read = readers.read(file.read_bytes(), filename=file.name)
    assert plain(read) == plain(text)
    assert [chapter.title for chapter in chapters.find(read)] == ["Chapter 1", "Chapter 2", "Chapter 3"]


@pytest.mark.parametrize("suffix", ["docx", "odt", "epub", "pdf", "html", "xhtml"])
def test_a_format_is_known_by_its_content_whatever_its_name(suffix: str) -> None:
    file = WRITTEN_ELSEWHERE / f"three-chapters.{suffix}"
    whole = readers.read(file.read_bytes(), filename=file.name)
    for filename in ("", "novel.txt", "novel"):
        readers.check(file.read_bytes(), filename=filename)
        assert readers.read(file.read_bytes(), filename=filename) == whole


@pytest.mark.parametrize("suffix", ["docx", "odt", "epub", "pdf", "html"])
def test_paragraphs_stand_between_empty_lines(suffix: str) -> None:
    file = WRITTEN_ELSEWHERE / f"three-chapters.{suffix}"
    read = readers.read(file.read_bytes(), filename=file.name)
    wanted = [plain(block) for block in (WRITTEN_ELSEWHERE / "three-chapters.txt").read_text().split("\n\n")]
    found = [plain(block) for block in read.split("\n\n")]
    if suffix == "pdf":
        # A page may end with a paragraph, without a sign of it.
        assert len(set(wanted) - set(found)) <= 4
    else:
        assert found == wanted


# --- The novel ---


@pytest.mark.parametrize("suffix", ["txt", "html", "pdf"])
def test_the_novel_has_61_chapters_in_every_format(suffix: str) -> None:
    data = {
        "txt": PRIDE_AND_PREJUDICE.read_bytes,
        "html": lambda: gzip.decompress((NOVEL / "pride-and-prejudice.html.gz").read_bytes()),
        "pdf": (NOVEL / "pride-and-prejudice.pdf").read_bytes,
    }[suffix]()
    text = gutenberg.without_licence(newlines.normalised(readers.read(data, filename=f"novel.{suffix}")))
    assert [chapter.title for chapter in chapters.find(text)] == [f"Chapter {number}" for number in range(1, 62)]
    # The transcriptions differ in a word here and there. The title and the author stand before the first chapter.
    assert words.count(text) == {"txt": 121_876, "html": 121_877, "pdf": 121_876}[suffix]
    assert words.count(text, 0, chapters.find(text)[0].start) == 6
    assert "Gutenberg" not in text


@pytest.mark.parametrize("suffix", ["html", "pdf"])
def test_the_novels_paragraphs_are_those_of_the_plain_text(suffix: str) -> None:
    data = {
        "html": lambda: gzip.decompress((NOVEL / "pride-and-prejudice.html.gz").read_bytes()),
        "pdf": (NOVEL / "pride-and-prejudice.pdf").read_bytes,
    }[suffix]()
    text = gutenberg.without_licence(readers.read(data, filename=f"novel.{suffix}"))
    assert 2_115 <= len(text.split("\n\n")) <= 2_140  # 2,126 in the plain text.


def test_the_novel_in_markdown_and_as_an_e_book_has_61_chapters() -> None:
    text = gutenberg.without_licence(newlines.normalised(PRIDE_AND_PREJUDICE.read_text("utf-8-sig")))
    found = chapters.find(text)
    bodies = [text[chapter.body_start : chapter.end] for chapter in found]
    in_markdown = "# Pride\n\n" + "\n\n".join(
        f"## Chapter {number}\n\n{body}" for number, body in enumerate(bodies, start=1)
    )
    pages = {
        f"{number}.xhtml": xhtml(f"<h2>Chapter {number}</h2><p>{body.replace('&', '&amp;')}</p>")
        for number, body in enumerate(bodies, start=1)
    }
    for data, filename in ((in_markdown.encode(), "a.md"), (manuscripts.epub(pages), "a.epub")):
        read = readers.read(data, filename=filename)
        assert len(chapters.find(read)) == 61
        assert abs(words.count(read) - words.count(text)) < 10


def test_progress_is_reported_by_page_and_by_part() -> None:
    told: list[tuple[float, str]] = []

    def listen(share: float, what: str) -> None:
        told.append((share, what))

    readers.read((NOVEL / "pride-and-prejudice.pdf").read_bytes(), filename="novel.pdf", on_progress=listen)
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)
    assert all(what.startswith("Reading page ") and what.endswith(" of 234") for _, what in told)
    assert len(told) > 1


# --- Word ---


def test_a_word_file_has_inserted_text_and_no_deleted_text() -> None:
    body = (
        "<w:p><w:r><w:t>It </w:t></w:r><w:ins><w:r><w:t>really </w:t></w:r></w:ins>"
        "<w:del><w:r><w:delText>never </w:delText></w:r></w:del><w:moveFrom><w:r><w:t>gone </w:t></w:r></w:moveFrom>"
        "<w:moveTo><w:r><w:t>then </w:t></w:r></w:moveTo><w:r><w:t>began.</w:t></w:r></w:p>"
    )
    assert docx(body) == "It really then began.\n"


def test_a_word_files_breaks_and_tabs_part_words() -> None:
    body = (
        '<w:p><w:pPr><w:tabs><w:tab w:val="left"/></w:tabs></w:pPr><w:r><w:t>one</w:t><w:tab/><w:t>two</w:t><w:br/>'
        "<w:t>three</w:t><w:noBreakHyphen/><w:t>four</w:t></w:r></w:p>"
    )
    assert docx(body) == "one two\nthree\u2011four\n"


def test_a_word_files_tables_of_contents_and_page_numbers_are_left_out() -> None:
    gallery = '<w:sdt><w:sdtPr><w:docPartObj><w:docPartGallery w:val="Table of Contents"/></w:docPartObj></w:sdtPr>'
    field = (
        '<w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText> TOC \\o "1-3" </w:instrText></w:r>'
        '<w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>Chapter 1 ... 5</w:t></w:r></w:p>'
        '<w:p><w:r><w:t>Chapter 2 ... 9</w:t></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r></w:p>'
    )
    link = (
        '<w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText> HYPERLINK "x" </w:instrText></w:r>'
        '<w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>linked words</w:t></w:r>'
        '<w:r><w:fldChar w:fldCharType="end"/></w:r></w:p>'
    )
    contents = f"{gallery}<w:sdtContent>{docx_paragraphs('Contents', 'Chapter 1')}</w:sdtContent></w:sdt>"
    other = f"<w:sdt><w:sdtContent>{docx_paragraphs('In a content control.')}</w:sdtContent></w:sdt>"
    read = docx(contents + field + link + other + docx_paragraphs("Chapter 1", "It began."))
    assert read == "linked words\n\nIn a content control.\n\nChapter 1\n\nIt began.\n"


def test_a_word_files_text_boxes_and_tables_have_paragraphs_of_their_own() -> None:
    box = f"<w:txbxContent>{docx_paragraphs('In the box.')}</w:txbxContent>"
    twice = (
        f'<m:AlternateContent xmlns:m="m"><m:Choice>{box}</m:Choice><m:Fallback>{box}</m:Fallback></m:AlternateContent>'
    )
    table = f"<w:tbl><w:tr><w:tc>{docx_paragraphs('One')}</w:tc><w:tc>{docx_paragraphs('Two')}</w:tc></w:tr></w:tbl>"
    body = f"<w:p><w:r><w:t>Around</w:t></w:r><w:r>{twice}</w:r><w:r><w:t> it.</w:t></w:r></w:p>{table}"
    assert docx(body) == "In the box.\n\nAround it.\n\nOne\n\nTwo\n"


def test_the_document_of_a_word_file_may_have_any_name() -> None:
    relationships = '<R><Relationship Type="http://x/officeDocument" Target="/word/document2.xml"/></R>'
    text = f"<w:document {manuscripts.W}><w:body>{docx_paragraphs('Some words.')}</w:body></w:document>"
    data = manuscripts.docx(docx_paragraphs("Another."), **{"_rels/.rels": relationships, "word/document2.xml": text})
    assert readers.read(data, filename="a.docx") == "Some words.\n"


# --- OpenDocument ---


def test_an_opendocument_text_has_its_paragraphs_and_spaces() -> None:
    body = (
        '<text:h text:outline-level="1">Chapter 1</text:h><text:p>one<text:s text:c="3"/>two<text:tab/>three'
        "<text:line-break/>four <text:span>five</text:span></text:p><text:list><text:list-item><text:p>six</text:p>"
        "</text:list-item></text:list>"
    )
    assert odt(body) == "Chapter 1\n\none two three\nfour five\n\nsix\n"


def test_notes_and_lists_of_an_opendocument_text_are_left_out() -> None:
    body = (
        "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
        "<text:table-of-content><text:index-body><text:p>Chapter 1</text:p></text:index-body></text:table-of-content>"
        "<text:p>Some<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>a note</text:p>"
        "</text:note-body></text:note> words<office:annotation><text:p>a comment</text:p></office:annotation>.</text:p>"
    )
    assert odt(body) == "Some words.\n"


# --- E-books ---


def test_an_e_book_is_read_in_its_order_without_its_contents() -> None:
    pages = {
        "nav.xhtml": xhtml("<h1>Navigation</h1>"),
        "2.xhtml": xhtml("<p>Second.</p>"),
        "1.xhtml": xhtml('<p>First.<a id="x"/> More &nbsp;of it &mdash; &eacute;.</p>'),
    }
    book = manuscripts.epub(
        pages,
        manifest='<item id="toc" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>',
        order=["toc", "1.xhtml", "2.xhtml", "1.xhtml"],
    )
    assert readers.read(book, filename="a.epub") == "First. More \u00a0of it — é.\n\nSecond.\n"


def test_pages_of_an_e_book_that_are_no_xml_are_read_as_browsers_do() -> None:
    book = manuscripts.epub({"1.xhtml": "<html><body><p>One & two<p>Three<br>four</body>"})
    assert readers.read(book, filename="a.epub") == "One & two\n\nThree\nfour\n"


def test_hidden_fonts_are_no_copy_protection() -> None:
    encryption = '<e><EncryptionMethod Algorithm="http://www.idpf.org/2008/embedding"/></e>'
    book = manuscripts.epub({"1.xhtml": xhtml("<p>Words.</p>")}, **{"META-INF/encryption.xml": encryption})
    assert readers.read(book, filename="a.epub") == "Words.\n"


# --- Web pages ---


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<h1>Chapter 1</h1><p>It\n  <i>be</i>gan.</p><p>It <b>ended</b>.", "Chapter 1\n\nIt began.\n\nIt ended.\n"),
        ("one<br>two<br/><br>three", "one\ntwo\n\nthree\n"),
        ("<div>one<div>two</div>three</div>", "one\n\ntwo\n\nthree\n"),
        ("<table><tr><td>one<td>two</table>", "one\n\ntwo\n"),
        ("<pre>one\n  two\n\nthree</pre>", "one\ntwo\n\nthree\n"),
        ("<ol><li>one<li><p>two</p></ol><ul><li>three</ul>", "1. one\n\n2. two\n\nthree\n"),
        ('<ol start="3"><li>The Storm</li></ol>', "3. The Storm\n"),
        ("&lt;p&gt; &amp; &quot;caf&eacute;&quot; &#8212; &#x2019;", "<p> & \"café\" — \u2019\n"),
        ("<p>She said <q>yes</q>.</p>", "She said “yes”.\n"),
        ("<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>字", "漢字\n"),
        ("<p>un<!-- a comment -->broken", "unbroken\n"),
        ("<nav><a href='/'>Home</a></nav><main><p>Words.</p></main>", "Words.\n"),
        ("<p hidden>no</p><div style='x'>yes</div>", "yes\n"),
        ("<b>" * 5000 + "deep", "deep\n"),
    ],
)  # fmt: skip
def test_a_web_page_is_read_as_it_is_seen(body: str, text: str) -> None:
    assert html(body) == text


def test_a_web_pages_list_of_links_to_itself_is_left_out() -> None:
    links = "".join(f"<p><a href='#c{n}'>Chapter {n}</a></p>" for n in (1, 2, 3))
    text = "<h2>Chapter 1</h2><p>It began.</p>"
    assert html(f"<p>A Book</p><p><b>CONTENTS</b></p>{links}{text}") == "A Book\n\nChapter 1\n\nIt began.\n"
    assert html(
        f"<p>Contents</p><ol><li><a href='#a'>One</a><li><a href='#b'>Two</a><li><a href='#c'>Three</a></ol>{text}"
    ) == ("Chapter 1\n\nIt began.\n")
    # A link or two, links elsewhere, and headings that are links stay.
    assert "Back" in html(f"<p><a href='#top'>Back</a></p>{text}")
    assert "Chapter 2" in html(links.replace("#", "https://example.org/") + text)
    assert "Chapter 3" in html(links.replace("<p>", "<h2>").replace("</p>", "</h2>") + text)


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ('<meta charset="iso-8859-1">', "iso-8859-1"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=windows-1252">', "cp1252"),
        ("", "utf-8"),
        ("", "utf-16"),
        ('<meta charset="utf-8">', "cp1252"),  # The declared encoding is wrong.
        ('<meta charset="bogus">', "utf-8"),
    ],
)
def test_a_web_page_is_read_in_its_encoding(head: str, encoding: str) -> None:
    page = f"<html><head>{head}</head><body><p>Naïve cafés, été comme hiver, très cher.</p></body></html>"
    assert readers.read(page.encode(encoding), filename="a.html") == "Naïve cafés, été comme hiver, très cher.\n"


def test_a_part_of_a_web_page_is_known_by_its_name() -> None:
    assert readers.read(b"<p>Some words</p> of mine", filename="a.html") == "Some words\n\nof mine\n"
    assert readers.read(b"<p>Some words</p> of mine", filename="a.txt") == "<p>Some words</p> of mine"


# --- Markdown ---


def test_markdown_is_read_without_its_marks() -> None:
    text = (
        "---\ntitle: A Book\n---\n# Chapter 1\n\nIt *really* **began**, as [they](https://example.org) said.\n"
        "On it `went`.\n\nChapter 2\n---------\n\n> Quoted\n\n1. one\n2. two\n\n![A picture](a.png)\n\n"
        "<script>script text</script>\n\nEnd&nbsp;&mdash;it.\n"
    )
    assert md(text) == (
        "Chapter 1\n\nIt really began, as they said. On it went.\n\nChapter 2\n\nQuoted\n\n1. one\n\n2. two\n\n"
        "End\u00a0—it.\n"
    )


def test_a_long_markdown_text_is_read_in_pieces_as_if_it_were_one(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [
        "# Chapter {}",
        "Some *words* here.",
        "```\ncode\n\n# no heading\n```",
        "- one\n\n  still one\n- two",
        "> quoted",
    ]
    chosen = random.Random(5)
    text = "\n\n".join(chosen.choice(blocks).format(number) for number in range(200))
    whole = list(markdown.pieces(text))
    monkeypatch.setattr(markdown, "PIECE_CHARACTERS", 50)
    pieces = list(markdown.pieces(text))
    assert len(whole) == 1
    assert len(pieces) > 50
    assert "".join(pieces) == text
    assert all(piece.count("```") % 2 == 0 for piece in pieces)
    assert not any(piece.startswith("  ") for piece in pieces)


def test_a_markdown_file_that_is_a_web_page_is_read_as_one() -> None:
    assert readers.read(b"<!DOCTYPE html><html><p>*Words*</p></html>", filename="a.md") == "*Words*\n"


# --- PDF ---


def read_pdf(*pages: bytes) -> str:
    return readers.read(manuscripts.pdf(*pages), filename="a.pdf")


LONG = "It was a truth universally acknowledged, that a single man in want of"


def test_paragraphs_of_a_pdf_show_by_gaps_and_by_first_lines() -> None:
    gaps = read_pdf(text_lines("Chapter 1", "", LONG, LONG, "a fortune.", "", LONG, LONG, "the end."))
    assert gaps == f"Chapter 1\n\n{LONG}\n{LONG}\na fortune.\n\n{LONG}\n{LONG}\nthe end.\n"
    set_in = read_pdf(text_lines(f"   {LONG}", LONG, f"{LONG}.", f"   {LONG}", LONG))
    assert set_in == f"{LONG}\n{LONG}\n{LONG}.\n\n{LONG}\n{LONG}\n"


def test_a_pdfs_running_heads_and_page_numbers_are_left_out() -> None:
    pages = [
        text_lines("Pride and Prejudice", "", f"Word {word}.", f"{LONG} {word}", "", str(number))
        for number, word in enumerate(("one", "two", "three", "four", "five"), start=7)
    ]
    text = read_pdf(*pages)
    assert "Pride" not in text
    assert not any(character.isdigit() for character in text)
    assert all(f"Word {word}." in text for word in ("one", "two", "three", "four", "five"))


def test_chapters_that_begin_pages_are_no_running_heads() -> None:
    pages = [text_lines(f"Chapter {number}", "", f"{LONG} {number}.") for number in range(1, 4) for _ in range(1)]
    pages.insert(1, text_lines(f"{LONG} and so on."))
    assert [chapter.title for chapter in chapters.find(read_pdf(*pages))] == ["Chapter 1", "Chapter 2", "Chapter 3"]


def test_a_pdfs_table_of_contents_is_left_out() -> None:
    contents = text_lines("Contents", "Chapter 1 ..... 2", "Chapter 2 ..... 3", "Chapter 3 ..... 9")
    pages = [
        text_lines(f"Chapter {number}", "", LONG, f"{LONG} {word}.") for number, word in ((1, "x"), (2, "y"), (3, "z"))
    ]
    text = read_pdf(text_lines("A Book"), contents, *pages)
    assert text.startswith("A Book\n\nChapter 1\n\nIt was")


def test_words_that_were_divided_are_put_together() -> None:
    division = pdf_pages.DIVISION
    lines = [
        Line(text=f"She was well{division}known and a happi{division}ness to all."),
        Line(text="She was well and well-known, and known to be, for happiness."),
        Line(text=f"The grand{division}father, and to{division}morrow; but not to nor morrow."),
    ]
    assert pdf_pages.text([lines]) == (
        "She was well-known and a happiness to all.\nShe was well and well-known, and known to be, for happiness.\n"
        "The grandfather, and to-morrow; but not to nor morrow.\n"
    )


def test_signs_without_a_meaning_are_dropped() -> None:
    assert pdf_pages.text([[Line(text="An or\x00nament \x00 it was.")]]) == "An ornament  it was.\n"


def test_a_page_of_which_places_are_not_known_has_its_lines() -> None:
    assert pdf_pages.text([[Line(text="One"), Line(text="two")], [], [Line(text="three.")]]) == "One\ntwo\nthree.\n"


def test_a_pdf_that_pictures_words_with_text_beneath_is_read() -> None:
    assert read_pdf(manuscripts.SCANNED_PAGE + b"\n" + text_lines("Some words.")) == "Some words.\n"


# --- From any file ---


def test_a_file_is_read_from_wherever_it_is_positioned() -> None:
    file = io.BytesIO(manuscripts.docx(docx_paragraphs("Some words.")))
    file.seek(0, io.SEEK_END)
    readers.check(file, filename="a.docx")
    assert readers.read(file, filename="a.docx") == "Some words.\n"
