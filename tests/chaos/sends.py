"""Kinds of sends: how each is sent, and how its tasks must end."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, cast

from django.utils import timezone

from workers.broker import LedgerBroker


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A task that is sent, and its end.

    Parameters:
      ends: States that its row may end in.
      reason: Text that the error message of a failed row must hold.
      delay_ms: Milliseconds after the send before which it must not start.
      follow_ups: Nonces of the tasks that its end must send, each once. They complete.
    """

    nonce: str
    ends: Sequence[str] = ("completed",)
    reason: str = ""
    delay_ms: int = 0
    follow_ups: Sequence[str] = ()


class Numbered(Protocol):
    """A sender, as the kinds see it."""

    random: random.Random

    def nonce(self) -> str: ...
    def owner(self) -> int | None: ...
    def cancel_later(self, task_id: str) -> None: ...
    def read_later(self, result: Any) -> None: ...


#: Keys of unique sends.
KEYS = 5

Send = Callable[[Numbered], list[Planned]]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of send.

    Parameters:
      fault: Switch that the kind belongs to. Empty: it is always sent.
    """

    weight: float
    send: Send
    fault: str = ""


def _tasks() -> Any:
    from tests.chaos import tasks

    return tasks


def _third_party() -> Any:
    from tests.chaos.third_party import tasks

    return tasks


def work(sender: Numbered) -> list[Planned]:
    nonce = sender.nonce()
    _tasks().work.send(nonce, sender.random.choice([0, 0, 0, 0.005, 0.05]))
    return [Planned(nonce=nonce)]


def long(sender: Numbered) -> list[Planned]:
    nonce = sender.nonce()
    _tasks().work.send(nonce, sender.random.uniform(0.5, 3))
    return [Planned(nonce=nonce)]


def commit(sender: Numbered) -> list[Planned]:
    nonce = sender.nonce()
    _tasks().commit.send(nonce, sender.random.choice([0, 0, 0.01]))
    return [Planned(nonce=nonce)]


def flaky(sender: Numbered) -> list[Planned]:
    nonce = sender.nonce()
    _tasks().flaky.send(nonce)
    return [Planned(nonce=nonce)]


def drowsy(sender: Numbered) -> list[Planned]:
    nonce = sender.nonce()
    _tasks().drowsy.send(nonce)
    return [Planned(nonce=nonce)]


def on_and_on(sender: Numbered) -> list[Planned]:
    """Send a task that the sender cancels soon, while it waits or runs."""
    nonce = sender.nonce()
    message = _tasks().on_and_on.send(nonce)
    sender.cancel_later(message.message_id)
    return [Planned(nonce=nonce, ends=("cancelled", "completed"))]


def delayed(sender: Numbered) -> list[Planned]:
    nonce, delay_ms = sender.nonce(), sender.random.randrange(1, 3_000)
    _tasks().work.send_with_options(args=(nonce,), delay=delay_ms)
    return [Planned(nonce=nonce, delay_ms=delay_ms)]


def prioritised(sender: Numbered) -> list[Planned]:
    nonce = sender.nonce()
    priority, delay_ms = sender.random.choice([-9, -1, 5, 5, 7]), sender.random.choice([0, 0, 500])
    _tasks().work.send_with_options(args=(nonce,), priority=priority, delay=delay_ms)
    return [Planned(nonce=nonce, delay_ms=delay_ms)]


def many(sender: Numbered) -> list[Planned]:
    work = _tasks().work
    nonces = [sender.nonce() for _ in range(20)]
    cast(LedgerBroker, work.broker).send_many([work.message(nonce) for nonce in nonces])
    return [Planned(nonce=nonce) for nonce in nonces]


def group(sender: Numbered) -> list[Planned]:
    import dramatiq

    tasks = _tasks()
    nonces, callback = [sender.nonce() for _ in range(3)], sender.nonce()
    group = dramatiq.group([tasks.work.message(nonce) for nonce in nonces])
    group.add_completion_callback(tasks.together.message(callback))
    group.run()
    return [Planned(nonce=nonce, follow_ups=(callback,)) for nonce in nonces]


def finished_group(sender: Numbered) -> list[Planned]:
    from apps.tasks.groups import group

    tasks = _tasks()
    good, bad, callback = (sender.nonce() for _ in range(3))
    ends = group([tasks.work.message(good), tasks.fail.message(bad)])
    ends.add_completion_callback(tasks.together.message(callback), on="finished")
    ends.run()
    follow_ups = (f"{bad}/failure", f"{bad}/exhausted", callback)
    return [
        Planned(nonce=good, follow_ups=(callback,)),
        Planned(nonce=bad, ends=("failed",), reason="on purpose", follow_ups=follow_ups),
    ]


def pipeline(sender: Numbered) -> list[Planned]:
    tasks = _tasks()
    first, second, third = (sender.nonce() for _ in range(3))
    (tasks.work.message(first) | tasks.stage.message(second) | tasks.stage.message(third)).run()
    return [Planned(nonce=first, follow_ups=(second, third))]


def callback(sender: Numbered) -> list[Planned]:
    nonce = sender.nonce()
    _tasks().succeed.send(nonce)
    return [Planned(nonce=nonce, follow_ups=(f"{nonce}/success",))]


def failure(sender: Numbered) -> list[Planned]:
    nonce = sender.nonce()
    _tasks().fail.send(nonce)
    follow_ups = (f"{nonce}/failure", f"{nonce}/exhausted")
    return [
        Planned(nonce=nonce, ends=("failed",), reason="on purpose", follow_ups=follow_ups),
    ]


def child(sender: Numbered) -> list[Planned]:
    nonce, tasks = sender.nonce(), _tasks()
    sender.random.choice([tasks.parent, tasks.commit_parent]).send(nonce)
    return [Planned(nonce=nonce, follow_ups=(f"{nonce}/child",))]


def big(sender: Numbered) -> list[Planned]:
    """Send up to the limit of arguments. The callback's copy of the message is larger than the limit."""
    nonce = sender.nonce()
    size = sender.random.choice([100_000, 400_000, 900_000, 999_900 - len(nonce)])
    _tasks().succeed.send(nonce, f"{sender.random.getrandbits(64):x}".ljust(size, "x")[:size])
    return [Planned(nonce=nonce, follow_ups=(f"{nonce}/success",))]


def odd(sender: Numbered) -> list[Planned]:
    nonce, tasks = sender.nonce(), _tasks()
    kind, (_, reason) = sender.random.choices(list(tasks.ODD_ERRORS.items()), [5, 5, 5, 1, 5])[0]
    tasks.odd.send(nonce, kind)
    return [Planned(nonce=nonce, ends=("failed",), reason=reason)]


def leave(sender: Numbered) -> list[Planned]:
    nonce = sender.nonce()
    _tasks().leave.send(nonce)
    return [Planned(nonce=nonce, ends=("failed",), reason="out of here")]


def async_exit(sender: Numbered) -> list[Planned]:
    nonce = sender.nonce()
    _tasks().async_exit.send(nonce)
    return [Planned(nonce=nonce, ends=("failed",), reason="out of the loop")]


def leave_atomic(sender: Numbered) -> list[Planned]:
    nonce = sender.nonce()
    _tasks().leave_atomic.send(nonce)
    return [Planned(nonce=nonce, ends=("completed", "failed"))]


def owned(sender: Numbered) -> list[Planned]:
    """Send follow-ups for an owner who may be deleted at any time."""
    nonce, tasks = sender.nonce(), _tasks()
    actor = sender.random.choice([tasks.succeed, tasks.parent, tasks.commit_parent])
    actor.send_with_options(args=(nonce,), owner_id=sender.owner(), delay=sender.random.choice([None, 1_000]))
    word = "success" if actor is tasks.succeed else "child"
    return [Planned(nonce=nonce, follow_ups=(f"{nonce}/{word}",))]


def versioned(sender: Numbered) -> list[Planned]:
    nonce, tasks = sender.nonce(), _tasks()
    names = ["changed", "moved", "fresh"] if tasks.VERSION == "B" else ["changed", "moved"]
    name = sender.random.choice(names)
    kwargs = {"reason": "new"} if name == "changed" and tasks.VERSION == "B" else {}
    getattr(tasks, name).send(nonce, **kwargs)
    return [Planned(nonce=nonce)]


def single(sender: Numbered) -> list[Planned]:
    """Send a task for one of few keys, unless another stands for it: that send becomes no task."""
    nonce, actor = sender.nonce(), _tasks().single
    delay_ms, key = sender.random.choice([0, 0, 300]), sender.random.randrange(KEYS)
    message = actor.send_with_options(args=(nonce,), unique=f"key {key}", delay=delay_ms)
    return [Planned(nonce=nonce, delay_ms=delay_ms)] if message.was_new else []


def burst(name: str) -> Send:
    """Return a send of a few tasks of an actor at once, some of them later."""

    def send(sender: Numbered) -> list[Planned]:
        actor, planned = getattr(_tasks(), name), []
        for _ in range(sender.random.randrange(1, 6)):
            nonce, delay_ms = sender.nonce(), sender.random.choice([0, 0, 0, 300])
            actor.send_with_options(args=(nonce,), delay=delay_ms)
            planned.append(Planned(nonce=nonce, delay_ms=delay_ms))
        return planned

    return send


def plain(name: str) -> Send:
    """Return a send of an actor that takes a nonce and completes."""

    def send(sender: Numbered) -> list[Planned]:
        nonce = sender.nonce()
        getattr(_tasks(), name).send(nonce)
        return [Planned(nonce=nonce)]

    return send


def boxed(sender: Numbered) -> list[Planned]:
    """Send a task that holds Python's lock until it is killed alone."""
    nonce = sender.nonce()
    _tasks().boxed.send(nonce)
    return [Planned(nonce=nonce, ends=("failed",), reason="over its hard time limit of 0.3 s")]


def enqueue(name: str) -> Send:
    """Return a send of a task of Django's Tasks API, whose result the sender reads soon."""

    def send(sender: Numbered) -> list[Planned]:
        nonce = sender.nonce()
        sender.read_later(getattr(_third_party(), name).enqueue(nonce))
        return [Planned(nonce=nonce)]

    return send


def enqueue_later(sender: Numbered) -> list[Planned]:
    nonce, delay_ms = sender.nonce(), sender.random.choice([0, 0, 300, 2_000])
    run_after = timezone.now() + timedelta(milliseconds=delay_ms)
    task = _third_party().work.using(run_after=run_after, priority=sender.random.choice([-100, -3, 0, 20, 100]))
    sender.read_later(task.enqueue(nonce, seconds=sender.random.choice([0, 0.05, 0.5])))
    return [Planned(nonce=nonce, delay_ms=delay_ms)]


def enqueue_failure(sender: Numbered) -> list[Planned]:
    nonce = sender.nonce()
    sender.read_later(_third_party().fail.enqueue(nonce))
    return [Planned(nonce=nonce, ends=("failed",), reason="on purpose")]


KINDS = (
    Kind(weight=50, send=work),
    Kind(weight=1, send=long),
    Kind(weight=12, send=commit),
    Kind(weight=10, send=flaky),
    Kind(weight=4, send=drowsy),
    Kind(weight=8, send=delayed),
    Kind(weight=2, send=on_and_on),
    Kind(weight=3, send=many),
    Kind(weight=10, send=prioritised),
    Kind(weight=4, send=single),
    Kind(weight=6, send=burst("limited")),
    Kind(weight=3, send=burst("paced")),
    Kind(weight=4, send=burst("fair")),
    Kind(weight=2, send=group, fault="follow-ups"),
    Kind(weight=2, send=finished_group, fault="follow-ups"),
    Kind(weight=3, send=pipeline, fault="follow-ups"),
    Kind(weight=3, send=callback, fault="follow-ups"),
    Kind(weight=2, send=failure, fault="follow-ups"),
    Kind(weight=3, send=child, fault="follow-ups"),
    Kind(weight=0.3, send=big, fault="big-arguments"),
    Kind(weight=1, send=odd, fault="odd-errors"),
    Kind(weight=1, send=leave, fault="exits"),
    Kind(weight=0.1, send=plain("crash"), fault="exits"),
    Kind(weight=0.3, send=async_exit, fault="async-exits"),
    Kind(weight=4, send=plain("async_work"), fault="async"),
    Kind(weight=0.7, send=plain("fork"), fault="forks"),
    Kind(weight=0.1, send=plain("hold_gil"), fault="gil"),
    Kind(weight=0.3, send=leave_atomic, fault="left-atomic"),
    Kind(weight=1, send=plain("isolated"), fault="isolation"),
    Kind(weight=1, send=plain("isolated_commit"), fault="isolation"),
    Kind(weight=0.3, send=plain("isolated_crash"), fault="isolation"),
    Kind(weight=0.3, send=boxed, fault="isolation"),
    Kind(weight=3, send=owned, fault="owners"),
    Kind(weight=3, send=versioned, fault="versions"),
    Kind(weight=6, send=enqueue("work"), fault="django-tasks"),
    Kind(weight=3, send=enqueue("flaky"), fault="django-tasks"),
    Kind(weight=3, send=enqueue("look"), fault="django-tasks"),
    Kind(weight=2, send=enqueue("work_later"), fault="django-tasks"),
    Kind(weight=5, send=enqueue_later, fault="django-tasks"),
    Kind(weight=2, send=enqueue_failure, fault="django-tasks"),
)
