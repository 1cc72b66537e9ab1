"""Many passes over one net, fast: folded normalisation, channels-last memory, and windows instead of whole images.

An explanation by perturbation asks the same net thousands of times. `Fast` reads the net's graph once (torch.fx), folds
each batch normalisation into the convolution before it, and keeps copies of the kernels in channels-last order; the net
itself is not touched. It then answers in two ways:

    fast(images)                       logits B K, as the net gives them
    fast.around(image)                 remembers every activation of one image, and
        .windows(w, tops, lefts)       answers for copies of it that differ inside a window, computing at each layer
                                       only the rectangle that the change can reach

The second is exact up to rounding: what a change can reach is worked out in `hubel.explainers.fast.windows`. Operations
that mix all places (dense layers, attention) get whole maps, put together from the remembered ones and the windows.
Wide 3 x 3 convolutions on a CPU take several rows at a time (`hubel.explainers.fast.winograd`). Who can do with less
may ask for convolutions in bfloat16, or for the first order: exact as far as windows stay small, a straight line from
there on.

Layers that torch.fx cannot look into are run as they are, and where one of them mixes places, its maps are whole from
there on. A net that it cannot read at all (its forward branches on values) is run as it is: `Fast.reason` says why.

Letters: N windows, C channels, H W height and width of a whole map, h w of a window.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import fx, nn
from torch.fx.node import map_aggregate
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from hubel.explainers.fast import winograd
from hubel.explainers.fast.windows import Ground, Region, Slide, hull, mean_by_difference, slid
from hubel.nn.layers import BlurPool2d
from hubel.nn.modes import evaluating
from hubel.nn.padding import EvenPad
from hubel.runtime import in_parts

_POINTWISE_MODULES: tuple[type[nn.Module], ...] = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Sigmoid, nn.Tanh,
    nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Softplus, nn.LogSigmoid, nn.Softsign, nn.Identity, nn.Dropout,
    nn.Dropout2d, nn.AlphaDropout,
)  # fmt: skip
_POINTWISE_FUNCTIONS: frozenset[Callable[..., Any]] = frozenset({
    F.relu, F.relu6, F.leaky_relu, F.elu, F.celu, F.selu, F.gelu, F.silu, F.mish, F.sigmoid, F.tanh, F.hardswish,
    F.hardsigmoid, F.hardtanh, F.softplus, F.dropout, F.dropout2d, torch.relu, torch.sigmoid, torch.tanh, torch.clamp,
    torch.add, torch.sub, torch.mul, torch.div, torch.abs, torch.square, torch.exp, torch.neg, operator.add,
    operator.sub, operator.mul, operator.truediv, operator.neg, operator.iadd, operator.imul, operator.isub,
})  # fmt: skip
_POINTWISE_METHODS = frozenset({
    "relu", "relu_", "sigmoid", "sigmoid_", "tanh", "tanh_", "clamp", "clamp_", "add", "add_", "sub", "sub_", "mul",
    "mul_", "div", "div_", "abs", "square", "exp", "neg",
})  # fmt: skip
_IN_PLACE_FUNCTIONS = frozenset({operator.iadd, operator.imul, operator.isub})
_GLOBAL = ({2, 3}, {-2, -1})

SMALL = 12
"""A window is small as long as it covers at most one part in so many of the map."""


class Fast:
    """A net prepared for many passes. Reads the model, never changes it; keeps no graph of gradients.

    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))
    >>> images = torch.rand(2, 1, 8, 8)
    >>> torch.allclose(Fast(net)(images), net.eval()(images), atol=1e-6)
    True
    """

    def __init__(self, model: nn.Module, *, arithmetic: torch.dtype | None = None) -> None:
        self.model = model
        self.arithmetic = arithmetic
        """What single-precision convolutions compute in, and the maps between them; None: as they are."""
        self.reason = ""
        self.slides: dict[fx.Node, Slide] = {}
        self.graph: fx.Graph | None = None
        self.modules = dict(model.named_modules())
        self.skipped: set[fx.Node] = set()
        self.in_place: set[fx.Node] = set()
        self.constants: dict[str, Any] = {}
        own = set(vars(model))
        with evaluating(model), torch.no_grad():
            try:
                self.graph = _read(model)
            except Exception as error:
                # Whatever the forward does that a symbolic run cannot follow, the net still runs as it is.
                self.reason = f"the net cannot be read as a graph ({type(error).__name__}: {str(error)[:200]})"
                return
            finally:
                # Tensors that the forward makes itself are left on the model by the tracer: they move over here.
                self.constants = {name: vars(model).pop(name) for name in set(vars(model)) - own}
            if sum(node.op == "placeholder" for node in self.graph.nodes) != 1:
                self.graph, self.reason = None, "the net takes more than one input"
                return
            self._prepare(self.graph)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """B K logits for B C H W images, in as many parts as memory asks for."""
        parts = in_parts(len(images), max(1, len(images)), lambda part: self._logits(images[part]), what="pictures")
        return torch.cat(parts) if len(parts) > 1 else parts[0] if parts else self._logits(images)

    def _logits(self, images: torch.Tensor) -> torch.Tensor:
        with evaluating(self.model), torch.inference_mode():
            images = images.contiguous(memory_format=torch.channels_last)
            if self.graph is None:
                return cast(torch.Tensor, self.model(images))
            return cast(torch.Tensor, self._run(images))

    def around(self, image: torch.Tensor) -> Around:
        """Remember the activations of one image C H W."""
        return Around(self, image)

    def _prepare(self, graph: fx.Graph) -> None:
        for node in graph.nodes:
            module = self.modules[str(node.target)] if node.op == "call_module" else _pool_module(node)
            if isinstance(module, nn.Conv2d) and _even_padding(module):
                self.slides[node] = self._convolution(node, module)
            elif (slide := _pooling(module)) is not None:
                self.slides[node] = slide
            elif (isinstance(module, nn.ReLU) or node.target in (F.relu, torch.relu)) and self._owns(node.args[0]):
                self.in_place.add(node)

    def _owns(self, operand: Any) -> bool:
        """Is that value fresh from a convolution or a sum, and read nowhere else? Then it may be overwritten."""
        fresh = operand in self.slides or operand in self.skipped or operand.target in (operator.add, torch.add)
        return fresh and len(operand.users) == 1

    def _convolution(self, node: fx.Node, conv: nn.Conv2d) -> Slide:
        weight, bias = conv.weight.detach(), None if conv.bias is None else conv.bias.detach()
        norm = next(iter(node.users)) if len(node.users) == 1 else None
        if norm is not None and norm.op == "call_module":
            module = self.modules[str(norm.target)]
            if (
                isinstance(module, nn.BatchNorm2d)
                and module.running_mean is not None
                and module.running_var is not None
            ):
                weight, bias = _folded(conv, module)
                self.skipped.add(norm)
        weight = weight.contiguous(memory_format=torch.channels_last)
        if self.arithmetic is not None and weight.dtype == torch.float32:
            weight, bias = weight.to(self.arithmetic), None if bias is None else bias.to(self.arithmetic)
        padding = conv.padding
        if isinstance(padding, str):
            spans = [d * (k - 1) for k, d in zip(conv.kernel_size, conv.dilation, strict=True)]
            padding = (0, 0) if padding == "valid" else (spans[0] // 2, spans[1] // 2)

        def direct(maps: torch.Tensor, pad: tuple[int, int]) -> torch.Tensor:
            return F.conv2d(maps.to(weight.dtype), weight, bias, conv.stride, pad, conv.dilation, conv.groups)

        quick = winograd.serves(conv) and weight.dtype == torch.float32
        return Slide(
            _pair(conv.kernel_size), _pair(conv.stride), _pair(padding), _pair(conv.dilation), 0.0,
            winograd.Winograd(weight, bias) if quick else direct, lined=quick,
        )  # fmt: skip

    def _run(
        self,
        images: Any,
        *,
        base: dict[fx.Node, Any] | None = None,
        remember: dict[fx.Node, Any] | None = None,
        until: Callable[[fx.Node, Any], bool] | None = None,
    ) -> Any:
        """Run the graph on images N C H W, or on a Region given the remembered values `base`; fills `remember`.

        Gives what comes out at the end, or at the first node for which `until` (node, value) holds.
        """
        graph = self.graph
        assert graph is not None
        env: dict[fx.Node, Any] = {}
        waiting = {node: len(node.users) for node in graph.nodes}
        for node in graph.nodes:
            args, kwargs = fx.map_arg((node.args, node.kwargs), lambda n: env[n])
            if node.op == "placeholder":
                value = images
            elif node.op == "output":
                return args[0].whole() if isinstance(args[0], Region) else args[0]
            elif node in self.skipped:
                value = args[0]
            elif node in self.in_place and remember is None:
                value = args[0]
                if isinstance(value, Region):
                    assert base is not None
                    value = Region(base[node], value.window.relu_(), value.tops, value.lefts)
                else:
                    value = value.relu_()
            else:
                overwrites = _overwrites(node, self.modules)
                if overwrites and remember is not None and isinstance(args[0], torch.Tensor):
                    args = (args[0].clone(), *args[1:])  # what was remembered of the operand stays as it was
                if any(isinstance(operand, Region) for operand in _flat((*args, *kwargs.values()))):
                    assert base is not None
                    value = self._windows(node, args, kwargs, base[node])
                else:
                    value = self._whole(node, args, kwargs)
                if overwrites:
                    env[node.all_input_nodes[0]] = value
            env[node] = value
            if remember is not None:
                remember[node] = value
            if until is not None and until(node, value):
                return value
            for operand in node.all_input_nodes:
                waiting[operand] -= 1
                if not waiting[operand]:
                    del env[operand]
        raise AssertionError("a graph ends in an output")

    def _whole(self, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if node in self.slides:
            return self.slides[node].apply(args[0], self.slides[node].padding)
        if self.arithmetic is not None and not self._bears_coarse(node):
            args, kwargs = map_aggregate((args, kwargs), self._refined)
        return self._plain(node, args, kwargs)

    def _plain(self, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the net itself does at this node."""
        if node.op == "call_module":
            return self.modules[str(node.target)](*args, **kwargs)
        if node.op == "call_function":
            return cast(Callable[..., Any], node.target)(*args, **kwargs)
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        if node.target in self.constants:  # get_attr from here on
            return self.constants[str(node.target)]
        return operator.attrgetter(str(node.target))(self.model)

    def _windows(self, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any], base: Any) -> Any:
        first = args[0]
        slide = self.slides.get(node)
        if slide is not None:
            return slid(slide, first, base)
        if node.op == "call_module" and isinstance(layer := self.modules[str(node.target)], EvenPad):
            if first.full:
                return Region(base, layer(first.window), first.tops, first.lefts)
            left, _, top, _ = layer.zeros(first.base.height, first.base.width)
            return Region(base, first.window, first.tops + top, first.lefts + left)
        if _asks_shape(node):
            shape = first.shape
            return shape if len(args) < 2 or isinstance(args[1], str) else shape[args[1]]
        if self._pointwise(node):
            joined = _joined(args, kwargs)
            if joined is not None:
                args, kwargs, place = joined
                value = self._whole(node, args, kwargs)
                return Region(base, value, *place)
        if node.target is torch.cat and (kwargs.get("dim", args[1] if len(args) > 1 else 0) in (1, -3)):
            parts = list(first)
            if all(isinstance(part, Region) for part in parts):
                joined = _joined(tuple(parts), {})
                assert joined is not None
                return Region(base, torch.cat(joined[0], dim=1), *joined[2])
        if isinstance(first, Region) and (keep := _global_mean(node, self.modules, args, kwargs)) is not None:
            value = mean_by_difference(first)
            return value[:, :, None, None] if keep else value
        args, kwargs = map_aggregate((args, kwargs), lambda a: a.whole() if isinstance(a, Region) else a)
        return self._whole(node, args, kwargs)

    def _bears_coarse(self, node: fx.Node) -> bool:
        """Does it take maps in the coarse arithmetic? Not what has parameters of its own, nor what adds much up."""
        if node.op == "call_module" and next(self.modules[str(node.target)].parameters(), None) is not None:
            return False
        return self._pointwise(node) or node.target is torch.cat

    def _refined(self, value: Any) -> Any:
        return value.float() if isinstance(value, torch.Tensor) and value.dtype == self.arithmetic else value

    def _pointwise(self, node: fx.Node) -> bool:
        if node.op == "call_module":
            module = self.modules[str(node.target)]
            normal = isinstance(module, nn.BatchNorm2d) and module.running_mean is not None
            return normal or isinstance(module, _POINTWISE_MODULES)
        if node.op == "call_method":
            return node.target in _POINTWISE_METHODS
        return node.target in _POINTWISE_FUNCTIONS


class Around:
    """One image with all its activations remembered: asks what changes when a window of it changes."""

    def __init__(self, fast: Fast, image: torch.Tensor) -> None:
        self.fast = fast
        self.image = Ground(image[None])
        self.base: dict[fx.Node, Any] = {}
        with evaluating(fast.model), torch.inference_mode():
            whole = image[None].contiguous(memory_format=torch.channels_last)
            if fast.graph is None:
                self.logits = fast(whole)
                return
            self.logits = fast._run(whole, remember=self.base)
        for node, value in self.base.items():
            if isinstance(value, torch.Tensor) and value.ndim == 4:
                self.base[node] = Ground(value)

    def windows(self, windows: torch.Tensor, tops: np.ndarray, lefts: np.ndarray) -> torch.Tensor:
        """N K: logits for the image with each of the windows N C h w written at (top, left)."""
        with evaluating(self.fast.model), torch.inference_mode():
            region = Region(self.image, windows.contiguous(memory_format=torch.channels_last), tops, lefts)
            if self.fast.graph is None:
                return self.fast(region.whole())
            return cast(torch.Tensor, self.fast._run(region, base=self.base))

    def slope(self, target: int, size: int) -> Slope | None:
        """How the score of a class depends on the deepest map in which windows of that size stay small; None: on none.

        Through this map everything must pass. What comes behind it is taken for a straight line.
        """
        graph = self.fast.graph
        if graph is None:
            return None
        necks = set(self._necks(graph))
        narrow: fx.Node | None = None

        def too_wide(node: fx.Node, value: Any) -> bool:
            nonlocal narrow
            if node not in necks or not isinstance(value, Region):
                return False
            if SMALL * value.height * value.width > value.shape[2:].numel():
                return True
            narrow = node
            return False

        top, left = (np.array([max(0, (side - size) // 2)]) for side in (self.image.height, self.image.width))
        with evaluating(self.fast.model), torch.inference_mode():
            window = self.image.windows(top, size, left, size).permute(0, 3, 1, 2)
            self.fast._run(Region(self.image, window, top, left), base=self.base, until=too_wide)
        if narrow is None:
            return None
        with evaluating(self.fast.model), torch.enable_grad():
            maps = self.base[narrow].maps.to(self.image.maps.dtype).clone().requires_grad_()
            score = self._behind(graph, narrow, maps.clone())[0, target]
            (gradient,) = torch.autograd.grad(score, maps, allow_unused=True)
        return None if gradient is None else Slope(narrow, Ground(gradient.to(self.base[narrow].maps.dtype)))

    def first_order(self, slope: Slope, windows: torch.Tensor, tops: np.ndarray, lefts: np.ndarray) -> torch.Tensor:
        """N: about how much the score drops with each of the windows N C h w written at (top, left)."""
        with evaluating(self.fast.model), torch.inference_mode():
            region = Region(self.image, windows.contiguous(memory_format=torch.channels_last), tops, lefts)
            found = self.fast._run(region, base=self.base, until=lambda node, value: node is slope.node)
            place = (found.tops, found.height, found.lefts, found.width)
            change = found.base.windows(*place).sub_(found.window.permute(0, 2, 3, 1))
            fine = torch.promote_types(change.dtype, torch.float32)
            return change.mul_(slope.gradient.windows(*place)).sum((1, 2, 3), dtype=fine)

    def _necks(self, graph: fx.Graph) -> Iterator[fx.Node]:
        """The maps through which everything passes: while one of them is made, nothing else waits to be read."""
        waiting = {node: len(node.users) for node in graph.nodes}
        open_: set[fx.Node] = set()
        for node in graph.nodes:
            for operand in node.all_input_nodes:
                waiting[operand] -= 1
                if not waiting[operand]:
                    open_.discard(operand)
            if isinstance(self.base.get(node), (Ground, torch.Tensor)) and node.op != "get_attr":
                open_.add(node)
            folds = any(user in self.fast.skipped for user in node.users)  # its normalisation is in it already
            if open_ == {node} and isinstance(self.base[node], Ground) and node.op != "placeholder" and not folds:
                yield node

    def _behind(self, graph: fx.Graph, neck: fx.Node, maps: torch.Tensor) -> torch.Tensor:
        """1 K: the net from the node `neck` on, plainly, so that gradients can be taken."""
        env: dict[fx.Node, Any] = {}
        before = True
        for node in graph.nodes:
            if node is neck:
                env[node], before = maps, False
            elif before and node.op != "get_attr":
                env[node] = self.base.get(node)  # a number that was read off a shape; maps are not asked for again
            else:
                args, kwargs = fx.map_arg((node.args, node.kwargs), lambda operand: env[operand])
                if node.op == "output":
                    return cast(torch.Tensor, args[0])
                env[node] = self.fast._plain(node, args, kwargs)
        raise AssertionError("a graph ends in an output")


@dataclass(frozen=True, slots=True)
class Slope:
    """A score as a linear function of one map, near the remembered one."""

    node: fx.Node
    gradient: Ground


class _Tracer(fx.Tracer):
    """Reads a net as a graph; what it cannot look into stays one step."""

    def __init__(self, *, whole: bool) -> None:
        super().__init__()
        self.whole = whole
        """Is every module without parts of its own one step?"""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if isinstance(m, (EvenPad, BlurPool2d)) or super().is_leaf_module(m, module_qualified_name):
            return True
        return self.whole and next(m.children(), None) is None


def _read(model: nn.Module) -> fx.Graph:
    """The net as a graph, in as small steps as can be read; raises what the finest reading met if none can."""
    try:
        return _Tracer(whole=False).trace(model)
    except Exception:
        with suppress(Exception):
            return _Tracer(whole=True).trace(model)
        raise


def _joined(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any], tuple[np.ndarray, np.ndarray]] | None:
    """The operands of an operation place by place, cut to one common window; None if one of them varies in space."""
    operands = [*args, *kwargs.values()]
    regions = [operand for operand in operands if isinstance(operand, Region)]
    if len({(region.base.height, region.base.width) for region in regions}) > 1:
        return None
    for operand in operands:
        if isinstance(operand, torch.Tensor) and operand.ndim > 0:
            if operand.ndim < 3 or operand.shape[-1] != 1 or operand.shape[-2] != 1 or operand.ndim > 4:
                return None
            if operand.ndim == 4 and operand.shape[0] != 1:
                return None  # one factor a copy (squeeze and excitation) changes the whole map, not the window alone
    ground = regions[0].base
    tops, tall = hull([(region.tops, region.height) for region in regions], ground.height)
    lefts, broad = hull([(region.lefts, region.width) for region in regions], ground.width)

    def cut(operand: Any) -> Any:
        return operand.widened(tops, tall, lefts, broad).window if isinstance(operand, Region) else operand

    return tuple(map(cut, args)), {key: cut(value) for key, value in kwargs.items()}, (tops, lefts)


def _even_padding(conv: nn.Conv2d) -> bool:
    """Zeros, as many before as behind ("same" with an even kernel pads one more behind)."""
    odd = any(d * (k - 1) % 2 for k, d in zip(conv.kernel_size, conv.dilation, strict=True))
    return conv.padding_mode == "zeros" and not (conv.padding == "same" and odd)


def _folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    weight, bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    return weight.detach(), bias.detach()


def _pool_module(node: fx.Node) -> nn.Module | None:
    """The module that stands for a call of a pooling function with plain settings."""
    kinds: dict[Any, type[nn.Module]] = {F.max_pool2d: nn.MaxPool2d, F.avg_pool2d: nn.AvgPool2d}
    if node.op != "call_function" or node.target not in kinds or len(node.all_input_nodes) != 1:
        return None
    return kinds[node.target](*node.args[1:], **node.kwargs)


def _pooling(module: nn.Module | None) -> Slide | None:
    """The geometry of a pooling whose padding can be written down as a number; None for any other module."""
    if isinstance(module, nn.MaxPool2d) and not module.ceil_mode and not module.return_indices:
        kernel, dilation = _pair(module.kernel_size), _pair(module.dilation)
        stride, padding = _pair(module.stride or module.kernel_size), _pair(module.padding)
        return Slide(
            kernel, stride, padding, dilation, float("-inf"), lambda x, p: F.max_pool2d(x, kernel, stride, p, dilation)
        )
    if isinstance(module, nn.AvgPool2d) and not module.ceil_mode and module.divisor_override is None:
        kernel, stride, padding = _pair(module.kernel_size), _pair(module.stride), _pair(module.padding)
        if module.count_include_pad or padding == (0, 0):
            return Slide(kernel, stride, padding, (1, 1), 0.0, lambda x, p: F.avg_pool2d(x, kernel, stride, p))
    return None


def _global_mean(
    node: fx.Node, modules: dict[str, nn.Module], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> bool | None:
    """Is it the average over all places, and does it keep the two dimensions? None: it is something else."""
    if node.op == "call_module":
        module = modules[str(node.target)]
        ones = isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size in (1, (1, 1))
        return True if ones else None
    if node.target is F.adaptive_avg_pool2d:
        return True if (kwargs.get("output_size") or args[1]) in (1, (1, 1), [1, 1]) else None
    if node.target in (torch.mean, "mean"):
        dims = kwargs.get("dim", args[1] if len(args) > 1 else None)
        if isinstance(dims, (tuple, list)) and set(dims) in _GLOBAL:
            return bool(kwargs.get("keepdim", args[2] if len(args) > 2 else False))
    return None


def _asks_shape(node: fx.Node) -> bool:
    if node.op == "call_method":
        return node.target == "size"
    return node.target is getattr and node.args[1] == "shape"


def _overwrites(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return bool(getattr(modules[str(node.target)], "inplace", False))
    if node.op == "call_method":
        return str(node.target).endswith("_") and not str(node.target).endswith("__")
    return node.target in _IN_PLACE_FUNCTIONS or bool(node.kwargs.get("inplace", False))


def _flat(args: Iterable[Any]) -> Iterable[Any]:
    for arg in args:
        if isinstance(arg, (tuple, list)):
            yield from _flat(arg)
        else:
            yield arg


def _pair(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))
