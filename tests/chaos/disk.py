"""A small file system of its own, which can be full. Root mounts it where that is allowed."""

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path

#: Size while the disk is not full. Memory is used as files are written.
SIZE = "3g"
#: Attempts to fill a disk. Files that grow meanwhile no longer fit.
ATTEMPTS = 10


class Disk:
    """A file system in memory, mounted at a directory."""

    def __init__(self, directory: Path, *, user: int | None = None) -> None:
        self.directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = f",uid={user},gid={user}" if user is not None else ""
        _run("mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700{owner}", "tmpfs", str(directory))

    def fill(self) -> None:
        """Let writes fail with ENOSPC from now on."""
        for _ in range(ATTEMPTS):
            found = os.statvfs(self.directory)
            with contextlib.suppress(subprocess.CalledProcessError):
                self._resize(str((found.f_blocks - found.f_bfree) * found.f_frsize))
                return

    def free(self) -> None:
        """Let writes succeed again, unless its server was given up meanwhile."""
        if self.directory.is_mount():
            self._resize(SIZE)

    def unmount(self) -> None:
        unmount(self.directory)

    def _resize(self, size: str) -> None:
        _run("mount", "-o", f"remount,size={size}", str(self.directory))


def can_mount() -> bool:
    """Return whether this process may mount a file system. Unmount those that killed storms left."""
    mounts = Path("/proc/mounts")
    if os.geteuid() != 0 or not mounts.exists():
        return False
    for line in mounts.read_text().splitlines():
        path = Path(line.split()[1])
        names = [part for part in path.parts if part.startswith("aiwriting-tests-")]
        if names and not Path(f"/proc/{names[0].split('-')[2]}").exists():
            unmount(path)
    with tempfile.TemporaryDirectory() as directory:
        try:
            Disk(Path(directory) / "disk").unmount()
        except (OSError, subprocess.CalledProcessError):
            return False
    return True


def unmount(directory: Path) -> None:
    with contextlib.suppress(subprocess.CalledProcessError):
        _run("umount", "-l", str(directory))


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)
