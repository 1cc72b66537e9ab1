"""A detector of strange steps on disk: one folder, without any code.

detector.safetensors     what was learnt of windows ("windows.mean", …) and nets that foretell ("net.…", "dropout.…")
detector.json            columns, methods, window, rate and usual scores; sealed by its digest, and that of the arrays
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from hubel import runtime
from hubel.anomalies.artefact import AGAIN, ARRAYS, DOCUMENT, LIMIT, read_arrays, read_document
from hubel.anomalies.steps import STEP_METHODS, StepDetector
from hubel.checkpoint.tensors import write_tensors
from hubel.data.columns import Columns
from hubel.errors import DAMAGED, ArtefactError
from hubel.store import RunStore, shown

MOST_SCORES = 10_000
"""Usual scores that are kept, evenly spread."""


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: Literal["hubel-step-detector"]
    version: Literal[1]
    name: str = Field(max_length=300)
    kind: Literal["series", "rows", "signals"]
    columns: dict[str, Any]
    said: dict[str, str]
    methods: list[str] = Field(min_length=1, max_length=len(STEP_METHODS))
    window: int = Field(ge=1)
    asked: float = Field(gt=0, lt=1)
    rate: float = Field(gt=0, lt=1)
    learnt: int = Field(ge=1)
    held: int = Field(ge=1)
    worth: float = Field(default=0.0, ge=0)
    usual_scores: list[float] = Field(max_length=MOST_SCORES)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    made_with: dict[str, str]


def save_steps(store: RunStore, detector: StepDetector) -> None:
    """Write a detector, the JSON last: where it stands, all of it does."""
    arrays = {f"windows.{name}": array for name, array in detector.arrays.items()} | dict(detector.net)
    arrays |= {f"dropout.{name}": array for name, array in detector.dropout.items()}
    with store.writing(ARRAYS, read_back=True) as writer:
        write_tensors(writer, {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in arrays.items()})
    here, usual = runtime.environment(), detector.usual_scores
    usual = usual[np.unique(np.linspace(0, max(0, len(usual) - 1), min(len(usual), MOST_SCORES)).astype(int))]
    document = _Document(
        format="hubel-step-detector", version=1, name=detector.name, kind=detector.kind,  # type: ignore[arg-type]
        columns=detector.columns.to_dict(), said=dict(detector.said), methods=list(detector.methods),
        window=detector.window, asked=detector.asked, rate=detector.rate, learnt=detector.learnt, held=detector.held,
        worth=detector.worth,
        usual_scores=[float(score) for score in usual], sha256=writer.sha256,
        made_with={"hubel": str(here["hubel"]), "torch": str(here["torch"])},
    )  # fmt: skip
    store.write_json(DOCUMENT, document.model_dump(), sealed=True, limit=LIMIT)


def load_steps(place: str | os.PathLike[str], *, device: str = "cpu") -> StepDetector:
    """The detector in a folder. Raises ArtefactError for anything that is not exactly what was saved."""
    path = Path(place) / DOCUMENT
    name = shown(str(path))
    said = read_document(path, _Document, "a detector of steps")
    try:
        columns = Columns.from_dict(said.columns)
    except (TypeError, KeyError) as error:
        raise ArtefactError(f"{name} is no description of a detector of steps: {error}", hint=DAMAGED) from None
    odd = [method for method in said.methods if method not in STEP_METHODS]
    if odd or not columns.answers:
        what = f"the method {shown(odd[0])}, which is not known here" if odd else "no column to judge by"
        raise ArtefactError(f"{name} was made with {what}", hint=f"upgrade hubel, or {AGAIN}")
    tensors = {key: value.numpy() for key, value in read_arrays(path.parent / ARRAYS, said.sha256).items()}
    windows, dropout = (
        {k.removeprefix(whose): v for k, v in tensors.items() if k.startswith(whose)}
        for whose in ("windows.", "dropout.")
    )
    found = StepDetector(
        name=said.name, kind=said.kind, columns=columns, said=said.said, methods=tuple(said.methods),
        window=said.window, asked=said.asked, rate=said.rate, learnt=said.learnt, held=said.held, worth=said.worth,
        arrays=windows, dropout=dropout,
        net={k: v for k, v in tensors.items() if k.startswith("net.")}, usual_scores=np.array(said.usual_scores),
    )  # fmt: skip
    return replace(found, device=device, folder=str(place))
