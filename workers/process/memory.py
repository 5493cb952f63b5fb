"""Memory of this process."""

import psutil

MB = 1_000_000


def resident_mb() -> int:
    """Return the resident memory of this process in MB, rounded up."""
    return -(-psutil.Process().memory_info().rss // MB)
