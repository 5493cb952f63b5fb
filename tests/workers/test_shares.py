"""Turns of queues by their weights, without threads."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.process.shares import Shares

MOST = 128


def shares_of(**weights: int) -> Shares:
    shares = Shares(weights.__getitem__)
    for queue_name in weights:
        shares.begin(queue_name)
    return shares


def turns(shares: Shares, *queues: str, rounds: int) -> Counter[str]:
    """Give one task to the queue that has the turn, again and again."""
    given: Counter[str] = Counter()
    for _ in range(rounds):
        queue_name = shares.first(queues)
        shares.count(queue_name, 1, most=MOST)
        given[queue_name] += 1
    return given


def test_tasks_are_in_the_proportion_of_the_weights() -> None:
    shares = shares_of(documents=3, default=1)
    assert turns(shares, "documents", "default", rounds=400) == {"documents": 300, "default": 100}


@given(weights=st.lists(st.integers(1, 1_000), min_size=2, max_size=5), rounds=st.integers(1, 300))
def test_no_queue_is_ever_more_than_a_task_ahead_of_its_share_for_each_queue(weights: list[int], rounds: int) -> None:
    queues = {f"q{number}": weight for number, weight in enumerate(weights)}
    given = turns(shares_of(**queues), *queues, rounds=rounds)
    for queue_name, weight in queues.items():
        assert abs(given[queue_name] - rounds * weight / sum(weights)) <= len(weights)


def test_room_is_divided_by_the_weights() -> None:
    shares = shares_of(documents=3, default=1)
    assert (shares.of("documents", 128), shares.of("default", 128)) == (96, 32)


def test_room_makes_up_for_what_a_queue_was_behind() -> None:
    shares = shares_of(documents=3, default=1)
    shares.count("documents", 30, most=MOST)
    assert (shares.of("default", 10), shares.of("default", 14)) == (10, 11)
    assert shares.of("documents", 14) == 3


def test_a_queue_alone_has_all_the_room() -> None:
    shares = shares_of(documents=3, default=1)
    shares.end("default")
    assert shares.of("documents", 128) == 128


def test_a_queue_without_messages_saves_up_no_turns_and_forgets_none_that_it_had() -> None:
    shares = shares_of(documents=1, default=1)
    shares.end("default")
    shares.count("documents", 1_000, most=10_000)
    shares.begin("default")
    assert turns(shares, "documents", "default", rounds=10) == {"documents": 5, "default": 5}
    # It takes its messages one by one, and each look after one finds nothing.
    for _ in range(5):
        shares.count("default", 1, most=MOST)
        shares.end("default")
        shares.begin("default")
    assert turns(shares, "documents", "default", rounds=5) == {"documents": 5}


@pytest.mark.parametrize(("weights", "behind"), [((1, 1), MOST), ((3, 1), MOST * 3)])
def test_a_queue_whose_consumer_hung_takes_a_bounded_number_of_turns(weights: tuple[int, int], behind: int) -> None:
    shares = shares_of(hung=weights[0], default=weights[1])
    for _ in range(100):
        shares.count("default", 1_000, most=MOST)
    given = turns(shares, "hung", "default", rounds=behind + 10)
    assert given["hung"] <= behind + 9


def test_a_queue_is_not_behind_for_what_it_had_while_the_other_was_empty() -> None:
    shares = Shares({"documents": 1, "slow": 1}.__getitem__)
    shares.begin("documents")
    turns(shares, "documents", rounds=10_000)
    shares.end("documents")
    shares.begin("slow")
    shares.begin("documents")
    assert turns(shares, "documents", "slow", rounds=100) == {"documents": 50, "slow": 50}
