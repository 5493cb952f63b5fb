"""Landlock: what the process may open. Linux has it from 5.13 on, and each version holds more."""

import ctypes
import os
from collections.abc import Iterable

from apps.documents.readers.cage import kernel

READ_FILE, READ_DIR = 1 << 2, 1 << 3
#: Accesses to files that a version knows, as a number of bits: all are taken away.
_FILE_ACCESSES = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
#: Binding to and connecting with TCP ports, from version 4 on.
_NETWORK_ACCESSES = 0b11
#: Abstract sockets of, and signals to, processes outside, from version 6 on.
_SCOPES = 0b11

_VERSION_FLAG = 1
_RULE_PATH_BENEATH = 1


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def version() -> int:
    """Return the version of the kernel's Landlock. 0: it has none, or it is switched off."""
    if kernel.architecture() is None:
        return 0
    try:
        return kernel.call(kernel.LANDLOCK_CREATE_RULESET, None, 0, _VERSION_FLAG)
    except OSError:
        return 0


def restrict(readable: Iterable[str]) -> None:
    """Let this thread read what lies in these folders, and open nothing else.

    Raises:
      OSError: The kernel cannot.
    """
    known = version()
    rules = _Ruleset(
        files=(1 << _FILE_ACCESSES[min(known, max(_FILE_ACCESSES))]) - 1 if known else 0,
        network=_NETWORK_ACCESSES if known >= 4 else 0,
        scopes=_SCOPES if known >= 6 else 0,
    )
    # An older kernel does not know the later fields.
    size_bytes = 8 if known < 4 else 16 if known < 6 else 24
    ruleset = kernel.call(kernel.LANDLOCK_CREATE_RULESET, rules, size_bytes, 0)
    try:
        for path in readable:
            folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                rule = _PathBeneath(allowed=READ_FILE | READ_DIR, folder=folder)
                kernel.call(kernel.LANDLOCK_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0)
            finally:
                os.close(folder)
        kernel.call(kernel.LANDLOCK_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
