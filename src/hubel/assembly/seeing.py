"""What a net says of pictures and what it saw of them, in one pass. N samples, K classes, F features."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from hubel.checkpoint import Classifier
from hubel.data.batches import batches, reading_size
from hubel.data.decode import Decoded
from hubel.inference import predict, with_views
from hubel.nn.beside import with_features
from hubel.types import Batch

WIDEST = 8_192
"""Features beyond which only the logits are looked at: the file beside the weights would outgrow them."""


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
