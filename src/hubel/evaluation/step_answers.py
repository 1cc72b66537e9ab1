"""What a net that reads step by step says after each new step of a series that grows.

It is told from the steps that are kept (the last 512, as no net learnt from longer series). Letters: F features, T
steps, K answers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from hubel.checkpoint import Classifier
from hubel.data.series_growing import NewSteps
from hubel.evaluation.answers import steps_apart, strange_steps
from hubel.evaluation.asking import ask
from hubel.metrics.surprise import METHODS
from hubel.words import in_figures


def answer_steps(net: Classifier, new: NewSteps, device: torch.device) -> list[tuple[str, dict[str, Any]]]:
    """(in words, as plain data) of each new step: the class or the numbers that are said after it, and how strange it
    is, where the net knows that; of a run that holds several nets also how much they disagree.
    """
    assert net.columns is not None
    inputs = net.columns.scaled(new.values[None])
    answered = ask([net], torch.from_numpy(inputs).to(device))
    said = answered.answers.float().cpu().numpy().astype(np.float64)
    each = None if answered.each is None else answered.each[:, 0].float().cpu().numpy().astype(np.float64)  # M T K
    strange = strange_steps(net, inputs, said)
    found = []
    for row in range(new.first, new.values.shape[1]):
        words, plain = _told(net, said[0, row])
        if strange:
            before, scores = _scores({name: strange[0][name][row] for name in METHODS})
            words, plain = f"{before}{words}", scores | plain
        if each is not None:  # of several nets in one run
            ((apart, far),) = steps_apart(net, each[:, row : row + 1], answered.weights)
            words, plain = f"{words}   ({apart})" if apart else words, plain | {"disagreement": far}
        found.append((words, plain))
    return found


def _told(net: Classifier, row: np.ndarray) -> tuple[str, dict[str, Any]]:
    if net.class_names:
        shares = np.exp(row - row.max())
        shares = shares / shares.sum()
        best = int(shares.argmax())
        said = {"label": net.class_names[best], "probability": float(shares[best])}
        each = dict(zip(net.class_names, shares.tolist(), strict=True))
        return f"{said['label']} {said['probability']:.1%}", said | {"probabilities": each}
    assert net.columns is not None
    names, values = [column.name for column in net.columns.answers], net.columns.told(row)
    told = ", ".join(f"{name} {in_figures(value)}" for name, value in zip(names, values, strict=True))
    ahead = "next: " if net.columns.foretold else ""
    return f"{ahead}{told}", {"told": dict(zip(names, values.tolist(), strict=True))}


def _scores(scores: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    first = float(scores["recurrent"])
    plain = {name: None if np.isnan(score) else float(score) for name, score in scores.items()}
    word = "" if np.isnan(first) else f"{first:>5.2f} {'STRANGE' if first > 1 else 'normal':<7}  "
    return word, {"score": plain["recurrent"], "strange": bool(first > 1), "scores": plain}
