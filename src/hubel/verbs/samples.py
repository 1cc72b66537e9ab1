"""One picture and a net that takes it: `digits:3`, `photos/:12`, or a picture file, with a run or a fresh net."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hubel import runtime
from hubel.checkpoint import load as load_checkpoint
from hubel.data.choose import choose_preprocessing
from hubel.data.decode import decode, read_images
from hubel.data.images import SUFFIXES
from hubel.data.preprocessing import Preprocessing
from hubel.data.scan import scan
from hubel.data.sources import open_source
from hubel.errors import DataError, HubelError
from hubel.models import CARDS, create_model
from hubel.verbs.runs import find

LISTS = (".yaml", ".yml")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A net in evaluation mode and pictures that are ready for it."""

    model: nn.Module
    name: str
    """Of the net."""
    images: torch.Tensor
    """B C H W, normalised."""
    pixels: np.ndarray
    """B C H W uint8, as decoded."""
    labels: torch.Tensor | None
    """B, where the source knows them."""
    class_names: tuple[str, ...]
    trained: bool


def samples(net: str, data: str, *, count: int = 1, seed: int = 0) -> Sample:
    """The net called `net` (a run, a name, a layer list) and `count` pictures of `data` ("digits:3", "cat.jpg").

    A number behind the colon is the first sample; a fresh net gets weights from `seed` and the size of the pictures.
    Raises DataError for what cannot be read, UnknownName and ArtefactError for nets.
    """
    trained = net not in CARDS and not net.endswith(LISTS) and not net.startswith("timm/")
    model: nn.Module | None = None
    preprocessing: Preprocessing | None = None
    names: tuple[str, ...] = ()
    if trained:
        try:
            classifier = load_checkpoint(find(net))
        except HubelError:
            if "/" not in net and not Path(net).exists():
                create_model(net)  # neither a run nor a net: say which net may have been meant
            raise
        model, preprocessing, names = classifier.model, classifier.preprocessing, classifier.class_names
        if preprocessing is None:
            raise DataError(f"{net} takes points, not pictures", hint="choose a run that was trained on pictures")
    smallest = 1 if trained or net not in CARDS else CARDS[net].min_size
    published = CARDS[net].img_size if net in CARDS else None
    if isinstance(published, int) and Path(data).is_file():
        smallest = published  # a photograph is shown to a fresh net in the size of its paper
    pixels, labels, preprocessing, classes = read(data, preprocessing, count=count, smallest=smallest)
    if model is None:
        with runtime.seeded(seed):
            model = create_model(
                net, num_classes=max(2, len(classes)) if classes else None,
                in_chans=preprocessing.channels, img_size=(preprocessing.height, preprocessing.width),
            ).eval()  # fmt: skip
        names = classes
    images = preprocessing.normalise(torch.from_numpy(pixels))
    if labels is not None and not trained and labels.is_floating_point():
        labels = None
    return Sample(
        model=model, name=net, images=images, pixels=pixels, labels=labels, class_names=names, trained=trained
    )


def read(
    data: str, preprocessing: Preprocessing | None, *, count: int = 1, smallest: int = 1
) -> tuple[np.ndarray, torch.Tensor | None, Preprocessing, tuple[str, ...]]:
    """Pictures B C H W uint8, labels if known, the geometry they were read with, and the class names."""
    if Path(data).suffix.lower() in SUFFIXES and Path(data).is_file():
        side = max(64, smallest)
        chosen = preprocessing or Preprocessing(height=side, width=side)
        pixels, _, problems = read_images([data], chosen)
        if problems:
            raise DataError(f"{data}: {problems[0].reason}")
        return pixels, None, chosen, ()
    source, _, place = data.rpartition(":")
    if not place.isdigit() or not source:
        source, place = data, "0"
    manifest = open_source(source)
    first = int(place)
    if first >= len(manifest):
        raise DataError(f"{source} has samples 0 to {len(manifest) - 1}, got {first}", hint=f"for example {source}:0")
    if manifest.kind == "points":
        raise DataError(f"{source} holds points, not pictures", hint="for example digits:3")
    wanted = manifest.select(np.arange(first, min(first + count, len(manifest))))
    if wanted.kind == "files":
        wanted = scan(wanted).manifest
    chosen = preprocessing or choose_preprocessing(wanted)
    if min(chosen.height, chosen.width) < smallest:
        chosen = Preprocessing(height=smallest, width=smallest, channels=chosen.channels, fit=chosen.fit)
    decoded = decode(wanted, chosen)
    return np.ascontiguousarray(decoded.images), torch.from_numpy(wanted.labels.copy()), chosen, manifest.class_names
