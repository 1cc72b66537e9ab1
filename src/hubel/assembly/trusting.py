"""After a training: how far the net's answers can be trusted, learnt from the validation split.

A temperature makes its probabilities honest, a limit makes sets that hold the truth 95 times in 100, and a mixture of
scores tells what is unlike anything it was shown. The mixture is chosen by how well it tells the validation pictures
from strange ones made of training pictures; the test split takes no part.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel.assembly.afterwards import learn_afterwards
from hubel.assembly.prepare import Prepared
from hubel.checkpoint import Classifier
from hubel.checkpoint.trust import ACCEPTED, STEPS, Trust, averaged, save_trust
from hubel.data.batches import batches, reading_size
from hubel.data.decode import Decoded
from hubel.data.strange import KINDS
from hubel.inference import predict, with_views
from hubel.metrics.calibrating import fit_temperature, set_limit, within
from hubel.metrics.probability import ece, log_loss, log_softmax
from hubel.metrics.strangeness import familiar, separation, strangeness
from hubel.nn.beside import with_features
from hubel.store import RunStore
from hubel.types import Batch
from hubel.watching import Watcher
from hubel.words import plural

FEWEST = 30
"""Validation samples below which nothing is learnt from them."""
SHARE = 0.03
"""Of the training's passes through the net that this may take, apart from one over the validation split."""
MOST_SHOWN, FEWEST_SHOWN = 1_000, 64
"""Training pictures that stand for what is familiar."""
MOST_STRANGE, FEWEST_STRANGE = 200, 16
"""Strange pictures of each kind."""
EXAMINED = 2_000
"""Samples at most that show how it holds elsewhere."""
CLEARLY = 0.01
"""What a mixture of fewer scores must be better by, in the sum of mean and worst AUROC."""
WIDEST = 8_192
"""Features beyond which only the logits are looked at: the file beside the weights would outgrow them."""


def trusted(
    store: RunStore, classifier: Classifier, prepared: Prepared, device: torch.device, epochs: int, watch: Watcher
) -> tuple[Classifier, str]:
    """The classifier with what was learnt about its answers, which is kept beside its weights; else why nothing was."""
    classifier = learn_afterwards(store, classifier, prepared, device, watch)
    trust, why_not = learn_trust(classifier, prepared, device, epochs)
    if trust is None:
        if classifier.class_names and not classifier.method and classifier.labels:
            watch.remark(why_not)
        return classifier, why_not
    save_trust(store, "best", trust, classifier.provenance.sha256)
    return replace(classifier, trust=trust), ""


def trust_facts(
    classifier: Classifier, why_not: str, prepared: Prepared, device: torch.device, split: str
) -> dict[str, Any]:
    """What is said of it in summary and report: how it was learnt, and how it holds on the split that is measured."""
    trust = classifier.trust
    if trust is None:
        return {"note": why_not}
    found: dict[str, Any] = {"temperature": trust.temperature, "scores": sorted(trust.scores), **trust.facts}
    if split == "test":
        found["test"] = measured(trust, classifier, prepared, device, prepared.splits.ids(split))
    return found


def learn_trust(
    classifier: Classifier, prepared: Prepared, device: torch.device, epochs: int
) -> tuple[Trust | None, str]:
    """What was learnt, or None and why not. `epochs` is how long was trained: this takes a small share of that.

    It counts passes, not seconds, so that the same training ends in the same trust.
    """
    rows = prepared.splits.ids("val")
    if not classifier.class_names or classifier.method or not classifier.labels:
        return None, "only a net that names classes has probabilities to be made honest"
    if len(rows) < FEWEST:
        return None, (
            f"its probabilities are as the net gives them: {plural(len(rows), 'validation sample')} "
            f"{'is' if len(rows) == 1 else 'are'} too few to make them honest by, {FEWEST} would do"
        )
    look = Look(classifier, prepared.decoded, device)
    logits, features = look.at(rows)
    labels = prepared.manifest.labels[rows]
    temperature = fit_temperature(logits, labels)
    facts: dict[str, float | int | str | bool | None] = {
        "samples": len(rows),
        "ece_before": ece(logits, labels),
        "ece_after": ece(logits / temperature, labels),
        "log_loss_before": log_loss(logits, labels),
        "log_loss_after": log_loss(logits / temperature, labels),
    }
    calibrated = np.exp(log_softmax(logits / temperature))
    limit = set_limit(logits / temperature, labels, ACCEPTED)
    facts["set_size"] = float(within(calibrated, limit).sum(axis=1).mean())
    plain = Trust(temperature=temperature, set_limit=limit, facts=facts)
    if classifier.preprocessing is None:
        return plain, ""
    # A step costs three passes; a head learns from what one pass has kept.
    passes = 1 if prepared.recipe.transfer.unfreeze == "head" else 3 * epochs
    return _knowing(plain, prepared, look, SHARE * passes * prepared.samples, (logits, features)), ""


def measured(
    trust: Trust, classifier: Classifier, prepared: Prepared, device: torch.device, rows: np.ndarray
) -> dict[str, Any]:
    """How what was learnt holds on other samples, `EXAMINED` of them at most: for summary and report."""
    rows = np.sort(_some(rows, EXAMINED, np.random.default_rng(0)))
    logits, features = Look(classifier, prepared.decoded, device).at(rows)
    labels = prepared.manifest.labels[rows]
    calibrated = np.exp(log_softmax(logits / trust.temperature))
    inside = within(calibrated, trust.set_limit)
    known = trust.familiarity(logits, features) >= 1 - ACCEPTED
    return {
        "samples": len(rows),
        "ece_before": ece(logits, labels),
        "ece_after": ece(logits / trust.temperature, labels),
        "coverage": float(inside[np.arange(len(rows)), labels].mean()),
        "set_size": float(inside.sum(axis=1).mean()),
        "known": float(known.mean()) if trust.knows else None,
    }


def _knowing(
    plain: Trust, prepared: Prepared, look: Look, affordable: float, usual: tuple[np.ndarray, np.ndarray | None]
) -> Trust:
    """The same, able to tell what is strange; `affordable` pictures may be looked at."""
    rows = prepared.ids("train")
    draw = np.random.default_rng(0)
    shown = _some(rows, int(np.clip(affordable * 0.4, FEWEST_SHOWN, MOST_SHOWN)), draw)
    each = int(np.clip(affordable * 0.6 / len(KINDS), FEWEST_STRANGE, MOST_STRANGE))
    seen = None
    if usual[1] is not None and len(shown) > 2:
        logits, features = look.at(shown)
        assert features is not None
        seen = familiar(features, prepared.manifest.labels[shown], logits)
    known = strangeness(*usual, seen)
    odd = {}
    for name, kind in KINDS.items():
        pictures = kind(prepared.decoded.images[np.sort(_some(rows, each, draw))], draw)
        odd[name] = strangeness(*look.at_pictures(pictures), seen)
    scales = {name: _scale(values) for name, values in known.items()}
    chosen, apart = _best(known, odd, scales)
    combined = averaged(known, chosen)
    facts = dict(plain.facts) | {f"separation_{name}": value for name, value in apart.items()}
    needs = seen if any(name not in ("softmax", "max-logit", "energy") for name in chosen) else None
    usual_steps = np.quantile(combined, np.linspace(0, 1, min(STEPS, len(combined)), endpoint=False))
    return Trust(
        temperature=plain.temperature,
        set_limit=plain.set_limit,
        scores=chosen,
        usual=usual_steps,
        familiar=needs,
        facts=facts,
    )


class Look:
    """What a net says of pictures, and what it saw: logits N K, features N F or None."""

    def __init__(self, classifier: Classifier, decoded: Decoded, device: torch.device) -> None:
        self.preprocessing = classifier.preprocessing
        self.decoded, self.device, self.classes = decoded, device, len(classifier.class_names)
        self.model = classifier.model.to(device)
        self.inside: nn.Module | None = None
        if self.preprocessing is not None:
            probe = self.preprocessing.normalise(torch.from_numpy(decoded.images[:2]).to(device))
            self.inside = with_features(self.model, probe)
            if self.inside is not None:
                with torch.no_grad():
                    wide = self.inside(probe).shape[1] - self.classes > WIDEST
                self.inside = None if wide else self.inside
        self.net = self.inside or self.model
        self.forward = with_views(self.net, classifier.views)

    def at(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Of samples of the data, as they are, in the order of `rows`."""
        reading = batches(
            self.decoded, rows, preprocessing=self.preprocessing, batch_size=reading_size(self.decoded),
            device=self.device, channels_last=True,
        )  # fmt: skip
        return self._split(predict(self.net, reading, forward=self.forward).logits)

    def at_pictures(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Of pictures N C H W uint8."""
        assert self.preprocessing is not None
        size = reading_size(self.decoded)
        parts = [
            torch.from_numpy(pictures[start : start + size]).to(self.device) for start in range(0, len(pictures), size)
        ]
        ids = torch.arange(len(pictures))
        given = [Batch(self.preprocessing.normalise(part), ids[: len(part)], ids[: len(part)]) for part in parts]
        return self._split(predict(self.net, given, forward=self.forward).logits)

    def _split(self, said: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        return said[:, : self.classes], said[:, self.classes :] if self.inside is not None else None


def _some(rows: np.ndarray, count: int, draw: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= count else draw.choice(rows, count, replace=False)


def _scale(values: np.ndarray) -> tuple[float, float]:
    """Middle, and how far the strangest twentieth begins from it."""
    middle, high = np.quantile(values, [0.5, ACCEPTED])
    return float(middle), float(max(high - middle, 1e-9))


def _best(
    known: dict[str, np.ndarray], odd: dict[str, dict[str, np.ndarray]], scales: dict[str, tuple[float, float]]
) -> tuple[dict[str, tuple[float, float]], dict[str, float]]:
    """The scores whose mean tells strange pictures best, the worst kind counting as all together; how well it does."""
    best: tuple[float, dict[str, tuple[float, float]], dict[str, float]] | None = None
    for count in range(len(scales), 0, -1):  # of equals the larger mixture: it depends on no single score
        for names in combinations(scales, count):
            mixture = {name: scales[name] for name in names}
            usual = averaged(known, mixture)
            apart = {kind: separation(usual, averaged(values, mixture)) for kind, values in odd.items()}
            worth = float(np.mean(list(apart.values()))) + min(apart.values())
            if best is None or worth > best[0] + CLEARLY:
                best = (worth, mixture, apart)
    assert best is not None
    return best[1], best[2]
