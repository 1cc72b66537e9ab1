"""What the book's experiments measured, drawn."""

from __future__ import annotations

from collections.abc import Sequence

from hubel.book.chapters import Event
from hubel.book.plots import Bars, Cut, Lines, Pictures, Plot
from hubel.book.reading import ChapterRead
from hubel.figures.bars import bars, estimates
from hubel.figures.curves import curves
from hubel.figures.plane import plane
from hubel.figures.theme import CYCLE, GRID, INK, Figure, canvas, finish, style
from hubel.figures.tiles import tiles


def draw_plot(plot: Plot) -> Figure | None:
    """The drawing of an experiment; None for a table, which the page sets itself."""
    if isinstance(plot, Lines):
        return curves(
            plot.series, x=plot.x, title=plot.title, x_label=plot.x_label, share=plot.share, steep=plot.steep, width=440
        )
    if isinstance(plot, Bars):
        names, values = list(plot.values), list(plot.values.values())
        if plot.intervals is None:
            return bars(values, names, title=plot.title, share=plot.share)
        return estimates(names, values, [plot.intervals[name] for name in names], title=plot.title, share=plot.share)
    if isinstance(plot, Pictures):
        return tiles(
            list(plot.pictures.values()), labels=list(plot.pictures), side=plot.side, columns=plot.columns,
            alt=f"{plot.title}: {', '.join(plot.pictures)}.", caption=plot.title,
        )  # fmt: skip
    if isinstance(plot, Cut):
        names = ["first class", "second class"]
        return plane(plot.across, plot.up, plot.shares, plot.points, plot.labels, names, title=plot.title)
    return None


SHADES = (("confirmed", CYCLE[0]), ("refuted", CYCLE[1]), ("undecided", GRID))
NAMES = {"confirmed": "as told", "refuted": "differently", "undecided": "undecided"}


def draw_tally(chapters: Sequence[ChapterRead]) -> Figure:
    """A bar a chapter: how many of its claims came out as told, differently, or undecided; empty: not measured."""
    with style():
        drawing = canvas(620, 60 + 22 * len(chapters))
        axes = drawing.add_subplot()
        at = list(range(len(chapters)))
        most = [len(chapter.claims) for chapter in chapters]
        axes.barh(at, most, color="none", edgecolor=GRID, height=0.62)
        left = [0.0] * len(chapters)
        for verdict, colour in SHADES:
            wide = [float(chapter.count(verdict)) for chapter in chapters]
            axes.barh(at, wide, left=left, color=colour, height=0.62, label=NAMES[verdict])
            left = [a + b for a, b in zip(left, wide, strict=True)]
        titles = [f"{chapter.chapter.number}. {chapter.chapter.title}" for chapter in chapters]
        axes.set_yticks(at, titles, color=INK)
        axes.set_ylim(len(chapters) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.spines[:].set_visible(False)
        axes.set_title("Claims of the lectures, by chapter")
        axes.legend(loc="lower right")
        spoken = "; ".join(
            f"{title}: {', '.join(f'{chapter.count(verdict)} {NAMES[verdict]}' for verdict, _ in SHADES)}"
            for title, chapter in zip(titles, chapters, strict=True)
        )
        alt = f"Claims of the lectures, by chapter. {spoken}."
        return finish(drawing, caption="Claims of the lectures, by chapter", alt=alt)


LANES = ("model", "winner", "idea", "data", "challenge")


def draw_timeline(events: Sequence[Event]) -> Figure:
    """A dot an event, a lane a kind; years before 2009 are drawn closer."""
    with style():
        drawing = canvas(760, 300)
        axes = drawing.add_subplot()
        at = {year: _along(year) for year in {event.year for event in events}}
        stacked: dict[tuple[str, int], int] = {}
        for event in events:
            lane = LANES.index(event.kind)
            level = stacked[event.kind, event.year] = stacked.get((event.kind, event.year), -1) + 1
            axes.scatter(at[event.year], lane + 0.22 * level, color=CYCLE[lane], s=30, zorder=3)
        for year in sorted(at):
            axes.axvline(at[year], color=GRID, linewidth=0.6, zorder=0)
        axes.set_xticks([at[year] for year in sorted(at)], [str(year) for year in sorted(at)], rotation=60)
        axes.set_yticks(range(len(LANES)), LANES, color=INK)
        axes.set_ylim(len(LANES) - 0.3, -0.5)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.set_title("What came when")
        spoken = "; ".join(f"{event.year} {event.title}" for event in events)
        return finish(drawing, caption="What came when", alt=f"What came when: {spoken}.")


def _along(year: int) -> float:
    """A place on the axis: a year is 1 from 2009 on, and a sixth before."""
    return float(year - 2009) if year >= 2009 else (year - 2009) / 6
