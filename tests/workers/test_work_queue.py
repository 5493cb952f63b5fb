"""The queue between the consumers of a process and its worker threads."""

import threading
from collections import deque
from queue import Empty

import pytest
from dramatiq import QueueJoinTimeout
from dramatiq.common import iter_queue, join_queue

from tests.waiting import wait_until
from workers.process.work_queue import WorkQueue

pytestmark = pytest.mark.once


def test_items_are_taken_in_the_order_in_which_batches_were_put_in() -> None:
    queue = WorkQueue()
    queue.put_all(["a", "b"])
    queue.put("c")
    queue.put_all(iter(["d"]))
    assert queue.waiting == ["a", "b", "c", "d"]
    assert list(iter_queue(queue)) == ["a", "b", "c", "d"]
    assert queue.empty()


def test_an_empty_queue_gives_nothing_without_a_wait_and_after_one() -> None:
    queue = WorkQueue()
    with pytest.raises(Empty):
        queue.get(block=False)
    with pytest.raises(Empty):
        queue.get(timeout=0.001)


@pytest.mark.parametrize("put", [WorkQueue.put, lambda queue, item: queue.put_all([item])], ids=["one", "batch"])
def test_a_thread_that_waits_gets_an_item_at_once(put) -> None:
    queue, found = WorkQueue(), []
    thread = threading.Thread(target=lambda: found.append(queue.get()))
    thread.start()
    wait_until(lambda: bool(queue.not_empty._waiters))  # type: ignore[attr-defined]
    put(queue, "a")
    thread.join(10)
    assert found == ["a"]


def test_many_threads_get_each_item_of_many_batches_once() -> None:
    queue, found = WorkQueue(), []

    def take() -> None:
        while (item := queue.get(timeout=10)) is not None:
            found.append(item)
            queue.task_done()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for start in range(0, 20_000, 100):
        queue.put_all(range(start, start + 100))
    join_queue(queue, timeout=10)
    queue.put_all([None] * len(threads))
    for thread in threads:
        thread.join(10)
    assert sorted(found) == list(range(20_000))


class Emptied(deque[str]):
    """A queue whose last item another thread takes between a look and the next step."""

    def __len__(self) -> int:
        return 1

    def popleft(self) -> str:
        raise IndexError


def test_an_item_that_another_thread_takes_first_is_waited_for_again() -> None:
    queue = WorkQueue()
    queue.queue = Emptied()
    with pytest.raises(Empty):
        queue.get(timeout=0.001)


def test_a_join_waits_for_all_that_was_put_in() -> None:
    queue = WorkQueue()
    queue.put_all(["a", "b"])
    queue.get()
    queue.task_done()
    with pytest.raises(QueueJoinTimeout):
        join_queue(queue, timeout=0.001)
    queue.get()
    queue.task_done()
    join_queue(queue, timeout=0.001)
