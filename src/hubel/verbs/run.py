"""A run as its user holds it: what the ledger knows of it, and what can be asked of its net."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from hubel.checkpoint import Classifier
from hubel.evaluation import Evaluation, RegressionEvaluation
from hubel.records.ledger import RunRecord
from hubel.records.nets import load
from hubel.verbs.evaluate import evaluate
from hubel.verbs.predict import Prediction, predict


class Run(RunRecord):
    """A run folder: what was asked for, how it went, what came out, and the net itself."""

    def load(self, which: str = "best") -> Classifier:
        """The trained classifier; `which` is "best" or "last"."""
        return load(self.folder, which=which)

    def evaluate(
        self, data: str | Path | None = None, *, split: str | None = None
    ) -> Evaluation | RegressionEvaluation:
        """Measure the run on one of its own splits, or on other labelled data."""
        return evaluate(self.folder, data, split=split)

    def predict(self, pictures: Any) -> list[Prediction]:
        """Classify pictures: paths, folders, PIL images or arrays."""
        return predict(self.folder, pictures)

    def __str__(self) -> str:
        return "\n".join(f"{key:<9}{value}" for key, value in self._facts().items())

    def _facts(self) -> dict[str, str]:
        row, test = self.row(), self.summary.get("test", {})
        facts = {"run": f"{self.folder}  ({row['status']})", "data": row["data"], "model": row["model"]}
        if row["val_accuracy"] is not None:
            facts["best"] = f"{row['val_accuracy']:.2%} validation accuracy"
        elif row["val_loss"] is not None:
            facts["best"] = f"{row['val_loss']:.4g} validation loss"
        if test.get("sentence"):
            facts["test"] = str(test["sentence"])
        if self.report.is_file():
            facts["report"] = str(self.report)
        return facts

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in self._facts().items())
        return f"<table>{rows}</table>"
