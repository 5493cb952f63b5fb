"""The cron text of a crontab of Celery. The two differ in what a field may say, and in how days are joined."""

from typing import Any

from django.utils.translation import gettext as _

from apps.tasks.errors import CannotImportError

#: Columns in the order of a cron text, each with its least and its greatest number.
FIELDS = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day_of_month": (1, 31),
    "month_of_year": (1, 12),
    "day_of_week": (0, 6),
}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
NAMES = {"month_of_year": {name: str(number) for number, name in enumerate(MONTHS, start=1)}} | {
    "day_of_week": {name: str(number) for number, name in enumerate(DAYS)} | {"7": "0"}
}


def text_of(columns: dict[str, Any]) -> str:
    """Return the cron text that has the same slots.

    Raises:
      CannotImportError: There is none.
    """
    fields = {name: _field(name, str(columns.get(name) or "*")) for name in FIELDS}
    days = fields["day_of_month"], fields["day_of_week"]
    if not any(field.startswith("*") for field in days):
        raise CannotImportError(
            _(
                "It names days of the month (%(month)s) and of the week (%(week)s). Celery runs on days that are in "
                "both, and cron on days that are in one of them. Name one, or let the actor look at the other"
            )
            % {"month": days[0], "week": days[1]}
        )
    return " ".join(fields.values())


def _field(name: str, text: str) -> str:
    return ",".join(_part(name, part) for part in "".join(text.split()).lower().split(","))


def _part(name: str, part: str) -> str:
    """Return a part of a field with numbers for names. A range that goes over the end becomes two, or a list."""
    span, slash, step = part.partition("/")
    ends = [_number(name, end) for end in span.split("-")]
    if len(ends) == 2 and all(end.isdigit() for end in ends) and int(ends[1]) < int(ends[0]):
        least, greatest = FIELDS[name]
        if step in ("", "1"):
            return f"{ends[0]}-{greatest},{least}-{ends[1]}"
        numbers = [*range(int(ends[0]), greatest + 1), *range(least, int(ends[1]) + 1)]
        every = int(step) if step.isdigit() and int(step) else 1
        return ",".join(str(number) for number in sorted(numbers[::every]))
    return "-".join(ends) + slash + step


def _number(name: str, text: str) -> str:
    names = NAMES.get(name, {})
    return names.get(text, names.get(text[:3], text)) if not text.isdigit() or text == "7" else text
