"""Export a detector: its score and its map as one ONNX file, thresholds inside, held against hubel's own answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import torch

from hubel.anomalies.artefact import load
from hubel.anomalies.graph import Score, require_exportable
from hubel.deploy.onnx import absent, quiet
from hubel.errors import ArtefactError, UsageError, missing_extra
from hubel.faces.progress import shows_progress
from hubel.store import RunStore
from hubel.views import Viewed
from hubel.watching import SILENT, Watcher

__all__ = ["ExportedDetector", "export_detector"]

TOLERANCE = 1e-5
"""Largest difference of a score, as a share of it where it is above 1."""
PICTURES = 32
"""Generated pictures that both are asked about."""


@dataclass(frozen=True, kw_only=True)
class ExportedDetector(Viewed):
    """What was written."""

    file: str
    method: str
    takes: str
    gives: str
    difference: float
    """The largest of a score, between hubel and ONNX Runtime."""
    pictures: int
    """That were compared."""

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
    """Write the first method of a detector as ONNX: B C H W bytes of its size in, `score` B and `map` B h w out.

    The metadata say how pictures are brought to that size. Raises UsageError for a method that cannot be written so,
    ArtefactError where the file answers otherwise than hubel does (nothing is written then), MissingExtra.
    """
    if absent():
        raise missing_extra(absent(), "export", "writing ONNX")
    known = load(detector)
    learnt = known.methods[0]
    require_exportable(learnt)
    seen = known.preprocessing
    file = Path(out) if out is not None else Path(f"{Path(detector).name}.onnx")
    if file.suffix != ".onnx" or file.is_dir():
        raise UsageError(f"--out must name a file that ends in .onnx, got {str(file)!r}", hint="--out detector.onnx")
    pictures = _pictures(seen.shape)
    watch.stage("writing ONNX")
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            Score(learnt).eval(), (torch.from_numpy(pictures[:2]),), dynamo=True, verbose=False,
            input_names=["images"], output_names=["score", "map"],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        )  # fmt: skip
    assert program is not None
    proto = program.model_proto
    about = {"hubel": "detector", "method": learnt.name, "preprocessing": json.dumps(seen.to_dict()), "threshold": "1"}
    for key, value in about.items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    data = proto.SerializeToString()
    import onnxruntime  # of an extra

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    scores, maps = session.run(None, {"images": pictures})
    single = np.concatenate([session.run(["score"], {"images": pictures[row : row + 1]})[0] for row in range(3)])
    ours, our_maps = learnt.look(pictures)
    apart = float((np.abs(scores - ours) / np.maximum(1, np.abs(ours))).max())
    apart = max(apart, float((np.abs(single - ours[:3]) / np.maximum(1, np.abs(ours[:3]))).max()))
    if our_maps is not None:
        apart = max(apart, float((np.abs(maps - our_maps) / np.maximum(1, np.abs(our_maps))).max()))
    if not apart <= TOLERANCE:
        raise ArtefactError(
            f"the file scores otherwise than hubel does, by {apart:.2g}; nothing was written",
            hint="please report it, with the detector",
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    RunStore(file.parent).write_bytes(file.name, data)
    return ExportedDetector(
        file=str(file), method=learnt.name, difference=apart, pictures=len(pictures),
        takes=f"images: N x {seen.channels} x {seen.height} x {seen.width}, bytes",
        gives="score: N (0 usual, 1 threshold); map: N x h x w in the same terms",
    )  # fmt: skip


def _pictures(shape: tuple[int, int, int]) -> np.ndarray:
    """Noise, flat ones and ramps: N C H W uint8."""
    rng = np.random.default_rng(0)
    found = rng.integers(0, 256, (PICTURES, *shape), dtype=np.uint8)
    for row in range(PICTURES // 2):
        ramp = np.linspace(0, 255, shape[2])[None, None] * (row / PICTURES) + 4 * row
        found[row] = np.clip(ramp + rng.normal(0, row, shape), 0, 255)
    return found
