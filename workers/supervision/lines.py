"""Lines that a child writes, read from its pipe and shown with its name in front."""

import threading
from collections import deque
from typing import IO

from workers.supervision.terminal import Terminal

#: Last lines that are kept of a child.
TAIL_LINES = 20
#: Bytes at which a line without an end is cut.
LINE_BYTES = 64 * 1024
#: Seconds to wait for the last lines of a process that is gone. A grandchild may hold the pipe open.
LAST_LINES_SECONDS = 0.5


class Lines:
    """The lines of one child, of its current process and those before.

    Parameters:
      shown: Whether lines are shown as they come.
      colour: Number of the colour of the name.
    """

    def __init__(self, name: str, *, terminal: Terminal, shown: bool, colour: int) -> None:
        self.name = name
        self.terminal = terminal
        self.shown = shown
        self.colour = colour
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._reader: threading.Thread | None = None

    def read(self, pipe: IO[bytes]) -> None:
        """Read the lines of a new process, in a thread, to the end of its pipe."""
        self._reader = threading.Thread(target=self._read, args=(pipe,), name=f"{self.name} lines", daemon=True)
        self._reader.start()

    def wait(self) -> None:
        """Wait a moment for the last lines of a process that is gone."""
        if self._reader is not None:
            self._reader.join(LAST_LINES_SECONDS)

    def show_tail(self) -> None:
        """Show the last lines."""
        for line in list(self.tail):
            self.say(line)

    def say(self, text: str) -> None:
        """Show a line under the child's name."""
        self.terminal.say(self.name, text, colour=self.colour)

    def _read(self, pipe: IO[bytes]) -> None:
        with pipe:
            while raw := pipe.readline(LINE_BYTES):
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                self.tail.append(line)
                if self.shown:
                    self.say(line)
