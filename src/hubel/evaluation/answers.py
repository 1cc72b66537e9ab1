"""Pictures in, answers out, for nets whose task is no label: what is told of each, and the picture they answer with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from hubel.checkpoint import Classifier
from hubel.data.given import read_given
from hubel.data.manifest import Problem
from hubel.errors import ArtefactError
from hubel.metrics.retrieval import distances, middles
from hubel.metrics.surprise import METHODS, stretches, surprises
from hubel.nn.modes import evaluating
from hubel.tasks import TASKS
from hubel.tasks.answers import Answer, say_labels
from hubel.words import percent


def answers(classifier: Classifier, names: Sequence[str], images: np.ndarray, device: torch.device) -> list[Answer]:
    """Answers to prepared pictures N C H W uint8."""
    seen = classifier.preprocessing
    assert seen is not None
    net = TASKS.get(classifier.task).answering(classifier.model.to(device))
    with evaluating(classifier.model), torch.inference_mode():
        inputs = seen.normalise(torch.from_numpy(images).to(device))
        return ANSWERED[classifier.task](classifier, names, inputs, net(inputs).float())


def answer_points(
    classifier: Classifier, names: Sequence[str], points: np.ndarray, device: torch.device
) -> list[Answer]:
    """Answers to points N F float32, or to series N F T, as the net takes them."""
    net = TASKS.get(classifier.task).answering(classifier.model.to(device))
    with evaluating(classifier.model), torch.inference_mode():
        inputs = torch.from_numpy(np.ascontiguousarray(points)).to(device)
        return ANSWERED[classifier.task](classifier, names, inputs, net(inputs).float())


def answer_some(
    classifier: Classifier, device: torch.device
) -> Callable[[list[Any], int, int], tuple[list[Answer], tuple[Problem, ...]]]:
    """What answers a batch of pictures as they were given: (pictures, the number of the first, how many in all)."""
    seen = classifier.preprocessing
    assert seen is not None

    def some(items: list[Any], first: int, total: int) -> tuple[list[Answer], tuple[Problem, ...]]:
        names, images, bad = read_given(items, seen, first=first)
        return answers(classifier, names, images, device) if len(images) else [], bad

    return some


def _given_back(classifier: Classifier, names: Sequence[str], inputs: torch.Tensor, said: torch.Tensor) -> list[Answer]:
    assert classifier.preprocessing is not None
    truth = classifier.preprocessing.denormalise(inputs.float())
    given = classifier.preprocessing.denormalise(said).clamp(0, 1)
    errors = (given - truth).square().flatten(1).mean(1).double().cpu().numpy()
    pictures = given.mul(255).round().to(torch.uint8).cpu().numpy()
    found = []
    for name, error, picture in zip(names, errors.tolist(), pictures, strict=True):
        psnr = float(-10 * np.log10(max(error, 1e-10)))
        told = f"given back to {psnr:.2f} dB (mean squared error {error:.4g})"
        found.append(Answer(name, told, {"mse": error, "psnr": psnr}, picture))
    return found


def _areas(classifier: Classifier, names: Sequence[str], inputs: torch.Tensor, said: torch.Tensor) -> list[Answer]:
    masks = said.argmax(1).to(torch.uint8).cpu().numpy()
    classes = classifier.class_names
    palette = shades(len(classes))
    found = []
    for name, mask in zip(names, masks, strict=True):
        shares = np.bincount(mask.ravel(), minlength=len(classes)) / mask.size
        order = np.argsort(-shares, kind="stable")
        told = ", ".join(f"{classes[k]} {percent(float(shares[k]), 1)}" for k in order if shares[k] > 0)
        numbers = {label: float(share) for label, share in zip(classes, shares, strict=True)}
        found.append(Answer(name, told, numbers, mask, palette))
    return found


def _colours(classifier: Classifier, names: Sequence[str], inputs: torch.Tensor, said: torch.Tensor) -> list[Answer]:
    bytes_ = said.clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8).cpu().numpy()
    called = ("red", "green", "blue") if bytes_.shape[1] == 3 else ("grey",)
    found = []
    for name, at, row in zip(names, inputs.tolist(), bytes_.tolist(), strict=True):
        numbers = {"y": at[0], "x": at[1]} | {word: float(value) for word, value in zip(called, row, strict=True)}
        found.append(Answer(name, ", ".join(f"{w} {v}" for w, v in zip(called, row, strict=True)), numbers))
    return found


def _at_the_end(classifier: Classifier, names: Sequence[str], inputs: torch.Tensor, said: torch.Tensor) -> list[Answer]:
    last = [-1] * len(names) if inputs.ndim == 4 else (inputs[:, -1].sum(1).long().clamp_min(1) - 1).tolist()
    ends = np.stack([said[row, step].cpu().numpy() for row, step in enumerate(last)]).astype(np.float64)
    found = []
    if classifier.class_names:
        powers = np.exp(ends - ends.max(1, keepdims=True))
        for name, row in zip(names, powers / powers.sum(1, keepdims=True), strict=True):
            first, *others = (f"{classifier.class_names[k]} {row[k]:.1%}" for k in np.argsort(-row, kind="stable")[:3])
            numbers = dict(zip(classifier.class_names, row.tolist(), strict=True))
            label = classifier.class_names[int(row.argmax())]
            found.append(Answer(name, f"{first} ({', '.join(others)})", numbers, labels=(label,)))
        return found
    assert classifier.columns is not None
    called = [column.name for column in classifier.columns.answers]
    strange = strange_steps(classifier, inputs.cpu().numpy(), said.cpu().numpy())
    for place, (name, row) in enumerate(zip(names, classifier.columns.told(ends), strict=True)):
        told = "after its last step: " + ", ".join(
            f"{word} {value:.6g}" for word, value in zip(called, row, strict=True)
        )
        numbers = dict(zip(called, row.tolist(), strict=True))
        steps = strange[place] if strange else None
        if steps is not None:
            told += f"; {told_strange(steps)}"
            passed = steps["recurrent"] > 1
            numbers |= {"strange_steps": float(passed.sum()), "steps": float(len(passed))}
            numbers |= {f"strange_{method}": float((steps[method] > 1).sum()) for method in METHODS[1:]}
        found.append(Answer(name, told, numbers, steps=steps))
    return found


def strange_steps(classifier: Classifier, inputs: np.ndarray, said: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Of series N F T of a net that foretells, with what it said N T K: how strange each step is, by method. [] where
    the net learnt nothing to tell that by.
    """
    columns = classifier.columns
    if columns is None or not columns.foretold or classifier.learnt is None:
        return []
    arrays = classifier.learnt.arrays
    series = columns.answered(inputs)
    return [surprises(arrays, one, said[row, : len(one)]) for row, one in enumerate(series)]


def told_strange(steps: dict[str, np.ndarray]) -> str:
    """Which steps of a series are strange, in words, and how many the simple methods beside say.

    >>> told_strange({name: np.array([np.nan, 0.2, 3.0, 2.0]) for name in METHODS})
    '2 of 4 steps are strange: 3 to 4 (pca says 2, knn 2, average 2)'
    """
    passed = steps["recurrent"] > 1
    others = [int((steps[method] > 1).sum()) for method in METHODS[1:]]
    beside = "pca says {}, knn {}, average {}".format(*others)
    if not passed.any():
        return f"none of {len(passed):,} steps is strange ({beside})"
    groups = sorted(stretches(passed), key=lambda pair: -float(np.nanmax(steps["recurrent"][pair[0] - 1 : pair[1]])))
    places = ", ".join(f"{first}" if first == last else f"{first} to {last}" for first, last in sorted(groups[:5]))
    more = f" and {len(groups) - 5:,} more places" if len(groups) > 5 else ""
    count = int(passed.sum())
    verb = "step is" if len(passed) == 1 else "steps is" if count == 1 else "steps are"
    return f"{count:,} of {len(passed):,} {verb} strange: {places}{more} ({beside})"


def _several(classifier: Classifier, names: Sequence[str], inputs: torch.Tensor, said: torch.Tensor) -> list[Answer]:
    shares = classifier.probabilities(said.cpu().numpy())
    return say_labels(names, shares, classifier.class_names, classifier.label_thresholds)


def _nearest(classifier: Classifier, names: Sequence[str], inputs: torch.Tensor, said: torch.Tensor) -> list[Answer]:
    if classifier.learnt is None:
        raise ArtefactError(
            "this net knows no class to be near to: what it learnt after the training is not beside its weights",
            hint="copy best.learnt.safetensors beside them, or train it again",
        )
    classes, facts = classifier.class_names, classifier.learnt.facts
    apart = distances(said.cpu().numpy(), classifier.learnt.arrays["middles"])
    limit = facts.get("distance")
    found = []
    for name, row in zip(names, apart, strict=True):
        order = np.argsort(row, kind="stable")
        best, *others = (f"{classes[k]} (distance {row[k]:.2f})" for k in order[:3])
        strange = isinstance(limit, (int, float)) and row[order[0]] > limit
        told = best + (f", then {', '.join(others)}" if others else "")
        numbers = {label: float(value) for label, value in zip(classes, row, strict=True)}
        told += "; no class is near: perhaps one that was never shown" if strange else ""
        found.append(Answer(name, told, numbers, labels=() if strange else (classes[order[0]],)))
    return found


def with_classes(classifier: Classifier, names: Sequence[str], points: np.ndarray, labels: np.ndarray) -> Classifier:
    """The net with further classes, or known ones anew, from embeddings N D of labelled samples; nothing is trained."""
    assert classifier.learnt is not None
    added = middles(points, labels, len(names)).astype(np.float32)
    known = [k for k, name in enumerate(classifier.class_names) if name not in set(names)]
    every = np.concatenate([classifier.learnt.arrays["middles"][known], added])
    all_names = tuple(classifier.class_names[k] for k in known) + tuple(names)
    return replace(
        classifier, class_names=all_names, learnt=replace(classifier.learnt, arrays={"middles": every}),
    )  # fmt: skip


def shades(classes: int) -> np.ndarray:
    """K 3 uint8: black for the first class, colours far apart for the others, the same for every run.

    >>> shades(3).tolist()
    [[0, 0, 0], [0, 114, 178], [213, 94, 0]]
    """
    known = [(0, 0, 0), (0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233)]
    more = [((67 * k) % 200 + 40, (131 * k) % 200 + 40, (29 * k) % 200 + 40) for k in range(classes)]
    return np.array([*known, *more][:classes], dtype=np.uint8)


ANSWERED: dict[str, Callable[[Classifier, Sequence[str], torch.Tensor, torch.Tensor], list[Answer]]] = {
    "embed": _nearest,
    "field": _colours,
    "multilabel": _several,
    "reconstruct": _given_back,
    "segment": _areas,
    "sequence": _at_the_end,
}
"""Of every task that is no label: what makes answers of what the net said."""
