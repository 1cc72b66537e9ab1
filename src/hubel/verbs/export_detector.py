"""Export a detector: its score, and map, as one ONNX file, thresholds inside, held against hubel's own answers."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import torch

from hubel.anomalies.artefact import load
from hubel.anomalies.graph import Score, answered, asked_pictures
from hubel.anomalies.step_artefact import load_steps
from hubel.anomalies.step_graph import StepScore, generated_series
from hubel.deploy.onnx import Session, annotated, apart
from hubel.deploy.onnx_score import ask_score, furthest, write_score
from hubel.deploy.shipped import DETECTOR
from hubel.errors import ArtefactError, UsageError
from hubel.faces.progress import shows_progress
from hubel.store import RunStore
from hubel.store.kinds import judges_steps
from hubel.views import Viewed
from hubel.watching import SILENT, Watcher

__all__ = ["ExportedDetector", "export_detector"]

TOLERANCE = 1e-5
"""Largest difference of a score, as a share of it where it is above 1."""
ROUNDINGS = 3
"""So many times what the scores change where nets compute in double precision pass, too: a net rounds in single
precision, and every program in another order.
"""


@dataclass(frozen=True, kw_only=True)
class ExportedDetector(Viewed):
    """What was written."""

    file: str
    method: str
    takes: str
    gives: str
    difference: float
    """The largest of a score, between hubel and ONNX Runtime."""
    compared: int
    """Pictures or steps that both were asked about."""
    rounding: float | None = None
    """The largest difference between scores of pictures in single and in double precision; None of steps."""
    bytes: int = 0
    """Of the file."""

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@shows_progress
def export_detector(
    detector: str | PathLike[str],
    out: str | Path | None = None,
    *,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> ExportedDetector:
    """Write the first method of a detector as ONNX, thresholds inside, so that 1 is the threshold there, too.

    Of pictures: B C H W bytes of any size in, `score` B and `map` B h w out; bringing them to the detector's size is in
    the file, and so is the net that sees, where there is one. Of steps: one series T F in the units of its columns in,
    `score` T out; the metadata name the columns.
    Raises UsageError for a method that cannot be written so, ArtefactError where the file answers otherwise than hubel
    does (nothing is written then), MissingExtra.
    """
    file = Path(out) if out is not None else Path(f"{Path(detector).name}.onnx")
    if file.suffix != ".onnx" or file.is_dir():
        raise UsageError(f"--out must name a file that ends in .onnx, got {str(file)!r}", hint="--out detector.onnx")
    data, found = (_of_steps if judges_steps(detector) else _of_pictures)(detector, watch)
    if not found.difference <= max(TOLERANCE, ROUNDINGS * (found.rounding or 0)):
        raise ArtefactError(
            f"the file scores otherwise than hubel does, by {found.difference:.2g}; nothing was written",
            hint="please report it, with the detector",
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    RunStore(file.parent).write_bytes(file.name, data)
    return replace(found, file=str(file), bytes=len(data))


def _of_pictures(detector: str | PathLike[str], watch: Watcher) -> tuple[bytes, ExportedDetector]:
    learnt = load(detector).methods[0]
    seen, score = learnt.eyes.preprocessing, Score(learnt)
    batches, every = asked_pictures(seen)
    watch.stage("writing ONNX")
    data = write_score(score, seen, every, _about(learnt.name, preprocessing=seen.to_dict()))
    watch.stage("comparing")
    rounding = furthest(answered(score, every), answered(score, every, double=True))
    return data, ExportedDetector(
        file="", method=learnt.name, compared=len(every), rounding=rounding,
        difference=furthest(ask_score(data, batches), learnt.look(every)),
        takes=f"images: N x {seen.channels} x H x W, bytes, of any size",
        gives="score: N (0 usual, 1 threshold); map: N x h x w in the same terms",
    )  # fmt: skip


def _of_steps(detector: str | PathLike[str], watch: Watcher) -> tuple[bytes, ExportedDetector]:
    known = load_steps(detector)
    series, least = generated_series(known), known.least
    watch.stage("writing ONNX")
    data = annotated(
        StepScore(known), torch.from_numpy(series[-1]), takes="steps", gives=["score"], least=least,
        about=_about(known.methods[0], features=known.columns.features, window=known.window, rate=known.rate),
    )  # fmt: skip
    ask, name = Session(data, threads=1).run, known.methods[0]
    return data, ExportedDetector(
        file="", method=name, compared=sum(map(len, series)), gives="score: T (1 threshold, NaN not judged)",
        difference=max(apart(ask(one), known.judge(one.T)[name]) for one in [*series, series[0][:least]]),
        takes=f"steps: T x {len(known.columns.features)} float32, T from {least} on, as the columns of its table",
    )  # fmt: skip


def _about(method: str, **more: object) -> dict[str, str]:
    return {"hubel": DETECTOR, "method": method, "threshold": "1"} | {k: json.dumps(v) for k, v in more.items()}
