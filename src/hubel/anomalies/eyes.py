"""How pictures are seen by who looks for strange ones: as pixels, or as what a net makes of them.

Letters: N pictures, C channels, H height, W width, F numbers; h w places of a map.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hubel.data.preprocessing import Preprocessing
from hubel.errors import UsageError
from hubel.nn.modes import evaluating
from hubel.nn.taps import pooled, record

SIDE = 32
"""Sides above which pixels are averaged before they are taken as they are."""
PLACES = 32
"""Places a side of a map at most: a picture has at most 1,024 patches."""
SOME = 64
"""Pictures that are looked at at once."""


@dataclass(frozen=True, kw_only=True)
class Eyes:
    """What sees: the geometry of the pictures, and a net or none."""

    preprocessing: Preprocessing
    net: nn.Module | None = None
    """In evaluation mode; None for pixels."""
    stages: tuple[str, ...] = ()
    """Of the net: the last one gives vectors, all of them maps."""
    name: str = "pixels"
    """What to call it."""
    device: str = "cpu"

    def vectors(self, images: np.ndarray) -> np.ndarray:
        """N F float32 from N C H W uint8: means over blocks of pixels, or the features of the last stage, averaged."""
        if self.net is None:
            return self._each(images, lambda batch: shrunken(batch).flatten(1))
        return self._each(images, lambda batch: pooled(self._seen(batch)[-1].float()))

    def maps(self, images: np.ndarray) -> np.ndarray:
        """N F h w float32: what is at every place.

        Of a net, the maps of its stages, averaged over 3 x 3 places and brought to the size of the largest (Roth et
        al., arXiv:2106.08265, section 3.1); of pixels, patches at two scales.
        """
        if self.net is None:
            return self._each(images, patches)
        return self._each(images, lambda batch: together(self._seen(batch)))

    def _seen(self, batch: torch.Tensor) -> list[torch.Tensor]:
        assert self.net is not None
        with record(self.net, *self.stages, copy=True) as seen:
            self.net(self.preprocessing.normalise(batch))
            return [seen[name].float() for name in self.stages]

    def _each(self, images: np.ndarray, see: Callable[[torch.Tensor], torch.Tensor]) -> np.ndarray:
        found = []
        with torch.inference_mode():
            for start in range(0, len(images), SOME):
                batch = torch.from_numpy(np.ascontiguousarray(images[start : start + SOME])).to(self.device)
                if self.net is None:
                    found.append(see(batch).float().cpu().numpy())
                else:
                    with evaluating(self.net):
                        found.append(see(batch).float().cpu().numpy())
        return np.concatenate(found) if found else np.zeros((0, 0), np.float32)


def shrunken(batch: torch.Tensor, side: int = SIDE) -> torch.Tensor:
    """N C h w of 0..1 from N C H W uint8, the sides at most `side`: means over whole blocks.

    >>> shrunken(torch.zeros(1, 3, 128, 96, dtype=torch.uint8)).shape
    torch.Size([1, 3, 32, 24])
    """
    step = -(-max(batch.shape[2:]) // side)
    scaled = batch.float() / 255
    if step == 1:
        return scaled
    return functional.avg_pool2d(scaled, (min(step, scaled.shape[2]), min(step, scaled.shape[3])), step)


def patches(batch: torch.Tensor) -> torch.Tensor:
    """N F h w: at every place the pixels of a small patch, and of one twice as wide at half the size.

    >>> patches(torch.zeros(2, 1, 28, 28, dtype=torch.uint8)).shape
    torch.Size([2, 50, 28, 28])
    """
    scaled = batch.float() / 255
    small = shrunken(batch, 4 * PLACES) if max(batch.shape[2:]) > 4 * PLACES else scaled
    stride = -(-max(small.shape[2:]) // PLACES)
    side = 2 * stride + 3
    fine = small
    while side > 7:  # a wide patch is taken from a smaller picture, so that it stays a few dozen numbers
        fine, side, stride = functional.avg_pool2d(fine, 2, ceil_mode=True), side // 2 | 1, max(1, stride // 2)
    coarse = functional.avg_pool2d(fine, 2, ceil_mode=True)
    places = (-(-fine.shape[2] // stride), -(-fine.shape[3] // stride))
    near = _around(fine, side, stride)
    far = functional.interpolate(_around(coarse, side, 1), size=places, mode="nearest")
    return torch.cat([near, far], dim=1)


def _around(images: torch.Tensor, side: int, stride: int) -> torch.Tensor:
    """N C*side*side h w: the pixels around every place, the rim repeated."""
    half = side // 2
    wide = functional.pad(images, (half, half, half, half), mode="replicate")
    unfolded = functional.unfold(wide, side, stride=stride)
    high, across = ((size + 2 * half - side) // stride + 1 for size in images.shape[2:])
    return unfolded.unflatten(2, (high, across))


def together(seen: list[torch.Tensor]) -> torch.Tensor:
    """Maps of several stages as one, N F h w, each averaged over 3 x 3 places, of the size of the largest.

    >>> together([torch.ones(1, 2, 8, 8), torch.ones(1, 3, 4, 4)]).shape
    torch.Size([1, 5, 8, 8])
    """
    largest = max((each.shape[2:] for each in seen), key=math.prod)
    found = []
    for each in seen:
        smooth = functional.avg_pool2d(each, 3, 1, 1, count_include_pad=False)
        same = smooth.shape[2:] == largest
        found.append(
            smooth if same else functional.interpolate(smooth, size=largest, mode="bilinear", align_corners=False)
        )
    return torch.cat(found, dim=1)


def chosen_stages(net: nn.Module, preprocessing: Preprocessing) -> tuple[str, ...]:
    """The two stages of a net that see parts: those whose maps are nearest to an eighth and a sixteenth of the picture.

    Of small pictures those with at least 4 x 4 places; the last stage stands last. Raises UsageError for a net without
    maps, which sees no places.
    """
    names: tuple[str, ...] = tuple(getattr(net, "stages", ()))
    blank = torch.zeros(1, *preprocessing.shape, dtype=torch.uint8, device=_device(net))
    with evaluating(net), torch.inference_mode(), record(net, *names, copy=True) as seen:
        net(preprocessing.normalise(blank))
        sides = {name: seen[name].shape[2:] for name in names if name in seen and seen[name].dim() == 4}
    wide = {name: min(side) for name, side in sides.items() if min(side) >= 4}
    if not wide:
        raise UsageError(
            f"{type(net).__name__} has no stage whose maps have 4 x 4 places: it cannot say where something is strange",
            hint="larger pictures: --img-size 128; or another net with --features, or --features pixels",
        )
    whole = min(preprocessing.height, preprocessing.width)
    picked: list[str] = []
    for part in (8, 16):
        wanted = max(4.0, whole / part)
        left = [name for name in wide if name not in picked] or list(wide)
        # Of stages with maps of one size the deepest: it has seen most.
        picked.append(min(reversed(left), key=lambda name: abs(math.log(wide[name] / wanted))))
    order = [name for name in names if name in picked]
    return tuple(dict.fromkeys(order))


def _device(net: nn.Module) -> torch.device:
    parameter = next(net.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device
