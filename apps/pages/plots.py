"""Plots of a document, chapter by chapter.

Their lengths are per cent of the drawing, so that bars stretch with the page, and letters and lines do not.
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString, mark_safe

from apps.documents.models import Chapter
from apps.pages.templatetags.figures import ease, percent
from apps.plots import svg
from apps.plots.marks import Plot
from apps.plots.panel import Panel
from apps.plots.scale import Scale
from apps.projects.reports.wording import EASE_WORDS

#: Number of chapters that fill the width at least. A bar as wide as the page says nothing.
FEWEST = 10
#: Number of chapters from which on bars touch. With gaps, nothing would be left of them.
GAPLESS_FROM = 150


@dataclass(frozen=True, kw_only=True)
class Series:
    """A figure of each chapter; None for a chapter that has none. `write` writes a figure with its unit."""

    title: str
    names: Sequence[str]
    values: Sequence[float | None]
    write: Callable[[float], str]

    @property
    def known(self) -> list[float]:
        return [value for value in self.values if value is not None]

    @property
    def summary(self) -> str:
        """The lowest and the highest figure, in words."""
        if not self.known:
            return "There are no figures."
        ends = (min(self.known), max(self.known))
        low, high = (f"{self.write(end)} ({self.names[self.values.index(end)]})" for end in ends)
        return f"From {low} to {high}"

    def plot(self, scale: Scale, *, dotted: bool = False) -> Plot:
        """Return a plot with a bar for each chapter, or with dots that are joined by lines."""
        panel = Panel(left=0, right=100, top=0, bottom=100, scale=scale, gap=0, fewest=FEWEST)
        hints = [
            f"{name}: {'no figure' if value is None else self.write(value)}"
            for name, value in zip(self.names, self.values, strict=True)
        ]
        if dotted:
            marks = (*panel.grid(width=1), *panel.course(self.values, hints=hints))
        else:
            share = 0.75 if len(self.values) < GAPLESS_FROM else 1
            marks = (*panel.grid(width=1), *panel.columns(self.values, hints=hints, share=share))
        return Plot(name="chapters", title=self.title, description=self.summary, width=100, height=100, marks=marks)


def plots_of(chapters: Sequence[Chapter]) -> list[tuple[Plot, SafeString]]:
    """Return the plots for which the chapters have figures, each with its SVG. One chapter is no plot."""
    if len(chapters) < 2:
        return []

    def series(title: str, figure: str, write: Callable[[float], str]) -> Series:
        values = [getattr(chapter, figure) for chapter in chapters]
        return Series(title=title, names=[isolated(str(chapter)) for chapter in chapters], values=values, write=write)

    units = " and ".join(sorted({f"{chapter.unit}s" for chapter in chapters}, reverse=True))
    lengths = series(f"Length of the chapters, in {units}", "words", lambda value: f"{value:,.0f} {units}")
    eases = series("Reading ease", "reading_ease", lambda value: f"{value:.0f}, {ease(value)}")
    shares = series("Share of dialogue", "dialogue_share", percent)
    found = [lengths.plot(Scale.rounded(0, max(lengths.known), steps=4, label="{:,.0f}".format))]
    if eases.known:
        found.append(eases.plot(Scale.around(eases.known, guides=EASE_WORDS), dotted=True))
    if shares.known:
        found.append(shares.plot(Scale.rounded(0, 1, steps=4, label=percent)))
    return [(plot, mark_safe(svg.fluid(plot))) for plot in found]  # noqa: S308 (escaped)


def isolated(name: str) -> str:
    """Return a name that turns no direction around it: one with letters from right to left between isolating marks."""
    is_turned = any(unicodedata.bidirectional(character) in ("R", "AL") for character in name)
    return f"\u2068{name}\u2069" if is_turned else name
