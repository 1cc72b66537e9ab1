"""Activation functions by name: what makes a stack of layers more than one layer.

Letters: x input, Φ distribution function of the standard normal, σ(x) = 1 / (1 + e^−x), α and a slopes, β sharpness.

`ACTIVATIONS` holds one entry per name; `pointwise` says that each value is mapped by itself (the curve can be drawn),
else the function looks along the channels, dimension 1.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hubel.errors import UsageError
from hubel.registry import Component, Registry, check_options

__all__ = ["ACTIVATIONS", "Activation", "Maxout", "ScaledTanh", "Sine", "Step", "build_activation"]


@dataclass(frozen=True, kw_only=True)
class Activation(Component[Callable[..., nn.Module]]):
    """An activation; `build(**options)` makes the module."""

    range: str
    """The values it can give."""
    pointwise: bool = True
    """Is each value mapped by itself?"""


ACTIVATIONS: Registry[Activation] = Registry("activation", listing="hubel components activations")


def build_activation(name: str, **options: Any) -> nn.Module:
    """The activation called `name` as a module, tensors to tensors; `options` are its own (negative_slope, alpha, ...).

    Raises UnknownName, and UsageError for an option it does not have.

    >>> build_activation("leaky-relu", negative_slope=0.1)(torch.tensor([-1.0, 2.0]))
    tensor([-0.1000,  2.0000])
    >>> build_activation("leakyrelu")
    Traceback (most recent call last):
        ...
    hubel.errors.UnknownName: unknown activation 'leakyrelu'
      did you mean 'leaky-relu' or 'relu'? all of them: hubel components activations
    """
    build = ACTIVATIONS.get(name).build
    known = list(inspect.signature(build).parameters)
    check_options(f"activation {name!r}", options, known)
    return build(**options)


class Step(nn.Module):
    """1 above the threshold, 0 elsewhere. Its derivative is 0, so nothing in front of it can learn by gradients.

    >>> Step()(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([0., 0., 1.])
    """

    def __init__(self, threshold: float = 0.0) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.floor((torch.sign(x - self.threshold) + 1) / 2)  # differentiable, with gradient 0 everywhere


class Linear(nn.Module):
    """c x: a straight line; a stack of layers with nothing else is one layer."""

    def __init__(self, slope: float = 1.0) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.slope


class ScaledTanh(nn.Module):
    """1.7159 tanh(2x/3): LeCun's, which maps ±1 to ±1 and is steepest where inputs of unit variance lie.

    >>> ScaledTanh()(torch.tensor([1.0]))
    tensor([1.0000])
    """

    def __init__(self, amplitude: float = 1.7159, slope: float = 2 / 3) -> None:
        super().__init__()
        self.amplitude, self.slope = amplitude, slope

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.amplitude * torch.tanh(self.slope * x)


class Sine(nn.Module):
    """sin(ω x): SIREN's activation. Needs the initialisation "siren" with the same ω, else it hardly trains."""

    def __init__(self, omega: float = 30.0) -> None:
        super().__init__()
        self.omega = omega

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sin(self.omega * x)


class Maxout(nn.Module):
    """The largest of `pieces` neighbouring channels, B (C·pieces) … -> B C …: behind a linear map, a maximum of lines.

    >>> Maxout(2)(torch.tensor([[1.0, 5.0, -3.0, -4.0]]))
    tensor([[ 5., -3.]])
    """

    def __init__(self, pieces: int = 2) -> None:
        super().__init__()
        if pieces < 2:
            raise UsageError(
                f"maxout needs at least 2 pieces, got {pieces}", hint="2 is usual; one line alone needs no maxout"
            )
        self.pieces = pieces

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1] % self.pieces:
            raise UsageError(
                f"maxout takes the largest of every {self.pieces} channels, got {x.shape[1]} channels",
                hint=f"give the layer before it a multiple of {self.pieces} channels",
            )
        return x.unflatten(1, (-1, self.pieces)).max(dim=2).values  # see nn.layers.largest


class Threshold(nn.Threshold):
    """x above the threshold, `value` elsewhere; both are 0 unless told otherwise."""

    def __init__(self, threshold: float = 0.0, value: float = 0.0) -> None:
        super().__init__(threshold, value)


class Softmax(nn.Softmax):
    """Along the channels: B K … -> the same, sums 1."""

    def __init__(self, dim: int = 1) -> None:
        super().__init__(dim)


class Softmin(nn.Softmin):
    """Along the channels: B K … -> the same, sums 1."""

    def __init__(self, dim: int = 1) -> None:
        super().__init__(dim)


class LogSoftmax(nn.LogSoftmax):
    """Along the channels: B K … -> the same, logarithms of shares."""

    def __init__(self, dim: int = 1) -> None:
        super().__init__(dim)


for name, entry in {
    "identity": Activation(
        title="Linear, identity", build=Linear, formula="c x", source="folklore", range="(−∞, ∞)",
        note="The end of a regression net.", rows=("C39",),
    ),
    "step": Activation(
        title="Step, threshold unit", build=Step, formula="1 if x > θ else 0", source="McCulloch & Pitts 1943",
        range="{0, 1}", note="Cannot be trained by gradients.", rows=("C25", "C38"),
    ),
    "threshold": Activation(
        title="Thresholded linear", build=Threshold, formula="x if x > θ else v",
        source="torch.nn.Threshold", range="{v} and (θ, ∞)", rows=("C25",),
    ),
    "sigmoid": Activation(
        title="Sigmoid, logistic", build=nn.Sigmoid, formula="1 / (1 + e^−x)", source="Verhulst 1845", range="(0, 1)",
        note="Slope at most 0.25: stacked, gradients vanish; its mean is never 0.", rows=("C40",),
    ),
    "tanh": Activation(
        title="Hyperbolic tangent", build=nn.Tanh, formula="(e^x − e^−x) / (e^x + e^−x)", source="folklore",
        range="(−1, 1)", note="Zero-centred; for regression and reconstruction.", rows=("C41",),
    ),
    "scaled-tanh": Activation(
        title="Scaled tanh", build=ScaledTanh, formula="1.7159 tanh(2x/3)",
        source="LeCun et al., Efficient BackProp, 1998",
        range="(−1.7159, 1.7159)", note="LeNet's.", rows=("C41",),
    ),
    "relu": Activation(
        title="Rectified linear unit", build=nn.ReLU, formula="max(0, x)",
        source="Fukushima 1969; Nair & Hinton, ICML 2010", range="[0, ∞)",
        note="The first choice; a unit that never fires stays dead.", rows=("C42", "C58"),
    ),
    "relu6": Activation(
        title="ReLU6", build=nn.ReLU6, formula="min(max(0, x), 6)", source="Krizhevsky 2010", range="[0, 6]",
        note="Bounded, for low precision: the MobileNets.", rows=("C51",),
    ),
    "leaky-relu": Activation(
        title="Leaky ReLU", build=nn.LeakyReLU, formula="x if x ≥ 0 else a x, a = 0.01",
        source="Maas, Hannun, Ng, ICML 2013", range="(−∞, ∞)", note="Units cannot die.", rows=("C43",),
    ),
    "prelu": Activation(
        title="Parametric ReLU", build=nn.PReLU, formula="x if x ≥ 0 else a x, a learnt",
        source="He et al., arXiv:1502.01852", range="(−∞, ∞)",
        note="num_parameters=1: one slope for all; = channels: one for each. Starts at 0.25.", rows=("C44",),
    ),
    "elu": Activation(
        title="Exponential linear unit", build=nn.ELU, formula="x if x > 0 else α (e^x − 1)",
        source="Clevert, Unterthiner, Hochreiter, arXiv:1511.07289", range="(−α, ∞)", rows=("C47",),
    ),
    "celu": Activation(
        title="Continuously differentiable ELU", build=nn.CELU, formula="max(0, x) + min(0, α (e^(x/α) − 1))",
        source="Barron, arXiv:1704.07483", range="(−α, ∞)", note="Slope 1 at 0 for every α.", rows=("C48",),
    ),
    "selu": Activation(
        title="Scaled ELU", build=nn.SELU, formula="1.0507 · (x if x > 0 else 1.6733 (e^x − 1))",
        source="Klambauer et al., arXiv:1706.02515", range="(−1.7581, ∞)",
        note="Keeps mean 0 and variance 1 with the initialisation lecun-normal and alpha dropout.", rows=("C49",),
    ),
    "gelu": Activation(
        title="Gaussian error linear unit", build=nn.GELU, formula="x Φ(x)",
        source="Hendrycks & Gimpel, arXiv:1606.08415",
        range="[−0.17, ∞)", note="The transformers'.", rows=("C50",),
    ),
    "silu": Activation(
        title="SiLU, Swish", build=nn.SiLU, formula="x σ(x)",
        source="Elfwing et al., arXiv:1702.03118; Ramachandran et al., arXiv:1710.05941", range="[−0.28, ∞)",
        note="Gates itself; EfficientNet's.", rows=("C45",),
    ),
    "mish": Activation(
        title="Mish", build=nn.Mish, formula="x tanh(softplus(x))", source="Misra, arXiv:1908.08681",
        range="[−0.31, ∞)",
    ),
    "hard-sigmoid": Activation(
        title="Hard sigmoid", build=nn.Hardsigmoid, formula="min(max(0, x/6 + 1/2), 1)",
        source="Courbariaux et al., arXiv:1511.00363", range="[0, 1]", note="MobileNetV3's gate.",
    ),
    "hard-swish": Activation(
        title="Hard swish", build=nn.Hardswish, formula="x · hard sigmoid(x)", source="Howard et al., arXiv:1905.02244",
        range="[−0.375, ∞)", note="MobileNetV3's.",
    ),
    "hard-tanh": Activation(
        title="Hard tanh", build=nn.Hardtanh, formula="min(max(−1, x), 1)", source="Collobert 2004", range="[−1, 1]",
    ),
    "softsign": Activation(
        title="Softsign", build=nn.Softsign, formula="x / (1 + |x|)", source="Bergstra et al. 2009", range="(−1, 1)",
    ),
    "softplus": Activation(
        title="Softplus", build=nn.Softplus, formula="log(1 + e^(β x)) / β", source="Dugas et al., NIPS 2000",
        range="(0, ∞)", note="A smooth ReLU; its derivative is the sigmoid.", rows=("C46",),
    ),
    "log-sigmoid": Activation(
        title="Log-sigmoid", build=nn.LogSigmoid, formula="log(1 / (1 + e^−x))", source="folklore", range="(−∞, 0)",
        rows=("C52",),
    ),
    "sine": Activation(
        title="Sine (SIREN)", build=Sine, formula="sin(ω x), ω = 30", source="Sitzmann et al., arXiv:2006.09661",
        range="[−1, 1]", note="Fits fine detail; needs the initialisation siren.", rows=("C27", "C57"),
    ),
    "softmax": Activation(
        title="Softmax", build=Softmax, formula="e^x_k / Σ e^x_j", source="Bridle 1990",
        range="(0, 1)",
        note="Sums to 1: the end of a classifier (hubel's losses want the logits before it).", rows=("C53", "C58"),
        pointwise=False,
    ),
    "softmin": Activation(
        title="Softmin", build=Softmin, formula="e^−x_k / Σ e^−x_j", source="torch.nn.Softmin",
        range="(0, 1)", note="Softmax of −x: distances to shares.", rows=("C54",), pointwise=False,
    ),
    "log-softmax": Activation(
        title="Log-softmax", build=LogSoftmax, formula="x_k − log Σ e^x_j", source="folklore",
        range="(−∞, 0)", note="Does not underflow where softmax does.", rows=("C55",), pointwise=False,
    ),
    "maxout": Activation(
        title="Maxout", build=Maxout, formula="max(w₁·x + b₁, w₂·x + b₂, …)",
        source="Goodfellow et al., arXiv:1302.4389",
        range="(−∞, ∞)", note="Takes `pieces` channels for each it gives.", rows=("C56",), pointwise=False,
    ),
}.items():  # fmt: skip
    ACTIVATIONS.add(name, entry)
