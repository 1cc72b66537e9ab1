"""The net that also says what it saw, where what was learnt about its answers needs that; and several labels told with
what is known.

Letters: B batch, N pictures, K labels, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn

from hubel.checkpoint.classifier import Classifier
from hubel.checkpoint.trust import ACCEPTED
from hubel.errors import ArtefactError
from hubel.metrics.probability import disagreements, shares_of, spread_of
from hubel.models.ensemble import Ensemble, Voices, apart
from hubel.nn.beside import with_features
from hubel.nn.fuse import twin_of
from hubel.tasks.answers import Answer, say_labels

_INSIDE: WeakKeyDictionary[nn.Module, nn.Module] = WeakKeyDictionary()
_VOICES: WeakKeyDictionary[nn.Module, nn.Module] = WeakKeyDictionary()


def net_of_voices(classifier: Classifier, device: torch.device) -> nn.Module | None:
    """Of a run that joins several nets: the same, which also says what each of them says; None of one net."""
    model = classifier.model
    if not isinstance(model, Ensemble) or len(model.weights) < 2:
        return None
    if model not in _VOICES:
        twin = twin_of(model)  # a copy, or the value would keep its own key alive
        assert isinstance(twin, Ensemble)
        _VOICES[model] = Voices(twin).eval()
    return _VOICES[model].to(device)


def voices_of(
    classifier: Classifier, said: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor | None, np.ndarray | None]:
    """What the task's answer is, B …, of what `net_of_voices` said, and M B … and M of its members; None of one net."""
    if net_of_voices(classifier, said.device) is None:
        return said, None, None
    assert isinstance(classifier.model, Ensemble)
    return *apart(said, len(classifier.model.weights)), np.array(classifier.model.weights)


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What was said of N pictures, taken apart."""

    logits: np.ndarray
    """N K."""
    features: np.ndarray
    """N F: what the net saw; F is 0 where it does not tell."""
    each: np.ndarray | None = None
    """M N K: what members of a joined run said; None for one net, and where they were not asked."""
    weights: np.ndarray | None = None
    """M."""

    @property
    def disagreement(self) -> np.ndarray:
        """N: mutual information of a class and the member that names it, in nats; NaN where members were not asked."""
        if self.each is None:
            return np.full(len(self.logits), np.nan)
        return disagreements(np.stack([shares_of(one) for one in self.each]), self.weights)

    def spread(self, told: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """N: the standard deviation of the numbers N that `told` makes of what each says, N K; NaN as above."""
        if self.each is None:
            return np.full(len(self.logits), np.nan)
        return spread_of([told(one) for one in self.each], self.weights)

    @classmethod
    def of(cls, classifier: Classifier, said: np.ndarray) -> Heard:
        """From N P of a net, of `net_that_tells` or of `net_of_voices`."""
        outputs, model = max(1, len(classifier.class_names)), classifier.model
        logits, more = np.split(said, [outputs], axis=1)
        if not isinstance(model, Ensemble) or more.shape[1] != outputs * len(model.weights):
            return cls(logits=logits, features=more)
        each = more.reshape(len(said), -1, outputs).transpose(1, 0, 2)
        return cls(logits=logits, features=more[:, :0], each=each, weights=np.array(model.weights))


def net_that_tells(classifier: Classifier, inputs: torch.Tensor) -> nn.Module | None:
    """The net that also says what it saw, where that is needed to tell what is strange."""
    if classifier.trust is None or not classifier.trust.looks_inside:
        return None
    known = _INSIDE.get(classifier.model)
    if known is None:
        known = with_features(classifier.model, inputs[:2])
        if known is None:
            raise ArtefactError(
                "this net's features cannot be read, though what was learnt about its answers needs them",
                hint=f"delete the file *.trust.safetensors beside {classifier.provenance.source}",
            )
        _INSIDE[classifier.model] = known
    return known.to(inputs.device)


def say_several(
    classifier: Classifier, names: Sequence[str], heard: Heard, pictures: np.ndarray | None = None
) -> list[Answer]:
    """Of each picture the labels that reach their thresholds, whether it is known where the net can tell, and label by
    label how much the nets of a joined run disagree.

    `pictures`: N C H W uint8, for the scores that other nets give them.
    """
    shares, trust = classifier.probabilities(heard.logits), classifier.trust
    features = heard.features if heard.features.shape[1] else None
    familiar = None if trust is None or not trust.knows else trust.familiarity(heard.logits, features, pictures)
    found = say_labels(
        names, shares, classifier.class_names, classifier.label_thresholds, familiarity=familiar, border=1 - ACCEPTED
    )  # fmt: skip
    if heard.each is None:
        return found
    there = shares_of(heard.each, several=True)  # M N K
    rows = disagreements(np.stack([1 - there, there], axis=-1), heard.weights).tolist()
    return [
        replace(answer, disagreement=dict(zip(classifier.class_names, row, strict=True)))
        for answer, row in zip(found, rows, strict=True)
    ]
