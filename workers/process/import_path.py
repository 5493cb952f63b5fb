"""The import path of this process, for a Python that it starts."""

import os
import sys
import sysconfig


def own_path() -> list[str]:
    """Return the entries of `sys.path` that Python does not add by itself, such as the folder of manage.py."""
    installed = tuple(set(sysconfig.get_paths().values()))
    entries = [os.path.abspath(entry) for entry in sys.path]
    return [entry for entry in entries if not entry.startswith(installed) and not entry.endswith(".zip")]
