"""How long things take: latency and throughput by batch size, and the probes before a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from hubel.figures.theme import CYCLE, MUTED, VERMILLION, Figure, canvas, finish, label, style

Band = tuple[Sequence[float], Sequence[float], Sequence[float]]
"""Low, middle and high values, one for each position."""


def by_batch(
    times: Mapping[str, Band],
    batches: Mapping[str, Sequence[int]],
    *,
    title: str,
    width: int = 640,
    height: int = 260,
) -> Figure:
    """Name -> low, median and high seconds a call, and the batch sizes they were measured at: latency and throughput.

    >>> band = ([0.009, 0.018], [0.01, 0.02], [0.012, 0.03])
    >>> by_batch({"eager": band}, {"eager": [1, 2]}, title="a net").alt
    'a net: eager 10 ms at batch 1, 100 images a second at batch 2.'
    """
    spoken = []
    with style():
        drawing = canvas(width, height)
        left, right = drawing.subplots(1, 2)
        for index, (name, band) in enumerate(times.items()):
            at = np.asarray(batches[name], dtype=np.float64)
            low, middle, high = (np.asarray(values, dtype=np.float64) for values in band)
            colour = CYCLE[index % len(CYCLE)]
            left.fill_between(at, 1e3 * low, 1e3 * high, color=colour, alpha=0.15, linewidth=0)
            left.plot(at, 1e3 * middle, color=colour, marker="o", markersize=3.5, label=label(name, 24))
            right.plot(at, at / middle, color=colour, marker="o", markersize=3.5, label=label(name, 24))
            spoken.append(
                f"{name} {1e3 * middle[0]:.3g} ms at batch {at[0]:g}, "
                f"{at[-1] / middle[-1]:.3g} images a second at batch {at[-1]:g}"
            )
        sizes = sorted({size for some in batches.values() for size in some})
        for axes in (left, right):
            _powers_of_two(axes, sizes)
        left.set_yscale("log")
        plain_numbers(left)
        left.set_title("milliseconds a call, 10th to 90th percentile")
        right.set_ylim(bottom=0)
        right.set_title("images a second")
        left.legend()
        return finish(drawing, caption=title, alt=f"{title}: {'; '.join(spoken)}.")


def rate_sweep(
    rates: Sequence[float],
    losses: Sequence[float],
    smoothed: Sequence[float],
    marks: Mapping[str, float],
    *,
    chosen: str = "",
    width: int = 420,
    height: int = 260,
) -> Figure:
    """The loss over a sweep of learning rates; `marks`: name -> rate to point out, `chosen` drawn strongest.

    >>> rate_sweep([1e-3, 1e-2, 1e-1], [2, 1, 5], [2, 1.5, 3], {"valley": 1e-2}, chosen="valley").kind
    'svg'
    """
    raw, calm = np.asarray(losses, dtype=np.float64), np.asarray(smoothed, dtype=np.float64)
    with style():
        drawing = canvas(width, height)
        axes = drawing.add_subplot()
        axes.plot(rates, raw, color=MUTED, linewidth=0.7, alpha=0.6, label="each step")
        axes.plot(rates, calm, label="smoothed")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        there = calm[np.isfinite(calm)]
        if len(there):  # the end of the sweep flies off; what matters lies below its beginning
            span = max(float(there[0] - there.min()), 1e-9)
            axes.set_ylim(there.min() - 0.15 * span, there[0] + 0.6 * span)
        for index, (name, rate) in enumerate(marks.items()):
            first = name == chosen
            axes.axvline(rate, color=VERMILLION if first else MUTED, linewidth=1.4 if first else 0.8, dashes=(3, 2))
            axes.annotate(
                f"{name} {rate:.2g}", (rate, 0.98 - 0.09 * index), xycoords=("data", "axes fraction"),
                xytext=(4, 0), textcoords="offset points", fontsize=8, va="top",
                color=VERMILLION if first else MUTED, fontweight="bold" if first else "normal",
            )  # fmt: skip
        axes.set_title("loss while the learning rate grows")
        axes.set_xlabel("learning rate")
        axes.legend(loc="lower left")
        said = ", ".join(f"{name} {rate:.2g}" for name, rate in marks.items()) or "no suggestion"
        return finish(
            drawing,
            caption="Learning-rate range test",
            alt=f"Loss over learning rates from {rates[0]:.1g} to {rates[-1]:.1g}: {said}.",
        )


def batch_sweep(
    sizes: Sequence[int],
    throughput: Sequence[float],
    megabytes: Sequence[float],
    *,
    chosen: int | None = None,
    width: int = 420,
    height: int = 260,
) -> Figure:
    """Images a second and megabytes of memory by batch size; NaN where memory is not known.

    >>> batch_sweep([16, 32], [900, 1000], [50, 60], chosen=32).alt
    'Throughput by batch size: 16: 900 images a second, 32: 1e+03 images a second; 32 is suggested.'
    """
    memory = np.asarray(megabytes, dtype=np.float64)
    with style():
        drawing = canvas(width, height)
        axes = drawing.add_subplot()
        axes.plot(sizes, throughput, marker="o", markersize=3.5, label="images a second")
        axes.set_ylim(bottom=0)
        _powers_of_two(axes, list(sizes))
        axes.set_title("throughput of a training step")
        handles, names = axes.get_legend_handles_labels()
        if np.isfinite(memory).any():
            other = axes.twinx()
            other.plot(sizes, memory, color=CYCLE[1], marker="s", markersize=3, linewidth=1, label="MB of memory")
            other.set_ylim(bottom=0)
            other.grid(visible=False)
            more, said = other.get_legend_handles_labels()
            handles, names = handles + more, names + said
        if chosen is not None:
            axes.axvline(chosen, color=MUTED, linewidth=0.8, dashes=(3, 3))
        axes.legend(handles, names, loc="lower right")
        spoken = ", ".join(f"{size}: {rate:.3g} images a second" for size, rate in zip(sizes, throughput, strict=True))
        ending = "" if chosen is None else f"; {chosen} is suggested"
        return finish(drawing, caption="Batch size", alt=f"Throughput by batch size: {spoken}{ending}.")


def _powers_of_two(axes: Axes, sizes: Sequence[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(sizes), [str(size) for size in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("batch size")
    axes.grid(visible=False, axis="x")


def plain_numbers(axes: Axes) -> None:
    """A logarithmic axis with 20 and 50 in place of powers of ten."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    low, high = axes.get_ylim()
    minor: NullFormatter | FuncFormatter = NullFormatter()
    if high < 100 * low:  # few powers of ten in between: name 2 and 5, too
        minor = FuncFormatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
    axes.yaxis.set_minor_formatter(minor)
