"""Work for a process of `isolated` that never ends. It reports its pid."""

import os
import time
from typing import Any, BinaryIO


class Endless:
    def __call__(self, file: BinaryIO, limits: Any, on_progress: Any) -> bytes:
        on_progress(0.5, str(os.getpid()))
        while True:
            time.sleep(0.1)


WORK = Endless
