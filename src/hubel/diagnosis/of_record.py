"""Checks of what a run recorded: its curves while it runs, and its results when it is over."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from hubel.diagnosis.checks import error, examines, found, note, warning
from hubel.diagnosis.finding import Finding
from hubel.diagnosis.nearness import relabelled
from hubel.diagnosis.record import Record
from hubel.events import SCORES
from hubel.words import percent

SCALING = 20
"""Steps in which a scaler finds its scale, and leaves them out."""
SETTLED = 5
"""Epochs after which a net should know more than the commonest class."""


@examines(
    "during",
    error("stopped-not-finite", "during", "the run stopped since a loss or gradient was not finite"),
    warning("many-steps-left-out", "during", "more than a twentieth of the steps were not finite and left out"),
    warning("scaler-skips", "during", "fp16: more than a twentieth of the steps overflow and are left out"),
    warning("loss-rises", "during", "the training loss rises far above where it began"),
    warning("never-learns", "during", "after five epochs the training loss is where it began"),
    warning("oscillates", "during", "the training loss goes up and down by half of its size"),
    warning("forgets", "during", "validation gets worse while training gets better: overfitting that costs accuracy"),
    warning("rate-was-nothing", "during", "the rate was nothing for more than a fifth of the run"),
)
def read_curves(record: Record) -> Iterator[Finding]:
    """The curves of the epochs so far."""
    losses = record.column("train_loss")
    where = f"hubel runs show {record.name}" if record.name else "the curves of this run"
    rate = record.lr
    lower = {"lr": rate / 10} if rate else {}
    less = f"--lr {rate / 10:.2g}" if rate else "a tenth of the learning rate"
    reason = str(record.summary.get("reason", ""))
    if (record.summary.get("status") == "stopped" and "not finite" in reason) or any(
        not math.isfinite(x) for x in losses
    ):
        yield found(
            "stopped-not-finite", "the loss or a gradient was not finite, and the run stopped", epochs=len(losses),
            lr=rate or 0.0, mend=f"{less}, or --clip-grad 1", settings=lower, shown=where,
        )  # fmt: skip
        return
    whole = record.steps * max(1, len(losses))
    if record.skipped > 0.05 * max(1, whole) and record.skipped > 2:
        yield found(
            "many-steps-left-out", f"{record.skipped} steps were not finite and left out", left_out=record.skipped,
            of=whole, mend=f"{less}, or --precision fp32", settings=lower, shown=where,
        )  # fmt: skip
    if sum(record.overflows) > max(SCALING, 0.05 * whole):
        yield found(
            "scaler-skips", f"{sum(record.overflows)} steps overflowed in fp16 and were left out",
            left_out=sum(record.overflows), of=whole, mend="--precision bf16, or --clip-grad 1",
            settings={"precision": "bf16"}, shown=where,
        )  # fmt: skip
    if len(losses) < 2:
        return
    first, last, lowest = losses[0], losses[-1], min(losses)
    if last > 2 * first > 0 or (last > 3 * lowest > 0 and last > first):
        yield found(
            "loss-rises", f"the training loss rises from {lowest:.3g} to {last:.3g}", first=first, lowest=lowest,
            last=last, lr=rate or 0.0, mend=less, settings=lower, shown=where,
        )  # fmt: skip
        return
    yield from _standing(record, losses, lower, less, where)
    yield from _validation(record, losses, where)
    rates = record.column("lr")
    if len(rates) >= 5 and max(rates) > 0:
        low = [one < 1e-4 * max(rates) for one in rates]
        if sum(low) > 0.2 * len(low) and low[-1]:
            yield found(
                "rate-was-nothing", f"the rate was nothing in {sum(low)} of {len(low)} epochs", peak=max(rates),
                epochs_without=sum(low), mend=f"--epochs {len(low) - sum(low)}, or another --schedule",
                settings={"epochs": len(low) - sum(low)}, shown=where,
            )  # fmt: skip


def _standing(record: Record, losses: list[float], lower: dict[str, float], less: str, where: str) -> Iterator[Finding]:
    """Losses that stand still, or swing."""
    rate = record.lr or 0.0
    accuracies = record.column("train_accuracy")
    gained = accuracies[-1] - accuracies[0] if accuracies else 0.0
    if len(losses) >= SETTLED and min(losses) > 0.99 * losses[0] > 0 and gained < 0.02:
        moves = max(losses) / min(losses) - 1
        more = f"--lr {rate * 100:.2g}" if rate else "a larger learning rate"
        yield found(
            "never-learns", f"after {len(losses)} epochs the training loss is {losses[-1]:.3g}, as it was",
            first=losses[0], last=losses[-1], moved_by=moves, lr=rate,
            mend=f"{more if moves < 0.01 else less}; hubel probe DATA finds one, hubel doctor DATA looks further",
            settings={"lr": rate * (100 if moves < 0.01 else 0.1)} if rate else {}, shown=where,
        )  # fmt: skip
    if len(losses) >= 6:
        steps = [b - a for a, b in pairwise(losses)]
        turns = sum(x * y < 0 for x, y in pairwise(steps)) / (len(steps) - 1)
        swing = float(np.median(np.abs(steps)))
        if turns > 0.6 and swing > 0.25 * float(np.median(losses)) > 0 and losses[-1] > 0.3 * losses[0]:
            yield found(
                "oscillates",
                f"the training loss swings by {percent(swing / float(np.median(losses)), 0)} from epoch to epoch",
                swing=swing, turns=turns, lr=rate, mend=less, settings=lower, shown=where,
            )  # fmt: skip


def _validation(record: Record, losses: list[float], where: str) -> Iterator[Finding]:
    val = record.column("val_accuracy")
    if len(val) < 6:
        return
    best = int(np.argmax(val))
    samples = max(1, int(record.samples.get("val", 0)) or 100)
    noise = 2 * math.sqrt(max(1e-4, val[best] * (1 - val[best])) / samples)
    recent = float(np.median(val[-3:]))
    if best < len(val) / 2 and val[best] - recent > max(0.05, 2 * noise) and losses[-1] < losses[best]:
        yield found(
            "forgets", f"validation was best in epoch {best + 1}, and has lost {100 * (val[best] - recent):.0f} points",
            best=val[best], recent=recent, train_loss_then=losses[best], train_loss_now=losses[-1],
            mend="--patience 5, or more augmentation and --weight-decay", settings={"patience": 5}, shown=where,
        )  # fmt: skip


@examines(
    "after",
    error("answers-changed", "after", "the weights do not load, or do not answer as when they were saved"),
    error("best-epoch-wrong", "after", "the epoch that was kept is not the best"),
    error("below-majority", "after", "a trained net is no better than naming the commonest class"),
    error("labels-renumbered", "after", "answers fit the labels far better under other numbers"),
    warning("class-never-named", "after", "a class that is never named", symptom=True),
    warning("test-far-below", "after", "the test is far below validation"),
    note("small-validation", "after", "too few validation samples to tell epochs or nets apart"),
    note("still-learning", "after", "the run ended while it was still getting better"),
)
def read_results(record: Record) -> Iterator[Finding]:
    """What came out."""
    where = f"hubel evaluate {record.name}"
    if record.unreadable:
        yield found(
            "answers-changed", record.unreadable[:200], mend="restore the file from a copy, or train again",
            shown=where, file="weights/best",
        )  # fmt: skip
    yield from _kept(record)
    if record.confusion is not None and record.confusion.sum() >= 20:
        yield from _judged(record, where)
    val = int(record.samples.get("val", 0))
    if 0 < val < 100:
        known = f"accuracies are known to {98 / math.sqrt(val):.0f} points"
        if record.recipe.get("train", {}).get("task") not in (None, "classify"):  # whose samples are not right or wrong
            known = "which epoch is best is partly luck"
        yield found(
            "small-validation", f"{val} validation samples: {known}",
            samples=val, mend="--val-fraction 0.2, or compare by hubel compare, which says what is luck",
            shown=f"hubel runs show {record.name}",
        )  # fmt: skip
    losses, rates = record.column("val_loss"), record.column("lr")
    if record.summary.get("reason") == "epochs" and len(losses) >= 3 and losses[-1] < 0.95 * losses[-2]:
        last = rates and max(rates) > 0 and rates[-1] > 0.1 * max(rates)
        if last:
            yield found(
                "still-learning", "the last epoch still made validation better", before=losses[-2], after=losses[-1],
                mend=f"hubel train --resume {record.name} --epochs {2 * len(losses)}",
                shown=f"hubel runs show {record.name}",
            )  # fmt: skip


def _kept(record: Record) -> Iterator[Finding]:
    names = (*(f"val_{score}" for score in SCORES), "val_loss", "train_loss")
    by = next((name for name in names if record.column(name)), "")
    kept, values = record.summary.get("best", {}).get(by), np.array(record.column(by) if by else [])
    if not isinstance(kept, (int, float)) or not len(values):  # what was made of other runs had no epochs
        return
    lower = by.endswith("_loss")
    top = int(values.argmin() if lower else values.argmax())
    gain = (-1 if lower else 1) * (values[top] - kept)
    if record.summary.get("status") == "finished" and gain > 1e-6 * max(1.0, abs(kept)):
        yield found(
            "best-epoch-wrong", f"another epoch was better by {by.replace('_', ' ')} than the one that was kept",
            kept=float(kept), best=float(values[top]), epoch=top + 1,
            mend="train again; metrics.csv or summary.json was changed",
            shown=f"hubel runs show {record.name}",
        )  # fmt: skip


def _judged(record: Record, where: str) -> Iterator[Finding]:
    table = record.confusion
    assert table is not None
    total, support = int(table.sum()), table.sum(1)
    right = float(np.trace(table)) / total
    names = record.classes or tuple(map(str, range(len(table))))
    epochs = len(record.rows)
    majority = float(support.max()) / total
    if (support > 0).sum() > 1 and right <= majority + 0.01 and epochs >= SETTLED:
        trained = record.column("train_accuracy")
        told = np.repeat(np.arange(len(table)), support)
        said = np.concatenate([np.repeat(np.arange(len(table)), row) for row in table])
        as_is, best, moved = relabelled(said, told)
        if best > as_is + 0.2 and best > max(0.5, majority + 0.05) and moved:  # one answer for all is no other number
            yield _renumbered(as_is, best, len(moved), where)
            return
        yield found(
            "below-majority",
            f"{percent(right, 1)} are named correctly, "
            f"and {names[int(support.argmax())]} always is right in {percent(majority, 1)}",
            accuracy=right, commonest_class=majority, epochs=epochs,
            train_accuracy=trained[-1] if trained else float("nan"), samples=total,
            mend="hubel doctor DATA with the run's options says why", shown=where,
        )  # fmt: skip
        return
    told = np.repeat(np.arange(len(table)), support)
    said = np.concatenate([np.repeat(np.arange(len(table)), row) for row in table])
    as_is, best, moved = relabelled(said, told)
    if best > as_is + 0.2 and best > max(0.5, majority + 0.05) and moved:
        yield _renumbered(as_is, best, len(moved), where)
        return
    never = [names[k] for k in range(len(table)) if support[k] >= 5 and not table[:, k].sum()]
    if never and epochs >= SETTLED:
        yield found(
            "class-never-named", f"{never[0]} is never named", classes=len(never), samples=int(support.min()),
            accuracy=right, mend="--class-weights balanced, and look at its pictures: hubel clean RUN",
            settings={"class_weights": "balanced"}, shown=where,
        )  # fmt: skip
    best_val = record.summary.get("best", {}).get("val_accuracy")
    val = int(record.samples.get("val", 0))
    if isinstance(best_val, (int, float)) and val >= 20 and "test" in record.summary:
        noise = math.sqrt(0.25 / val + 0.25 / total)
        if best_val - right > max(0.1, 3 * noise):
            yield found(
                "test-far-below",
                f"validation has {percent(best_val, 1)}, the test {percent(right, 1)}", validation=float(best_val),
                test=right, noise=noise, samples=total,
                mend="split by group (--column group=NAME), and look for copies: hubel clean RUN", shown=where,
            )  # fmt: skip


def _renumbered(as_is: float, best: float, moved: int, where: str) -> Finding:
    return found(
        "labels-renumbered", "answers fit the labels far better under other numbers", accuracy=as_is,
        after_renumbering=best, moved=moved, mend="one list of classes for all parts of the data: hubel data DATA",
        shown=where,
    )  # fmt: skip
