"""What a net says of pictures and what it saw of them, in one pass. N samples, K classes, F features."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from hubel.checkpoint import Classifier
from hubel.data.batches import batches
from hubel.data.decode import Decoded
from hubel.inference import VIEWS, predict, with_views
from hubel.nn.beside import with_features
from hubel.training.features import at_once, folded
from hubel.types import Batch

WIDEST = 8_192
"""Features beyond which only the logits are looked at: the file beside the weights would outgrow them."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a net said of N samples, before it is made honest, and what it saw."""

    logits: np.ndarray
    """N K: the mean of its views."""
    once: np.ndarray
    """N K: of each picture as it is."""
    features: np.ndarray | None
    """N F; None where only the logits can be had."""


class Look:
    """What a net says of pictures, and what it saw: logits N K, features N F or None.

    `precision`: the arithmetic of the passes. That of the training, where what is learnt from them stands no finer.
    """

    def __init__(
        self, classifier: Classifier, decoded: Decoded, device: torch.device, precision: torch.dtype = torch.float32
    ) -> None:
        self.preprocessing, self.several = classifier.preprocessing, classifier.several
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
        if self.preprocessing is not None:
            self.net = folded(self.net, probe)
        cast = precision != torch.float32
        self.answer = torch.autocast(device.type, dtype=precision)(self.net) if cast else self.net
        self.views = classifier.views

    @property
    def passes(self) -> int:
        """Passes through the net that a picture takes."""
        return VIEWS[self.views]

    def at(self, rows: np.ndarray, *, views: str | None = None) -> tuple[np.ndarray, np.ndarray | None]:
        """Of samples of the data, in the order of `rows`; in those `views`, the net's own if none are given."""
        found = self.closely(rows, views=views)
        return found.logits, found.features

    def closely(self, rows: np.ndarray, *, views: str | None = None) -> Seen:
        """The same, and what it said of each picture as it is."""
        reading = batches(
            self.decoded, rows, preprocessing=self.preprocessing, batch_size=at_once(self.decoded, self.device),
            device=self.device, channels_last=True,
        )  # fmt: skip
        return self._asked(reading, views or self.views)

    def at_pictures(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Of pictures N C H W uint8."""
        assert self.preprocessing is not None
        size = at_once(self.decoded, self.device)
        parts = [
            torch.from_numpy(pictures[start : start + size]).to(self.device) for start in range(0, len(pictures), size)
        ]
        ids = torch.arange(len(pictures))
        form = torch.channels_last
        shown = (self.preprocessing.normalise(part).contiguous(memory_format=form) for part in parts)
        found = self._asked((Batch(part, ids[: len(part)], ids[: len(part)]) for part in shown), self.views)
        return found.logits, found.features

    def _asked(self, reading: Iterable[Batch], views: str) -> Seen:
        def both(images: torch.Tensor) -> torch.Tensor:
            looks: list[torch.Tensor] = []

            def answer(given: torch.Tensor) -> torch.Tensor:
                looks.append(self.answer(given).float())
                return looks[-1]

            mean = with_views(answer, views)(images)
            return torch.cat([looks[0][:, : self.classes], mean], dim=1)  # the first look is the picture as it is

        said = predict(self.net, reading, forward=both).logits
        logits, features = said[:, self.classes : 2 * self.classes], said[:, 2 * self.classes :]
        return Seen(logits=logits, once=said[:, : self.classes], features=features if self.inside is not None else None)
