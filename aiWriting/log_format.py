"""Form of a log line."""

import logging
import re
from datetime import UTC, datetime

#: Characters that begin a new line or steer a terminal.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class LineFormatter(logging.Formatter):
    """Has timestamps in UTC. It escapes control characters, so that no value in a message forges a line."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 (Its name in logging.)
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (Its name in logging.)
        record.message = CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode(), record.message)
        return super().formatMessage(record)
