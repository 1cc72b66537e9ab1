"""From a net to a program: every operation of one pass is written down and brought to the few that `program` has.

Nothing is read from names of layers: PyTorch tells which of its operations a pass takes (`make_fx`), for a batch of one
picture, so all sizes are known. What does not depend on the picture is worked out now. A batch norm that alone takes
what a convolution puts out becomes part of it (in float64; Jacob et al. 2018, arXiv 1712.05877, section 3.2), and a
ReLU or ReLU6 the limit of what comes before it.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx, nn
from torch.func import functionalize
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.attention import SDPBackend, sdpa_kernel

from hubel.deploy.page.computing import COMPUTING
from hubel.deploy.page.moving import MOVING
from hubel.deploy.page.program import Program
from hubel.deploy.page.writing import OTHER_FORM, Ref, Value, Writer, plain_name
from hubel.errors import ArtefactError
from hubel.nn.fuse import hooked
from hubel.nn.modes import evaluating

_HANDLERS = MOVING | COMPUTING


def lowered(model: nn.Module, image: torch.Tensor) -> Program:
    """The program of a net (on the CPU, float32) for pictures like `image`, 1 C H W.

    Raises ArtefactError for a net with an operation that a page has not, by its name, and one with hooks.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 4)).eval()
    >>> [operation["op"] for operation in lowered(net, torch.rand(1, 3, 8, 8)).operations]
    ['conv', 'dense']
    """
    if hooked(model):
        raise ArtefactError("hooks listen to this net, which a page would leave out", hint="export the run as saved")
    with evaluating(model), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        try:
            traced = make_fx(functionalize(model))(image)
        except Exception as error:
            why = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise ArtefactError(f"this net cannot be written down as operations: {why}", hint=OTHER_FORM) from None
        traced.graph.eliminate_dead_code()
        return _Walk(traced, image).program()


class _Walk:
    """One walk over the operations of a pass."""

    def __init__(self, traced: fx.GraphModule, image: torch.Tensor) -> None:
        self.traced = traced
        self.image = image
        self.writer = Writer()
        self.values: dict[fx.Node, Value] = {}

    def program(self) -> Program:
        start = self.writer.new(self.image.shape)
        answer: Value = None
        for node in self.traced.graph.nodes:
            self.writer.node = node
            if node.op == "placeholder":
                self.values[node] = start
            elif node.op == "get_attr":
                value = self.traced
                for part in str(node.target).split("."):
                    value = getattr(value, part)
                self.values[node] = value
            elif node.op == "output":
                answer = fx.map_arg(node.args[0], self.values.__getitem__)
            else:
                self.values[node] = self.call(node)
        answer = answer[0] if isinstance(answer, (tuple, list)) else answer
        if not isinstance(answer, Ref):
            raise ArtefactError("this net's answer does not depend on the picture", hint=OTHER_FORM)
        return self.writer.pruned(start.array, answer.array)

    def call(self, node: fx.Node) -> Value:
        args: Any = fx.map_arg(node.args, self.values.__getitem__)
        kwargs: Any = fx.map_arg(node.kwargs, self.values.__getitem__)
        if node.target is operator.getitem:
            value: Value = args[0]
            return value[args[1]]
        if not _depends((args, kwargs)):
            assert callable(node.target)
            return node.target(*args, **kwargs)
        name = str(getattr(node.target, "_schema", node.target)).partition("(")[0].removeprefix("aten::")
        plain = plain_name(node)
        changes = plain.endswith("_")
        handler = _HANDLERS.get(name) or _HANDLERS.get(plain.rstrip("_"))
        if handler is None:
            raise ArtefactError(f"this net has the operation {plain!r}, which a page does not have", hint=OTHER_FORM)
        result = handler(self.writer, *args, **kwargs)
        if changes:
            first = node.args[0]
            assert isinstance(first, fx.Node)
            self.values[first] = result
        return result


def _depends(value: Any) -> bool:
    """Is there an array of the program in it?"""
    if isinstance(value, Ref):
        return True
    if isinstance(value, dict):
        return any(map(_depends, value.values()))
    return isinstance(value, (tuple, list)) and any(map(_depends, value))
