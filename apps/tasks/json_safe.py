"""Make texts and values safe for JSON and for the database."""

import json
from typing import Any

#: Writes JSON as messages have it. Made once: `json.dumps` with options makes an encoder for every call, which takes as
#: long as the encoding.
COMPACT = json.JSONEncoder(separators=(",", ":"))

#: Replaces a NUL.
REPLACEMENT = "\ufffd"


def clean_text(text: str) -> str:
    """Return the text with NULs and lone surrogates replaced. No database stores those."""
    return text.replace("\x00", REPLACEMENT).encode(errors="replace").decode()


def json_safe(value: Any) -> Any:
    """Return the value as JSON carries it, with every text cleaned.

    Raises:
      TypeError, ValueError: JSON cannot carry the value.
    """
    text = json.dumps(value, allow_nan=False)
    parsed = json.loads(text)
    return _clean(parsed) if "\\u" in text else parsed


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): _clean(item) for key, item in value.items()}
    return value
