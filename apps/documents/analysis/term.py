"""A word or a phrase and its number of occurrences."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """A word or a phrase in the case in which it occurs most often, or first."""

    text: str
    count: int
