"""Feature pyramid: coarse maps that know what, added to fine maps that know where; over any net of the catalogue.

T.-Y. Lin, P. Dollár, R. Girshick, K. He, B. Hariharan, S. Belongie, Feature Pyramid Networks for Object Detection, CVPR
2017, arXiv 1612.03144, figure 3. From the last map of each size, C2 … C5, come P2 … P5:

    P5 = conv1x1(C5)        P_i = conv1x1(C_i) + upsample(P_(i+1))        every P_i then passes a 3x3

The paper's heads detect; ours classifies, from the average over each level's average. `feature_maps` gives the pyramid.
Letters: B batch, C input channels, H W height and width, K classes, d maps of each level.
"""

from __future__ import annotations

import torch
from torch import nn

from hubel.errors import UsageError
from hubel.models import create_model
from hubel.nn.modes import evaluating
from hubel.nn.taps import record


class FeaturePyramid(nn.Module):
    """A pyramid over `backbone`, whose `stages` are its C_i. Images B C H W -> logits B K."""

    head = "fc"

    def __init__(self, backbone: nn.Module, num_classes: int, in_chans: int, img_size: tuple[int, int], d: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.levels, maps = pyramid_levels(backbone, in_chans, img_size)
        # The backbone's own head is not on the way; without it no parameter is left untrained.
        parent, _, last = str(backbone.head).rpartition(".")
        setattr(backbone.get_submodule(parent), last, nn.Identity())
        self.lateral = nn.ModuleList(nn.Conv2d(width, d, 1) for width in maps)
        self.smooth = nn.ModuleList(nn.Conv2d(d, d, 3, padding=1) for _ in maps)
        self.fc = nn.Linear(d, num_classes)
        self.stages = (*(f"backbone.{level}" for level in self.levels), *(f"smooth.{i}" for i in range(len(maps))))

    def feature_maps(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """P2 … P5, finest first: each B d h w."""
        with record(self.backbone, *self.levels) as seen:
            self.backbone(images)
        above: torch.Tensor | None = None
        pyramid = []
        for level, lateral, smooth in zip(
            reversed(self.levels), reversed(self.lateral), reversed(self.smooth), strict=True
        ):
            here = lateral(seen[level])
            if above is not None:
                here = here + nn.functional.interpolate(above, size=here.shape[2:], mode="nearest")
            above = here
            pyramid.append(smooth(here))
        return tuple(reversed(pyramid))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        means = [maps.mean(dim=(2, 3)) for maps in self.feature_maps(images)]  # each B d
        return self.fc(torch.stack(means).mean(dim=0))  # B K


def _stages(backbone: nn.Module) -> tuple[str, ...]:
    return backbone.stages  # type: ignore[return-value]


def pyramid_levels(
    backbone: nn.Module, in_chans: int, img_size: tuple[int, int]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The last stage at each size of maps, finest first, and its number of maps: found by looking at one image."""
    device = next(backbone.parameters()).device
    with evaluating(backbone), torch.no_grad(), record(backbone, *_stages(backbone)) as seen:
        backbone(torch.zeros((1, in_chans, *img_size), device=device))
    last_of_size: dict[tuple[int, ...], str] = {}
    for stage in seen:
        if seen[stage].ndim == 4:
            last_of_size[tuple(seen[stage].shape[2:])] = stage
    if len(last_of_size) < 2:
        raise UsageError(
            f"a feature pyramid needs a backbone with maps of at least two sizes, got {len(last_of_size)}",
            hint="use a ResNet, a VGG or a MobileNet, or larger images",
        )
    levels = tuple(last_of_size.values())
    return levels, tuple(seen[level].shape[1] for level in levels)


def fpn(
    *, num_classes: int, in_chans: int, img_size: tuple[int, int], backbone: str = "resnet50", d: int = 256
) -> FeaturePyramid:
    """A pyramid of `d` maps over the net called `backbone` (the paper: ResNet-50)."""
    body = create_model(backbone, num_classes=1, in_chans=in_chans, img_size=img_size)
    return FeaturePyramid(body, num_classes, in_chans, img_size, d)
