"""Which eyes are meant: pixels, a run, or a net with published weights."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hubel.anomalies.eyes import Eyes, chosen_stages
from hubel.checkpoint import Classifier
from hubel.checkpoint import load as load_checkpoint
from hubel.checkpoint.published import at_hand, published_folder
from hubel.data.choose import choose_preprocessing
from hubel.data.manifest import Manifest
from hubel.data.preprocessing import Preprocessing
from hubel.errors import ArtefactError, UsageError
from hubel.models.pretrained import DEFAULT, is_published, published
from hubel.records.ledger import find_run

PIXELS = "pixels"
LARGE = 64
"""Pixels a side from which on photographs are looked at with a published net, where one is at hand."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Eyes, and the net behind them."""

    eyes: Eyes
    net: Classifier | None
    """None for pixels."""
    why: str
    """Why these, where nobody said; else ""."""


def open_eyes(
    features: str | None, manifest: Manifest, *, img_size: int | tuple[int, int] | None = None, device: str = "cpu"
) -> Seen:
    """The eyes of a name: "pixels", a run, a net with published weights; None for what suits the pictures.

    Raises ArtefactError for what is neither, UsageError for a run on points and for a size beside a run.
    """
    why = ""
    if features is None:
        own = choose_preprocessing(manifest, img_size=img_size)
        photographs = min(own.height, own.width) >= LARGE and own.channels == 3
        features = DEFAULT if photographs and at_hand(published(DEFAULT)) else PIXELS
        why = f"seen through {features}, whose published weights are at hand" if features != PIXELS else ""
        if features == PIXELS:
            return Seen(eyes=Eyes(preprocessing=own, device=device), net=None, why=why)
    if features == PIXELS:
        own = choose_preprocessing(manifest, img_size=img_size)
        return Seen(eyes=Eyes(preprocessing=own, device=device), net=None, why="")
    if is_published(features):
        net = load_checkpoint(published_folder(published(features)))
        assert net.preprocessing is not None
        seen = net.preprocessing if img_size is None else _sized(net.preprocessing, img_size)
        # What stands at the rim of a part counts, too: nothing is cut off.
        seen = replace(seen, fit="pad" if seen.fit == "crop" else seen.fit, crop_share=1.0)
    else:
        net, seen = _of_run(features, img_size)
    model = net.model.to(device)
    eyes = Eyes(
        preprocessing=seen, net=model, stages=chosen_stages(model, seen), name=features.rstrip("/").split("/")[-1],
        device=device,
    )  # fmt: skip
    return Seen(eyes=eyes, net=net, why=why)


def _of_run(name: str, img_size: object) -> tuple[Classifier, Preprocessing]:
    try:
        folder = find_run(name)
    except ArtefactError as error:
        raise ArtefactError(
            f"features are those of pixels, of a run, or of a net with published weights, and {name!r} is none of them",
            hint=error.hint or "hubel runs lists runs; hubel models --pretrained nets with published weights",
        ) from None
    net = load_checkpoint(folder)
    if net.preprocessing is None:
        raise UsageError(f"{name} was trained on points, and pictures are looked at", hint="--features pixels")
    if img_size is not None:
        raise UsageError(
            f"{name} sees pictures of {net.preprocessing.height}x{net.preprocessing.width}, as it was trained",
            hint="leave --img-size out",
        )
    return net, net.preprocessing


def _sized(preprocessing: Preprocessing, img_size: int | tuple[int, int]) -> Preprocessing:
    height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
    if min(height, width) < 32:
        raise UsageError(
            f"a published net needs pictures of at least 32x32, got {height}x{width}",
            hint="--img-size 128, or --features pixels",
        )
    return replace(preprocessing, height=height, width=width)
