"""The result: a figure for each measure and system."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

#: Values of one round by the system's name.
Round = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table.

    Parameters:
      value: Median of the rounds, or a text such as "not within 60 s" if there is no number.
      ratio: Median of the rounds' ratios to the baseline of the same round. None: there is no baseline.
      goal: Such as ">= 1.7x" (the ratio) or "<= 4" (the value). Empty: there is none.
      spread: Least and greatest value of the rounds.
    """

    measure: str
    system: str
    value: float | str
    unit: str
    ratio: float | None = None
    goal: str = ""
    spread: tuple[float, float] | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is met. None: there is no goal."""
        found = re.fullmatch(r"(>=|<=) ([\d.]+)(x?)", self.goal)
        if not found:
            return None
        value = self.ratio if found[3] else self.value
        if not isinstance(value, int | float):
            return False
        return value >= float(found[2]) if found[1] == ">=" else value <= float(found[2])


def figures(
    measure: str,
    rounds: Sequence[Round],
    *,
    unit: str,
    baseline: str = "",
    goals: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
) -> list[Figure]:
    """Return the figures of a measure, in the order in which the systems were measured.

    Parameters:
      baseline: System to which the ratios are. Empty: there is none.
      goals: Goals by the system's name.
      only: Systems to show. Empty: all.
    """
    found = []
    for name in rounds[0]:
        if only and name not in only:
            continue
        values = [values[name] for values in rounds]
        ratios = [values[name] / values[baseline] for values in rounds if values.get(baseline)]
        found.append(
            Figure(
                measure=measure,
                system=name,
                value=median(values),
                unit=unit,
                ratio=median(ratios) if ratios else None,
                goal=(goals or {}).get(name, ""),
                spread=(min(values), max(values)),
            )
        )
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(-(-len(ordered) * round(share * 1000) // 1000) - 1, 0)]
