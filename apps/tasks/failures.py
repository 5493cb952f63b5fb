"""Causes, which failures of one kind share, and the line about a failure for people."""

import re
from hashlib import blake2b

#: Parts of an error message that differ between failures of one cause: quoted texts, addresses of pages and mailboxes,
#: paths, UUIDs, long hexadecimal ids, and words with a digit, which numbers and addresses in memory are. A quoted text
#: may have been cut off at the end.
_VARIABLE = re.compile(
    r"""
    (?<!\w)'[^'\n]*(?:'|\Z) | (?<!\w)"[^"\n]*(?:"|\Z) | `[^`\n]*(?:`|\Z)
    | \b[a-z][a-z0-9+.-]{0,20}://[^\s'"<>]+
    | (?<![\w.+-])[\w.+-]++@[\w-]+(?:\.[\w-]+)*
    | (?<![\w.~/-])(?:~|\.\.?|[a-z]:|[\w.-]++)?(?:[/\\][\w.~+@%-]+)+[/\\]?
    | \b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b
    | \b[0-9a-f]{8,}\b
    | (?:(?<!\w)[-+])?\b[^\W\d]*+\d\w*+(?:[.,:]\d\w*+)*
    """,
    re.VERBOSE | re.IGNORECASE,
)


def cause_of(task_name: str, error_type: str, error_message: str) -> str:
    """Return 16 hexadecimal digits that failures with the same cause share.

    Parameters:
      error_type: Dotted name of the exception's class. Empty: no exception was raised.
    """
    text = "\0".join([task_name, error_type, _VARIABLE.sub("#", error_message)])
    return blake2b(text.encode(errors="replace"), digest_size=8).hexdigest()


def in_short(error_type: str, error_message: str) -> str:
    """Return the first line of the failure, with the name of the class alone: `MailRefusedError: 550 No such user`."""
    return in_words(error_type.rpartition(".")[2], error_message).partition("\n")[0]


def in_words(error_type: str, error_message: str) -> str:
    """Return the failure as Python prints an exception: `KeyError: 'isbn'`."""
    if not error_type:
        return error_message
    if error_message in ("", error_type, error_type.rpartition(".")[2]):
        return error_type
    return f"{error_type}: {error_message}"
