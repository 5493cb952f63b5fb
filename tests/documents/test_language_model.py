"""The model of languages: unpacked once, and shared with the processes that analyse texts."""

import os

import pytest
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from apps.documents.analysis import language_model
from apps.documents.samples import PRIDE_AND_PREJUDICE

pytestmark = pytest.mark.once

TEXTS = (
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, must want a wife.",
    "Als Gregor Samsa eines Morgens aus unruhigen Träumen erwachte, fand er sich in seinem Bett verwandelt.",
    "En un lugar de la Mancha, de cuyo nombre no quiero acordarme, no ha mucho tiempo que vivía un hidalgo.",
    "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему.",  # noqa: RUF001
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。",
    "12 34 56",
    "",
)


def test_the_shared_model_says_of_each_text_what_the_package_says() -> None:
    shared = language_model.identifier(language_model.unpacked())
    package = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    texts = (*TEXTS, PRIDE_AND_PREJUDICE.read_text(encoding="utf-8-sig")[:50_000])
    assert [shared.rank(text) for text in texts] == [package.rank(text) for text in texts]


def test_nobody_who_has_the_model_can_change_it() -> None:
    descriptor = language_model.unpacked()
    assert descriptor == language_model.unpacked()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.pwrite(descriptor, b"x", 0)
