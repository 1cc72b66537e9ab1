"""Recurrent nets that read a picture row by row, as one reads a page, and answer after the last row.

    name       cell                                                        parameters (28x28, K = 10)
    rnn_rows   h' = tanh(W x + U h + b)            Elman 1990              20,224 + 1,290 =  21,514
    lstm_rows  input, forget, output gate          Hochreiter, Schmidhuber 80,896 + 1,290 =  82,186
    gru_rows   reset and update gate               Cho et al. 2014         60,672 + 1,290 =  61,962

Letters: B batch, T steps (of a picture H, one row each), F features of a step (of a row C·W), D units, K classes.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from hubel.errors import UsageError

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class Reader(nn.Module):
    """Rows B T F -> states after each row, B T D."""

    def __init__(self, cell: str, features: int, units: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.cell = CELLS[cell](features, units, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        for name, weight in self.cell.named_parameters():
            if name.startswith("weight_hh"):
                for gate in weight.detach().split(units):
                    nn.init.orthogonal_(gate)  # keeps what is remembered at its length, step after step
            if name.startswith("bias_ih") and cell == "lstm":
                weight.detach()[units : 2 * units] = 1.0  # forget nothing at first (Jozefowicz et al. 2015)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        states, _ = self.cell(rows)
        return states


class RowNet(nn.Module):
    """Pictures B C H W -> logits B K, from the state after the last row; any height fits. Series B F T, too, whose last
    feature is 1 up to their end (`hubel.data.series`)."""

    stages = ("reader",)
    head = "classify"

    def __init__(
        self, cell: str, num_classes: int, in_chans: int, width: int, *, units: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.reader = Reader(cell, in_chans * width, units, layers, dropout)
        self.classify = nn.Linear(units, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classify(at_the_end(self.reader(rows_of(images)), images))

    def steps(self, images: torch.Tensor) -> torch.Tensor:
        """Answers after every step, B T K: none of them knows what comes later, nor what stands behind the end."""
        return self.classify(self.reader(rows_of(images)))


def rows_of(images: torch.Tensor) -> torch.Tensor:
    """Pictures B C H W row by row, or series B F T step by step: B T F."""
    return images.permute(0, 2, 1, 3).flatten(2) if images.ndim == 4 else images.transpose(1, 2)


def at_the_end(states: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Of states B T D those after the last row of pictures B C H W, or where each of series B F T ends: B D."""
    if images.ndim == 4:
        return states[:, -1]
    last = images[:, -1].sum(1).long().clamp_min(1) - 1
    return states[torch.arange(len(states), device=states.device), last]


def rows(
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int, int],
    cell: str,
    units: int = 128,
    layers: int = 1,
    dropout: float = 0.0,
) -> RowNet:
    """A net of `layers` recurrent layers of `units` units; `dropout` acts between the layers."""
    if cell not in CELLS:
        raise UsageError(f"cell must be rnn, lstm or gru, got {cell!r}", hint="--model lstm_rows is the usual one")
    return RowNet(cell, num_classes, in_chans, img_size[1], units=units, layers=layers, dropout=dropout)


rnn_rows = partial(rows, cell="rnn")
lstm_rows = partial(rows, cell="lstm")
gru_rows = partial(rows, cell="gru")
