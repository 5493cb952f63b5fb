"""How much a file may ask for before it is refused."""

from dataclasses import asdict, dataclass

MEGABYTE = 1024**2


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What reading a file may cost.

    Parameters:
      unpacked_bytes: What the parts of a packed file (docx, odt, epub) may have together when they are unpacked.
      unpacked_ratio: How many times a packed file's size that may be; asked from `RATIO_FROM_BYTES` on.
      parts: How many files a packed file may hold.
      pages: How many pages a PDF may have.
      seconds: How long reading may take.
      text_bytes: How much text may come out of it, as UTF-8.
      memory_bytes: How much memory the process that reads may take, where the system can say so.
    """

    unpacked_bytes: int = 256 * MEGABYTE
    unpacked_ratio: int = 100
    parts: int = 10_000
    pages: int = 5_000
    seconds: int = 300
    text_bytes: int = 50 * MEGABYTE
    memory_bytes: int = 512 * MEGABYTE

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


#: Text compresses well: below this nobody is hurt, however well it does.
RATIO_FROM_BYTES = 10 * MEGABYTE
