"""The net that also says what it saw, where what was learnt about its answers needs that; and several labels told with
what is known.

Letters: B batch, N pictures, K labels, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn

from hubel.checkpoint.classifier import Classifier
from hubel.checkpoint.trust import ACCEPTED
from hubel.errors import ArtefactError
from hubel.nn.beside import with_features
from hubel.tasks.answers import Answer, say_labels

_INSIDE: WeakKeyDictionary[nn.Module, nn.Module] = WeakKeyDictionary()


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
    classifier: Classifier, names: Sequence[str], logits_NK: np.ndarray, features_NF: np.ndarray | None
) -> list[Answer]:
    """Of each picture the labels that reach their thresholds, and whether it is known where the net can tell."""
    shares, trust = classifier.probabilities(logits_NK), classifier.trust
    features = features_NF if features_NF is not None and features_NF.shape[1] else None
    familiar = None if trust is None or not trust.knows else trust.familiarity(logits_NK, features)
    return say_labels(
        names, shares, classifier.class_names, classifier.label_thresholds, familiarity=familiar, border=1 - ACCEPTED
    )  # fmt: skip
