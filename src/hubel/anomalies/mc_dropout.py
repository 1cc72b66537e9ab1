"""A net that foretells the next step with drop-out left on, and a window: strange is where it errs or does not agree.

A GRU and two dense layers, units dropped before each of these, when it learns and when it is asked (Gal and Ghahramani,
arXiv:1506.02142). Asked several times with other units dropped, it says several next steps: how far their mean is off,
and how far they lie apart, are two signs of one thing (Zhu and Laptev, arXiv:1709.01907). Their squares, each by its
usual size, are averaged over a moving window of steps. Which units are dropped is drawn once and kept, so that the same
series gets the same scores.

Letters: B series, F features, T steps, K numbers that are foretold, U units, P passes, W steps of a window.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from hubel.anomalies.foretelling import loss_of_steps, pieces_of
from hubel.anomalies.settings import Settings, State
from hubel.anomalies.training import filled, fresh, learn, weights_of
from hubel.metrics.surprise import limit_of
from hubel.nn.modes import evaluating
from hubel.watching import Watcher

UNITS = 48
"""Of the GRU, and of the dense layer behind it."""
DROPPED = 0.2
"""Share of the units that a pass does without."""
PASSES = 16


class DropoutNet(nn.Module):
    """Series B F+1 T, whose last row is 1, to what is said after each step.

    >>> DropoutNet(3, 2).passes(torch.ones(3, 7)).shape
    torch.Size([16, 7, 2])
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.reader = nn.GRU(inputs, UNITS, batch_first=True)
        self.dense = nn.Linear(UNITS, UNITS)
        self.head = nn.Linear(UNITS, outputs)
        self.register_buffer("kept", torch.ones(2, PASSES, 1, UNITS))

    def forward(self, series: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        """B T K of series B F+1 T, where `kept`, 2 B 1 U, says of both layers which units are."""
        return self._said(self.reader(series.transpose(1, 2))[0], kept)

    def passes(self, series: torch.Tensor) -> torch.Tensor:
        """P T K: what is said of one series F+1 T in each pass."""
        # Without the axis of one series, and a pass at a time: exporters would burn the number of steps in.
        read = self.reader(series.T[None])[0][0]
        return torch.stack([self._said(read, self.get_buffer("kept")[:, one]) for one in range(PASSES)])

    def _said(self, states: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.head(torch.relu(self.dense(states * kept[0])) * kept[1]))


def drawn(count: int, draw: torch.Generator) -> torch.Tensor:
    """2 B 1 U: 0 where a unit is dropped, and what keeps the mean elsewhere."""
    return (torch.rand(2, count, 1, UNITS, generator=draw) >= DROPPED).float() / (1 - DROPPED)


def learn_dropout(
    train: Sequence[np.ndarray], held: Sequence[np.ndarray], places: Sequence[int], settings: Settings, *, window: int,
    rate: float, watch: Watcher,
) -> tuple[State, float]:  # fmt: skip
    """(what tells strange steps, seconds), from scaled series F+1 T of normal steps to learn from and others that are
    held out for the usual sizes and the threshold, which a share `rate` of them passes. `places` are the K rows that
    are foretold, in which 0 stands for what is not known.
    """
    began = time.perf_counter()
    inputs, wanted = pieces_of(train), list(places)

    def loss(net: nn.Module, batch: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
        kept = drawn(len(batch), draw).to(batch.device)
        return loss_of_steps(net(batch, kept), batch, wanted)

    net = fresh(lambda: DropoutNet(inputs.shape[1], len(wanted)), settings.seed)
    learn(net, inputs, loss, settings, watch)
    net.get_buffer("kept").copy_(drawn(PASSES, torch.Generator().manual_seed(settings.seed)))
    state = weights_of(net) | {"error": np.ones(len(wanted)), "spread": np.ones(len(wanted)), "limit": np.ones(1)}
    told = [_told(state, one, len(wanted), window, settings.device) for one in held]
    truth = [_known(one, wanted) for one in held]
    errors = np.concatenate([said[:-1] - one[1:] for (said, _), one in zip(told, truth, strict=True)])
    spreads = np.concatenate([apart[:-1] for _, apart in told])
    for name, parts in (("error", errors), ("spread", spreads)):
        some = np.where(np.isfinite(parts), parts, 0)
        count = np.maximum(np.isfinite(parts).sum(axis=0), 1)
        state[name] = np.maximum(np.sqrt(np.square(some).sum(axis=0) / count), 1e-6)
    scores = [surprise(state, one, *said, window) for one, said in zip(truth, told, strict=True)]
    state["limit"] = np.array([limit_of(np.concatenate(scores), rate)])
    return state, time.perf_counter() - began


def judge_dropout(state: State, scaled: np.ndarray, places: Sequence[int], window: int, device: str) -> np.ndarray:
    """T scores of one scaled series F+1 T, in which 1 is the threshold; NaN where a step cannot be judged."""
    return surprise(state, _known(scaled, places), *_told(state, scaled, len(places), window, device), window)


def surprise(state: State, series: np.ndarray, said: np.ndarray, spread: np.ndarray, window: int) -> np.ndarray:
    """T scores of a series T K from the mean and the deviation of what the passes said after each step, T K each.

    NaN before a whole window of steps was foretold, and where none of its numbers is known.

    >>> state = {"error": np.ones(1), "spread": np.ones(1), "limit": np.ones(1)}
    >>> series = np.array([[0.0], [0.0], [2.0], [0.0]])
    >>> surprise(state, series, np.zeros((4, 1)), np.full((4, 1), 2.0), 2).round(3).tolist()
    [nan, nan, nan, 1.732]
    """
    found = np.full(len(series), np.nan)
    if len(series) < 2 * window:
        return found
    parts = (np.square((said[:-1] - series[1:]) / state["error"]) + np.square(spread[:-1] / state["spread"])) / 2
    asked = np.isfinite(parts)
    views = np.lib.stride_tricks.sliding_window_view
    sums, counts = (
        views(one[window - 1 :].sum(axis=1), window).sum(axis=1) for one in (np.where(asked, parts, 0.0), asked)
    )
    found[2 * window - 1 :] = np.where(counts > 0, np.sqrt(sums / np.maximum(counts, 1)), np.nan)
    return np.asarray(found / state["limit"][0])


def opened(state: State, inputs: int, outputs: int, device: str = "cpu") -> DropoutNet:
    """The net again. Raises RuntimeError where what was learnt is of another one."""
    net = filled(DropoutNet(inputs, outputs), state, device)
    assert isinstance(net, DropoutNet)
    return net


def _told(state: State, scaled: np.ndarray, outputs: int, window: int, device: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation T K of what the passes say after each step of a series F+1 T; NaN before a window was read."""
    net = opened(state, len(scaled), outputs, device)
    with evaluating(net), torch.inference_mode():
        said = net.passes(torch.from_numpy(scaled).to(device)).double()
        both = said.mean(dim=0).cpu().numpy(), said.std(dim=0, correction=0).cpu().numpy()
    for one in both:
        one[: window - 1] = np.nan
    return both


def _known(scaled: np.ndarray, places: Sequence[int]) -> np.ndarray:
    """T K of a scaled series F+1 T: NaN where the mean, exactly, stands for what is not known."""
    rows = scaled[list(places)].T.astype(np.float64)
    return np.where(rows == 0, np.nan, rows)
