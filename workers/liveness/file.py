"""A file that is touched while the worker processes work, and absent while they do not."""

import errno
import os
from contextlib import suppress
from pathlib import Path

from workers.liveness.probe import Verdict


class ProbeFile:
    """The file of one supervisor.

    Raises:
      OSError: It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.touch()

    def show(self, verdict: Verdict) -> None:
        """Touch the file, or delete it."""
        with suppress(OSError):
            if verdict.is_alive:
                self.path.touch()
            else:
                self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Delete the file."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
