from apps.documents.analysis import phrases, runs, sentences
from apps.documents.analysis.phrases import Lowered, Phrases, Threes
from apps.documents.analysis.tally import Tally


def repeated(text: str, *, language: str = "en", number: int = 10) -> list[tuple[str, int]]:
    pages = list(runs.find(sentences.find(text)))
    threes, lowered, found = Threes(), Lowered(), Phrases(limit=1_000)
    for page in pages:
        threes.add(page, lowered=lowered)
    for page in pages:
        found.add(phrases.find(page, frequent=threes.frequent(), lowered=lowered))
    return [(term.text, term.count) for term in found.repeated(language=language, number=number)]


def test_a_phrase_of_four_words_that_comes_twice_is_found() -> None:
    text = "He saw the lonely old lighthouse. She passed the lonely old lighthouse, too."
    assert repeated(text) == [("the lonely old lighthouse", 2)]


def test_a_phrase_of_three_words_must_come_three_times() -> None:
    assert repeated("A lonely old lighthouse. That lonely old lighthouse. Lonely mice.") == []
    assert repeated("A lonely old lighthouse. That lonely old lighthouse. My lonely old lighthouse.") == [
        ("lonely old lighthouse", 3)
    ]


def test_no_phrase_has_more_than_six_words_and_none_is_part_of_another() -> None:
    found = repeated("Grey ships sailed past empty green islands. " * 3)
    assert [(len(text.split()), count) for text, count in found] == [(6, 3)]


def test_stop_words_alone_are_no_phrase() -> None:
    assert repeated("It was what it was and so it was. " * 5) == []


def test_a_name_with_a_stop_word_is_no_phrase_and_a_name_is() -> None:
    assert repeated("He said that Mr. Darcy. We heard that Mr. Darcy. I know that Mr. Darcy.") == []
    assert repeated("Lady Catherine Bourgh came. Poor Lady Catherine Bourgh! I saw Lady Catherine Bourgh.") == [
        ("Lady Catherine Bourgh", 3)
    ]


def test_a_phrase_does_not_go_on_beyond_a_mark_or_a_sentence() -> None:
    assert repeated("Cats, old dogs, mice, grey lions. " * 4) == []
    assert repeated("He liked. Dogs sleep. " * 4) == []


def test_the_full_stop_of_an_abbreviation_does_not_part_a_phrase() -> None:
    assert repeated("I dined with Mr. Collins gladly. I dined with Mr. Collins gladly.") == [
        ("I dined with Mr Collins gladly", 2)
    ]


def test_at_the_beginning_of_a_sentence_a_phrase_is_the_same() -> None:
    assert repeated("The lonely old lighthouse fell. He loved the lonely old lighthouse.") == [
        ("the lonely old lighthouse", 2)
    ]


def test_a_tally_in_which_nothing_is_forgotten_is_exact() -> None:
    tally: Tally[str] = Tally(limit=10)
    tally.add("abca")
    tally.add("a")
    assert tally.exact() == {"a": 3, "b": 1, "c": 1}


def test_a_tally_keeps_the_frequent_items_and_knows_the_exact_counts() -> None:
    tally: Tally[str] = Tally(limit=4)
    tally.add("aaabb")
    tally.add("cdefg")  # Too many: items with one occurrence are dropped.
    tally.add("accc")
    assert tally.at_least() == {"a": 4, "b": 2, "c": 3}  # "c" really occurred four times.
    assert tally.exact() == {"a": 4, "b": 2}


def test_a_tally_never_counts_too_high_and_stays_within_its_limit() -> None:
    tally: Tally[int] = Tally(limit=100)
    truth = dict.fromkeys(range(1_000), 0)
    for step in range(10_000):
        number = (step * step + step // 7) % 1_000
        truth[number] += 1
        tally.add([number])
        assert len(tally.at_least()) <= 101
    assert all(count <= truth[number] for number, count in tally.at_least().items())
    assert all(count == truth[number] for number, count in tally.exact().items())
