"""The import path of this process, for a Python that it starts."""

import os
import sys
import sysconfig


def own_path() -> list[str]:
    """Return the entries of `sys.path` that Python does not add by itself, such as the folder of manage.py."""
    installed = tuple(set(sysconfig.get_paths().values()))
    entries = [os.path.abspath(entry) for entry in sys.path]
    return [entry for entry in entries if not entry.startswith(installed) and not entry.endswith(".zip")]


def instrumenting_path() -> list[str]:
    """Return the folder by which `opentelemetry-instrument` gets into a Python, if it got into this one.

    It takes the folder out of the environment, so that a Python that this one starts would be without.
    """
    package = sys.modules.get("opentelemetry.instrumentation.auto_instrumentation")
    return [] if package is None or package.__file__ is None else [os.path.dirname(package.__file__)]
