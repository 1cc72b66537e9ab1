"""One net asked many times with some of it dropped: drop-out as an ensemble (MC drop-out).

Gal & Ghahramani, arXiv:1506.02142; the disagreement is the mutual information of answer and thinned net, in nats
(Houlsby et al., arXiv:1112.5745). Every picture is asked of the same thinned nets, so that what is said of it hangs
neither on its place nor on what stands beside it. S thinned nets, K classes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from hubel import runtime
from hubel.checkpoint import Classifier
from hubel.data.given import read_given
from hubel.data.manifest import Problem
from hubel.deploy.ensemble import disagreement
from hubel.deploy.prediction import Prediction, Predictions, answers, in_batches, winners
from hubel.errors import ArtefactError, UsageError
from hubel.inference import with_views
from hubel.metrics.probability import log_softmax
from hubel.nn.dropping import dropout_rates, dropping
from hubel.watching import SILENT, Watcher

MOST = 1_000
"""Thinned nets at most."""


def classify_thinned(
    classifier: Classifier,
    pictures: Any,
    samples: int,
    *,
    views: str | None = None,
    device: str = "auto",
    batch_size: int = 64,
    follow_links: bool = False,
    watch: Watcher = SILENT,
) -> Predictions:
    """The mean of what `samples` thinned forms of the net say, and how much they disagree.

    Whether a picture is known is what the whole net says; sets of plausible classes are made for that, so there are
    none. `pictures` and the rest as of `hubel.deploy.prediction.classify`. Raises ArtefactError for a net that drops
    nothing, or that sees no pictures.
    """
    if not 2 <= samples <= MOST:
        raise UsageError(f"2 to {MOST:,} thinned nets can be asked, got {samples}", hint="--dropout-samples 20")
    classifier.require_answers()
    if classifier.preprocessing is None or not classifier.class_names:
        raise ArtefactError(
            "drop-out is asked of nets that name classes of pictures, and this is none", hint="leave it out"
        )
    if not dropout_rates(classifier.model):
        raise ArtefactError(
            f"this net ({classifier.spec.architecture}) drops nothing, so its thinned forms would all say the same",
            hint="train one with drop-out: --dropout 0.2; or ask several runs together: hubel predict RUN RUN PICTURE",
        )
    seen, target = classifier.preprocessing, runtime.pick_device(device)
    classifier.model.to(target)

    def some(items: list[Any], first: int, total: int) -> tuple[list[Prediction], tuple[Problem, ...]]:
        names, images, bad = read_given(items, seen, first=first)
        if not len(images):
            return [], bad
        whole = answers(classifier, names, images, target, views=views)
        inputs = seen.normalise(torch.from_numpy(images).to(target))
        return [_together(classifier, one, _asked(classifier, image, samples, views))
                for one, image in zip(whole, inputs, strict=True)], bad  # fmt: skip

    return in_batches(
        pictures, some, found=Predictions(), batch_size=batch_size, follow_links=follow_links, watch=watch
    )


def _asked(classifier: Classifier, image: torch.Tensor, samples: int, views: str | None) -> np.ndarray:
    """S K: the probabilities of each thinned net; all copies of a picture C H W go through at once."""
    look = with_views(classifier.model, classifier.views if views is None else views)
    with dropping(classifier.model), torch.inference_mode(), runtime.seeded(0):
        logits = look(image[None].expand(samples, *image.shape).contiguous()).float().cpu().numpy()
    return np.asarray(np.exp(log_softmax(classifier.calibrator(logits))))


def _together(classifier: Classifier, whole: Prediction, shares_SK: np.ndarray) -> Prediction:
    mean = shares_SK.mean(axis=0)
    best = int(winners(classifier, mean[None])[0])
    return replace(
        whole,
        label=classifier.class_names[best],
        probability=float(mean[best]),
        probabilities=dict(zip(classifier.class_names, mean.tolist(), strict=True)),
        plausible=(),
        disagreement=disagreement(shares_SK),
    )
