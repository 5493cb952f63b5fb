"""The model of py3langid. It is unpacked once, and mapped by the process that unpacked it and by its readers.

The package unpacks it in each process: half a second of processor time, most of the time that a short text takes.
"""

import importlib.util
import lzma
import math
import mmap
import os
import shutil
import struct
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

PIECE_BYTES = 1024 * 1024
#: Place of the lengths of name and extra field in the header of a file of a ZIP archive, and the header's length.
LENGTHS_AT, HEADER_BYTES = 26, 30

_UNPACKING = Lock()


def unpacked() -> int:
    """Return the descriptor of the unpacked model: a file without a name that can only be read."""
    with _UNPACKING:
        return _unpacked()


def identifier(descriptor: int) -> Any:
    """Return the `LanguageIdentifier` of an unpacked model, whose memory is that of the file."""
    from py3langid.langid import LanguageIdentifier

    arrays = _arrays(descriptor)
    return LanguageIdentifier(
        arrays["ptc"],
        arrays["pc"],
        arrays["classes"].tolist(),
        memoryview(arrays["nextmove"]),
        arrays["out_feat"].tolist(),
        norm_probs=True,
        tk_row=arrays["nextmove_row"].tolist(),
    )


@cache
def _unpacked() -> int:
    # Without an import of the package, which loads numpy.
    spec = importlib.util.find_spec("py3langid")
    assert spec is not None
    assert spec.origin is not None
    with tempfile.TemporaryFile() as file:
        with lzma.open(Path(spec.origin).parent / "data" / "model.npz.xz") as packed:
            shutil.copyfileobj(packed, file, PIECE_BYTES)
        file.flush()
        return os.open(f"/dev/fd/{file.fileno()}", os.O_RDONLY)


def _arrays(descriptor: int) -> dict[str, Any]:
    """Return the arrays of an NPZ file that is not compressed, without a copy."""
    import numpy
    from numpy.lib import format as npy

    memory = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    found = {}
    with open(descriptor, "rb", closefd=False) as file, zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            with archive.open(entry) as array:
                npy.read_magic(array)
                shape, _, dtype = npy.read_array_header_1_0(array)
                start = entry.header_offset + HEADER_BYTES + array.tell()
            start += sum(struct.unpack_from("<HH", memory, entry.header_offset + LENGTHS_AT))
            values = numpy.frombuffer(memory, dtype, count=math.prod(shape), offset=start)
            found[entry.filename.removesuffix(".npy")] = values.reshape(shape)
    return found
