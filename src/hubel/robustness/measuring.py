"""How a net does on spoilt pictures: each corruption at each severity, on the same pictures, and two nets beside it.

Letters: N pictures, C channels, H W height and width, K classes.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel.data.preprocessing import Preprocessing
from hubel.inference import predict
from hubel.metrics.intervals import Interval, mean_interval, wilson
from hubel.metrics.probability import calibration
from hubel.robustness.answers import Labels, truth_of
from hubel.robustness.corruptions import corrupt
from hubel.robustness.equivariance import StageChange
from hubel.robustness.moving import Curve
from hubel.types import Batch
from hubel.views import Viewed, html_table
from hubel.words import in_columns, percent, plain, plural, span

Forward = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What a net says of N pictures that went through one thing."""

    corruption: str
    """"" for the pictures as they are."""
    severity: int
    """1 to 5; 0 for the pictures as they are."""
    predicted: np.ndarray
    """N class numbers; N K bool where several labels may be said."""
    confidence: np.ndarray
    """N largest probabilities; of several labels that of all answers together."""
    right: np.ndarray
    """N bool: is the class right, or are all labels?"""
    mean_ap: float = float("nan")
    """mAP of several labels."""

    @property
    def accuracy(self) -> float:
        """Share that is named right."""
        return float(self.right.mean())

    @property
    def ece(self) -> float:
        """Calibration error in 15 bins."""
        return calibration(self.confidence, self.right).ece


@dataclass(frozen=True, kw_only=True)
class Robustness(Viewed):
    """A net on the same N pictures: as they are, spoilt in every way asked for, and moved."""

    run: str
    split: str
    ids: np.ndarray
    """N rows of the manifest."""
    shape: tuple[int, int, int]
    """C H W of a picture."""
    seed: int
    clean: Cell
    cells: tuple[Cell, ...]
    curves: tuple[Curve, ...] = ()
    """How answers change where pictures are moved, turned, resized and bent."""
    stages: tuple[StageChange, ...] = ()
    """How far the maps of each stage change along where pictures are moved, turned, resized and bent."""
    available: int = 0
    """Pictures of the split, of which N were taken."""
    net: str = ""
    """Its architecture."""

    @property
    def corruptions(self) -> tuple[str, ...]:
        """Names in the order in which they were measured."""
        return tuple(dict.fromkeys(cell.corruption for cell in self.cells))

    @property
    def severities(self) -> tuple[int, ...]:
        """In rising order."""
        return tuple(sorted({cell.severity for cell in self.cells}))

    def of(self, corruption: str) -> tuple[Cell, ...]:
        """Its cells in the order of their severities."""
        return tuple(cell for cell in self.cells if cell.corruption == corruption)

    def shares(self, corruption: str | None = None) -> np.ndarray:
        """N: in which share of the cells (of one corruption, or of all) each picture is named right."""
        cells = self.cells if corruption is None else self.of(corruption)
        return np.asarray(np.mean([cell.right for cell in cells], axis=0))

    def accuracy(self, corruption: str) -> float:
        """The mean over its severities."""
        return float(self.shares(corruption).mean())

    @property
    def several(self) -> bool:
        """May several labels be said of a picture?"""
        return self.clean.predicted.ndim == 2

    def mean_ap(self, corruption: str | None = None) -> float:
        """Of several labels the mean mAP over the cells (of one corruption, or of all)."""
        return float(np.mean([cell.mean_ap for cell in (self.cells if corruption is None else self.of(corruption))]))

    @property
    def corrupted(self) -> float:
        """Mean accuracy over all corruptions and severities."""
        return float(self.shares().mean())

    @property
    def interval(self) -> Interval:
        """95 % interval of that mean: other pictures, the same corruptions."""
        return mean_interval(self.shares(), within=(0, 1))

    @property
    def worst(self) -> tuple[str, ...]:
        """Corruptions by their mean accuracy, the lowest first."""
        return tuple(sorted(self.corruptions, key=self.accuracy))

    @property
    def sentence(self) -> str:
        """In one sentence."""
        n = plural(len(self.ids), f"{self.split} picture")
        right = "have all their labels right" if self.several else "are named right"
        ranked = f" mAP is {percent(self.clean.mean_ap, 1)} as they are" if self.several else ""
        if not self.cells:
            return f"{percent(self.clean.accuracy, 1)} of {n} {right} as they are.{ranked and ranked + '.'}"
        low = self.worst[0]
        ranked = f"{ranked}, {percent(self.mean_ap(), 1)} spoilt." if self.several else ""
        return (
            f"{percent(self.clean.accuracy, 1)} of {n} {right} as they are, "
            f"{percent(self.corrupted, 1)} in the mean of {plural(len(self.corruptions), 'corruption')} "
            f"(95 % interval {span(self.interval)}); {low} is the worst with {percent(self.accuracy(low), 1)}.{ranked}"
        )

    def facts(self) -> dict[str, str]:
        """Name -> value, as they are shown."""
        found = {"run": self.run, "corruptions": self.sentence} if self.cells else {"run": self.run}
        return found | {curve.name: curve.sentence for curve in self.curves}

    def rows(self) -> list[tuple[str, list[float], float]]:
        """Corruption, accuracy at each severity, mean; the worst first."""
        return [(name, [c.accuracy for c in self.of(name)], self.accuracy(name)) for name in self.worst]

    def __str__(self) -> str:
        lines = [textwrap.fill(self.sentence, 80), ""]
        if self.cells:
            head, last = (f"{'mAP':>7}", _short(self.clean.mean_ap)) if self.several else ("", "")
            word, wide = ("sev.", 9) if self.several else ("severity", 11)
            lines.append(
                f"{'':<18}" + "".join(f"{f'{word} {s}':>{wide}}" for s in self.severities) + f"{'mean':>7}{head}"
            )
            whole = [f"{'as they are':<18}{'':>{wide * len(self.severities)}}{_short(self.clean.accuracy)}{last}"]
            lines += whole + [
                f"{in_columns(name, 18)}"
                + "".join(f"{_short(v):>{wide}}" for v in values)
                + _short(mean)
                + (_short(self.mean_ap(name)) if self.several else "")
                for name, values, mean in self.rows()
            ]
            lines.append("")
        lines += [textwrap.fill(curve.sentence, 80, subsequent_indent="  ") for curve in self.curves]
        return "\n".join(lines).rstrip()

    def _repr_html_(self) -> str:
        head = ["corruption", *(f"severity {s}" for s in self.severities), "mean"]
        table = [[name, *map(_short, values), _short(mean)] for name, values, mean in self.rows()]
        return html_table(["", "accuracy"], [["as they are", _short(self.clean.accuracy)]]) + html_table(head, table)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        low, high = wilson(int(self.clean.right.sum()), len(self.ids))
        return {
            "run": self.run,
            "net": self.net,
            "split": self.split,
            "samples": len(self.ids),
            "available": self.available,
            "seed": self.seed,
            "shape": list(self.shape),
            "clean": {"accuracy": self.clean.accuracy, "interval": [low, high], "ece": self.clean.ece}
            | _ranked(self.clean),
            "corrupted": plain({"accuracy": self.corrupted, "interval": self.interval}) if self.cells else None,
            "corruptions": {
                name: {
                    "accuracy": self.accuracy(name),
                    "severities": {
                        str(cell.severity): {"accuracy": cell.accuracy, "ece": cell.ece} | _ranked(cell)
                        for cell in self.of(name)
                    },
                }
                for name in self.corruptions
            },
            "moved": [curve.to_dict() for curve in self.curves],
            "stages": [stage.to_dict() for stage in self.stages],
        }


def _ranked(cell: Cell) -> dict[str, float]:
    return {"mean_ap": cell.mean_ap} if cell.predicted.ndim == 2 else {}


def _short(share: float) -> str:
    return f"{100 * share:>7.1f}"


def answers(
    model: nn.Module,
    forward: Forward,
    preprocessing: Preprocessing,
    pictures: np.ndarray,
    device: torch.device,
    *,
    size: int,
) -> np.ndarray:
    """N K logits for pictures N C H W uint8."""
    ids = torch.arange(len(pictures))
    given = (
        Batch(
            preprocessing.normalise(torch.from_numpy(pictures[start : start + size]).to(device)).contiguous(
                memory_format=torch.channels_last
            ),
            ids[start : start + size],
            ids[start : start + size],
        )
        for start in range(0, len(pictures), size)
    )
    return predict(model, given, forward=forward).logits


def measure(
    ask: Callable[[np.ndarray], np.ndarray],
    pictures: np.ndarray,
    labels: Labels,
    ids: np.ndarray,
    *,
    corruptions: Sequence[str],
    severities: Sequence[int],
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Cell, tuple[Cell, ...]]:
    """What a net says (`ask`: N C H W uint8 -> logits N K) of the pictures as they are, and of each spoilt form."""
    clean = as_cell("", 0, ask(pictures), labels)
    wanted = [(name, severity) for name in corruptions for severity in sorted(severities)]
    found = []
    for done, (name, severity) in enumerate(wanted, 1):
        found.append(as_cell(name, severity, ask(corrupt(pictures, ids, name, severity, seed=seed)), labels))
        progress(done, len(wanted))
    return clean, tuple(found)


def as_cell(name: str, severity: int, logits: np.ndarray, labels: Labels) -> Cell:
    """Logits N K and labels as a cell."""
    truth = truth_of(labels)
    predicted = truth.said(logits)
    return Cell(
        corruption=name, severity=severity, predicted=predicted, confidence=truth.sureness(logits),
        right=truth.right(predicted), mean_ap=truth.mean_ap(logits),
    )  # fmt: skip


def most_wrong(found: Robustness, corruption: str, count: int = 6) -> list[int]:
    """Places (0 … N - 1) of pictures named right as they are, and most surely wrong at the highest severity."""
    cell = found.of(corruption)[-1]
    lost = np.flatnonzero(found.clean.right & ~cell.right)
    order = np.argsort(-cell.confidence[lost], kind="stable")
    return [int(place) for place in lost[order[:count]]]
