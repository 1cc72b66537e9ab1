"""Functions and the ways down them: a curve with its steps, contours with paths, a loss surface, bars of gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hubel.figures.theme import BLUE, CYCLE, INK, MUTED, VERMILLION, Figure, canvas, finish, style
from hubel.words import plural


def descent_on_curve(x: np.ndarray, y: np.ndarray, steps_x: np.ndarray, steps_y: np.ndarray, *, title: str) -> Figure:
    """A function of one variable with the steps of a descent on it.

    >>> x = np.linspace(-2, 2, 41)
    >>> descent_on_curve(x, x**2, np.array([2.0, 1, 0.5]), np.array([4.0, 1, 0.25]), title="w²").alt
    'w²: a descent of 2 steps from (2, 4) to (0.5, 0.25).'
    """
    with style():
        drawing = canvas(460, 300)
        axes = drawing.add_subplot()
        axes.plot(x, y, color=MUTED)
        axes.plot(steps_x, steps_y, color=VERMILLION, marker="o", markersize=4, linewidth=0.9)
        axes.annotate("start", (steps_x[0], steps_y[0]), xytext=(6, 4), textcoords="offset points", fontsize=8)
        axes.set_title(title)
        end = f"({steps_x[-1]:.3g}, {steps_y[-1]:.3g})"
        return finish(
            drawing,
            caption=title,
            alt=f"{title}: a descent of {plural(len(steps_x) - 1, 'step')} "
            f"from ({steps_x[0]:.3g}, {steps_y[0]:.3g}) to {end}.",
        )


def contours(
    x: np.ndarray,
    y: np.ndarray,
    values_YX: np.ndarray,
    paths: Mapping[str, np.ndarray],
    *,
    title: str,
    names: tuple[str, str] = ("x", "y"),
    marks: Sequence[tuple[float, float]] = (),
    log: bool = False,
) -> Figure:
    """Lines of equal height (dark is low) with a path for each name; `marks` are drawn as crosses.

    >>> x = np.linspace(-1, 1, 9)
    >>> contours(x, x, x[None] ** 2 + x[:, None] ** 2, {"sgd": np.array([[1.0, 1], [0, 0]])}, title="Bowl").kind
    'svg'
    """
    heights = np.log10(values_YX - np.nanmin(values_YX) + 1e-3 * np.nanstd(values_YX) + 1e-12) if log else values_YX
    with style():
        drawing = canvas(520, 400)
        axes = drawing.add_subplot()
        shown = np.ma.masked_invalid(heights)
        shade = axes.contourf(x, y, shown, levels=14, cmap="Greys_r", alpha=0.55)
        axes.contour(x, y, shown, levels=14, colors=MUTED, linewidths=0.4)
        for index, (name, points) in enumerate(paths.items()):
            colour = CYCLE[index % len(CYCLE)]
            axes.plot(points[:, 0], points[:, 1], color=colour, marker="o", markersize=2.2, linewidth=1.2, label=name)
        for a, b in marks:
            axes.plot(a, b, marker="x", color=INK, markersize=8, linestyle="none")
        axes.set_xlim(x[0], x[-1])
        axes.set_ylim(y[0], y[-1])
        axes.set_xlabel(names[0])
        axes.set_ylabel(names[1])
        axes.set_title(title)
        if len(paths) > 1:
            axes.legend(loc="upper right")
        bar = drawing.colorbar(shade, ax=axes, shrink=0.8)
        bar.ax.tick_params(labelsize=7)
        if log:
            bar.set_label("log10 of the height above the lowest point", fontsize=7)
        ends = "; ".join(f"{name} ends at ({p[-1, 0]:.3g}, {p[-1, 1]:.3g})" for name, p in paths.items())
        return finish(drawing, caption=title, alt=f"{title}: contours. {ends}".strip())


def layer_bars(
    names: Sequence[str], series: Mapping[str, Sequence[float]], *, title: str, shares: Sequence[str] = ()
) -> Figure:
    """One panel per series under each other, a bar per layer: how a quantity changes with depth.

    Values that span more than a factor of 50 get a logarithmic axis, except the `shares`, which lie in 0..1.

    >>> layer_bars(["a", "b"], {"gradient": [1e-6, 1e-2], "dead": [0.0, 0.5]}, title="Flow", shares=["dead"]).kind
    'svg'
    """
    at = np.arange(len(names))
    with style():
        drawing = canvas(max(380, min(1400, 80 + 20 * len(names))), 130 * len(series) + 60)
        grid = np.atleast_1d(drawing.subplots(len(series), 1, sharex=True))
        for axes, (what, values) in zip(grid, series.items(), strict=True):
            numbers = np.asarray(values, dtype=np.float64)
            axes.bar(at, np.where(np.isfinite(numbers), numbers, 0), color=BLUE, width=0.8)
            positive = numbers[numbers > 0]
            if what in shares:
                axes.set_ylim(0, 1)
            elif len(positive) and positive.max() > 50 * positive.min():
                axes.set_yscale("log")
                axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0e}")
                axes.set_ylim(positive.min() / 3, positive.max() * 3)
            axes.set_title(what)
            axes.grid(visible=False, axis="x")
        every = max(1, len(names) // 60)
        grid[-1].set_xticks(at[::every], list(names)[::every], rotation=90, fontsize=7)
        return finish(drawing, caption=title, alt=f"{title}: {', '.join(series)} for {plural(len(names), 'layer')}.")


def heat(values_HW: np.ndarray, *, title: str, image: np.ndarray | None = None) -> Figure:
    """A map of weights in 0..1 over an image (H W 3 in 0..1), brightest where most.

    >>> heat(np.eye(4), title="Field").kind
    'svg'
    """
    with style():
        drawing = canvas(340, 340)
        axes = drawing.add_subplot()
        if image is not None:
            axes.imshow(image, interpolation="nearest")
        axes.imshow(values_HW, cmap="inferno", alpha=0.65 if image is not None else 1.0)
        axes.set_title(title)
        axes.grid(visible=False)
        return finish(
            drawing, caption=title, alt=f"{title}: a map of {values_HW.shape[0]}x{values_HW.shape[1]} pixels."
        )
