"""Log lines about failures as a test prints them: without the calls that lead from the worker to the actor."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dramatiq

import workers

#: Folders of Dramatiq and of this package.
OURS = "|".join(re.escape(str(Path(module.__file__ or "").parent)) for module in (dramatiq, workers))
#: Calls at the start of a traceback. One stays if there is no other.
LEADING = re.compile(rf'(?<=recent call last\):\n)(?:  File "(?:{OURS})/[^\n]*\n(?:    [^\n]*\n)*)+(?=  File)')


class Folded(logging.Filter):
    """Drops these calls. The row keeps the whole traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(LEADING.sub("", one) if isinstance(one, str) else one for one in record.args)
        return True


@contextmanager
def folded() -> Iterator[None]:
    """Fold the lines about the ends of attempts."""
    logger, folds = logging.getLogger("workers.middleware.progress"), Folded()
    logger.addFilter(folds)
    try:
        yield
    finally:
        logger.removeFilter(folds)
