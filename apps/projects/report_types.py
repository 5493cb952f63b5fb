"""The types of reports."""

from apps.projects.errors import UnknownReportTypeError

#: Each type and its content.
REPORT_TYPES: dict[str, str] = {"summary": "The figures of each project and its documents."}


def check(report_type: str) -> None:
    """Raise `UnknownReportTypeError` unless there is such a type."""
    if report_type not in REPORT_TYPES:
        raise UnknownReportTypeError(report_type, known=REPORT_TYPES)
