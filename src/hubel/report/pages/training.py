"""The report of a training run: one page of HTML that needs no network, no other file and no script.

`TrainingReport` is plain data that the verb fills in; `render` turns it into the page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hubel.data.folders import STRANGERS
from hubel.data.strange import CORRUPTED, WORDS
from hubel.evaluation import Evaluation, RegressionEvaluation, TaskResult, diagnose_curves
from hubel.figures.bars import reliability
from hubel.figures.curves import curves
from hubel.figures.images import picture
from hubel.figures.matrix import confusion, hardest
from hubel.figures.scatter import predicted_against_true
from hubel.figures.theme import Figure
from hubel.figures.tiles import tiles
from hubel.records.ledger import told_score
from hubel.report.drawings.tasks import parts_of
from hubel.report.drawings.vitals import draw_vitals
from hubel.report.page import page, written
from hubel.views import Viewed
from hubel.words import MEASURES, duration, in_full, number, percent, plural, span


@dataclass(frozen=True, slots=True)
class Problem:
    """Something the scan found: which file, what is wrong, what was done about it."""

    path: str
    what: str
    action: str = "left out"


@dataclass(frozen=True, slots=True)
class LayerRow(Viewed):
    """A line of the table of layers. `parameters` are this layer's own, not its children's."""

    name: str
    kind: str
    output: Sequence[int]
    parameters: int


@dataclass(frozen=True, kw_only=True)
class TrainingReport(Viewed):
    """Everything the page shows, as plain data. What is empty is left out of the page."""

    title: str
    """For example the name of the run."""
    class_names: Sequence[str] = ()
    sentence: str = ""
    """The result in a sentence; the evaluation's own where it is empty."""
    evaluation: Evaluation | RegressionEvaluation | TaskResult | None = None
    history: Sequence[Mapping[str, object]] = ()
    """One row an epoch: epoch, train_loss, val_loss, train_accuracy, val_accuracy, lr, …; missing values are gaps. Of a
    head that was fitted to a frozen net a row is a `penalty`, from strong to weak."""
    altered: Sequence[tuple[float, str]] = ()
    """Where on the axis of epochs the run was told to go on otherwise, and how."""
    vitals: Sequence[Mapping[str, Any]] = ()
    findings: Sequence[Mapping[str, Any]] = ()
    """What the doctor said before and while it ran: severity, title, evidence, mend, id."""
    """Looks that were taken at the net on the way (`hubel.events.Vitals`), as they were logged."""
    best_epoch: int | None = None
    """Whose weights were kept, counted from 1."""
    stopped: str = ""
    """Why training ended, as a sentence."""
    views: str = ""
    """How often each test picture was looked at, as a sentence."""

    recipe: Mapping[str, object] = field(default_factory=dict)
    """Settings, either flat or in sections (a mapping of mappings)."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Setting -> why its default was chosen."""
    command: str = ""
    environment: Mapping[str, object] = field(default_factory=dict)
    timing: Mapping[str, float] = field(default_factory=dict)
    """What -> seconds."""
    energy: Sequence[str] = ()
    """What the run took: the headline, then how it was measured and what is assumed."""

    data: Mapping[str, object] = field(default_factory=dict)
    """Facts about the data: source, pictures, sizes, modes, …"""
    splits: Mapping[str, int] = field(default_factory=dict)
    """Split -> number of samples."""
    class_counts: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Split -> K numbers of samples."""
    problems: Sequence[Problem] = ()
    problem_count: int | None = None
    """All that were found, where `problems` holds only the first of them."""
    contact_sheet: Sequence[np.ndarray] = ()
    """What the net really sees: uint8 images, H W C or C H W."""
    contact_labels: Sequence[int] = ()
    """Class indices of these images, where known."""
    contact_caption: str = "What the net really sees: a few training pictures after decoding and resizing."
    mistake_images: Mapping[int, np.ndarray] = field(default_factory=dict)
    """Sample id -> uint8 image, for the evaluation's worst mistakes."""

    told_images: Mapping[int, np.ndarray] = field(default_factory=dict)
    """Sample id -> uint8 image, of what the old net would have said by itself."""

    transfer: Mapping[str, Any] = field(default_factory=dict)
    """What a run from a trained net took over, how alike the data are, what learnt (the facts of transfer.json)."""

    trust: Mapping[str, Any] = field(default_factory=dict)
    """How far its answers can be trusted (`trust` of summary.json)."""
    taught: Mapping[str, Any] = field(default_factory=dict)
    """Who taught it and what it said (teacher.json), and both nets beside each other (`teacher` of summary.json)."""
    simple: Mapping[str, Any] = field(default_factory=dict)
    """What a simple method gets, and the net beside it (`baseline` of summary.json)."""
    pretext: Mapping[str, Any] = field(default_factory=dict)
    """What a run that learnt without labels has come to (the facts of pretext.json)."""

    model: str = ""
    layers: Sequence[LayerRow] = ()
    parameters: int | None = None
    """Trainable parameters of the whole net; the sum over the layers where it is not given."""

    @property
    def penalties(self) -> tuple[float, ...]:
        """Those tried for a head that was fitted; () for a net that learnt in epochs."""
        found = [row.get("penalty") for row in self.history]
        return tuple(float(value) for value in found if isinstance(value, (int, float)))


STOPPED = {
    "epochs": "All epochs of the recipe were done.",
    "optimum": "A weaker penalty of the head made the validation result no better.",
    "time": "The time allowed was used up.",
    "target": "The target accuracy was reached on the validation split.",
    "patience": "The validation result had not improved for as long as the recipe waits.",
}


def viewed(headline: Mapping[str, Any], counts: Mapping[str, int]) -> str:
    """How often each picture was looked at, as a sentence; "" where it was once."""
    if "views" not in headline:
        return ""
    once = headline["one_view"]
    told = f"the accuracy is {once['accuracy']:.1%}" if "accuracy" in once else f"the RMSE is {in_full(once['rmse'])}"
    views = headline["views"]
    return f"Each picture was looked at {counts[views]} times ({views}), as hubel predict does; with one look {told}."


def render(report: TrainingReport, drawings: Mapping[str, Figure] | None = None) -> str:
    """The page as text. Names are escaped everywhere, and the page's own policy forbids scripts and addresses.

    `drawings`: what `figures(report)` gave, where the caller has it already.

    >>> text = render(TrainingReport(title="digits-1", class_names=["<b>"], sentence="It works."))
    >>> text.startswith("<!doctype html>"), "It works." in text
    (True, True)
    """
    # Points of a walk through penalties are no curve in time: nothing is learnt by heart there for having gone on.
    judged = len(report.history) > 2 and not report.penalties
    verdict = diagnose_curves(report.history, classes=len(report.class_names)) if judged else None
    parameters = report.parameters
    if parameters is None and report.layers:
        parameters = sum(layer.parameters for layer in report.layers)
    return page(
        "training.html.j2",
        report=report,
        evaluation=report.evaluation,
        sentence=report.sentence
        or str(report.pretext.get("sentence", ""))
        or (report.evaluation.sentence if report.evaluation else ""),
        verdict=verdict,
        tiles=_tiles(report, parameters),
        drawings=figures(report) if drawings is None else drawings,
        count_titles=[_SPOKEN.get(split, split) for split in report.class_counts if not _tested(report, split)],
        classes=_classes(report),
        mistakes=_mistakes(report),
        contact=_contact(report),
        told_before=_told_before(report),
        splits=_splits(report),
        parts=parts_of(report.evaluation),
        strange_kinds=WORDS
        | {
            CORRUPTED: "validation pictures, each spoilt by one corruption at its worst",
            STRANGERS: f"those in the folder {STRANGERS}/ that took no part in the choice",
        },
        set_kinds={"aps": "Sets by sums of probability", "per-class": "With a limit for each class"},
        sections=_sections(report.recipe, report.reasons),
        parameters=parameters,
        worth=worth_of(report),
    )


def worth_of(report: TrainingReport) -> tuple[str, str]:
    """What counts of the test, as the run from nothing had it and as this one has; ("", "") for an accuracy, and where
    there are not both.

    >>> found = TrainingReport(title="t", transfer={"from_nothing": {"test": {"rmse": 0.25}}})
    >>> worth_of(found)
    ('', '')
    """
    before = (report.transfer.get("from_nothing") or {}).get("test") or {}
    found = report.evaluation
    if isinstance(found, RegressionEvaluation):
        after: Mapping[str, float] = {"rmse": found.rmse}
    else:
        after = found.headline if isinstance(found, TaskResult) else {}
    name = next((name for name in MEASURES if name in before and name in after), "")
    return (told_score(name, before[name]), told_score(name, after[name])) if name else ("", "")


_SPOKEN = {"train": "training", "val": "validation"}


def _tiles(report: TrainingReport, parameters: int | None) -> list[tuple[str, str, str]]:
    """(title, value, note) of the headline numbers."""
    found: list[tuple[str, str, str]] = []
    e = report.evaluation
    if isinstance(e, Evaluation):
        found.append(("accuracy", percent(e.top1), f"95 % interval {span(e.intervals['top1'])}"))
        if not math.isnan(e.top5):
            found.append(("top-5 accuracy", percent(e.top5), span(e.intervals["top5"])))
        found.append(("balanced", percent(e.balanced_accuracy), "all classes equal"))
        found.append(("log-loss", number(e.log_loss), "nats, lower is better"))
        found.append(("calibration error", percent(e.calibration.ece), "0 is honest"))
    elif e is not None:
        found += [(title, value, interval) for title, value, interval in e.rows()]
    if "training" in report.timing:
        tried = plural(len(report.history), "penalty" if report.penalties else "epoch")
        found.append(("training time", duration(report.timing["training"]), tried))
    if parameters is not None:
        learns = report.transfer.get("learns")
        note = report.model if learns is None else f"{report.model}; {learns:,} learn"
        found.append(("parameters", f"{parameters:,}", note))
    return found


def figures(report: TrainingReport) -> dict[str, Figure]:
    """The drawings of the page by name, for example to save them beside it: loss, accuracy, lr, confusion, …

    >>> list(figures(TrainingReport(title="t", history=[{"train_loss": 2.0}, {"train_loss": 1.0}])))
    ['loss']
    """
    found: dict[str, Figure] = {}
    mark = report.best_epoch
    for name, title, lines in (
        ("loss", "Loss", {"training": "train_loss", "validation": "val_loss"}),
        ("accuracy", "Accuracy", {"training": "train_accuracy", "validation": "val_accuracy"}),
        ("overlap", "Mean IoU", {"validation": "val_iou"}),
        ("precision", "Mean average precision", {"validation": "val_map"}),
        ("recall", "Recall@1", {"validation": "val_recall"}),
        ("spread", "Spread of features (0: collapsed)", {"spread": "spread"}),
        ("lr", "Learning rate", {"learning rate": "lr"}),
    ):
        series = {line: _column(report.history, key) for line, key in lines.items()}
        series = {line: values for line, values in series.items() if any(map(math.isfinite, values))}
        if series and len(report.history) > 1:
            x_label = "penalty tried, from strong to weak" if report.penalties else "epoch"
            found[name] = curves(
                series, title=title, x_label=x_label, share=name in ("accuracy", "overlap", "precision", "recall"),
                steep=name == "loss", mark=mark, notes=[at for at, _ in report.altered],
            )  # fmt: skip
    found |= draw_vitals(report.vitals)
    e = report.evaluation
    if isinstance(e, Evaluation):
        c = e.calibration
        found["confusion"] = confusion(e.confusion, e.class_names)
        if len(e.class_names) > 20 and e.most_confused:
            found["confusion_hardest"] = hardest(e.confusion, e.class_names)
        found["reliability"] = reliability(c.edges, c.counts, c.confidence, c.accuracy)
    elif isinstance(e, RegressionEvaluation):
        found["scatter"] = predicted_against_true(e.predicted, e.targets)
    for part in parts_of(e):
        found |= part.figures
    return found


def _column(history: Sequence[Mapping[str, object]], key: str) -> list[float]:
    values = [row.get(key) for row in history]
    return [float(value) if isinstance(value, (int, float)) else math.nan for value in values]


def _tested(report: TrainingReport, split: str) -> bool:
    """Is this the split of the evaluation, whose counts stand in the table as "tested on"?"""
    return isinstance(report.evaluation, Evaluation) and report.evaluation.split == split


def _classes(report: TrainingReport) -> list[dict[str, object]]:
    """A row for each class: its scores, and how many samples each split has of it. Shares are for the bars."""
    e = report.evaluation
    tables = [counts for split, counts in report.class_counts.items() if not _tested(report, split)]
    rows: list[dict[str, object]] = []
    for k, name in enumerate(report.class_names):
        counts = [(int(table[k]), table[k] / max(1, *table)) for table in tables]
        row: dict[str, object] = {"name": name, "counts": counts, "scores": []}
        if isinstance(e, Evaluation):
            t = e.per_class
            row["scores"] = [(_sortable(v), percent(v, 1)) for v in (t.precision[k], t.recall[k], t.f1[k])]
            row["support"] = int(t.support[k])
        rows.append(row)
    return rows


def _sortable(value: float) -> float:
    """What is not known sorts below zero."""
    return -1.0 if math.isnan(value) else float(value)


def _mistakes(report: TrainingReport) -> list[dict[str, object]]:
    e = report.evaluation
    if not isinstance(e, Evaluation):
        return []
    names = e.class_names
    found: list[dict[str, object]] = []
    for m in e.mistakes[:24]:
        image = report.mistake_images.get(m.id)
        found.append(
            {
                "image": None
                if image is None
                else picture(image, alt=f"a {names[m.label]} called {names[m.predicted]}"),
                "label": names[m.label],
                "predicted": names[m.predicted],
                "confidence": percent(m.confidence, 0 if m.confidence < 0.995 else 1),
                "path": m.path or f"sample {m.id}",
            }
        )
    return found


def _contact(report: TrainingReport) -> list[Figure]:
    names = [report.class_names[k] for k in report.contact_labels] or ["a training picture"] * len(report.contact_sheet)
    return [picture(image, alt=name) for image, name in zip(report.contact_sheet, names, strict=True)]


def _told_before(report: TrainingReport) -> Figure | None:
    """A picture of some classes, each with what the old net calls most of that class."""
    shown = [
        (report.told_images[one["id"]], f"{one['name']}: {one['called']}")
        for one in (report.transfer.get("beforehand") or {}).get("shown", ())
        if one["id"] in report.told_images
    ]
    if not shown:
        return None
    alt = "Pictures, each with its class and what the old net calls it"
    return tiles([image for image, _ in shown], labels=[label for _, label in shown], side=180, columns=4, alt=alt)


def _splits(report: TrainingReport) -> list[tuple[str, int, float]]:
    total = sum(report.splits.values()) or 1
    return [(_SPOKEN.get(name, name), count, count / total) for name, count in report.splits.items()]


def _sections(recipe: Mapping[str, object], reasons: Mapping[str, str]) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """(section, [(setting, value, why)]) of a flat or a sectioned recipe.

    Settings that are off are left out, but those that were put off for a reason; so are sections without any other.
    """

    def why(section: str, setting: str) -> str:
        return reasons.get(setting, reasons.get(f"{section}.{setting}", ""))

    flat = {name: value for name, value in recipe.items() if not isinstance(value, Mapping)}
    groups = [("", flat), *((name, value) for name, value in recipe.items() if isinstance(value, Mapping))]
    found = [
        (
            name,
            [
                (key, "none" if value is None else written(value, grouped=False), why(name, key))
                for key, value in group.items()
                if value not in (None, (), [], {}) or (value is None and why(name, key))
            ],
        )
        for name, group in groups
    ]
    return [section for section in found if section[1]]


__all__ = ["LayerRow", "Problem", "TrainingReport", "figures", "render"]
