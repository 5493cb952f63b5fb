"""What is spoken in a text. In the cases below it stands in square brackets, which are taken out."""
# ruff: noqa: RUF001 (languages have marks and letters of their own)

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.documents.analysis import dialogue, words

CASES = [
    # English: curly, straight, British.
    ("en", "“[I see],” said he. “[You don\u2019t.]” He left."),
    ("en", '"[I see]," said he. "[You don\'t.]" He left.'),
    (
        "en",
        "\u2018[I don\u2019t know the boys\u2019 house],\u2019 he said. \u2018[Go!]\u2019 The boys\u2019 toys fell.",
    ),
    ("en", "'[I don't know the boys' house],' he said. '[Go!]' The boys' toys lay there. 'Tis late."),
    ("en", "\"[He said 'No' to me],\" said she."),
    ("en", "“[He said \u2018No\u2019 to me],” said she."),
    # Apostrophes alone are nothing spoken.
    ("en", "It was the boys' house, an' 'twas late. Rock 'n' roll. The dogs' bones."),
    ("en", 'The board was 6" long and 4" wide.'),
    # Nothing closes it: it ends with its paragraph.
    ("en", '"[I see, said he.]\n\nHe left.'),
    ("en", "“[I see, said he.]\n\nHe left. “[Yes.]” She too."),
    # Each paragraph of a long speech opens it anew.
    ("en", "“[It is long.]\n\n“[It goes on.]\n\n“[It ends.]” He left."),
    ("en", '"[It is long.]\n\n"[It ends.]" He left.'),
    ("en", "\u2018[No.]\u2019 He sat. \u2018[It is long.]\n\n\u2018[It ends.]\u2019 He left."),
    ("en", "“[It is long,\n“and goes on,\nline by line.]” He left."),
    # German, French, Finnish, Japanese.
    ("de", "„[Nein]“, sagte er. „[Doch!]“ Er ging."),
    ("de", "»[Nein]«, sagte er. »[Doch!]« Er ging."),
    ("de", "«[Nein]», sagte er. «[Doch!]» Er ging."),
    ("fr", "« [Non] », dit-il. Il partit."),
    ("fr", "« [Non, dit-il.]\n— [Si.]\n— [Non !] » Il partit."),
    ("fi", "”[Ei]”, hän sanoi. ”[Joo.]” Hän lähti."),
    ("ja", "「[はい]」と彼は言った。"),
    # A dash at the beginning of a line.
    ("es", "—[No sé] —dijo ella—. [Vámonos.]\n\nElla salió — sola."),
    ("pt", "— [Não sei] — disse ela. — [Vamos.]\n\nEla saiu."),
    ("ru", "— [Не знаю], — сказала она. — [Пойдём.]\n\nОна — учитель."),
    ("fr", "— [Je ne sais pas.]\n— [Moi non plus.]\n\nIl partit."),
    ("en", "— a list\n— of things"),
]


@pytest.mark.parametrize(("language", "marked"), CASES)
def test_what_is_spoken_is_told_from_what_is_not(language: str, marked: str) -> None:
    text = marked.replace("[", "").replace("]", "")
    expected = sum(words.count(piece.split("]")[0]) for piece in marked.split("[")[1:])
    style = dialogue.style(text, language=language)
    assert dialogue.spoken_words(text, style=style) == expected


def test_only_what_is_between_two_offsets_counts() -> None:
    text = "“Yes.” No. “Yes, yes.” No."
    assert dialogue.spoken_words(text, 6, 22, style=dialogue.style(text, language="en")) == 2


def test_single_marks_in_a_text_with_double_ones_are_no_speech() -> None:
    text = '"Yes," said he. "No." "Well." The \'best\' of it.'
    assert "'" not in dialogue.style(text, language="en").closers


@given(
    st.text(st.sampled_from("aB .,!?\"'“”\u2018\u2019«»„—\u2013-\n「」 "), max_size=300),
    st.sampled_from(["", "en", "de", "fr", "es", "ru", "pt"]),
)
def test_no_punctuation_makes_more_spoken_words_than_words(text: str, language: str) -> None:
    spoken = dialogue.spoken_words(text, style=dialogue.style(text, language=language))
    # A mark may stand in the middle of a word: a'b.
    assert 0 <= spoken <= words.count(text.replace("'", " ").replace("\u2019", " ").replace("-", " "))


@pytest.mark.parametrize("piece", [" 'a", "'a", " \u2018a", '"a ', "“a ", "—a\n", "— a, ", "\n ", "'a\n"])
@pytest.mark.parametrize("language", ["en", "es", "ru"])
def test_twice_the_text_takes_no_four_times_as_long(piece: str, language: str) -> None:
    def seconds(number: int) -> float:
        text = piece * number
        started = time.process_time()
        dialogue.spoken_words(text, style=dialogue.style(text, language=language))
        return time.process_time() - started

    # Were it quadratic, 16 times the text would take 256 times as long.
    assert seconds(32_000) < 80 * max(seconds(2_000), 0.002)
