"""The page Try and ship: what a run says of a picture, the picture kept for the next training, the run as a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from hubel.data.manifest import printable
from hubel.deploy.exporting import FORMS
from hubel.errors import ArtefactError, DataError, UsageError, unknown
from hubel.recipes.schema import compose, read_file
from hubel.records.own_data import open_data, placed
from hubel.studio.asking import Asked, Route
from hubel.studio.jobs import Job, spoken
from hubel.studio.keeping import class_folder, keep
from hubel.studio.seen import net, said
from hubel.verbs.predict import predict

TOP = 8
"""Classes that are told of each picture."""


def about(asked: Asked) -> dict[str, Any]:
    """What a run can answer, and in which forms it can be written."""
    folder = asked.studio.places.run(asked.word("run"))
    classifier = net(asked.studio, folder)
    classifier.require_answers(several=True)
    if classifier.preprocessing is None:
        raise UsageError("this run was trained on points, and takes no picture", hint="the Playground shows such nets")
    sight = classifier.preprocessing
    word = asked.studio.places.spoken(folder)
    return {
        "classes": list(classifier.class_names), "net": classifier.spec.architecture,
        "input": [sight.channels, sight.height, sight.width],
        "several": classifier.several, "knows": classifier.trust is not None and classifier.trust.knows,
        "forms": list(FORMS),
        "predict": spoken(["predict", word, "PICTURE"]), "serve": spoken(["serve", word]),
        "export": {form: spoken(["export", word, "--to", form]) for form in FORMS},
    }  # fmt: skip


def answer(asked: Asked) -> dict[str, Any]:
    """What a run says of the picture in the body."""
    classifier = net(asked.studio, asked.studio.places.run(asked.word("run")))
    classifier.require_answers(several=True)
    if classifier.preprocessing is None:
        raise UsageError("this run was trained on points, and takes no picture")
    began = time.perf_counter()
    with asked.studio.computing:
        found = predict(classifier, asked.body, fast=False, verbose=False)
    if found.problems:
        raise DataError(f"this is no picture that can be read: {found.problems[0].reason}")
    spent = round(1e3 * (time.perf_counter() - began), 1)
    return said(classifier, found[0], TOP) | {"milliseconds": spent}


def keep_it(asked: Asked) -> dict[str, Any]:
    """The picture in the body becomes part of the run's data, as one of a class: for the next training."""
    folder = asked.studio.places.run(asked.word("run"))
    if not (folder / "config.yaml").is_file():
        raise ArtefactError(f"{folder.name} does not say which data it was trained on")
    recipe = placed(folder, compose(read_file(folder / "config.yaml")))
    manifest = open_data(recipe)
    if net(asked.studio, folder).several:
        raise UsageError(
            "a picture with several labels is a line of a table, which is yours to write",
            hint=f"put the picture beside the table in {printable(manifest.source)}, write its line, and train again",
        )
    place = class_folder(asked.studio.places, manifest, asked.word("label"))
    kept = keep(place, asked.body)
    source = asked.studio.places.spoken(Path(manifest.source))
    return {"file": asked.studio.places.spoken(kept), "source": source, "command": spoken(["train", source])}


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
