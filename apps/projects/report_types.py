"""Which reports there are."""

#: Each report's name and what it is.
REPORT_TYPES: dict[str, str] = {"summary": "The figures of each project and its documents."}


class UnknownReportTypeError(ValueError):
    """Unknown report_type 'sumary', must be one of: summary"""

    def __init__(self, report_type: str) -> None:
        super().__init__(f"Unknown report_type {report_type!r}, must be one of: {', '.join(REPORT_TYPES)}")


def check(report_type: str) -> None:
    """Raise `UnknownReportTypeError` unless there is such a report."""
    if report_type not in REPORT_TYPES:
        raise UnknownReportTypeError(report_type)
