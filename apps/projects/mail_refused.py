"""A mail that no retry would bring to its reader. The actors name it, so nothing heavy is imported here."""


class MailRefusedError(Exception):
    """The mail server refused the mail to jane@example.com for good: 550 No such user"""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"The mail server refused the mail to {address} for good: {reason}")
