"""Progress that an actor reports."""

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import sync_to_async

from apps.tasks import progress


@pytest.fixture
def reporter():
    reporter = progress.Reporter()
    progress.bind(reporter)
    yield reporter
    progress.unbind()


def test_a_percentage_and_a_text_are_news(reporter) -> None:
    progress.set(25, "Reading chapter 3")
    assert reporter.has_news
    assert reporter.take() == (25, "Reading chapter 3")
    assert not reporter.has_news


def test_it_never_goes_backwards(reporter) -> None:
    progress.set(50, "Half")
    progress.set(20, "Looks like less")
    assert reporter.take() == (50, "Looks like less")


@pytest.mark.parametrize(("said", "known"), [(-5, 0), (250, 100), (math.inf, 100), (-math.inf, 0), (math.nan, 0)])
def test_a_value_that_is_no_percentage_is_cut(reporter, said, known) -> None:
    progress.set(said)
    assert reporter.take()[0] == known


@pytest.mark.parametrize("nonsense", ["many", None, object(), [1]])
def test_nonsense_does_not_fail_the_task(reporter, nonsense) -> None:
    progress.set(nonsense, "Going on")
    assert reporter.take() == (0, "Going on")


class Nameless:
    """Neither a number nor a text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __float__(self) -> float:
        raise RuntimeError("no number")


@pytest.mark.parametrize("nonsense", ["abc", None, object(), Nameless(), 10**400, float("nan")])
def test_nonsense_fails_no_report(reporter, nonsense) -> None:
    progress.begin(nonsense, nonsense, start=nonsense, end=nonsense)
    progress.advance(nonsense, nonsense)
    progress.set(nonsense, nonsense)
    assert list(progress.track([1, 2], nonsense, total=nonsense, start=nonsense, end=nonsense)) == [1, 2]
    assert 0 <= reporter.take()[0] <= 100


def test_a_long_text_is_cut(reporter) -> None:
    progress.set(1, "x" * 1000)
    assert reporter.take() == (1, "x" * progress.TEXT_MAX_LENGTH)


def test_advance_counts_percents_or_the_steps_that_were_begun(reporter) -> None:
    progress.advance()
    assert reporter.take()[0] == 1
    progress.begin(4, start=20, end=60)
    progress.advance()
    assert reporter.take()[0] == 30
    progress.advance(3)
    assert reporter.take()[0] == 60


def test_track_goes_through_all_items_and_says_how_many_are_left(reporter) -> None:
    seen = []
    for item in progress.track("abcd", "Letters", start=50):
        seen.append((item, int(reporter.percent)))
    assert seen == [("a", 0), ("b", 62), ("c", 75), ("d", 87)]
    assert reporter.take() == (100, "Letters: 4 of 4")


def test_track_moves_its_text_where_the_length_is_unknown(reporter) -> None:
    assert list(progress.track(iter("abc"), "Letters")) == ["a", "b", "c"]
    assert reporter.take() == (0, "Letters: 3")


def test_outside_a_worker_reporting_does_nothing() -> None:
    progress.unbind()
    progress.set(10)
    progress.begin(3)
    progress.advance()
    assert list(progress.track([1, 2])) == [1, 2]


def test_a_thread_of_the_tasks_own_reports_with_carry(reporter) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(progress.set, 10, "lost").result()
        assert reporter.take() == (0, "")
        assert pool.submit(progress.carry(progress.set), 20, "carried").result() is None
        assert reporter.take() == (20, "carried")
        pool.submit(progress.set, 30, "lost again").result()
        assert reporter.take() == (20, "carried")


def test_threads_of_asyncio_and_asgiref_need_no_carry(reporter) -> None:
    async def task() -> None:
        await asyncio.to_thread(progress.set, 40)
        await sync_to_async(progress.set)(50, "both")

    asyncio.run(task())
    assert reporter.take() == (50, "both")
