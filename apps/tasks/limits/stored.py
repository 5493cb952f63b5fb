"""The rows of declared limits, which staff may change while the actors run."""

from typing import Any

from apps.tasks.limits import declared
from apps.tasks.models import Limit


def update() -> None:
    """Copy the declared limits to their rows. Changes made in the admin stay.

    A relay does this when it starts, and when a row is missing. The row of an actor that has no limit in this code
    stays: other code may run at the same time, and tasks that wait may have been sent by it.
    """
    found = declared.all_of_them()
    known = {row.task_name: row for row in Limit.objects.filter(task_name__in=found)}
    for name, limits in sorted(found.items()):
        if name in known:
            _follow(known[name], limits)
            continue
        Limit.objects.get_or_create(
            task_name=name,
            defaults={
                "concurrency": limits.concurrency,
                "rate_limit": limits.rate_limit,
                "declared_concurrency": limits.concurrency,
                "declared_rate_limit": limits.rate_limit,
                "is_fair": limits.is_fair,
            },
        )


def _follow(row: Limit, limits: declared.Limits) -> None:
    """Copy a declaration to its row."""
    new: dict[str, Any] = {
        "declared_concurrency": limits.concurrency,
        "declared_rate_limit": limits.rate_limit,
        "is_fair": limits.is_fair,
    }
    if not row.is_overridden:
        new |= {"concurrency": limits.concurrency, "rate_limit": limits.rate_limit}
    if any(getattr(row, name) != value for name, value in new.items()):
        # Unless staff have changed it meanwhile: the next relay that starts copies it then.
        Limit.objects.filter(pk=row.pk, updated_at=row.updated_at).update(**new)
