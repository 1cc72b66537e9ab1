"""Pillow's way to bring a picture to size, in PyTorch's own operations: for forms of a net that are made of these.

The same arithmetic as `hubel.deploy.onnx_graph`, which says how it goes; a tensor of any height and width comes in, and
no size is ever a plain number of Python, so that exporters can leave it open.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from hubel.data.preprocessing import Preprocessing
from hubel.deploy.onnx_graph import GREY, REACH, STEPS, down_first


class Placing(nn.Module):
    """Pictures N H W C uint8 to N C h w float32, as `Preprocessing.fitted` and `.normalise` do, to the byte.

    >>> import numpy as np
    >>> seen = Preprocessing(height=5, width=4, fit="pad", interpolation="bicubic")
    >>> picture = np.random.default_rng(0).integers(0, 256, (9, 6, 3), dtype=np.uint8)
    >>> found = Placing(seen)(torch.from_numpy(picture[None]))
    >>> bool((found[0].numpy() == seen.normalise(seen.array(picture)[None])[0]).all())
    True
    """

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.seen = preprocessing
        self.down_first = down_first()
        scale, shift = preprocessing._scale_and_shift(bytes_=True)
        self.register_buffer("scale", torch.from_numpy(scale))
        self.register_buffer("shift", torch.from_numpy(shift))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """N H W C uint8 -> N C h w float32."""
        seen = self.seen
        one = torch.ones((), dtype=torch.float64)
        high, wide = one * pictures.shape[1], one * pictures.shape[2]
        inner_h, inner_w, zero = one * seen.height, one * seen.width, one * 0
        top, left, bottom, right, down, across = zero, zero, high, wide, zero, zero
        if seen.fit == "crop":
            scale = seen.crop_share * torch.minimum(wide / seen.width, high / seen.height)
            left, right = _middle(wide, seen.width * scale)
            top, bottom = _middle(high, seen.height * scale)
        elif seen.fit == "pad":
            scale = torch.minimum(seen.width / wide, seen.height / high)
            inner_h, inner_w = ((size * scale).round().clamp(min=1) for size in (high, wide))
            down, across = ((seen.height - inner_h) / 2).floor(), ((seen.width - inner_w) / 2).floor()
        how = seen.interpolation
        over_x, seen_x = matrix(pictures.shape[2], left, right, inner_w, across, seen.width, how)
        over_y, seen_y = matrix(pictures.shape[1], top, bottom, inner_h, down, seen.height, how)
        pixels = pictures.permute(0, 3, 1, 2).to(torch.float64)
        over_x = over_x.T.contiguous()
        if self.down_first:
            tall = (high > inner_h) & (high - inner_h > 2 * (wide - inner_w))
            pixels = torch.cond(tall, _down_first, _across_first, (pixels, over_x, over_y))
        else:
            pixels = _across_first(pixels, over_x, over_y)
        inside = seen_y[:, None] & seen_x[None, :]
        fitted = torch.where(inside, pixels, one * GREY).to(torch.float32)
        return fitted * self.scale + self.shift


def laid_back(maps: torch.Tensor, pictures: torch.Tensor, seen: Preprocessing, nothing: int) -> torch.Tensor:
    """N h w to N H W of pictures N H W C, as `Preprocessing.laid_back` does.

    >>> import numpy as np
    >>> seen = Preprocessing(height=3, width=5, fit="pad")
    >>> maps = np.arange(15, dtype=np.uint8).reshape(1, 3, 5)
    >>> found = laid_back(torch.from_numpy(maps), torch.zeros(1, 11, 7, 3), seen, 255)
    >>> bool((found.numpy() == seen.laid_back(maps, 11, 7, 255)).all())
    True
    """
    one = torch.ones((), dtype=torch.float64)
    high, wide = one * pictures.shape[1], one * pictures.shape[2]
    rows, there = _origin(pictures.shape[1], high, seen.height, wide, seen.width, seen)
    columns, here = _origin(pictures.shape[2], wide, seen.width, high, seen.height, seen)
    inside = there[:, None] & here[None, :]
    return torch.where(inside, maps[:, rows][:, :, columns], torch.full_like(maps[:, :1, :1], nothing))


def _origin(
    count: int, size: torch.Tensor, out: int, other: torch.Tensor, beside: int, seen: Preprocessing
) -> tuple[torch.Tensor, torch.Tensor]:
    low, high, inner, first = size * 0, size, size * 0 + out, size * 0
    if seen.fit == "crop":
        low, high = _middle(size, out * (seen.crop_share * torch.minimum(size / out, other / beside)))
    elif seen.fit == "pad":
        inner = (size * torch.minimum(out / size, beside / other)).round().clamp(min=1)
        first = ((out - inner) / 2).floor()
    place = ((torch.arange(count, dtype=torch.float64) + 0.5 - low) * (inner / (high - low))).floor()
    there = (place >= 0) & (place < inner)
    return (first + torch.minimum(place.clamp(min=0), inner - 1)).long(), there


def _middle(size: torch.Tensor, long: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    low = ((size - long) / 2).clamp(min=0)
    return low, torch.minimum(size, low + long)


def _bytes(sums: torch.Tensor) -> torch.Tensor:
    return ((sums + STEPS / 2) / STEPS).floor().clamp(0, 255)


# The branches must give tensors of their own.
def _down_first(pixels: torch.Tensor, over_x: torch.Tensor, over_y: torch.Tensor) -> torch.Tensor:
    return _bytes(_bytes(over_y @ pixels) @ over_x).clone()


def _across_first(pixels: torch.Tensor, over_x: torch.Tensor, over_y: torch.Tensor) -> torch.Tensor:
    return _bytes(over_y @ _bytes(pixels @ over_x)).clone()


def matrix(
    size: int, low: torch.Tensor, high: torch.Tensor, inner: torch.Tensor, offset: torch.Tensor, out: int, how: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """(weights `out` x `size`, which of the `out` pixels are of the picture); see `onnx_graph.matrix`."""
    low, high = low.float(), high.float()
    scale = (high - low).double() / inner
    low = low.double()
    place = torch.arange(out, dtype=torch.float64) - offset
    seen = (place >= 0) & (place < inner)
    pixel = torch.arange(size, dtype=torch.float64)[None]
    if how == "nearest":
        steps = torch.cat([(low + scale * 0.5)[None], scale.expand(out)])
        along = steps.cumsum(0)[place.clamp(min=0).long()]
        weights = (along.floor()[:, None] == pixel).to(torch.float64) * STEPS
        return torch.where(seen[:, None], weights, weights * 0), seen
    wider = scale.clamp(min=1)
    centre, reach = (low + (place + 0.5) * scale)[:, None], REACH[how] * wider
    first = (centre - reach + 0.5).floor().clamp(min=0)
    last = (centre + reach + 0.5).floor()
    weights = _FILTERS[how]((pixel - centre + 0.5) * (1 / wider))
    weights = torch.where((pixel >= first) & (pixel < last), weights, weights * 0)
    total = weights.sum(1, keepdim=True)
    steps = weights / torch.where(total == 0, total + 1, total) * STEPS
    steps = torch.where(steps < 0, (steps - 0.5).ceil(), (steps + 0.5).floor())
    return torch.where(seen[:, None], steps, steps * 0), seen


def _bilinear(x: torch.Tensor) -> torch.Tensor:
    return (1 - x.abs()).clamp(min=0)


def _bicubic(x: torch.Tensor) -> torch.Tensor:
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * -0.5
    return torch.where(x < 1, near, torch.where(x < 2, far, far * 0))


def _lanczos(x: torch.Tensor) -> torch.Tensor:
    return torch.where((x >= -3) & (x < 3), _sinc(x) * _sinc(x / 3), x * 0)


def _sinc(x: torch.Tensor) -> torch.Tensor:
    angle = torch.where(x == 0, x + 1, x * math.pi)
    return torch.where(x == 0, angle * 0 + 1, angle.sin() / angle)


_FILTERS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "bilinear": _bilinear, "bicubic": _bicubic, "lanczos": _lanczos,
}  # fmt: skip
