import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.documents.analysis import sentences


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("He went out. She stayed.", 2),
        ("Mr. Bennet and Mrs. Long met Dr. Smith and Col. Forster. They left.", 2),
        ("It was Mr.\nDarcy. She saw him.", 2),
        ("It cost 3.50 in the U.S. in May.", 1),
        ("Wait... what? No!", 2),
        ("What?! Really?!", 2),
        ("A title", 1),
        ("PRIDE AND PREJUDICE\n\nBy Jane Austen", 2),
        ("* * *", 0),
        ("", 0),
        (" \n\n \n", 0),
        ("No full stop\n   \nat all", 2),
        ("Ein Satz. Und z. B. noch einer.", 2),
        ("Première phrase. M. Dupont resta.", 2),
        ("—Sí. No.\n—¿Quién? ¡Yo!", 4),
        ("\u1797\u17d2\u179b\u17c0\u1784\u17d4 \u1782\u17d2\u1798\u17b6\u1793\u17d4", 2),
    ],
)
def test_sentences_end_at_their_marks_and_not_at_abbreviations(text: str, count: int) -> None:
    assert sentences.count(text) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("“Is he married or single?” she asked.", 1),
        ('"Is he married or single?" she asked.', 1),
        ("\u2018Is he married or single?\u2019 she asked.", 1),
        ("“My dear Mr. Bennet,” said his lady, “have you heard?”", 1),
        ("“Nonsense!” cried Mr. Bennet. He went out.", 2),
        ("“Nonsense!” Mr. Bennet went out.", 2),
        ("“You mistake me, my dear. I respect your nerves. They are my old friends.”", 3),
        ("“I do. I always did,” said he. “You never did.”", 3),
        ("\u2018I don\u2019t know. I really don\u2019t,\u2019 he said.", 2),
        ('"I do. I always did," said he.', 2),
        ("«Non. Pas ça.» Il partit.", 3),
        ("„Nein. Das nicht.“ Er ging.", 3),
        ("“Mr. Wickham is the son of a steward. He was", 2),
        ("“A speech that goes on.\n\n“And on. And ends.”", 3),
    ],
)
def test_dialogue_is_one_sentence_with_its_verb_and_each_further_sentence_counts(text: str, count: int) -> None:
    assert sentences.count(text) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("- Come in, - said Anna. It was cold.\n- Thank you. I will stay.\nThey sat down. Nobody spoke.\n", 6),
        ("1. One came in. It was cold. He sat.\n2. Two came in. It was dark. She left.\n", 6),
        ("a) One came. It was cold.\nb) Two came. It was dark.\n", 4),
        ("(1) One came. It was cold.\n(2) Two came. It was dark.\n", 4),
        ("iv. One came. It was cold.\nv. Two came. It was dark.\n", 4),
        ("* One came. It was cold.\n* Two came. It was dark.\n", 4),
        ("- bread\n- butter\n- two apples\n", 3),
        ("He came\n- and she left. So it was.", 2),
        ("1.\n2.\n3.\n", 3),
        ("A. One came. It was cold.\nB. Two came. It was dark.\n", 4),
        ("1.1. One came. It was cold.\n1.2. Two came. It was dark.\n", 4),
        ("- Нет. Он тут. Вот.\n- Да. Она ушла. Всё.\n", 6),
    ],
)
def test_lines_of_a_list_have_all_their_sentences(text: str, count: int) -> None:
    assert sentences.count(text) == count


@pytest.mark.parametrize(
    ("text", "language", "count"),
    [
        ("“One came. Two came. Three went. “Four came.” Five went.", "en", 5),
        ("„Eins kam. Zwei ging. Drei blieb. „Vier kam.“ Fünf ging.", "de", 5),
        ("«Un vint. Deux partit. Trois resta. «Quatre vint.» Cinq partit.", "fr", 5),
        ("「甲です。乙です。丙です。「戊です。」己です。", "ja", 5),
        ("\u2018It was. He came. She\u2019s gone. They went.", "en", 4),
        ('The 6" rain came. It was cold. He left. The 5" snow. It was.', "en", 5),
        ("“他来了。她走了。”门开了。", "zh", 3),
    ],
)
def test_a_quotation_that_is_not_closed_swallows_no_sentence(text: str, language: str, count: int) -> None:
    assert sentences.count(text, language=language) == count


def test_sentences_are_counted_between_two_offsets_only() -> None:
    text = "One. Two. Three. Four."
    assert sentences.count(text, 5, 16) == 2


def test_a_paragraph_longer_than_a_block_keeps_its_sentences() -> None:
    text = "He went out into the rain again. " * 1000
    assert len(text) > 3 * sentences.BLOCK_CHARACTERS
    # A cut through a sentence may add one.
    assert 1000 <= sentences.count(text) <= 1000 + len(text) // sentences.BLOCK_CHARACTERS + 1


def test_paragraphs_over_many_blocks_are_counted_exactly() -> None:
    assert sentences.count("He went out. She stayed in.\n\n" * 3000) == 6000


@given(st.text(alphabet=st.sampled_from("aB .!?\"'“”\u2018\u2019«»„…\n_—"), max_size=300))
def test_no_punctuation_breaks_the_count(text: str) -> None:
    count = sentences.count(text)
    assert 0 <= count <= len(text)
    assert (count > 0) == any(character.isalnum() for character in text)


@given(st.integers(1, 30))
def test_plain_sentences_are_counted_one_by_one(number: int) -> None:
    assert sentences.count(" ".join(["The cat sat down."] * number)) == number
