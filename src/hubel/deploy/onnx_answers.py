"""The graph of an exported net whose task answers otherwise than by probabilities: bytes in, its outputs out.

What stands before the net is as in `hubel.deploy.onnx_graph`; behind it stands its task's ending, exported with it, and
what lays maps of pixels back over the picture. Only operators of the standard's own domain are used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hubel.data.preprocessing import Preprocessing
from hubel.deploy.ended import NOTHING, sides_of
from hubel.deploy.onnx_back import laid_back
from hubel.deploy.onnx_graph import PICTURES, Given, Nodes, joined, placed, tidy
from hubel.tasks.ending import Output


def names_in_net(outputs: Sequence[Output]) -> list[str]:
    """What the outputs are called where they leave the net, before they are laid over a picture."""
    return [f"seen/{output.name}" if output.placed else output.name for output in outputs]


def assembled(
    net: bytes, preprocessing: Preprocessing, outputs: Sequence[Output], shapes: Mapping[str, tuple[int, ...]]
) -> Any:
    """An ONNX model (`onnx.ModelProto`) of `net`, the bytes of one that maps N C h w float32 to `outputs`, called by
    `names_in_net`; `shapes`: the sides of each after N.
    """
    import onnx

    model = onnx.load_from_string(net)
    tidy(model)
    before, behind = Nodes("place"), Nodes("answer")
    images = placed(before, PICTURES, preprocessing)
    before.last("Identity", images, output=model.graph.input[0].name)
    for output, said in zip(outputs, names_in_net(outputs), strict=True):
        if output.placed:
            laid_back(behind, said, PICTURES, preprocessing, nothing=NOTHING, output=output.name)
    kinds = onnx.TensorProto
    of = {"float32": kinds.FLOAT, "uint8": kinds.UINT8, "int64": kinds.INT64, "bool": kinds.BOOL}
    given: list[Given] = [
        (output.name, of[output.kind], ["N", *sides_of(output, shapes[output.name])]) for output in outputs
    ]
    return joined(model, before, behind, preprocessing, given)
