"""Explanations from the gradient of the score with respect to the pixels.

    saliency              |dy/dx|, the largest over the channels        Simonyan et al., ICLR-W 2014, arXiv 1312.6034
    gradient-x-input      x dy/dx                                       Shrikumar et al., 2016, arXiv 1605.01713
    smoothgrad            |mean of dy/dx at noisy copies|               Smilkov et al., 2017, arXiv 1706.03825
    integrated-gradients  (x - x') mean of dy/dx from x' to x    Sundararajan et al., ICML 2017, 1703.01365
    guided-backprop       saliency that passes ReLUs upwards only       Springenberg et al., ICLR-W 2015, 1412.6806
    deeplift              differences from a reference x', layer-wise   Shrikumar et al., ICML 2017, arXiv 1704.02685

Letters: B batch, C channels, H W height and width, K classes, n steps or samples.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from hubel.errors import UsageError
from hubel.explainers.attribution import Raw
from hubel.nn.modes import evaluating, frozen
from hubel.nn.scores import digest, logits_of, pick
from hubel.nn.taps import watch
from hubel.runtime import generator, in_parts
from hubel.words import plural


def pixel_gradient(model: nn.Module, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """B C H W: the gradient of each image's target logit with respect to its pixels; the model is left as found."""
    leaf = images.detach().clone().requires_grad_()
    with evaluating(model), frozen(model), torch.enable_grad():
        (gradient,) = torch.autograd.grad(pick(model(leaf), targets).sum(), leaf)
    return gradient


def saliency(model: nn.Module, images: torch.Tensor, targets: torch.Tensor) -> Raw:
    """Where a small change of a pixel changes the score most."""
    return Raw(maps=pixel_gradient(model, images, targets).abs().amax(dim=1))


def gradient_x_input(model: nn.Module, images: torch.Tensor, targets: torch.Tensor) -> Raw:
    """Gradient times pixel, summed over the channels: exact for a linear net, a first guess for others."""
    return Raw(maps=(pixel_gradient(model, images, targets) * images).sum(dim=1))


def smoothgrad(
    model: nn.Module,
    images: torch.Tensor,
    targets: torch.Tensor,
    *,
    samples: int = 32,
    noise: float = 0.15,
    seed: int = 0,
    batch_size: int = 32,
) -> Raw:
    """The mean gradient over `samples` copies with Gaussian noise of `noise` times the image's range.

    The noise of an image depends on the seed and on the image's own bytes: neither the batch it came in nor the order
    matters.
    """
    if samples < 1 or noise < 0:
        raise UsageError(
            f"samples must be at least 1 and noise at least 0, got {samples} and {noise}",
            hint="samples=32 and noise=0.15 are usual",
        )
    maps = []
    for image, target in zip(images, targets, strict=True):
        spread = noise * (image.max() - image.min())
        source = generator(seed, digest(image))
        total = torch.zeros_like(image)
        for first in range(0, samples, batch_size):
            count = min(batch_size, samples - first)
            jitter = torch.randn(count, *image.shape, generator=source).to(image)
            run = partial(_summed, model, image + spread * jitter, target)
            total += sum(in_parts(count, batch_size, run, what="noisy copies of the picture"))
        maps.append((total / samples).abs().amax(dim=0))
    return Raw(maps=torch.stack(maps), details={"samples": float(samples)})


def _summed(model: nn.Module, images: torch.Tensor, target: torch.Tensor, part: slice) -> torch.Tensor:
    some = images[part]
    return pixel_gradient(model, some, target.expand(len(some))).sum(dim=0)


def integrated_gradients(
    model: nn.Module,
    images: torch.Tensor,
    targets: torch.Tensor,
    *,
    steps: int = 50,
    baseline: float | torch.Tensor = 0.0,
    batch_size: int = 32,
) -> Raw:
    """The path integral of the gradient from the baseline (0: the mean colour) to the image.

    Completeness: the map sums to the difference of the two scores. By how much it misses is in `details` as
    "completeness error", relative to that difference.
    """
    values, error = integrated(model, images, targets, steps=steps, baseline=baseline, batch_size=batch_size)
    worst = float(error.max())
    note = (
        f"the map misses the difference of scores by {worst:.0%}: take more than {plural(steps, 'step')}"
        if worst > 0.05
        else ""
    )
    return Raw(maps=values.sum(dim=1), details={"completeness error": worst, "steps": float(steps)}, note=note)


def integrated(
    model: nn.Module,
    images: torch.Tensor,
    targets: torch.Tensor,
    *,
    steps: int,
    baseline: float | torch.Tensor,
    batch_size: int = 32,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Integrated gradients B C H W by Gauss-Legendre quadrature, and the relative completeness error of each image."""
    if steps < 1:
        raise UsageError(
            f"steps must be at least 1, got {steps}",
            hint="steps=32 is usual; more where the completeness error is large",
        )
    start = torch.as_tensor(baseline, dtype=images.dtype, device=images.device).expand_as(images)
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    alphas = torch.as_tensor((nodes + 1) / 2).to(images)
    shares = torch.as_tensor(weights / 2).to(images)
    values = []
    for image, origin, target in zip(images, start, targets, strict=True):
        run = partial(_along, model, origin, image, target, alphas, shares)
        total = torch.zeros_like(image) + sum(in_parts(steps, batch_size, run, what="steps towards the picture"))
        values.append(total * (image - origin))
    result = torch.stack(values)
    difference = pick(logits_of(model, images), targets) - pick(logits_of(model, start), targets)
    error = (result.sum(dim=(1, 2, 3)) - difference).abs() / difference.abs().clamp_min(1e-6)
    return result, error


def _along(
    model: nn.Module,
    origin: torch.Tensor,
    image: torch.Tensor,
    target: torch.Tensor,
    alphas: torch.Tensor,
    shares: torch.Tensor,
    part: slice,
) -> torch.Tensor:
    way = origin + alphas[part, None, None, None] * (image - origin)  # n C H W
    return torch.einsum("n,nchw->chw", shares[part], pixel_gradient(model, way, target.expand(len(way))))


def guided_backprop(model: nn.Module, images: torch.Tensor, targets: torch.Tensor) -> Raw:
    """The gradient with negative parts removed at each ReLU; sharp, but it depends little on the class (see docs).

    ReLUs are caught where they are computed, so functional, in-place and shared ones count like modules.
    """
    return Raw(maps=guided_gradient(model, images, targets).abs().amax(dim=1))


def guided_gradient(model: nn.Module, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """B C H W: the guided gradient; raises UsageError for a net without ReLUs."""
    with _GuidedReLUs() as caught:
        gradient = pixel_gradient(model, images, targets)
    if caught.count == 0:
        raise UsageError(
            "guided-backprop cannot be used: it changes how gradients pass ReLUs, and this net has none",
            hint="methods for any net: saliency, integrated-gradients, smoothgrad, occlusion",
        )
    return gradient


class _Guided(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, ceiling: float) -> torch.Tensor:
        ctx.save_for_backward((x > 0) & (x < ceiling))
        return x.clamp(0, ceiling)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (open_,) = ctx.saved_tensors
        return gradient.relu() * open_, None


class _GuidedReLUs(TorchFunctionMode):
    """Replaces each ReLU and ReLU6 that is computed inside the block, whoever calls it and in whatever spelling."""

    RELU = frozenset({F.relu, F.relu_, torch.relu, torch.relu_, torch.Tensor.relu, torch.Tensor.relu_})

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        ceiling = float("inf") if func in self.RELU else None
        if func is F.relu6:
            ceiling = 6.0
        elif func in (F.hardtanh, F.hardtanh_):
            # nn.ReLU6 is written as a hard tanh from 0 to 6.
            low = args[1] if len(args) > 1 else kwargs.get("min_val", -1.0)
            ceiling = (args[2] if len(args) > 2 else kwargs.get("max_val", 1.0)) if low == 0 else None
        if ceiling is None:
            return func(*args, **kwargs)
        self.count += 1
        return _Guided.apply(args[0] if args else kwargs["input"], float(ceiling))


def deeplift(
    model: nn.Module, images: torch.Tensor, targets: torch.Tensor, *, baseline: float | torch.Tensor = 0.0
) -> Raw:
    """DeepLIFT with the rescale rule, by Captum, against the baseline (0: the mean colour).

    The rule knows activations and poolings that are modules and are called once each; for nets that compute them
    otherwise, UsageError says which module is in the way. "completeness error" is as in integrated gradients.
    """
    values = deeplift_values(model, images, targets, baseline=baseline)
    start = torch.as_tensor(baseline, dtype=images.dtype, device=images.device).expand_as(images)
    difference = pick(logits_of(model, images), targets) - pick(logits_of(model, start), targets)
    error = float(((values.sum(dim=(1, 2, 3)) - difference).abs() / difference.abs().clamp_min(1e-6)).max())
    note = ""
    if error > 0.05:
        note = (
            f"the map misses the difference of scores by {error:.0%}: the net holds steps that the rule does not know"
        )
    return Raw(maps=values.sum(dim=1), details={"completeness error": error}, note=note)


def deeplift_values(
    model: nn.Module, images: torch.Tensor, targets: torch.Tensor, *, baseline: float | torch.Tensor = 0.0
) -> torch.Tensor:
    """B C H W: DeepLIFT's contributions."""
    from captum.attr import DeepLift  # slow to import, and only this method needs it

    _refuse_deeplift(model, images[:1])
    start = torch.as_tensor(baseline, dtype=images.dtype, device=images.device).expand_as(images).contiguous()
    with evaluating(model), frozen(model), _out_of_place(model), torch.enable_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting forward, backward hooks")
        leaf = images.detach().clone().requires_grad_()
        values: torch.Tensor = DeepLift(model).attribute(leaf, start, target=targets)
    return values.detach()


_RESCALED: tuple[type[nn.Module], ...] = (
    nn.ReLU, nn.ELU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.MaxPool2d,
)  # fmt: skip
_UNKNOWN_TO_THE_RULE: tuple[type[nn.Module], ...] = (
    nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Hardsigmoid, nn.ReLU6, nn.PReLU, nn.LayerNorm, nn.MultiheadAttention,
)  # fmt: skip


def _refuse_deeplift(model: nn.Module, images: torch.Tensor) -> None:
    """Raise UsageError that names the module for which the rescale rule is not defined."""
    calls: dict[str, int] = {}
    modules = dict(model.named_modules())
    judged = {name: module for name, module in modules.items() if isinstance(module, _RESCALED + _UNKNOWN_TO_THE_RULE)}

    def count(name: str, module: nn.Module, inputs: object, output: object) -> None:
        calls[name] = calls.get(name, 0) + 1

    with watch(judged, count), evaluating(model), torch.no_grad():
        model(images)
    for name, times in calls.items():
        kind = type(modules[name]).__name__
        if isinstance(modules[name], _UNKNOWN_TO_THE_RULE):
            why = f"it has no rule for {kind} ({name})"
        elif times > 1:
            why = f"{name} ({kind}) is called {times} times in a pass, and the rule needs one input and one output"
        else:
            continue
        raise UsageError(
            f"deeplift cannot be used: {why}", hint="integrated-gradients answers the same question for any net"
        )


@contextmanager
def _out_of_place(model: nn.Module) -> Iterator[None]:
    """Captum's backward hooks cannot follow an activation that overwrites its input."""
    changed: list[Any] = [module for module in model.modules() if getattr(module, "inplace", False)]
    for module in changed:
        module.inplace = False
    try:
        yield
    finally:
        for module in changed:
            module.inplace = True
