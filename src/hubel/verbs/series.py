"""Series: one training as several runs, over folds or over seeds, in one folder; what they came to together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hubel import runtime
from hubel.care.cleaning import Cleaning
from hubel.checkpoint import load as load_checkpoint
from hubel.errors import UsageError
from hubel.evaluation import Evaluation, RegressionEvaluation
from hubel.evaluation.judge import answered, assessed
from hubel.evaluation.spread import Spread
from hubel.records.ledger import value_of
from hubel.records.own_data import own_data
from hubel.records.series import SeriesRecord, ratio_of, read_series
from hubel.tasks import TASKS
from hubel.types import Predictions
from hubel.verbs.predict import predict
from hubel.verbs.run import Run
from hubel.views import Viewed
from hubel.words import MEASURES


@dataclass(frozen=True)
class Series(Viewed):
    """A finished series: the runs, and what they came to.

    `hubel.train("photos/", folds=5)` returns one; `Series("runs/photos-folds-1")` opens it again.
    """

    folder: Path

    @cached_property
    def record(self) -> SeriesRecord:
        """What was asked for. Raises ArtefactError for a folder that is no series."""
        return read_series(self.folder)

    @cached_property
    def runs(self) -> list[Run]:
        """The members that were begun, in their order."""
        return [Run(run.folder) for _, run in sorted(self.record.runs().items())]

    @property
    def spread(self) -> Spread:
        """Mean, deviation and interval over the members. Raises UsageError before one has finished, and of a curve."""
        if self.record.kind == "curve":
            raise UsageError(
                "the runs of a curve learn from parts of other sizes", hint=f"hubel.curve({str(self.folder)!r})"
            )
        return spread_of(self.record.kind, [run for run in self.runs if run.status == "finished"])

    @property
    def report(self) -> Path:
        """The page to read."""
        return self.folder / ("curve.html" if self.record.kind == "curve" else "report.html")

    def predict(self, pictures: Any, **settings: Any) -> Any:
        """What all members say together: the mean of their probabilities (`hubel.predict` has the settings)."""
        return predict([run.folder for run in self.runs], pictures, **settings)

    def clean(self, **settings: Any) -> Cleaning:
        """What is probably wrong with pictures and labels, of folds: each judged by the net that left it out.

        `hubel.clean` has the settings.
        """
        from hubel.verbs.clean import clean

        return clean(self.folder, **settings)

    def facts(self) -> dict[str, str]:
        """Name -> value, as they are shown."""
        summary = self.record.summary
        found = {"series": f"{self.folder}  ({summary.get('status', 'unfinished')})"}
        for place, record in sorted(self.record.runs().items()):
            run = Run(record.folder)
            value = value_of(run.summary)
            told = "" if value is None else MEASURES[value[0]].written(value[1])
            member = " ".join(f"{name} {value}" for name, value in self.record.members[place].items())
            found[member.replace("_", " ")] = f"{told or run.status}  {run.folder}"
        titles = {"sentence": "spread", "together": "together"}
        found |= {title: str(summary[name]) for name, title in titles.items() if summary.get(name)}
        return found | ({"report": str(self.report)} if self.report.is_file() else {})

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"folder": str(self.folder), "runs": [str(run.folder) for run in self.runs], **self.record.summary}


def spread_of(kind: str, runs: Sequence[Run]) -> Spread:
    """The spread over finished runs; folds are corrected by the samples that each tested and learnt from."""
    values = [value for run in runs if (value := value_of(run.summary)) is not None]
    ratio = ratio_of([run.folder for run in runs]) if kind == "folds" else 0.0
    return Spread.of(kind, values[0][0] if values else "accuracy", [value for _, value in values], ratio)


def judged_together(kind: str, runs: Sequence[Run]) -> Evaluation | RegressionEvaluation | None:
    """Over folds, what each said of its own test, put together; over seeds, what all say together of the one test.

    None for tasks that learn neither classes nor numbers, whose answers are not put together.
    """
    if not TASKS.get(str(runs[0].recipe["train"]["task"] or "classify")).labels:
        return None
    found: list[Predictions] = []
    for run in runs:
        classifier = load_checkpoint(run.folder, "best")
        own = own_data(run.folder, classifier)
        device = runtime.pick_device(str(run.recipe.get("train", {}).get("device") or "auto"))
        found.append(answered(classifier, own.decoded, own.left_out, device))
    names, last = classifier.class_names, found[-1]
    if kind == "folds":
        rows = np.concatenate([each.ids for each in found])
        order = np.argsort(rows, kind="stable")
        whole = [np.concatenate([getattr(each, part) for each in found])[order] for part in ("logits", "labels")]
        return assessed(Predictions(whole[0], whole[1], rows[order]), names, own.scan, rows[order], "left-out")
    if names:
        mean = np.mean([each.probabilities for each in found], axis=0)
        logits = np.log(np.maximum(mean, np.finfo(np.float32).tiny)).astype(np.float32)
    else:
        logits = np.mean([each.logits for each in found], axis=0)
    return assessed(Predictions(logits, last.labels, last.ids), names, own.scan, last.ids, "test")
