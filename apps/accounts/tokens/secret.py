"""Secrets of API tokens. The database has their digests alone."""

import hashlib
import secrets
import string

#: Begins every secret, so that scanners of code and logs find one that was published.
PREFIX = "aiw_"
CHARACTERS = string.ascii_letters + string.digits
#: Random characters after the prefix: 238 bits.
LENGTH = 40
#: Characters of a secret that lists show, so that its owner recognises it.
START_LENGTH = len(PREFIX) + 4


def make() -> str:
    """Return a new secret."""
    return PREFIX + "".join(secrets.choice(CHARACTERS) for _ in range(LENGTH))


def digest(secret: str) -> str:
    """Return the digest under which a token is found.

    SHA-256 without salt is enough: a random secret of this length cannot be guessed, unlike a password.
    """
    return hashlib.sha256(secret.encode()).hexdigest()
