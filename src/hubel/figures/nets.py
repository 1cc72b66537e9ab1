"""Nets by their numbers: several nets as bubbles in a plane, and the cost of one net layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import EngFormatter, NullFormatter

from hubel.figures.theme import BLUE, CYCLE, MUTED, Figure, canvas, finish, style


def compared(
    names: Sequence[str], macs: Sequence[float], params: Sequence[float], memory: Sequence[float], *, cost: str = "MACs"
) -> Figure:
    """One bubble a net: cost against parameters on logarithmic axes, area by the bytes of its activations.

    >>> compared(["a", "b"], [1e6, 1e9], [1e5, 1e7], [1e5, 1e7]).alt
    'Nets by MACs and parameters. a: 1e+06 MACs, 1e+05 parameters; b: 1e+09 MACs, 1e+07 parameters.'
    """
    area = np.asarray(memory, dtype=np.float64)
    area = 60 + 900 * area / max(1.0, area.max())
    with style():
        drawing = canvas(520, 360)
        axes = drawing.add_subplot()
        colours = [CYCLE[i % len(CYCLE)] for i in range(len(names))]
        axes.scatter(macs, params, s=area, c=colours, alpha=0.55, linewidths=0)
        for name, x, y, size in zip(names, macs, params, area, strict=True):
            shift = (0, float(np.sqrt(size)) / 2 + 3)
            axes.annotate(name, (x, y), xytext=shift, textcoords="offset points", ha="center", fontsize=8)
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(EngFormatter(sep=""))
            axis.set_minor_formatter(NullFormatter())
        axes.margins(0.18)
        axes.set_xlabel(f"{cost} of one image")
        axes.set_ylabel("parameters")
        spoken = "; ".join(
            f"{n}: {x:.3g} {cost}, {y:.3g} parameters" for n, x, y in zip(names, macs, params, strict=True)
        )
        return finish(
            drawing,
            caption=f"{cost} against parameters; the area of a bubble is the memory of all activations.",
            alt=f"Nets by {cost} and parameters. {spoken}.",
        )


def profile(
    layers: Sequence[str],
    memory: Sequence[float],
    params: Sequence[float],
    macs: Sequence[float],
    *,
    cost: str = "MACs",
) -> Figure:
    """Three rows of bars under each other, one bar a layer: where memory, parameters and arithmetic go.

    >>> profile(["conv1", "fc"], [4e5, 4e3], [300, 5e5], [1e6, 5e5]).kind
    'svg'
    """
    x = np.arange(len(layers))
    with style():
        drawing = canvas(max(360, min(1400, 60 + 22 * len(layers))), 420)
        panels = drawing.subplots(3, 1, sharex=True)
        for axes, values, title in zip(
            panels, (memory, params, macs), ("output, KiB", "parameters", cost), strict=True
        ):
            axes.bar(x, values, color=BLUE, width=0.8)
            axes.set_title(title)
            axes.grid(visible=False, axis="x")
            axes.tick_params(axis="x", length=0)
        every = max(1, len(layers) // 60)
        panels[-1].set_xticks(
            x[::every], [str(layer) for layer in layers][::every], rotation=90, fontsize=7, color=MUTED
        )
        heavy = [layers[int(np.argmax(values))] for values in (memory, params, macs)]
        return finish(
            drawing,
            caption="Where the memory, the parameters and the arithmetic go, layer by layer.",
            alt=f"Bars per layer; largest output: {heavy[0]}, most parameters: {heavy[1]}, most {cost}: {heavy[2]}.",
        )
