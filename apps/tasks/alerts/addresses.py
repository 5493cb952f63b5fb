"""Addresses that alerts are mailed to."""

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email

from apps.tasks.errors import TaskError


class BadAddressError(TaskError, ImproperlyConfigured):
    """TASK_ALERT_EMAILS has 'ops', must be addresses such as 'ops@example.com'"""


def split(text: str) -> list[str]:
    """Return the addresses of a text with commas or lines, each once."""
    words = (word.strip() for word in text.replace(";", ",").replace("\n", ",").split(","))
    return list(dict.fromkeys(word for word in words if word))


def wrong(found: Iterable[Any]) -> list[Any]:
    """Return those to which no mail can go."""
    return [address for address in found if not _is_address(address)]


def of_setting(value: Any) -> tuple[str, ...]:
    """Return the addresses of `TASK_ALERT_EMAILS`.

    Raises:
      BadAddressError: It is no list, or an item is no address.
    """
    valid = "must be addresses such as 'ops@example.com'"
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise BadAddressError(f"TASK_ALERT_EMAILS is {value!r:.80}, {valid}, in a list")
    found = tuple(value)
    for address in wrong(found):
        raise BadAddressError(f"TASK_ALERT_EMAILS has {address!r:.80}, {valid}")
    return found


def _is_address(address: Any) -> bool:
    try:
        validate_email(address)
    except ValidationError:
        return False
    return True
