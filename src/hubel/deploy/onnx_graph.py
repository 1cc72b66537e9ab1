"""The graph of an exported net: bytes of pictures of any size in, probabilities out.

What stands before the net is written here, node by node: Pillow's way to bring a picture to size, in whole numbers as
Pillow computes it, so that the net sees the very bytes that it sees in hubel. A pass over one axis is a product with a
matrix that follows from the sizes alone: row i holds the filter around the place that pixel i comes from, as wide as
the picture is shrunk, in steps of 2**-22 (Pillow's `precompute_coeffs`). All of it is computed in float64, where sums
of bytes times such steps are exact.

Only operators of the standard's own domain are used. Letters: N pictures, H W height and width, C channels, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from hubel.data.preprocessing import Preprocessing
from hubel.metrics.calibrators import Calibrator
from hubel.nn.calibrated import pieces

PICTURES, PROBABILITIES = "pictures", "probabilities"
"""What goes in, N H W C uint8 with H W C the same for all of a batch, and what comes out, N K float32."""
STEPS = float(1 << 22)
"""Pillow's weights are whole numbers of this part."""
REACH = {"nearest": 0.0, "bilinear": 1.0, "bicubic": 2.0, "lanczos": 3.0}
"""How far each filter reaches, in pixels of the smaller picture."""
FLOAT, WHOLE, DOUBLE = 1, 7, 11
"""Kinds of numbers as the standard counts them: float32, int64, float64."""
GREY = 128.0
"""What a picture is padded with, as `Preprocessing` does."""


@lru_cache(maxsize=1)
def down_first() -> bool:
    """Does the Pillow of this machine shrink tall pictures down first and then across? Its releases differ in it.

    Between the two passes bytes are rounded, so the order can be seen: a column that overshoots is cut off or not.
    """
    pixels = np.random.default_rng(0).integers(0, 256, (60, 6), dtype=np.uint8)
    whole = Image.fromarray(pixels).resize((5, 6), Image.Resampling.LANCZOS)
    down = Image.fromarray(pixels).resize((6, 6), Image.Resampling.LANCZOS).resize((5, 6), Image.Resampling.LANCZOS)
    return whole.tobytes() == down.tobytes()


def assembled(
    net: bytes,
    preprocessing: Preprocessing,
    *,
    classes: int,
    calibrator: Calibrator,
    several: bool = False,
    tells: Tells | None = None,
) -> Any:
    """An ONNX model (`onnx.ModelProto`) of `net`, the bytes of one that maps N C H W float32 to logits N K.

    Before it stands what `preprocessing` says, behind it `calibrator` and the softmax, or, where `several` labels may
    hold of a picture, the sigmoid of each. With `tells` there is a second output; the net may then give its features
    behind its logits, N (K + F).
    """
    import onnx

    model = onnx.load_from_string(net)
    graph = model.graph
    tidy(model)
    before = Nodes("place")
    images = placed(before, PICTURES, preprocessing)
    before.last("Identity", images, output=graph.input[0].name)
    behind = Nodes("answer")
    said, width = graph.output[0].name, graph.output[0].type.tensor_type.shape.dim[1].dim_value
    logits, features = said, None
    if width > classes:
        logits, features = (_columns(behind, said, *ends) for ends in ((0, classes), (classes, width)))
    honest = _honest(behind, logits, calibrator)
    if several:
        behind.last("Sigmoid", honest, output=PROBABILITIES)
    else:
        behind.last("Softmax", honest, output=PROBABILITIES, axis=1)
    second = None if tells is None else tells(behind, logits, features)
    outputs: list[Given] = [(PROBABILITIES, onnx.TensorProto.FLOAT, ["N", classes])]
    if second is not None:
        outputs.append((second, onnx.TensorProto.FLOAT, ["N"]))
    return joined(model, before, behind, preprocessing, outputs)


Given = tuple[str, int, list[str | int]]
"""(name, kind, sides) of an output; letters where any length will do."""


def joined(model: Any, before: Nodes, behind: Nodes, preprocessing: Preprocessing, outputs: Sequence[Given]) -> Any:
    """The model of a net with nodes `before` and `behind` it: pictures as bytes of any size in, `outputs` out."""
    import onnx

    graph = model.graph
    nodes = [*before.nodes, *graph.node, *behind.nodes]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*before.initializers, *behind.initializers])
    size: list[str | int | None] = ["N", "H", "W", preprocessing.channels]
    graph.input.append(onnx.helper.make_tensor_value_info(PICTURES, onnx.TensorProto.UINT8, size))
    graph.output.extend(onnx.helper.make_tensor_value_info(name, kind, sides) for name, kind, sides in outputs)
    graph.name = "hubel"
    return model


def _honest(n: Nodes, logits: str, how: Calibrator) -> str:
    """Nodes that do to logits N K what `Calibrator` does, in float32."""

    def number(value: Any) -> str:
        return n.number(value, np.float32)

    if len(how.scales):
        return n("Add", n("Mul", logits, number(how.scales)), number(how.shifts))
    scaled = n("Div", logits, number(how.temperature))
    if not how.knots.shape[1]:
        return scaled
    first, starts, widths, slopes = pieces(how.knots)
    last = n.number([2], np.int64)
    shares = n("Unsqueeze", n("Softmax", scaled, axis=1), last)
    inside = n("Min", n("Max", n("Sub", shares, number(starts)), number(0)), number(widths))
    rising = n("Squeeze", n("MatMul", inside, number(slopes[:, None])), last)
    return n("Log", n("Add", rising, number(first)))


def fitting(net: bytes, preprocessing: Preprocessing, *, takes: str, facts: Mapping[str, str]) -> bytes:
    """An ONNX file that takes pictures N C H W uint8 of any size, called `takes`, before the net of another one whose
    only input are pictures of the size that `preprocessing` says. What comes out is the same; `facts` are its metadata.
    """
    import onnx

    model = onnx.load_from_string(net)
    graph = model.graph
    before = Nodes("place")
    floats = fitted(before, before("Transpose", takes, perm=[0, 2, 3, 1]), preprocessing)
    before.last("Cast", floats, output=graph.input[0].name, to=onnx.TensorProto.UINT8)
    nodes = [*before.nodes, *graph.node]
    del graph.node[:], graph.input[:]
    graph.node.extend(nodes)
    graph.initializer.extend(before.initializers)
    size: list[str | int | None] = ["N", preprocessing.channels, "H", "W"]
    graph.input.append(onnx.helper.make_tensor_value_info(takes, onnx.TensorProto.UINT8, size))
    return stated(model, facts)


def tidy(model: Any) -> None:
    """Take out what the exporter notes of the source: names and lines of files that are nobody's business."""
    del model.metadata_props[:], model.graph.metadata_props[:]
    model.doc_string = model.graph.doc_string = ""
    for part in (*model.graph.node, *model.graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


class Nodes:
    """A graph as it grows: call it with an operator and the names of its inputs; it gives the name of the output."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._numbers: dict[tuple[object, ...], str] = {}

    def __call__(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """Add a node; the first of its outputs counts."""
        output = f"{self.prefix}/{len(self.nodes)}.{operator}"
        return self.last(operator, *inputs, output=output, outputs=outputs, **attributes)

    def last(self, operator: str, *inputs: str, output: str, outputs: int = 1, **attributes: Any) -> str:
        """Add a node whose output has a name of its own."""
        import onnx

        name = f"{self.prefix}/{len(self.nodes)}"
        names = [output, *(f"{output}.{number}" for number in range(1, outputs))]
        self.nodes.append(onnx.helper.make_node(operator, inputs, names, name=name, **attributes))
        return output

    def number(self, value: Any, kind: Any = np.float64) -> str:
        """A constant: a number or an array."""
        import onnx

        array = np.asarray(value, kind)
        key = (array.tobytes(), array.dtype.str, array.shape)
        if key not in self._numbers:
            self._numbers[key] = f"{self.prefix}/constant.{len(self._numbers)}"
            self.initializers.append(onnx.numpy_helper.from_array(array, self._numbers[key]))
        return self._numbers[key]


Tells = Callable[[Nodes, str, str | None], str]
"""Nodes that tell of logits N K, and features N F if the net gives them, what comes out second, N float32."""


def _columns(nodes: Nodes, rows: str, begin: int, end: int) -> str:
    """Some columns of N x many."""
    return nodes("Slice", rows, *(nodes.number([place], np.int64) for place in (begin, end, 1)))


def placed(nodes: Nodes, pictures: str, preprocessing: Preprocessing) -> str:
    """Nodes that bring pictures N H W C uint8 to N C h w float32, as `Preprocessing.fitted` and `.normalise` do."""
    floats = fitted(nodes, pictures, preprocessing)
    scales, shifts = preprocessing._scale_and_shift(bytes_=True)
    scaled = nodes("Mul", floats, nodes.number(scales, np.float32))
    return nodes("Add", scaled, nodes.number(shifts, np.float32))


def fitted(nodes: Nodes, pictures: str, preprocessing: Preprocessing) -> str:
    """Nodes that bring pictures N H W C uint8 to the bytes N C h w, as float32, that `Preprocessing.fitted` gives."""
    p, n = preprocessing, nodes
    shape = n("Shape", pictures)
    high, wide = (n("Gather", shape, n.number(axis, np.int64)) for axis in (1, 2))
    h, w = n("Cast", high, to=DOUBLE), n("Cast", wide, to=DOUBLE)
    inner_h, inner_w = n.number(p.height), n.number(p.width)
    top, left, bottom, right, down, across = n.number(0), n.number(0), h, w, n.number(0), n.number(0)
    if p.fit == "crop":
        least = n("Min", n("Div", w, inner_w), n("Div", h, inner_h))
        scale = n("Mul", n.number(p.crop_share), least)
        (left, right), (top, bottom) = (
            _middle(n, size, n.number(out), scale) for size, out in ((w, p.width), (h, p.height))
        )
    elif p.fit == "pad":
        scale = n("Min", n("Div", inner_w, w), n("Div", inner_h, h))
        inner_h, inner_w = (n("Max", n.number(1), n("Round", n("Mul", size, scale))) for size in (h, w))
        down, across = (
            n("Floor", n("Div", n("Sub", n.number(out), inner), n.number(2)))
            for out, inner in ((p.height, inner_h), (p.width, inner_w))
        )
    over_x, seen_x = matrix(n, wide, left, right, inner_w, across, p.width, p.interpolation)
    over_y, seen_y = matrix(n, high, top, bottom, inner_h, down, p.height, p.interpolation)
    over_x = n("Transpose", over_x, perm=[1, 0])
    pixels = n("Cast", n("Transpose", pictures, perm=[0, 3, 1, 2]), to=DOUBLE)
    less_y, less_x = n("Sub", h, inner_h), n("Sub", w, inner_w)
    tall = n("And", n("Greater", less_y, n.number(0)), n("Greater", less_y, n("Mul", n.number(2), less_x)))
    if down_first():
        pixels = _either(n, tall, pixels, over_x, over_y)
    else:
        pixels = _bytes(n, n("MatMul", over_y, _bytes(n, n("MatMul", pixels, over_x))))
    seen = n("And", n("Unsqueeze", seen_y, n.number([1], np.int64)), n("Unsqueeze", seen_x, n.number([0], np.int64)))
    return n("Cast", n("Where", seen, pixels, n.number(GREY)), to=FLOAT)


def matrix(
    nodes: Nodes, size: str, low: str, high: str, inner: str, offset: str, out: int, how: str
) -> tuple[str, str]:
    """(weights `out` x `size`, which of the `out` pixels are of the picture) of one axis.

    Pixels `low` to `high` of `size` become `inner` pixels, of which the first is pixel `offset` of `out`.
    """
    n = nodes
    # Pillow hands the border over in single precision.
    low, high = n("Cast", low, to=FLOAT), n("Cast", high, to=FLOAT)
    scale = n("Div", n("Cast", n("Sub", high, low), to=DOUBLE), inner)
    low = n("Cast", low, to=DOUBLE)
    place = n("Sub", n.number(np.arange(out)), offset)
    seen = n("And", n("GreaterOrEqual", place, n.number(0)), n("Less", place, inner))
    whole = n("Range", n.number(0, np.int64), size, n.number(1, np.int64))
    pixel = n("Unsqueeze", n("Cast", whole, to=DOUBLE), n.number([0], np.int64))
    if how == "nearest":
        steps = n("Expand", scale, n.number([out], np.int64))
        first = n("Add", low, n("Mul", scale, n.number(0.5)))
        # Pillow adds step by step, and so do we: a product would now and then fall into another pixel.
        steps = n("Concat", n("Unsqueeze", first, n.number([0], np.int64)), steps, axis=0)
        along = n("CumSum", steps, n.number(0, np.int64))
        row = n("Cast", n("Max", place, n.number(0)), to=WHOLE)
        column = n("Unsqueeze", n("Floor", n("Gather", along, row)), n.number([1], np.int64))
        weights = n("Mul", n("Cast", n("Equal", column, pixel), to=DOUBLE), n.number(STEPS))
    else:
        wider = n("Max", scale, n.number(1))
        centre = n("Add", low, n("Mul", n("Add", place, n.number(0.5)), scale))
        reach = n("Mul", n.number(REACH[how]), wider)
        centre, place = (n("Unsqueeze", each, n.number([1], np.int64)) for each in (centre, place))
        first = n("Max", n.number(0), n("Floor", n("Add", n("Sub", centre, reach), n.number(0.5))))
        last = n("Floor", n("Add", n("Add", centre, reach), n.number(0.5)))
        inside = n("And", n("GreaterOrEqual", pixel, first), n("Less", pixel, last))
        away = n("Mul", n("Add", n("Sub", pixel, centre), n.number(0.5)), n("Div", n.number(1), wider))
        weights = n("Where", inside, _FILTERS[how](n, away), n.number(0))
        total = n("ReduceSum", weights, n.number([1], np.int64), keepdims=1)
        total = n("Where", n("Equal", total, n.number(0)), n.number(1), total)
        steps = n("Mul", n("Div", weights, total), n.number(STEPS))
        up, below = (n("Floor", n("Add", steps, n.number(0.5))), n("Ceil", n("Sub", steps, n.number(0.5))))
        weights = n("Where", n("Less", steps, n.number(0)), below, up)
    rows = n("Unsqueeze", seen, n.number([1], np.int64))
    return n("Where", rows, weights, n.number(0)), seen


def _middle(n: Nodes, size: str, out: str, scale: str) -> tuple[str, str]:
    """The middle part of an axis: its first and its last border."""
    long = n("Mul", out, scale)
    low = n("Max", n.number(0), n("Div", n("Sub", size, long), n.number(2)))
    return low, n("Min", size, n("Add", low, long))


def _bytes(n: Nodes, sums: str) -> str:
    """Sums of bytes times steps, rounded to bytes: floor((x + half a step) / a step), cut off at 0 and 255."""
    rounded = n("Floor", n("Div", n("Add", sums, n.number(STEPS / 2)), n.number(STEPS)))
    return n("Clip", rounded, n.number(0), n.number(255))


def _either(n: Nodes, tall: str, pixels: str, over_x: str, over_y: str) -> str:
    """Both passes: down first where a picture is `tall`, else across first."""
    import onnx

    branches = {}
    for branch in ("then_branch", "else_branch"):
        inner = Nodes(f"{n.prefix}/{branch}")
        inner.number = n.number  # type: ignore[method-assign]  # constants stand in the graph around it
        if branch == "then_branch":
            found = _bytes(inner, inner("MatMul", _bytes(inner, inner("MatMul", over_y, pixels)), over_x))
        else:
            found = _bytes(inner, inner("MatMul", over_y, _bytes(inner, inner("MatMul", pixels, over_x))))
        result = onnx.helper.make_tensor_value_info(found, onnx.TensorProto.DOUBLE, [None] * 4)
        branches[branch] = onnx.helper.make_graph(inner.nodes, branch, [], [result])
    return n("If", tall, **branches)


def _bilinear(n: Nodes, x: str) -> str:
    return n("Max", n.number(0), n("Sub", n.number(1), n("Abs", x)))


def _bicubic(n: Nodes, x: str) -> str:
    """Keys' cubic with a = -0.5: ((a + 2) x - (a + 3)) x² + 1 below 1, (((x - 5) x + 8) x - 4) a below 2."""
    x = n("Abs", x)
    near = n("Sub", n("Mul", n.number(1.5), x), n.number(2.5))
    near = n("Add", n("Mul", n("Mul", near, x), x), n.number(1))
    far = n("Add", n("Mul", n("Sub", x, n.number(5)), x), n.number(8))
    far = n("Mul", n("Sub", n("Mul", far, x), n.number(4)), n.number(-0.5))
    far = n("Where", n("Less", x, n.number(2)), far, n.number(0))
    return n("Where", n("Less", x, n.number(1)), near, far)


def _lanczos(n: Nodes, x: str) -> str:
    """sinc(x) sinc(x / 3) from -3 to 3."""
    inside = n("And", n("GreaterOrEqual", x, n.number(-3)), n("Less", x, n.number(3)))
    return n("Where", inside, n("Mul", _sinc(n, x), _sinc(n, n("Div", x, n.number(3)))), n.number(0))


def _sinc(n: Nodes, x: str) -> str:
    zero = n("Equal", x, n.number(0))
    angle = n("Where", zero, n.number(1), n("Mul", x, n.number(np.pi)))
    return n("Where", zero, n.number(1), n("Div", n("Sin", angle), angle))


_FILTERS = {"bilinear": _bilinear, "bicubic": _bicubic, "lanczos": _lanczos}


def stated(model: Any, facts: Mapping[str, str]) -> bytes:
    """The bytes of a model that carries `facts` in its metadata."""
    import onnx

    del model.metadata_props[:]
    onnx.helper.set_model_props(model, dict(facts))
    data: bytes = model.SerializeToString()
    return data
