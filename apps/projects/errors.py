"""The errors of projects. Actors name them, so nothing heavy is imported here."""

from collections.abc import Iterable

from apps.core.mail import MailRefusedError as MailRefusedError


class UnknownReportTypeError(ValueError):
    """Unknown report_type 'sumary', must be one of: summary"""

    def __init__(self, report_type: str, *, known: Iterable[str]) -> None:
        super().__init__(f"Unknown report_type {report_type!r}, must be one of: {', '.join(known)}")
