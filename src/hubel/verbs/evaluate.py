"""Evaluate: the best weights of a run on a split, or on other data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from hubel import runtime
from hubel.checkpoint import load as load_checkpoint
from hubel.data.decode import read_whole
from hubel.data.sources import FLAGS
from hubel.data.splits import NAMES
from hubel.deploy.files import is_shipped, open_file, refuse_settings
from hubel.errors import DataError, UsageError, unknown
from hubel.evaluation import Evaluation, RegressionEvaluation, TaskResult
from hubel.evaluation.judge import assess_answers, examined, judge, refuse_metrics
from hubel.faces.progress import shows_progress
from hubel.metrics import METRICS
from hubel.records.ledger import find_run
from hubel.records.other_data import other_data
from hubel.records.own_data import own_data
from hubel.store import RunStore
from hubel.tasks import TASKS
from hubel.watching import SILENT, Watcher
from hubel.words import plural


@shows_progress
def evaluate(
    run: str | PathLike[str],
    data: str | Path | None = None,
    *,
    split: str | None = None,
    which: str = "best",
    views: str | None = None,
    metrics: Sequence[str] = (),
    device: str = "auto",
    data_root: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    images: str | Path | None = None,
    follow_links: bool = False,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> Evaluation | RegressionEvaluation | TaskResult:
    """Measure a trained run on its own `split` (test unless said; all of what is learnt by heart), or on other labelled
    `data` with the same classes.

    `run` may also be a file that `hubel export` wrote, which is measured on other data only.

    Where other data come in parts (a train/test tree, a column `split`), it is their test part that is measured unless
    `split` names another; what has none is measured whole. Pictures among them that the run was trained on are told to
    `watch`: by their contents, whatever they are called.

    `data_root` is where its own data lie now, if they moved; `columns`, `images` and `follow_links` say how other data
    are to be read (`hubel.data.sources.open_source`), else as those of the run.

    `views` of each picture are averaged (`hubel.inference.VIEWS`): those of the run if not given, "none" for one look.
    `metrics` are more numbers to compute, by name (`hubel components metrics`); the result has them in `more`.
    `verbose` shows progress; None does where somebody looks, in a terminal or a notebook.

    Of the run's own data the very split of the training is used, after a check that neither data nor split has changed.
    Writes nothing. Raises ArtefactError, DataError, UsageError.
    """
    if split is not None and split not in NAMES:
        raise unknown("split", split, NAMES)
    for name in metrics:
        METRICS.get(name)  # a name that is none is told before anything is measured
    reading = {"columns": columns, "images": images, "follow_links": follow_links}
    if is_shipped(run):
        refuse_settings(
            str(run),
            {
                "--which": (which, "best"),
                "--views": (views, None),
                "--data-root": (data_root, None),
                "--device": (device, "auto"),
            },
        )
        return _by_file(str(run), data, split, metrics, reading, watch)
    folder = find_run(run)
    classifier = load_checkpoint(folder, which)
    kept = classifier.threshold
    if kept is not None:
        watch.remark(
            f"predict says {kept.positive} from {kept.value:.3g} on; these are the numbers of the likelier class"
        )
    if data is not None:
        if data_root is not None:
            raise UsageError(
                f"--data-root is for the run's own data, and {data} is named", hint="leave one of them out"
            )
        found = other_data(folder, classifier, str(data), split=split, reading=reading, watch=watch)
        target = runtime.pick_device(device)
        return judge(
            classifier, found.scan, found.decoded, found.rows, found.name, target, views=views, metrics=metrics
        )
    if any(reading.values()):
        flag = next(FLAGS[name] for name, value in reading.items() if value)
        raise UsageError(
            f"{flag} says how other data are read, and none are named", hint=f"hubel evaluate {folder} DATA"
        )
    split = split or ("train" if by_heart(classifier.task) else "test")
    own = own_data(folder, classifier, watch, data_root=data_root)
    rows = own.ids(split)
    if not len(rows):
        raise DataError(
            f"the run has no samples in its {split} split",
            hint=f"measure it on other data: hubel evaluate {folder} DATA",
        )
    watch.stage(f"measuring on {plural(len(rows), f'{split} sample')}")
    target = runtime.pick_device(device)
    asked = examined(classifier, own.scan, own.decoded, rows)
    return judge(classifier, *asked, split, target, views=views, metrics=metrics)


def by_heart(task: str) -> bool:
    """Is all learnt in that task, so that nothing is held out to be measured?"""
    return task in TASKS and TASKS.get(task).learns_all


def _by_file(
    file: str,
    data: str | Path | None,
    split: str | None,
    metrics: Sequence[str],
    reading: dict[str, Any],
    watch: Watcher,
) -> Evaluation | RegressionEvaluation | TaskResult:
    """The same by an exported file, which has no data of its own."""
    if data is None:
        raise UsageError(
            f"{file} does not know the data of its run, and none are named", hint=f"hubel evaluate {file} DATA"
        )
    shipped = open_file(file)
    reader = shipped.reader()
    found = other_data(Path(file), reader, str(data), split=split, reading=reading, watch=watch)
    watch.stage(f"measuring on {plural(len(found.rows), 'sample')}")
    manifest = found.scan.manifest
    refuse_metrics(reader, metrics)
    answers = shipped.predictions(
        read_whole(manifest, found.rows, shipped.preprocessing), manifest.labels[found.rows], found.rows,
        progress=watch.progress,
    )  # fmt: skip
    return assess_answers(reader, answers, found.scan, found.decoded, found.rows, found.name, metrics)


def write_results(store: RunStore, result: Evaluation | RegressionEvaluation | TaskResult) -> None:
    """evaluation.json and the tables beside it."""
    store.write_text("evaluation.json", json.dumps(result.to_dict(), indent=1, ensure_ascii=False) + "\n")
    if isinstance(result, TaskResult):
        for name, text in result.tables().items():
            store.write_text(name, text)
        return
    store.write_text("predictions.csv", result.predictions_csv())
    if isinstance(result, Evaluation):
        store.write_text("per_class.csv", result.per_class_csv())
        store.write_text("confusion.csv", result.confusion_csv())


def write_to(folder: Path, result: Evaluation | RegressionEvaluation | TaskResult) -> None:
    """The same into any folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    write_results(RunStore.open(folder), result)
