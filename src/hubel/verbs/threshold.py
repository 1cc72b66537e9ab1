"""Threshold: from which probability on a run of two classes says the one that is looked for; kept if wished."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np

from hubel import runtime
from hubel.checkpoint import load as load_checkpoint
from hubel.checkpoint.threshold import StoredThreshold, save_threshold, threshold_file
from hubel.errors import DataError, UsageError, unknown
from hubel.evaluation.judge import answered
from hubel.evaluation.thresholds import Threshold, Wish, count_at, fit_threshold, read_costs, read_table
from hubel.faces.progress import shows_progress
from hubel.records.ledger import find_run
from hubel.records.own_data import own_data
from hubel.store import RunStore
from hubel.watching import SILENT, Watcher

__all__ = ["Threshold", "threshold"]


@shows_progress
def threshold(
    run: str | PathLike[str],
    *,
    recall: float | None = None,
    precision: float | None = None,
    cost: str | PathLike[str] | None = None,
    value: float | None = None,
    positive: str = "",
    keep: bool = False,
    split: str = "test",
    device: str = "auto",
    data_root: str | Path | None = None,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> Threshold:
    """Fit the probability from which on a run of two classes says the `positive` one, and measure it on `split`.

    Exactly one of: a `recall` or `precision` that validation must have, a table of what mistakes `cost` (a CSV file
    with a row a true class and a column a class that is said), or the `value` itself. `positive` is the rarer class of
    the training part if not given. `keep` stores it with the run: `hubel predict` and `hubel serve` then name classes
    by it; a value of 0.5 takes it back.

    Raises UsageError for a run of other than two classes, DataError where validation has too few samples or no
    threshold has the wished precision, ArtefactError.
    """
    folder = find_run(run)
    classifier = load_checkpoint(folder)
    classifier.require_answers()
    names = classifier.class_names
    if len(names) != 2:
        what = f"{len(names)} classes" if names else "a number to predict"
        hint = "leave --recall, --precision, --cost and --threshold out"
        raise UsageError(f"a threshold is for two classes, and this run has {what}", hint=hint)
    if positive and positive not in names:
        raise unknown("class", positive, names)
    if split == "val" and value is None:
        raise UsageError("the threshold is fitted on the val split, so it is not measured there", hint="--split test")
    costs = None if cost is None else read_costs(read_table(cost), (names[0], names[1]))
    own = own_data(folder, classifier, watch, data_root=data_root)
    labels = own.scan.manifest.labels
    place = names.index(positive) if positive else int(np.bincount(labels[own.ids("train")], minlength=2).argmin())
    if costs is not None and place == 1:
        costs = costs[::-1, ::-1]
    wish = Wish(recall=recall, precision=precision, cost=costs, value=value)
    wish.check()
    shares = {}
    for part in ("val", split):
        rows = own.ids(part)
        if not len(rows) and (part == split or value is None):
            raise DataError(
                f"the run has no samples in its {part} split, and a threshold needs both val and {split}",
                hint="train with parts: --val-fraction 0.1 --test-fraction 0.1",
            )
        said = answered(classifier, own.decoded, rows, runtime.pick_device(device))
        shares[part] = said.probabilities[:, place] if len(rows) else np.zeros(0), labels[rows] == place
    found = fit_threshold(*shares["val"], wish)
    result = Threshold(
        positive=names[place],
        negative=names[1 - place],
        value=found,
        wish=str(wish),
        fitted=count_at(*shares["val"], found, costs),
        measured=count_at(*shares[split], found, costs),
        usual=count_at(*shares[split], 0.5, costs),
        split=split,
    )
    if keep:
        kept_with(folder, result, classifier.provenance.sha256, watch)
    return result


def kept_with(folder: Path, found: Threshold, weights: str, watch: Watcher) -> None:
    """Store a threshold with its run; one of 0.5 is what a run has without, and takes the stored one back."""
    store = RunStore.open(folder)
    if found.value == 0.5:
        store.remove(threshold_file("best"))
        watch.remark(f"{folder} names the likelier class again")
        return
    kept = StoredThreshold(positive=found.positive, value=found.value, wish=found.wish)
    save_threshold(store, "best", kept, weights)
    watch.remark(
        f"kept: hubel predict and serve now say {found.positive} from {found.value:.3g} on; "
        f"--threshold 0.5 --keep takes it back"
    )
