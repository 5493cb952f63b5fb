"""The cage of a process that handles a stranger's file: it works on that file, and reaches nothing else.

Linux's Landlock limits what the process can open to the folders of libraries, and its seccomp filter lets through the
system calls that work on memory and on open files. The libraries are loaded before, the file is read after.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from apps.documents.readers.cage import landlock, process, seccomp
from apps.documents.readers.errors import CageError

#: Folder that holds `apps`.
ROOT = Path(__file__).resolve().parents[4]

NO_LANDLOCK = "Landlock (Linux 5.13 or newer, enabled), without which it can open every file that its user can read"
NO_SECCOMP = (
    "seccomp (Linux 3.17 or newer on x86_64 or aarch64), without which it can open connections and start programs"
)

MANY_THREADS = "a single thread (a library started more, which Landlock does not hold)"


def missing() -> list[str]:
    """Return a sentence for each part of the cage that this machine lacks. Empty: the cage closes."""
    return [
        sentence
        for sentence, is_there in ((NO_LANDLOCK, landlock.version() > 0), (NO_SECCOMP, seccomp.is_supported()))
        if not is_there
    ]


def close(*, memory_bytes: int, required: bool) -> list[str]:
    """Close the cage around this process. Its libraries are loaded, its file is not read yet.

    Parameters:
      memory_bytes: Memory that the process may take.
      required: Whether an incomplete cage is an error. If not, all that the machine has is closed.

    Returns:
      The missing parts, as `missing` names them.

    Raises:
      CageError: The cage is required, and not complete.
    """
    lacks = missing()
    process.seal(memory_bytes=memory_bytes)
    if NO_LANDLOCK not in lacks:
        if process.thread_count() > 1:
            lacks.append(MANY_THREADS)
        lacks += _refused(lambda: landlock.restrict(_readable()))
    if NO_SECCOMP not in lacks:
        lacks += _refused(seccomp.restrict)
    if required and lacks:
        raise CageError(lacks)
    return lacks


def _refused(close: Callable[[], None]) -> list[str]:
    try:
        close()
    except OSError as error:
        return [f"a kernel that takes its rules ({error})"]
    return []


def _readable() -> list[str]:
    """Return the folders of libraries and of our code, and no folder that holds data."""
    libraries = {Path(path).resolve() for path in sys.path} | _loaded_from()
    folders = {path for path in libraries if path.is_dir() and not ROOT.is_relative_to(path)}
    return sorted(str(path) for path in {*folders, ROOT / "apps"})


def _loaded_from() -> set[Path]:
    """Return the folders of the shared libraries that are loaded. A library that is loaded late needs others there."""
    with open("/proc/self/maps") as maps:
        paths = {line.split(maxsplit=5)[5].strip() for line in maps if ".so" in line}
    return {Path(path).resolve().parent for path in paths if path.startswith("/")}
