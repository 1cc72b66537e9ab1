"""Changes that flip a decision, patches that keep one, what spoilt and moved pictures do, and how far answers are to be
trusted, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hubel.evaluation.doubt import Trusted
from hubel.explainers.anchors import KeptPatches
from hubel.figures.bars import reliability
from hubel.figures.curves import curves
from hubel.figures.histograms import histograms
from hubel.figures.theme import Figure
from hubel.figures.tiles import tiles
from hubel.robustness.attacks import AttackedPicture
from hubel.robustness.corruptions import CORRUPTIONS
from hubel.robustness.equivariance import StageChange
from hubel.robustness.measuring import Robustness
from hubel.robustness.moving import Curve
from hubel.words import percent


def draw_attacked_picture(found: AttackedPicture) -> Figure:
    """The picture, the change (enlarged so that it can be seen, grey is none), and what the net gets."""
    change = found.changed - found.pixels.astype(np.float64) / 255
    largest = float(np.abs(change).max()) or 1.0
    shown = [
        found.pixels,
        np.clip(127.5 + 127.5 * change / largest, 0, 255).round().astype(np.uint8),
        np.clip(255 * found.changed, 0, 255).round().astype(np.uint8),
    ]
    labels = [f"{name} {share:.0%}" for name, share in (found.before, found.after)]
    labels.insert(1, f"change x {1 / (2 * largest):.0f}")
    return tiles(shown, labels=labels, side=220, columns=3, alt=found.sentence, caption=found.sentence)


def draw_kept_patches(found: KeptPatches) -> Figure:
    """The picture, and the picture with all but the anchor greyed."""
    faded = (found.pixels * 0.15 + 255 * 0.8).round().astype(np.uint8)
    shown = [found.pixels, np.where(found.anchor.mask, found.pixels, faded)]
    return tiles(
        shown, labels=["the picture", "what keeps the class"], side=260, alt=found.sentence, caption=found.sentence
    )


def draw_severities(found: Sequence[Robustness]) -> Figure:
    """Accuracy against severity, 0 being the pictures as they are: a line a kind of corruption, or a line a run."""
    first = found[0]
    kinds: dict[str, list[str]] = {}
    for name in first.corruptions:
        kinds.setdefault(CORRUPTIONS.get(name).kind, []).append(name)
    lines = {kind: (first, names) for kind, names in kinds.items()}
    if len(found) > 1:
        lines = {run.run: (run, list(first.corruptions)) for run in found}
    series = {title: _by_severity(run, names) for title, (run, names) in lines.items()}
    title = f"{'All labels right' if first.several else 'Accuracy'} by severity"
    return curves(series, x=[0, *first.severities], title=title, x_label="severity", share=True, width=420)


def _by_severity(run: Robustness, names: Sequence[str]) -> list[float]:
    cells = [cell for name in names for cell in run.of(name)]
    means = [np.mean([cell.accuracy for cell in cells if cell.severity == severity]) for severity in run.severities]
    return [run.clean.accuracy, *map(float, means)]


def draw_moved(found: Mapping[str, Curve]) -> Figure:
    """Against how far pictures were changed: accuracy and consistency of a run, or the consistency of several."""
    first = next(iter(found.values()))
    series = {run: curve.consistency for run, curve in found.items()}
    title = f"{first.name}: it stays"
    if len(found) == 1:
        series = {"the answer stays": first.consistency, "the answer is right": first.accuracy}
        title = first.name
    return curves(series, x=first.at, title=title, x_label=first.unit, share=True, width=340)


def draw_stage_changes(found: Sequence[StageChange]) -> list[Figure]:
    """How far each stage is from changing along, against how much; a drawing a change, of many stages a few."""
    figures = []
    for change in dict.fromkeys(each.change for each in found):
        lines = [each for each in found if each.change == change]
        still = 100.0 if change == "resized" else 0.0
        at = sorted({still, *lines[0].at})
        place = at.index(still)
        series = {
            line.stage: (*line.distance[:place], 0.0, *line.distance[place:]) for line in lines[:: -(-len(lines) // 8)]
        }
        title = f"Distance of φ({change}) from {change} φ"
        figures.append(curves(series, x=at, title=title, x_label=lines[0].unit, steep=False, width=340))
    return figures


def draw_spoilt(pictures: Sequence[tuple[str, np.ndarray]], *, title: str, columns: int = 6) -> Figure:
    """Pictures side by side, each with what is to be said of it underneath; fewer in a row leave more room for that."""
    side = max(96 * 6 // columns, min(160, 4 * max(pictures[0][1].shape[1:])))
    labels = [label for label, _ in pictures]
    return tiles([shown for _, shown in pictures], labels=labels, side=side, columns=columns, alt=title, caption=title)


def draw_reliability(found: Trusted) -> list[tuple[str, Figure]]:
    """Accuracy against confidence, of the logits as they are and of the probabilities that are told."""
    return [
        (f"{word}: calibration error {percent(each.ece)}",
         reliability(each.edges, each.counts, each.confidence, each.accuracy))
        for word, each in (("before", found.before), ("as told", found.after))
    ]  # fmt: skip


def draw_risk(found: Trusted) -> Figure:
    """The share of wrong answers against the share of pictures that are answered, the surest first."""
    at = [100 * share for share in found.coverage]
    return curves(
        {"wrong answers": found.risks}, x=at, title="Wrong among the answers that are given",
        x_label="per cent answered, the surest first", share=True, width=460,
    )  # fmt: skip


def draw_known_and_strange(found: Trusted) -> Figure:
    """How strange its own pictures look, and those of other kinds; the border of what is called unknown."""
    return histograms(
        {"its own": found.own, **found.strange}, title="How strange pictures look", mark=found.border,
        x_label="strangeness; unknown beyond the line",
    )  # fmt: skip
