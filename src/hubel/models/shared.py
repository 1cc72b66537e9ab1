"""One rule for all families: from which picture size on the stem of the paper is right.

Nets for ImageNet start by throwing away resolution (a 7x7 convolution of stride 2 and a pool reach 1/4 at once).
Pictures of 28x28 or 32x32 pixels would arrive at the first block as 7x7. Each family therefore has a second stem,
the one that its authors or the usual CIFAR ports use, and takes it for pictures of up to `SMALL` pixels.
"""

from __future__ import annotations

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
