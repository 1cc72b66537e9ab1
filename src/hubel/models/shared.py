"""What families share: from which picture size on the stem of the paper is right, and places enlarged to pixels.

Nets for ImageNet start by throwing away resolution (a 7x7 convolution of stride 2 and a pool reach 1/4 at once).
Pictures of 28x28 or 32x32 pixels would arrive at the first block as 7x7. Each family therefore has a second stem,
the one that its authors or the usual CIFAR ports use, and takes it for pictures of up to `SMALL` pixels.
"""

from __future__ import annotations

import math

import torch
from torch import nn

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


def answer_for_pixels(maps: torch.Tensor, head: nn.Module, size: tuple[int, int]) -> torch.Tensor:
    """The head of a classification net, asked at every place of its last maps B C h w: logits B K H W.

    Where a net averages its maps and then asks a dense head (B C -> B K), the head asked before the average is a
    convolution 1x1: the net is fully convolutional (Long, Shelhamer & Darrell, CVPR 2015, arXiv 1411.4038, section
    3.1).

    >>> net = nn.Linear(1, 1)
    >>> _ = nn.init.ones_(net.weight), nn.init.zeros_(net.bias)
    >>> answer_for_pixels(torch.tensor([[[[0.0, 4.0]]]]), net, (1, 8)).flatten().tolist()
    [0.0, 0.0, 0.5, 1.5, 2.5, 3.5, 4.0, 4.0]
    """
    return spread_over_pixels(head(maps.movedim(1, -1)).movedim(-1, 1), size)


def spread_over_pixels(answers: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Answers B K h w at places that lie evenly in the picture, at each of its pixels: B K H W.

    The outermost places are as far from the one rim as from the other, wherever the windows of a net begin: one that
    has learnt from mirrored pictures as from others has no side.

    >>> spread_over_pixels(torch.tensor([[[[0.0, 4.0]]]]), (1, 5)).flatten().tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0]
    """
    jump = (jump_of(size[0], answers.shape[2]), jump_of(size[1], answers.shape[3]))
    down, across = (
        (pixels - step * (places - 1) - 1) / 2
        for pixels, step, places in zip(size, jump, answers.shape[2:], strict=True)
    )
    return enlarge_to_pixels(answers, size, first=(down, across), jump=jump)


def jump_of(pixels: int, places: int) -> int:
    """How many pixels lie between two of `places`, where each halving of `pixels` leaves an odd one over.

    >>> jump_of(224, 7), jump_of(33, 2), jump_of(64, 64)
    (32, 32, 1)
    """
    return 1 << max(0, math.ceil(math.log2(pixels / places)))


def enlarge_to_pixels(
    answers: torch.Tensor, size: tuple[int, int], *, first: tuple[float, float], jump: tuple[float, float]
) -> torch.Tensor:
    """Answers B K h w at places `jump` pixels apart, from pixel `first` on (down and across): at each pixel, B K H W.

    Between places they are bilinear; beyond the outermost they are those of the outermost.

    >>> enlarge_to_pixels(torch.tensor([[[[0.0, 4.0]]]]), (1, 6), first=(0, 0.5), jump=(4, 4)).flatten().tolist()
    [0.0, 0.5, 1.5, 2.5, 3.5, 4.0]
    """
    down, across = (
        _between(*numbers).to(answers) for numbers in zip(size, answers.shape[2:], first, jump, strict=True)
    )
    return torch.einsum("yh,bkhw,xw->bkyx", down, answers, across)


def _between(pixels: int, places: int, first: float, jump: float) -> torch.Tensor:
    """`pixels` x `places`: how much of each place a pixel takes."""
    at = ((torch.arange(pixels) - first) / jump).clamp(0, places - 1)
    return (1 - (at[:, None] - torch.arange(places)).abs()).clamp(min=0)
