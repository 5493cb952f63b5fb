"""`python -m apps.documents.readers.probe`: try to leave the cage in every way, and print what is held.

Exits with 1 if something is not held.
"""

import io
import json
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from apps.documents.readers import cage, isolated
from apps.documents.readers.cage import kernel, landlock
from apps.documents.readers.cage.attempts import DEADLY
from apps.documents.readers.errors import UnreadableTextError
from apps.documents.readers.limits import Limits
from apps.documents.readers.progress import ignore

ATTEMPTS = "apps.documents.readers.cage.attempts"


@contextmanager
def targets() -> Iterator[dict[str, Any]]:
    """Yield the arguments of the attempts: files to take, and sockets to reach."""
    with (
        tempfile.TemporaryDirectory() as name,
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as in_folder,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        folder = Path(name)
        for file in ("secret", "program", "deleted", "renamed"):
            (folder / file).write_text("secret" if file == "secret" else "")
        (folder / "program").chmod(0o700)
        in_folder.bind(str(folder / "socket"))
        in_folder.listen()
        abstract_name = f"aiwriting-probe-{os.getpid()}"
        if sys.platform == "linux":
            abstract.bind(f"\0{abstract_name}")
            abstract.listen()
        yield {
            "folder": name,
            "port": server.getsockname()[1],
            "abstract": abstract_name,
            "parent": os.getpid(),
        }


def held() -> dict[str, bool]:
    """Return for each attempt whether the cage of a reader held it, by name."""
    with targets() as arguments:
        found = _made(arguments)
        for name in DEADLY if kernel.architecture() is kernel.X86_64 else ():
            try:
                found |= _made({**arguments, "deadly": name})
            except UnreadableTextError:
                found[name] = True
    return found


def _made(arguments: dict[str, Any]) -> dict[str, bool]:
    answer = isolated.run(ATTEMPTS, io.BytesIO(b"a file"), arguments, limits=Limits(), on_progress=ignore)
    return dict(json.loads(answer))


def main() -> int:
    results = held()
    width = max(map(len, results))
    lines = [f"{name:{width}}  {'held' if is_held else 'NOT HELD'}" for name, is_held in results.items()]
    lines.append(f"{sum(results.values())} of {len(results)} are held. Landlock's version is {landlock.version()}.")
    lines += [f"The cage needs {sentence}." for sentence in cage.missing()]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
