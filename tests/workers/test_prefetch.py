"""The number of tasks that a process may hold."""

import threading
import time

from tests.waiting import wait_until
from workers.process.prefetch import AHEAD_SECONDS, GIVEN_SECONDS, MOST_PER_THREAD, Prefetch


def used_to(seconds: float, *, threads: int = 8, long_running: int = 0) -> Prefetch:
    prefetch = Prefetch(threads=threads, long_running=lambda: long_running)
    for _ in range(200):
        prefetch.ran(seconds)
    return prefetch


def test_a_new_process_takes_one_task_a_thread() -> None:
    assert Prefetch(threads=8).limit == 8


def test_a_process_takes_many_short_tasks() -> None:
    assert used_to(0.0005).limit == 8 * MOST_PER_THREAD


def test_tasks_taken_ahead_of_the_threads_are_a_short_time_of_work() -> None:
    assert used_to(AHEAD_SECONDS / 2.5).limit == 8 * (1 + 2)


def test_a_process_takes_one_long_task_a_thread() -> None:
    assert used_to(10).limit == 8
    assert used_to(AHEAD_SECONDS * 1.1).limit == 8


def test_no_task_is_taken_ahead_of_a_thread_that_runs_a_long_task() -> None:
    assert used_to(0.0005, long_running=1).limit == 8 + 7 * (MOST_PER_THREAD - 1)
    assert used_to(0.0005, long_running=8).limit == 8


def test_one_long_task_among_many_short_ones_is_soon_forgotten() -> None:
    prefetch = used_to(0.0005)
    prefetch.ran(3600)
    assert prefetch.limit < 8 * MOST_PER_THREAD
    for _ in range(60):
        prefetch.ran(0.0005)
    assert prefetch.limit == 8 * MOST_PER_THREAD


def test_the_room_is_the_limit_without_the_held_tasks() -> None:
    prefetch = used_to(10)
    prefetch.take("default", 5)
    assert (prefetch.room, prefetch.wait_for_share("default", timeout_seconds=0)) == (3, 3)
    prefetch.take("default", 4)
    assert (prefetch.room, prefetch.wait_for_share("default", timeout_seconds=0)) == (0, 0)
    prefetch.free(9)
    assert prefetch.room == 8


# --- Several queues ------------------------------------------------------------------------------


def weighted(*, threads: int = 1, **weights: int) -> Prefetch:
    """Return the prefetch of a process with long tasks, whose queues may have messages."""
    prefetch = Prefetch(threads=threads, weight_of=weights.__getitem__)
    for queue_name in weights:
        prefetch.take(queue_name, 0)
    return prefetch


def test_a_share_is_the_queues_until_it_is_settled() -> None:
    prefetch = weighted(threads=4, documents=3, default=1)
    assert prefetch.wait_for_share("documents", timeout_seconds=0) == 3
    assert (prefetch.room, prefetch.wait_for_share("default", timeout_seconds=0)) == (1, 1)
    assert (prefetch.room, prefetch.wait_for_share("documents", timeout_seconds=0)) == (0, 0)
    prefetch.settle("default")
    assert prefetch.room == 1
    prefetch.take("documents", 2)
    assert (prefetch.room, prefetch.held) == (2, 2)


def test_the_share_of_a_consumer_that_hangs_goes_to_the_others(monkeypatch) -> None:
    prefetch = weighted(documents=1, default=1)
    assert prefetch.wait_for_share("documents", timeout_seconds=0) == 1
    assert prefetch.wait_for_share("default", timeout_seconds=0) == 0
    now = time.monotonic() + GIVEN_SECONDS
    monkeypatch.setattr("workers.process.prefetch.time.monotonic", lambda: now)
    assert prefetch.wait_for_share("default", timeout_seconds=0) == 1


def test_a_queue_whose_look_found_nothing_leaves_all_the_room_to_the_others() -> None:
    prefetch = weighted(threads=8, documents=7, default=1)
    prefetch.wait_for_share("documents", timeout_seconds=0)
    prefetch.settle("documents", is_empty=True)
    assert prefetch.wait_for_share("default", timeout_seconds=0) == 8


def test_a_message_that_comes_while_others_hold_all_the_room_gives_its_queue_a_turn() -> None:
    prefetch = weighted(documents=1, default=1)
    prefetch.settle("default", is_empty=True)
    prefetch.take("documents", prefetch.wait_for_share("documents", timeout_seconds=0))
    assert prefetch.take_share("default", 1) == 0
    assert in_turn(prefetch, "documents", "default", rounds=4) == ["default", "documents", "default", "documents"]


def test_no_thread_idles_while_the_queue_that_has_the_turn_is_away() -> None:
    """Its consumer claims at that moment, or hangs."""
    prefetch = weighted(threads=3, documents=1000, default=1)
    taken = []
    while share := prefetch.wait_for_share("default", timeout_seconds=0):
        taken.append(share)
        prefetch.take("default", share)
    assert sum(taken) == 3


def in_turn(prefetch: Prefetch, *queues: str, rounds: int) -> list[str]:
    """Let the consumers of queues wait while the only thread is busy, and free it. Return who took it, in order."""
    order: list[str] = []
    is_over = threading.Event()

    def consume(queue_name: str) -> None:
        while not is_over.is_set():
            if prefetch.wait_for_share(queue_name, timeout_seconds=0.05):
                order.append(queue_name)
                prefetch.take(queue_name, 1)

    consumers = [threading.Thread(target=consume, args=(queue_name,)) for queue_name in queues]
    for consumer in consumers:
        consumer.start()
    try:
        for number in range(rounds):
            wait_until(lambda: prefetch.waiting == set(queues))
            prefetch.free(1)
            wait_until(lambda: len(order) > number)  # noqa: B023 - Called in this round alone.
    finally:
        is_over.set()
        for consumer in consumers:
            consumer.join()
    return order


def test_waiting_queues_take_turns_by_their_weights() -> None:
    prefetch = weighted(documents=3, default=1)
    prefetch.held = 1
    order = in_turn(prefetch, "documents", "default", rounds=16)
    assert [order[start : start + 4].count("documents") for start in range(0, 16, 4)] == [3, 3, 3, 3]
