"""Adversarial examples: small changes of the pixels that change the decision.

    fgsm   one step of size eps along the sign of the gradient           Goodfellow et al., ICLR 2015, arXiv 1412.6572
    pgd    many small such steps from a random start, kept within eps    Madry et al., ICLR 2018, arXiv 1706.06083
    flip   the smallest change that flips the decision (DeepFool)        Moosavi-Dezfooli et al., CVPR 2016,
                                                                         arXiv 1511.04599, algorithm 2

Images are normalised; `low` and `high` are the values of black and white after normalisation and `scale` the size of
one unit of pixel value (1 / std), each a number or C 1 1, so that eps and bounds mean pixels in [0, 1].
Letters: B batch, C channels, H W height and width, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from hubel.data.preprocessing import Preprocessing
from hubel.errors import UsageError
from hubel.nn.modes import evaluating, frozen
from hubel.nn.one_label import OneLabel
from hubel.nn.scores import Target, checked_images, chosen, digest, logits_of
from hubel.registry import Registry
from hubel.runtime import generator
from hubel.types import Batch
from hubel.views import Viewed


@dataclass(frozen=True)
class Pixels:
    """What normalisation did to the pixels: value = (pixel - mean) / std, pixels in [0, 1]."""

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    @classmethod
    def of(cls, preprocessing: Preprocessing) -> Pixels:
        """What this preprocessing does to pixel values."""
        mean, std = (
            tuple(np.broadcast_to(part, preprocessing.channels).tolist())
            for part in (preprocessing.mean, preprocessing.std)
        )
        return cls(mean, std)

    def scale(self, like: torch.Tensor) -> torch.Tensor:
        """C 1 1: what one unit of pixel value is after normalisation."""
        return 1 / torch.tensor(self.std).to(like)[:, None, None]

    def clamp(self, images: torch.Tensor) -> torch.Tensor:
        """The images with every pixel back in [0, 1]."""
        mean, scale = torch.tensor(self.mean).to(images)[:, None, None], self.scale(images)
        return torch.minimum(torch.maximum(images, -mean * scale), (1 - mean) * scale)


@dataclass(frozen=True, kw_only=True)
class Attack:
    """What an attack did to B images. Plain data."""

    method: str
    eps: float
    """Largest change of a pixel, for pixels in [0, 1] (nan for "flip", which looks for the smallest)."""
    images: np.ndarray
    """B C H W, normalised as the images that came."""
    before: np.ndarray
    """B K probabilities."""
    after: np.ndarray
    labels: tuple[int, ...]
    """B: the class that was to be lost."""
    largest: tuple[float, ...]
    """B: the largest change of a pixel."""
    length: tuple[float, ...]
    """B: the Euclidean length of the change."""

    @property
    def flipped(self) -> np.ndarray:
        """B: is the decision now another class than the label?"""
        return np.asarray(self.after.argmax(axis=1) != np.asarray(self.labels))

    @property
    def success(self) -> float:
        """The share of those images, right before, that are wrong now; nan if none was right."""
        right = self.before.argmax(axis=1) == np.asarray(self.labels)
        return float(self.flipped[right].mean()) if right.any() else float("nan")


Method = Callable[..., torch.Tensor]
ATTACKS = Registry[Method]("attack")


def attack(
    model: nn.Module,
    images: torch.Tensor,
    *,
    method: str = "pgd",
    eps: float = 4 / 255,
    labels: Target = None,
    pixels: Pixels | None = None,
    steps: int = 20,
    seed: int = 0,
) -> Attack:
    """Change the images so that the net no longer says `labels` (None: what it says now); see `ATTACKS` for methods.

    The result lies within `eps` of the image and within [0, 1] in every pixel. The model is left as it was found.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> done = attack(net, torch.full((1, 1, 2, 2), 0.5), method="fgsm", eps=0.1)
    >>> round(done.largest[0], 6)
    0.1
    """
    if eps <= 0 or steps < 1:
        raise UsageError(f"eps must be above 0 and steps at least 1, got {eps} and {steps}", hint="eps 4/255 is usual")
    run = ATTACKS.get(method)
    pixels = pixels or Pixels()
    images = checked_images(model, images)
    before = logits_of(model, images)
    wanted = chosen(before, labels)
    with evaluating(model), frozen(model), torch.enable_grad():
        found = run(model, images, wanted, pixels, eps=eps, steps=steps, seed=seed).detach()
    change = (found - images) / pixels.scale(images)
    return Attack(
        method=method,
        eps=float("nan") if method == "flip" else eps,
        images=found.cpu().numpy(),
        before=before.softmax(dim=1).cpu().numpy(),
        after=logits_of(model, found).softmax(dim=1).cpu().numpy(),
        labels=tuple(wanted.tolist()),
        largest=tuple(change.abs().amax(dim=(1, 2, 3)).tolist()),
        length=tuple(change.square().sum(dim=(1, 2, 3)).sqrt().tolist()),
    )


@ATTACKS.register("fgsm")
def fgsm(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, pixels: Pixels, *, eps: float, steps: int, seed: int
) -> torch.Tensor:
    """One step up the loss."""
    return pixels.clamp(images + eps * pixels.scale(images) * _slope(model, images, labels).sign())


@ATTACKS.register("pgd")
def pgd(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, pixels: Pixels, *, eps: float, steps: int, seed: int
) -> torch.Tensor:
    """Steps of 2.5 eps / steps up the loss, each followed by the way back into the cube of side 2 eps."""
    radius = eps * pixels.scale(images)
    start = torch.stack([torch.rand(image.shape, generator=generator(seed, digest(image))) for image in images])
    x = pixels.clamp(images + radius * (2 * start.to(images) - 1))
    for _ in range(steps):
        x = x + 2.5 / steps * radius * _slope(model, x, labels).sign()
        x = pixels.clamp(torch.minimum(torch.maximum(x, images - radius), images + radius))
    return x


@ATTACKS.register("flip")
def flip(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, pixels: Pixels, *, eps: float, steps: int, seed: int
) -> torch.Tensor:
    """The nearest decision border of the net, taken as linear, again and again; then shortened by bisection."""
    return torch.stack(
        [_flip(model, image, int(label), pixels, steps) for image, label in zip(images, labels, strict=True)]
    )


def _slope(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    leaf = images.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(F.cross_entropy(model(leaf), labels, reduction="sum"), leaf)
    return slope


def _flip(model: nn.Module, image: torch.Tensor, label: int, pixels: Pixels, steps: int) -> torch.Tensor:
    x = image.clone()
    scale = pixels.scale(image)  # distances are measured in pixel values, not in normalised ones
    rivals: list[int] = []
    for _ in range(steps):
        leaf = x[None].clone().requires_grad_()
        logits = model(leaf)[0]
        if int(logits.argmax()) != label:
            break
        rivals = rivals or [k for k in logits.argsort(descending=True).tolist() if k != label][:10]
        best: tuple[float, torch.Tensor] | None = None
        for rival in rivals:
            gap = logits[rival] - logits[label]
            (slope,) = torch.autograd.grad(gap, leaf, retain_graph=True)
            slope = slope[0] * scale
            norm = slope.square().sum().clamp_min(1e-20)
            distance = float(gap.detach().abs() / norm.sqrt())
            if best is None or distance < best[0]:
                best = distance, (gap.detach().abs() + 1e-4) / norm * slope
        assert best is not None
        x = pixels.clamp(x + 1.02 * best[1] * scale)
    return _shortened(model, image, x, label)


def _shortened(model: nn.Module, image: torch.Tensor, far: torch.Tensor, label: int) -> torch.Tensor:
    """The point nearest to the image on the straight way to `far` that still flips; `far` if even that does not."""
    with torch.no_grad():
        if int(model(far[None]).argmax()) == label:
            return far
        low, high = 0.0, 1.0
        for _ in range(12):
            middle = (low + high) / 2
            flips = int(model(torch.lerp(image, far, middle)[None]).argmax()) != label
            low, high = (low, middle) if flips else (middle, high)
        return torch.lerp(image, far, high)


# ---- one picture, and many ------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class AttackedPicture(Viewed):
    """One picture, before and after."""

    done: Attack
    pixels: np.ndarray
    """C H W uint8: the picture."""
    changed: np.ndarray
    """C H W in [0, 1]: what the net gets instead."""
    before: tuple[str, float]
    """Class and probability."""
    after: tuple[str, float]

    @property
    def sentence(self) -> str:
        """The result in words."""
        size = f"changing no pixel by more than {255 * self.done.largest[0]:.2g} of 255"
        if not self.done.flipped[0]:
            return f"The net still says {self.after[0]} ({self.after[1]:.0%}) after {size}."
        said, says = (f"{name} ({share:.0%})" for name, share in (self.before, self.after))
        return f"The net said {said}; {size}, it says {says}."


@dataclass(frozen=True, kw_only=True)
class AttackRate(Viewed):
    """How often an attack succeeds on a set."""

    method: str
    eps: float
    samples: int
    right: int
    """Samples that the net classified rightly before."""
    flipped: int
    """Of these, wrong afterwards."""
    label: str = ""
    """The label that was attacked, where a net says several; "" where it names one class."""

    @property
    def sentence(self) -> str:
        """The result in words."""
        before, after = self.right / self.samples, (self.right - self.flipped) / self.samples
        change = "the smallest change" if np.isnan(self.eps) else f"{255 * self.eps:.2g} of 255"
        share = f"{self.flipped / self.right:.0%}" if self.right else "none"
        of = f"accuracy on the label {self.label}" if self.label else "accuracy"
        return (
            f"{self.method} with {change}: {of} falls from {before:.1%} to {after:.1%} on {self.samples:,} "
            f"samples; {share} of the right decisions flip."
        )


def attack_picture(
    model: nn.Module,
    image: torch.Tensor,
    pixels: np.ndarray,
    preprocessing: Preprocessing,
    class_names: Sequence[str],
    **settings: Any,
) -> AttackedPicture:
    """Attack one image C H W, whose bytes are `pixels` C H W uint8; `settings` as for `attack`.

    Of a net of several labels it is one label that is attacked: `model` is an `hubel.nn.one_label.OneLabel` then.
    """
    done = attack(model, image, pixels=Pixels.of(preprocessing), **settings)
    tops = [int(shares[0].argmax()) for shares in (done.before, done.after)]
    both = [model.shares(each) if isinstance(model, OneLabel) else each for each in (done.before, done.after)]
    before, after = ((class_names[k], float(shares[0][k])) for k, shares in zip(tops, both, strict=True))
    changed = np.asarray(preprocessing.denormalise(torch.from_numpy(done.images)))[0]
    return AttackedPicture(done=done, pixels=pixels, changed=changed, before=before, after=after)


def attack_batches(
    model: nn.Module,
    batches: Iterable[Batch],
    preprocessing: Preprocessing,
    *,
    method: str = "pgd",
    eps: float = 4 / 255,
    steps: int = 20,
    seed: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> AttackRate:
    """Attack labelled batches: how many right decisions flip? `progress` hears how many samples are done.

    Of a net of several labels it is one label that is attacked (`attack_picture`).
    """
    one = model if isinstance(model, OneLabel) else None
    samples = right = flipped = 0
    for batch in batches:
        labels = batch.labels
        if one is not None:
            assert batch.targets is not None
            labels = batch.targets[:, one.place].long()
        done = attack(
            model, batch.images, method=method, eps=eps, labels=labels, pixels=Pixels.of(preprocessing),
            steps=steps, seed=seed,
        )  # fmt: skip
        was_right = done.before.argmax(axis=1) == labels.cpu().numpy()
        right += int(was_right.sum())
        flipped += int((done.flipped & was_right).sum())
        samples += len(batch)
        progress(samples)
    size = float("nan") if method == "flip" else eps
    label = "" if one is None else one.class_names[1]
    return AttackRate(method=method, eps=size, samples=samples, right=right, flipped=flipped, label=label)
