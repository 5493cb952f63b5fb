"""Make texts and values safe for JSON and for the database."""

import json
from typing import Any


class CompactEncoder(json.JSONEncoder):
    """Writes JSON as Dramatiq's messages have it.

    It keeps the encoder in C, where there is one. `JSONEncoder` makes one for every call, which takes longer than the
    encoding of a few arguments. A value that contains itself is a RecursionError.
    """

    def __init__(self) -> None:
        super().__init__(separators=(",", ":"), check_circular=False)
        if (make := getattr(json.encoder, "c_make_encoder", None)) is not None:
            texts = json.encoder.encode_basestring_ascii
            self._pieces = make(None, self.default, texts, None, ":", ",", False, False, True)
            self.encode = self._encode  # type: ignore[method-assign,assignment]

    def _encode(self, value: Any) -> str:
        return "".join(self._pieces(value, 0))


COMPACT = CompactEncoder()
_scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]

#: Replaces a NUL.
REPLACEMENT = "\ufffd"


def clean_text(text: str) -> str:
    """Return the text with NULs and lone surrogates replaced. No database stores those."""
    return text.replace("\x00", REPLACEMENT).encode(errors="replace").decode()


def is_clean(text: str) -> bool:
    """Return whether the text has no NUL and no lone surrogate."""
    return "\x00" not in text and (text.isascii() or clean_text(text) == text)


def from_compact(text: str) -> Any:
    """Return the value of a JSON text. One as `COMPACT` writes it takes half the time of `json.loads`.

    Raises:
      ValueError: It is no JSON.
      RecursionError: It is nested too deeply.
    """
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        return json.loads(text)
    return value if end == len(text) else json.loads(text)


def json_safe(value: Any) -> Any:
    """Return the value as JSON carries it, with every text cleaned.

    Raises:
      TypeError, ValueError: JSON cannot carry the value.
    """
    if value is None:
        return None  # Most actors return nothing.
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
