"""Work that is refused for now, since too much is under way. Pages and the API answer 429."""


class BusyError(Exception):
    """Too much is under way at the moment. Try again in 10 seconds."""

    #: Seconds after which the caller may try again.
    wait = 10

    @property
    def sentence(self) -> str:
        """Sentence for users. It has no figures of the system."""
        return f"Too much is under way at the moment. Try again in {self.wait} seconds."
