"""A table of features: what a layer says about every sample, for other classifiers.

Letters: N samples, F features.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from hubel.views import Viewed


@dataclass(frozen=True, kw_only=True)
class FeatureTable(Viewed):
    """Features with the labels and names of their samples."""

    layer: str
    values: np.ndarray
    """N F float32."""
    labels: np.ndarray
    """N int64."""
    names: tuple[str, ...]
    """N: what each sample is called."""
    class_names: tuple[str, ...]
    targets: np.ndarray | None = None
    """N K of 0 and 1: the labels of each sample, where it may have several; None where it has one class."""

    def label(self, row: int) -> str:
        """What a sample is labelled, in words."""
        if self.targets is None:
            return self.class_names[int(self.labels[row])]
        return "|".join(name for name, there in zip(self.class_names, self.targets[row], strict=True) if there) or (
            "none"
        )

    def to_npz(self) -> bytes:
        """An .npz that `numpy.load` reads without pickle: features, labels, names, class_names, layer."""
        out = io.BytesIO()
        np.savez_compressed(
            out, features=self.values, labels=self.labels, names=np.array(self.names, dtype=np.str_),
            class_names=np.array(self.class_names, dtype=np.str_), layer=np.array(self.layer, dtype=np.str_),
        )  # fmt: skip
        return out.getvalue()
