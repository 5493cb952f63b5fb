"""From the bytes or the text that a writer sends in to the text that is stored and analysed.

A module reads a family of formats. To add one: write the module, and name it in `READERS`.
"""

from typing import Protocol

from apps.documents.readers import plain_text
from apps.documents.readers.content import checked
from apps.documents.readers.errors import UnreadableText

__all__ = ["READERS", "Reader", "UnreadableText", "checked", "read", "read_pasted"]


class Reader(Protocol):
    """What a module of this package offers."""

    def claims(self, data: bytes, filename: str) -> bool:
        """Whether this reader is for such a file, judged by its content first and its name second."""

    def read(self, data: bytes) -> str:
        """The file's text. Headings of chapters stand on lines of their own, such as `# Chapter 1`.

        Raises:
          UnreadableText: It cannot be read; the message is for the writer.
        """


#: The first that claims a file reads it. Plain text claims everything, so it is the last.
READERS: tuple[Reader, ...] = (plain_text,)


def read(data: bytes, *, filename: str = "") -> str:
    """The text of an uploaded file.

    Parameters:
      data: The whole file.
      filename: What the writer called it.
    Raises:
      UnreadableText: It cannot be read, or there is nothing to read in it; the message is for the writer.
    """
    reader = next(reader for reader in READERS if reader.claims(data, filename))
    return checked(reader.read(data))


def read_pasted(text: str) -> str:
    """The text that a writer pasted, without what no database takes.

    NUL characters come along invisibly from some programs; the writer could not find them, so they are
    dropped. Half surrogate pairs, which JSON can express and UTF-8 cannot, become U+FFFD.

    Raises:
      UnreadableText: There is nothing to read in it; the message is for the writer.
    """
    text = text.replace("\x00", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        # A pair that was escaped as two halves is one character.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return checked(text)
