"""The scores of pytorch-ood on the same numbers: what a net said of its own kind and of strange pictures.

    PEER/bin/python benchmarks/trust_peer.py WHAT-trust.py-WROTE.npz     (called by trust.py ood-peer)

Reads logits and features of training pictures, of test pictures and of kinds of strange ones; prints, as one JSON
object, the AUROC of each detector for each kind. Detectors that need neither gradients nor training, with the settings
of their own documentation: k of the nearest neighbours is 50, the principal subspace of ViM half the features.
"""

from __future__ import annotations

import json
import sys

import numpy as np
import torch
from pytorch_ood import __version__
from pytorch_ood.detector import (
    KNN,
    EnergyBased,
    Entropy,
    KLMatching,
    Mahalanobis,
    MaxLogit,
    MaxSoftmax,
    ViM,
)
from sklearn.metrics import roc_auc_score


def main() -> None:
    given = {name: torch.from_numpy(values) for name, values in np.load(sys.argv[1]).items()}
    labels = given["train labels"]
    wide = given["train features"].shape[1]
    detectors = {
        "MaxSoftmax": (MaxSoftmax(None), "logits"),
        "MaxLogit": (MaxLogit(None), "logits"),
        "EnergyBased": (EnergyBased(None), "logits"),
        "Entropy": (Entropy(None), "logits"),
        "KLMatching": (KLMatching(None), "logits"),
        "Mahalanobis": (Mahalanobis(None), "features"),
        "KNN": (KNN(None), "features"),
        "ViM": (ViM(None, d=max(1, wide // 2), w=given["weight"], b=given["bias"]), "features"),
    }
    found: dict[str, dict[str, float]] = {}
    kinds = sorted({name.partition(":")[2] for name in given if name.startswith("strange")})
    for name, (detector, what) in detectors.items():
        try:
            score = scoring(name, detector, what, given, labels)
            own = score(given[f"own {what}"])
            found[name] = {}
            for kind in kinds:
                odd = score(given[f"strange {what}:{kind}"])
                truth = np.r_[np.zeros(len(own)), np.ones(len(odd))]
                found[name][kind] = float(roc_auc_score(truth, np.nan_to_num(np.r_[own, odd])))
        except Exception as error:  # a detector that does not take this net is told, and the others go on
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
    print(json.dumps({"pytorch-ood": __version__, "auroc": found}))


def scoring(name: str, detector, what: str, given: dict[str, torch.Tensor], labels: torch.Tensor):
    """The detector as a function of logits or features N F, higher for what is stranger."""
    if name == "KLMatching":
        detector.fit_logits(given["train logits"], labels)
    if what == "features":
        detector.fit_features(given["train features"], labels)
        return lambda values: detector.predict_features(values).numpy()
    return lambda values: detector.predict_logits(values).numpy()


if __name__ == "__main__":
    main()
