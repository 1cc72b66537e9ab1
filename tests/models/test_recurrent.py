"""Nets that read a picture row by row."""

from __future__ import annotations

import pytest
import torch

from hubel.models import create_model
from hubel.models.cards.recurrent import CARDS


@pytest.mark.parametrize("entry", CARDS, ids=lambda entry: entry.name)
def test_counts_are_those_of_the_equations(entry: object) -> None:
    gates = {"rnn_rows": 1, "gru_rows": 3, "lstm_rows": 4}[entry.name]
    by_hand = gates * (28 * 128 + 128 * 128 + 2 * 128) + 128 * 10 + 10
    net = create_model(entry.name, in_chans=1)
    assert sum(p.numel() for p in net.parameters()) == by_hand == entry.params


def test_the_plain_cell_is_elmans_equation_row_after_row() -> None:
    net = create_model("rnn_rows", num_classes=3, in_chans=2, img_size=(5, 4), units=6)
    images = torch.randn(2, 2, 5, 4)
    w, u, b, c = (
        getattr(net.reader.cell, name) for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    )
    state = torch.zeros(2, 6)
    for row in range(5):
        x = images[:, :, row].flatten(1)  # both channels of one row
        state = torch.tanh(x @ w.T + b + state @ u.T + c)
    assert torch.allclose(net(images), net.classify(state), atol=1e-6)


def test_later_rows_are_heard_and_any_height_fits() -> None:
    net = create_model("gru_rows", in_chans=1).eval()
    images = torch.rand(1, 1, 28, 28)
    changed = images.clone()
    changed[:, :, -1] += 1
    assert not torch.allclose(net(images), net(changed))
    assert net(torch.rand(1, 1, 11, 28)).shape == (1, 10)


def test_an_lstm_starts_by_forgetting_nothing() -> None:
    bias = create_model("lstm_rows", in_chans=1).reader.cell.bias_ih_l0
    assert bias[128:256].eq(1).all()
    assert not bias[:128].eq(1).any()
