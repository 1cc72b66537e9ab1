"""Weights from elsewhere put into a net: by name and shape, or in order where only the names differ.

>>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))
>>> other = {"0.weight": torch.ones(4, 3, 3, 3), "0.bias": torch.zeros(4), "3.weight": torch.ones(10, 16)}
>>> fit = fit_weights(net, other)
>>> fit.loaded, fit.adapted, fit.mismatched, fit.missing
(('0.bias',), ('0.weight',), (('3.weight', (3, 16), (10, 16)),), ('3.bias',))
>>> net[0].weight[0, 0, 0, 0].item()
3.0
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from hubel.errors import ArtefactError


@dataclass(frozen=True)
class Fit:
    """What became of each tensor."""

    loaded: tuple[str, ...]
    """Names in the net that took a tensor as it was."""
    adapted: tuple[str, ...]
    """The stem, whose input channels were summed or spread."""
    missing: tuple[str, ...]
    """Names in the net for which nothing came: they keep their values."""
    mismatched: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]
    """Name, shape in the net, shape that came: the net keeps its values."""
    unexpected: tuple[str, ...]
    """Names that came and that the net does not have."""
    by_order: bool
    """No name fitted, but the shapes did, one after the other."""

    @property
    def complete(self) -> bool:
        """Did every tensor of the net get its value?"""
        return not self.missing and not self.mismatched


def fit_weights(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> Fit:
    """Copy into `model` what fits; what does not fit stays as it is and is told.

    A stem whose only difference is the number of input channels is adapted. Raises ArtefactError when nothing fits.
    """
    wanted = {name: value for name, value in model.state_dict(keep_vars=True).items() if value is not None}
    weights, by_order = _named(wanted, _modern(weights))
    stem = next((name for name, value in wanted.items() if value.ndim == 4), None)
    loaded: list[str] = []
    adapted: list[str] = []
    mismatched: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = []
    with torch.no_grad():
        for name, value in wanted.items():
            came = weights.get(name)
            if came is None:
                continue
            if came.shape == value.shape:
                loaded.append(name)
            elif name == stem and came.ndim == 4 and _but_channels(came.shape) == _but_channels(value.shape):
                came = adapt_stem(came, value.shape[1])
                adapted.append(name)
            else:
                mismatched.append((name, tuple(value.shape), tuple(came.shape)))
                continue
            value.copy_(came)
    if not any(wanted[name].is_floating_point() for name in [*loaded, *adapted]):
        raise ArtefactError(
            f"none of the {len(weights)} tensors fits the net: it has for example {_some(wanted)}, "
            f"and for example {_some(weights)} came",
            hint="choose the architecture the weights were trained with: --as NAME (hubel models)",
        )
    # Counters of batch norms are younger than many published files; nothing depends on them.
    missing = tuple(name for name in wanted if name not in weights and not name.endswith("num_batches_tracked"))
    unexpected = tuple(name for name in weights if name not in wanted)
    return Fit(tuple(loaded), tuple(adapted), missing, tuple(mismatched), unexpected, by_order)


def adapt_stem(weight: torch.Tensor, channels: int) -> torch.Tensor:
    """Filters O C h w for another number of input channels, with the same answer to a grey picture.

    To one channel: the sum over the old ones. To more: that sum, shared equally.

    >>> adapt_stem(torch.ones(1, 3, 1, 1), 1).item(), adapt_stem(torch.ones(1, 3, 1, 1), 6).sum().item()
    (3.0, 3.0)
    """
    return weight.sum(1, keepdim=True).expand(-1, channels, -1, -1) / channels


def _but_channels(shape: torch.Size) -> tuple[int, ...]:
    return (shape[0], *shape[2:])


# torchvision's DenseNets were saved when norm.1 was a legal name of a module.
_DENSENET = re.compile(r"(.*denselayer\d+\.(?:norm|conv))\.([12]\..*)")


def _modern(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {_DENSENET.sub(r"\1\2", name): value for name, value in weights.items()}


def _named(
    wanted: Mapping[str, torch.Tensor], weights: dict[str, torch.Tensor]
) -> tuple[dict[str, torch.Tensor], bool]:
    """The weights under the net's names: as they are, or by order when no name fits and all shapes agree in a row."""
    if any(name in wanted for name in weights):
        return weights, False
    ours = [name for name in wanted if not name.endswith("num_batches_tracked")]
    theirs = [name for name in weights if not name.endswith("num_batches_tracked")]
    if [wanted[name].shape for name in ours] != [weights[name].shape for name in theirs]:
        return weights, False
    return {name: weights[other] for name, other in zip(ours, theirs, strict=True)}, True


def _some(tensors: Mapping[str, torch.Tensor]) -> str:
    return ", ".join(f"{name} {'x'.join(map(str, value.shape))}" for name, value in list(tensors.items())[:2])
