"""The errors of projects. Actors name them, so nothing heavy is imported here."""

from collections.abc import Iterable


class UnknownReportTypeError(ValueError):
    """Unknown report_type 'sumary', must be one of: summary"""

    def __init__(self, report_type: str, *, known: Iterable[str]) -> None:
        super().__init__(f"Unknown report_type {report_type!r}, must be one of: {', '.join(known)}")


class MailRefusedError(Exception):
    """The mail server refused the mail to jane@example.com for good: 550 No such user"""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"The mail server refused the mail to {address} for good: {reason}")


class TooManyInvitationsError(Exception):
    """50 invitations went out in the last 24 hours, and that is the limit. Send the others later."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} invitations went out in the last 24 hours, and that is the limit. Send the others later."
        )
