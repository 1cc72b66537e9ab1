"""The end of every training: the best weights are measured once, and results, report and summary written."""

from __future__ import annotations

from typing import Any

import numpy as np

from hubel import runtime
from hubel.anatomy.leaves import leaves
from hubel.assembly.prepare import Prepared
from hubel.assembly.pretext.exhibits import exhibits
from hubel.assembly.pretext.outcome import conclude_pretext
from hubel.assembly.transfer.beforehand import named_beforehand
from hubel.assembly.trusting import look_closely, trust_facts, trusted
from hubel.checkpoint import Classifier
from hubel.checkpoint import load as load_checkpoint
from hubel.diagnosis.edited import since_edits
from hubel.evaluation import Evaluation, RegressionEvaluation, TaskResult
from hubel.evaluation.judge import VIEWS, examined, judge
from hubel.records.folder import altered
from hubel.records.ledger import RunRecord
from hubel.report.pages.training import STOPPED, LayerRow, Problem, TrainingReport, figures, render, viewed
from hubel.store import RunStore, SaveFailed
from hubel.verbs.baseline import net_beside
from hubel.verbs.evaluate import write_results
from hubel.watching import SILENT, Watcher

PARTS = ("train", "val", "test")


def conclude(store: RunStore, prepared: Prepared, summary: dict[str, Any], watch: Watcher = SILENT) -> None:
    """The end of a training: measure the best weights once on the test split, write results, summary and report.

    A page that cannot be drawn costs no run: that is said, and `hubel train --resume` writes it another time.
    """
    classifier = load_checkpoint(store.folder, "best")
    device = runtime.pick_device(prepared.recipe.train.device)
    classifier, why_not = trusted(store, classifier, prepared, device, summary["epochs"], watch)
    labelled = not classifier.method
    split = "test" if len(prepared.splits.test) and labelled else "val" if len(prepared.splits.val) else "train"
    result, told, seen = None, None, (prepared.scan, prepared.decoded, prepared.splits.ids(split))
    headline: dict[str, Any] = {"split": split}
    if classifier.method != "byol":
        seen = examined(classifier, *seen)
        told = look_closely(classifier, prepared, device, seen[2])
        result = judge(classifier, *seen, split, device, logits=told.logits if told else None)
        write_results(store, result)
        headline |= {"sentence": result.sentence, **numbers(result)}
    if classifier.views != "none":
        once = judge(classifier, *seen, split, device, views="none", logits=told.once if told else None)
        headline |= {"views": classifier.views, "one_view": numbers(once)}
    summary = summary | {"trust": trust_facts(classifier, why_not, prepared, split, told)}
    if prepared.lesson is not None:
        summary = summary | {"teacher": prepared.lesson.beside(classifier, prepared.splits, device)}
    simple = net_beside(prepared, result, summary["seconds"], watch)
    if simple:
        summary = summary | {"baseline": simple}
    if since := since_edits(store.folder):
        summary = summary | {"edits": since}
    if not labelled:
        turns = result if isinstance(result, Evaluation) else None
        learnt = conclude_pretext(prepared, classifier, turns, summary["best"], watch).to_dict()
        store.write_json("pretext.json", learnt)
        summary, headline["sentence"] = summary | {"pretext": learnt}, learnt["sentence"]
    if labelled and store.exists("transfer.json") and not store.read_json("transfer.json").get("beforehand"):
        found = named_beforehand(prepared, split, device)
        store.write_json("transfer.json", store.read_json("transfer.json") | {"beforehand": found})
    try:
        write_page(store, report(store, prepared, classifier, result, seen[1].images, summary | {"result": headline}))
    except SaveFailed:
        raise
    except Exception as error:  # fonts, settings and versions of a drawing library fail in many ways
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
        again = f"hubel train --resume {store.folder} tries again"
        watch.remark(f"the report was not written: {first}; the run is whole, and {again}")
    # Last of all: it says that the run is finished, and a run that was killed before this is concluded by --resume.
    store.write_json("summary.json", summary | {"test" if split == "test" else split: headline})


def write_page(store: RunStore, page: TrainingReport) -> None:
    """The report and its figures, the page last: where it stands, all of it does."""
    drawings = figures(page)
    for name, figure in drawings.items():
        store.write_bytes(f"figures/{name}.{figure.kind}", figure.data)
    store.write_text("report.html", render(page, drawings))


def numbers(result: Evaluation | RegressionEvaluation | TaskResult) -> dict[str, float]:
    """The one or two numbers that stand in a list of runs."""
    if isinstance(result, TaskResult):
        return result.headline
    if isinstance(result, Evaluation):
        return {"accuracy": result.top1, "balanced_accuracy": result.balanced_accuracy}
    return {"rmse": result.rmse, "mae": result.mae}


def report(
    store: RunStore,
    prepared: Prepared,
    classifier: Classifier,
    result: Evaluation | RegressionEvaluation | TaskResult | None,
    judged: np.ndarray,
    summary: dict[str, Any],
) -> TrainingReport:
    """Everything the page shows; `judged`: the pictures that the evaluation counts."""
    run = RunRecord(store.folder)
    manifest = prepared.manifest
    environment = store.read_json("env.json")
    history = [dict(zip(run.history, values, strict=True)) for values in zip(*run.history.values(), strict=True)]
    pictures = prepared.preprocessing is not None
    shown, labels, caption = exhibits(prepared)
    named = prepared.task.labels and classifier.method != "byol"
    wrong = [m.id for m in result.mistakes[:24]] if isinstance(result, Evaluation) else []
    transfer = store.read_json("transfer.json") if store.exists("transfer.json") else {}
    told = [one["id"] for one in (transfer.get("beforehand") or {}).get("shown", ())]
    seen = classifier.preprocessing
    shape = prepared.decoded.images.shape[1:] if seen is None else seen.shape
    return TrainingReport(
        title=run.name,
        class_names=manifest.class_names if named else (),
        evaluation=result,
        history=history,
        altered=altered(store),
        vitals=run.vitals,
        findings=run.findings,
        best_epoch=int(summary["best"].get("epoch", 0)) or None,
        stopped=STOPPED.get(summary["reason"], ""),
        views=viewed(summary["result"], VIEWS),
        recipe=prepared.recipe.model_dump(mode="json"),
        reasons=prepared.reasons,
        command=str(environment.pop("command", "")),
        environment=environment,
        timing={"reading the data": summary["preparation_seconds"], "training": summary["seconds"]},
        energy=(summary["energy"]["sentence"], *summary["energy"]["notes"]),
        data={"source": manifest.source, "samples": len(manifest), **prepared.scan.about},
        splits={name: len(prepared.ids(name)) for name in PARTS},
        class_counts={
            name: np.bincount(manifest.labels[prepared.ids(name)], minlength=manifest.num_classes).tolist()
            for name in PARTS
            if named and not manifest.regression and not classifier.method
        },
        problems=[
            Problem(p.path, p.reason, "left out" if p.left_out else "kept") for p in prepared.scan.problems[:200]
        ],
        problem_count=len(prepared.scan.problems),
        contact_sheet=shown,
        contact_labels=labels if named else [],
        contact_caption=caption,
        pretext=summary.get("pretext", {}),
        mistake_images={row: judged[row] for row in wrong} if pictures else {},
        transfer=transfer,
        told_images={row: prepared.decoded.images[row] for row in told} if pictures else {},
        trust=summary["trust"],
        simple=summary.get("baseline", {}),
        taught=store.read_json("teacher.json") | summary["teacher"] if summary.get("teacher") else {},
        model=str(prepared.recipe.model.model),
        layers=[
            LayerRow(leaf.name, leaf.kind, leaf.output, leaf.parameters) for leaf in leaves(classifier.model, shape)
        ],
        parameters=summary["parameters"],
    )
