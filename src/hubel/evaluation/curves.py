"""What the learning curves say: under-fitting, over-fitting, unstable, still improving, or settled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hubel.words import percent, plural


@dataclass(frozen=True, slots=True)
class Verdict:
    """A reading of the curves: `kind` for programs, `sentence` and `advice` for people."""

    kind: str
    """One of: diverged, unstable, overfitting, underfitting, improving, settled, unknown."""
    sentence: str
    advice: str

    def __str__(self) -> str:
        return f"{self.sentence} {self.advice}".strip()


def diagnose_curves(history: Sequence[Mapping[str, object]], *, classes: int = 0) -> Verdict:
    """Read the epochs' rows (keys `train_loss`, `val_loss`, and `train_accuracy`, `val_accuracy` where known).

    `classes`: K, so that accuracy can be held against guessing; 0 where it is not known. Training loss is measured with
    dropout and augmentation switched on, so it may well lie above the validation loss; only the opposite is a sign.

    >>> falling = [{"train_loss": 1 / e, "val_loss": 1 / e if e < 4 else e / 12} for e in range(1, 11)]
    >>> diagnose_curves(falling).kind
    'overfitting'
    """
    train, val = _column(history, "train_loss"), _column(history, "val_loss")
    # A validation loss that is NaN is one that was not measured; a training loss that is NaN was lost.
    if any(value is not None and not math.isfinite(value) for value in train) or math.inf in val:
        return Verdict(
            "diverged",
            "The loss became infinite: training diverged.",
            "Lower the learning rate, add warm-up, or clip the gradient.",
        )
    pairs = [
        (i, t, v)
        for i, (t, v) in enumerate(zip(train, val, strict=True))
        if t is not None and v is not None and not math.isnan(v)
    ]
    if len(pairs) < 3:
        return Verdict("unknown", "Too few epochs with a validation loss to judge the curves.", "")

    best_at, _, best_val = min(pairs, key=lambda pair: pair[2])
    last_at, last_train, last_val = pairs[-1]
    first_train = pairs[0][1]
    since_best = last_at - best_at
    train_acc, val_acc = _last(history, "train_accuracy"), _last(history, "val_accuracy")
    train_at_best = next(t for i, t, _ in pairs if i == best_at)

    if since_best >= 2 and last_val > 1.1 * best_val and last_train < train_at_best:
        return Verdict(
            "overfitting",
            f"The net is learning the training data by heart: the validation loss was lowest after epoch {best_at + 1} "
            f"({best_val:.3f}) and rose to {last_val:.3f} while the training loss kept falling to {last_train:.3f}.",
            "Stop earlier, augment more, raise weight decay or dropout, or collect more data.",
        )
    if train_acc is not None and val_acc is not None and train_acc - val_acc > 0.1:
        return Verdict(
            "overfitting",
            f"The net knows the training data much better than new data: {percent(train_acc, 1)} against "
            f"{percent(val_acc, 1)}.",
            "Augment more, raise weight decay or dropout, take a smaller net, or collect more data.",
        )
    if last_train > 0.9 * first_train and (not classes or last_train > 0.8 * math.log(classes)):
        return Verdict(
            "underfitting",
            f"The net hardly learns: the training loss went from {first_train:.3f} to {last_train:.3f}.",
            "Try another learning rate, a larger net, more epochs, less augmentation; and look at the labels.",
        )
    jumps = sum(later > 1.5 * earlier for (_, _, earlier), (_, _, later) in pairwise(pairs))
    if jumps >= max(2, len(pairs) // 5):
        return Verdict(
            "unstable",
            f"The validation loss jumps: it rose by half or more between epochs {plural(jumps, 'time')}.",
            "Lower the learning rate, add warm-up, or take larger batches.",
        )
    back = max(1, len(pairs) // 5)
    earlier = min(v for _, _, v in pairs[:-back])
    recent = min(v for _, _, v in pairs[-back:])
    # Every schedule that anneals ends with a small fall; a tenth in the last fifth of the epochs is more than that.
    if recent < 0.9 * earlier and recent > 0.01:
        return Verdict(
            "improving",
            f"The validation loss was still falling at the end: from {earlier:.3f} to {recent:.3f} in the last "
            f"{'epoch' if back == 1 else plural(back, 'epoch')}.",
            "More epochs would probably help.",
        )
    # Of a loss that is nearly nothing, half as much again is still nothing.
    if last_val > 1.5 * best_val and last_val - best_val > 0.1 * abs(pairs[0][2]):
        return Verdict(
            "unstable",
            f"The validation loss was lowest after epoch {best_at + 1} ({best_val:.3f}) and is {last_val:.3f} "
            "at the end.",
            "Lower the learning rate, or keep more samples for validation: with few of them it jumps by itself.",
        )
    if train_acc is not None and val_acc is not None and max(train_acc, val_acc) < 0.7 and classes >= 2:
        return Verdict(
            "underfitting",
            f"Training has settled, but also on the training data only {percent(train_acc, 1)} are right.",
            "A larger net, larger pictures or less regularisation may help.",
        )
    return Verdict("settled", "The curves have settled: training and validation agree and change little.", "")


def _column(history: Sequence[Mapping[str, object]], name: str) -> list[float | None]:
    values = (row.get(name) for row in history)
    return [float(value) if isinstance(value, (int, float)) else None for value in values]


def _last(history: Sequence[Mapping[str, object]], name: str) -> float | None:
    known = [value for value in _column(history, name) if value is not None]
    return known[-1] if known else None
