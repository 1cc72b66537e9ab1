"""What a net says of each pixel that it sees, laid back over the picture as it came in, as nodes of a graph.

The same arithmetic as `hubel.data.preprocessing.Preprocessing.laid_back`, in float64; sizes are those of the pictures.
Letters: N pictures, H W height and width, h w of what the net sees.
"""

from __future__ import annotations

import numpy as np

from hubel.data.preprocessing import Preprocessing
from hubel.deploy.onnx_graph import DOUBLE, WHOLE, Nodes

Axis = tuple[str, int, str, int]
"""Its size and what that is brought to; those of the other axis."""


def laid_back(nodes: Nodes, maps: str, pictures: str, sight: Preprocessing, *, nothing: int, output: str) -> None:
    """Nodes that take N h w uint8 to N H W of `pictures` N H W C; `nothing` where the net sees none of a picture."""
    n = nodes
    shape = n("Shape", pictures)
    high, wide = (n("Cast", n("Gather", shape, n.number(axis, np.int64)), to=DOUBLE) for axis in (1, 2))
    rows, there = _origin(n, (high, sight.height, wide, sight.width), sight)
    columns, here = _origin(n, (wide, sight.width, high, sight.height), sight)
    spread = n("Gather", n("Gather", maps, rows, axis=1), columns, axis=2)
    inside = n("And", n("Unsqueeze", there, n.number([1], np.int64)), n("Unsqueeze", here, n.number([0], np.int64)))
    n.last("Where", inside, spread, n.number(nothing, np.uint8), output=output)


def _origin(n: Nodes, axis: Axis, sight: Preprocessing) -> tuple[str, str]:
    """(which pixel that the net sees shows each of an axis, does one?)."""
    size, out, other, beside = axis
    low, high, inner, first = n.number(0), size, n.number(out), n.number(0)
    if sight.fit == "crop":
        least = n("Min", n("Div", size, n.number(out)), n("Div", other, n.number(beside)))
        long = n("Mul", n.number(out), n("Mul", n.number(sight.crop_share), least))
        low = n("Max", n.number(0), n("Div", n("Sub", size, long), n.number(2)))
        high = n("Min", size, n("Add", low, long))
    elif sight.fit == "pad":
        scale = n("Min", n("Div", n.number(out), size), n("Div", n.number(beside), other))
        inner = n("Max", n.number(1), n("Round", n("Mul", size, scale)))
        first = n("Floor", n("Div", n("Sub", n.number(out), inner), n.number(2)))
    whole = n("Range", n.number(0), size, n.number(1))
    step = n("Div", inner, n("Sub", high, low))
    place = n("Floor", n("Mul", n("Sub", n("Add", whole, n.number(0.5)), low), step))
    there = n("And", n("GreaterOrEqual", place, n.number(0)), n("Less", place, inner))
    last = n("Sub", inner, n.number(1))
    kept = n("Max", n.number(0), n("Min", place, last))
    return n("Cast", n("Add", first, kept), to=WHOLE), there
