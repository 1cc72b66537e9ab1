"""What every verb that looks inside needs: a net with its picture, and the data that a run was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from hubel import runtime
from hubel.checkpoint import Classifier
from hubel.data.batches import batches
from hubel.data.decode import Decoded
from hubel.data.decode import prepare as scan_and_decode
from hubel.data.manifest import Manifest
from hubel.data.preprocessing import Preprocessing
from hubel.data.sources import open_source
from hubel.data.splits import NAMES, Splits
from hubel.errors import ArtefactError, DataError, UsageError, unknown
from hubel.explain.attacks import Pixels
from hubel.inference import features
from hubel.store import RunStore
from hubel.training.recipe import compose, read_file
from hubel.types import Batch
from hubel.verbs.predict import load
from hubel.verbs.prepare import prepare
from hubel.verbs.runs import find
from hubel.verbs.samples import read
from hubel.verbs.watching import SILENT, Watcher


@dataclass(frozen=True, kw_only=True)
class Look:
    """A classifier and one picture that is ready for it."""

    model: nn.Module
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    run: str
    """What to call the net."""
    name: str
    """What to call the picture."""
    pixels: np.ndarray
    """C H W uint8, as the net gets it."""
    image: torch.Tensor
    """C H W, normalised, on the model's device."""

    @property
    def bounds(self) -> Pixels:
        """What normalisation does to pixel values."""
        channels = self.preprocessing.channels
        mean, std = (
            tuple(np.broadcast_to(part, channels).tolist())
            for part in (self.preprocessing.mean, self.preprocessing.std)
        )
        return Pixels(mean, std)

    def index(self, target: str | int | None) -> int | None:
        """The class of that name or number; raises UnknownName with near names."""
        return None if target is None else class_index(self.class_names, target)

    def ranking(self, probabilities: np.ndarray, count: int = 5) -> list[tuple[str, float]]:
        """The most probable classes by name, best first."""
        order = np.argsort(-probabilities, kind="stable")[:count]
        return [(self.class_names[k], float(probabilities[k])) for k in order]


def class_index(class_names: tuple[str, ...], target: str | int) -> int:
    """The class called `target`, or of that number.

    >>> class_index(("cat", "dog"), "dog"), class_index(("cat", "dog"), 0), class_index(("3", "4"), "3")
    (1, 0, 0)
    >>> class_index(("cat", "dog"), "dgo")
    Traceback (most recent call last):
        ...
    hubel.errors.UnknownName: unknown class 'dgo'
      did you mean 'dog'?
    """
    if target in class_names:
        return class_names.index(str(target))
    if isinstance(target, int) or target.isdigit():
        if 0 <= int(target) < len(class_names):
            return int(target)
        raise UsageError(
            f"a class number must be 0 to {len(class_names) - 1}, got {target}", hint="or give the class by name"
        )
    raise unknown("class", target, class_names)


def classifier_of(run: str | Path | Classifier) -> tuple[Classifier, str]:
    """The classifier and what to call it; raises ArtefactError for runs on points and for regression.

    Whoever looks into a net asks it many times, so this process keeps its memory from now on.
    """
    runtime.keep_memory()
    classifier = run if isinstance(run, Classifier) else load(run)
    if classifier.preprocessing is None or not classifier.class_names:
        raise ArtefactError(
            "only classifiers of pictures can be explained", hint="this run was trained on points or on numbers"
        )
    return classifier, "classifier" if isinstance(run, Classifier) else Path(run).name


def look(run: str | Path | Classifier, picture: Any, *, device: str = "auto") -> Look:
    """A picture for a run: a file, a sample of a source ("digits:3"), a PIL image or an array H W (C) uint8.

    Raises DataError for what is no readable picture.
    """
    classifier, name = classifier_of(run)
    preprocessing = classifier.preprocessing
    assert preprocessing is not None
    target = runtime.pick_device(device)
    classifier.model.to(target)
    called = "picture"
    if isinstance(picture, (str, Path)):
        called = Path(picture).name
        path = Path(picture)
        if not path.exists() and ":" not in str(picture):
            raise DataError(f"there is no picture {picture}", hint='give a file, or a sample of a source: "digits:3"')
        if path.is_dir():
            raise DataError(f"{picture} is a folder, and one picture is needed", hint="give a file in it")
        try:
            pixels = read(str(picture), preprocessing)[0][0]
        except DataError as error:
            hint = error.hint or "save it again from where it came, smaller than 64 megapixels, or give another picture"
            raise DataError(error.what, hint=hint) from error
    elif isinstance(picture, Image.Image):
        pixels = preprocessing.image(picture)
    elif isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim in (2, 3):
        pixels = preprocessing.image(Image.fromarray(picture[..., 0] if picture.shape[2:] == (1,) else picture))
    else:
        raise DataError("a picture must be a file, a sample (digits:3), a PIL image or an array of bytes H W or H W C")
    image = preprocessing.normalise(torch.from_numpy(pixels[None].copy()).to(target))[0]
    return Look(
        model=classifier.model, preprocessing=preprocessing, class_names=classifier.class_names, run=name,
        name=called, pixels=pixels, image=image,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Samples:
    """A part of a data set, decoded for a classifier."""

    classifier: Classifier
    decoded: Decoded
    manifest: Manifest
    rows: np.ndarray
    """N rows of the manifest that are looked at."""
    device: torch.device

    @property
    def labels(self) -> np.ndarray:
        """N class numbers."""
        return np.asarray(self.decoded.labels[self.rows])

    @property
    def pixels(self) -> np.ndarray:
        """N C H W uint8."""
        return np.asarray(self.decoded.images[self.rows])

    def batches(self, size: int = 128) -> Iterator[Batch]:
        """The samples in order, normalised."""
        return batches(
            self.decoded, self.rows, preprocessing=self.classifier.preprocessing, batch_size=size, device=self.device
        )

    def features(self, stage: str | None = None) -> np.ndarray:
        """N F: what comes out of a stage, averaged over the places; the last stage unless one is named."""
        return features(self.classifier.model, self.batches(), stage or last_stage(self.classifier.model))

    def name(self, row: int) -> str:
        """What a row of the manifest is called."""
        return self.manifest.name(row)


def last_stage(model: nn.Module) -> str:
    """Where the features are read: the last stage."""
    stages: tuple[str, ...] = getattr(model, "stages", ())
    if not stages:
        raise UsageError("this net names no stages", hint="give a layer by name: --stage NAME")
    return stages[-1]


def stage_name(model: nn.Module, stage: str | int | None) -> str | None:
    """A stage by its number from 1 on, as people count, or a layer by its name."""
    if stage is None or not str(stage).isdigit():
        return None if stage is None else str(stage)
    stages: tuple[str, ...] = getattr(model, "stages", ())
    if not 1 <= int(stage) <= len(stages):
        raise UsageError(
            f"this net has {len(stages)} stages, counted from 1; got {stage}", hint=f"stages: {', '.join(stages)}"
        )
    return stages[int(stage) - 1]


def samples_of(
    run: str | Path | Classifier,
    data: str | Path | None = None,
    *,
    split: str = "train",
    limit: int | None = None,
    device: str = "auto",
    seed: int = 0,
    watch: Watcher = SILENT,
) -> Samples:
    """A `split` of the run's data, or all of other `data`; of more than `limit` samples a random part, by `seed`."""
    classifier, _ = classifier_of(run)
    target = runtime.pick_device(device)
    classifier.model.to(target)
    assert classifier.preprocessing is not None
    if data is not None:
        scan, decoded = scan_and_decode(
            open_source(str(data), progress=watch.progress), classifier.preprocessing, progress=watch.progress
        )
        rows, manifest = np.arange(len(scan.manifest)), scan.manifest
    else:
        if isinstance(run, Classifier):
            raise UsageError("a classifier alone does not know its data", hint="give data=, or the run's folder")
        if split not in NAMES:
            raise unknown("split", split, NAMES)
        folder = find(run)
        recipe = compose(read_file(folder / "config.yaml"))
        splits = Splits.from_dict(RunStore.open(folder).read_json("split.json", limit=1 << 30))
        prepared = prepare(recipe, watch, splits=splits)
        rows, manifest, decoded = prepared.splits.ids(split), prepared.manifest, prepared.decoded
    if not len(rows):
        raise DataError(f"there are no samples in the {split} split", hint="choose another one, or give data")
    if limit is not None and len(rows) > limit:
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[:limit])
    return Samples(classifier=classifier, decoded=decoded, manifest=manifest, rows=rows, device=target)
