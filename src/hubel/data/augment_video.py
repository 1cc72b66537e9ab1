"""Augmentation of video: the same change in every frame of a clip, and changes of time.

Letters: B clips, T frames, C channels, H W height and width.

Because the parameters of an augmentation depend on (seed, epoch, sample id) alone, all frames of a clip get the same
ones when they carry the clip's id: there is nothing else to it. (Contrast and cut-out use each frame's own mean.)
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from hubel.data.augment import Augment
from hubel.data.draws import Draws
from hubel.errors import UsageError
from hubel.registry import Component, Registry

__all__ = ["VIDEO", "augment_clips", "change_speed", "crop_time", "reverse_time"]


def augment_clips(clips: torch.Tensor, augment: Augment, ids: torch.Tensor, *, seed: int, epoch: int) -> torch.Tensor:
    """Clips (B T C H W, uint8 or [0, 1]) with all frames of a clip changed alike.

    >>> from hubel.data.augment import build_augment
    >>> clips = torch.rand(2, 5, 3, 8, 8)
    >>> augment_clips(clips, build_augment("flip,rotate=20"), torch.tensor([1, 2]), seed=0, epoch=0).shape
    torch.Size([2, 5, 3, 8, 8])
    """
    _check(clips)
    frames = augment(clips.flatten(0, 1), ids.repeat_interleave(clips.shape[1]), seed=seed, epoch=epoch)
    return frames.unflatten(0, clips.shape[:2])


def change_speed(clips: torch.Tensor, ids: torch.Tensor, *, by: float = 0.2, seed: int, epoch: int) -> torch.Tensor:
    """Each clip faster or slower by a factor from 1/(1 + by) to 1 + by: frames repeated or left out."""
    _check(clips)
    if by < 0:
        raise UsageError(f"the change of speed must not be negative, got {by:g}", hint="0.2 is usual")
    count = clips.shape[1]
    draws = Draws(ids.to(clips.device), seed, epoch, 0)
    speed = torch.exp(draws.uniform(-1, 1) * torch.log1p(torch.tensor(by)))[:, None]
    middle = (count - 1) / 2
    at = (torch.arange(count, device=clips.device) - middle) * speed + middle  # B T
    return _frames(clips, at.round().long().clamp(0, count - 1))


def reverse_time(clips: torch.Tensor, ids: torch.Tensor, *, p: float = 0.5, seed: int, epoch: int) -> torch.Tensor:
    """Clips played backwards with probability p: only where the direction of time says nothing about the class."""
    _check(clips)
    chosen = Draws(ids.to(clips.device), seed, epoch, 1).chance(p)
    return torch.where(chosen[:, None, None, None, None], clips.flip(1), clips)


def crop_time(clips: torch.Tensor, ids: torch.Tensor, *, frames: int, seed: int, epoch: int) -> torch.Tensor:
    """A run of `frames` neighbouring frames that starts anywhere: B T C H W -> B frames C H W."""
    _check(clips)
    if not 1 <= frames <= clips.shape[1]:
        raise UsageError(
            f"frames must be from 1 to the clip's {clips.shape[1]}, got {frames}",
            hint="leave it out of the chain, or take longer clips",
        )
    start = Draws(ids.to(clips.device), seed, epoch, 2).integer(0, clips.shape[1] - frames)
    return _frames(clips, start[:, None] + torch.arange(frames, device=clips.device))


def _frames(clips: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """The frames `index` (B T') of each clip."""
    return clips[torch.arange(len(clips), device=clips.device)[:, None], index]


def _check(clips: torch.Tensor) -> None:
    if clips.ndim != 5:
        raise UsageError(f"clips must be B T C H W, got shape {tuple(clips.shape)}", hint="one clip alone: clips[None]")


VIDEO: Registry[Component[Callable[..., torch.Tensor]]] = Registry(
    "video augmentation", listing="hubel components video"
)
"""Name -> function on clips; called from Python, since recipes are about pictures."""

for _name, _function, _title, _formula in (
    ("augment-clips", augment_clips, "Any chain on clips", "every frame of a clip varied alike"),
    ("change-speed", change_speed, "Faster or slower", "t -> f t about the middle, f in [1/(1 + by), 1 + by]"),
    ("reverse-time", reverse_time, "Backwards", "t -> T − 1 − t with probability p"),
    ("crop-time", crop_time, "A part of the clip", "so many neighbouring frames, from anywhere"),
):
    VIDEO.add(
        _name,
        Component(
            title=_title, build=_function, formula=_formula, source="folklore", rows=("C112",),
            note=(_function.__doc__ or "").strip().partition("\n")[0],
        ),
    )  # fmt: skip
