"""A net that foretells the next step: a GRU that learns from normal series, in seconds.

It reads all columns and says all numbers of the next step; `hubel.metrics.surprise` judges by how far it is off.
Letters: N pieces, F features, T steps, K numbers that are foretold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from hubel.anomalies.settings import Settings, State
from hubel.anomalies.training import filled, fresh, learn, weights_of
from hubel.data.series import padded
from hubel.models.architectures.recurrent import RowNet, rows
from hubel.nn.modes import evaluating
from hubel.nn.stepwise import StepLoss
from hubel.watching import Watcher

UNITS = 64
"""Of the GRU."""
PIECE = 100
"""Steps of a piece that is learnt from at once."""
MOST = 20_000
"""Pieces that are learnt from, evenly spread."""


def learn_to_foretell(
    series: Sequence[np.ndarray], places: Sequence[int], settings: Settings, watch: Watcher
) -> State:  # fmt: skip
    """What a net has learnt from scaled series F+1 T_n, whose last row is 1: arrays behind "net.". `places` are the K
    rows that it foretells.
    """
    inputs, wanted = pieces_of(series), list(places)

    def loss(net: torch.nn.Module, batch: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
        assert isinstance(net, RowNet)
        return loss_of_steps(net.steps(batch), batch, wanted)

    net = fresh(lambda: _net(inputs.shape[1], len(wanted)), settings.seed)
    learn(net, inputs, loss, settings, watch)
    return weights_of(net)


def pieces_of(series: Sequence[np.ndarray]) -> torch.Tensor:
    """N F+1 T: series F+1 T_n in pieces that are learnt from, 0 behind the end of one."""
    pieces = [
        one[:, start : start + PIECE]
        for one in series
        for start in range(0, max(1, one.shape[1] - 1), PIECE)
        if one.shape[1] - start > 1
    ]  # fmt: skip
    return torch.from_numpy(padded(pieces[:: -(-len(pieces) // MOST)], 0.0))


def loss_of_steps(said: torch.Tensor, batch: torch.Tensor, wanted: list[int]) -> torch.Tensor:
    """The mean squared error of what was said, N T K, of the next steps of pieces N F+1 T in the rows `wanted`."""
    truth = batch[:, wanted, 1:].transpose(1, 2)
    there = batch[:, -1, 1:].unsqueeze(2) > 0
    unknown = truth == 0  # the mean, exactly, stands for what is not known
    found: torch.Tensor = StepLoss("mse")(said[:, :-1], truth.masked_fill(~there | unknown, torch.nan))
    return found


def foreteller(state: State, features: int, outputs: int, device: str = "cpu") -> RowNet:
    """The net again. Raises RuntimeError where what was learnt is of another one."""
    net = filled(_net(features + 1, outputs), state, device)
    assert isinstance(net, RowNet)
    return net


def foretold(net: RowNet, scaled: np.ndarray) -> np.ndarray:
    """T K: what is said after each step of one scaled series F+1 T."""
    device = next(net.parameters()).device
    with evaluating(net), torch.inference_mode():
        said: np.ndarray = net.steps(torch.from_numpy(scaled[None]).to(device))[0].double().cpu().numpy()
    return said


def _net(inputs: int, outputs: int) -> RowNet:
    return rows(num_classes=outputs, in_chans=1, img_size=(1, inputs), cell="gru", units=UNITS)
