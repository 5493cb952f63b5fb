"""Filters for figures and plots on the pages. An unknown figure is empty."""

from django import template
from django.conf.locale import LANG_INFO

from apps.projects.reports import wording

register = template.Library()


@register.filter
def number(value: float | None) -> str:
    """Return a whole number such as "122,015"."""
    return "" if value is None else f"{round(value):,}"


@register.filter
def of(value: int, limit: int) -> str:
    """Return a number with its limit, such as "12 of 5,000". A limit of 0 is none."""
    return f"{value:,} of {limit:,}" if limit else f"{value:,}"


@register.filter
def minutes(value: float | None) -> str:
    """Return minutes such as "45 min" and "8 h 50 min". Only nothing is "0 min"."""
    return "" if value is None else wording.duration(value)


@register.filter
def percent(share: float | None) -> str:
    """Return a share of 0 to 1 as per cent, such as "47 %"."""
    return "" if share is None else f"{share * 100:.0f}\N{NO-BREAK SPACE}%"


@register.filter
def ease(value: float | None) -> str:
    """Return the meaning of a Flesch reading ease in a word or two."""
    return "" if value is None else wording.ease(value)


@register.filter
def language(code: str | None) -> str:
    """Return the name of a language by its ISO 639-1 code; the code itself where Django does not know it."""
    return str(LANG_INFO.get(code or "", {}).get("name", code or ""))


@register.filter
def counted(value: int | None, noun: str) -> str:
    """Return a number with its noun, such as "1 chapter" and "61 chapters"."""
    return wording.counted(value or 0, noun)


@register.filter
def megabytes(size_bytes: int) -> str:
    """Return a size such as "50 MB" and "1.5 MB"."""
    return f"{size_bytes / 1024**2:.3g}\N{NO-BREAK SPACE}MB"


#: Families of encodings as writers know them, by the beginnings of their names.
FAMILIES = {
    "cp125": "Windows", "cp874": "Windows", "cp93": "Windows", "cp94": "Windows", "cp": "DOS", "mac": "old Macs",
    "koi8": "Unix, Cyrillic", "iso": "Unix", "euc": "Unix",
}  # fmt: skip


@register.filter
def encoding(name: str) -> str:
    """Return the name of an encoding with its family, such as "old Macs (mac_roman)"."""
    family = next((family for start, family in FAMILIES.items() if name.startswith(start)), "")
    return f"{family} ({name})" if family else name
