"""Read settings from the environment, with a clear error for each value that makes no sense.

The module is imported before Django is set up, so it must not import models.
"""

import os
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import redis
from django.core.exceptions import ImproperlyConfigured

from apps.core import timestamp as timestamps

BASE_DIR = Path(__file__).resolve().parent.parent

#: Folder for the data of `bin/run`: secret files, SQLite, the Redis-protocol server.
VAR_DIR = Path(os.environ.get("AIWRITING_VAR") or BASE_DIR / "var")

TRUE_WORDS = ("1", "true", "yes", "on")
FALSE_WORDS = ("0", "false", "no", "off", "")

#: Schemes of URLs without a host and a password.
LOCAL_SCHEMES = ("sqlite", "database")


def text(name: str, default: str = "") -> str:
    """Return the variable's text, or that of the file which `NAME_FILE` names, or the default if both are empty."""
    value, path = os.environ.get(name, "").strip(), os.environ.get(f"{name}_FILE", "").strip()
    if not path:
        return value or default
    if value:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set, must be one of the two")
    try:
        return Path(path).read_text().strip() or default
    except (OSError, ValueError) as error:
        # Not the error of the decoder, which shows a part of the file.
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ImproperlyConfigured(f"{name}_FILE is {path!r}, and cannot be read: {reason}") from None


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


def timestamp(name: str, default: datetime) -> datetime:
    """Return a timestamp. Without an offset it is in UTC."""
    value = text(name, default.isoformat())
    try:
        return timestamps.parse(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {value!r}, must be a time such as {default.isoformat()}") from None


def words(name: str, default: str = "") -> list[str]:
    """Return the words of a list with commas."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    """Return the networks of a list with commas. An address is a network of one."""
    found = []
    for word in words(name):
        try:
            found.append(ip_network(word))
        except ValueError:
            raise ImproperlyConfigured(
                f"{name} has {word!r}, must be networks or addresses such as 10.0.0.0/8,fd00::/8"
            ) from None
    return found


def url(name: str, default: str, *, schemes: tuple[str, ...]) -> str:
    """Return a URL with one of the schemes."""
    value = text(name, default)
    check_url(name, value, schemes=schemes)
    return value


def origin(name: str) -> str:
    """Return scheme and host of a site, or nothing."""
    value = text(name) and url(name, "", schemes=("https", "http")).rstrip("/")
    parts = urlsplit(value)
    if value and (not parts.hostname or parts.path or parts.query or "@" in parts.netloc):
        raise ImproperlyConfigured(f"{name} must have scheme and host alone, such as https://writing.example.com")
    return value


def check_url(name: str, value: str, *, schemes: tuple[str, ...]) -> None:
    """Check that a URL has one of the schemes, and that nothing of its password is taken for another part of it.

    Raises:
      ImproperlyConfigured: It does not. The error shows nothing of the URL, since any part may be of the password.
    """
    scheme = next((known for known in schemes if value.lower().startswith(f"{known}:")), None)
    if scheme is None:
        known = ", ".join("database:" if each == "database" else f"{each}://" for each in schemes)
        raise ImproperlyConfigured(f"{name} must begin with one of: {known}")
    if not (scheme in LOCAL_SCHEMES or _is_sound(value, scheme)):
        raise ImproperlyConfigured(
            f"{name} cannot be read as a URL; in a password, special characters are written as %40 for @ and so on"
        )


def _is_sound(value: str, scheme: str) -> bool:
    """Return whether the URL is split where its writer meant it, as far as that can be seen."""
    # Python's own splitting drops tabs and line ends, and libpq all that follows a NUL.
    if not value.isprintable() or "%00" in value or not value[len(scheme) :].startswith("://"):
        return False
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 (asking is the check)
    except ValueError:
        return False
    # A password with / ? or # ends the address early, and the @ comes later.
    return not parts.fragment and "@" not in parts.path + parts.query


def check_redis_options(name: str, url: str) -> None:
    """Check that a client takes the options of a URL of Redis.

    Raises:
      ImproperlyConfigured: It does not. The error shows none of them.
    """
    try:
        redis.ConnectionPool.from_url(url).make_connection()
    except (ValueError, TypeError, redis.RedisError):
        raise ImproperlyConfigured(f"{name} has an option that no client of Redis knows, or a wrong value") from None


def choice(name: str, *, known: tuple[str, ...]) -> str:
    """Return one of the known words, or nothing."""
    value = text(name).lower()
    if value and value not in known:
        raise ImproperlyConfigured(f"{name} is {value!r}, must be one of: {', '.join(known)}")
    return value


def file(name: str) -> str:
    """Return the path of a file that exists, or nothing."""
    value = text(name)
    if value and not Path(value).is_file():
        raise ImproperlyConfigured(f"{name} is {value!r}, must be the path of a file")
    return value


def with_query(url: str, options: dict[str, str]) -> str:
    """Return the URL with these options in its query, instead of options of the same names. Empty ones are left out."""
    parts = urlsplit(url)
    given = {option: value for option, value in options.items() if value}
    kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in given]
    return urlunsplit(parts._replace(query=urlencode([*kept, *given.items()])))


def read_secret(filename: str) -> str:
    """Return the text of a secret file that `bin/run` made for the processes of this machine. Empty without one."""
    try:
        return (VAR_DIR / filename).read_text().strip()
    except OSError:
        return ""
