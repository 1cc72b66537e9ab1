"""Foreign patch interpolation: a net learns to see where, and how much, of another normal picture was blended in.

No strange picture is needed: patches of normal ones are blended into others, and what does not fit together is what the
net learns to find (Tan, Hou, Batten, Qiu, Kainz, arXiv:2011.04197).

Letters: B pictures, C channels, H height, W width.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hubel import runtime
from hubel.anomalies.eyes import Eyes, shrunken
from hubel.anomalies.flat import top_mean
from hubel.anomalies.settings import Settings, State
from hubel.anomalies.training import filled, fresh, learn, weights_of
from hubel.watching import Watcher

SIDE = 64
"""Pixels a side that the net sees at most; of larger pictures the means over blocks."""
WIDTH = 16
BATCH, STEPS = 16, 6_000
"""Pictures a step, and steps at most: every pixel is learnt from, so many small steps come further in the same time."""
OPTIMISER, RATE = "muon-sphere", 0.1
"""A norm follows every filter, so filters may turn by bold steps: those of Adam came far less far in the same time."""
TOP = 0.01
"""Share of the places, the strangest, whose mean is the score of a picture: a defect is small."""


class PatchFinder(nn.Module):
    """Down three times and up again with bridges, B C H W to logits B 1 H W (a small U-Net).

    >>> PatchFinder(3)(torch.zeros(2, 3, 20, 31)).shape
    torch.Size([2, 1, 20, 31])
    """

    def __init__(self, channels: int, width: int = WIDTH) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width]
        self.down = nn.ModuleList(
            _block(before, after) for before, after in zip([channels, *widths[:-1]], widths, strict=True)
        )
        self.up = nn.ModuleList(
            _block(deep + shallow, shallow) for deep, shallow in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of the share of what is foreign at every pixel."""
        seen = []
        maps = images
        for level, block in enumerate(self.down):
            maps = block(functional.avg_pool2d(maps, 2, ceil_mode=True) if level else maps)
            seen.append(maps)
        for block, bridge in zip(self.up, reversed(seen[:-1]), strict=True):
            maps = block(torch.cat([functional.interpolate(maps, size=bridge.shape[2:]), bridge], dim=1))
        return torch.as_tensor(self.head(maps))


def _block(before: int, after: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, 1, 1), nn.BatchNorm2d(after), nn.ReLU(),
        nn.Conv2d(after, after, 3, 1, 1), nn.BatchNorm2d(after), nn.ReLU(),
    )  # fmt: skip


def blended(images: torch.Tensor, draw: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """(pictures with one patch blended into each, B C H W; the share of it at every pixel, B 1 H W).

    Half of the patches are rectangles of a tenth to two fifths of the sides, half are thin (the scars of Li et al.,
    arXiv:2104.04015). What is in them comes in equal parts from another picture at the same place, from another one at
    another place, from the picture itself, brighter or darker by a seventh of what there is between black and white up
    to all of it, and from the picture itself at a half to a quarter of its size, enlarged again, so that it is less
    sharp than what is around it (patches are scaled in NSA, too: Schlüter et al., arXiv:2109.15222). The share is drawn
    evenly from 0.05 to 0.95; a quarter of the pictures are left as they are.

    >>> draw = torch.Generator().manual_seed(0)
    >>> images = torch.rand(8, 1, 20, 20, generator=draw)
    >>> mixed, share = blended(images, draw)
    >>> bool((mixed[share == 0] == images[share == 0]).all()), float(share.max()) < 0.96
    (True, True)
    """
    count, channels, height, width = images.shape

    def drawn(*sizes: int) -> torch.Tensor:
        return torch.rand(*sizes, generator=draw)

    there = images.roll(int(torch.randint(1, max(2, count), (1,), generator=draw)), 0)
    steps = [int(torch.randint(0, side, (1,), generator=draw)) for side in (height, width)]
    away = there.roll((steps[0], steps[1]), (2, 3))
    change = (0.15 + 0.85 * drawn(count, channels, 1, 1)) * (drawn(count, 1, 1, 1) < 0.5).float().mul(2).sub(1)
    lit = (images + change.to(images.device)).clamp(0, 1)
    block = int(torch.randint(2, 5, (1,), generator=draw))
    coarse = functional.interpolate(
        functional.avg_pool2d(images, block, ceil_mode=True), size=(height, width), mode="bilinear"
    )
    which = torch.randint(0, 4, (count, 1, 1, 1), generator=draw).to(images.device)
    other = torch.where(which == 0, there, torch.where(which == 1, away, torch.where(which == 2, lit, coarse)))
    sizes = 0.1 + 0.3 * drawn(count, 2)
    thin = (drawn(count) < 0.5).float()
    lying = (drawn(count) < 0.5).float()
    slim = 0.03 + 0.07 * drawn(count)
    high = ((1 - thin * lying) * sizes[:, 0] + thin * lying * slim).mul(height).ceil()
    wide = ((1 - thin * (1 - lying)) * sizes[:, 1] + thin * (1 - lying) * slim).mul(width).ceil()
    top = (drawn(count) * (height - high + 1)).floor()
    left = (drawn(count) * (width - wide + 1)).floor()
    # Rows lean as the patch goes down, so that thin ones lie at every angle.
    lean = (drawn(count) * 2 - 1)[:, None, None] * thin[:, None, None]
    y, x = torch.arange(height)[None, :, None].float(), torch.arange(width)[None, None, :].float()
    y_from = y - top[:, None, None] - lying[:, None, None] * lean * (x - left[:, None, None])
    x_from = x - left[:, None, None] - (1 - lying)[:, None, None] * lean * (y - top[:, None, None])
    inside = (y_from >= 0) & (y_from < high[:, None, None]) & (x_from >= 0) & (x_from < wide[:, None, None])
    factor = torch.where(drawn(count) < 0.25, 0.0, 0.05 + 0.9 * drawn(count))
    share = (inside.float() * factor[:, None, None])[:, None].to(images.device)
    return images + share * (other - images), share


def _loss(net: nn.Module, batch: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    mixed, share = blended(batch, draw)
    # Where both pictures are alike nothing can be seen: there is nothing foreign to name.
    visible = ((mixed - batch).abs().amax(dim=1, keepdim=True) > 0.02).float()
    seen = (mixed - 0.5).contiguous(memory_format=torch.channels_last)
    with torch.autocast(seen.device.type, torch.bfloat16, enabled=runtime.has_quick_bf16(seen.device)):
        said = net(seen)
    return functional.binary_cross_entropy_with_logits(said.float(), share * visible)


def fit(eyes: Eyes, images: np.ndarray, settings: Settings, watch: Watcher) -> State:
    """The weights of the net."""
    small = shrunken(torch.from_numpy(np.ascontiguousarray(images)), SIDE)
    channels = int(small.shape[1])
    net = fresh(lambda: PatchFinder(channels), settings.seed)
    learn(net, small, _loss, settings, watch, optimiser=OPTIMISER, rate=RATE, size=BATCH, most=STEPS)
    return {**weights_of(net), "channels": np.array([channels], np.int64)}


def look(eyes: Eyes, state: State, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """What looks foreign at every place; a picture's score is the mean of its strangest hundredth."""
    net = opened(state, eyes.device)
    small = shrunken(torch.from_numpy(np.ascontiguousarray(images)), SIDE)
    found = []
    with torch.inference_mode():
        for start in range(0, len(small), 128):
            found.append(seen(net, small[start : start + 128].to(eyes.device)).cpu().numpy())
    maps = np.concatenate(found) if found else np.zeros((0, *small.shape[2:]), np.float32)
    return top_mean(maps, TOP), maps


def opened(state: State, device: str) -> nn.Module:
    """The net from what was learnt."""
    return filled(PatchFinder(int(state["channels"][0])), state, device)


def seen(net: nn.Module, small: torch.Tensor) -> torch.Tensor:
    """Maps B H W of pictures of the size that the net sees: logits, since the shares of two very foreign pictures could
    not be told apart.
    """
    return torch.as_tensor(net(small - 0.5)[:, 0])
