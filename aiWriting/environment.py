"""Settings from the environment, each with a clear error where the value makes no sense.

Read before Django is set up, so nothing of Django's models is imported here.
"""

import os
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from apps.core import timestamp as timestamps

BASE_DIR = Path(__file__).resolve().parent.parent

#: Where `bin/run` keeps the default set-up's data: keys, SQLite, the Redis-protocol server.
VAR_DIR = Path(os.environ.get("AIWRITING_VAR") or BASE_DIR / "var")

TRUE_WORDS = ("1", "true", "yes", "on")
FALSE_WORDS = ("0", "false", "no", "off", "")


def text(name: str, default: str = "") -> str:
    """The variable's text, or the default where it is missing or empty."""
    return os.environ.get(name, "").strip() or default


def boolean(name: str, default: bool) -> bool:
    value = text(name, "1" if default else "0").lower()
    if value in TRUE_WORDS:
        return True
    if value in FALSE_WORDS:
        return False
    known = ", ".join(filter(None, TRUE_WORDS + FALSE_WORDS))
    raise ImproperlyConfigured(f"{name} is {value!r}, must be one of: {known}")


def integer(name: str, default: int, *, minimum: int = 0, maximum: int | None = None) -> int:
    value = text(name, str(default))
    span = f"at least {minimum}" if maximum is None else f"{minimum} to {maximum}"
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {value!r}, must be a whole number, {span}") from None
    if number < minimum or (maximum is not None and number > maximum):
        raise ImproperlyConfigured(f"{name} is {number}, must be {span}")
    return number


def timestamp(name: str, default: str) -> datetime:
    """A point in time; without an offset it is UTC."""
    value = text(name, default)
    try:
        return timestamps.parse(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {value!r}, must be a time such as {default}") from None


def words(name: str, default: str = "") -> list[str]:
    """A list that is written with commas."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def url(name: str, default: str, *, schemes: tuple[str, ...]) -> str:
    """A URL with one of the schemes. The error shows the scheme alone, since URLs hold passwords."""
    value = text(name, default)
    scheme = urlsplit(value).scheme
    if scheme not in schemes:
        raise ImproperlyConfigured(
            f"{name} begins with {scheme + '://' if scheme else 'no scheme'!r}, "
            f"must begin with one of: {', '.join(known + '://' for known in schemes)}"
        )
    return value


def kept(filename: str) -> str:
    """What `bin/run` keeps under `var/` for the other processes of this machine; empty where there is none."""
    try:
        return (VAR_DIR / filename).read_text().strip()
    except OSError:
        return ""
