import pytest

from apps.documents.analysis import gutenberg, newlines

HEADER = "The Project Gutenberg EBook of A Book, by Somebody\n\nTitle: A Book\n\n"
LICENCE = "\n\nUpdated editions will replace the previous one.\n\n*** START: FULL LICENSE ***\n\nWords and words.\n"


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (
            "*** START OF THIS PROJECT GUTENBERG EBOOK A BOOK ***",
            "*** END OF THIS PROJECT GUTENBERG EBOOK A BOOK ***",
        ),
        (
            "*** START OF THE PROJECT GUTENBERG EBOOK A BOOK WITH\nA LONG TITLE ***",
            "*** END OF THE PROJECT GUTENBERG EBOOK A BOOK WITH\nA LONG TITLE ***",
        ),
        ("***START OF THE PROJECT GUTENBERG EBOOK A BOOK***", "***END OF THE PROJECT GUTENBERG EBOOK A BOOK***"),
        (
            "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*",
            "End of The Project Gutenberg Etext of A Book",
        ),
    ],
)
def test_header_and_licence_are_cut(start: str, end: str) -> None:
    text = f"{HEADER}{start}\n\n\nA BOOK\n\nChapter 1\n\nIt began.\n\n\n{end}\n{LICENCE}"
    assert gutenberg.without_licence(text) == "A BOOK\n\nChapter 1\n\nIt began."


def test_the_credit_and_the_closing_sentence_are_cut() -> None:
    text = (
        f"{HEADER}*** START OF THIS PROJECT GUTENBERG EBOOK A BOOK ***\n\n\n\nProduced by Anonymous Volunteers\n"
        "and others\n\n\nA BOOK\n\nIt began.\n\nEnd of the Project Gutenberg EBook of A Book, by Somebody\n\n"
        f"*** END OF THIS PROJECT GUTENBERG EBOOK A BOOK ***\n{LICENCE}"
    )
    assert gutenberg.without_licence(text) == "A BOOK\n\nIt began."


@pytest.mark.parametrize(
    "text",
    [
        "Chapter 1\n\nIt began.\n",
        "He founded Project Gutenberg.\n\nEnd of Project Gutenberg's first year. He went on.\n",
        "She said *** START OF nothing ***\n",
        "",
    ],
)
def test_a_text_of_ones_own_stays_as_it_is(text: str) -> None:
    assert gutenberg.without_licence(text) == text


def test_a_text_of_which_nothing_would_be_left_stays_as_it_is() -> None:
    text = "*** START OF THIS PROJECT GUTENBERG EBOOK X ***\n\n*** END OF THIS PROJECT GUTENBERG EBOOK X ***\n"
    assert gutenberg.without_licence(text) == text


def test_every_kind_of_line_end_becomes_a_line_feed() -> None:
    assert newlines.normalised("a\r\nb\rc\u2028d\fe\n") == "a\nb\nc\nd\ne\n"
