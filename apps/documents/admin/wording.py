"""Figures as text."""

from typing import Any

from apps.tasks.admin import elements


def minutes(number: float) -> str:
    """Return minutes such as "45 min", with a tenth below 10."""
    return f"{number:,.0f} min" if number >= 10 else f"{number:.1f} min"


def tenth(number: float | None) -> str:
    return elements.NOTHING if number is None else f"{number:.1f}"


def percent(share: float | None) -> str:
    return elements.NOTHING if share is None else f"{share:.0%}"


def counted(entries: list[dict[str, Any]]) -> str:
    """Return texts with their counts, such as "Emma (865), Harriet (496)"."""
    return ", ".join(f"{entry['text']} ({entry['count']:,})" for entry in entries) or elements.NOTHING


def documents(count: int) -> str:
    return "1 document" if count == 1 else f"{count:,} documents"
