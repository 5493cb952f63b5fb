"""Health checks for load balancers and people: does this process live, and will tasks run?

Add both views to the project's URLs. Neither asks for a user. Strangers get the status alone. A request with
`HEALTH_TOKEN` gets words, classes of errors and seconds, and no texts of errors, no hosts and no numbers of tasks.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Generic, TypeVar

import dramatiq
from django.http import HttpRequest, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache

from apps.tasks import health
from apps.tasks.conf import conf
from apps.tasks.models import WorkerProcess
from apps.tasks.presence import taken_by
from apps.tasks.stalls import stalled

logger = logging.getLogger(__name__)

#: Seconds for all probes together. A load balancer does not wait longer for its answer.
DEADLINE_SECONDS = 2.0
#: Seconds for which an answer is given again, so that requests cannot burden the servers. After half of them the next
#: one is looked for, so that no request waits for it.
KEPT_SECONDS = 1.0
#: As a multiple of them, the age to which it is given while the next look, which began in time, takes longer.
RENEWING_FACTOR = 2

#: KEYS: a list and a hash under the namespace. Writes and deletes as the scripts of a queue do.
WRITE = """
redis.call("hsetnx", KEYS[2], "probe", "1")
redis.call("rpush", KEYS[1], "probe")
return redis.call("del", KEYS[1], KEYS[2])
"""

T = TypeVar("T")


class Probe(Generic[T]):
    """Asks in a thread of its own. One that hangs holds up no caller, and is not asked a second time meanwhile.

    Parameters:
      ask: Returns the answer or raises.
    """

    def __init__(self, ask: Callable[[], T]) -> None:
        self.ask = ask
        self._lock = threading.Lock()
        self._last: Future[T] | None = None
        self._next: Future[T] | None = None
        self._asked_at = 0.0
        self._is_renewed_in_time = False

    def begin(self) -> "Future[T]":
        """Return an answer to come, or the last one while it is fresh."""
        with self._lock:
            age = time.monotonic() - self._asked_at
            if self._next is None and age >= KEPT_SECONDS / 2:
                self._next = Future()
                self._is_renewed_in_time = age < KEPT_SECONDS
                threading.Thread(target=self._run, args=(self._next,), name="health", daemon=True).start()
            is_renewed = self._next is not None and self._is_renewed_in_time
            last = self._last if age < KEPT_SECONDS * (RENEWING_FACTOR if is_renewed else 1) else None
            future = last or self._next
            assert future is not None, "an answer that is not fresh is being replaced"
            return future

    def _run(self, future: "Future[T]") -> None:
        asked_at = time.monotonic()
        try:
            answer = self.ask()
        except Exception as error:
            self._keep(future, asked_at)
            future.set_exception(error)
        else:
            self._keep(future, asked_at)
            future.set_result(answer)

    def _keep(self, future: "Future[T]", asked_at: float) -> None:
        with self._lock:
            self._last, self._next, self._asked_at = future, None, asked_at


def write_to_redis() -> None:
    broker: Any = dramatiq.get_broker()
    key = f"{broker.namespace}:__probe__"
    broker.wire.senders.eval(WRITE, 2, key, f"{key}.msgs")


LEDGER = Probe(health.look)
REDIS = Probe(write_to_redis)


def redis_error(seconds: float = 0.5) -> BaseException | None:
    """Return the error of a Redis that takes no write, or does not answer in time."""
    try:
        REDIS.begin().result(seconds)
    except Exception as error:
        return error
    return None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Answer to whether requests can be taken, and whether tasks will run.

    Parameters:
      missing: Without these no request can be taken.
      degraded: These are not well, in words that docs/operations.md explains.
      errors: Why, for those words that have an error.
      queues: Whole seconds for which the oldest due task of each queue has waited.
      paused: Queues and actors whose tasks wait until staff resume them, as `queue:` and `actor:` with the name.
    """

    missing: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    errors: dict[str, BaseException] = field(default_factory=dict)
    queues: dict[str, int] = field(default_factory=dict)
    paused: tuple[str, ...] = ()


def judge() -> Verdict:
    """Return the verdict within `DEADLINE_SECONDS`."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    redis, ledger = REDIS.begin(), LEDGER.begin()
    try:
        found = ledger.result(deadline - time.monotonic())
    except Exception as error:
        return Verdict(missing=("database",), errors={"database": error})
    errors = {"database": found.wait} if found.wait else {}
    try:
        redis.result(max(0.0, deadline - time.monotonic()))
    except Exception as error:
        errors["redis"] = error
    queues = {name: int(seconds) for name, seconds in sorted(found.oldest.items())}
    absent = () if found.processes is None else _absent(found)
    paused = tuple(f"queue:{name}" for name in found.paused.queues)
    paused += tuple(f"actor:{name}" for name in found.paused.actors)
    return Verdict(degraded=(*errors, *absent), errors=errors, queues=queues, paused=paused)


def _absent(found: health.LedgerHealth) -> Iterator[str]:
    """Yield the kinds of processes that are needed and do not beat, queues without a worker, and whether one stalls."""
    processes = found.processes or ()
    kinds = {process.kind for process in processes}
    if WorkerProcess.KIND_WORKER not in kinds:
        yield "workers"
    if WorkerProcess.KIND_RELAY not in kinds:
        yield "relay"
    if found.needs_scheduler and WorkerProcess.KIND_SCHEDULER not in kinds:
        yield "scheduler"
    workers = [process for process in processes if process.kind == WorkerProcess.KIND_WORKER]
    if workers:
        declared = dramatiq.get_broker().get_declared_queues()
        paused = found.paused.queues.keys()
        taken = taken_by((worker for worker in workers if not worker.wanted), declared)
        untaken = {*declared, *found.oldest} - taken - paused
        yield from (f"queue:{name}" for name in sorted(untaken))
        if stalled(workers, found.untaken, known=declared, paused=paused):
            yield "stalled"


@never_cache
def alive(request: HttpRequest) -> JsonResponse:
    """Answer, and check nothing: an absent database is no reason to kill the process."""
    return JsonResponse({"status": "alive"})


@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """Answer 503 if the database is away or read-only. All else delays tasks and fails no send."""
    verdict = judge()
    _log_change(verdict)
    answer: dict[str, Any] = {"status": "unavailable" if verdict.missing else "ready"}
    if _may_see_details(request):
        answer |= _details(verdict)
    return JsonResponse(answer, status=503 if verdict.missing else 200)


def _may_see_details(request: HttpRequest) -> bool:
    """Return whether the request has the token. Without a token in the settings, those of this machine may see them."""
    if conf.HEALTH_TOKEN:
        return constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {conf.HEALTH_TOKEN}")
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _details(verdict: Verdict) -> dict[str, Any]:
    if verdict.missing:
        return {"missing": verdict.missing}
    return {
        "degraded": verdict.degraded,
        "reasons": {word: type(error).__name__ for word, error in verdict.errors.items()},
        "queues": verdict.queues,
        "paused": verdict.paused,
    }


#: Words and errors' names of the last line in the log.
logged: tuple[str, ...] = ()


def _log_change(verdict: Verdict) -> None:
    """Log what is not well when that changes, with the errors' texts, which the answer does not show."""
    global logged
    words = verdict.missing + verdict.degraded
    state = (*words, *(type(error).__name__ for error in verdict.errors.values()))
    if state == logged:
        return
    logged = state
    if not words:
        logger.info("health is well again")
        return
    reasons = "".join(f" {word}={_one_line(error)!r}" for word, error in verdict.errors.items())
    logger.log(
        logging.ERROR if verdict.missing else logging.WARNING,
        "health missing=%s degraded=%s%s", ",".join(verdict.missing), ",".join(verdict.degraded), reasons,
    )  # fmt: skip


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
