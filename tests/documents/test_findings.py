"""Figures of a whole text and of its chapters."""

import time
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.documents.analysis import findings
from apps.documents.analysis.findings import Findings
from apps.documents.samples import PRIDE_AND_PREJUDICE

#: Ten words of thirteen syllables in two sentences; four of the words are spoken.
PARAGRAPH = "“The river is cold,” said Peter. He never swam home.\n\n"
BOOK = "A BOOK\n\n" + "".join(f"Chapter {number}\n\n{PARAGRAPH * 20}" for number in (1, 2, 3))


def analyse(text: str) -> Findings:
    return findings.analyse(text, words_per_minute=230)


@pytest.fixture(scope="module")
def novel() -> Findings:
    return analyse(PRIDE_AND_PREJUDICE.read_text("utf-8-sig"))


def test_the_figures_of_a_text_are_those_calculated_by_hand() -> None:
    found = analyse(BOOK)
    assert (found.words, found.sentences) == (2 + 3 * (2 + 20 * 10), 1 + 3 * 20 * 2)
    chapter = found.chapters[0]
    assert (chapter.words, chapter.sentences, chapter.language) == (202, 40, "en")
    # 5 words a sentence, 1.3 syllables a word: 206.835 - 1.015 * 5 - 84.6 * 1.3, and 0.39 * 5 + 11.8 * 1.3 - 15.59.
    assert (chapter.reading_ease, chapter.grade_level) == (91.8, 1.7)
    assert chapter.dialogue_share == 0.4
    assert [(sentence.words, sentence.text) for sentence in chapter.longest_sentences] == [
        (6, "“The river is cold,” said Peter.")
    ] * 3
    assert {(term.text, term.count) for term in chapter.keywords or ()} == {
        ("river", 20), ("cold", 20), ("Peter", 20), ("swam", 20),
    }  # fmt: skip
    assert [(term.text, term.count) for term in chapter.repeated_phrases or ()] == [
        ("He never swam home", 20), ("The river is cold", 20),
    ]  # fmt: skip


def test_the_novel_is_known(novel: Findings) -> None:
    assert (novel.words, novel.sentences, len(novel.chapters), novel.language) == (121_876, 5_992, 61, "en")
    assert novel.reading_ease == pytest.approx(62.9, abs=0.5)
    assert novel.grade_level == pytest.approx(9.5, abs=0.3)
    assert novel.dialogue_share == pytest.approx(0.47, abs=0.01)
    assert [term.text for term in list(novel.keywords or ())[:5]] == ["Elizabeth", "Darcy", "Bennet", "Bingley", "Jane"]
    assert novel.longest_sentences[0].words == 180
    assert ("uncle and aunt", 22) in [(term.text, term.count) for term in novel.repeated_phrases or ()]
    assert {chapter.language for chapter in novel.chapters} == {"en"}


def test_the_chapters_of_the_novel_add_up_to_the_whole(novel: Findings) -> None:
    chapters = novel.chapters
    # The title and the author stand before the first chapter: six words, two lines.
    assert sum(chapter.words for chapter in chapters) + 6 == novel.words
    assert sum(chapter.sentences for chapter in chapters) + 2 == novel.sentences
    spoken = sum((chapter.dialogue_share or 0) * chapter.words for chapter in chapters)
    assert spoken / novel.words == pytest.approx(novel.dialogue_share, abs=0.002)
    assert max(chapter.longest_sentences[0].words for chapter in chapters) == novel.longest_sentences[0].words


def test_no_more_is_kept_than_is_shown(novel: Findings) -> None:
    assert (len(novel.keywords or ()), len(novel.longest_sentences), len(novel.repeated_phrases or ())) == (12, 5, 12)
    for chapter in novel.chapters:
        assert len(chapter.keywords or ()) <= 8
        assert len(chapter.longest_sentences) <= 3
        assert len(chapter.repeated_phrases or ()) <= 5


def test_a_chapter_in_another_language_has_figures_of_its_own() -> None:
    english = "He went out into the rain, and nobody asked him why. " * 30
    german = "Er ging hinaus in den Regen, und niemand fragte ihn, warum. " * 30
    chapters = analyse(f"Chapter 1\n\n{english}\n\nChapter 2\n\n{german}\n\nChapter 3\n\n{english}").chapters
    assert [chapter.language for chapter in chapters] == ["en", "de", "en"]
    assert chapters[0].reading_ease == chapters[2].reading_ease is not None
    assert chapters[1].reading_ease == analyse(german).reading_ease is not None
    assert chapters[1].grade_level is None


def test_a_chapter_in_another_language_counts_in_the_dialogue_of_the_whole_and_not_in_its_readability() -> None:
    english = "“Go out,” he said. He went out into the rain, and nobody asked him why. " * 30
    german = "„Geh jetzt hinaus“, sagte er. Er ging hinaus in den Regen, und niemand fragte ihn, warum. " * 30
    found = analyse(f"Chapter 1\n\n{english}\n\nChapter 2\n\n{german}\n\nChapter 3\n\n{english}")
    assert [chapter.language for chapter in found.chapters] == ["en", "de", "en"]
    first = found.chapters[0]
    assert found.language == "en"
    # 2 of 15 words are spoken in English, 3 of 16 in German.
    assert (first.dialogue_share, found.dialogue_share) == (0.1333, round(7 / 46, 4))
    assert (found.reading_ease, found.grade_level) == (first.reading_ease, first.grade_level)


def test_a_short_text_has_no_readability_and_all_the_rest() -> None:
    found = analyse("He went out into the rain again, and nobody asked him why he did so at this hour.")
    assert (found.reading_ease, found.grade_level, found.dialogue_share) == (None, None, 0.0)


@pytest.mark.parametrize(
    ("language", "share", "sentence"),
    [
        ("cy", None, "“Dos,” meddai. Aeth allan i'r glaw unwaith eto, ac ni ofynnodd neb iddo pam yr oedd hi'n oer. "),
        ("fi", 1 / 13, "”Mene”, hän sanoi. Hän meni taas ulos sateeseen, eikä kukaan kysynyt häneltä miksi. "),
    ],
)
def test_a_text_in_an_unmeasured_language_has_no_readability(language: str, share: float | None, sentence: str) -> None:
    found = analyse(sentence * 30)
    assert (found.language, found.reading_ease, found.grade_level) == (language, None, None)
    assert found.dialogue_share == (share and pytest.approx(share, abs=0.0001))
    assert (found.words > 300, bool(found.keywords), bool(found.longest_sentences)) == (True, True, True)


def test_many_different_words_are_counted_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "MAX_DIFFERENT_WORDS", 50)
    text = " ".join(f"word{number} rain." for number in range(2_000))
    assert [(term.text, term.count) for term in analyse(text).keywords or ()] == [("rain", 2_000)]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=400))
def test_any_text_has_figures(text: str) -> None:
    found = analyse(text)
    for field in fields(found):
        value = getattr(found, field.name)
        assert not isinstance(value, float) or value == value  # No NaN.
    assert found.dialogue_share is None or 0 <= found.dialogue_share <= 1
    assert sum(chapter.words for chapter in found.chapters) <= found.words


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([PARAGRAPH, "Chapter 1\n\n", "Chapter 2\n\n", "He sat. ", "“No!” ", "'Tis so.\n"])))
def test_the_chapters_are_never_more_than_the_whole(pieces: list[str]) -> None:
    found = analyse("".join(pieces) or "x")
    assert sum(chapter.words for chapter in found.chapters) <= found.words
    assert sum(chapter.sentences for chapter in found.chapters) <= found.sentences


@pytest.mark.parametrize("piece", ["a ", "aB1", "“", "'a ", "Chapter 1\n\n", "e's ", "ab. ", "- ", "\u0301", "🙂 "])
def test_sixteen_times_the_text_takes_no_256_times_as_long(piece: str) -> None:
    def seconds(characters: int) -> float:
        text = "x " + piece * (characters // len(piece))
        started = time.process_time()
        analyse(text)
        return time.process_time() - started

    seconds(100)
    assert seconds(160_000) < 80 * max(seconds(10_000), 0.005)


@pytest.mark.parametrize(
    ("sentence", "written_in", "characters", "a_word"),
    [
        ("雨从早上一直下到现在、没有人来。", "zh", 14, 1.6),
        ("雨は朝からやまず、誰も来なかった。", "ja", 15, 1.9),
        ("ฝนตกทั้งวัน ไม่มีใครมา", "th", 16, 4.0),
    ],
)
def test_without_spaces_between_words_characters_are_counted_and_no_words_are_named(
    sentence: str, written_in: str, characters: int, a_word: float
) -> None:
    found = analyse(f"{sentence}\n\n" * 40)
    assert (found.language, found.words) == (written_in, characters * 40)
    assert found.reading_minutes == round(characters * 40 / 230 / a_word, 2)
    assert (found.keywords, found.repeated_phrases, found.reading_ease) == (None, None, None)
    assert found.longest_sentences[0].words == characters
    assert (found.chapters[0].keywords, found.chapters[0].repeated_phrases) == (None, None)


def test_words_of_a_script_without_spaces_are_no_keywords_of_an_english_text() -> None:
    found = analyse('She wrote "没有人来" on the wall of the old house, and then she went home to her mother. ' * 30)
    assert found.language == "en"
    named = {term.text for term in found.keywords or ()}
    assert {"wrote", "wall", "house"} <= named
    assert not any("没" in text for text in named)
    assert not any("没" in phrase.text for phrase in found.repeated_phrases or ())
