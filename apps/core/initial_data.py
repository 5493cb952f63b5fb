"""First values of an admin form, which its address may name."""

from typing import Any

from django.db.models import DateField, Model


def without_dates(model: type[Model], initial: dict[str, Any]) -> dict[str, Any]:
    """Return the first values without those of dates and times. Their fields fail on the text of an address."""
    dates = {field.name for field in model._meta.fields if isinstance(field, DateField)}
    return {name: value for name, value in initial.items() if name not in dates}
