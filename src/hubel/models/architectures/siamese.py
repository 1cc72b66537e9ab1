"""Metric learning over any net: pictures become points, and near means alike.

J. Bromley et al., Signature verification using a Siamese time delay neural network, NIPS 1993; F. Schroff et al.,
FaceNet, CVPR 2015, arXiv 1503.03832 (triplets, unit length); F. Wang et al., NormFace, 2017, arXiv 1704.06369 (head).

    embed(x) = v / |v|,  v = backbone(x): D numbers          logits_k = s · cos(embed(x), proxy_k)

Two pictures go through the same weights, which is all that "Siamese" means. The head holds one point per class, so the
net trains like any classifier; `triplets` and `pairs` choose what the losses triplet, contrastive and cosine need.

>>> net = siamese(num_classes=10, in_chans=1, img_size=(28, 28))
>>> images = torch.rand(3, 1, 28, 28)
>>> net.embed(images).norm(dim=1).round(decimals=4).tolist()
[1.0, 1.0, 1.0]
>>> net.distances(images, images).diagonal().abs().max().item() < 1e-3
True
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from hubel.errors import UsageError
from hubel.models import create_model


class CosineHead(nn.Module):
    """s · cosine with one proxy per class: B D -> B K."""

    def __init__(self, width: int, num_classes: int, scale: float) -> None:
        super().__init__()
        self.proxies = nn.Parameter(torch.randn(num_classes, width))
        self.scale = scale

    def forward(self, embedded: torch.Tensor) -> torch.Tensor:
        return self.scale * F.linear(embedded, F.normalize(self.proxies))


class Siamese(nn.Module):
    """Any backbone with an embedding of unit length: pictures B C H W -> logits B K, `embed` -> B D."""

    head = "classify"

    def __init__(self, backbone: nn.Module, width: int, num_classes: int, scale: float) -> None:
        super().__init__()
        self.backbone = backbone
        self.classify = CosineHead(width, num_classes, scale)
        self.stages = tuple(f"backbone.{stage}" for stage in backbone.stages)  # type: ignore[union-attr]

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        """A point on the unit sphere for each picture, B D."""
        return F.normalize(self.backbone(images))

    def distances(self, images: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Euclidean distances between embeddings, 0 to 2: B B'."""
        return torch.cdist(self.embed(images), self.embed(others))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classify(self.embed(images))


def triplets(embedded: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Indices of anchor, its farthest friend and its nearest stranger in the batch (Hermans et al. 2017).

    Anchors without a friend or a stranger in the batch are left out.

    >>> points = torch.tensor([[0.0], [1.0], [3.0], [0.5]])
    >>> [index.tolist() for index in triplets(points, torch.tensor([0, 0, 0, 1]))]
    [[0, 1, 2], [2, 2, 0], [3, 3, 3]]
    """
    distance = torch.cdist(embedded.detach(), embedded.detach())  # B B
    same = labels[:, None] == labels
    friend = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    farthest = distance.masked_fill(~friend, -1.0).argmax(dim=1)
    nearest = distance.masked_fill(same, torch.inf).argmin(dim=1)
    (anchor,) = torch.where(friend.any(1) & ~same.all(1))
    return anchor, farthest[anchor], nearest[anchor]


def pairs(labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """All pairs of the batch: indices of the first and second, and +1 where they are alike, -1 where not."""
    first, second = torch.triu_indices(len(labels), len(labels), offset=1, device=labels.device)
    return first, second, torch.where(labels[first] == labels[second], 1, -1)


def siamese(
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int, int],
    backbone: str = "mnist_cnn",
    width: int = 64,
    scale: float = 16.0,
    backbone_options: Mapping[str, Any] | None = None,
) -> Siamese:
    """The architecture `backbone`, with options of its own, and `width` outputs as embedding.

    Raises what `create_model` raises for it.
    """
    if width < 2:
        raise UsageError(f"an embedding needs at least 2 dimensions, got width={width}", hint="width=64 is usual")
    if backbone == "siamese":
        raise UsageError("the backbone cannot be siamese itself", hint="name any other net: hubel models")
    if backbone_options is not None and not isinstance(backbone_options, Mapping):
        raise UsageError(
            f"option 'backbone_options' of model 'siamese' must be options of {backbone} by name, "
            f"got {backbone_options!r}",
            hint="--model-option 'backbone_options={KEY: VALUE}'",
        )
    options = dict(backbone_options or {})
    net = create_model(backbone, num_classes=width, in_chans=in_chans, img_size=img_size, **options)
    return Siamese(net, width, num_classes, scale)
