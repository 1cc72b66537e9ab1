"""What a net drops: every rate of drop-out it has, and a net that drops while it answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from hubel.nn.modes import evaluating

NAMES = ("dropout", "drop_path", "drop_prob", "probability")
"""What modules other than torch's own drop-outs call their rate."""


def dropout_rates(model: nn.Module) -> list[tuple[nn.Module, str, float]]:
    """Every rate above 0 at which `model` drops something: (module, its attribute, the rate).

    >>> [(name, rate) for _, name, rate in dropout_rates(nn.Sequential(nn.Dropout(0.5), nn.LSTM(2, 2, 2, dropout=0.1)))]
    [('p', 0.5), ('dropout', 0.1)]
    """
    found = []
    for module in model.modules():
        for name in ("p",) if isinstance(module, _DropoutNd) else NAMES:
            rate = vars(module).get(name)
            if isinstance(rate, float) and rate > 0:
                found.append((module, name, rate))
    return found


@contextmanager
def dropping(model: nn.Module) -> Iterator[nn.Module]:
    """As `hubel.nn.modes.evaluating`, but that what drops goes on dropping; statistics of batches stay as they are.

    >>> net = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.5))
    >>> with dropping(net):
    ...     net[0].training, net[1].training
    (False, True)
    """
    with evaluating(model):
        for module, _, _ in dropout_rates(model):
            module.training = True  # its own flag alone: what lies inside it may hold statistics
        yield model
