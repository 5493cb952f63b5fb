import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.documents.analysis import words


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("It is a truth universally acknowledged", 6),
        ("Don't coddle the boys' house", 5),
        ("Don\u2019t coddle", 2),
        ("three-and-twenty years", 2),
        ("non\u2011breaking", 1),
        ("she came--he left", 4),
        ("she came\u2014he left", 4),
        ("You _must_ go, *now*.", 4),
        ("In 1813, 3 volumes", 4),
        ("cafe\u0301s and naïve Straße", 4),
        ("hy\u00adphen", 1),
        ("* * *\n\n- - -\n\n…", 0),
        ("", 0),
        ("'quoted' -dash-", 2),
        ("Привет, мир", 2),
        # Combining marks are part of their word.
        ("सुबह से बारिश नहीं रुकी थी और खिड़की के नीचे की सड़क नदी बन गई थी।", 16),
        ("காலை முதல் மழை நிற்கவில்லை. யாரும் வரவில்லை.", 6),
        ("সকাল থেকে বৃষ্টি থামেনি।", 4),
        ("لَمْ يَتَوَقَّفِ الْمَطَرُ مُنْذُ الصَّبَاحِ. لَمْ يَأْتِ أَحَدٌ.", 8),
        ("בְּרֵאשִׁית בָּרָא אֱלֹהִים אֵת הַשָּׁמַיִם", 5),
        ("می\u200cروم خانه", 2),
        # Marks that join the letters of one language.
        ('צה״ל וחז"ל באו.', 3),
        ('אמר "שלום" והלך', 3),
        ("בית־ספר", 1),
        ("\u05d2\u05f3\u05d9\u05e8\u05e4\u05d4 באה", 2),
        ("I don\u00b4t re\u2060join", 3),
        ("col·lecció d'art", 2),
        ("\u056b\u0576\u0579\u057a\u0565\u055e\u057d \u0565\u0584", 2),
        # Without spaces between words, each character is one.
        ("没有人来。", 4),
        ("誰も来なかった。", 7),
        ("カ\u3099ラス", 3),
        ("ฝนตก ที่นี่", 6),
        ("2024年のiPhone", 4),
        ("비가 왔다", 2),
    ],
)
def test_a_word_is_a_run_of_letters_and_digits_with_inner_apostrophes_and_hyphens(text: str, count: int) -> None:
    assert words.count(text) == count
    assert words.any_in(text) == (count > 0)


def test_words_are_counted_between_two_offsets_only() -> None:
    text = "one two three four"
    assert words.count(text, 4, 13) == 2


def test_counting_up_to_a_limit_says_whether_it_is_exceeded() -> None:
    text = "one two three"
    assert words.at_most(3, text, 0, len(text))
    assert not words.at_most(2, text, 0, len(text))
    assert words.at_most(2, text, 0, 7)


@given(st.lists(st.text("abcXYZäé09", min_size=1), max_size=50), st.sampled_from([" ", "\n", ", ", "--", "\t", " … "]))
def test_separated_words_are_counted_one_by_one(parts: list[str], separator: str) -> None:
    assert words.count(separator.join(parts)) == len(parts)


@given(st.text(), st.text())
def test_white_space_between_two_texts_keeps_their_words_apart(first: str, second: str) -> None:
    assert words.count(f"{first}\n{second}") == words.count(first) + words.count(second)
