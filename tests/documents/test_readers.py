import codecs
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.documents import readers
from apps.documents.readers import UnreadableTextError
from apps.documents.readers.errors import TextTooLargeError

ENGLISH = "“Don\u2019t,” she said \u2013 and left the naïve café. It\u2019s £5.\r\n"
FRENCH = "Été comme hiver, l\u2019élève où ça coûte très cher \u2013 « voilà ». Œuvre, cœur.\n"
GERMAN = "Der Bär läuft über die Straße und grüßt höflich. Größe, Äpfel, Öl, Übung.\n"
SWEDISH = "Så är det, älskling. På återseende, Björn.\n"
SPANISH = "¿Qué pasó? El niño comió piñas mañana. ¡Olé!\n"
POLISH = "Zażółć gęślą jaźń. Świat był piękny, a ona szła przez łąkę.\n"


@pytest.mark.parametrize("text", [ENGLISH, FRENCH, GERMAN, SWEDISH, SPANISH, POLISH, "Привет, мир\n", "plain\rtext\n"])
@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_unicode_is_read_as_it_was_written(text: str, mark: bytes, encoding: str) -> None:
    assert readers.read(mark + text.encode(encoding), filename="novel.txt") == text


@pytest.mark.parametrize("text", [ENGLISH, FRENCH, GERMAN, SWEDISH, SPANISH, "café\n"])
def test_the_western_encoding_of_windows_is_read(text: str) -> None:
    assert readers.read(text.encode("cp1252")) == text


@pytest.mark.parametrize("text", [GERMAN, SWEDISH, SPANISH])
def test_latin_1_is_read(text: str) -> None:
    assert readers.read(text.encode("latin-1")) == text


@pytest.mark.parametrize("text", [ENGLISH, FRENCH, GERMAN])
def test_the_western_encoding_of_old_macs_is_read(text: str) -> None:
    assert readers.read(text.encode("mac_roman")) == text


def test_a_central_european_encoding_is_read_where_no_western_one_makes_sense() -> None:
    assert readers.read(POLISH.encode("cp1250")) == POLISH
    assert readers.read(POLISH.encode("iso8859_2")) == POLISH


def test_the_encoding_is_guessed_from_the_lines_beyond_ascii() -> None:
    text = "Plain words, line by line.\n" * 20_000 + FRENCH + "Plain words, line by line.\n" * 20_000
    assert readers.read(text.encode("cp1252")) == text


def test_utf_8_with_a_little_damage_stays_utf_8() -> None:
    data = (FRENCH * 5).encode() + b"\xe9 fini.\n"
    assert readers.read(data) == FRENCH * 5 + "\ufffd fini.\n"


def test_utf_8_that_was_cut_in_a_character_is_read() -> None:
    assert readers.read((FRENCH * 5 + "é").encode()[:-1]) == FRENCH * 5 + "\ufffd"


@pytest.mark.parametrize(
    "data",
    [b" \r\n\t\n ", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, "\u00a0\u2003".encode(), codecs.BOM_UTF8 + b"\n"],
)
def test_a_blank_file_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableTextError, match="empty or holds nothing but white space"):
        readers.read(data)


@pytest.mark.parametrize("text", ["* * *", "…", "— ! —\n"])
def test_a_text_without_a_word_is_refused(text: str) -> None:
    with pytest.raises(UnreadableTextError, match="not a single word"):
        readers.read(text.encode())
    with pytest.raises(UnreadableTextError, match="not a single word"):
        readers.read_pasted(text)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", r"a picture \(PNG\)"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", r"a picture \(JPEG\)"),
        (b"GIF89a\x01\x00", r"a picture \(GIF\)"),
        (b"PK\x03\x04\x14\x00holiday.jpg", r"an archive \(ZIP\)"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 16, r"an old Word file \(\.doc\)"),
        (b"{\\rtf1\\ansi Hello}", "an RTF file"),
        (b"\x1f\x8b\x08\x00", r"a compressed file \(gzip\)"),
    ],
)
def test_another_kind_of_file_is_refused_by_its_name(data: bytes, kind: str) -> None:
    with pytest.raises(
        UnreadableTextError, match=f"This is {kind}, which cannot be read. Send your manuscript as one of: plain"
    ):
        readers.read(data, filename="novel.txt")


@pytest.mark.parametrize(
    "data", [b"Some words\x00 and more", bytes(range(1, 32)) + b"words", b"MZ\x90\x00\x03", b"word \x01\x02\x03 word"]
)
def test_binary_content_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableTextError, match="does not look like text"):
        readers.read(data)


@pytest.mark.parametrize("data", [codecs.BOM_UTF16_LE + b"a\x00b", codecs.BOM_UTF32_BE + b"\x00\x11\x00\x00"])
def test_damaged_unicode_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableTextError, match="encoding is unknown or it is damaged"):
        readers.read(data)


def test_a_few_control_characters_are_no_reason_to_refuse_a_text() -> None:
    text = "A page.\n" * 100 + "\f" + "Another page.\n" * 100 + "\x1a"
    assert readers.read(text.encode()) == text


def test_prose_that_speaks_of_html_or_begins_like_a_file_is_text() -> None:
    for text in ("<p>Some words</p> of mine", "PK was his name.", "GIFs are pictures. Why?", "<3 she wrote"):
        assert readers.read_pasted(text) == text
    assert readers.read(b"<p>Some words</p> of mine") == "<p>Some words</p> of mine"


def test_a_pasted_text_loses_characters_that_no_database_takes() -> None:
    assert readers.read_pasted("one\x00two \ud83d three") == "onetwo \ufffd three"
    assert readers.read_pasted("a pair \ud83d\ude00 of halves") == "a pair 😀 of halves"


def test_a_pasted_text_stays_as_it_is_otherwise() -> None:
    assert readers.read_pasted(ENGLISH) == ENGLISH


@pytest.mark.parametrize("text", ["", " \n\t", "\x00", "\x00 \x00"])
def test_a_blank_pasted_text_is_refused(text: str) -> None:
    with pytest.raises(UnreadableTextError, match="empty or holds nothing but white space"):
        readers.read_pasted(text)


def test_a_pasted_binary_is_refused() -> None:
    with pytest.raises(UnreadableTextError, match="does not look like text"):
        readers.read_pasted("word \x01\x02\x03 word")


def read_or_none(read: Callable[[Any], str], source: object) -> str | None:
    """Return the text, or None if it was refused. Any other error fails the test."""
    try:
        return read(source)
    except UnreadableTextError:
        return None


@given(st.binary(max_size=2000) | st.text(max_size=500).map(lambda text: text.encode("cp1252", "replace")))
def test_any_bytes_are_read_or_refused_and_nothing_else(data: bytes) -> None:
    text = read_or_none(readers.read, data)
    if text is not None:
        assert text.strip()
        assert "\x00" not in text
        assert text.encode()


@given(st.text(st.characters(codec=None), max_size=500))
def test_any_pasted_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    read = read_or_none(readers.read_pasted, text)
    if read is not None:
        assert "\x00" not in read
        assert read.encode()


@given(st.text(st.characters(categories=["L", "N", "P", "Z"]), max_size=300).filter(lambda text: text.strip()))
def test_every_text_in_utf_8_is_read_back(text: str) -> None:
    data = f"words {text}".encode()
    assert readers.read(data) == f"words {text}"


def test_sizes_are_said_as_people_say_them() -> None:
    message = str(TextTooLargeError(size_bytes=60 * 1024**2, limit_bytes=50 * 1024**2))
    assert message.startswith("The text is 60.0 MB, and at most 50.0 MB can be taken.")


def test_sizes_that_differ_by_little_are_said_in_bytes() -> None:
    message = str(TextTooLargeError(size_bytes=50 * 1024**2 + 1, limit_bytes=50 * 1024**2))
    assert "52,428,801 bytes, and at most 50.0 MB" in message
    assert "1,001 bytes, and at most 1,000 bytes" in str(TextTooLargeError(size_bytes=1001, limit_bytes=1000))
