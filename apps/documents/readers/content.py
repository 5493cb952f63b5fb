"""Checks that every text must pass, pasted or read from a file."""

import re
from itertools import islice

from apps.documents.analysis import words
from apps.documents.readers.errors import UnreadableTextError

#: Control characters that no writer types. Tab, line ends, form feed and escape are allowed.
CONTROL = re.compile(r"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]")
#: Largest share of control characters in a text.
CONTROL_SHARE = 0.01

NOT_TEXT = (
    "This does not look like text: it holds characters that only programs use. "
    "Save your manuscript as plain text (.txt, UTF-8) and send that."
)


def checked(text: str) -> str:
    """Return the same text, if it can be read.

    Raises:
      UnreadableTextError: It is blank, has no word, or is not text.
    """
    if not text or text.isspace():
        raise UnreadableTextError("There is no text in it: it is empty or holds nothing but white space.")
    # Counted one by one, up to the limit: a list of them may be ten times as large as the text.
    too_many = islice(CONTROL.finditer(text), int(CONTROL_SHARE * len(text)), None)
    if "\x00" in text or next(too_many, None):
        raise UnreadableTextError(NOT_TEXT)
    if not words.any_in(text):
        raise UnreadableTextError("There is not a single word in it.")
    return text
