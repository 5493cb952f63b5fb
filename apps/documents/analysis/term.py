"""A word or a phrase and how often it occurs."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """As a writer would write it, in the case in which it stands most often, or at first."""

    text: str
    count: int
