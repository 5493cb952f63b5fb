"""The errors of projects. Actors name them, so nothing heavy is imported here."""

from collections.abc import Iterable

from apps.core.mail import MailRefusedError as MailRefusedError


class UnknownReportTypeError(ValueError):
    """Unknown report_type 'sumary', must be one of: summary"""

    def __init__(self, report_type: str, *, known: Iterable[str]) -> None:
        super().__init__(f"Unknown report_type {report_type!r}, must be one of: {', '.join(known)}")


class TooManyInvitationsError(Exception):
    """50 invitations went out in the last 24 hours, and that is the limit. Send the others later."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} invitations went out in the last 24 hours, and that is the limit. Send the others later."
        )


class TypesettingError(Exception):
    """The template report.typ cannot be set: end byte index 7 is out of bounds"""

    def __init__(self, template: str, reason: object) -> None:
        super().__init__(f"The template {template} cannot be set: {reason}")
