"""What a database can hold of a text or a value that somebody else made."""

import json
from typing import Any

#: What stands for a NUL.
REPLACEMENT = "\ufffd"


def cleaned(text: str) -> str:
    """The text without what a database cannot hold: NULs and lone surrogates."""
    return text.replace("\x00", REPLACEMENT).encode(errors="replace").decode()


def storable(result: Any) -> Any:
    """The result as the row can hold it.

    Raises:
      TypeError, ValueError: It is not JSON.
    """
    text = json.dumps(result, allow_nan=False)
    value = json.loads(text)
    return _cleaned(value) if "\\u" in text else value


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return cleaned(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {cleaned(key): _cleaned(item) for key, item in value.items()}
    return value
