"""The number of tasks that a process may hold."""

from workers.process.prefetch import AHEAD_SECONDS, MOST_PER_THREAD, Prefetch


def used_to(seconds: float, *, threads: int = 8, long_running: int = 0) -> Prefetch:
    prefetch = Prefetch(threads=threads, long_running=lambda: long_running)
    for _ in range(200):
        prefetch.ran(seconds)
    return prefetch


def test_a_new_process_takes_one_task_a_thread() -> None:
    assert Prefetch(threads=8).limit == 8


def test_a_process_takes_many_short_tasks() -> None:
    assert used_to(0.001).limit == 8 * MOST_PER_THREAD


def test_tasks_taken_ahead_of_the_threads_are_a_short_time_of_work() -> None:
    assert used_to(AHEAD_SECONDS / 2.5).limit == 8 * (1 + 2)


def test_a_process_takes_one_long_task_a_thread() -> None:
    assert used_to(10).limit == 8
    assert used_to(AHEAD_SECONDS * 1.1).limit == 8


def test_no_task_is_taken_ahead_of_a_thread_that_runs_a_long_task() -> None:
    assert used_to(0.001, long_running=1).limit == 8 + 7 * (MOST_PER_THREAD - 1)
    assert used_to(0.001, long_running=8).limit == 8


def test_one_long_task_among_many_short_ones_is_soon_forgotten() -> None:
    prefetch = used_to(0.001)
    prefetch.ran(3600)
    assert prefetch.limit < 8 * MOST_PER_THREAD
    for _ in range(30):
        prefetch.ran(0.001)
    assert prefetch.limit == 8 * MOST_PER_THREAD


def test_the_room_is_the_limit_without_the_held_tasks() -> None:
    prefetch = used_to(10)
    prefetch.take(5)
    assert (prefetch.room, prefetch.wait_for_room(timeout_seconds=0)) == (3, 3)
    prefetch.take(4)
    assert (prefetch.room, prefetch.wait_for_room(timeout_seconds=0)) == (0, 0)
    prefetch.free(9)
    assert prefetch.room == 8
