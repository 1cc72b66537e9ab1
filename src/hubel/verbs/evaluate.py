"""Evaluate: the best weights of a run on a split, or on other data; and the report that ends every training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel import runtime
from hubel.assembly.prepare import Prepared
from hubel.checkpoint import Classifier, check_classes
from hubel.checkpoint import load as load_checkpoint
from hubel.data.batches import batches
from hubel.data.decode import Decoded
from hubel.data.decode import prepare as scan_and_decode
from hubel.data.scan import Scan
from hubel.data.sources import open_source
from hubel.data.splits import NAMES, limited
from hubel.errors import DataError, UsageError, unknown
from hubel.evaluation import Evaluation, RegressionEvaluation, assess, assess_regression
from hubel.inference import VIEWS, predict, with_views
from hubel.nn.modes import evaluating
from hubel.records.ledger import RunRecord, find
from hubel.records.own_data import own_data
from hubel.report.training import LayerRow, Problem, TrainingReport, figures, render
from hubel.store import RunStore
from hubel.types import Predictions
from hubel.watching import SILENT, Watcher


def evaluate(
    run: str | Path,
    data: str | Path | None = None,
    *,
    split: str = "test",
    which: str = "best",
    views: str | None = None,
    device: str = "auto",
    watch: Watcher = SILENT,
) -> Evaluation | RegressionEvaluation:
    """Measure a trained run on its own `split`, or on all of other labelled `data` with the same classes.

    `views` of each picture are averaged (`hubel.inference.VIEWS`): those of the run if not given, "none" for one look.

    Of the run's own data the very split of the training is used, after a check that neither data nor split has changed.
    Writes nothing. Raises ArtefactError, DataError, UsageError.
    """
    folder = find(run)
    classifier = load_checkpoint(folder, which)
    if data is not None:
        return _on_other_data(classifier, str(data), views, device, watch)
    if split not in NAMES:
        raise unknown("split", split, NAMES)
    own = own_data(folder, classifier, watch)
    rows = own.ids(split)
    if not len(rows):
        raise DataError(
            f"the run has no samples in its {split} split",
            hint=f"measure it on other data: hubel evaluate {folder} DATA",
        )
    watch.stage(f"measuring on {len(rows):,} {split} samples")
    return judge(classifier, own.scan, own.decoded, rows, split, device, views=views)


def _on_other_data(
    classifier: Classifier, data: str, views: str | None, device: str, watch: Watcher
) -> Evaluation | RegressionEvaluation:
    if classifier.preprocessing is None:
        raise UsageError("a run on points is measured on its own splits", hint="leave the data out")
    manifest = open_source(data)
    scan, decoded = scan_and_decode(manifest, classifier.preprocessing, progress=watch.progress)
    names = scan.manifest.class_names
    if set(names) <= set(classifier.class_names):
        scan, decoded = _renumbered(scan, decoded, classifier.class_names)
    else:
        check_classes(classifier.class_names, names, what=data)
    name = Path(data).name or data
    return judge(classifier, scan, decoded, np.arange(len(scan.manifest)), name, device, views=views)


def _renumbered(scan: Scan, decoded: Decoded, class_names: tuple[str, ...]) -> tuple[Scan, Decoded]:
    """Labels by the model's numbering, matched by name: a folder that lacks some classes is measured on the rest."""
    if scan.manifest.regression:
        return scan, decoded
    new = np.array([class_names.index(name) for name in scan.manifest.class_names], np.int64)
    labels = new[scan.manifest.labels]
    manifest = replace(scan.manifest, labels=labels, class_names=class_names, _digest=[])
    return replace(scan, manifest=manifest), replace(decoded, labels=labels)


def judge(
    classifier: Classifier,
    scan: Scan,
    decoded: Decoded,
    rows: np.ndarray,
    split: str,
    device: str,
    *,
    views: str | None = None,
) -> Evaluation | RegressionEvaluation:
    """The forward pass over some rows, and everything that can be said about it."""
    target = runtime.pick_device(device)
    classifier.model.to(target)
    reading = batches(
        decoded, rows, preprocessing=classifier.preprocessing, batch_size=500, device=target, channels_last=True
    )
    look = with_views(classifier.model, classifier.views if views is None else views)
    return assessed(predict(classifier.model, reading, forward=look), classifier.class_names, scan, rows, split)


def assessed(
    predictions: Predictions, class_names: tuple[str, ...], scan: Scan, rows: np.ndarray, split: str
) -> Evaluation | RegressionEvaluation:
    """Predictions as an evaluation that knows its samples by name."""
    names = None if scan.manifest.paths is None else [scan.manifest.name(int(row)) for row in rows]
    if not class_names:
        return assess_regression(predictions, paths=names, split=split)
    return assess(predictions, class_names, paths=names, split=split)


def conclude(store: RunStore, prepared: Prepared, summary: dict[str, Any]) -> None:
    """The end of a training: measure the best weights once on the test split, write results, summary and report."""
    classifier = load_checkpoint(store.folder, "best")
    split = "test" if len(prepared.splits.test) else "val" if len(prepared.splits.val) else "train"
    rows = prepared.splits.ids(split)
    device = prepared.recipe.train.device
    result = judge(classifier, prepared.scan, prepared.decoded, rows, split, device)
    write_results(store, result)
    headline: dict[str, Any] = {"split": split, "sentence": result.sentence, **numbers(result)}
    if classifier.views != "none":
        once = judge(classifier, prepared.scan, prepared.decoded, rows, split, device, views="none")
        headline |= {"views": classifier.views, "one_view": numbers(once)}
    page = report(store, prepared, classifier, result, summary | {"result": headline})
    drawings = figures(page)
    for name, figure in drawings.items():
        store.write_bytes(f"figures/{name}.{figure.kind}", figure.data)
    store.write_text("report.html", render(page, drawings))
    # Last of all: it says that the run is finished, and a run that was killed before this is concluded by --resume.
    store.write_json("summary.json", summary | {"test" if split == "test" else split: headline})


def numbers(result: Evaluation | RegressionEvaluation) -> dict[str, float]:
    """The one or two numbers that stand in a list of runs."""
    if isinstance(result, Evaluation):
        return {"accuracy": result.top1, "balanced_accuracy": result.balanced_accuracy}
    return {"rmse": result.rmse, "mae": result.mae}


def write_results(store: RunStore, result: Evaluation | RegressionEvaluation) -> None:
    """evaluation.json and the tables beside it."""
    store.write_text("evaluation.json", json.dumps(result.to_dict(), indent=1, ensure_ascii=False) + "\n")
    store.write_text("predictions.csv", result.predictions_csv())
    if isinstance(result, Evaluation):
        store.write_text("per_class.csv", result.per_class_csv())
        store.write_text("confusion.csv", result.confusion_csv())


def write_to(folder: Path, result: Evaluation | RegressionEvaluation) -> None:
    """The same into any folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    write_results(RunStore.open(folder), result)


def report(
    store: RunStore,
    prepared: Prepared,
    classifier: Classifier,
    result: Evaluation | RegressionEvaluation,
    summary: dict[str, Any],
) -> TrainingReport:
    """Everything the page shows."""
    run = RunRecord(store.folder)
    manifest = prepared.manifest
    environment = store.read_json("env.json")
    history = [dict(zip(run.history, values, strict=True)) for values in zip(*run.history.values(), strict=True)]
    images = prepared.decoded.images
    pictures = prepared.preprocessing is not None
    shown = sample(prepared)
    wrong = [m.id for m in result.mistakes[:24]] if isinstance(result, Evaluation) else []
    return TrainingReport(
        title=run.name,
        class_names=manifest.class_names,
        evaluation=result,
        history=history,
        best_epoch=int(summary["best"].get("epoch", 0)) or None,
        stopped=STOPPED.get(summary["reason"], ""),
        views=viewed(summary["result"]),
        recipe=prepared.recipe.model_dump(mode="json"),
        reasons=prepared.reasons,
        command=str(environment.pop("command", "")),
        environment=environment,
        timing={"reading the data": summary["preparation_seconds"], "training": summary["seconds"]},
        energy=(summary["energy"]["sentence"], *summary["energy"]["notes"]),
        data={"source": manifest.source, "samples": len(manifest), **looks(prepared.scan)},
        splits={name: len(prepared.ids(name)) for name in NAMES},
        class_counts={
            name: np.bincount(manifest.labels[prepared.ids(name)], minlength=manifest.num_classes).tolist()
            for name in NAMES
            if not manifest.regression
        },
        problems=[
            Problem(p.path, p.reason, "left out" if p.left_out else "kept") for p in prepared.scan.problems[:200]
        ],
        problem_count=len(prepared.scan.problems),
        contact_sheet=[images[row] for row in shown] if pictures else (),
        contact_labels=manifest.labels[shown].tolist() if pictures and not manifest.regression else (),
        mistake_images={row: images[row] for row in wrong} if pictures else {},
        transfer=store.read_json("transfer.json") if store.exists("transfer.json") else {},
        model=str(prepared.recipe.model.model),
        layers=layers(classifier),
        parameters=summary["parameters"],
    )


STOPPED = {
    "epochs": "All epochs of the recipe were done.",
    "optimum": "A weaker penalty of the head made the validation result no better.",
    "time": "The time allowed was used up.",
    "target": "The target accuracy was reached on the validation split.",
    "patience": "The validation result had not improved for as long as the recipe waits.",
}


def viewed(headline: dict[str, Any]) -> str:
    """How often each picture was looked at, as a sentence; "" where it was once."""
    if "views" not in headline:
        return ""
    once = headline["one_view"]
    told = f"the accuracy is {once['accuracy']:.1%}" if "accuracy" in once else f"the RMSE is {once['rmse']:.4g}"
    views = headline["views"]
    return f"Each picture was looked at {VIEWS[views]} times ({views}), as hubel predict does; with one look {told}."


def sample(prepared: Prepared, count: int = 24) -> np.ndarray:
    """A few training rows, in turn from every class."""
    rows = prepared.ids("train")
    if prepared.manifest.regression:
        return rows[:count]
    return limited(rows, prepared.manifest.labels[rows], min(count, len(rows)))


def looks(scan: Scan) -> dict[str, object]:
    """Sizes, modes and formats of the pictures, as facts for the report."""
    if not scan.looks:
        return {}
    widths, heights = [look.width for look in scan.looks], [look.height for look in scan.looks]
    smallest, largest = f"{min(widths)}x{min(heights)}", f"{max(widths)}x{max(heights)}"
    return {
        "size (width x height)": smallest if smallest == largest else f"{smallest} to {largest}",
        "modes": ", ".join(sorted({look.mode for look in scan.looks})),
        "formats": ", ".join(sorted({look.format for look in scan.looks})),
    }


def layers(classifier: Classifier) -> list[LayerRow]:
    """Name, kind, output shape and own parameters of each leaf module, by one forward pass of one blank sample."""
    found: list[LayerRow] = []
    handles = []

    def watch(name: str) -> Any:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            own = sum(p.numel() for p in module.parameters(recurse=False))
            if isinstance(output, torch.Tensor):
                found.append(LayerRow(name, type(module).__name__, tuple(output.shape[1:]), own))

        return hook

    device = next(iter(classifier.model.parameters()), torch.zeros(0)).device
    shape = (classifier.spec.in_chans,) if classifier.preprocessing is None else classifier.preprocessing.shape
    try:
        for name, module in classifier.model.named_modules():
            if not list(module.children()):
                handles.append(module.register_forward_hook(watch(name)))
        with evaluating(classifier.model), torch.no_grad():
            classifier.model(torch.zeros(1, *shape, device=device))
    finally:
        for handle in handles:
            handle.remove()
    return found
