"""Where a small net comes from, and the run folder that it is kept in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hubel.assembly.prepare import Prepared
from hubel.checkpoint import Classifier, golden_images, golden_logits, load, save_weights
from hubel.errors import ArtefactError
from hubel.models.ensemble import NAME as ENSEMBLE
from hubel.records.folder import create_beside, whole_or_gone
from hubel.store import RunStore


def open_source(folder: Path) -> Classifier:
    """The net that is to be made small; raises ArtefactError for one that cannot be."""
    found = load(folder)
    found.require_answers()
    what = ""
    if not found.class_names or found.method:
        what = "only a net that names classes is compressed, and this one does not"
    elif found.spec.architecture == ENSEMBLE:
        what = "an ensemble is several nets, each of which is trained alone"
    elif not (folder / "config.yaml").is_file():
        what = f"{folder} does not say how it was trained, and a pruned net must be trained again"
    if what:
        raise ArtefactError(what, hint="hubel compress RUN, of a run that hubel train made: hubel runs")
    return found


def said_of(classifier: Classifier, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What `save_weights` and `packed_size` are told of a net beside its tensors."""
    return {
        "spec": classifier.spec, "preprocessing": classifier.preprocessing, "columns": classifier.columns,
        "class_names": classifier.class_names, "recipe": recipe, "metrics": {},
        "data_digest": classifier.provenance.data_digest,
    }  # fmt: skip


def write_small(lead: Path, out: Path, classifier: Classifier, prepared: Prepared) -> tuple[RunStore, Classifier]:
    """The net of `classifier` in a folder of its own in `out`, beside what it was made of, and read back."""
    store, recipe = create_beside(lead, out, f"{lead.resolve().name}-small")
    model, seen = classifier.model.cpu().eval(), classifier.preprocessing
    first = prepared.decoded.images[prepared.ids("train")[:16]]
    golden = golden_images(torch.from_numpy(np.ascontiguousarray(first)))
    with whole_or_gone(store):
        save_weights(
            store, "best", model.state_dict(), form="packed", probes=(golden, golden_logits(model, seen, golden)),
            **said_of(classifier, recipe.model_dump(mode="json")),
        )  # fmt: skip
        return store, load(store.folder)
