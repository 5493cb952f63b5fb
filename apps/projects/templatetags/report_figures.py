"""Filters for the figures of a report. An unknown figure is a dash."""

from django import template

from apps.projects.reports import wording

register = template.Library()

UNKNOWN = "\N{EN DASH}"


@register.filter
def figure(number: float | None, places: int = 0) -> str:
    """Return a number such as 1,234 and 7.5."""
    return UNKNOWN if number is None else f"{number:,.{places}f}"


@register.filter
def share(number: float | None) -> str:
    """Return a share such as 42%."""
    return UNKNOWN if number is None else f"{number:.0%}"


@register.filter
def minutes(number: float | None) -> str:
    """Return minutes such as 8 h 50 min."""
    return UNKNOWN if number is None else wording.duration(number)


register.filter("counted", wording.counted)
register.filter("plural", wording.plural)
