"""Tells when an outage is news: at its beginning, when its reason changes, now and then, and at its end."""

import time

#: Seconds after which an outage that goes on is told again.
REMIND_SECONDS = 60.0


class Outage:
    """An outage of a server, or none. Processes log it once, not with each command that fails."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self._told = ""
        self._told_at = 0.0

    def begins(self, error: Exception) -> bool:
        """Note an error. Return whether it is to be logged."""
        text, now = f"{type(error).__name__} {error}", time.monotonic()
        is_news = self.error is None or text != self._told or now - self._told_at > REMIND_SECONDS
        self.error = error
        if is_news:
            self._told, self._told_at = text, now
        return is_news

    def ends(self) -> bool:
        """Note that the server answers. Return whether there was an outage."""
        was, self.error = self.error, None
        return was is not None
