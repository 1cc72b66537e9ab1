"""Leave the model as you found it: a context that switches to evaluation mode and restores every module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """Evaluation mode inside the block; afterwards each module has its own mode back, also after an exception.

    Restoring only the root's flag would wake up layers that were frozen in evaluation mode on purpose.

    >>> net = nn.Sequential(nn.Dropout(), nn.BatchNorm2d(3).eval())
    >>> with evaluating(net):
    ...     net[0].training
    False
    >>> net[0].training, net[1].training
    (True, False)
    """
    with _mode(model, training=False):
        yield model


@contextmanager
def training(model: nn.Module) -> Iterator[nn.Module]:
    """Training mode inside the block; restores like `evaluating`."""
    with _mode(model, training=True):
        yield model


@contextmanager
def _mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    before = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, flag in before:
            module.training = flag


@contextmanager
def frozen(model: nn.Module) -> Iterator[nn.Module]:
    """No parameter asks for a gradient inside the block; afterwards each has its own flag back.

    >>> net = nn.Linear(2, 2)
    >>> with frozen(net):
    ...     net.weight.requires_grad
    False
    >>> net.weight.requires_grad
    True
    """
    before = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    for parameter, _ in before:
        parameter.requires_grad_(False)
    try:
        yield model
    finally:
        for parameter, flag in before:
            parameter.requires_grad_(flag)
