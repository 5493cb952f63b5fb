"""Keeps Dramatiq's log lines that show arguments out of the log."""

import logging

#: Lines of Dramatiq that the line about the end of an attempt stands for, or that show arguments.
WITHHELD = (
    "Failed to process message %s with unhandled exception.",
    "Failed to process message %s with expected exception %s.",
    "Received args=%r kwargs=%r.",
)


class Withheld(logging.Filter):
    """Drops those lines from a logger. Arguments may be large and secret, and an exception may not be printable."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.msg not in WITHHELD


#: The one filter: a logger takes it once.
withheld = Withheld()


def withhold_arguments() -> None:
    """Drop those lines of Dramatiq's worker threads."""
    logging.getLogger("dramatiq.worker.WorkerThread").addFilter(withheld)
