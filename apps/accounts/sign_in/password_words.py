"""Words of this site and names of its users, which make a password easy to guess."""

from typing import Any

from django.core.exceptions import ValidationError

#: Words that a guesser of this site tries first. docs/security.md lists them.
WORDS = ("aiwriting", "manuscript", "password", "chapter", "writing", "author", "writer", "admin", "novel", "story")
#: Letters and digits that a password needs besides these words and the username.
LEAST_OTHERS = 6
#: Letters and digits of a username that count as one of these words. Shorter ones are in many words.
LEAST_NAME = 3


class SiteWordsValidator:
    """Refuses a password that is a word of this site or the username, or such words with little else."""

    def validate(self, password: str, user: Any = None) -> None:
        plain = rest = _plain(password)
        # A form with a wrong name has a user without one.
        name = _plain((user.get_username() if user is not None else "") or "")
        for word in (name, *WORDS) if len(name) >= LEAST_NAME else WORDS:
            rest = rest.replace(word, "")
        if rest != plain and len(rest) < LEAST_OTHERS:
            raise ValidationError(
                "The password is a word of this site with little else, or your username.", code="password_site_words"
            )

    def get_help_text(self) -> str:
        return "Your password can't be a word of this site, such as its name, or your username, with little else."


def _plain(text: str) -> str:
    """Return the letters and digits of a text in lower case."""
    return "".join(character for character in text.lower() if character.isalnum())
