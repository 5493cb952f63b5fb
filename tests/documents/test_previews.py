"""Previews of a text in the encodings that it may have."""

import pytest

from apps.documents.readers import previews

#: In two encodings it reads differently from the second line on.
LINES = ["It begins.", "Å", *["The café is closed."] * 5, "Öl und Übung.", "Ärger.", "It ends."]


def previews_of(text: str, *encodings: str) -> dict[str, str]:
    found = previews.readings(text.encode("cp850"), encodings=encodings)
    return {reading.encoding: reading.preview for reading in found}


def test_the_lines_that_tell_the_encodings_apart_are_shown_once_and_in_their_order() -> None:
    for end in ("\n", "\r\n", "\r"):
        found = previews_of(end.join(LINES), "cp850", "mac_roman")
        assert found["cp850"].splitlines() == ["Å", "The café is closed.", "Öl und Übung."]
        assert found["mac_roman"].splitlines() == ["è", "The cafÇ is closed.", "ôl und öbung."]


def test_lines_in_which_all_encodings_differ_come_before_others() -> None:
    text = "The café.\n" + "Ein Öl.\n" * 3
    found = previews_of(text, "cp850", "cp437", "mac_roman")
    # "cp437" reads it as "cp850" does.
    assert list(found) == ["cp850", "mac_roman"]


def test_a_long_line_is_cut_around_the_place_that_tells() -> None:
    found = previews_of("word " * 50_000 + "Öl" + " word" * 50_000, "cp850", "mac_roman")
    for preview, letter in zip(found.values(), "Öô", strict=True):
        assert preview.startswith("…")
        assert f"{letter}l" in preview
        assert len(preview) <= previews.CHARACTERS_BEFORE + previews.CHARACTERS_AFTER + 1


def test_nothing_that_is_not_shown_is_in_a_preview() -> None:
    [first, _] = previews.readings(b"a\x00\x1b\x82b\n", encodings=["cp850", "mac_roman"])
    assert first.preview == "a\ufffd\ufffdéb"


def test_encodings_with_other_line_ends_have_previews_too() -> None:
    assert len(previews.readings("Öl\n\n".encode("utf-16-le") * 3, encodings=["utf_16_le", "utf_16_be"])) == 2


@pytest.mark.parametrize("name", ["cp850", "mac_roman", "iso8859_1", "koi8_r", "utf_16_le", "shift_jis", "gb18030"])
def test_an_encoding_of_texts_is_one(name: str) -> None:
    assert previews.is_encoding(name)


@pytest.mark.parametrize(
    "name", ["", "idna", "punycode", "rot13", "zlib", "unicode_escape", "cp0", "cp850\x00", "../x"]
)
def test_another_codec_is_none(name: str) -> None:
    assert not previews.is_encoding(name)
