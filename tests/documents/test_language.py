# ruff: noqa: RUF001 (Russian is written in Cyrillic)
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.documents.analysis import language
from apps.documents.samples import PRIDE_AND_PREJUDICE

SENTENCES = {
    "en": "He went out into the rain again, and nobody asked him why he did so at this hour of the night.",
    "de": "Er ging wieder hinaus in den Regen, und niemand fragte ihn, warum er das um diese Zeit tat.",
    "fr": "Il sortit de nouveau sous la pluie, et personne ne lui demanda pourquoi à cette heure de la nuit.",
    "es": "Salió de nuevo a la lluvia, y nadie le preguntó por qué lo hacía a esa hora de la noche.",
    "it": "Uscì di nuovo sotto la pioggia, e nessuno gli chiese perché lo facesse a quell'ora della notte.",
    "nl": "Hij ging weer naar buiten in de regen, en niemand vroeg hem waarom hij dat deed.",
    "pt": "Ele saiu de novo para a chuva, e ninguém lhe perguntou por que fazia isso àquela hora da noite.",
    "ru": "Он снова вышел под дождь, и никто не спросил его, почему он это делает в такой час.",
    "pl": "Znowu wyszedł na deszcz i nikt go nie zapytał, dlaczego to robi.",
    "ja": "彼はまた雨の中へ出て行った。誰も理由を尋ねなかった。",
}


@pytest.mark.parametrize("code", SENTENCES)
def test_the_language_of_a_sentence_or_two_is_detected(code: str) -> None:
    assert language.detect(SENTENCES[code]) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("没有人来", "zh"),
        ("雨は朝からやまず", "ja"),
        ("明治時代の東京都", "ja"),
        ("ฝนตก", "th"),
        ("没有人知道「の」是什么意思。她放下信。大家都在等着水开。", "zh"),
    ],
)
def test_a_script_without_spaces_tells_the_language_of_a_few_words(text: str, code: str) -> None:
    assert language.detect(text) == code


@pytest.mark.parametrize("text", ["", "1 2 3 4", "word " * 50, "Mm.", "asdf qwer zxcv uiop hjkl"])
def test_an_unknown_language_is_not_guessed(text: str) -> None:
    assert language.detect(text) == ""


def test_the_novel_is_english() -> None:
    assert language.detect(PRIDE_AND_PREJUDICE.read_text("utf-8-sig")) == "en"


def test_a_long_text_is_detected_from_samples_of_all_of_it() -> None:
    begins_in_latin = "Gallia est omnis divisa in partes tres. " * 50 + f"{SENTENCES['de']} " * 2_000
    assert language.detect(begins_in_latin) == "de"


def test_only_text_between_the_offsets_counts() -> None:
    text = SENTENCES["de"] + SENTENCES["fr"]
    assert language.detect(text, len(SENTENCES["de"])) == "fr"


@given(st.text(max_size=300))
def test_any_text_has_a_code_or_none(text: str) -> None:
    assert len(language.detect(text)) in (0, 2)
