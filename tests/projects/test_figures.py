"""A project in figures."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.projects.contents import Found
from apps.projects.models import Project
from apps.projects.reports import courses, tally
from apps.projects.reports.courses import READING_EASE, SENTENCE_LENGTH
from apps.projects.reports.figures import Figures, gather
from apps.projects.reports.periods import Period
from apps.projects.reports.wording import compact, counted, duration, ease
from tests.projects.sources import chapter, draft, holding, line


@pytest.fixture
def project() -> Project:
    return Project(pk=1, name="Novels", owner=User(username="jane"))


def on(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def periods(found: Figures) -> list[tuple[date, int, int]]:
    return [(period.start, period.words, period.documents) for period in found.periods]


def test_a_project_without_documents_has_no_figures(project: Project) -> None:
    with holding():
        found = gather(project)
    assert (found.documents, found.words, found.periods, found.courses, found.reading_ease) == (0, 0, (), (), None)


def test_totals_are_over_the_documents_that_have_figures(project: Project) -> None:
    failed = draft("Scan", status="Failed", failed=True, error="No text.")
    with holding(line(words=3000, chapters=2), line(), draft(), failed):
        found = gather(project)
    assert (found.documents, found.processed, found.failed, found.waiting) == (4, 2, 1, 1)
    assert (found.words, found.sentences, found.chapters, found.reading_minutes) == (4000, 100, 3, 8.6)
    assert found.failures == (failed,)


def test_a_failed_document_that_has_older_figures_is_processed_and_named(project: Project) -> None:
    with holding(line(status="Failed", failed=True, error="It broke.")):
        found = gather(project)
    assert (found.processed, found.failed, found.waiting, len(found.failures)) == (1, 0, 0, 1)


def test_means_are_over_the_words_of_the_documents_that_have_the_figure(project: Project) -> None:
    with holding(
        line(words=3000, reading_ease=80.0, dialogue_share=0.5), line(words=1000, reading_ease=40.0), line(words=9000)
    ):
        found = gather(project)
    assert (found.reading_ease, found.dialogue_share, found.grade_level) == (70.0, 0.5, None)


def test_only_the_first_documents_have_a_line_and_all_are_counted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "MAX_DOCUMENT_LINES", 2)
    monkeypatch.setattr(tally, "MAX_LONGEST", 2)
    with holding(*(line(str(number), words=number) for number in range(5))):
        found = gather(project)
    assert [one.title for one in found.lines] == ["0", "1"]
    assert [one.title for one in found.longest] == ["4", "3"]
    assert (found.documents, found.words) == (5, 10)


def test_of_two_documents_of_one_length_the_earlier_comes_first(project: Project) -> None:
    with holding(line("first"), line("second")):
        assert [one.title for one in gather(project).longest] == ["first", "second"]


def test_keywords_are_added_up_whatever_their_capitals(project: Project) -> None:
    def keywords(**numbers: int) -> tuple[Found, ...]:
        return tuple(Found(text=text, number=number) for text, number in numbers.items())

    with holding(line(keywords=keywords(Darcy=5, ball=4)), line(keywords=keywords(darcy=2, aunt=4))):
        found = gather(project)
    assert [(one.text, one.number, one.documents) for one in found.keywords] == [
        ("Darcy", 7, 2),
        ("aunt", 4, 1),
        ("ball", 4, 1),
    ]


def test_the_keywords_of_many_documents_take_bounded_memory(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "MAX_KEYWORDS_COUNTED", 10)
    sizes: list[int] = []
    add = tally.Keywords.add

    def spy(kept: tally.Keywords, found: Iterable[Found]) -> None:
        add(kept, found)
        sizes.append(max(len(kept.numbers), len(kept.texts), len(kept.documents)))

    monkeypatch.setattr(tally.Keywords, "add", spy)
    words = [(Found(text=f"rare {number}", number=1), Found(text="often", number=9)) for number in range(50)]
    with holding(*(line(keywords=found) for found in words)):
        found = gather(project)
    assert max(sizes) <= 10
    assert (found.keywords[0].text, found.keywords[0].number) == ("often", 450)


def test_the_longest_sentences_are_those_of_all_documents(project: Project) -> None:
    lines = [line(longest_sentences=(Found(text=f"Sentence {number}.", number=number),)) for number in range(1, 9)]
    with holding(*lines):
        assert [found.number for found in gather(project).longest_sentences] == [8, 7, 6, 5, 4]


def test_progress_is_by_week_with_the_weeks_in_which_nothing_came(project: Project) -> None:
    monday = date(2026, 3, 2)
    with holding(
        line(created_at=on(monday)),
        line(created_at=on(monday + timedelta(days=6))),
        draft(created_at=on(monday + timedelta(days=15))),
    ):
        found = gather(project)
    assert found.unit == "week"
    assert periods(found) == [(monday, 2000, 2), (date(2026, 3, 9), 0, 0), (date(2026, 3, 16), 0, 1)]


def test_where_weeks_are_too_many_progress_is_by_month_and_then_by_year(project: Project) -> None:
    first = on(date(2020, 1, 31))
    with holding(line(created_at=first), line(created_at=first + timedelta(days=400))):
        by_month = gather(project)
    with holding(line(created_at=first), line(created_at=first + timedelta(days=3000))):
        by_year = gather(project)
    assert (by_month.unit, len(by_month.periods), by_month.periods[0].start) == ("month", 15, date(2020, 1, 1))
    assert by_month.periods[1] == Period(start=date(2020, 2, 1), words=0, documents=0)
    assert (by_year.unit, len(by_year.periods)) == ("year", 9)
    assert sum(period.words for period in by_year.periods) == 2000


def test_what_came_in_the_last_seven_days_is_new(project: Project) -> None:
    now = timezone.now()
    with holding(line(created_at=now - timedelta(days=6)), line(created_at=now - timedelta(days=8))):
        found = gather(project)
    assert (found.new_words, found.new_documents) == (1000, 1)


def test_readability_goes_from_chapter_to_chapter(project: Project) -> None:
    chapters = tuple(chapter(number, reading_ease=50.0 + number) for number in range(1, 4))
    with holding(line(chapters=3, reading_ease=52.5), chapters=chapters):
        (course,) = gather(project).courses
    assert (course.measure, course.whole, course.words) == (READING_EASE, 52.5, (100, 100, 100))
    assert course.values == (51.0, 52.0, 53.0)


def test_without_reading_ease_the_course_is_of_sentence_lengths(project: Project) -> None:
    chapters = (chapter(1, words=100), chapter(2, words=300), chapter(3, words=50, sentences=0))
    with holding(line(chapters=3), chapters=chapters):
        (course,) = gather(project).courses
    assert (course.measure, course.whole, course.values) == (SENTENCE_LENGTH, 20.0, (10.0, 30.0))


def test_only_documents_with_two_chapters_have_a_course(project: Project) -> None:
    with holding(line(chapters=1), chapters=(chapter(1), chapter(2))):
        assert gather(project).courses == ()
    with holding(line(chapters=2), chapters=(chapter(1),)):
        assert gather(project).courses == ()


def test_a_course_of_very_many_chapters_is_thinned(project: Project) -> None:
    chapters = tuple(chapter(number, reading_ease=float(number)) for number in range(1, 1001))
    with holding(line(chapters=1000, reading_ease=500.0), chapters=chapters):
        (course,) = gather(project).courses
    assert course.chapters == 1000
    assert len(course.values) <= courses.MAX_POINTS
    assert course.values[0] == sum(range(1, 8)) / 7


@pytest.mark.parametrize(
    ("minutes", "text"),
    [
        (0, "0 min"),
        (0.01, "1 min"),
        (59.4, "59 min"),
        (60, "1 h 0 min"),
        (529.9, "8 h 50 min"),
        (1e5, "1,666 h 40 min"),
    ],
)
def test_reading_times_are_in_hours_and_minutes(minutes: float, text: str) -> None:
    assert duration(minutes) == text


def test_one_is_singular() -> None:
    assert (counted(1, "word"), counted(0, "word"), counted(1234, "word")) == ("1 word", "0 words", "1,234 words")


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (2.5, "2.5"), (750, "750"), (12_000, "12k"), (12_500, "12.5k"), (1_500_000, "1.5M")]
)
def test_figures_on_an_axis_are_short(number: float, text: str) -> None:
    assert compact(number) == text


@pytest.mark.parametrize(
    ("reading_ease", "text"), [(120, "very easy"), (70, "easy"), (69.9, "plain"), (30, "hard"), (-5, "very hard")]
)
def test_reading_ease_in_words(reading_ease: float, text: str) -> None:
    assert ease(reading_ease) == text
