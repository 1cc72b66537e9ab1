"""Chapter 14, series: a forecast and its errors, a moving average, and what dropout says."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hubel.book.bench import fit, scores
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.plots import Bars, Lines
from hubel.book.verdicts import more_in_mean, together
from hubel.metrics.roc import auroc
from hubel.runtime.seeds import seeded


class Forecast(nn.Module):
    """The next value of a series from the 32 before it: a recurrent net with dropout. B 32 -> B 1."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(1, 24, batch_first=True)
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(24, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The value that follows."""
        return self.head(self.drop(self.gru(x[..., None])[0][:, -1]))


def series(length: int, seed: int, *, odd: bool) -> tuple[np.ndarray, np.ndarray]:
    """Two waves and noise; `odd`: with bumps, stuck values and a faster wave in places, and where they are."""
    draw = np.random.RandomState(seed)
    t = np.arange(length)
    values = np.sin(2 * np.pi * t / 25) + 0.5 * np.sin(2 * np.pi * t / 60 + 1) + 0.1 * draw.randn(length)
    where = np.zeros(length, dtype=bool)
    for place in range(80, length - 60, 120) if odd else ():
        here = slice(place + draw.randint(40), 0)
        here = slice(here.start, here.start + 15)
        kind = (place // 120) % 3
        if kind == 0:
            values[here] += 1.2 * np.hanning(15)
        elif kind == 1:
            values[here] = values[here.start]
        else:
            values[here] = np.sin(2 * np.pi * t[here] / 9) + 0.1 * draw.randn(15)
        where[here] = True
    return values.astype(np.float32), where


def _windows(values: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    whole = torch.from_numpy(values).unfold(0, 33, 1)
    return whole[:, :32].contiguous(), whole[:, 32:].contiguous()


def forecasting(budget: Budget) -> Outcome:
    """Errors of a forecast, smoothed; a moving average; and what dropout at test time says."""
    found: dict[str, list[float]] = {"forecast": [], "moving average": [], "spread": [], "error over spread": []}
    for seed in range(budget.seeds):
        x, y = _windows(series(2000, 2 * seed, odd=False)[0])
        values, where = series(1500, 2 * seed + 1, odd=True)
        test_x, test_y = _windows(values)
        truth = where[32:]
        with seeded(175, seed):
            net = Forecast()
        fit(net, x, y, steps=budget.steps, seed=seed, batch=64, lr=5e-3, loss=F.mse_loss)
        error = (scores(net, test_x) - test_y).abs()[:, 0].numpy()
        with seeded(176, seed), torch.no_grad():
            net.train()
            several = torch.stack([net(test_x)[:, 0] for _ in range(20)]).numpy()
            net.eval()
        even = np.ones(9) / 9
        given = {
            "forecast": np.convolve(error, even, "same"),
            "moving average": np.convolve(np.abs(test_y[:, 0].numpy() - test_x.mean(1).numpy()), even, "same"),
            "spread": several.std(0),
            "error over spread": np.convolve(error / (several.std(0) + 1e-3), even, "same"),
        }
        for name, each in given.items():
            found[name].append(auroc(each, truth)[0])
    gain = [a - b for a, b in zip(found["forecast"], found["moving average"], strict=True)]
    mean = {name: float(np.mean(each)) for name, each in found.items()}
    part = slice(180, 480)
    return Outcome(
        {
            "E175": together([more_in_mean([a - 0.85 for a in found["forecast"]],
                                           f"area under the curve {mean['forecast']:.3f} by the forecast's smoothed "
                                           "error, less 0.85"),
                              more_in_mean(gain, "less that of a moving average")]),
            "E176": more_in_mean([a - 0.6 for a in found["spread"]], f"area {mean['spread']:.3f} by the spread of 20 "
                                 f"passes alone ({mean['error over spread']:.3f} by error over spread), less 0.6"),
        },
        (Lines("A series and the scores of its last run", list(range(300)),
               {"series": test_y[part, 0].tolist(), "smoothed error": given["forecast"][part].tolist(),
                "spread": given["spread"][part].tolist()}, "time", steep=False),
         Bars("Area under the curve", mean)),
        f"Two waves and noise; 15 of about 120 values are a bump, stuck, or a faster wave. {budget.steps} steps on a "
        f"normal series, {budget.seeds} seeds.",
    )  # fmt: skip


EXPERIMENTS = (
    Experiment("14.3", "Series", ("E175", "E176"), "A recurrent net of 24 units with dropout forecasts two waves; "
               "bumps, stuck values and a faster wave are strange.", forecasting, Budget(60, seeds=5, steps=400),
               Budget(8, seeds=3, steps=80), "the area is above 0.85 and above the moving average's; spread alone "
               "above 0.6, by mean and t"),
)  # fmt: skip
