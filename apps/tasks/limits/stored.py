"""The rows of declared limits, which staff may change while the actors run."""

from typing import Any

import dramatiq

from apps.tasks.limits import declared
from apps.tasks.models import Limit


def update() -> None:
    """Copy the declared limits to their rows. Changes made in the admin stay.

    A relay does this when it starts. The limit of an actor that has none any more is lifted.
    """
    found = declared.all_of_them()
    known = {row.task_name: row for row in Limit.objects.all()}
    for name, limits in sorted(found.items()):
        row = known.get(name)
        if row is None:
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
        else:
            _follow(row, limits)
    for name in dramatiq.get_broker().actors.keys() & known.keys() - found.keys():
        Limit.objects.filter(task_name=name).delete()


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
