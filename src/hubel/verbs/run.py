"""A run as its user holds it: what the ledger knows of it, and what can be asked of its net."""

from __future__ import annotations

from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from hubel.evaluation import Evaluation, RegressionEvaluation, TaskResult
from hubel.events import scored
from hubel.records.ledger import RunRecord, find_run
from hubel.report.pages.explanation import Explained
from hubel.verbs.classifier import Classifier, load
from hubel.verbs.evaluate import by_heart, evaluate
from hubel.verbs.explain import explain
from hubel.verbs.export import Exported, export
from hubel.verbs.predict import Answers, Predictions, predict, predict_proba

if TYPE_CHECKING:
    from hubel.care.cleaning import Cleaning
    from hubel.evaluation.thresholds import Threshold
    from hubel.server.serving import Serving
    from hubel.verbs.compress import Compressed
    from hubel.verbs.control import Controlled
    from hubel.verbs.robust import Robustness


class Run(RunRecord):
    """A run folder: what was asked for, how it went, what came out, and the net itself.

    `Run("runs/photos-1")`, or by its name in runs/: `Run("photos-1")`. Raises ArtefactError, with near names, for a run
    that is not there.
    """

    def __init__(self, run: str | PathLike[str]) -> None:
        super().__init__(find_run(run))

    def load(self, which: str = "best") -> Classifier:
        """The trained classifier; `which` is "best" or "last"."""
        return load(self.folder, which=which)

    def evaluate(
        self, data: str | Path | None = None, *, split: str | None = None, **settings: Any
    ) -> Evaluation | RegressionEvaluation | TaskResult:
        """Measure the run on one of its own splits, or on other labelled data (`hubel.evaluate` has the settings)."""
        return evaluate(self.folder, data, split=split, **settings)

    def predict(self, pictures: Any, **settings: Any) -> Predictions | Answers:
        """Ask it about pictures (`hubel.predict` says what may be one, and has the settings)."""
        return cast("Predictions | Answers", predict(self.folder, pictures, **settings))

    def predict_proba(self, pictures: Any, **settings: Any) -> np.ndarray:
        """Probabilities N K, a row a picture, in the order of the classes."""
        return predict_proba(self.folder, pictures, **settings)

    def explain(self, picture: Any, **settings: Any) -> Explained:
        """Why does the net say what it says about this picture? (`hubel.explain` has the settings.)"""
        return explain(self.folder, picture, **settings)

    def export(self, to: str = "onnx", **settings: Any) -> Exported:
        """Write the run as one file that works elsewhere (`hubel.export` has the settings)."""
        return export(self.folder, to, **settings)

    def compress(self, to: str = "10x", **settings: Any) -> Compressed:
        """Make its net a tenth as large, or smaller, as a new run (`hubel.compress` has the settings)."""
        from hubel.verbs.compress import compress  # who only looks at a run loads no trainer

        return compress(self.folder, to, **settings)

    def control(self, command: str, **settings: Any) -> Controlled:
        """Pause, resume, step, set, save or stop its training, which is under way elsewhere.

        `control("set", lr=0.01)`; `control("step", steps=5)`.
        """
        from hubel.verbs.control import control  # who only looks at a run loads no trainer

        steps = int(settings.pop("steps", 1)) if command == "step" else 1
        return control(self.folder, command, steps=steps, settings=settings)

    def serve(self, **settings: Any) -> Serving:
        """Answer pictures over HTTP until Ctrl-C (`hubel.serve` has the settings)."""
        from hubel.verbs.serve import serve  # who only looks at a run loads no server

        return serve(self.folder, **settings)

    def robust(self, **settings: Any) -> Robustness:
        """Measure the run on spoilt, moved, turned and bent pictures (`hubel.robust` has the settings)."""
        from hubel.verbs.robust import robust

        return cast("Robustness", robust(self.folder, **settings))

    def clean(self, **settings: Any) -> Cleaning:
        """What is probably wrong with the pictures and labels it was trained on (`hubel.clean` has the settings)."""
        from hubel.verbs.clean import clean

        return clean(self.folder, **settings)

    def threshold(self, **settings: Any) -> Threshold:
        """Of two classes: from which probability on one is said, for a wished recall, precision or cost.

        `run.threshold(recall=0.95, keep=True)`; `hubel.verbs.threshold` has the settings.
        """
        from hubel.verbs.threshold import threshold

        return threshold(self.folder, **settings)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    def __str__(self) -> str:
        return "\n".join(f"{key:<9}{value}" for key, value in self._facts().items())

    def _facts(self) -> dict[str, str]:
        if not (self.folder / "config.yaml").is_file():
            return {"run": f"{self.folder}  (weights without a training)"} | self.load()._facts()
        row, test = self.row(), self.summary.get("test", {})
        model = ", from ".join(filter(None, (self.net, self.recipe.get("transfer", {}).get("from"))))
        facts = {"run": f"{self.folder}  ({row['status']})", "data": row["data"], "model": model}
        learnt = self.summary.get("pretext", {})
        if row["val_accuracy"] is not None and learnt.get("method") != "byol":
            facts["best"] = f"{row['val_accuracy']:.2%} validation accuracy"
        elif score := scored(self.summary.get("best", {})):
            facts["best"] = f"{score} (validation)"
        elif row["val_loss"] is not None:
            facts["best"] = f"{row['val_loss']:.4g} validation loss"
        if learnt:
            facts["learnt"] = str(learnt.get("sentence", ""))
        elif test.get("sentence"):
            facts["test"] = str(test["sentence"])
            if self.summary.get("baseline"):
                facts["simple"] = str(self.summary["baseline"].get("brief", ""))
            if self.summary.get("edits"):
                facts["edits"] = str(self.summary["edits"])
        elif self.summary.get("train", {}).get("sentence") and self._by_heart:
            facts["learnt"] = str(self.summary["train"]["sentence"])
        elif "train" in self.summary or "val" in self.summary:
            facts["test"] = f"nothing was left to {'choose by or to ' if 'train' in self.summary else ''}test"
        if self.report.is_file():
            facts["report"] = str(self.report)
        return facts

    @property
    def _by_heart(self) -> bool:
        """Was all to be learnt, so that nothing was held out?"""
        task = str(self.recipe.get("train", {}).get("task"))
        return by_heart(task)

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in self._facts().items())
        return f"<table>{rows}</table>"
