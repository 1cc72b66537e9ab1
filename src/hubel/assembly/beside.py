"""A second net asked about strangeness: how badly an autoencoder gives a picture back, beside a classifier's scores.

What it takes for strange is told on the scale of the classifier's validation pictures, and it enters the mixture if
strange pictures made of the classifier's own training pictures are told better with it (as `hubel.assembly.trusting`
chooses among the other scores). Reconstruction errors as a score: Sakurada & Yairi, MLSDA 2014.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from hubel.assembly.seeing import Look
from hubel.assembly.strangers import make_strange, some_of
from hubel.assembly.trusting import MOST_SHOWN, MOST_STRANGE, best_of, scale_of
from hubel.checkpoint import Classifier
from hubel.checkpoint.trust import STEPS, Trust, averaged
from hubel.data.preprocessing import Preprocessing
from hubel.data.strange import BLENDED
from hubel.errors import ArtefactError, DataError
from hubel.metrics.strangeness import strangeness
from hubel.nn.modes import evaluating
from hubel.tasks import TASKS

NAME = "reconstruction"
AT_ONCE = 256
"""Pictures that the second net looks at in one pass."""

Score = Callable[[np.ndarray], np.ndarray]
"""Pictures N C H W uint8 -> N, higher is stranger."""


def errors_by(net: Classifier, device: torch.device) -> Score:
    """How badly a net of the task reconstruct gives pictures back: N mean squared errors, of values 0 to 1.

    Raises ArtefactError for a net of another task.
    """
    seen = net.preprocessing
    if net.task != "reconstruct" or seen is None:
        raise ArtefactError(
            f"the second net is to give pictures back, and its task is {net.task}",
            hint="hubel train DATA --task reconstruct makes one; a detector of hubel anomaly will do, too",
        )
    answering = TASKS.get(net.task).answering(net.model.to(device))

    def errors(pictures: np.ndarray) -> np.ndarray:
        found = [np.zeros(0)]
        with evaluating(net.model), torch.inference_mode():
            for start in range(0, len(pictures), AT_ONCE):
                part = seen.normalise(torch.from_numpy(pictures[start : start + AT_ONCE]).to(device))
                given = seen.denormalise(answering(part).float()).clamp(0, 1)
                apart = (given - seen.denormalise(part.float())).square().flatten(1).mean(1)
                found.append(apart.double().cpu().numpy())
        return np.concatenate(found)

    return errors


def check_sight(mine: Preprocessing, other: Preprocessing) -> None:
    """Raise ArtefactError where a second net is shown pictures in another size, other channels or otherwise cut."""
    if mine.shape == other.shape and (mine.fit, mine.crop_share) == (other.fit, other.crop_share):
        return

    def said(seen: Preprocessing) -> str:
        colour = "colour" if seen.channels == 3 else "grey"
        cut = f" of {seen.crop_share:g}" if seen.crop_share < 1 else ""
        return f"{seen.height} x {seen.width} in {colour} (fit {seen.fit}{cut})"

    raise ArtefactError(
        f"both nets must see the same pictures: the run sees {said(mine)}, the second net {said(other)}",
        hint=f"train the second with --img-size {mine.height} --in-chans {mine.channels} --fit {mine.fit}",
    )


def joined(trust: Trust, look: Look, score: Score, val: np.ndarray, train: np.ndarray) -> Trust:
    """The same trust, with the score of a second net in its mixture where that tells made strange pictures better.

    `val` and `train` are rows of the data of `look`. Raises DataError where there are no validation pictures.
    """
    if not len(val):
        raise DataError(
            "a second net is measured on validation pictures, and the run has none",
            hint="train with --val-fraction 0.1",
        )
    draw, images = np.random.default_rng(0), look.decoded.images

    def said(logits: np.ndarray, features: np.ndarray | None, pictures: np.ndarray) -> dict[str, np.ndarray]:
        found = strangeness(logits, features, trust.familiar)
        return {name: found[name] for name in trust.scores} | {NAME: score(pictures)}

    val = np.sort(some_of(val, MOST_SHOWN, draw))
    known = said(*look.at(val), images[val])
    made = make_strange(images, train, val, MOST_STRANGE, draw)
    odd = {
        name: said(*look.at_pictures(pictures), pictures)
        for name, pictures in made
        if not (look.several and name == BLENDED)  # two at once show the labels of both: nothing strange there
    }
    chosen, _ = best_of(known, odd, dict(trust.scores) | {NAME: scale_of(known[NAME])})
    if NAME not in chosen:
        return trust
    combined = averaged(known, chosen)
    steps = np.quantile(combined, np.linspace(0, 1, min(STEPS, len(combined)), endpoint=False))
    return replace(trust, scores=chosen, usual=steps, beside={NAME: score})
