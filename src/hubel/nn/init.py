"""Initialisations by name: how the weights of a net start.

Letters: n_in and n_out fan-in and fan-out of a weight (inputs of one unit, and units one input goes to: maps × window),
g gain of the activation that follows (√2 for ReLU, 1 for a linear one), ω SIREN's frequency.

An initialisation fills dense and convolution weights; biases become 0, scales of normalisations 1 and their shifts 0.
Numbers come from torch's global generator, which `runtime.seeded` sets.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from hubel.errors import UsageError
from hubel.nn.blocks import Residual
from hubel.nn.modes import evaluating
from hubel.nn.scores import device_of
from hubel.registry import Component, Registry, checked_options

__all__ = ["INITIALISERS", "check_initialisation", "fans", "initialise", "zero_residuals"]

Fill = Callable[..., None]
INITIALISERS: Registry[Component[Fill]] = Registry("initialisation", listing="hubel components initialisations")

WEIGHTED = (
    nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
)  # fmt: skip
NORMS = (
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.GroupNorm, nn.LayerNorm,
    nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d,
)  # fmt: skip


def initialise(model: nn.Module, name: str, **options: Any) -> nn.Module:
    """Give all dense and convolution weights of `model` the initialisation called `name`, in place; the model again.

    Raises UnknownName, and UsageError for an option the initialisation does not have, or a model without such weights.

    >>> _ = torch.manual_seed(0)
    >>> net = initialise(nn.Linear(400, 300), "he-normal")
    >>> round(net.weight.std().item() * (400 / 2) ** 0.5, 2), net.bias.abs().max().item()
    (1.0, 0.0)
    """
    fill = INITIALISERS.get(name).build
    given = check_initialisation(name, options)
    layers = [module for module in model.modules() if isinstance(module, WEIGHTED)]
    if not layers:
        raise UsageError(
            f"{type(model).__name__} has no dense or convolution layer to initialise",
            hint="leave --initialise out",
        )
    with torch.no_grad():
        for index, layer in enumerate(layers):
            fill(layer.weight, first=index == 0, **given)
            if layer.bias is not None:
                layer.bias.zero_()
        for module in model.modules():
            if isinstance(module, NORMS) and module.weight is not None:
                module.weight.fill_(1)
                module.bias.zero_()
    return model


def check_initialisation(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as the initialisation takes them, tried on a small filter bank: before there is a net, or any data.

    Raises UnknownName, and UsageError for an option it does not have, and for one with which weights are not finite, or
    all of them 0 (but for `zeros`, which is meant so).

    >>> check_initialisation("normal", {"std": 1e-300})
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: with std=1e-300 the initialisation 'normal' makes every weight 0
      std=0.01 is usual
    """
    fill = INITIALISERS.get(name).build
    given = checked_options(f"initialisation {name!r}", fill, options, hidden=("weight", "first"))
    tried = torch.empty(8, 4, 3, 3)
    usual = {key: value.default for key, value in inspect.signature(fill).parameters.items() if key in given}
    fault = ""
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        try:
            fill(tried, first=False, **given)
        except (ArithmeticError, ValueError, RuntimeError, TypeError) as error:
            first = str(error).partition("\n")[0]
            fault = f"cannot work: {first[:80]}"
    if not fault and not bool(torch.isfinite(tried).all()):
        fault = "makes weights that are not finite"
    elif not fault and name != "zeros" and not bool(tried.any()):
        fault = "makes every weight 0"
    if fault:
        said, words = (", ".join(f"{key}={value}" for key, value in part.items()) for part in (given, usual))
        raise UsageError(f"with {said} the initialisation {name!r} {fault}", hint=f"{words} is usual")
    return given


def zero_residuals(model: nn.Module, images: torch.Tensor) -> nn.Module:
    """Set the last normalisation scale of every residual branch to 0, in place: each block starts as the identity.

    Goyal et al., arXiv:1706.02677, section 5.1. Knows hubel's `Residual` and blocks that name their normalisations bn1,
    bn2, bn3, as the ResNets do. That is only well where the scale ends its branch beside a shortcut: before a ReLU, or
    before the last convolution (pre-activation), a scale of 0 lets no gradient through, and the branch never learns. So
    it is tried on `images` B C H W (any pixels of the right shape). Raises UsageError if the model has no such
    branch, or one that would not learn; the model is then as it was.

    >>> from hubel.nn.blocks import residual_block
    >>> x = torch.rand(1, 4, 5, 5)
    >>> block = zero_residuals(residual_block(4, 4), x).eval()
    >>> torch.equal(block(x), x)
    True
    """
    last = {name: norm for name, module in model.named_modules() if (norm := _last_norm(module)) is not None}
    if not last:
        raise UsageError(
            f"{type(model).__name__} has no residual branch that ends in a normalisation",
            hint="leave zero_residuals out",
        )
    before = [norm.weight.detach().clone() for norm in last.values()]
    with torch.no_grad():
        for norm in last.values():
            norm.weight.zero_()
    dead = _without_gradient(model, list(last.values()), images)
    if dead:
        with torch.no_grad():
            for norm, weight in zip(last.values(), before, strict=True):
                norm.weight.copy_(weight)
        names = list(last)
        raise UsageError(
            f"with zero_residuals {len(dead)} of {len(last)} residual branches would never learn, {names[dead[0]]!r} "
            "for one: its last scale is not the last thing before the sum with the shortcut",
            hint="leave zero_residuals out: it is for blocks like those of resnet18, not for pre-activation",
        )
    return model


def _without_gradient(model: nn.Module, norms: Sequence[Any], images: torch.Tensor) -> list[int]:
    """Positions of the norms whose scale gets no gradient at all; the generators and the model's modes stay."""
    device = device_of(model)
    with torch.random.fork_rng(devices=[]), evaluating(model), torch.enable_grad():
        torch.manual_seed(0)
        pixels = torch.randn(images.shape).to(device)
        answers = model(pixels)
        # Each logit with a weight of its own, or a softmax-like symmetry would cancel what is sought.
        score = (answers * torch.randn(answers.shape).to(device)).sum()
        slopes = torch.autograd.grad(score, [norm.weight for norm in norms], allow_unused=True)
    return [place for place, slope in enumerate(slopes) if slope is None or not bool(slope.ne(0).any())]


def _last_norm(module: nn.Module) -> Any:
    named = (getattr(module, name, None) for name in ("bn3", "bn2"))
    end = module.branch if isinstance(module, Residual) else next((part for part in named if part is not None), None)
    norms = [inner for inner in end.modules() if isinstance(inner, NORMS)] if isinstance(end, nn.Module) else []
    return norms[-1] if norms else None


def fans(weight: torch.Tensor) -> tuple[int, int]:
    """(n_in, n_out) of a weight O I … : I and O times the size of the window.

    >>> fans(torch.zeros(64, 3, 7, 7))
    (147, 3136)
    """
    window = math.prod(weight.shape[2:])
    return weight.shape[1] * window, weight.shape[0] * window


def _gain(slope: float) -> float:
    return math.sqrt(2 / (1 + slope**2))


def xavier_uniform(weight: torch.Tensor, *, first: bool = False, gain: float = 1.0) -> None:
    """U(−a, a), a = g √(6 / (n_in + n_out)): variance kept forwards and backwards, for tanh and sigmoid."""
    nn.init.xavier_uniform_(weight, gain)


def xavier_normal(weight: torch.Tensor, *, first: bool = False, gain: float = 1.0) -> None:
    """N(0, g² · 2 / (n_in + n_out))."""
    nn.init.xavier_normal_(weight, gain)


def he_normal(weight: torch.Tensor, *, first: bool = False, slope: float = 0.0, fan: str = "in") -> None:
    """N(0, g² / n_in), g² = 2 / (1 + slope²): variance kept through ReLUs; fan "out" keeps that of gradients."""
    weight.normal_(0, _gain(slope) / math.sqrt(_fan(weight, fan)))


def he_uniform(weight: torch.Tensor, *, first: bool = False, slope: float = 0.0, fan: str = "in") -> None:
    """U(−a, a), a = g √(3 / n_in)."""
    limit = _gain(slope) * math.sqrt(3 / _fan(weight, fan))
    weight.uniform_(-limit, limit)


def lecun_normal(weight: torch.Tensor, *, first: bool = False) -> None:
    """N(0, 1 / n_in): what SELU needs to keep its fixed point."""
    weight.normal_(0, 1 / math.sqrt(fans(weight)[0]))


def lecun_uniform(weight: torch.Tensor, *, first: bool = False) -> None:
    """U(−a, a), a = √(3 / n_in)."""
    limit = math.sqrt(3 / fans(weight)[0])
    weight.uniform_(-limit, limit)


def pytorch(weight: torch.Tensor, *, first: bool = False) -> None:
    """U(−a, a), a = 1 / √n_in: what torch's layers start from (their biases too, which are 0 here)."""
    limit = 1 / math.sqrt(fans(weight)[0])
    weight.uniform_(-limit, limit)


def orthogonal(weight: torch.Tensor, *, first: bool = False, gain: float = 1.0) -> None:
    """W Wᵀ = g² I (or Wᵀ W, whichever fits) of the weight as a matrix O × (I · window): lengths are kept exactly."""
    nn.init.orthogonal_(weight, gain)


def normal(weight: torch.Tensor, *, first: bool = False, std: float = 0.01) -> None:
    """N(0, std²), whatever the size of the layer: AlexNet's and VGG's. Deep nets vanish or explode under it."""
    weight.normal_(0, std)


def uniform(weight: torch.Tensor, *, first: bool = False, limit: float = 0.05) -> None:
    """U(−limit, limit), whatever the size of the layer."""
    weight.uniform_(-limit, limit)


def truncated_normal(weight: torch.Tensor, *, first: bool = False, std: float = 0.02) -> None:
    """N(0, std²) with nothing beyond two standard deviations: the transformers'."""
    nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


def dirac(weight: torch.Tensor, *, first: bool = False) -> None:
    """Each map starts as a copy of one input map (convolutions), each unit of one input (dense): the identity."""
    nn.init.dirac_(weight) if weight.ndim > 2 else nn.init.eye_(weight)


def siren(weight: torch.Tensor, *, first: bool = False, omega: float = 30.0) -> None:
    """U(±√(6 / n_in) / ω), in the first layer U(±1 / n_in): keeps the distribution through layers of sin(ω x)."""
    n_in = fans(weight)[0]
    limit = 1 / n_in if first else math.sqrt(6 / n_in) / omega
    weight.uniform_(-limit, limit)


def zeros(weight: torch.Tensor, *, first: bool = False) -> None:
    """0: all units of a layer stay alike for ever. To see that symmetry must be broken."""
    weight.zero_()


def _fan(weight: torch.Tensor, fan: str) -> int:
    if fan not in ("in", "out"):
        raise UsageError(f"fan must be in or out, got {fan!r}", hint="in is usual; out for the ResNets")
    return fans(weight)[fan == "out"]


for name, fill, title, formula, source, note in (
    ("xavier-uniform", xavier_uniform, "Xavier, Glorot (uniform)", "U(±g √(6 / (n_in + n_out)))",
     "Glorot & Bengio, AISTATS 2010", "For tanh and sigmoid."),
    ("xavier-normal", xavier_normal, "Xavier, Glorot (normal)", "N(0, 2 g² / (n_in + n_out))",
     "Glorot & Bengio, AISTATS 2010", "For tanh and sigmoid."),
    ("he-normal", he_normal, "He, Kaiming (normal)", "N(0, 2 / n_in)", "He et al., arXiv:1502.01852",
     "For ReLU and kin."),
    ("he-uniform", he_uniform, "He, Kaiming (uniform)", "U(±√(6 / n_in))", "He et al., arXiv:1502.01852",
     "For ReLU and kin."),
    ("lecun-normal", lecun_normal, "LeCun (normal)", "N(0, 1 / n_in)", "LeCun et al., Efficient BackProp, 1998",
     "For SELU."),
    ("lecun-uniform", lecun_uniform, "LeCun (uniform)", "U(±√(3 / n_in))", "LeCun et al., Efficient BackProp, 1998",
     ""),
    ("pytorch", pytorch, "PyTorch's", "U(±1 / √n_in)", "torch.nn.Linear", "What a layer has if nothing is said."),
    ("orthogonal", orthogonal, "Orthogonal", "W Wᵀ = g² I", "Saxe, McClelland, Ganguli, arXiv:1312.6120",
     "For very deep and for recurrent nets."),
    ("normal", normal, "Normal", "N(0, std²)", "folklore", "AlexNet's, with std 0.01."),
    ("uniform", uniform, "Uniform", "U(±limit)", "folklore", ""),
    ("truncated-normal", truncated_normal, "Truncated normal", "N(0, std²), |w| ≤ 2 std", "folklore",
     "The transformers', with std 0.02."),
    ("dirac", dirac, "Identity, Dirac", "W = I", "Zagoruyko & Komodakis, arXiv:1706.00388", ""),
    ("siren", siren, "SIREN", "U(±√(6 / n_in) / ω); first layer U(±1 / n_in)", "Sitzmann et al., arXiv:2006.09661",
     "For sines."),
    ("zeros", zeros, "Zeros", "W = 0", "folklore", "Shows why symmetry must be broken."),
):  # fmt: skip
    rows = ("C99", "C100")
    INITIALISERS.add(name, Component(title=title, build=fill, formula=formula, source=source, note=note, rows=rows))
