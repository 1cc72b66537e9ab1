"""The page of `hubel robust`: a net on spoilt and moved pictures, alone or beside others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hubel.evaluation.doubt import Trusted
from hubel.figures.theme import Figure
from hubel.report.drawings.robustness import (
    draw_known_and_strange,
    draw_moved,
    draw_reliability,
    draw_risk,
    draw_severities,
    draw_spoilt,
    draw_stage_changes,
)
from hubel.report.page import page
from hubel.robustness.answers import in_words
from hubel.robustness.beside import RobustComparison
from hubel.robustness.corruptions import CORRUPTIONS, corrupt
from hubel.robustness.measuring import Robustness, most_wrong
from hubel.words import percent, span

WORST = 3
"""Corruptions whose lost pictures are shown."""


def render_robust(
    found: Robustness | RobustComparison, pictures: np.ndarray, labels: np.ndarray, class_names: Sequence[str],
    trust: Trusted | None,
) -> str:  # fmt: skip
    """The page as text, self-contained.

    `pictures` N C H W uint8 and `labels` (N, or N K of 0 and 1) are those that the first run was measured on, and
    `trust` is what its answers to them are worth; None where it says several labels.
    """
    first = found if isinstance(found, Robustness) else found.runs[0]
    together = found if isinstance(found, RobustComparison) else None
    runs = together.runs if together else (first,)
    return page(
        "robust.html.j2",
        title=" and ".join(run.run for run in together.runs) if together else first.run,
        first=first,
        together=together,
        tiles=_tiles(first),
        rows=[
            (name, CORRUPTIONS.get(name), [(c.accuracy, _percent(c.accuracy)) for c in first.of(name)], mean,
             _percent(mean))
            for name, _, mean in first.rows()
        ],
        severities=draw_severities(runs) if first.cells else None,
        example=_example(first, pictures),
        lost=_lost(first, pictures, labels, class_names),
        moved=[draw_moved({run.run: run.curves[place] for run in runs}) for place in range(len(first.curves))],
        stages=draw_stage_changes(first.stages),
        beside=_beside(together) if together else [],
        trust=trust,
        reliability=draw_reliability(trust) if trust else [],
        risk=draw_risk(trust) if trust else None,
        known=draw_known_and_strange(trust) if trust and len(trust.own) else None,
        unknown=[(name, _percent(share)) for name, share in trust.unknown.items()] if trust and len(trust.own) else [],
    )  # fmt: skip


def _percent(share: float) -> str:
    return percent(share, 1)


def _tiles(found: Robustness) -> list[tuple[str, str, str]]:
    """Name, value, note."""
    tiles = [("as they are", _percent(found.clean.accuracy), f"{len(found.ids):,} {found.split} pictures")]
    if found.cells:
        low = found.worst[0]
        ece = float(np.mean([cell.ece for cell in found.cells]))
        tiles += [
            ("spoilt, in the mean", _percent(found.corrupted), f"95 % interval {span(found.interval)}"),
            ("the worst", _percent(found.accuracy(low)), low),
            ("calibration error", _percent(ece), f"spoilt; {_percent(found.clean.ece)} as they are"),
        ]
    if found.several:
        note = f"spoilt; {_percent(found.clean.mean_ap)} as they are" if found.cells else "as they are"
        tiles.append(("mAP", _percent(found.mean_ap() if found.cells else found.clean.mean_ap), note))
    if found.curves:
        at = found.curves[0].at
        place = min(4, len(at) - 1)
        tiles.append((f"shifted by {at[place]:g}", _percent(found.curves[0].consistency[place]), "of the answers stay"))
    return tiles


def _example(found: Robustness, pictures: np.ndarray) -> Figure | None:
    """One picture, as it is and spoilt in every way at the highest severity."""
    if not found.cells:
        return None
    place = int(np.flatnonzero(found.clean.right)[0]) if found.clean.right.any() else 0
    severity = found.severities[-1]
    shown = [("as it is", pictures[place])]
    for name in found.corruptions:
        shown.append((name, corrupt(pictures[[place]], found.ids[[place]], name, severity, seed=found.seed)[0]))
    return draw_spoilt(shown, title=f"One picture, spoilt at severity {severity}.")


def _lost(
    found: Robustness, pictures: np.ndarray, labels: np.ndarray, class_names: Sequence[str]
) -> list[tuple[str, Figure]]:
    """For the worst corruptions the pictures that were right and are most surely wrong."""
    groups = []
    for name in found.worst[:WORST]:
        cell = found.of(name)[-1]
        shown: list[tuple[str, np.ndarray]] = []
        for place in most_wrong(found, name):
            spoilt = corrupt(pictures[[place]], found.ids[[place]], name, cell.severity, seed=found.seed)[0]
            words = [in_words(answer[place], class_names) for answer in (labels, cell.predicted)]
            told = f"{' as '.join(words)} {cell.confidence[place]:.0%}"
            shown.append((told, spoilt))
        if shown:
            title = f"Right before, surely wrong after {name}."
            groups.append((name, draw_spoilt(shown, title=title, columns=3 if found.several else 6)))
    return groups


def _beside(together: RobustComparison) -> list[tuple[str, float, list[tuple[str, ...]]]]:
    """For each run but the first: its name, mean corruption error, rows of text."""
    found: list[tuple[str, float, list[tuple[str, ...]]]] = []
    for index, (run, rows) in enumerate(zip(together.runs[1:], together.beside, strict=True), 1):
        titles = {"": "as they are", "all": "mean of all"}
        texts: list[tuple[str, ...]] = [
            (
                titles.get(row.corruption, row.corruption), _percent(row.reference), _percent(row.accuracy),
                f"{100 * row.difference:+.1f}", f"{100 * row.interval[0]:+.1f} to {100 * row.interval[1]:+.1f}",
                "–" if np.isnan(row.error_ratio) else f"{row.error_ratio:.2f}",
            )
            for row in rows
        ]  # fmt: skip
        found.append((run.run, together.mean_error_ratio(index), texts))
    return found
