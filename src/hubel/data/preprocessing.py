"""How a picture becomes a tensor: one description, used alike in training, evaluation, prediction and deployment.

This file needs no torch: worker processes that decode pictures import it and stay small.
Letters: B batch, C channels, H height, W width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from hubel.errors import UsageError

if TYPE_CHECKING:
    import torch

FITS = ("pad", "crop", "squash")
PICTURES, SOUNDS = "pictures", "sounds"
INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

_IN_CACHE = 1 << 18
"""Numbers that are worked on at once: a megabyte of floats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """Size, channels and scale of what the net sees.

    `fit` says what happens to a picture whose shape is not height x width: "pad" shrinks it until it fits and fills
    the rest with middle grey (nothing is lost), "crop" shrinks it until it covers and cuts the
    middle out (nothing is distorted), "squash" changes its proportions (no border, nothing lost). `crop_share` is what
    "crop" takes of the largest such middle part: 0.875 is the usual 224 out of 256.

    >>> p = Preprocessing(height=2, width=2, channels=1, fit="squash")
    >>> p.image(Image.new("RGB", (8, 6), "white")).tolist()
    [[[255, 255], [255, 255]]]
    >>> p.with_statistics([0.5], [0.25]).normalise(np.full((1, 1, 2, 2), 255, np.uint8)).max()
    np.float32(2.0)
    """

    height: int
    width: int
    channels: int = 3
    fit: str = "crop"
    mean: tuple[float, ...] = ()
    """Per channel, of values in 0..1; empty for 0."""
    std: tuple[float, ...] = ()
    """Per channel, of values in 0..1; empty for 1."""
    interpolation: str = "bilinear"
    levels: tuple[float, float] | None = None
    """The samples that become black and white where a sample has more than 8 bits: one range for a whole set. None is
    what the format says: 0..65535 for whole numbers, 0..1 for floating point."""
    crop_share: float = 1.0
    takes: str = ""
    """The kind of file that a net learnt from, PICTURES or SOUNDS; "" for both, or where nobody knows."""

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise UsageError(
                f"the image size must be at least 1x1, got {self.height}x{self.width}",
                hint="32 to 224 pixels a side are usual",
            )
        if self.channels not in (1, 3):
            raise UsageError(
                f"channels must be 1 (grey) or 3 (colour), got {self.channels}",
                hint="3 for colour, 1 where all pictures are grey",
            )
        if self.fit not in FITS:
            raise UsageError(
                f"fit must be one of {', '.join(FITS)}, got {self.fit!r}",
                hint="pad keeps all of a picture, crop its middle",
            )
        if self.interpolation not in INTERPOLATIONS:
            raise UsageError(
                f"interpolation must be one of {', '.join(INTERPOLATIONS)}, got {self.interpolation!r}",
                hint="bilinear is usual",
            )
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values and len(values) != self.channels:
                raise UsageError(
                    f"{name} must have {self.channels} values, one per channel, got {len(values)}",
                    hint="leave it out to change nothing, or repeat the one value",
                )
        if not all(math.isfinite(value) for value in self.mean):
            raise UsageError(f"mean must be a number in every channel, got {self.mean}", hint="usually within 0 to 1")
        if not all(0 < value < math.inf for value in self.std):
            raise UsageError(f"std must be above 0 in every channel, got {self.std}", hint="usually within 0 to 1")
        if not 0 < self.crop_share <= 1:
            raise UsageError(f"crop_share must be above 0 and at most 1, got {self.crop_share}", hint="1 is all of it")
        if self.crop_share < 1 and self.fit != "crop":
            raise UsageError(f"crop_share has no effect with fit {self.fit!r}", hint="use fit 'crop', or leave it out")
        if self.takes not in ("", PICTURES, SOUNDS):
            raise UsageError(
                f"takes must be {PICTURES} or {SOUNDS}, got {self.takes!r}", hint="or leave it out, for both"
            )
        if self.levels is not None and not (
            len(self.levels) == 2 and -math.inf < self.levels[0] < self.levels[1] < math.inf
        ):
            raise UsageError(
                f"levels must be two numbers, the second above the first, got {self.levels}",
                hint="for 12 of 16 bits: levels=(0, 4095)",
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """C H W of a prepared picture."""
        return self.channels, self.height, self.width

    def image(self, picture: Image.Image) -> np.ndarray:
        """A picture in any mode and size as C H W uint8: upright, in our channels, fitted."""
        return np.ascontiguousarray(self.fitted(picture).transpose(2, 0, 1))

    def fitted(self, picture: Image.Image) -> np.ndarray:
        """The same as `image`, as H W C."""
        picture = to_channels(picture, self.channels, self.levels)
        picture = place(picture, self.width, self.height, self.fit, self.interpolation, self.crop_share)
        # tobytes is three times as fast as NumPy's array protocol, which counts for small pictures.
        return np.frombuffer(picture.tobytes(), np.uint8).reshape(self.height, self.width, self.channels)

    def whole(self) -> Preprocessing:
        """The same for who fits pictures elsewhere: they are set upright and get our channels, but keep their sizes.

        >>> Preprocessing(height=2, width=2, channels=1).whole().image(Image.new("RGB", (8, 6))).shape
        (1, 6, 8)
        """
        return _Whole(**{name: getattr(self, name) for name in Preprocessing.__dataclass_fields__})

    def laid_back(self, maps: np.ndarray, height: int, width: int, nothing: int) -> np.ndarray:
        """N h w of what the net sees, each pixel taken to where it comes from: N H W of a picture in its own size.

        `nothing` stands where the net sees nothing of the picture, which `fit` "crop" cuts off.

        >>> seen = Preprocessing(height=1, width=2, fit="crop")
        >>> seen.laid_back(np.array([[[3, 4]]]), 4, 4, nothing=9)[0].tolist()
        [[9, 9, 9, 9], [3, 3, 4, 4], [3, 3, 4, 4], [9, 9, 9, 9]]
        """
        (rows, there), (columns, here) = (
            self._origin(size, out, other, beside)
            for size, out, other, beside in (
                (height, self.height, width, self.width), (width, self.width, height, self.height)
            )
        )  # fmt: skip
        return np.where(there[:, None] & here[None], maps[:, rows[:, None], columns[None]], nothing)

    def _origin(self, size: int, out: int, other: int, beside: int) -> tuple[np.ndarray, np.ndarray]:
        """Of each pixel of an axis of `size`, brought to `out`: which of these shows it, and does one? The other axis
        is of `other`, brought to `beside`.
        """
        low, high, inner, first = 0.0, float(size), float(out), 0.0
        if self.fit == "crop":
            long = out * (self.crop_share * min(size / out, other / beside))
            low = max(0.0, (size - long) / 2)
            high = min(float(size), low + long)
        elif self.fit == "pad":
            inner = max(1.0, float(round(size * min(out / size, beside / other))))
            first = (out - inner) // 2
        place = np.floor((np.arange(size) + 0.5 - low) * (inner / (high - low)))
        there = (place >= 0) & (place < inner)
        return (first + place.clip(0, inner - 1)).astype(np.int64), there

    def array(self, pixels: np.ndarray) -> np.ndarray:
        """H W C (C 1 or 3) uint8 pixels as C H W uint8, fitted; for pictures that never were a file."""
        height, width, channels = pixels.shape
        if (channels, height, width) == self.shape and self.crop_share == 1:
            return np.ascontiguousarray(pixels.transpose(2, 0, 1))
        return self.image(Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels))

    def normalise(self, images: Any) -> Any:
        """B C H W uint8, or floats in 0..1, to float32 with mean 0 and deviation 1 per channel.

        Takes and returns torch tensors (on any device, in their memory format) or numpy arrays; leaves the input alone.
        """
        if isinstance(images, np.ndarray):
            scale, shift = self._scale_and_shift(images.dtype == np.uint8)
            return images.astype(np.float32) * scale + shift
        scale, shift = self._scale_and_shift(not images.is_floating_point())
        return self._normalise_tensor(images, scale, shift)

    def _normalise_tensor(self, images: torch.Tensor, scale: np.ndarray, shift: np.ndarray) -> torch.Tensor:
        if images.ndim == 4 and images.device.type == "cpu" and images.element_size() == 1:
            return self._normalise_bytes(images, scale, shift)
        floats = images.float()
        # A float32 input is returned by .float() as it is, and must not be changed in place.
        multiply = floats.mul_ if floats is not images else floats.mul
        if self.channels == 1:
            return multiply(float(scale.item())).add_(float(shift.item()))
        return multiply(floats.new_tensor(scale)).add_(floats.new_tensor(shift))

    def _normalise_bytes(self, images: torch.Tensor, scale: np.ndarray, shift: np.ndarray) -> torch.Tensor:
        # A few images at a time, so that all three passes over them find them in the processor's cache. With channels
        # last, rows of pixels meet rows of factors: three factors in turn would not be vectorised.
        last = images.shape[1] > 1 and images.stride(1) == 1
        source = images.permute(0, 2, 3, 1).flatten(2) if last else images  # B H W*C, or B C H W
        float32 = images.new_empty(0).float().dtype  # this file does without torch by name
        floats = source.new_empty(source.shape, dtype=float32)
        factors, summands = floats.new_tensor(scale), floats.new_tensor(shift)  # C 1 1
        if last:
            factors, summands = (values.flatten().repeat(images.shape[3]) for values in (factors, summands))
        some = max(1, _IN_CACHE // max(1, source[:1].numel()))
        for start in range(0, len(source), some):
            floats[start : start + some].copy_(source[start : start + some]).mul_(factors).add_(summands)
        if not last:
            return floats
        return floats.unflatten(2, (images.shape[3], images.shape[1])).permute(0, 3, 1, 2)

    def _scale_and_shift(self, bytes_: bool) -> tuple[np.ndarray, np.ndarray]:
        # (x / 255 - mean) / std as one multiplication and one addition, C 1 1 each.
        mean = np.array(self.mean or (0.0,) * self.channels).reshape(-1, 1, 1)
        std = np.array(self.std or (1.0,) * self.channels).reshape(-1, 1, 1)
        scale = (1 / 255 if bytes_ else 1.0) / std
        return scale.astype(np.float32), (-mean / std).astype(np.float32)

    def denormalise(self, images: Any) -> Any:
        """The way back: normalised B C H W to floats in 0..1 (not clipped). For figures."""
        mean = np.array(self.mean or (0.0,) * self.channels, np.float32).reshape(-1, 1, 1)
        std = np.array(self.std or (1.0,) * self.channels, np.float32).reshape(-1, 1, 1)
        if isinstance(images, np.ndarray):
            return images * std + mean
        return images * images.new_tensor(std) + images.new_tensor(mean)

    def with_statistics(self, mean: Any, std: Any) -> Preprocessing:
        """The same with mean and standard deviation per channel, in 0..1."""
        return replace(self, mean=tuple(float(v) for v in mean), std=tuple(float(v) for v in std))

    @property
    def geometry(self) -> tuple[Any, ...]:
        """What decides about the cached pixels; mean and deviation are applied later."""
        known = self.height, self.width, self.channels, self.fit, self.interpolation
        share = () if self.crop_share == 1 else (self.crop_share,)  # what is usual has the names it always had
        return (*known, *share, *(() if self.levels is None else (self.levels,)))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, in the order of the fields; the last three only where they are not the usual."""
        levels = {} if self.levels is None else {"levels": list(self.levels)}
        share = {} if self.crop_share == 1 else {"crop_share": self.crop_share}
        takes = {"takes": self.takes} if self.takes else {}
        return {
            "height": self.height, "width": self.width, "channels": self.channels, "fit": self.fit,
            "mean": list(self.mean), "std": list(self.std), "interpolation": self.interpolation,
        } | levels | share | takes  # fmt: skip

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Preprocessing:
        """The inverse of `to_dict`; unknown or missing keys raise UsageError."""
        values = dict(values)
        known = set(Preprocessing.__dataclass_fields__)
        strange = sorted(set(values) - known)
        missing = sorted({"height", "width"} - set(values))
        if strange or missing:
            what = f"has no {strange[0]!r}" if strange else f"needs {missing[0]!r}"
            raise UsageError(f"preprocessing {what}", hint=f"its keys: {', '.join(sorted(known))}")
        for name in ("mean", "std"):
            values[name] = tuple(float(v) for v in values.get(name, ()))
        if values.get("levels") is not None:
            values["levels"] = tuple(float(v) for v in values["levels"])
        return Preprocessing(**values)


class _Whole(Preprocessing):
    """What `Preprocessing.whole` gives."""

    __slots__ = ()

    def fitted(self, picture: Image.Image) -> np.ndarray:
        """H W C uint8 in the picture's own size."""
        picture = to_channels(picture, self.channels, self.levels)
        return np.frombuffer(picture.tobytes(), np.uint8).reshape(picture.height, picture.width, self.channels)


def to_channels(picture: Image.Image, channels: int, levels: tuple[float, float] | None = None) -> Image.Image:
    """Any mode Pillow decodes, as L (1 channel) or RGB (3): alpha is laid over white, finer samples become 8 bits.

    `levels` are the samples that become black and white there, see `Preprocessing`.

    >>> to_channels(Image.new("RGBA", (1, 1), (0, 0, 0, 0)), 3).getpixel((0, 0))
    (255, 255, 255)
    >>> twelve = Image.new("I;16", (1, 1), 4095)
    >>> to_channels(twelve, 1).getpixel((0, 0)), to_channels(twelve, 1, (0, 4095)).getpixel((0, 0))
    (16, 255)
    """
    wanted = "L" if channels == 1 else "RGB"
    mode = picture.mode
    if mode == wanted:
        return picture
    if mode.startswith("I") or mode == "F":
        picture = _eight_bits(picture, levels)
    elif mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        picture = Image.alpha_composite(white, layer).convert("RGB")
    elif mode in ("LAB", "HSV", "RGBX"):  # from these Pillow has no straight way to grey
        picture = picture.convert("RGB")
    return picture if picture.mode == wanted else picture.convert(wanted)


def _eight_bits(picture: Image.Image, levels: tuple[float, float] | None) -> Image.Image:
    # By the format or by the set, never by the picture alone: two pictures of one brightness must stay equally bright.
    return Image.fromarray(
        to_bytes(np.asarray(picture), levels or ((0.0, 1.0) if picture.mode == "F" else (0.0, 65535.0)))
    )


def to_bytes(samples: np.ndarray, levels: tuple[float, float]) -> np.ndarray:
    """Samples of any type as uint8: what `levels` say is black and white, what lies beyond is cut off, NaN is black.

    >>> to_bytes(np.array([-5, 0, 2048, 4095, 9000]), (0, 4095)).tolist()
    [0, 0, 128, 255, 255]
    """
    low, high = levels
    values = np.nan_to_num(np.asarray(samples, dtype=np.float64), nan=low, posinf=high, neginf=low)
    return np.clip((values - low) * (255.0 / (high - low)) + 0.5, 0, 255).astype(np.uint8)


def place(
    picture: Image.Image, width: int, height: int, fit: str, interpolation: str, crop_share: float = 1.0
) -> Image.Image:
    """An L or RGB picture brought to width x height by the rule `fit`; see `Preprocessing`."""
    if picture.size == (width, height) and crop_share == 1:
        return picture
    how = INTERPOLATIONS[interpolation]
    if fit == "squash":
        return picture.resize((width, height), how)
    if fit == "crop":
        # The middle part with the right proportions, cut and shrunk in one go.
        scale = crop_share * min(picture.width / width, picture.height / height)
        left, top = (picture.width - width * scale) / 2, (picture.height - height * scale) / 2
        left, top = max(0.0, left), max(0.0, top)  # rounding may have gone a hair beyond the border
        right, bottom = min(picture.width, left + width * scale), min(picture.height, top + height * scale)
        return picture.resize((width, height), how, box=(left, top, right, bottom))
    scale = min(width / picture.width, height / picture.height)
    inner = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    grey = 128 if picture.mode == "L" else (128, 128, 128)
    canvas = Image.new(picture.mode, (width, height), grey)
    canvas.paste(picture.resize(inner, how), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas
