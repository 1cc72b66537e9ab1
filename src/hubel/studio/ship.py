"""The page Try and ship: what a run says of a picture, the picture kept for the next training, the run as a file.

What answers is the engine of `hubel serve`, for every task that it knows.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

from hubel.checkpoint import Classifier
from hubel.data.manifest import Problem
from hubel.deploy.exporting import FORMS, refusal
from hubel.errors import ArtefactError, DataError, HubelError, UsageError, unknown
from hubel.recipes.schema import compose, read_file
from hubel.records.own_data import open_data, placed
from hubel.records.tables import tables_behind
from hubel.server.answering import said
from hubel.studio.asking import Asked, Route
from hubel.studio.drawn import figures
from hubel.studio.jobs import Job, spoken
from hubel.studio.keeping import as_file, class_folder, keep, keep_in_table, refuse_twice
from hubel.studio.seen import answerer, net
from hubel.verbs.predict import Answer, Prediction

TOP = 8
"""Classes that are told of each picture."""


def about(asked: Asked) -> dict[str, Any]:
    """What a run can answer, and in which forms it can be written; why not, where it cannot."""
    folder = asked.studio.places.run(asked.word("run"))
    classifier, word = net(asked.studio, folder), asked.studio.places.spoken(folder)
    found = {
        "net": classifier.spec.architecture,
        "forms": [_form(classifier, name) for name in FORMS],
        "predict": spoken(["predict", word, "PICTURE"]), "serve": spoken(["serve", word]),
        "export": {form: spoken(["export", word, "--to", form]) for form in FORMS},
    }  # fmt: skip
    try:
        answers = answerer(asked.studio, folder)
    except (ArtefactError, UsageError) as error:
        return found | {"untried": _reason(error)}
    facts = answers.about()
    return found | {
        **{name: facts[name] for name in ("classes", "title", "says", "colours", "input", "thresholds")},
        "marks": _marks(classifier, answers.example), "untried": None,
    }  # fmt: skip


def _form(classifier: Classifier, name: str) -> dict[str, Any]:
    """A form, why the run is not written in it, and why not in whole numbers."""
    return {
        "name": name, "refused": _reason(refusal(classifier, name)),
        "whole": _reason(refusal(classifier, name, whole=True)),
    }  # fmt: skip


def _reason(error: HubelError | None) -> dict[str, str] | None:
    return None if error is None else {"reason": error.what, "hint": error.hint}


def _marks(classifier: Classifier, example: Prediction | Answer) -> str:
    """By what a picture is kept for the next training: "one" class, "several" labels, or "" for what has none."""
    if classifier.several:
        return "several"
    named = example.probabilities if isinstance(example, Prediction) else example.labels is not None
    return "one" if named and classifier.class_names else ""


def answer(asked: Asked) -> dict[str, Any]:
    """What a run says of the picture in the body, and what it draws of it."""
    answers = answerer(asked.studio, asked.studio.places.run(asked.word("run")))
    began = time.perf_counter()
    read = answers.read(asked.body)
    if isinstance(read, Problem):
        raise DataError(f"this is no picture that can be read: {read.reason}")
    image, size = read
    with asked.studio.computing:
        (one,) = answers.compute(["picture"], [image])
    spent = round(1e3 * (time.perf_counter() - began), 1)
    whole = partial(answers.whole, asked.body)
    return said(one, TOP) | {"figures": figures(one, image, size, whole, answers.laid_back), "milliseconds": spent}


def keep_it(asked: Asked) -> dict[str, Any]:
    """The picture in the body becomes part of the run's data, as one of a class or with labels: for the next training.

    `label` is its class; where it may have several, `labels` is a list of them as JSON, [] for none.
    """
    folder, places = asked.studio.places.run(asked.word("run")), asked.studio.places
    if not (folder / "config.yaml").is_file():
        raise ArtefactError(f"{folder.name} does not say which data it was trained on")
    marks = _marks(net(asked.studio, folder), answerer(asked.studio, folder).example)
    if not marks:
        raise UsageError(
            "a picture is kept under its class, and this run names none", hint="add it to its data yourself"
        )
    labels = list(dict.fromkeys(asked.words("labels"))) if marks == "several" else [asked.word("label")]
    recipe = placed(folder, compose(read_file(folder / "config.yaml")))
    manifest, tables = open_data(recipe), tables_behind(recipe)
    source = places.spoken(Path(manifest.source))
    found = {"source": source, "command": spoken(["train", source])}
    if not tables:
        folder, (name, drawn) = class_folder(places, manifest, labels[0]), as_file(asked.body)
        refuse_twice(manifest, folder, name)
        kept = keep(folder, name, drawn)
        return found | {"file": places.spoken(kept), "name": kept.name}
    kept, line = keep_in_table(places, manifest, tables, asked.body, labels, several=marks == "several")
    return found | {
        "file": places.spoken(kept), "name": kept.name, "table": places.spoken(line.table), "line": line.line,
        "copy": line.copy.name,
    }  # fmt: skip


def export(asked: Asked) -> Job:
    """Write the run as one file, beside the runs; the job tells how far it is from the net's own answers."""
    wish = asked.said
    folder, form = asked.studio.places.run(str(wish.get("run", ""))), str(wish.get("form", "onnx"))
    if form not in FORMS:
        raise unknown("form", form, FORMS)
    ending = FORMS[form].suffix
    words = [
        "export",
        asked.studio.places.spoken(folder),
        "--to",
        form,
        "--out",
        f"{asked.studio.places.spoken(folder)}{ending}",
    ]
    return asked.studio.jobs.start([*words, *(["--int8"] if wish.get("int8") is True else [])])


ROUTES = [
    Route("about", about), Route("answer", answer, "POST"), Route("keep", keep_it, "POST"),
    Route("export", export, "POST"),
]  # fmt: skip
