"""Drop-out in a window of training only: early, late, or anything between.

    active(t) = a · T <= t < b · T            t step, T steps of the whole run, (a, b) the window as shares of it

Early drop-out (0 to b) keeps the first gradients of all batches closer together and lets a small net fit better
afterwards; late drop-out (a to 1) is the regulariser for nets that overfit, out of the way while they learn the coarse
things (Z. Liu et al., Dropout Reduces Underfitting, ICML 2023, arXiv 2303.01500). What is switched is every rate a net
has: drop-out of all kinds, that of recurrent and attention layers, and drop-path. As a function of the step it needs
no place in a saved state, and a resumed run has the same bits.
"""

from __future__ import annotations

from torch import nn

from hubel.errors import UsageError
from hubel.nn.dropping import dropout_rates

__all__ = ["DropoutWindow"]


class DropoutWindow:
    """Switches the drop-out of `model` on inside a window of shares of `steps` steps, and off outside.

    Raises UsageError if the net drops nothing.

    >>> net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.3))
    >>> window = DropoutWindow(net, (0.5, 1.0), steps=10)
    >>> [window.at(step) and net[1].p for step in (0, 4, 5, 9)]
    [False, False, 0.3, 0.3]
    >>> window.at(0), net[1].p
    (False, 0.0)
    """

    def __init__(self, model: nn.Module, window: tuple[float, float], *, steps: int) -> None:
        self.rates = dropout_rates(model)
        if not self.rates:
            raise UsageError(
                f"dropout_window needs a net that drops something, {type(model).__name__} has no drop-out above 0",
                hint="give it some (--dropout 0.2), or leave --dropout-window out",
            )
        self.first, self.end = round(window[0] * steps), round(window[1] * steps)

    def at(self, step: int) -> bool:
        """Make the rates what they must be at `step`; whether anything is dropped there."""
        active = self.first <= step < self.end
        for module, name, rate in self.rates:
            setattr(module, name, rate if active else 0.0)
        return active
