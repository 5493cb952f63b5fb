"""Words of this site, which make a password easy to guess."""

from typing import Any

from django.core.exceptions import ValidationError

#: Words that a guesser of this site tries first. docs/security.md lists them.
WORDS = ("aiwriting", "manuscript", "password", "chapter", "writing", "author", "writer", "admin", "novel", "story")
#: Letters and digits that a password needs besides these words.
LEAST_OTHERS = 6


class SiteWordsValidator:
    """Refuses a password that is a word of this site, or such words with little else."""

    def validate(self, password: str, user: Any = None) -> None:
        rest = "".join(character for character in password.lower() if character.isalnum())
        plain = rest
        for word in WORDS:
            rest = rest.replace(word, "")
        if rest != plain and len(rest) < LEAST_OTHERS:
            raise ValidationError("The password is a word of this site with little else.", code="password_site_words")

    def get_help_text(self) -> str:
        return "Your password can't be a word of this site, such as its name, with little else."
