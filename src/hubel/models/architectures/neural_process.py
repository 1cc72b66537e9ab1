"""A picture told from some of its pixels: M. Garnelo et al., Conditional Neural Processes, ICML 2018, arXiv 1807.01613.

    each pixel that is seen    (y, x, its C values)  -> dense, 3 hidden layers  -> r_i, D numbers
    all of them                r = mean of r_i, batch norm                           (equations 1 and 2)
    each pixel of the picture  (y, x, r)  -> dense, 3 hidden layers  -> mean and deviation of each value  (equation 3)

Two departures let it learn in minutes what took the paper's net long: a place is told by its waves as well (sines and
cosines of 1, 2, 4 and 8 half turns over the picture), and r is brought to one scale by batch norm, since the mean of
many pixels, of which most are black, hardly differs from picture to picture.

While it learns, other pixels of each picture are seen at every step, 1 to a quarter of them, and the likelihood of all
pixels is raised. The mean over what is seen knows no order, and may be of any number.
Letters: B batch, C channels, H W, P = H·W pixels, D numbers of what was seen.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from hubel.errors import UsageError

LEAST = 0.33
"""The smallest deviation it may tell, else pixels that are always black decide all: the 0.1 of the paper's code, where
pixels go from 0 to 1, in values that are brought to a deviation of 1 (MNIST's is 0.31)."""
WAVES = (1.0, 2.0, 4.0, 8.0)
"""Half turns from the middle of a picture to its edge."""
SHARE = 4
"""While it learns, at most every so-manieth pixel is seen."""


class NeuralProcess(nn.Module):
    """Images B C H W. `complete` tells all pixels from those that a mask shows; `reconstruct` from `seen` fixed ones.

    >>> net = neural_process(num_classes=10, in_chans=1, img_size=(8, 8))
    >>> shown = torch.zeros(2, 8, 8, dtype=torch.bool)
    >>> shown[:, :4] = True  # the upper half
    >>> mean, deviation = net.complete(torch.rand(2, 1, 8, 8), shown)
    >>> mean.shape, deviation.shape, bool((deviation > 0.33).all())
    (torch.Size([2, 1, 8, 8]), torch.Size([2, 1, 8, 8]), True)
    """

    stages = ("each.1", "each.3", "each.5")
    head = "classify"
    order: torch.Tensor
    places: torch.Tensor

    def __init__(self, num_classes: int, in_chans: int, img_size: tuple[int, int], seen: int, width: int) -> None:
        super().__init__()
        height, wide = img_size
        self.img_size, self.channels = img_size, in_chans
        pixels = height * wide
        if seen > pixels:
            raise UsageError(f"seen must be at most the {pixels} pixels of a picture, got {seen}", hint="50 is usual")
        self.seen = seen
        ends = (torch.linspace(-1, 1, side) for side in img_size)
        self.register_buffer("places", waves(torch.cartesian_prod(*ends).reshape(pixels, 2)))  # P 18
        self.register_buffer("order", torch.tensor(scattered(height, wide)))  # P
        known = self.places.shape[1]
        self.each = _dense(known + in_chans, width, width)
        self.scale = nn.BatchNorm1d(width)
        self.tell = _dense(known + width, width, 2 * in_chans)
        self.classify = nn.Linear(width, num_classes)

    def summed_up(self, images: torch.Tensor, rows: torch.Tensor, there: torch.Tensor | None = None) -> torch.Tensor:
        """What the pixels `rows` (n or B n) of each picture come to, B D; only those that are `there` (B n) count."""
        values = images.flatten(2).transpose(1, 2)  # B P C
        rows = rows.expand(images.shape[0], -1)
        picked = values.gather(1, rows[..., None].expand(-1, -1, values.shape[2]))  # B n C
        each = self.each(torch.cat([self.places[rows].to(picked), picked], dim=2))  # B n D
        if there is None:
            return self.scale(each.mean(dim=1))
        weight = there[..., None].to(each)
        return self.scale((each * weight).sum(1) / weight.sum(1).clamp_min(1))

    def told(self, r: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and deviation of every pixel from what was seen, B D: B C H W each."""
        inner, *further = self.tell
        assert isinstance(inner, nn.Linear)
        first = inner.weight
        # The first layer sees a place and r side by side: r's part is the same at all places, and is taken once.
        known = self.places.shape[1]
        x = F.linear(self.places.to(r), first[:, :known]) + F.linear(r, first[:, known:], inner.bias)[:, None]
        for layer in further:
            x = layer(x)
        mean, spread = x.transpose(1, 2).unflatten(2, self.img_size).chunk(2, dim=1)
        return mean, LEAST + (1 - LEAST) * F.softplus(spread)

    def complete(self, images: torch.Tensor, shown: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and deviation of every pixel, B C H W each, where `shown` B H W says which pixels are looked at."""
        rows = torch.arange(len(self.places), device=images.device)
        return self.told(self.summed_up(images, rows, shown.flatten(1)))

    def reconstruct_all(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """For learning: mean and log-variance from pixels that are drawn anew, for each picture others."""
        pixels = len(self.places)
        count = int(torch.randint(1, max(2, pixels // SHARE + 1), ()))
        rows = torch.rand(len(images), pixels, device=images.device).topk(count, dim=1).indices
        mean, deviation = self.told(self.summed_up(images, rows))
        return mean, 2 * deviation.log()

    def reconstruct(self, images: torch.Tensor) -> torch.Tensor:
        """The mean of every pixel from `seen` of them, B C H W."""
        return self.told(self.summed_up(images, self.order[: self.seen]))[0]

    def views(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """What stands beside a picture given back, by name: what was looked at (the rest 0), and how unsure it is."""
        shown = torch.zeros(len(self.places), dtype=torch.bool, device=images.device)
        shown[self.order[: self.seen]] = True
        return {
            "looked at": torch.where(shown.view(self.img_size), images, images.amin(dim=(1, 2, 3), keepdim=True)),
            "unsure": self.told(self.summed_up(images, self.order[: self.seen]))[1],
        }

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classify(self.summed_up(images, torch.arange(len(self.places), device=images.device)))


def waves(places: torch.Tensor) -> torch.Tensor:
    """Places P 2, from -1 to 1, with sines and cosines of them: P 18.

    >>> waves(torch.tensor([[0.0, 0.5]]))[0, :6].tolist()
    [0.0, 0.5, 0.0, 0.0, 0.0, 0.0]
    """
    angles = (places[:, :, None] * torch.tensor(WAVES) * torch.pi).flatten(1)
    return torch.cat([places, angles.sin(), angles.cos()], dim=1)


def scattered(height: int, width: int) -> list[int]:
    """The pixels of a picture in an order in which all its parts are visited alike: steps by powers of the plastic
    number (M. Roberts, The unreasonable effectiveness of quasirandom sequences, 2018), what is left line by line.

    >>> scattered(2, 2), sorted(scattered(3, 5)) == list(range(15))
    ([3, 1, 2, 0], True)
    """
    steps = 0.7548776662466927, 0.5698402909980532
    found = [
        int(step * steps[1] % 1 * height) * width + int(step * steps[0] % 1 * width)
        for step in range(1, height * width + 1)
    ]
    return list(dict.fromkeys([*found, *range(height * width)]))


def _dense(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Three hidden layers of ReLUs."""
    widths = [inputs, width, width, width]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def neural_process(
    *, num_classes: int, in_chans: int, img_size: tuple[int, int], seen: int | None = None, width: int = 64
) -> NeuralProcess:
    """Measured and asked, it looks at `seen` pixels (a sixteenth of the picture if None); layers have `width` units."""
    return NeuralProcess(num_classes, in_chans, img_size, seen or max(1, img_size[0] * img_size[1] // 16), width)
