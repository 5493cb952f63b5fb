"""A password that was given lately, which sensitive changes ask for."""

import time
from typing import Any

#: Seconds for which a given password counts, and the session's key with its time.
RECENT_SECONDS, KEY = 15 * 60, "password_given_at"


def note(request: Any) -> None:
    """Write into the session that its user gave the password now."""
    request.session[KEY] = int(time.time())


def is_recent(request: Any) -> bool:
    """Return whether the user gave the password within `RECENT_SECONDS`."""
    given_at: int = request.session.get(KEY, 0)
    return 0 <= time.time() - given_at < RECENT_SECONDS
