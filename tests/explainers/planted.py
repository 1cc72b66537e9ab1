"""Which methods find the one mark that a class can be known by, and whose maps pass the checks of trust?

    python tests/explainers/planted.py [--pictures 12] [--out docs/explain_planted.md]

Two nets, a small convnet and a small transformer, learn noise without and with a striped mark, which is all that tells
the classes apart. A faithful map has its maximum on the mark. Beside the methods stand maps that know nothing of the
net, for each of which the checks of `hubel.explainers.trust` have to say so: a check that passes them is worth nothing,
and one that fails what finds the mark is wrong. The same on digits, where nobody knows the right map.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel.errors import UsageError
from hubel.explainers import EXPLAINERS, attribute
from hubel.explainers.gradients import digest
from hubel.explainers.trust import Trust, by_chance, edges, points_into, random_map, trust
from hubel.models import create_model
from hubel.runtime import environment, generator, seeded

if __package__:
    from explainers.nets import Box, convnet, fit, planted, small_digits
else:
    from nets import Box, convnet, fit, planted, small_digits

SETTINGS: dict[str, dict[str, Any]] = {
    "occlusion": {"patch": 5}, "occlusion-fast": {"patch": 5}, "rise": {"masks": 400, "cells": 6},
}  # fmt: skip
FROM: dict[str, dict[str, Any]] = {
    "grad-cam": {"layer": "6"}, "grad-cam++": {"layer": "6"}, "hires-cam": {"layer": "6"}, "score-cam": {"layer": "6"},
    "layer-cam": {"layer": "2"},
}  # fmt: skip
"""Of the convnet, the layers in the middle: 12 x 12 maps; Layer-CAM is made for early ones."""


def noise(image: torch.Tensor, cells: int) -> np.ndarray:
    """A random map that stays with its image, so that not even its changing tells it from a real one."""
    return random_map(*image.shape[1:], cells, generator(1, digest(image.round(decimals=0))))


def centre(image: torch.Tensor) -> np.ndarray:
    """A bump in the middle: where photographers put things."""
    rows, columns = (torch.linspace(-1, 1, length) for length in image.shape[1:])
    return torch.exp(-2 * (rows[:, None] ** 2 + columns**2)).numpy()


EMPTY: dict[str, Callable[[torch.Tensor], np.ndarray]] = {
    "random, coarse": lambda image: noise(image, 5),
    "random, single pixels": lambda image: noise(image, 0),
    "edges of the picture": edges,
    "middle of the picture": centre,
    "the same everywhere": lambda image: np.ones(tuple(image.shape[1:]), np.float32),
}


@dataclass(frozen=True)
class Row:
    """One method over the pictures of one net."""

    method: str
    points: float
    """Share of maps with their maximum on the mark (nan where there is none)."""
    passes: float
    """Share of maps without a doubt."""
    doubts: dict[str, float]
    """Check -> share of maps that it fails."""
    beaten: float
    """Mean share of random maps that are beaten."""
    why: str = ""
    """Why the method cannot be used."""


CHECKS = {"order": "its order", "weights": "with random weights", "noise": "noise that nobody"}


def rows(
    model: nn.Module, images: torch.Tensor, targets: list[int], boxes: list[Box] | None, own: dict[str, Any]
) -> list[Row]:
    """All methods and all empty maps."""
    chances = [by_chance(model, image, target=k, steps=16) for image, k in zip(images, targets, strict=True)]
    found = []
    for method in [*EXPLAINERS, *EMPTY]:
        settings = own.get(method, SETTINGS.get(method, {}))
        measured: list[Trust] = []
        hits = []
        try:
            for k, image in enumerate(images):
                make = None
                if method in EMPTY:
                    map_ = EMPTY[method](image)
                    make = lambda net, picture, method=method: EMPTY[method](picture)  # noqa: E731
                else:
                    map_ = attribute(model, image, method=method, target=targets[k], **settings).map
                measured.append(
                    trust(
                        model,
                        image,
                        map_,
                        method=method,
                        target=targets[k],
                        steps=16,
                        chance=chances[k],
                        make=make,
                        **settings,
                    )
                )
                hits.append(bool(boxes) and np.ptp(map_) > 0 and points_into(map_, near(boxes[k])))
        except UsageError as refusal:
            found.append(Row(method, float("nan"), float("nan"), {}, float("nan"), refusal.what))
            continue
        found.append(
            Row(
                method,
                float(np.mean(hits)) if boxes else float("nan"),
                float(np.mean([not one.doubts for one in measured])),
                {
                    check: float(np.mean([any(doubt.startswith(text) for doubt in one.doubts) for one in measured]))
                    for check, text in CHECKS.items()
                },
                float(np.mean([one.beaten / one.randoms for one in measured])),
            )
        )
    return found


def near(box: Box) -> Box:
    """A pixel more on every side: maps of layers are coarse."""
    top, left, bottom, right = box
    return top - 1, left - 1, bottom + 1, right + 1


def transformer() -> nn.Module:
    """A ViT with patches of 4 pixels, which fit the mark."""
    with seeded(5):
        return create_model("vit_tiny", num_classes=2, in_chans=3, img_size=24)


def table(found: list[Row], *, pointing: bool) -> str:
    """A line for each method."""
    head = [
        "method",
        *(["on the mark"] if pointing else []),
        "passes",
        "beats",
        *(f"fails {check}" for check in CHECKS),
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in found:
        name = f"`{row.method}`" if row.method in EXPLAINERS else row.method
        if row.why:
            cells = [f"cannot be used: {row.why.partition(': ')[2] or row.why}", *[""] * (len(head) - 2)]
        else:
            cells = [f"{row.points:.0%}"] if pointing else []
            cells += [f"{row.passes:.0%}", f"{row.beaten:.0%}", *(f"{row.doubts[check]:.0%}" for check in CHECKS)]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


def main() -> None:
    """Train, measure, print, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--out", type=Path)
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    started = time.perf_counter()
    images, labels, _ = planted(1200, seed=1)
    test, test_labels, boxes = planted(4 * wanted.pictures, seed=2)
    parts = []
    for title, net, epochs, own in (
        ("A convnet", convnet(), 8, FROM),
        ("A transformer", transformer(), 16, {}),
    ):
        with seeded(3):
            fit(net, images, labels, epochs=epochs)
        with torch.no_grad():
            said = net(test).argmax(1)
        right = float((said == test_labels).float().mean())
        kept = torch.nonzero((said == 1) & (test_labels == 1))[: wanted.pictures, 0].tolist()
        found = rows(net, test[kept], [1] * len(kept), [boxes[row] for row in kept], own)
        parts += [f"## {title}, which is right about {right:.0%} of the pictures", table(found, pointing=True)]
        print("\n\n".join(parts[-2:]), flush=True)
    digits = small_digits()
    with torch.no_grad():
        kept = torch.nonzero(digits.model(digits.images).argmax(1) == digits.labels)[: wanted.pictures, 0].tolist()
    found = rows(digits.model, digits.images[kept], digits.labels[kept].tolist(), None, {})
    parts += ["## Digits", table(found, pointing=False)]
    print("\n\n".join(parts[-2:]), flush=True)
    where = f"{wanted.pictures} pictures each, torch {environment()['torch']}, {platform.machine()}"
    print(f"{where}, {time.perf_counter() - started:.0f} s")
    if wanted.out:
        wanted.out.write_text(PAGE.format(where=where, parts="\n\n".join(parts)))


PAGE = """# Do the maps find what there is to find, and do the checks notice when they do not?

{where}; written by `make explain-planted`.

Pictures of noise; in those of the second class a striped mark of 5 x 5 pixels lies somewhere, and nothing else tells
the classes apart. *On the mark*: the share of maps whose maximum lies on it, or within a pixel. *Passes*: the share of
maps about which the checks of `hubel explain` find nothing to doubt. *Beats*: how many of 19 random maps do worse in
deletion and insertion. The last columns say which check fails: the *order* of the pixels is no better than a random one
(fewer than 18 beaten), with random *weights* the map would look much the same, *noise* that nobody sees makes another
map of it. Below the methods stand maps that know nothing of the net, and should pass in hardly any picture.

Only pictures that the net gets right are taken. RISE draws other masks for each picture, however like another: where
it fails by *noise*, it needs more of them (400 here).

{parts}
"""


if __name__ == "__main__":
    main()
