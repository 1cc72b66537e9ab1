"""Pictures and what a net gave back of them in, everything worth knowing about that out. N samples, C H W."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from hubel.checkpoint import Classifier
from hubel.data.batches import batches, reading_size
from hubel.data.decode import Decoded
from hubel.data.preprocessing import Preprocessing
from hubel.data.scan import Scan
from hubel.evaluation.result import Exhibit, TaskResult, spread_rows
from hubel.metrics.intervals import Interval, mean_interval
from hubel.nn.modes import evaluating
from hubel.tasks import TASKS
from hubel.words import csv_text, percent, plain, plural

SHOWN = 8
"""Pictures beside their reconstructions, of each kind."""
DEVIATIONS = ("unsure",)
"""What a net's `views` may tell that is no picture, but how far each pixel may be off."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Reconstruction(TaskResult):
    """How well pictures are given back. Errors are of pixels from 0 to 1."""

    mse: float
    psnr: float
    """Decibel: −10 log₁₀ MSE, the mean over pictures of their own."""
    explained: float
    """Share of the variance around the mean picture that is given back: 1 is all, 0 what the mean picture does."""
    intervals: dict[str, Interval]
    """95 %: mse, psnr."""
    given: str
    """What a picture is as the net sees it, which is what it is to give back: "8x8 pixels in grey (crop, bilinear)"."""
    class_names: tuple[str, ...]
    """Of the data; a net that looks at no label does not know them."""
    ids: np.ndarray
    labels: np.ndarray
    errors: np.ndarray
    """N: mean squared error of each picture."""
    paths: tuple[str, ...]
    usual: tuple[Exhibit, ...]
    """Pictures evenly spread over the split."""
    worst: tuple[Exhibit, ...]
    """Those given back worst, worst first."""

    @property
    def sentence(self) -> str:
        """The result as one sentence."""
        if not self.explained > 0:
            return (
                f"{plural(self.samples, f'{self.split} picture').capitalize()} come back with a mean squared error of "
                f"{self.mse:.4g} ({self.psnr:.2f} dB): the mean picture would be nearer, so it has learnt too little."
            )
        return (
            f"Of {plural(self.samples, f'{self.split} picture')} it gives back {percent(self.explained, 1)} of "
            f"what tells them from the mean picture: a mean squared error of {self.mse:.4g}, {self.psnr:.2f} dB."
        )

    @property
    def decibels(self) -> np.ndarray:
        """N: the PSNR of each picture, at most 100."""
        return np.asarray(-10 * np.log10(np.maximum(self.errors, 1e-10)))

    def rows(self) -> list[tuple[str, str, str]]:
        """The headline numbers."""
        return [
            ("PSNR", f"{self.psnr:.2f} dB", _span(self.intervals["psnr"], ".2f")),
            ("mean squared error", f"{self.mse:.4g}", _span(self.intervals["mse"], ".4g")),
            ("variance given back", percent(self.explained, 1), ""),
        ]

    def by_class(self) -> list[tuple[str, int, float, float, Interval]]:
        """(class, samples, PSNR, MSE, 95 % interval of the PSNR), worst class first."""
        found = []
        for label, name in enumerate(self.class_names):
            mine = self.labels == label
            if mine.any():
                decibels = self.decibels[mine]
                mse = float(self.errors[mine].mean())
                found.append((name, int(mine.sum()), float(decibels.mean()), mse, mean_interval(decibels)))
        return sorted(found, key=lambda row: row[2])

    @property
    def headline(self) -> dict[str, float]:
        """PSNR and MSE."""
        return {"psnr": self.psnr, "mse": self.mse, "explained": self.explained}

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        names = ("split", "samples", "given", "mse", "psnr", "explained", "intervals")
        classes = {
            name: {"samples": count, "psnr": psnr, "mse": mse, "interval": list(interval)}
            for name, count, psnr, mse, interval in self.by_class()
        }
        return plain({"task": "reconstruct", **{name: getattr(self, name) for name in names}, "per_class": classes})

    def tables(self) -> Mapping[str, str]:
        """One line a picture, one a class."""
        names = [self.class_names[label] if self.class_names else "" for label in self.labels.tolist()]
        each = zip(self.ids.tolist(), self.paths, names, self.errors.tolist(), self.decibels.tolist(), strict=True)
        classes = [[*row[:4], *row[4]] for row in self.by_class()]
        return {
            "predictions.csv": csv_text(["id", "path", "class", "mse", "psnr"], each),
            "per_class.csv": csv_text(["class", "samples", "psnr", "mse", "psnr_low", "psnr_high"], classes),
        }


def _span(interval: Interval, form: str) -> str:
    low, high = interval
    return "" if math.isnan(low) else f"{low:{form}} to {high:{form}}"


def judge_reconstruction(
    classifier: Classifier, scan: Scan, decoded: Decoded, rows: np.ndarray, split: str, device: torch.device
) -> Reconstruction:
    """Run the net over some rows and judge what it gives back."""
    seen = classifier.preprocessing
    assert seen is not None
    net = TASKS.get(classifier.task).answering(classifier.model.to(device))
    errors = []
    total = np.zeros(decoded.images.shape[1:])
    squares = 0.0
    wanted = set(spread_rows(len(rows), SHOWN))
    kept: dict[int, np.ndarray] = {}
    beside: dict[int, dict[str, np.ndarray]] = {}
    at = 0
    with evaluating(classifier.model), torch.inference_mode():
        for batch in batches(
            decoded, rows, preprocessing=seen, batch_size=reading_size(decoded), device=device, channels_last=True
        ):
            truth = seen.denormalise(batch.images.float())
            given = seen.denormalise(net(batch.images).float()).clamp(0, 1)
            errors.append((given - truth).square().flatten(1).mean(1).double().cpu().numpy())
            total += truth.double().sum(0).cpu().numpy()
            squares += float(truth.double().square().sum())
            here = [i for i in range(len(batch)) if at + i in wanted]
            kept |= {at + i: _bytes(given[i]) for i in here}
            beside |= {at + i: told for i, told in zip(here, _views(classifier, batch.images[here]), strict=True)}
            at += len(batch)
        found = np.concatenate(errors)
        last = np.argsort(-found, kind="stable")[:SHOWN]
        for batch in batches(decoded, rows[last], preprocessing=seen, batch_size=SHOWN, device=device):
            given = seen.denormalise(net(batch.images).float()).clamp(0, 1)
            kept |= {int(place): _bytes(picture) for place, picture in zip(last, given, strict=True)}
            views = _views(classifier, batch.images)
            beside |= {int(place): told for place, told in zip(last, views, strict=True)}
    pixels = total.size
    variance = squares / (len(rows) * pixels) - float(np.square(total / len(rows)).mean())
    decibels = -10 * np.log10(np.maximum(found, 1e-10))
    manifest = scan.manifest

    def shown(places: list[int]) -> tuple[Exhibit, ...]:
        return tuple(
            Exhibit(
                id=int(rows[place]), name=manifest.name(int(rows[place])), score=float(found[place]),
                picture=np.ascontiguousarray(decoded.images[rows[place]]), truth=None, answer=kept[place],
                beside=beside[place],
            )
            for place in places
        )  # fmt: skip

    return Reconstruction(
        split=split,
        samples=len(rows),
        mse=float(found.mean()),
        psnr=float(decibels.mean()),
        explained=1 - float(found.mean()) / variance if variance > 1e-12 else math.nan,
        intervals={"mse": mean_interval(found, within=(0, math.inf)), "psnr": mean_interval(decibels)},
        given=_given(seen),
        class_names=manifest.class_names if manifest.num_classes > 1 else (),
        ids=np.asarray(rows),
        labels=manifest.labels[rows],
        errors=found,
        paths=tuple(manifest.name(int(row)) for row in rows),
        usual=shown(sorted(wanted)),
        worst=shown(last.tolist()),
    )


def _given(seen: Preprocessing) -> str:
    levels = [] if seen.levels is None else [f"{seen.levels[0]:g} to {seen.levels[1]:g}"]
    part = [] if seen.crop_share == 1 else [f"{seen.crop_share:g} of it"]
    return (
        f"{seen.width}x{seen.height} pixels in {'grey' if seen.channels == 1 else 'colour'} "
        f"({', '.join([seen.fit, seen.interpolation, *part, *levels])})"
    )


def _views(classifier: Classifier, images: torch.Tensor) -> list[dict[str, np.ndarray]]:
    """Of each picture what the net tells beside the one it gives back, if it does: deviations are pictures of their own
    (black is none, white the largest of its picture), everything else is a picture as the net sees it.
    """
    seen, views = classifier.preprocessing, getattr(classifier.model, "views", None)
    assert seen is not None
    if views is None or not len(images):
        return [{} for _ in images]
    found = {
        name: told.float() / told.float().amax(dim=(1, 2, 3), keepdim=True)
        if name in DEVIATIONS
        else seen.denormalise(told.float())
        for name, told in views(images).items()
    }
    return [{name: _bytes(told[i].clamp(0, 1)) for name, told in found.items()} for i in range(len(images))]


def _bytes(picture: torch.Tensor) -> np.ndarray:
    return np.asarray(picture.mul(255).round().to(torch.uint8).cpu().numpy())
