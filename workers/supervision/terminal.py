"""Output of several processes on one terminal."""

import os
import threading
from typing import TextIO

NAME_WIDTH = 9
COLOURS = (36, 32, 35, 33, 34, 96, 92, 95)


class Terminal:
    """Writes whole lines, from any thread, each with a name in front.

    Parameters:
      stream: Coloured if it is a terminal and NO_COLOR is not set. Lines to a closed stream (`| head`) are dropped.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream
        self.coloured = stream.isatty() and not os.environ.get("NO_COLOR")
        self._lock = threading.Lock()

    def say(self, name: str, text: str, *, colour: int | None = None) -> None:
        """Write one line. Equal colour numbers look the same. None: no colour."""
        label = f"{name:<{NAME_WIDTH}} | "
        if self.coloured and colour is not None:
            label = f"\x1b[{COLOURS[colour % len(COLOURS)]}m{label}\x1b[0m"
        self.write(label + text)

    def write(self, text: str) -> None:
        """Write the text as it is, with a line end."""
        with self._lock:
            if self._stream is None:
                return
            try:
                self._stream.write(text + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                self._stream = None
