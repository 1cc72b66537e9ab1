"""The single augmentations, each a function on a whole batch that draws its parameters per sample.

Letters: B batch, C channels, H W height and width in pixels, x to the right and y down from the middle of the image.

Four kinds, so that a chain can put neighbours together:

    move     where each output row and column comes from: exact, keeps uint8, a whole chain is one gather
    warp     a matrix 3×3 from output to input coordinates: a whole chain is one interpolation
    effect   images in [0, 1] -> images in [0, 1]
    patch    images -> images of the same dtype
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from hubel.data.draws import Draws
from hubel.errors import UsageError, unknown

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
SHIFT_BORDERS = ("black", "mirror", "wrap")


@dataclass(frozen=True, slots=True)
class Move:
    """Where pixels come from: output (i, j) is input (rows[i], cols[j]); outside of `inside` it is black."""

    rows: torch.Tensor
    """B H, int64."""
    cols: torch.Tensor
    """B W, int64."""
    inside: torch.Tensor | None = None
    """B H W, bool; None where everything is."""


def _within(name: str, value: float, low: float, high: float, usual: str) -> None:
    if not low <= value <= high:
        raise UsageError(f"{name} must be from {low:g} to {high:g}, got {value:g}", hint=f"{usual} is usual")


def pixels(size: float, side: int) -> int:
    """A length: whole pixels from 1 on, a share of `side` below 1.

    >>> pixels(2, 32), pixels(0.1, 32)
    (2, 3)
    """
    return round(size * side) if size < 1 else int(size)


def column(values: torch.Tensor) -> torch.Tensor:
    """B -> B 1 1 1, to be multiplied with images."""
    return values[:, None, None, None]


# ------------------------------------------------------------------------------------------------ moves


def _standing(draws: Draws, count: int) -> torch.Tensor:
    return torch.arange(count, device=draws.ids.device).expand(len(draws), count)


def flip(draws: Draws, height: int, width: int, *, p: float = 0.5) -> Move:
    """Left and right exchanged with probability p."""
    _within("the probability of a flip", p, 0, 1, "0.5")
    return _flipped(draws, height, width, draws.chance(p))


def alternating_flip(draws: Draws, height: int, width: int) -> Move:
    """Each sample is flipped in every second epoch, half of them first: all see both sides equally often."""
    turn = (draws.steady().bits() + draws.words[1]) & 1
    return _flipped(draws, height, width, turn == 1)


def _flipped(draws: Draws, height: int, width: int, chosen: torch.Tensor) -> Move:
    cols = _standing(draws, width)
    return Move(_standing(draws, height), torch.where(chosen[:, None], width - 1 - cols, cols))


def vertical_flip(draws: Draws, height: int, width: int, *, p: float = 0.5) -> Move:
    """Top and bottom exchanged with probability p: for images without an up."""
    _within("the probability of a flip", p, 0, 1, "0.5")
    rows = _standing(draws, height)
    return Move(torch.where(draws.chance(p)[:, None], height - 1 - rows, rows), _standing(draws, width))


def translate(draws: Draws, height: int, width: int, *, by: float = 2, rim: str = "mirror") -> Move:
    """Shifted by up to `by` pixels (below 1: share of the side); the rim shows a mirror, the edge, or black."""
    if by < 0:
        raise UsageError(f"a shift must not be negative, got {by:g}", hint="translate=2")
    if rim not in ("mirror", "edge", "black"):
        raise UsageError(f"the rim must be mirror, edge or black, got {rim!r}", hint="translate=2:mirror")
    dy, dx = pixels(by, height), pixels(by, width)
    rows = _standing(draws, height) + draws.integer(-dy, dy)[:, None]
    cols = _standing(draws, width) + draws.integer(-dx, dx)[:, None]
    if rim == "mirror":
        return Move(mirrored(rows, height), mirrored(cols, width))
    inside = None
    if rim == "black":
        inside = ((rows >= 0) & (rows < height))[:, :, None] & ((cols >= 0) & (cols < width))[:, None, :]
    return Move(rows.clamp(0, height - 1), cols.clamp(0, width - 1), inside)


def mirrored(index: torch.Tensor, count: int) -> torch.Tensor:
    """Indices beyond 0 … count − 1 reflected at the first and last, however far out.

    >>> mirrored(torch.arange(-2, 6), 4).tolist()
    [2, 1, 0, 1, 2, 3, 2, 1]
    """
    if count == 1:
        return torch.zeros_like(index)
    last = count - 1
    return last - (index.remainder(2 * last) - last).abs()


def shifted(pictures: torch.Tensor, dy: int, dx: int, *, border: str = "black") -> torch.Tensor:
    """… H W moved down by `dy` and right by `dx` whole pixels; where nothing was stands what `border` says.

    >>> shifted(torch.tensor([[1, 2, 3]]), 0, 1, border="black").tolist()
    [[0, 1, 2]]
    >>> shifted(torch.tensor([[1, 2, 3]]), 0, 1, border="wrap").tolist()
    [[3, 1, 2]]
    """
    if border not in SHIFT_BORDERS:
        raise unknown("border", border, SHIFT_BORDERS)
    if border == "wrap":
        return pictures.roll((dy, dx), (-2, -1))
    height, width = pictures.shape[-2:]
    rows, cols = torch.arange(height) - dy, torch.arange(width) - dx
    moved = pictures[..., mirrored(rows, height), :][..., mirrored(cols, width)]
    if border == "black":
        inside = ((rows >= 0) & (rows < height))[:, None] & ((cols >= 0) & (cols < width))
        moved = moved * inside.to(moved.device)
    return moved


# ------------------------------------------------------------------------------------------------ warps


def matrix(draws: Draws, **entries: torch.Tensor | float) -> torch.Tensor:
    """B 3 3: the identity with some entries replaced, named by row and column: m02 is the shift along x."""
    result = torch.eye(3, device=draws.ids.device).repeat(len(draws), 1, 1)
    for name, value in entries.items():
        result[:, int(name[1]), int(name[2])] = value
    return result


def rotate(draws: Draws, height: int, width: int, *, degrees: float = 15) -> torch.Tensor:
    """Turned about the middle by up to `degrees` either way."""
    _within("the angle", degrees, 0, 180, "15")
    angle = draws.uniform(-degrees, degrees) * (math.pi / 180)
    cos, sin = torch.cos(angle), torch.sin(angle)
    return matrix(draws, m00=cos, m01=-sin, m10=sin, m11=cos)


def scale(draws: Draws, height: int, width: int, *, by: float = 0.1) -> torch.Tensor:
    """Zoomed by a factor from 1 / (1 + by) to 1 + by, in and out alike."""
    _within("the zoom", by, 0, 10, "0.1")
    factor = torch.exp(draws.uniform(-1, 1) * math.log1p(by))
    return matrix(draws, m00=factor, m11=factor)


def shift(draws: Draws, height: int, width: int, *, by: float = 0.1) -> torch.Tensor:
    """Moved by up to the share `by` of each side, also by parts of pixels."""
    _within("the shift", by, 0, 1, "0.1")
    return matrix(draws, m02=draws.uniform(-by, by) * width, m12=draws.uniform(-by, by) * height)


def shear(draws: Draws, height: int, width: int, *, degrees: float = 10) -> torch.Tensor:
    """Slanted sideways by up to `degrees`, like italics."""
    _within("the angle", degrees, 0, 60, "10")
    return matrix(draws, m01=torch.tan(draws.uniform(-degrees, degrees) * (math.pi / 180)))


def affine(
    draws: Draws, height: int, width: int, *, degrees: float = 10, by: float = 0.1, zoom: float = 0.1, slant: float = 5
) -> torch.Tensor:
    """Turned, slanted, zoomed and moved at once."""
    turned = rotate(draws, height, width, degrees=degrees) @ shear(draws, height, width, degrees=slant)
    return turned @ scale(draws, height, width, by=zoom) @ shift(draws, height, width, by=by)


def perspective(draws: Draws, height: int, width: int, *, by: float = 0.2) -> torch.Tensor:
    """Seen at a slant: what is at one border comes nearer by up to the share `by`, what is opposite recedes."""
    _within("the slant", by, 0, 0.45, "0.2")
    return matrix(draws, m20=draws.uniform(-by, by) * (2 / width), m21=draws.uniform(-by, by) * (2 / height))


def resized_crop(draws: Draws, height: int, width: int, *, area: float = 0.35, ratio: float = 4 / 3) -> torch.Tensor:
    """A part of at least the share `area`, its aspect changed by up to `ratio`, enlarged to the whole.

    Its borders lie between pixels, so that bytes on a CPU can take the quick way of `windows`.
    """
    _within("the area", area, 0.01, 1, "0.35")
    _within("the aspect ratio", ratio, 1, 10, "1.33")
    part = draws.uniform(area, 1)
    aspect = torch.exp(draws.uniform(-1, 1) * math.log(ratio))
    # a millionth of a pixel is rounding and no reason for a further one
    across = ((part * aspect).sqrt() * width - 1e-3).ceil().clamp(1, width)
    down = ((part / aspect).sqrt() * height - 1e-3).ceil().clamp(1, height)
    left = (draws.uniform() * (width - across + 1)).floor().clamp(max=width - across)
    top = (draws.uniform() * (height - down + 1)).floor().clamp(max=height - down)
    x, y = left + (across - width) / 2, top + (down - height) / 2
    return matrix(draws, m00=across / width, m11=down / height, m02=x, m12=y)


def windows(images: torch.Tensor, matrices: torch.Tensor, mirrored: torch.Tensor | None = None) -> torch.Tensor:
    """Images (B C H W, bytes or floating point) seen through matrices of `resized_crop` (B 3 3).

    What `warp` shows, but that the outermost half pixel repeats the border of the part and does not look beyond it. On
    a CPU every image is cut out and enlarged by itself: bytes stay bytes (two roundings), which is twenty times as fast
    as a warp (0.1 against 2 ms for 224 x 224), and channels come to lie last in memory. Elsewhere floats come back.
    """
    if images.device.type != "cpu":
        return windows_sampled(images if images.is_floating_point() else images.float() / 255, matrices)
    height, width = images.shape[2:]
    down, across = matrices[:, 1, 1] * height, matrices[:, 0, 0] * width
    top, left = matrices[:, 1, 2] + (height - down) / 2, matrices[:, 0, 2] + (width - across) / 2
    boxes = torch.stack((top, left, top + down, left + across), dim=1).round().long().tolist()
    seen = torch.empty(images.shape, dtype=images.dtype, memory_format=torch.channels_last)
    turned = [False] * len(boxes) if mirrored is None else mirrored.tolist()
    for i, (y0, x0, y1, x1) in enumerate(boxes):
        if turned[i]:
            part = images[i : i + 1, :, y0:y1, width - x1 : width - x0].flip(3)
        else:
            part = images[i : i + 1, :, y0:y1, x0:x1]
        part = part.contiguous(memory_format=torch.channels_last)
        seen[i : i + 1] = F.interpolate(part, size=(height, width), mode="bilinear")
    return seen


def windows_sampled(images: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """The same for floating point on any device, all images at once."""
    height, width = images.shape[2:]
    x, y = coordinates(height, width, images.device)
    x = bounded(matrices[:, 0, 0, None] * x, matrices[:, 0, 0] * width) + matrices[:, 0, 2, None]  # B W
    y = bounded(matrices[:, 1, 1, None] * y.T, matrices[:, 1, 1] * height) + matrices[:, 1, 2, None]  # B H
    return sample(images, x[:, None, :].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width))


def bounded(places: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """Places (B n, from the middle) held between the middles of the first and the last of `length` (B) pixels."""
    reach = ((length - 1) / 2)[:, None]
    return torch.minimum(torch.maximum(places, -reach), reach)


def coordinates(height: int, width: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """x (W) and y (H 1) of the pixel centres, from the middle of the image."""
    x = torch.arange(width, device=device, dtype=torch.float32) - (width - 1) / 2
    y = torch.arange(height, device=device, dtype=torch.float32) - (height - 1) / 2
    return x, y[:, None]


def warp(images: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """Images (B C H W, floating point) seen through matrices (B 3 3), bilinear; beyond the border lies a mirror."""
    height, width = images.shape[2:]
    x, y = coordinates(height, width, images.device)
    m = matrices.to(torch.float32)[:, :, :, None, None]  # B 3 3 1 1
    across, down, depth = (m[:, row, 0] * x + m[:, row, 1] * y + m[:, row, 2] for row in range(3))  # B H W each
    return sample(images, across / depth, down / depth)


def warp_nearest(maps: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """Maps of numbers (B 1 H W, uint8) seen through matrices (B 3 3) as `warp` shows pictures, nearest pixel taken."""
    height, width = maps.shape[2:]
    x, y = coordinates(height, width, maps.device)
    m = matrices.to(torch.float32)[:, :, :, None, None]  # B 3 3 1 1
    across, down, depth = (m[:, row, 0] * x + m[:, row, 1] * y + m[:, row, 2] for row in range(3))  # B H W each
    grid = torch.stack((across / depth * (2 / width), down / depth * (2 / height)), dim=-1)
    seen = F.grid_sample(maps.float(), grid, mode="nearest", padding_mode="reflection", align_corners=False)
    return seen.round().to(maps.dtype)


def sample(images: torch.Tensor, x: torch.Tensor, y: torch.Tensor, *, mode: str = "bilinear") -> torch.Tensor:
    """The images (B C H W) at the places x, y (B H' W', pixels from the middle): B C H' W'."""
    height, width = images.shape[2:]
    grid = torch.stack((x * (2 / width), y * (2 / height)), dim=-1).to(images.dtype)
    return F.grid_sample(images, grid, mode=mode, padding_mode="reflection", align_corners=False)


# ------------------------------------------------------------------------------------------------ effects


def intensity(images: torch.Tensor, draws: Draws, *, by: float = 0.2) -> torch.Tensor:
    """Brighter or darker: times a factor from 1 − by to 1 + by."""
    _within("the change of intensity", by, 0, 1, "0.2")
    return images * column(draws.uniform(1 - by, 1 + by))


def contrast(images: torch.Tensor, draws: Draws, *, by: float = 0.2) -> torch.Tensor:
    """Away from the image's mean grey or towards it, by a factor from 1 − by to 1 + by."""
    _within("the change of contrast", by, 0, 1, "0.2")
    middle = grey(images).mean(dim=(2, 3), keepdim=True)
    return torch.lerp(middle, images, column(draws.uniform(1 - by, 1 + by)))


def saturation(images: torch.Tensor, draws: Draws, *, by: float = 0.2) -> torch.Tensor:
    """More or less colourful, by a factor from 1 − by to 1 + by; grey images stay."""
    _within("the change of saturation", by, 0, 1, "0.2")
    return torch.lerp(grey(images), images, column(draws.uniform(1 - by, 1 + by)))


def hue(images: torch.Tensor, draws: Draws, *, degrees: float = 18) -> torch.Tensor:
    """Colours turned around the grey axis by up to `degrees`, brightness kept; images without three channels stay.

    A rotation of the plane of I and Q in the YIQ colour space, which is one 3×3 matrix for each image.
    """
    _within("the angle", degrees, 0, 180, "18")
    angle = draws.uniform(-degrees, degrees) * (math.pi / 180)
    if images.shape[1] != 3:
        return images
    to_yiq = images.new_tensor([LUMA, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312)])
    turn = matrix(draws, m11=torch.cos(angle), m12=-torch.sin(angle), m21=torch.sin(angle), m22=torch.cos(angle))
    mixing = torch.linalg.inv(to_yiq) @ turn.to(images.dtype) @ to_yiq  # B 3 3
    return (mixing @ images.flatten(2)).reshape(images.shape)


def colour(images: torch.Tensor, draws: Draws, *, by: float = 0.2) -> torch.Tensor:
    """Intensity, contrast and saturation by `by` each, and hue by a quarter of that of half a turn."""
    images = intensity(images, draws, by=by).clamp(0, 1)
    images = contrast(images, draws, by=by).clamp(0, 1)
    images = saturation(images, draws, by=by).clamp(0, 1)
    return hue(images, draws, degrees=by * 45)


def gamma(images: torch.Tensor, draws: Draws, *, by: float = 0.3) -> torch.Tensor:
    """x to the power of a number from 1 / (1 + by) to 1 + by: midtones change, black and white stay."""
    _within("the change of gamma", by, 0, 4, "0.3")
    return images.clamp_min(0) ** column(torch.exp(draws.uniform(-1, 1) * math.log1p(by)))


def greyscale(images: torch.Tensor, draws: Draws, *, p: float = 0.1) -> torch.Tensor:
    """Without colour, with probability p."""
    _within("the probability", p, 0, 1, "0.1")
    return torch.where(column(draws.chance(p)), grey(images).expand_as(images), images)


def invert(images: torch.Tensor, draws: Draws, *, p: float = 0.1) -> torch.Tensor:
    """The negative, with probability p."""
    _within("the probability", p, 0, 1, "0.1")
    return torch.where(column(draws.chance(p)), 1 - images, images)


def solarise(images: torch.Tensor, draws: Draws, *, above: float = 0.5) -> torch.Tensor:
    """What is brighter than a threshold, drawn from `above` to 1, becomes its negative."""
    _within("the threshold", above, 0, 1, "0.5")
    return torch.where(images >= column(draws.uniform(above, 1)), 1 - images, images)


def posterise(images: torch.Tensor, draws: Draws, *, bits: int = 4) -> torch.Tensor:
    """Fewer shades: from `bits` to 8 bits a channel."""
    _within("the number of bits", bits, 1, 8, "4")
    shades = column(torch.exp2(draws.integer(bits, 8).float()))
    return torch.floor(images * 255 / 256 * shades) / (shades - 1)


def noise(images: torch.Tensor, draws: Draws, *, std: float = 0.05) -> torch.Tensor:
    """Normal noise on every value, its standard deviation drawn from 0 to `std`."""
    _within("the noise", std, 0, 1, "0.05")
    grains = draws.normal(*images.shape[1:]).to(images.dtype)
    return torch.addcmul(images, grains, column(draws.uniform(0, std)).to(images.dtype))


def blur(images: torch.Tensor, draws: Draws, *, sigma: float = 1.0) -> torch.Tensor:
    """A Gaussian blur with a width drawn from 0 to `sigma` pixels."""
    _within("the blur", sigma, 0, 20, "1")
    return gaussian(images, draws.uniform(0, sigma), widest=sigma)


def sharpen(images: torch.Tensor, draws: Draws, *, by: float = 0.5) -> torch.Tensor:
    """Away from a blurred copy or towards it, by a factor from 1 − by to 1 + by."""
    _within("the sharpening", by, 0, 1, "0.5")
    soft = gaussian(images, torch.full((len(draws),), 0.8, device=images.device), widest=0.8)
    return torch.lerp(soft, images, column(draws.uniform(1 - by, 1 + by)))


def elastic(images: torch.Tensor, draws: Draws, *, by: float = 1.5, knots: int = 4) -> torch.Tensor:
    """Bent like rubber: a smooth field of shifts, `by` pixels strong, through knots × knots drawn ones."""
    return sample(images, *_bent(images, draws, by, knots))


def elastic_nearest(maps: torch.Tensor, draws: Draws, *, by: float = 1.5, knots: int = 4) -> torch.Tensor:
    """Maps of numbers (B 1 H W, uint8) bent as `elastic` bends pictures, nearest pixel taken."""
    return sample(maps.float(), *_bent(maps, draws, by, knots), mode="nearest").round().to(maps.dtype)


def _bent(images: torch.Tensor, draws: Draws, by: float, knots: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Where bent pictures are read, B H W each, in pixels from the middle."""
    height, width = images.shape[2:]
    _within("the bend", by, 0, 50, "1.5")
    _within("the number of knots", knots, 2, 64, "4")
    coarse = draws.normal(2, int(knots), int(knots)) * by
    field = F.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True)  # B 2 H W
    x, y = coordinates(height, width, images.device)
    return x + field[:, 0], y + field[:, 1]


def grey(images: torch.Tensor) -> torch.Tensor:
    """B C H W -> B 1 H W: the luma of RGB, else the mean of the channels."""
    if images.shape[1] == 3:
        red, green, blue = images.split(1, dim=1)
        return red * LUMA[0] + green * LUMA[1] + blue * LUMA[2]
    return images.mean(dim=1, keepdim=True)


def gaussian(images: torch.Tensor, sigma: torch.Tensor, *, widest: float) -> torch.Tensor:
    """Images (B C H W) blurred, each by its own sigma (B, pixels; 0 leaves it as it is), none above `widest`."""
    reach = max(1, math.ceil(3 * widest))
    steps = torch.arange(-reach, reach + 1, device=images.device, dtype=torch.float32)
    weights = torch.exp(-0.5 * (steps / sigma.clamp_min(1e-3)[:, None]) ** 2)
    weights = (weights / weights.sum(dim=1, keepdim=True)).to(images.dtype)  # B k
    batch, channels, height, width = images.shape
    kernels = weights.repeat_interleave(channels, dim=0)[:, None, None]  # BC 1 1 k: every map has its own
    x = F.pad(images.reshape(1, -1, height, width), (reach, reach, reach, reach), mode="replicate")
    x = F.conv2d(x, kernels, groups=batch * channels)
    x = F.conv2d(x, kernels.mT, groups=batch * channels)
    return x.reshape(images.shape)


# ------------------------------------------------------------------------------------------------ patches


def quarter_turns(images: torch.Tensor, draws: Draws) -> torch.Tensor:
    """Turned by 0, 90, 180 or 270 degrees: for square images without an up."""
    if images.shape[2] != images.shape[3]:
        raise UsageError(
            f"quarter turns need square images, got {images.shape[2]}x{images.shape[3]}", hint="use rotate=180 instead"
        )
    turns = column(draws.integer(0, 3))
    half = torch.where(turns >= 2, images.flip(2, 3), images)
    return torch.where(turns % 2 == 1, half.mT.flip(2), half)


def erase(images: torch.Tensor, draws: Draws, *, side: float = 8, p: float = 1.0) -> torch.Tensor:
    """A square of `side` pixels (below 1: share) takes the image's mean colour; its middle may lie at the border."""
    _within("the probability to erase", p, 0, 1, "1")
    if not side > 0:
        raise UsageError(f"the side of what is erased must be above 0, got {side:g}", hint="erase=8")
    height, width = images.shape[2:]
    edge = torch.full((len(draws),), float(max(1, pixels(side, min(height, width)))), device=images.device)
    return _filled(images, rectangles(draws, height, width, edge, edge) & draws.chance(p)[:, None, None])


def random_erase(images: torch.Tensor, draws: Draws, *, area: float = 0.33, p: float = 0.5) -> torch.Tensor:
    """A rectangle of 2 % to `area` of the image, up to three times as long as wide, takes the mean colour."""
    _within("the probability to erase", p, 0, 1, "0.5")
    _within("the area", area, 0.02, 1, "0.33")
    height, width = images.shape[2:]
    part = draws.uniform(0.02, area) * (height * width)
    aspect = torch.exp(draws.uniform(-1, 1) * math.log(3))
    box = rectangles(draws, height, width, (part * aspect).sqrt(), (part / aspect).sqrt())
    return _filled(images, box & draws.chance(p)[:, None, None])


def rectangles(draws: Draws, height: int, width: int, tall: torch.Tensor, wide: torch.Tensor) -> torch.Tensor:
    """B H W, bool: rectangles (tall × wide pixels, B each) whose middle lies anywhere in the image."""
    device = draws.ids.device
    top = torch.floor(draws.uniform() * height - tall / 2 + 0.5)[:, None]
    left = torch.floor(draws.uniform() * width - wide / 2 + 0.5)[:, None]
    rows, cols = torch.arange(height, device=device), torch.arange(width, device=device)
    down = (rows >= top) & (rows < top + tall.round()[:, None])
    across = (cols >= left) & (cols < left + wide.round()[:, None])
    return down[:, :, None] & across[:, None, :]


def _filled(images: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    colour_of = images.mean(dim=(2, 3), keepdim=True, dtype=torch.float32)
    if not images.is_floating_point():
        colour_of = colour_of.round()
    return torch.where(boxes[:, None], colour_of.to(images.dtype), images)
