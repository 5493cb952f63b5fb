"""Figures as people read them."""

from django import template
from django.conf.locale import LANG_INFO
from django.utils.safestring import SafeString, mark_safe

from apps.plots import svg
from apps.plots.marks import Plot
from apps.projects.reports import wording

register = template.Library()


@register.filter
def number(value: float | None) -> str:
    """Such as "122,015"; nothing for None."""
    return "" if value is None else f"{round(value):,}"


@register.filter
def minutes(value: float | None) -> str:
    """Such as "45 min" and "8 h 50 min", and never "0 min" for something."""
    return "" if value is None else wording.duration(value)


@register.filter
def percent(share: float | None) -> str:
    """A share of 0 to 1, such as "47 %"."""
    return "" if share is None else f"{share * 100:.0f}\N{NO-BREAK SPACE}%"


@register.filter
def ease(value: float | None) -> str:
    """What a Flesch reading ease means, in a word or two."""
    return "" if value is None else wording.ease(value)


@register.filter
def language(code: str | None) -> str:
    """The name of a language by its ISO 639-1 code, such as "English"; of one that Django does not know, the code."""
    return str(LANG_INFO.get(code or "", {}).get("name", code or ""))


@register.filter
def counted(value: int | None, noun: str) -> str:
    """Such as "1 chapter" and "61 chapters"."""
    return wording.counted(value or 0, noun)


@register.filter
def megabytes(size_bytes: int) -> str:
    """Such as "50 MB" and "1.5 MB"."""
    return f"{size_bytes / 1024**2:.3g}\N{NO-BREAK SPACE}MB"


@register.filter
def drawing(plot: Plot) -> SafeString:
    """Return a plot as SVG."""
    return mark_safe(svg.fluid(plot))  # noqa: S308 (the renderer escapes text)
