"""What makes a net's answers trustworthy, learnt after its training from pictures that it did not learn from.

A file beside the weights, `weights/best.trust.safetensors`: what makes logits honest, limits of sets, and what
familiar pictures look like to the net. It names the digest of the weights it was made for; beside others it counts as
absent, so that a net whose training goes on is never judged by what it was. A run from an earlier hubel may have none,
or one with a temperature alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hubel.checkpoint.tensors import first_not_finite, read_beside, write_tensors
from hubel.errors import DAMAGED, ArtefactError
from hubel.metrics.calibrators import Calibrator
from hubel.metrics.sets import Sets
from hubel.metrics.strangeness import NAMES, OF_FEATURES, Familiar, strangeness
from hubel.store import RunStore, shown

ACCEPTED = 0.95
"""Share of familiar pictures that count as known, and how often a set holds the truth."""
LIMIT = 64 << 20
"""Bytes of the file at most."""
CLIPPED = 10.0
"""A single score says at most so much, or one that explodes would silence the others."""
CALM = 0.1
"""What finding a picture more familiar than most counts, against finding it stranger."""
STEPS = 200
"""Quantiles of the familiar pictures' strangeness that are kept."""


class _Said(BaseModel):
    """The closed schema of what the file says in its header."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    format: Literal["hubel-trust"]
    version: Literal[1, 2]
    weights: str = Field(pattern=r"^[0-9a-f]{64}$")
    temperature: float = Field(gt=0, le=1000)
    set_limit: float = Field(ge=0, le=1)
    set_sum: float | None = Field(default=None, ge=0, le=1.001)
    scores: dict[str, tuple[float, float]]
    outside: float = Field(ge=0)
    facts: dict[str, Annotated[float | int | str | bool | None, Field()]]


@dataclass(frozen=True, kw_only=True)
class Trust:
    """How a net's logits become probabilities, and how what it does not know is told."""

    calibrator: Calibrator = field(default_factory=Calibrator)
    """Makes logits honest."""
    sets: Sets = field(default_factory=Sets)
    """From when on a class belongs into the set of those that are plausible."""
    scores: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Scores of strangeness that are averaged, with what each is among familiar pictures: middle and scale."""
    usual: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """Quantiles of the averaged score among familiar pictures, in rising order; empty where nothing was learnt."""
    familiar: Familiar | None = None
    """What features look like; None where the scores need none."""
    beside: Mapping[str, Callable[[np.ndarray], np.ndarray]] = field(default_factory=dict)
    """Scores of pictures by other nets (N C H W uint8 -> N, higher is stranger); not kept on disk."""
    facts: Mapping[str, float | int | str | bool | None] = field(default_factory=dict)
    """How it was learnt, for reports: samples, calibration before and after, separations."""

    @property
    def knows(self) -> bool:
        """Can it tell what is strange?"""
        return len(self.usual) > 0

    @property
    def looks_inside(self) -> bool:
        """Does it need the features, too?"""
        return any(name in OF_FEATURES for name in self.scores)

    def familiarity(
        self, logits_NK: np.ndarray, features_NF: np.ndarray | None, pictures: np.ndarray | None = None
    ) -> np.ndarray:
        """N: the share of familiar pictures that are at least as strange as this one; below 0.05 it is not known.

        Logits are those of the net, before they are made honest. NaN where it cannot tell.
        """
        if not self.knows:
            return np.full(len(logits_NK), np.nan)
        combined = self.strange(logits_NK, features_NF, pictures)
        return np.asarray(1 - np.searchsorted(self.usual, combined, side="left") / len(self.usual))

    def strange(
        self, logits_NK: np.ndarray, features_NF: np.ndarray | None, pictures: np.ndarray | None = None
    ) -> np.ndarray:
        """N: the mean of the chosen scores, each by its own scale; higher is stranger.

        `pictures` (N C H W uint8, as the net's preprocessing places them) are for the scores of other nets.
        """
        found = strangeness(logits_NK, features_NF, self.familiar)
        if pictures is not None:
            found |= {name: score(pictures) for name, score in self.beside.items()}
        return averaged(found, self.scores)


def averaged(found: Mapping[str, np.ndarray], scales: Mapping[str, tuple[float, float]]) -> np.ndarray:
    """N: the mean of the scores that have a scale. What one finds strange others cannot talk away."""
    parts = [np.clip((found[name] - middle) / scale, -CLIPPED, CLIPPED) for name, (middle, scale) in scales.items()]
    return np.asarray(np.mean([np.where(part > 0, part, CALM * part) for part in parts], axis=0))


def save_trust(store: RunStore, name: str, trust: Trust, weights: str) -> None:
    """Write it beside the weights `name`, whose SHA-256 is `weights`."""
    said = _Said(
        format="hubel-trust",
        version=2,
        weights=weights,
        temperature=trust.calibrator.temperature,
        set_limit=trust.sets.limit,
        set_sum=trust.sets.sum if math.isfinite(trust.sets.sum) else None,
        scores=dict(trust.scores),
        facts=dict(trust.facts),
        outside=0.0 if trust.familiar is None else trust.familiar.outside,
    )
    arrays = {"usual": trust.usual} | {part: array for part, array in _small(trust).items() if array.size}
    if trust.familiar is not None:
        seen = trust.familiar
        arrays |= {part: getattr(seen, part) for part in ("origin", "basis", "means", "white", "bank")}
    tensors = {
        part: torch.from_numpy(np.ascontiguousarray(array, np.float64 if part in SMALL else np.float32))
        for part, array in arrays.items()
    }
    tensors = {part: torch.nan_to_num(tensor, nan=_NOWHERE) for part, tensor in tensors.items()}
    with store.writing(file_of(name), read_back=True) as writer:
        write_tensors(writer, tensors, about=json.dumps(said.model_dump(), separators=(",", ":")))


def _small(trust: Trust) -> dict[str, np.ndarray]:
    """The arrays that are a few numbers, by the names that the file has for them (SMALL)."""
    how, sets = trust.calibrator, trust.sets
    return {"scales": how.scales, "shifts": how.shifts, "knots": how.knots, "own": sets.own}


SMALL = ("scales", "shifts", "knots", "own")
"""Arrays that are kept in double precision: few numbers, and every answer hangs on them."""
_NOWHERE = 1e18
"""Where the mean of a class without samples lies: nothing is near it, and the file holds finite numbers only."""


def file_of(name: str) -> str:
    """Where it lies in a run.

    >>> file_of("best")
    'weights/best.trust.safetensors'
    """
    return f"weights/{name}.trust.safetensors"


def read_trust(path: Path, weights: str, *, classes: int) -> Trust | None:
    """What a file holds for the weights of that digest; None where there is none, or it was made for others.

    Raises ArtefactError for a file that is damaged.
    """
    found = read_beside(path, weights, _understood, limit=LIMIT)
    if found is None:
        return None
    said, tensors = found
    name = shown(str(path))
    broken = first_not_finite(tensors)
    arrays = {part: tensor.double().numpy() for part, tensor in tensors.items()}
    small = {part: arrays.pop(part) for part in SMALL if part in arrays}
    own = small.pop("own", np.zeros(0))
    how = Calibrator(temperature=said.temperature, **small)
    why = broken or how.problem(classes)
    if why or len(own) not in (0, classes) or not _fit(arrays, said, classes):
        raise ArtefactError(
            f"{name} does not hold together: {why or 'its arrays do not fit each other'}",
            hint="delete it: the net answers without it; without report.html too, hubel train --resume makes both anew",
        )
    seen = None
    if "basis" in arrays:
        parts = {part: arrays[part] for part in ("origin", "basis", "means", "white", "bank")}
        parts["means"] = np.where(parts["means"] > _NOWHERE / 2, np.nan, parts["means"])
        seen = Familiar(**parts, outside=said.outside)
    return Trust(
        calibrator=how,
        sets=Sets(
            limit=said.set_limit,
            sum=math.inf if said.set_sum is None else said.set_sum,
            own=np.where(own > _NOWHERE / 2, np.nan, own),
        ),
        scores=said.scores,
        usual=arrays["usual"],
        familiar=seen,
        facts=said.facts,
    )


def _understood(document: Any, name: str) -> tuple[str, _Said]:
    try:
        if not isinstance(document, dict):
            raise ArtefactError(f"{name} does not say what it is", hint=DAMAGED)
        if isinstance(document.get("scores"), dict):
            document["scores"] = {key: tuple(pair) for key, pair in document["scores"].items()}
        said = _Said(**document)
    except (ValidationError, TypeError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise ArtefactError(f"{name} is no file of ours: {first}", hint=DAMAGED) from None
    return said.weights, said


def _fit(arrays: Mapping[str, np.ndarray], said: _Said, classes: int) -> bool:
    """Do the arrays have the shapes that belong together?"""
    if not set(said.scores) <= set(NAMES) or any(scale <= 0 for _, scale in said.scores.values()):
        return False
    usual = arrays.get("usual")
    if usual is None or usual.ndim != 1 or len(usual) > 100_000 or bool((np.diff(usual) < 0).any()):
        return False
    if bool(said.scores) != bool(len(usual)):
        return False
    if set(arrays) == {"usual"}:
        return not any(name in OF_FEATURES for name in said.scores)
    if set(arrays) != {"usual", "origin", "basis", "means", "white", "bank"} or arrays["basis"].ndim != 2:
        return False
    width, kept = arrays["basis"].shape
    return (
        arrays["origin"].shape == (width,)
        and arrays["means"].shape == (classes, kept)
        and arrays["white"].shape == (kept, kept)
        and arrays["bank"].ndim == 2
        and arrays["bank"].shape[1] == kept
        and len(arrays["bank"]) > 0
    )
