"""The figures at the head of a report."""

from dataclasses import dataclass

from apps.projects.reports.figures import Figures
from apps.projects.reports.wording import duration, ease, plural


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A figure, its name, and a remark."""

    figure: str
    name: str
    note: str = ""


def tiles(figures: Figures) -> list[Tile]:
    """Return the tiles of the figures that are known."""
    found = [
        Tile(
            figure=f"{figures.words:,}",
            name=figures.noun if figures.words == 1 else plural(figures.noun),
            note=_new(figures),
        ),
        Tile(
            figure=f"{figures.documents:,}",
            name="document" if figures.documents == 1 else "documents",
            note=_states(figures),
        ),
        Tile(figure=f"{figures.chapters:,}", name="chapter" if figures.chapters == 1 else "chapters"),
        Tile(figure=duration(figures.reading_minutes), name="to read"),
    ]
    if figures.reading_ease is not None:
        found.append(Tile(figure=f"{figures.reading_ease:.0f}", name="reading ease", note=ease(figures.reading_ease)))
    if figures.grade_level is not None:
        found.append(Tile(figure=f"{figures.grade_level:.1f}", name="grade level", note="years at school"))
    if figures.dialogue_share is not None:
        found.append(Tile(figure=f"{figures.dialogue_share:.0%}", name="dialogue"))
    elif figures.sentences:
        name = f"{plural(figures.noun)} per sentence"
        found.append(Tile(figure=f"{figures.words / figures.sentences:.1f}", name=name))
    return found


def _new(figures: Figures) -> str:
    return f"{figures.new_words:,} new in 7 days" if figures.new_words else ""


def _states(figures: Figures) -> str:
    """Return the documents without figures, such as "2 not processed yet, 1 failed"; nothing where there are none."""
    parts = [f"{figures.waiting:,} not processed yet"] if figures.waiting else []
    parts += [f"{figures.failed:,} failed"] if figures.failed else []
    return ", ".join(parts)
