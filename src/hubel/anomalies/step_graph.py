"""The score of a detector of steps as one net of PyTorch, for exporters: a series in its own units in, a score a step.

Letters: T steps, F features as the detector's columns name them, K of them that are numbers, W steps of a window.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hubel.anomalies.foretelling import foreteller
from hubel.anomalies.mc_dropout import opened
from hubel.anomalies.steps import StepDetector
from hubel.metrics.surprise import METHODS, NEAR

LENGTHS = (3, 5, 9)
"""Windows that generated series hold."""


class StepScore(nn.Module):
    """One series T F float32, NaN where a number is not known, to scores T float32 of the detector's first method: 1 is
    the threshold, NaN where a step cannot be judged. Of words a column is 1 where it is there and 0 elsewhere.

    T must be at least `StepDetector.least`.
    """

    def __init__(self, detector: StepDetector) -> None:
        super().__init__()
        columns = detector.columns
        self.name, self.window = detector.methods[0], detector.window
        features, self.places = columns.features, detector.places
        scale = [(column.mean, column.std) for column in columns.columns for _ in range(column.width)]
        self.register_buffer("mean_of", torch.tensor([mean for mean, _ in scale], dtype=torch.float64))
        self.register_buffer("std_of", torch.tensor([std for _, std in scale], dtype=torch.float64))
        self.net = foreteller(detector.net, len(features), len(self.places)) if self.name == "recurrent" else None
        self.doubtful = (
            opened(detector.dropout, len(features) + 1, len(self.places)) if self.name == "dropout" else None
        )
        if self.doubtful is not None:
            self.limit = float(detector.dropout["limit"][0])
            for key in ("error", "spread"):
                self.register_buffer(key, torch.from_numpy(np.array(detector.dropout[key])))
            return
        self.limit = float(detector.arrays["limits"][METHODS.index(self.name)])
        kept = {"recurrent": ("spread",), "pca": ("mean", "directions"), "knn": ("bank",), "average": ()}[self.name]
        for key in kept:
            self.register_buffer(key, torch.from_numpy(np.array(detector.arrays[key])).double())

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        """Scores."""
        plain = (steps.double() - self.get_buffer("mean_of")) / self.get_buffer("std_of")
        scaled = torch.where(torch.isfinite(plain), plain, 0.0).float()
        series = scaled[:, self.places].double()
        if self.net is not None:
            return (self._foretold(scaled, series) / self.limit).float()
        if self.doubtful is not None:
            return self._doubted(scaled, series)
        if self.name == "average":
            before = series.unfold(0, self.window, 1)[:-1].mean(2)
            return self._behind(self.window, (series[self.window :] - before).square().mean(1).sqrt())
        windows = series.unfold(0, self.window, 1).flatten(1)
        if self.name == "pca":
            away, directions = windows - self.get_buffer("mean"), self.get_buffer("directions")
            rest = away - away @ directions.T @ directions
            return self._behind(self.window - 1, rest.square().mean(1).sqrt())
        bank = self.get_buffer("bank")
        apart = windows.square().sum(1, keepdim=True) + bank.square().sum(1) - 2 * windows @ bank.T
        near = apart.clamp(min=0).topk(min(NEAR, len(bank)), dim=1, largest=False).values.sqrt().mean(1)
        return self._behind(self.window - 1, near / math.sqrt(bank.shape[1]))

    def _foretold(self, scaled: torch.Tensor, series: torch.Tensor) -> torch.Tensor:
        assert self.net is not None
        there = torch.cat([scaled, torch.ones_like(scaled[:, :1])], dim=1)
        read = self.net.reader(there[None])[0]  # without the axis of one series, which the exporter would burn in
        told = self.net.classify(read).double()
        known = series[1:] != 0  # the mean, exactly, stands for what is not known
        parts = ((told[:-1] - series[1:]) / self.get_buffer("spread")).square() * known
        count = known.double().sum(1)
        errors = torch.where(count > 0, (parts.sum(1) / count.clamp(min=1)).sqrt(), torch.nan)
        return torch.cat([torch.full_like(series[: self.window, 0], torch.nan), errors[self.window - 1 :]])

    def _doubted(self, scaled: torch.Tensor, series: torch.Tensor) -> torch.Tensor:
        assert self.doubtful is not None
        there = torch.cat([scaled, torch.ones_like(scaled[:, :1])], dim=1)
        said = self.doubtful.passes(there.T).double()[:, self.window - 1 : -1]
        truth = series[self.window :]
        errors, apart = (said.mean(0) - truth) / self.get_buffer("error"), said.var(0, correction=0).sqrt()
        known = truth != 0
        parts = (errors.square() + (apart / self.get_buffer("spread")).square()) / 2 * known
        # By sums from the beginning on, as windows taken apart would burn the number of steps in.
        ends = [functional.pad(each.double().sum(1).cumsum(0), (1, 0)) for each in (parts, known)]
        sums, counts = (each[self.window :] - each[: -self.window] for each in ends)
        scores = torch.where(counts > 0, (sums / counts.clamp(min=1)).sqrt(), torch.nan)
        return self._behind(2 * self.window - 1, scores)

    def _behind(self, first: int, scores: torch.Tensor) -> torch.Tensor:
        """Scores behind so many steps that cannot be judged."""
        return torch.cat([scores.new_full((first,), torch.nan), scores / self.limit]).float()


def generated_series(detector: StepDetector) -> list[np.ndarray]:
    """Series T F float32 such as a detector may see, in its units: walks, waves and jumps, some numbers not known."""
    draw = np.random.default_rng(0)
    found = []
    for windows in LENGTHS:
        count = windows * max(detector.window, 4) + windows
        parts = []
        for column in detector.columns.columns:
            if column.words:
                parts.append(np.eye(column.width)[draw.integers(0, column.width, count)])
                continue
            noise = draw.normal(size=count)
            line = np.sin(0.7 * np.arange(count)) + 0.3 * noise if windows % 2 else 0.3 * np.cumsum(noise)
            line[count // 2 :] += 4 * (draw.random() < 0.5)
            line[draw.random(count) < 0.03] = np.nan
            parts.append((column.mean + column.std * line)[:, None])
        found.append(np.concatenate(parts, axis=1).astype(np.float32))
    return found
