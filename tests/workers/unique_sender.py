"""A process that sends a unique task again and again.

    python -m tests.workers.unique_sender GATE SEED

It begins when the file GATE is there, and prints `answer TASK_ID WAS_NEW` after each commit.
"""

import random
import sys
from pathlib import Path
from typing import Any

import django


def run(gate: Path, seed: str) -> None:
    from django.db import transaction

    from tests.acting import tasks
    from tests.waiting import wait_until

    chance = random.Random(seed)
    print("ready", flush=True)
    wait_until(gate.exists, every=0.001)
    while True:
        with transaction.atomic():
            message: Any = tasks.unique_effect.send("race")
            is_rolled_back = chance.random() < 0.2
            transaction.set_rollback(is_rolled_back)
        if not is_rolled_back:
            print("answer", message.message_id, message.was_new, flush=True)


if __name__ == "__main__":
    django.setup()
    run(Path(sys.argv[1]), sys.argv[2])
