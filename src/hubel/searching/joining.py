"""An ensemble made of candidates: what each says of validation samples, who is chosen, and the folder of the whole."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hubel.assembly.prepare import Prepared
from hubel.assembly.restore import data_of
from hubel.checkpoint import Classifier, ModelSpec, golden_images, golden_logits, load, save_weights
from hubel.data.batches import batches, reading_size
from hubel.data.decode import Decoded
from hubel.errors import DataError, HubelError
from hubel.inference import predict
from hubel.models.ensemble import NAME, SPACES_OF, Ensemble
from hubel.records.folder import create_beside
from hubel.records.together import Candidate
from hubel.searching.ensembles import Member
from hubel.searching.limits import count
from hubel.searching.means import mean_for
from hubel.store import RunStore
from hubel.tasks import TASKS
from hubel.types import Batch
from hubel.watching import Watcher
from hubel.words import plural


def shared_data(lead: Candidate, watch: Watcher) -> Prepared:
    """The data that all candidates were trained on, divided as they were. Raises DataError where nothing was kept."""
    prepared = data_of(lead.folder, watch)
    if len(prepared.splits.val) < 2:
        raise DataError(
            "an ensemble is chosen on validation samples, and these runs kept none", hint="leave --val-fraction out"
        )
    return prepared


def said(candidates: Sequence[Candidate], decoded: Decoded, rows: np.ndarray, device: torch.device) -> list[np.ndarray]:
    """The logits N K of each candidate for the samples `rows`, as it answers by itself."""
    found = []
    for each in candidates:
        net = each.net
        net.model.to(device)
        reading = batches(
            decoded, rows, preprocessing=net.preprocessing, batch_size=reading_size(decoded), device=device,
            channels_last=True,
        )  # fmt: skip
        found.append(predict(net.model, reading).logits)
        net.model.cpu()
    return found


def scores_alone(candidates: Sequence[Candidate], logits: Sequence[np.ndarray], prepared: Prepared) -> list[float]:
    """How good each is by itself on the validation samples, larger is better: as its task compares epochs."""
    rows = prepared.splits.val
    targets = None if prepared.decoded.targets is None else torch.from_numpy(prepared.decoded.targets[rows])
    ids, labels = torch.from_numpy(rows), torch.from_numpy(prepared.decoded.labels[rows])
    found, task = [], TASKS.get(candidates[0].net.task)
    for each in logits:
        tally = task.tally()
        tally.add(torch.from_numpy(each), Batch(torch.empty(0), labels, ids, targets=targets))
        numbers = tally.numbers()
        found.append(numbers[task.score] if task.score else -numbers["loss"])
    return found


def chosen(
    candidates: Sequence[Candidate], logits: Sequence[np.ndarray], truth: np.ndarray, alone: Sequence[float],
    members: int, space: str,
) -> tuple[list[Candidate], dict[str, Any], list[Member], float]:  # fmt: skip
    """Members, their weights, temperatures and space, what is told of them, and how much they disagree.

    Each is made honest first, by a temperature on the validation samples. Without a `space`, it is the one with less
    loss there. `alone`: how good each is by itself. Raises HubelError where no second net helps the best one.
    """
    mean = mean_for(candidates[0].net)
    heats = [mean.heat(each, truth) for each in logits]
    honest = np.stack([each / heat for each, heat in zip(logits, heats, strict=True)])
    found = {
        each: mean.select(honest, truth, members, each) for each in ((space,) if space else SPACES_OF[mean.answers])
    }
    space = min(found, key=lambda each: found[each][1])
    picked = found[space][0]
    if len(picked) < 2:
        raise HubelError(
            f"of {plural(len(candidates), 'run')} none makes the best one better on the validation samples",
            hint=f"it answers best alone: {candidates[next(iter(picked))].name}",
        )
    total = sum(picked.values())
    order = sorted(picked, key=lambda place: (-picked[place], place))
    told = []
    for place in order:
        each, cost = candidates[place], count(candidates[place].net.spec)
        told.append(
            Member(
                run=each.name, weight=picked[place] / total, architecture=each.net.spec.architecture,
                params=cost.params, macs=cost.macs, alone=alone[place],
            )
        )  # fmt: skip
    numbers: dict[str, Any] = {
        "space": space, "weights": [float(picked[place]) for place in order],
        "temperatures": [float(heats[place]) for place in order],
    }  # fmt: skip
    if mean.answers != "classes":  # what ensembles of classes say of themselves stays as it was
        numbers["answers"] = mean.answers
    apart = mean.disagreement(honest[order], np.array([picked[place] / total for place in order]))
    return [candidates[place] for place in order], numbers, told, apart


def write_ensemble(
    parts: Sequence[Candidate],
    numbers: Mapping[str, Any],
    first: torch.Tensor,
    out: Path,
    name: str,
) -> tuple[RunStore, Classifier]:
    """The folder of the ensemble with its weights, read back. `first`: a few samples as decoded, to check copies by."""
    lead = parts[0]
    spec = ModelSpec(
        architecture=NAME, num_classes=lead.net.spec.num_classes, in_chans=lead.net.spec.in_chans,
        img_size=lead.net.spec.img_size,
        options={
            "members": [{"name": p.net.spec.architecture, "options": dict(p.net.spec.options)} for p in parts],
            **numbers,
        },
    )  # fmt: skip
    net = Ensemble([copy.deepcopy(part.net.model).cpu() for part in parts], **numbers).eval()
    store, recipe = create_beside(lead.folder, out, name)
    golden = golden_images(first)
    save_weights(
        store, "best", net.state_dict(), spec=spec, preprocessing=lead.net.preprocessing,
        class_names=lead.net.class_names, columns=lead.net.columns, recipe=recipe.model_dump(mode="json"), metrics={},
        data_digest=lead.net.provenance.data_digest,
        probes=(golden, golden_logits(net, lead.net.preprocessing, golden)),
    )  # fmt: skip
    return store, load(store.folder)
