"""Predict: a trained run and pictures in, classes with probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from hubel.anomalies.sighting import Sightings
from hubel.anomalies.step_looking import ask_detector
from hubel.anomalies.step_results import JudgedSteps
from hubel.checkpoint import Classifier
from hubel.deploy.ensemble import classify_together
from hubel.deploy.files import is_shipped, open_file, refuse_settings
from hubel.deploy.prediction import Prediction, Predictions, classify
from hubel.deploy.thinned import classify_thinned
from hubel.errors import ArtefactError, DataError, UsageError
from hubel.faces.progress import shows_progress
from hubel.figures.areas import tinted
from hubel.records.nets import load
from hubel.records.series import members_of
from hubel.store import RunStore
from hubel.store.kinds import is_detector
from hubel.tasks.answers import Answer, Answers
from hubel.verbs.answer import answer, seconded
from hubel.watching import SILENT, Watcher

__all__ = ["Answer", "Answers", "JudgedSteps", "Prediction", "Predictions", "Sightings", "predict", "predict_proba"]


@shows_progress
def predict(
    run: str | PathLike[str] | Classifier | Sequence[str | PathLike[str] | Classifier],
    pictures: Any,
    *,
    which: str = "best",
    views: str | None = None,
    device: str = "auto",
    batch_size: int = 64,
    fast: bool | None = None,
    follow_links: bool = False,
    classes: str | PathLike[str] | None = None,
    sets: str = "lac",
    dropout_samples: int | None = None,
    autoencoder: str | PathLike[str] | None = None,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> Predictions | Answers | Sightings | JudgedSteps:
    """Classify pictures: a path, a folder, bytes, an open file, a PIL image, an array or tensor, or many of these.

    Folders are searched as training searches them: hidden folders and litter are passed over, links are followed only
    with `follow_links`. A link that is named itself is what it leads to.

    `run` is a run (its folder, its name), a weights folder, a classifier, a series, or several that answer together
    (the mean of their probabilities, and how much they disagree); or a file of `hubel export`, which has its
    weights and its views in it; or a detector of `hubel.anomaly`, which gives a score, a verdict and a map for each
    (`hubel.anomalies.sighting.Sightings`; of steps `hubel.anomalies.step_results.JudgedSteps`).

    Arrays are H W, H W C or N H W C, tensors C H W or B C H W, of bytes or of numbers 0 to 1. One picture makes a list
    of one. `which` weights: "best" or "last".

    `views` of each are averaged: those the run was measured with if not given, "none" for one look. `fast` makes the
    net ready first; None does so from 100 pictures on. `verbose` shows progress; None does where somebody looks.

    `sets`: the rule of the plausible classes: "lac", "aps" (larger where a picture is hard), "per-class" (a promise for
    each class). `dropout_samples`: ask so many thinned forms of a net that has drop-out, and give the mean of their
    probabilities and how much they disagree.

    `autoencoder`: a run of the task reconstruct, or a detector, that is asked with it whether a picture is known
    (`hubel.assembly.beside`); the run's own data must be there, on whose scale it answers.

    A net whose task is no label answers with pictures: `Answers`, each with its `told`, `numbers` and `picture`.
    Several say their mean (of pixels of their probabilities, each net at its own size), and how much they disagree in
    `disagreement`; of pixels also where, in `beside["disagreement"]`.
    Of one that learnt what is near, `classes` are labelled pictures whose classes it knows then, too.
    Unreadable files are named in `.problems` of the result. Raises ArtefactError for the run, DataError when no picture
    can be read, UsageError for what is none.
    """
    settings: dict[str, Any] = {"batch_size": batch_size, "follow_links": follow_links, "watch": watch}
    given = list(run) if isinstance(run, (list, tuple)) else [run]
    if any(isinstance(net, (str, PathLike)) and is_detector(net) for net in given):
        return _by_detector(
            given, pictures, {
                "--which": which != "best", "--views": views, "--fast": fast, "--sets": sets != "lac",
                "--dropout-samples": dropout_samples, "--autoencoder": autoencoder,
            }, device, settings,
        )  # fmt: skip
    asked_for = {
        "--sets": (sets, "lac"),
        "--dropout-samples": (dropout_samples, None),
        "--autoencoder": (autoencoder, None),
    }
    nets: list[Any] = [net for each in given for net in opened(each)]
    if not nets:
        raise UsageError("no net was given to answer", hint="predict([run, run], pictures)")
    files = [str(net) for net in nets if is_shipped(net)]
    if files and len(nets) > 1:
        raise UsageError(f"an exported file answers alone, and {len(nets)} nets are given", hint="give their runs")
    if files and classes is not None:
        raise UsageError("an exported file takes no further classes", hint="name its run")
    if files:
        asked = {"--which": (which, "best"), "--views": (views, None), "--fast": (fast, None)}
        refuse_settings(files[0], asked | asked_for | {"--device": (device, "auto")})
        watch.stage("classifying")
        return open_file(files[0]).classify(pictures, **settings)
    settings |= {"views": views, "device": device, "fast": fast}
    members = [net if isinstance(net, Classifier) else load(net, which=which) for net in nets]
    odd = [flag for flag, (value, usual) in asked_for.items() if value != usual]
    known_too = odd == ["--autoencoder"]  # which asks whether a picture is known, also beside several labels
    if odd and (len(members) > 1 or not (members[0].labels or (members[0].several and known_too))):
        which = "names classes or says several labels" if known_too else "names classes"
        raise UsageError(f"{odd[0]} is for one net that {which}", hint=f"leave {odd[0]} out, or give one run")
    if autoencoder is not None:
        members = [seconded(nets[0], members[0], autoencoder, device, watch)]
    if any(not member.labels for member in members):
        return answer(members, pictures, settings | {"classes": classes})
    if classes is not None:
        raise UsageError("only a net that learnt what is near takes further classes", hint="hubel train --task embed")
    watch.stage("classifying")
    if len(members) > 1:
        return classify_together(members, pictures, **settings)
    if dropout_samples is None:
        return classify(members[0], pictures, **settings, sets=sets)
    if fast or sets != "lac":
        raise UsageError(
            f"{'--fast' if fast else '--sets'} is for the whole net, and --dropout-samples asks thinned ones",
            hint="leave one of them out",
        )
    settings.pop("fast")
    return classify_thinned(members[0], pictures, dropout_samples, **settings)


def save_answers(found: Answers, folder: str | PathLike[str]) -> list[Path]:
    """Write every picture that a net answered with into a folder, which is made if need be; returns the paths."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    files = found.files(overlay=tinted)
    for name, data in files.items():
        RunStore(place).write_bytes(name, data)
    return [place / name for name in files]


def opened(net: Any) -> Sequence[Any]:
    """A net, or the members of a series in its place. Raises ArtefactError for a series of which none has finished."""
    members = None if isinstance(net, Classifier) else members_of(net)
    return [net] if members is None else members


def _by_detector(
    nets: list[Any], pictures: Any, refused: dict[str, Any], device: str, settings: dict[str, Any]
) -> Sightings | JudgedSteps:
    given = [name for name, value in refused.items() if value]
    if len(nets) > 1 or given:
        what = "others" if len(nets) > 1 else given[0]
        raise UsageError(f"a detector answers alone, and {what} is given", hint="predict(detector, pictures)")
    settings["watch"].stage("looking")
    return ask_detector(nets[0], pictures, device=device, **settings)


def predict_proba(run: str | PathLike[str] | Classifier, pictures: Any, **settings: Any) -> np.ndarray:
    """Probabilities N K (float64, rows sum to 1), a row a picture, in the order of `class_names`.

    `settings` are those of `predict`. Raises DataError where a picture cannot be read, since its row would be missing,
    and ArtefactError for a run that predicts a number.
    """
    if not isinstance(run, Classifier) and not is_shipped(run) and members_of(run) is None:
        run = load(run, which=settings.pop("which", "best"))
    if isinstance(run, Classifier):
        run.require_answers()
    if isinstance(run, Classifier) and not run.class_names:
        raise ArtefactError(
            f"this run ({run.spec.architecture}) predicts a number, which has no probability",
            hint="predict(...)[0].value",
        )
    found = predict(run, pictures, **settings)
    if isinstance(found, Sightings):
        raise ArtefactError("a detector gives scores, and no probabilities", hint="predict(...).scores")
    if not isinstance(found, Predictions) or not found[0].probabilities:
        raise ArtefactError("this file answers otherwise than by the probabilities of classes", hint="predict(...)")
    if found.problems:
        first = found.problems[0]
        lost = f"{len(found.problems)} of {len(found.problems) + len(found)} pictures cannot be read"
        raise DataError(
            f"{lost}, so rows would be missing; first: {first.path}: {first.reason}",
            hint="leave them out, or use predict, which names them in .problems",
        )
    return found.probabilities
