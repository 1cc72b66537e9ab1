"""Fewer, faster layers for a net that only answers: batch norm folded into convolutions, filters packed once.

In evaluation mode a batch norm is a scale and a shift per channel, y = γ (x − μ) / √(σ² + ε) + β, so one that follows a
convolution can be part of its weights (Jacob et al. 2018, arXiv 1712.05877, section 3.2). Which ones follow is not read
from names: the net is run once on a probe while every operation is written down, and a pair counts only if

- the convolution and the norm are torch's own classes, each called once, with weights that nothing else uses;
- the norm takes the very tensor that the convolution put out, and no other operation takes it.

Everything here works on a copy; the net itself, its modes and its hooks stay as they are. A copy shares all weights
that it does not change.

>>> from torch import nn
>>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.BatchNorm2d(4)).eval()
>>> pairs(net, torch.ones(1, 1, 5, 5))
(Pair(conv='0', norm='1'),)
>>> fused(net, pairs(net, torch.ones(1, 1, 5, 5)))[1]
Identity()
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as module_room
from torch.overrides import TorchFunctionMode

from hubel.nn.modes import evaluating

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True, slots=True)
class Pair:
    """A convolution and the batch norm that alone takes what it puts out, by their names in the net."""

    conv: str
    norm: str


def hooked(model: nn.Module) -> bool:
    """Does anybody listen to this net? A hook would miss layers that are folded away, so such a net is left alone.

    >>> hooked(nn.ReLU())
    False
    """
    everywhere = module_room._global_forward_hooks or module_room._global_forward_pre_hooks
    return bool(everywhere) or any(
        module._forward_hooks or module._forward_pre_hooks or isinstance(module, torch.jit.ScriptModule)
        for module in model.modules()
    )


def pairs(model: nn.Module, images: torch.Tensor) -> tuple[Pair, ...]:
    """Pairs that can be folded, in the order of the pass over the probe `images` (B C H W); () for a net with hooks.

    Whatever the net raises for the probe is raised.
    """
    if hooked(model):
        return ()
    notes = _Notes()
    with evaluating(model), torch.no_grad(), notes:
        model(images)
    convs = _owners(model, CONVOLUTIONS, "weight")
    norms = _owners(model, NORMS, "running_mean")
    shared = {place for place, count in _places(model).items() if count > 1}
    found = []
    for conv_weight, mean, out in notes.candidates():
        conv, norm = convs.get(conv_weight), norms.get(mean)
        if conv is None or norm is None or {conv_weight, mean} & shared:
            continue
        alone = (notes.uses[place] == 1 for place in (out, conv_weight, mean))
        if all(alone):
            found.append(Pair(conv, norm))
    return tuple(found)


def fused(model: nn.Module, found: Iterable[Pair]) -> nn.Module:
    """A copy in evaluation mode with the norms of the pairs `found` folded into their convolutions (in float64)."""
    twin = twin_of(model)
    for pair in found:
        conv, norm = twin.get_submodule(pair.conv), twin.get_submodule(pair.norm)
        assert isinstance(conv, CONVOLUTIONS)
        assert isinstance(norm, NORMS)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = (norm.running_var.double() + norm.eps).rsqrt()
        if norm.weight is not None:
            scale = scale * norm.weight.detach().double()
        before = 0.0 if conv.bias is None else conv.bias.detach().double()
        shift = (before - norm.running_mean.double()) * scale
        if norm.bias is not None:
            shift = shift + norm.bias.detach().double()
        weight = conv.weight.detach()
        column = scale.reshape(-1, *[1] * (weight.dim() - 1))  # out in/groups kh kw, one scale an output channel
        conv.weight = nn.Parameter((weight.double() * column).to(weight), requires_grad=False)
        conv.bias = nn.Parameter(shift.to(weight), requires_grad=False)
        _replace(twin, norm, nn.Identity())
    return twin


def packed(model: nn.Module) -> tuple[nn.Module, int]:
    """A copy whose filters lie in the order that oneDNN computes with, and how many: CPU, float32, 2-D, zero padding.

    Otherwise each call brings the filters into that order anew, which for one picture takes as long as the arithmetic.
    The copy takes pictures of any size. 0 where torch was built without oneDNN.
    """
    twin = twin_of(model)
    if not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")):
        return twin, 0
    count = 0
    for module in list(twin.modules()):
        if type(module) is nn.Conv2d and _packs(module):
            _replace(twin, module, PackedConv2d(module))
            count += 1
    return twin, count


def _packs(conv: nn.Conv2d) -> bool:
    weight = conv.weight
    dense = weight.device.type == "cpu" and weight.dtype == torch.float32 and weight.layout == torch.strided
    return dense and conv.padding_mode == "zeros" and not isinstance(conv.padding, str)


class PackedConv2d(nn.Module):
    """A convolution with its filters in oneDNN's own order. For answering only: it knows no gradient."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        assert not isinstance(conv.padding, str)
        self.settings = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        self.bias = conv.bias
        reorder = torch._C._nn.mkldnn_reorder_conv2d_weight
        with torch.no_grad():
            self.weight = reorder(conv.weight.detach().contiguous().to_mkldnn(), *self.settings)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """B C H W -> B O H' W'."""
        return torch.ops.mkldnn._convolution_pointwise(
            images, self.weight, self.bias, *self.settings, "none", [], ""
        )  # fmt: skip


def twin_of(model: nn.Module) -> nn.Module:
    """A copy in evaluation mode whose modules are its own and whose weights are those of `model`."""
    weights = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in weights}).eval()


def _replace(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put `new` wherever `old` stands: a module may be known under several names."""
    for parent in model.modules():
        for name, child in parent._modules.items():
            if child is old:
                parent._modules[name] = new.eval()


def _owners(model: nn.Module, kinds: tuple[type[nn.Module], ...], attribute: str) -> dict[int, str]:
    """id of the tensor -> name of the module, for modules that are exactly of these kinds."""
    found = {}
    for name, module in model.named_modules():
        tensor = getattr(module, attribute, None) if type(module) in kinds else None
        if tensor is not None and not getattr(module, "parametrizations", None):
            found[id(tensor)] = name
    return found


def _places(model: nn.Module) -> Counter[int]:
    """How many modules own each parameter and buffer."""
    return Counter(
        id(tensor)
        for module in model.modules()
        for tensor in (*module._parameters.values(), *module._buffers.values())
        if tensor is not None
    )


# Asking a tensor for these tells nothing that folding changes.
_QUESTIONS = frozenset(
    {"dim", "size", "ndim", "shape", "dtype", "device", "numel", "is_floating_point", "requires_grad"}
)


class _Notes(TorchFunctionMode):
    """Sees every call of a torch function: who takes which tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.uses: Counter[int] = Counter()
        self.made_by: dict[int, int] = {}  # output of a convolution -> its weight
        self.normed: list[tuple[int, int]] = []  # input and running mean of each batch norm
        self.alive: list[Any] = []  # Tensors are told apart by id: none may be reused while we look.

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        name = getattr(function, "__name__", "")
        if name == "__get__":
            name = getattr(getattr(function, "__self__", None), "__name__", name)
        given = list(_tensors((args, kwargs)))
        self.alive += [*given, result]
        if name not in _QUESTIONS:
            self.uses.update({id(tensor) for tensor in given})
        if name in ("conv1d", "conv2d", "conv3d") and isinstance(result, torch.Tensor):
            self.made_by[id(result)] = id(_argument(args, kwargs, 1, "weight"))
        elif name == "batch_norm" and len(args) + len(kwargs) > 2:
            # nn.functional's order; torch.batch_norm has weight and bias there, which are no running mean of anybody
            self.normed.append(
                (id(_argument(args, kwargs, 0, "input")), id(_argument(args, kwargs, 1, "running_mean")))
            )
        return result

    def candidates(self) -> Iterator[tuple[int, int, int]]:
        """(weight of the convolution, running mean of the norm, tensor between them)."""
        for between, mean in self.normed:
            if between in self.made_by:
                yield self.made_by[between], mean, between


def _argument(args: tuple[Any, ...], kwargs: Mapping[str, Any], place: int, name: str) -> Any:
    return args[place] if len(args) > place else kwargs.get(name)


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _tensors(inner)
    elif isinstance(value, (list, tuple, set)):
        for inner in value:
            yield from _tensors(inner)
