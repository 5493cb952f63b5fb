"""Limits above which a file is refused."""

from dataclasses import asdict, dataclass

MEGABYTE = 1024**2


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of reading one file.

    Parameters:
      unpacked_bytes: Size of all parts of a packed file (docx, odt, epub) together, unpacked.
      unpacked_ratio: That size divided by the size of the packed file. Checked from `RATIO_FROM_BYTES` on.
      parts: Number of parts of a packed file.
      pages: Number of pages of a PDF.
      seconds: Processor time of reading.
      text_bytes: Size of the text that is read, in UTF-8.
      memory_bytes: Memory of the process that reads, where the system can limit it.
      at_once: Number of files that this machine reads at once. 0: twice as many as it has processors, and half of its
        memory has room for.
      cage_required: Whether a file stays unread if the cage of that process is incomplete.
    """

    unpacked_bytes: int = 256 * MEGABYTE
    unpacked_ratio: int = 100
    parts: int = 10_000
    pages: int = 5_000
    seconds: int = 300
    text_bytes: int = 50 * MEGABYTE
    memory_bytes: int = 512 * MEGABYTE
    at_once: int = 0
    cage_required: bool = False

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


#: Unpacked size from which on the ratio is checked. Text compresses well, and a smaller file does no harm.
RATIO_FROM_BYTES = 10 * MEGABYTE
