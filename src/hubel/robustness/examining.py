"""Everything that is measured of one net on spoilt and moved pictures, and how many pictures that is done on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from hubel.data.preprocessing import Preprocessing
from hubel.errors import UsageError
from hubel.robustness.answers import Labels
from hubel.robustness.corruptions import SEVERITIES
from hubel.robustness.equivariance import stage_changes
from hubel.robustness.measuring import Forward, Robustness, answers, measure
from hubel.robustness.moving import Curve, bend_curve, shift_curve, size_curve, turn_curve
from hubel.watching import SILENT, Watcher
from hubel.words import plural

AFFORDABLE = 60_000_000
"""Places of pictures that are spoilt, all together, where nobody says how many: about a minute on a few cores."""
FEWEST, MOST = 100, 2_000
INSIDE, FEWEST_INSIDE, PLACES_INSIDE = 64, 16, 600_000
"""Pictures whose maps are followed through the stages: so many, and fewer of large ones, of so many places together."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be measured. Raises UsageError for what cannot be."""

    corruptions: tuple[str, ...]
    severities: tuple[int, ...] = SEVERITIES
    shifts: int = 8
    """How far pictures are moved, in pixels; 0: neither moved nor turned nor bent."""
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = [severity for severity in self.severities if severity not in SEVERITIES]
        if wrong or not self.severities:
            came = wrong[0] if wrong else "none"
            raise UsageError(f"severities are whole numbers from 1 to 5, got {came}", hint="--severities 1,3,5")
        if self.shifts < 0:
            raise UsageError(f"pictures are shifted by 0 pixels or more, got {self.shifts}", hint="--shifts 8")
        if not self.corruptions and not self.shifts:
            raise UsageError("nothing is asked for: no corruptions and no shifts", hint="leave --shifts 0 out")

    @property
    def times(self) -> int:
        """How often every picture is spoilt."""
        return len(self.corruptions) * len(self.severities)

    def some(self, rows: np.ndarray, limit: int | None, places: int) -> np.ndarray:
        """`limit` of the rows, evenly taken; None: as many pictures of H W `places` as last about a minute.

        >>> Asked(corruptions=("fog",)).some(np.arange(10), 4, 64).tolist()
        [0, 2, 5, 7]
        """
        if limit is not None and limit < 1:
            raise UsageError(f"a limit is at least 1 picture, got {limit}", hint="leave it out for a minute's worth")
        affordable = int(np.clip(AFFORDABLE // max(1, self.times * places), FEWEST, MOST))
        count = min(len(rows), limit or affordable)
        return rows[(np.arange(count) * len(rows)) // count]


@dataclass(frozen=True, kw_only=True)
class Net:
    """A net as it is asked."""

    title: str
    architecture: str
    model: nn.Module
    """On the device."""
    forward: Forward
    """How it answers: B C H W to logits B K."""
    preprocessing: Preprocessing


def examine(
    net: Net,
    pictures: np.ndarray,
    labels: Labels,
    ids: np.ndarray,
    asked: Asked,
    *,
    split: str,
    available: int,
    device: torch.device,
    size: int,
    watch: Watcher = SILENT,
) -> Robustness:
    """The net on pictures N C H W uint8 with labels and ids N, `size` at a time."""

    def ask(changed: np.ndarray) -> np.ndarray:
        return answers(net.model, net.forward, net.preprocessing, changed, device, size=size)

    watch.stage(f"{net.title} on {plural(len(ids), 'picture')}, {asked.times} times spoilt")
    clean, cells = measure(
        ask, pictures, labels, ids, corruptions=asked.corruptions, severities=asked.severities, seed=asked.seed,
        progress=watch.progress,
    )  # fmt: skip
    side = min(pictures.shape[2:])
    far = min(asked.shifts, side // 2)
    if far < asked.shifts:
        watch.remark(
            f"pictures are shifted by up to {plural(far, 'pixel')}, half their side, and not by {asked.shifts}"
        )
    _, C, H, W = pictures.shape
    some = torch.from_numpy(pictures[: int(np.clip(PLACES_INSIDE // (H * W), FEWEST_INSIDE, INSIDE))]).to(device)
    watch.stage(f"the stages of {net.title} on pictures moved, turned, resized and bent")
    return Robustness(
        run=net.title,
        net=net.architecture,
        split=split,
        ids=ids,
        shape=(C, H, W),
        seed=asked.seed,
        clean=clean,
        cells=cells,
        curves=_curves(net.title, ask, pictures, labels, ids, far, asked.seed, watch) if far else (),
        stages=stage_changes(net.model, some, net.preprocessing.normalise, far=min(far, max(1, side // 8))),
        available=available,
    )


def _curves(
    title: str, ask: Callable[[np.ndarray], np.ndarray], pictures: np.ndarray, labels: Labels, ids: np.ndarray,
    far: int, seed: int, watch: Watcher,
) -> tuple[Curve, ...]:  # fmt: skip
    watch.stage(f"{title} on pictures moved, turned and bent")
    makers: Sequence[Callable[[], Curve]] = (
        lambda: shift_curve(ask, pictures, labels, far=far, border="black"),
        lambda: shift_curve(ask, pictures, labels, far=far, border="mirror"),
        lambda: turn_curve(ask, pictures, labels),
        lambda: size_curve(ask, pictures, labels),
        lambda: bend_curve(ask, pictures, labels, ids, seed=seed),
    )
    found = []
    for done, make in enumerate(makers, 1):
        found.append(make())
        watch.progress(done, len(makers))
    return tuple(found)
