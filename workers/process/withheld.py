"""Keeps log lines of Dramatiq that show arguments, or that are wrong here, out of the log."""

import logging

#: Lines of Dramatiq that the line about the end of an attempt stands for, or that show arguments.
WITHHELD = (
    "Failed to process message %s with unhandled exception.",
    "Failed to process message %s with expected exception %s.",
    "Received args=%r kwargs=%r.",
)
#: Part of the lines which say that a result was discarded. The row has it.
DISCARDED = " returned a value that is not None, "
#: Loggers of these lines.
NAMES = ("dramatiq.worker.WorkerThread", "dramatiq.results.middleware.Results")


class Withheld(logging.Filter):
    """Drops those lines from a logger. Arguments may be large and secret, and an exception may not be printable."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.msg not in WITHHELD and DISCARDED not in str(record.msg)


#: The one filter: a logger takes it once.
withheld = Withheld()


def withhold() -> None:
    """Drop those lines of Dramatiq's worker threads and of its middleware of results."""
    for name in NAMES:
        logging.getLogger(name).addFilter(withheld)
