"""The figures as a table of aligned columns."""

from collections.abc import Sequence

from benchmarks.rig.figures import Figure

HEAD = ("measure", "system", "value", "unit", "spread", "ratio", "goal", "")
#: Columns that are aligned to the right.
RIGHT_ALIGNED = {2, 5}


def number(value: float | str) -> str:
    """Return the number with three significant digits, or with all digits before the point."""
    if isinstance(value, str):
        return value
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"


def table(figures: Sequence[Figure]) -> str:
    """Return the table. A measure is named on its first line, and an empty line separates measures."""
    rows: list[tuple[str, ...]] = [HEAD]
    last = None
    for figure in figures:
        if last is not None and figure.measure != last:
            rows.append(("",) * len(HEAD))
        rows.append(
            (
                "" if figure.measure == last else figure.measure,
                figure.system,
                number(figure.value),
                figure.unit,
                "" if figure.spread is None else f"{number(figure.spread[0])} .. {number(figure.spread[1])}",
                "" if figure.ratio is None else f"{number(figure.ratio)}x",
                figure.goal,
                {None: "", True: "met", False: "missed"}[figure.is_met],
            )
        )
        last = figure.measure
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    rows.insert(1, tuple("-" * width for width in widths))
    lines = []
    for row in rows:
        cells = [
            text.rjust(width) if column in RIGHT_ALIGNED else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
