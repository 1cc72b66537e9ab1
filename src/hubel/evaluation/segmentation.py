"""Masks and answers for pixels in, everything worth knowing about a segmentation out. N pictures, K classes, H W."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from hubel.checkpoint import Classifier
from hubel.data.augment_ops import shifted
from hubel.data.batches import batches, reading_size
from hubel.data.decode import Decoded
from hubel.data.scan import Scan
from hubel.evaluation.asking import ask, dissent, voices
from hubel.evaluation.result import Exhibit, TaskResult, spread_rows
from hubel.metrics.intervals import Interval, mean_known, percentiles, redrawn
from hubel.metrics.overlap import IGNORED, dice, drawn_iou, iou, mean_iou, overlaps
from hubel.nn.modes import evaluating
from hubel.tasks import TASKS
from hubel.words import csv_text, percent, plain, plural, span

SHOWN, DRAWS = 8, 1_000
"""Pictures shown of each kind; draws of the bootstrap."""
MOVED, FAR, AT_ONCE = 32, 8, 8
"""Pictures that are moved, by how many pixels at most; how many are asked about at once."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Segmentation(TaskResult):
    """How well the areas of classes are found; intervals are over pictures, which are what may come otherwise."""

    class_names: tuple[str, ...]
    confusion: np.ndarray
    """K K pixels: rows true, columns answered."""
    mean_iou: float
    intervals: dict[str, Interval]
    """95 %, of mean_iou and pixel_accuracy."""
    class_intervals: tuple[Interval, ...]
    """K, of the IoU of each class."""
    ids: np.ndarray
    hits: np.ndarray
    """N K: of each picture the pixels that are named right, by class."""
    unions: np.ndarray
    """N K: of each picture the pixels that are of a class or are said to be."""
    areas: np.ndarray
    """N K: of each picture the pixels that are of a class."""
    scores: np.ndarray
    """N: the mean IoU of each picture, over the classes it shows or is said to show."""
    paths: tuple[str, ...]
    usual: tuple[Exhibit, ...]
    worst: tuple[Exhibit, ...]
    moves_along: tuple[float, ...]
    """Share of the pixels whose class moves along where pictures are moved right by 1, 2, … pixels."""
    disputed: np.ndarray | None = None
    """Of several nets that answer as one, counts of pixels: those on which all agree and on which they differ (rows),
    that are right and wrong (columns)."""

    @property
    def dissent(self) -> tuple[float, float, float]:
        """The share of the pixels on which members differ, the share of these that is wrong, and that of the others."""
        assert self.disputed is not None
        (_, alike_wrong), (_, differ_wrong) = self.disputed
        alike, differ = self.disputed.sum(1)
        return differ / max(1, alike + differ), differ_wrong / max(1, differ), alike_wrong / max(1, alike)

    @property
    def iou(self) -> np.ndarray:
        """K; NaN for a class that is nowhere."""
        return iou(self.confusion)

    @property
    def dice(self) -> np.ndarray:
        """K."""
        return dice(self.confusion)

    @property
    def pixel_accuracy(self) -> float:
        """Share of pixels that are named right."""
        return float(np.trace(self.confusion) / max(1, self.confusion.sum()))

    @property
    def sentence(self) -> str:
        """The result as one sentence."""
        low, high = self.intervals["mean_iou"]
        sure = "" if math.isnan(low) else f", 95 % interval {span((low, high))}"
        worst = int(np.nanargmin(self.iou)) if np.isfinite(self.iou).any() else 0
        return (
            f"On {plural(self.samples, f'{self.split} picture')} its areas overlap the true ones by "
            f"{percent(self.mean_iou, 1)} (mean IoU{sure}); {percent(self.pixel_accuracy, 1)} of the pixels are right, "
            f"and {self.class_names[worst]} is found worst ({percent(float(self.iou[worst]), 1)})."
        )

    def rows(self) -> list[tuple[str, str, str]]:
        """The headline numbers, then each class."""
        return [
            ("mean IoU", percent(self.mean_iou, 1), span(self.intervals["mean_iou"])),
            ("mean Dice", percent(float(np.nanmean(self.dice)), 1), ""),
            ("pixels right", percent(self.pixel_accuracy, 1), span(self.intervals["pixel_accuracy"])),
        ] + ([] if self.disputed is None else [("members differ", percent(self.dissent[0], 1), self.told_dissent)])

    @property
    def told_dissent(self) -> str:
        """What it means that members differ, in words."""
        _, differ, alike = self.dissent
        return f"wrong there {percent(differ, 1)}, elsewhere {percent(alike, 1)}"

    def by_class(self) -> list[tuple[str, int, float, float, Interval]]:
        """(class, true pixels, IoU, Dice, 95 % interval of the IoU), in the order of the classes."""
        pixels = self.confusion.sum(1).tolist()
        return list(
            zip(self.class_names, pixels, self.iou.tolist(), self.dice.tolist(), self.class_intervals, strict=True)
        )

    def __str__(self) -> str:
        wide = max(5, *(len(name) for name in self.class_names))
        table = [f"  {'class':<{wide}}  {'IoU':>7}  {'Dice':>7}  95 % interval of the IoU"]
        for name, _, overlap, both, interval in self.by_class():
            table.append(f"  {name:<{wide}}  {percent(overlap, 1):>7}  {percent(both, 1):>7}  {span(interval)}")
        return "\n".join([super().__str__(), "", *table])

    @property
    def headline(self) -> dict[str, float]:
        """Mean IoU and the share of right pixels."""
        return {"mean_iou": self.mean_iou, "pixel_accuracy": self.pixel_accuracy}

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        classes = {
            name: {"pixels": pixels, "iou": overlap, "dice": both, "interval": list(interval)}
            for name, pixels, overlap, both, interval in self.by_class()
        }
        return plain(
            {"task": "segment", "split": self.split, "samples": self.samples, **self.headline,
             "intervals": self.intervals, "per_class": classes, "confusion": self.confusion.tolist(),
             "moves_along": list(self.moves_along)}
            | ({} if self.disputed is None else {"disputed": self.disputed.tolist()})
        )  # fmt: skip

    def tables(self) -> Mapping[str, str]:
        """One line a picture, one a class, one a class in a picture, and the pixels by class."""
        each = zip(self.ids.tolist(), self.paths, self.scores.tolist(), strict=True)
        classes = [[*row[:4], *row[4]] for row in self.by_class()]
        pixels = [[name, *row] for name, row in zip(self.class_names, self.confusion.tolist(), strict=True)]
        said = self.unions + self.hits - self.areas
        areas = [
            [int(self.ids[n]), self.paths[n], self.class_names[k], int(self.areas[n, k]), int(said[n, k]),
             int(self.hits[n, k])]
            for n, k in np.argwhere(self.unions > 0).tolist()
        ]  # fmt: skip
        return {
            "predictions.csv": csv_text(["id", "path", "mean_iou"], each),
            "per_class.csv": csv_text(["class", "pixels", "iou", "dice", "iou_low", "iou_high"], classes),
            "areas.csv": csv_text(["id", "path", "class", "pixels", "said", "right"], areas),
            "confusion.csv": csv_text(["true", *self.class_names], pixels),
        }


def judge_segmentation(
    classifier: Classifier, scan: Scan, decoded: Decoded, rows: np.ndarray, split: str, device: torch.device
) -> Segmentation:
    """Run the net over some rows and judge the areas it finds."""
    seen, classes = classifier.preprocessing, len(classifier.class_names)
    assert seen is not None
    assert decoded.targets is not None
    net = TASKS.get(classifier.task).answering(classifier.model.to(device))
    # Every pixel has K logits, of each net.
    size = max(1, reading_size(decoded) // max(1, classes * voices([classifier]) // 4))
    parts: list[tuple[np.ndarray, ...]] = []
    kept: dict[int, np.ndarray] = {}
    beside: dict[int, np.ndarray] = {}
    disputed: np.ndarray | None = None
    wanted = set(spread_rows(len(rows), SHOWN))
    at = 0
    with evaluating(classifier.model), torch.inference_mode():
        for batch in batches(decoded, rows, preprocessing=seen, batch_size=size, device=device, channels_last=True):
            said, apart = _found(classifier, batch.images)
            assert batch.targets is not None
            if apart is not None:
                disputed = _disputed(batch.targets, said, apart) + (0 if disputed is None else disputed)
                beside |= {at + i: _grey(apart[i]) for i in range(len(batch)) if at + i in wanted}
            parts.append(_sums(overlaps(batch.targets, said, classes)))
            kept |= {at + i: _mask(said[i]) for i in range(len(batch)) if at + i in wanted}
            at += len(batch)
        hits, truth, answered = (np.concatenate([part[k] for part in parts]) for k in range(3))
        confusion = np.sum([part[3] for part in parts], axis=0)
        unions = truth + answered - hits
        each = np.divide(hits, unions, out=np.full(hits.shape, np.nan), where=unions > 0)
        scores = np.array([np.nanmean(row) if np.isfinite(row).any() else 1.0 for row in each])
        some = rows[spread_rows(len(rows), MOVED)]
        moves_along = move_along(net, torch.from_numpy(decoded.images[some]), seen.normalise, device)
        last = np.argsort(scores, kind="stable")[:SHOWN]
        for batch in batches(decoded, rows[last], preprocessing=seen, batch_size=size, device=device):
            places = [int(np.flatnonzero(rows == row)[0]) for row in batch.ids.cpu().numpy()]
            masks, apart = _found(classifier, batch.images)
            kept |= {place: _mask(said) for place, said in zip(places, masks, strict=True)}
            beside |= {} if apart is None else {p: _grey(one) for p, one in zip(places, apart, strict=True)}
    manifest = scan.manifest
    weights = np.concatenate(list(redrawn(len(rows), draws=DRAWS)))
    drawn = drawn_iou(hits, unions, weights)
    right = (weights @ hits.sum(1)) / np.maximum(weights @ truth.sum(1), 1)

    def shown(places: list[int]) -> tuple[Exhibit, ...]:
        assert decoded.targets is not None
        return tuple(
            Exhibit(
                id=int(rows[place]), name=manifest.name(int(rows[place])), score=float(scores[place]),
                picture=np.ascontiguousarray(decoded.images[rows[place]]), truth=decoded.targets[rows[place]],
                answer=kept[place], beside={"they differ": beside[place]} if place in beside else {},
            )
            for place in places
        )  # fmt: skip

    several = len(rows) > 1
    nothing = (math.nan, math.nan)
    return Segmentation(
        split=split,
        samples=len(rows),
        class_names=classifier.class_names,
        confusion=confusion,
        mean_iou=mean_iou(confusion),
        intervals={
            "mean_iou": percentiles(mean_known(drawn)) if several else nothing,
            "pixel_accuracy": percentiles(right) if several else nothing,
        },
        class_intervals=tuple(percentiles(column) if several else nothing for column in drawn.T),
        ids=np.asarray(rows),
        hits=hits,
        unions=unions,
        areas=truth,
        scores=scores,
        paths=tuple(manifest.name(int(row)) for row in rows),
        usual=shown(sorted(wanted)),
        worst=shown(last.tolist()),
        moves_along=moves_along,
        disputed=disputed,
    )


def _found(classifier: Classifier, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Masks B H W, and of several nets which share of them calls a pixel otherwise, B H W."""
    said = ask([classifier], images)
    masks = said.answers.argmax(1)
    return masks, None if said.each is None else dissent(said.each, masks, said.weights)


def _disputed(truth: torch.Tensor, masks: torch.Tensor, apart: torch.Tensor) -> np.ndarray:
    counted = truth != IGNORED
    cells = 2 * (apart > 0).long() + (masks != truth).long()
    return np.asarray(cells[counted].bincount(minlength=4).reshape(2, 2).cpu().numpy())


def _grey(apart: torch.Tensor) -> np.ndarray:
    return np.asarray(apart.mul(255).round().to(torch.uint8).cpu().numpy())


def move_along(
    net: nn.Module, images: torch.Tensor, normalise: Callable[[torch.Tensor], torch.Tensor], device: torch.device
) -> tuple[float, ...]:
    """Shares of the pixels whose class moves along where pictures N C H W uint8 move right by 1 to FAR pixels.

    The border is mirrored. `net` answers B C H W with logits B K H W, and `normalise` makes bytes what it takes.
    """

    def said(pictures: torch.Tensor) -> torch.Tensor:
        return torch.cat([net(normalise(part.to(device))).argmax(1) for part in pictures.split(AT_ONCE)])

    still, width = said(images), images.shape[3]
    steps = range(1, min(FAR, width // 2) + 1)
    return tuple(
        float(
            (said(shifted(images, 0, step, border="mirror"))[..., step:] == still[..., : width - step]).double().mean()
        )
        for step in steps
    )


def _sums(found: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of N K K counts: hits, true and answered pixels N K, and the sum over all K K."""
    return np.diagonal(found, axis1=1, axis2=2).copy(), found.sum(2), found.sum(1), found.sum(0)


def _mask(said: torch.Tensor) -> np.ndarray:
    return np.asarray(said.to(torch.uint8).cpu().numpy())
