"""The page of strange pictures: the worst first, with where they are strange; methods side by side."""

from __future__ import annotations

import numpy as np

from hubel.anomalies.detecting import full_size
from hubel.anomalies.results import Anomalies
from hubel.figures.dots import dots
from hubel.figures.images import picture
from hubel.report.drawings.anomalies import draw_sighting
from hubel.report.page import page
from hubel.words import duration, number, percent, span

MOST = 48
"""Pictures that are shown; all of them are in scores.csv."""


def render_anomaly(
    found: Anomalies, images: np.ndarray, masks: np.ndarray | None, suspicious: np.ndarray
) -> str:  # fmt: skip
    """The page as text: self-contained, readable at the width of a phone.

    `images` N C H W uint8: the test pictures; `masks` N H W or None; `suspicious` M C H W: normal ones that look like
    no other.
    """
    first, order = found.first, found.order()
    shown = order[:MOST]
    worst = []
    for row in shown:
        map_ = None if first.maps is None else full_size(first.maps[row][None], *images.shape[2:])[0]
        known = None if masks is None or masks[row].min() < 0 else masks[row]
        beside = ", ".join(f"{one.method} {one.scores[row]:.2f}" for one in found.judged[1:])
        worst.append(
            {
                "drawing": draw_sighting(images[row], map_, known, name=found.names[row]), "name": found.names[row],
                "score": f"{first.scores[row]:.2f}", "strange": bool(first.scores[row] > 1),
                "kind": found.kinds[row], "beside": beside,
            }
        )  # fmt: skip
    rows: dict[str, np.ndarray] = {}
    for kind in dict.fromkeys(found.kinds[row] for row in np.argsort(found.truth, kind="stable")):
        chosen = np.array([here == kind for here in found.kinds])
        rows[kind or "pictures"] = first.scores[chosen]
    return page(
        "anomaly.html.j2",
        title=found.name,
        found=found,
        methods=[
            {
                "one": one,
                "auroc": number(one.auroc),
                "interval": "" if one.auroc != one.auroc else f"{number(one.interval[0])}–{number(one.interval[1])}",
                "pixels": number(one.pixel_auroc),
                "caught": percent(one.caught, 1),
                "caught_in": span(one.caught_interval),
                "false": percent(one.false, 1),
                "false_in": span(one.false_interval),
                "learnt": duration(one.seconds),
                "each": f"{1000 * one.each:.3g} ms",
            }
            for one in found.judged
        ],
        scores=dots(rows, border=1.0, x_label=f"score of {first.title} (0 usual, 1 threshold)") if rows else None,
        worst=worst,
        left=len(order) - len(shown),
        suspicious=[
            (picture(image, alt=name), name, f"{far:.1f}")
            for image, (name, far) in zip(suspicious[:MOST], found.suspicious, strict=False)
        ],
    )
