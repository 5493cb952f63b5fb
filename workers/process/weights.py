"""Weights of queues, from the command line and from `TASK_QUEUES`."""

from collections.abc import Iterable

import dramatiq

from apps.tasks.conf import conf
from apps.tasks.errors import TaskError, UnknownQueueError
from apps.tasks.queues import A_WEIGHT, LARGEST_WEIGHT, check_known


class BadWeightError(TaskError, ValueError):
    """--queues has 'documents:0', the weight must be a whole number from 1 to 1,000"""


def weight_of(queue_name: str) -> int:
    """Return the weight that the settings give to a queue."""
    queue = conf.TASK_QUEUES.get(queue_name)
    return 1 if queue is None else queue.weight


def parse(words: Iterable[str]) -> dict[str, int]:
    """Return the queues of `--queues` with their weights. None of them: all queues.

    Parameters:
      words: Queues, each with a colon and its weight, or with the weight that the settings give it. A word may have
        several, with commas: `documents:3,default:1`.

    Raises:
      UnknownQueueError: No actor is declared on a queue.
      BadWeightError: A weight is no whole number in its range, or a queue is there twice.
    """
    declared = dramatiq.get_broker().get_declared_queues()
    weights: dict[str, int] = {}
    for part in (part.strip() for word in words for part in word.split(",")):
        name, colon, weight = part.partition(":")
        if name in conf.TASK_QUEUES and name not in declared:
            raise UnknownQueueError(
                f"--queues has {name!r}, which TASK_QUEUES declares and no actor is on, must be one of: "
                f"{', '.join(sorted(declared))}"
            )
        check_known(name, declared)
        if name in weights:
            raise BadWeightError(f"--queues has {name!r} twice")
        if colon and not is_weight(weight):
            raise BadWeightError(f"--queues has {part[:80]!r}, the weight {A_WEIGHT}")
        weights[name] = int(weight) if colon else weight_of(name)
    return weights


def is_weight(text: str) -> bool:
    """Return whether a text is a weight."""
    return text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= LARGEST_WEIGHT
