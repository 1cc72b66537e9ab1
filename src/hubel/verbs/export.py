"""Export: a run as one file that answers elsewhere, with proof that it gives the net's answers, and a card."""

from __future__ import annotations

import math
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np

from hubel.checkpoint import Classifier
from hubel.data.decode import read_whole, rows_of
from hubel.data.given import read_each, read_given
from hubel.deploy import card, parity
from hubel.deploy.ended import described, ending_of, shapes_of
from hubel.deploy.exporting import FORMS, Made, check_ending, check_form
from hubel.deploy.int8 import Cost, cost
from hubel.deploy.odd import odd_pictures
from hubel.deploy.parity import Pictures
from hubel.deploy.proof import proven
from hubel.deploy.wanted import Wanted, require_pictures
from hubel.deploy.written import Exported, place_of, written
from hubel.errors import ArtefactError, DataError, UsageError, unknown
from hubel.faces.progress import shows_progress
from hubel.records.ledger import RunRecord, find_run
from hubel.records.nets import load
from hubel.records.own_data import OwnData, own_data
from hubel.watching import SILENT, Watcher

__all__ = ["Exported", "export"]

PICTURES = 256
"""Pictures that are compared, if nobody says otherwise: the run's own where it has so many, else generated ones too."""
ODD = 40
"""Generated ones at least."""
CALIBRATED, SCORED = 128, 1000
"""Pictures of the training part that int8 takes its ranges from; labelled ones at most that its cost is measured on."""
LOSABLE = 0.5
"""Points of accuracy that int8 may lose if nobody says otherwise."""


@shows_progress
def export(
    run: str | PathLike[str],
    to: str = "onnx",
    *,
    out: str | Path | None = None,
    int8: bool = False,
    accept_loss: float | None = None,
    tolerance: float | None = None,
    pictures: int = PICTURES,
    licence: str = "",
    which: str = "best",
    views: str | None = None,
    data_root: str | Path | None = None,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> Exported:
    """Write a run as one file `to` a form of FORMS: everything from decoded bytes to calibrated probabilities, or to
    what its task answers with: a class for each pixel, a number, a point and what is near it, the picture given back.

    At least `pictures` pictures go through the net and through the file: of the run's own test part, and generated odd
    ones. Where a label differs, or a number by more than `tolerance` (the form's own if not given), ArtefactError
    is raised and nothing is written. `out` is the file (in the working folder, called as the run, if not given); beside
    it stand FILE.card.md, FILE.card.json and FILE.parity.json, so that two forms of a run keep a proof each.

    `int8`: weights and activations as whole numbers, with ranges from pictures of the run's own training part (of a
    page its weights). Accuracy with its interval, size and time stand beside those of float32; a loss of more than
    `accept_loss` points of accuracy (0.5 if not given) raises ArtefactError.

    `views` of each picture are averaged: those of the run if not given. `licence`: a line for the card. `data_root`
    says where the run's data lie now; where they cannot be found, generated pictures alone are compared, and that is
    said. Raises UnknownName, UsageError, ArtefactError, and MissingExtra for forms that need a package.
    """
    if to not in FORMS:
        raise unknown("form", to, FORMS)
    form = FORMS[to]
    check_form(to, form, whole=int8)
    if accept_loss is not None and not int8:
        raise UsageError("--accept-loss is for --int8", hint="leave it out, or add --int8")
    if tolerance is not None and int8:
        raise UsageError(
            "whole numbers answer otherwise now and then, whatever --tolerance says",
            hint="leave it out: --accept-loss says how many points of accuracy that may cost",
        )
    if accept_loss is not None and not 0 <= accept_loss <= 100:
        raise UsageError(f"points of accuracy must be 0 to 100, got {accept_loss:g}", hint="--accept-loss 1")
    if pictures < 1:
        raise UsageError(f"at least 1 picture is compared, got {pictures}", hint=f"{PICTURES} is usual")
    if tolerance is not None and not 0 <= tolerance < 1:
        raise UsageError(f"the tolerance must be 0 to 1, got {tolerance:g}", hint=f"{form.tolerance:g} is usual")
    folder = find_run(run)
    classifier = load(folder, which=which)
    require_pictures(classifier, views)
    ending = ending_of(classifier)
    if ending is not None:
        check_ending(to, form, classifier.task, whole=int8)
    if classifier.threshold is not None:
        watch.remark(
            "the run's threshold is in the file's metadata: hubel predict FILE names classes by it"
            if to == "onnx" else "the run's threshold is not in the file, which names the likelier class"
        )  # fmt: skip
    entry, place = classifier.published, folder.resolve()
    name = entry.model if entry is not None else place.name if folder.is_dir() else place.stem
    path = place_of(name, form, out)
    wanted = Wanted(
        classifier=classifier,
        views=views if views is not None else classifier.views if classifier.labels else "none",
        ending=ending,
        calibrator=classifier.calibrator,
        card=card.card_of(
            folder, name, classifier, views=views, licence=licence,
            outputs=() if ending is None else described(ending, shapes_of(classifier, ending)),
        ),
        int8=int8,
    )  # fmt: skip
    _tell_unfinished(folder, watch)
    own = _own(folder, classifier, data_root, watch)
    if int8 and own is None:
        raise ArtefactError(
            "what whole numbers cost is measured on the run's own pictures, and they are not here",
            hint=("" if entry is not None else "--data-root FOLDER says where they lie now; ")
            + "without --int8 generated pictures will do",
        )
    if int8 and own is not None:
        rows = own.ids("train")
        rows = rows[parity.in_parts(len(rows), CALIBRATED)]
        wanted = replace(wanted, calibration=np.ascontiguousarray(rows_of(own.decoded.images, rows)))
    watch.stage(f"writing {to}")
    made = form.make(wanted) if ending is None or form.end is None else form.end(wanted, ending)
    watch.stage("comparing it with the net")
    seen, split = _seen(own, classifier, pictures)
    found = proven(to, made, wanted, seen, split=split, tolerance=form.tolerance if tolerance is None else tolerance)
    lost = None
    if made.plain is not None and own is not None:
        watch.stage("measuring what whole numbers cost")
        lost = _cost(own, wanted, made, made.plain, LOSABLE if accept_loss is None else accept_loss)
    for remark in made.remarks:
        watch.remark(remark)
    return written(path, to, made, found, wanted, lost)


def _cost(own: OwnData, wanted: Wanted, made: Made, plain_one: Made, accepted: float) -> Cost:
    """float32 beside int8 on labelled pictures; ArtefactError where more points are lost than are accepted."""
    assert wanted.classifier.preprocessing is not None
    split = next((name for name in ("test", "val", "train") if len(own.ids(name))), "")
    rows = own.ids(split)
    rows = rows[parity.in_parts(len(rows), SCORED)]
    whole = list(read_whole(own.scan.manifest, rows, wanted.classifier.preprocessing))
    manifest, limits = own.scan.manifest, wanted.limits
    labels = manifest.labels if limits is None or manifest.targets is None else manifest.targets
    found = cost(
        split, labels[rows], (plain_one.answer(whole), made.answer(whole)),
        (len(plain_one.data), len(made.data)), (plain_one.answer, made.answer), np.ascontiguousarray(whole[0]),
        known=(plain_one.seconds, made.seconds), limits=limits,
    )  # fmt: skip
    if found.loss > accepted:
        raise ArtefactError(
            f"int8 loses {found.loss:.2f} points of accuracy, more than {accepted:g}, so it was not written\n{found}",
            hint=f"--accept-loss {math.ceil(10 * found.loss) / 10:g} takes it as it is; without --int8 nothing is lost",
        )
    return found


def _tell_unfinished(folder: Path, watch: Watcher) -> None:
    """Say of a run that is not finished that its best weights so far are written, which nothing has measured yet."""
    if (folder / "config.yaml").is_file() and (status := RunRecord(folder).status) != "finished":
        watch.remark(f"the run is {status}: its weights so far are written; hubel train --resume {folder} goes on")


def _own(folder: Path, classifier: Classifier, data_root: str | Path | None, watch: Watcher) -> OwnData | None:
    """The run's own data; None, and a remark, where they cannot be had and nobody said where they lie."""
    try:
        return own_data(folder, classifier, watch, data_root=data_root)
    except (ArtefactError, DataError, UsageError) as error:
        if data_root is not None:
            raise
        watch.remark(f"only generated pictures are compared: {error.what}")
        return None


def _seen(own: OwnData | None, classifier: Classifier, most: int) -> tuple[Pictures, str]:
    """The pictures to compare: of the test part (else the validation part), and generated ones."""
    assert classifier.preprocessing is not None
    real, split = None, ""
    if own is not None:
        split = next((name for name in ("test", "val", "train") if len(own.ids(name))), "")
        rows = own.ids(split)
        rows = rows[parity.in_parts(len(rows), most)]
        real = Pictures(
            names=tuple(own.scan.manifest.name(int(row)) for row in rows),
            placed=np.ascontiguousarray(rows_of(own.decoded.images, rows)),
            whole=tuple(read_whole(own.scan.manifest, rows, classifier.preprocessing)),
            real=len(rows),
        )
    names, files = zip(*odd_pictures(max(ODD, most - (len(real) if real else 0))), strict=True)
    any_file = replace(classifier.preprocessing, takes="")  # of a net of sounds, too
    _, placed, _ = read_given(files, any_file)
    _, whole, _ = read_each(files, any_file.whole())
    odd = Pictures(names=names, placed=placed, whole=tuple(each.transpose(1, 2, 0) for each in whole), real=0)
    return (odd if real is None else real + odd), split
