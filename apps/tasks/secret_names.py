"""Names of values that are secrets, such as `password` and `apiKey`."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from apps.tasks.errors import TaskError

DEFAULT = (
    "password", "passwd", "passphrase", "pwd", "secret", "token", "key", "api_key", "credential", "authorization",
    "cookie", "session_id", "jwt", "otp",
)  # fmt: skip
#: Letters of a name from which it also counts as the end of a longer word: `userpassword`, but not `monkey`.
DISTINCT_LENGTH = 5
#: Characters of a name that is read. A longer one counts as secret.
LONGEST_READ = 1_000

_WORD_BORDERS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_LETTERS = re.compile(r"[\W\d_]+")


class BadNamesError(TaskError, ImproperlyConfigured):
    """TASK_MASKED_NAMES has 7, must be names such as 'password' and 'api_key'"""


def parsed(value: Any) -> tuple[str, ...]:
    """Return the names of the setting TASK_MASKED_NAMES.

    Raises:
      BadNamesError: It is no list, or an item has no letter.
    """
    valid = "must be names such as 'password' and 'api_key'"
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise BadNamesError(f"TASK_MASKED_NAMES is {value!r:.80}, {valid}, in a list")
    names = tuple(value)
    for name in names:
        if not isinstance(name, str) or not _words(name):
            raise BadNamesError(f"TASK_MASKED_NAMES has {name!r:.80}, {valid}")
    return names


def contains_one(name: str, names: tuple[str, ...]) -> bool:
    """Return whether a name has one of the names in it, as whole words.

    Words are told apart by underscores, capitals, digits and other signs, and a plural counts: `apiKeys`, `X-Api-Key`
    and `old_password2` have `key` or `password`, `monkey` and `keyword` have not.
    """
    return len(name) > LONGEST_READ or _contains(name, names)


@lru_cache(maxsize=4096)
def _contains(name: str, names: tuple[str, ...]) -> bool:
    wanted = _joined(names)
    longest = max(map(len, wanted), default=0)
    words = _words(name)
    for start in range(len(words)):
        run = ""
        for word in words[start:]:
            run += word
            if run in wanted:
                return True
            if len(run) > longest:
                break
    return any(word.endswith(end) for end in wanted if len(end) >= DISTINCT_LENGTH for word in words)


@lru_cache(maxsize=16)
def _joined(names: tuple[str, ...]) -> frozenset[str]:
    """Return the names as one word each, with their plurals."""
    joined = ["".join(_words(name)) for name in names]
    return frozenset([*joined, *(f"{one}s" for one in joined)])


def _words(name: str) -> list[str]:
    return [word for word in _NO_LETTERS.split(_WORD_BORDERS.sub("_", name).lower()) if word]
