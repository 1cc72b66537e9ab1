"""What makes logits honest, as a layer behind a net (`hubel.metrics.calibrators` in torch). B batch, K classes."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import nn

LEAST = 1e-12


class Calibration(Protocol):
    """The numbers of a map, as `hubel.metrics.calibrators.Calibrator` has them."""

    @property
    def temperature(self) -> float: ...
    @property
    def scales(self) -> np.ndarray: ...
    @property
    def shifts(self) -> np.ndarray: ...
    @property
    def knots(self) -> np.ndarray: ...


def pieces(knots_2M: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """A function that is straight between knots as a sum: (its value at 0, where pieces begin, their widths, slopes).

    f(p) = f(0) + Σ_j slope_j · min(max(p − x_j, 0), width_j): all terms have one sign, and none is large.
    """
    widths = np.diff(knots_2M[0])
    return float(knots_2M[1, 0]), knots_2M[0, :-1], widths, np.diff(knots_2M[1]) / widths


class Calibrated(nn.Module):
    """Logits B K to honest logits B K, whose softmax are the probabilities.

    >>> from types import SimpleNamespace
    >>> two = SimpleNamespace(temperature=2.0, scales=np.zeros(0), shifts=np.zeros(0), knots=np.zeros((2, 0)))
    >>> Calibrated(two)(torch.tensor([[4.0, 0.0]]))
    tensor([[2., 0.]])
    """

    def __init__(self, how: Calibration) -> None:
        super().__init__()
        self.temperature = how.temperature
        self.vector, self.curved = bool(len(how.scales)), bool(how.knots.shape[1])
        if self.vector:
            self.register_buffer("scales", torch.tensor(how.scales, dtype=torch.float32))
            self.register_buffer("shifts", torch.tensor(how.shifts, dtype=torch.float32))
        if self.curved:
            self.first, *parts = pieces(how.knots)
            for name, part in zip(("starts", "widths", "slopes"), parts, strict=True):
                self.register_buffer(name, torch.tensor(part, dtype=torch.float32))

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """B K -> B K, in the precision that comes."""
        if self.vector:
            return logits * self.scales.to(logits) + self.shifts.to(logits)  # type: ignore[operator]
        scaled = logits / self.temperature
        if not self.curved:
            return scaled
        starts, widths, slopes = (getattr(self, name).to(logits) for name in ("starts", "widths", "slopes"))
        inside = torch.minimum((torch.softmax(scaled, dim=1)[..., None] - starts).clamp(min=0), widths)
        return torch.log((inside * slopes).sum(dim=-1) + self.first)
