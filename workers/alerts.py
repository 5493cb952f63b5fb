"""A relay's look at the rules of alerts. It tells alerts itself while no worker can."""

import threading

import dramatiq

from apps.core.connections import close_broken, own
from apps.tasks.alerts import checking, delivery, facts, rules

#: Name of a server whose memory is looked at.
REDIS = "Redis"


class AlertWatch:
    """The looks of one relay."""

    def __init__(self) -> None:
        self._has_rules = False

    def look(self) -> checking.News:
        """Look at all rules once."""
        if not self._has_rules:
            rules.update()
            self._has_rules = True
        news = checking.check()
        if news.started and not news.can_be_told:
            # A mail server may take its time, and the relay has other work.
            threading.Thread(target=_tell, args=(news.started,), name="alerts", daemon=True).start()
        return news


def _tell(alert_ids: list[int]) -> None:
    own(repeats=True)
    try:
        delivery.deliver_at_once(alert_ids)
    finally:
        close_broken()


def redis_memory() -> float | None:
    """Return the percent of `maxmemory` that Redis uses. None: it has no limit, or does not answer."""
    broker = dramatiq.get_broker()
    try:
        found = broker.wire.senders.info("memory")  # type: ignore[attr-defined]
        used, most = int(found["used_memory"]), int(found["maxmemory"])
    except Exception:  # Whatever it is, another condition is about a server that is away.
        return None
    return 100.0 * used / most if most else None


def register() -> None:
    """Let the facts of alerts have the memory of Redis."""
    facts.memory[REDIS] = redis_memory
