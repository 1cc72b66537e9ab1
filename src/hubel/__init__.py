"""hubel: the workbench for image classification.

The verbs and the types that a user holds, loaded on first use: `import hubel` itself is light and loads no torch.

    run = hubel.train("photos/", model="resnet18", epochs=20)
    print(run.evaluate())
    hubel.load("runs/photos-1").predict("cat.jpg")
    hubel.Run("photos-1").predict_proba(["cat.jpg", "dog.jpg"])

What can go wrong is a `HubelError`: `UsageError`, `DataError` or `ArtefactError`.
"""

from __future__ import annotations

import os
import sys

# `python -m hubel` puts the working folder before everything else, and a json.py lying there would be run in place of
# Python's own. While the module that -m names is looked for, its place in sys.argv holds "-m".
if sys.argv[:1] == ["-m"] and not sys.flags.safe_path and sys.path[:1] in ([""], [os.getcwd()]):
    del sys.path[0]

import importlib
from typing import TYPE_CHECKING, Any

from hubel.waiting import wait_asleep_where_others_compute

__version__ = "0.1.0"

wait_asleep_where_others_compute()  # before torch is loaded, or it is too late

# name -> the module that defines it. None is the name of a room, since Python puts an imported package in the place of
# any function of its name: with a room called runs, `hubel.runs()` would stop working at the first look at a run.
_DOORS = {
    "Anomalies": "hubel.verbs.anomaly",
    "Answers": "hubel.tasks.answers",
    "ArtefactError": "hubel.errors",
    "Baseline": "hubel.verbs.baseline",
    "CheckUp": "hubel.diagnosis.finding",
    "Classifier": "hubel.verbs.classifier",
    "Cleaning": "hubel.care.cleaning",
    "Compressed": "hubel.compression.result",
    "Curve": "hubel.evaluation.growing",
    "DataError": "hubel.errors",
    "DataReport": "hubel.verbs.data",
    "Edits": "hubel.data.editing",
    "Ensembled": "hubel.searching.ensembles",
    "Evaluation": "hubel.evaluation",
    "Explained": "hubel.report.pages.explanation",
    "Exported": "hubel.deploy.written",
    "HubelError": "hubel.errors",
    "Parts": "hubel.deploy.parts",
    "Prediction": "hubel.deploy.prediction",
    "Predictions": "hubel.deploy.prediction",
    "RegressionEvaluation": "hubel.evaluation",
    "Run": "hubel.verbs.run",
    "Runs": "hubel.records.ledger",
    "Series": "hubel.verbs.series",
    "Search": "hubel.searching.found",
    "Summary": "hubel.verbs.summary",
    "TaskResult": "hubel.evaluation",
    "UnknownName": "hubel.errors",
    "UsageError": "hubel.errors",
    "Watcher": "hubel.watching",
    "anomaly": "hubel.verbs.anomaly",
    "baseline": "hubel.verbs.baseline",
    "clean": "hubel.verbs.clean",
    "compress": "hubel.verbs.compress",
    "create_model": "hubel.models",
    "curve": "hubel.verbs.curve",
    "doctor": "hubel.verbs.doctor",
    "edit": "hubel.verbs.edit",
    "ensemble": "hubel.verbs.ensemble",
    "evaluate": "hubel.verbs.evaluate",
    "explain": "hubel.verbs.explain",
    "export": "hubel.verbs.export",
    "list_models": "hubel.models",
    "load": "hubel.verbs.classifier",
    "load_nets": "hubel.models",
    "predict": "hubel.verbs.predict",
    "predict_parts": "hubel.verbs.predict_parts",
    "pretrain": "hubel.verbs.pretrain",
    "register_model": "hubel.models",
    "robust": "hubel.verbs.robust",
    "runs": "hubel.records.ledger",
    "serve": "hubel.verbs.serve",
    "search": "hubel.verbs.search",
    "scan": "hubel.verbs.data",  # not "data": that is a room
    "summary": "hubel.verbs.summary",
    "train": "hubel.verbs.train",
}

if TYPE_CHECKING:
    from hubel.care.cleaning import Cleaning
    from hubel.compression.result import Compressed
    from hubel.data.editing import Edits
    from hubel.deploy.parts import Parts
    from hubel.deploy.prediction import Prediction, Predictions
    from hubel.deploy.written import Exported
    from hubel.diagnosis.finding import CheckUp
    from hubel.errors import ArtefactError, DataError, HubelError, UnknownName, UsageError
    from hubel.evaluation import Evaluation, RegressionEvaluation, TaskResult
    from hubel.evaluation.growing import Curve
    from hubel.models import create_model, list_models, load_nets, register_model
    from hubel.records.ledger import Runs, runs
    from hubel.report.pages.explanation import Explained
    from hubel.searching.ensembles import Ensembled
    from hubel.searching.found import Search
    from hubel.tasks.answers import Answers
    from hubel.verbs.anomaly import Anomalies, anomaly
    from hubel.verbs.baseline import Baseline, baseline
    from hubel.verbs.classifier import Classifier, load
    from hubel.verbs.clean import clean
    from hubel.verbs.compress import compress
    from hubel.verbs.curve import curve
    from hubel.verbs.data import DataReport, scan
    from hubel.verbs.doctor import doctor
    from hubel.verbs.edit import edit
    from hubel.verbs.ensemble import ensemble
    from hubel.verbs.evaluate import evaluate
    from hubel.verbs.explain import explain
    from hubel.verbs.export import export
    from hubel.verbs.predict import predict
    from hubel.verbs.predict_parts import predict_parts
    from hubel.verbs.pretrain import pretrain
    from hubel.verbs.robust import robust
    from hubel.verbs.run import Run
    from hubel.verbs.search import search
    from hubel.verbs.series import Series
    from hubel.verbs.serve import serve
    from hubel.verbs.summary import Summary, summary
    from hubel.verbs.train import train
    from hubel.watching import Watcher

__all__ = [
    "Anomalies",
    "Answers",
    "ArtefactError",
    "Baseline",
    "CheckUp",
    "Classifier",
    "Cleaning",
    "Compressed",
    "Curve",
    "DataError",
    "DataReport",
    "Edits",
    "Ensembled",
    "Evaluation",
    "Explained",
    "Exported",
    "HubelError",
    "Parts",
    "Prediction",
    "Predictions",
    "RegressionEvaluation",
    "Run",
    "Runs",
    "Search",
    "Series",
    "Summary",
    "TaskResult",
    "UnknownName",
    "UsageError",
    "Watcher",
    "anomaly",
    "baseline",
    "clean",
    "compress",
    "create_model",
    "curve",
    "doctor",
    "edit",
    "ensemble",
    "evaluate",
    "explain",
    "export",
    "list_models",
    "load",
    "load_nets",
    "predict",
    "predict_parts",
    "pretrain",
    "register_model",
    "robust",
    "runs",
    "scan",
    "search",
    "serve",
    "summary",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _DOORS:
        raise AttributeError(f"module 'hubel' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_DOORS[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
