"""What families share: from which picture size on the stem of the paper is right, and places enlarged to pixels.

Nets for ImageNet start by throwing away resolution (a 7x7 convolution of stride 2 and a pool reach 1/4 at once).
Pictures of 28x28 or 32x32 pixels would arrive at the first block as 7x7. Each family therefore has a second stem,
the one that its authors or the usual CIFAR ports use, and takes it for pictures of up to `SMALL` pixels.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from hubel.errors import UsageError

SMALL = 64
"""Largest short side, in pixels, that gets the stem for small images."""

STEMS = ("auto", "full", "small")


def is_small(img_size: tuple[int, int], stem: str = "auto", *, up_to: int = SMALL) -> bool:
    """Whether to build the stem for small images: by the short side of H and W, unless `stem` says which.

    A family whose full stem needs more than `SMALL` pixels moves the limit with `up_to`.

    >>> is_small((32, 32)), is_small((224, 224)), is_small((32, 32), stem="full")
    (True, False, False)
    """
    if stem not in STEMS:
        raise UsageError(f"stem must be auto, full or small, got {stem!r}", hint="auto goes by the size of the images")
    return min(img_size) <= up_to if stem == "auto" else stem == "small"


def require(name: str, img_size: tuple[int, int], smallest: int) -> None:
    """Refuse images whose short side is below `smallest` pixels, with the way out.

    >>> require("vgg16", (16, 16), 32)
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: vgg16 with this stem needs images of at least 32x32 pixels, got 16x16
      use larger images, or stem="small"
    """
    if min(img_size) < smallest:
        raise UsageError(
            f"{name} with this stem needs images of at least {smallest}x{smallest} pixels, "
            f"got {img_size[0]}x{img_size[1]}",
            hint='use larger images, or stem="small"',
        )


def answer_for_pixels(
    maps: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, size: tuple[int, int], *, first: float,
    jump: float,
) -> torch.Tensor:  # fmt: skip
    """The head of a classification net, asked at every place of its last maps B C h w: logits B K H W.

    Where a net averages its maps and then asks a dense head (`weight` K C, `bias` K), the head is a convolution 1x1
    before the average: the net is fully convolutional (Long, Shelhamer & Darrell, CVPR 2015, arXiv 1411.4038, section
    3.1). Between places, `jump` pixels apart from pixel `first` on, answers are bilinear; beyond the outermost they are
    those of the outermost.

    >>> maps = torch.tensor([[[[0.0, 4.0]]]])
    >>> answer_for_pixels(maps, torch.ones(1, 1), None, (1, 6), first=0.5, jump=4).flatten().tolist()
    [0.0, 0.5, 1.5, 2.5, 3.5, 4.0]
    """
    answers = functional.conv2d(maps, weight[:, :, None, None], bias)
    down, across = (
        _between(pixels, places, first, jump).to(answers)
        for pixels, places in zip(size, answers.shape[2:], strict=True)
    )
    return torch.einsum("yh,bkhw,xw->bkyx", down, answers, across)


def _between(pixels: int, places: int, first: float, jump: float) -> torch.Tensor:
    """`pixels` x `places`: how much of each place a pixel takes."""
    at = ((torch.arange(pixels) - first) / jump).clamp(0, places - 1)
    return (1 - (at[:, None] - torch.arange(places)).abs()).clamp(min=0)
