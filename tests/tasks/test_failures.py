"""Causes of failures, and the line that people read."""

import time

import pytest

from apps.tasks.failures import cause_of, in_short, in_words


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("row 17 of 250 is empty", "row 3 of 9,871 is empty"),
        ("-3.5 is too small", "-12 is too small"),
        ("'isbn'", "'title'"),
        ("no file named 'it was \"here\"'", "no file named 'a.md'"),
        ('cannot open "book.md"', 'cannot open "other book.md"'),
        ("value `x` is refused", "value `y` is refused"),
        ("no row 6f1c9a52-0f0e-4a57-9b7e-3c1f5d0a9b11", "no row 0a9b1c2d-ffff-4abc-8def-abcdefabcdef"),
        ("<Book object at 0x7f3a9c> is closed", "<Book object at 0x7fbb01> is closed"),
        ("blob deadbeefcafe is missing", "blob 0123456789ab is missing"),
        ("doc_17 is gone", "doc_18 is gone"),
        ("mailbox of jane@example.org is full", "mailbox of emily.b+x@mail.example.com is full"),
        ("GET https://example.org/a?b=c failed", "GET http://other.example/ failed"),
        ("cannot open /srv/books/emma.md: gone", "cannot open /tmp/persuasion.txt: gone"),
        ("cannot open books/emma.md", "cannot open ../notes/a/b.md"),
        (r"cannot open C:\books\emma.md", r"cannot open D:\persuasion.txt"),
        ("text '" + "x" * 5_000, "text '" + "y" * 9_000),
    ],
)
def test_failures_that_differ_in_numbers_quoted_texts_and_ids_have_the_same_cause(first: str, second: str) -> None:
    assert cause_of("acting.add", "ValueError", first) == cause_of("acting.add", "ValueError", second)


@pytest.mark.parametrize(
    "other",
    [
        ("acting.say", "ValueError", "it can't be read"),
        ("acting.add", "KeyError", "it can't be read"),
        ("acting.add", "ValueError", "it can't be written"),
        ("acting.add", "", "it can't be read"),
    ],
)
def test_actor_class_and_words_make_another_cause(other: tuple[str, str, str]) -> None:
    assert cause_of(*other) != cause_of("acting.add", "ValueError", "it can't be read")


def test_a_long_text_takes_no_long_time() -> None:
    for text in ("x" * 1_000_000, "a." * 500_000, "/" * 1_000_000, "a@" * 500_000, "a/" * 500_000, "ab:" * 300_000):
        began = time.process_time()
        cause_of("acting.add", "ValueError", text)
        assert time.process_time() - began < 5, text[:10]


def test_a_cause_is_the_same_in_every_process() -> None:
    assert cause_of("acting.add", "KeyError", "'isbn'") == "e4bcd4adfcb31a89"


def test_a_cause_takes_any_text() -> None:
    assert len(cause_of("\ud800", "\x00", "'\ud800" * 10_000)) == 16


@pytest.mark.parametrize(
    ("error_type", "error_message", "line"),
    [
        ("KeyError", "'isbn'", "KeyError: 'isbn'"),
        ("app.errors.BookError", "BookError", "app.errors.BookError"),
        ("ValueError", "", "ValueError"),
        ("", "It was not started before it expired.", "It was not started before it expired."),
    ],
)
def test_a_failure_reads_like_an_exception(error_type: str, error_message: str, line: str) -> None:
    assert in_words(error_type, error_message) == line


def test_a_failure_in_short_has_the_name_of_the_class_alone() -> None:
    assert in_short("app.mail.MailRefusedError", "550 no such user\nSorry.") == "MailRefusedError: 550 no such user"
    assert in_short("app.mail.MailRefusedError", "") == "MailRefusedError"
    assert in_short("", "Cancelled.") == "Cancelled."
