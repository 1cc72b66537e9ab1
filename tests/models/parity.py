"""What the comparison with torchvision shares: names, weights as a function of their key, and the recorded answers.

The record (`tests/fixtures/torchvision.json.gz`) holds for each net the keys and shapes of torchvision's state dict and
the first logits of one made-up image under made-up weights. `make parity` checks it against torchvision, and
`benchmarks/zoo_parity.py --record` writes it.
"""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

RECORD = Path(__file__).parents[1] / "fixtures" / "torchvision.json.gz"
SIZE = 96
"""Side of the image: above every net's minimum, and small enough for a quick pass."""

NETS = (
    "alexnet", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn", "googlenet",
    "inception_v3", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d",
    "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2", "densenet121", "densenet161",
    "densenet169", "densenet201", "squeezenet1_0", "squeezenet1_1", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0",
    "shufflenet_v2_x1_5", "shufflenet_v2_x2_0", "mobilenet_v2", "mobilenet_v3_small",
    "mobilenet_v3_large", *(f"efficientnet_b{n}" for n in range(8)),
)  # fmt: skip


def table(state: Mapping[str, torch.Tensor]) -> list[list[Any]]:
    """Keys and shapes, in the order of the state dict; the counters of batch normalisation are left out."""
    return [[key, list(value.shape)] for key, value in state.items() if not key.endswith("num_batches_tracked")]


def weights(rows: Iterable[list[Any]]) -> dict[str, torch.Tensor]:
    """A state dict whose every tensor is a function of its key: He-scaled weights, variances near 1, small shifts."""
    return {key: _weight(key, tuple(shape)) for key, shape in rows}


def _weight(key: str, shape: tuple[int, ...]) -> torch.Tensor:
    drawn = torch.Generator().manual_seed(zlib.crc32(key.encode()))
    if len(shape) > 1:
        return torch.randn(shape, generator=drawn) * math.sqrt(2 / math.prod(shape[1:]))
    if key.endswith(("running_var", "weight")):
        return 0.75 + 0.5 * torch.rand(shape, generator=drawn)
    return 0.1 * torch.randn(shape, generator=drawn)


def image() -> torch.Tensor:
    return torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def answer(net: nn.Module, rows: list[list[Any]]) -> torch.Tensor:
    """The logits (K) of the made-up image under the made-up weights."""
    missing, unexpected = net.load_state_dict(weights(rows), strict=False)
    wrong = [key for key in missing if not key.endswith("num_batches_tracked")] + unexpected
    assert not wrong, f"keys that do not map: {wrong[:5]}"
    with torch.no_grad():
        return net.eval()(image())[0]


def recorded() -> dict[str, dict[str, Any]]:
    with gzip.open(RECORD, "rt") as file:
        return json.load(file)


def write(record: Mapping[str, Mapping[str, Any]]) -> None:
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_bytes(gzip.compress(json.dumps(record, separators=(",", ":")).encode(), mtime=0))


def close(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Largest difference, in units of the largest logit."""
    return float((ours - theirs).abs().max() / theirs.abs().max())
