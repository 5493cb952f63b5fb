"""Memory of this process."""

import math

import psutil

MB = 1_000_000


def resident_mb() -> int:
    """Return the resident memory of this process in MB, rounded up."""
    return math.ceil(int(psutil.Process().memory_info().rss) / MB)
