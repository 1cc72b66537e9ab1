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
from hubel.errors import DataError, HubelError
from hubel.models.ensemble import NAME, SPACES_OF, Ensemble
from hubel.nn.modes import evaluating
from hubel.records.folder import create_beside, whole_or_gone
from hubel.records.together import Candidate
from hubel.searching.ensembles import Ensembled, Member
from hubel.searching.limits import count
from hubel.searching.mean_kinds import mean_for
from hubel.searching.means import Mean
from hubel.store import RunStore
from hubel.tasks import TASKS
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


def said(
    candidates: Sequence[Candidate], prepared: Prepared, mean: Mean, device: torch.device
) -> tuple[list[np.ndarray], np.ndarray, list[float]]:
    """Of each candidate what it says by itself to the questions of the validation samples, N K; what is to be said; and
    how good each is there, larger is better: as its task compares epochs.
    """
    rows, decoded = prepared.splits.val, prepared.decoded
    found, scores, truth = [], [], np.zeros(0)
    for candidate in candidates:
        net = candidate.net
        task = TASKS.get(net.task)
        asked = task.answering(net.model.to(device))
        tally, parts = task.tally(), []
        reading = batches(
            decoded, rows, preprocessing=net.preprocessing, batch_size=reading_size(decoded), device=device,
            channels_last=True,
        )  # fmt: skip
        with evaluating(net.model), torch.inference_mode():
            for batch in reading:
                answers = asked(batch.images).float()
                tally.add(answers, batch)
                parts.append(mean.questions(answers, batch, len(rows)))
        net.model.cpu()
        numbers = tally.numbers()
        scores.append(numbers[task.score] if task.score in numbers else -numbers["loss"])
        found.append(np.concatenate([part for part, _ in parts]))
        truth = np.concatenate([right for _, right in parts])
    return found, truth, scores


def chosen(
    candidates: Sequence[Candidate], logits: Sequence[np.ndarray], truth: np.ndarray, members: int, space: str,
    alike: Sequence[float] = (),
) -> tuple[list[Candidate], dict[str, Any], list[Member], float]:  # fmt: skip
    """Members, their weights, temperatures and space, what is told of them, and how much they disagree.

    Each is made honest first, by a temperature on the validation samples. Without a `space`, it is the one with less
    loss there. Raises HubelError where no second net helps the best one. `alike`, how good each is: the best as they
    are, with the same weight, in the first space if none is said; where samples are too few to weigh nets by.
    """
    mean, task = mean_for(candidates[0].net), TASKS.get(candidates[0].net.task)
    heats = [1.0 if alike else mean.heat(each, truth) for each in logits]
    honest = np.stack([each / heat for each, heat in zip(logits, heats, strict=True)])
    spaces = (space,) if space else SPACES_OF[mean.answers]
    if alike:
        space, picked = spaces[0], dict.fromkeys(np.argsort(-np.array(alike), kind="stable")[:members].tolist(), 1)
    else:
        found = {each: mean.select(honest, truth, members, each) for each in spaces}
        space = min(found, key=lambda each: found[each][1])
        picked = found[space][0]
    if len(picked) < 2:
        raise HubelError(
            f"of {plural(len(candidates), 'run')} none makes the best one better on the validation samples",
            hint=f"it answers best alone: {candidates[next(iter(picked))].name}; "
            "hubel ensemble RUNS --alike joins them all the same",
        )
    total = sum(picked.values())
    order = sorted(picked, key=lambda place: (-picked[place], place))
    told = []
    for place in order:
        each, cost = candidates[place], count(candidates[place].net.spec, task)
        told.append(
            Member(
                run=each.name, weight=picked[place] / total, architecture=each.net.spec.architecture,
                params=cost.params, macs=cost.macs,
            )
        )  # fmt: skip
    numbers: dict[str, Any] = {
        "space": space, "weights": [float(picked[place]) for place in order],
        "temperatures": [float(heats[place]) for place in order],
    }  # fmt: skip
    if mean.answers != "classes":  # what ensembles of classes say of themselves stays as it was
        numbers["answers"] = mean.answers
    if task.asks:
        numbers["asks"] = task.asks
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
    with whole_or_gone(store):
        golden = golden_images(first)
        save_weights(
            store, "best", net.state_dict(), spec=spec, preprocessing=lead.net.preprocessing,
            class_names=lead.net.class_names, columns=lead.net.columns, recipe=recipe.model_dump(mode="json"),
            metrics={}, data_digest=lead.net.provenance.data_digest,
            probes=(golden, golden_logits(net, lead.net.preprocessing, golden)),
        )  # fmt: skip
        return store, load(store.folder)


def write_down(store: RunStore, result: Ensembled, best: Mapping[str, float], sentence: str) -> None:
    """What is told of an ensemble, and the summary that makes its folder a finished run: its numbers on validation,
    and a sentence on the split it was measured on.
    """
    last = result.together[-1]
    store.write_json("ensemble.json", result.to_dict())
    store.write_json(
        "summary.json",
        {"status": "finished", "reason": "ensemble", "epochs": 0, "best": best,
         last.split: {"split": last.split, "sentence": sentence, **last.numbers},
         "parameters": sum(member.params for member in result.members)},
    )  # fmt: skip
