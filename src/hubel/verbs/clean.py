"""Clean: what is probably wrong with pictures and labels, ranked; suggestions become edits where that is wished."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from hubel.care.cleaning import Cleaning
from hubel.care.judging import FOLDS, compare_pictures, judge
from hubel.data.editing import editor_of, require_files, undo_command, with_groups
from hubel.data.sources import open_as_learnt
from hubel.diagnosis.labels_of_runs import judge_folds, judge_run, seen_by
from hubel.errors import UsageError
from hubel.faces.progress import shows_progress
from hubel.records.own_data import reading_of
from hubel.records.series import folds_of, run_or_data
from hubel.watching import SILENT, Watcher
from hubel.words import percent, plural

__all__ = ["Cleaning", "clean"]


@shows_progress
def clean(
    data: str | os.PathLike[str],
    *,
    folds: int | None = None,
    eyes: str | None = None,
    accept: float | None = None,
    group: str | None = None,
    who: str = "",
    device: str = "auto",
    seed: int = 0,
    data_root: str | Path | None = None,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
    **reading: Any,
) -> Cleaning:
    """Twins, leaks, damaged and odd pictures and shortcuts of a folder, table or named set; for a run, labels too.

    Labels of a run are judged by what its net said of them as it learnt, before it could know them by heart; where the
    run did not keep that (a head on a frozen net, fewer than three epochs, blended pictures, several processes) or
    `folds` are said, by heads on the features of its net, out of fold. Labels of data are judged by heads on the
    pixels, where `folds` is said, or on what the net `eyes` sees (a published one, or a run); of a series of folds
    (`hubel.train(…, folds=5)`) each picture by the net of the fold that left it out.

    `accept` writes an edit for every label that is suspected with at least that probability (`hubel.edit`);
    `group="auto"` one for every picture of a burst, which keeps it on one side of every split to come. Of runs,
    strangers are told too, and of one run what leaks across its split did to its accuracy. `reading` are the
    options of `hubel.scan` that say how a table is read. Raises UsageError, DataError, ArtefactError.
    """
    if accept is not None and not 0.5 <= accept <= 1:
        raise UsageError(f"accept must be a probability from 0.5 to 1, got {accept:g}", hint="0.95 is usual")
    if group not in (None, "auto"):
        raise UsageError(
            f"pictures are grouped by their bursts or not at all, got group {group!r}", hint="--group auto"
        )
    series = folds_of(data)
    folder = run_or_data(data) if series is None else series.runs()[0].folder
    if folder is not None:
        if eyes is not None:
            raise UsageError(f"a run sees with its own net, and eyes ({eyes}) are given", hint="leave --eyes out")
        if any(reading.values()):
            raise UsageError("a run reads its data as it was trained on them", hint="leave the options of tables out")
        if series is None:
            found = judge_run(folder, folds, device, seed, data_root, watch)
        elif folds is None:
            found = judge_folds(series, device, seed, data_root, watch)
        else:
            raise UsageError(f"the series has {len(series.members)} folds of its own", hint="leave --folds out")
    else:
        listed = open_as_learnt(data, data_root=data_root, progress=watch.progress, **reading)
        if listed.masks is not None and (folds is not None or eyes is not None):
            raise UsageError(
                f"--{'folds' if eyes is None else 'eyes'} judges labels, and {data} has masks",
                hint="leave it out: twins are found all the same",
            )
        found = compare_pictures(listed, None, watch)
        if eyes is not None:
            seen, name = seen_by(eyes, found, device, watch)
            by = f"{folds or FOLDS} heads on what {name} sees, each on pictures that it was not fitted to"
            found = judge(found, seen, by, folds=folds or FOLDS, seed=seed, watch=watch, strangers=True)
        elif folds is not None:
            by = f"{folds} heads on the pixels, each on pictures that the others were fitted to"
            found = judge(found, found.pictures, by, folds=folds, seed=seed, watch=watch)
    if accept is not None and found.labels is None:
        raise UsageError(
            "labels were not judged: there is nothing to accept", hint="add --folds 5 or --eyes NET, or give a run"
        )
    read = (reading if folder is None else reading_of(folder, found.source)) | {"lists": found.manifest.several}
    if accept is not None:
        found = _accept(found, accept, who, read, watch)
    return _group(found, who, read, watch) if group == "auto" else found


def _group(found: Cleaning, who: str, reading: dict[str, Any], watch: Watcher) -> Cleaning:
    """An edit for every picture of a burst, which puts it into the burst's group."""
    manifest = found.manifest
    require_files(manifest)
    assert manifest.paths is not None
    paths = manifest.paths
    wanted = [
        (f"burst {paths[burst.rows[0]]}", [paths[row] for row in burst.rows], f"by {' and '.join(burst.signs)}")
        for burst in found.bursts
    ]
    log, editor = editor_of(found.source, who, reading)
    made = editor.together(wanted)
    if not made:
        why = "the pictures of all bursts are in groups already" if found.bursts else "no bursts were found"
        watch.remark(f"{why}: nothing was written")
        return found
    log.add(made)
    watch.remark(
        f"{plural(len(made), 'picture')} of {plural(len(found.bursts), 'burst')} {'is' if len(made) == 1 else 'are'} "
        f"in groups now, for splits to come; to take that back: {undo_command(found.source, made)}"
    )
    manifest = with_groups(manifest, made)
    return replace(found, manifest=manifest, accepted=(*found.accepted, *(edit.id for edit in made)))


def _accept(found: Cleaning, least: float, who: str, reading: dict[str, Any], watch: Watcher) -> Cleaning:
    manifest = found.manifest
    require_files(manifest)
    assert found.labels is not None
    assert manifest.paths is not None
    paths = manifest.paths
    sure = [
        (paths[one.row], one, f"suggested, {percent(one.probability, 1)}")
        for one in found.labels.suspects
        if one.confident and one.probability >= least
    ]
    log, editor = editor_of(found.source, who, reading)
    if manifest.several:
        made = editor.accepted_labels([(path, one.label, one.there, why) for path, one, why in sure])
    else:
        made = editor.accepted({path: (one.given, one.suggested, why) for path, one, why in sure})
    if not made:
        watch.remark(f"no suggestion is as sure as {least:g}: nothing was written")
        return found
    log.add(made)
    were = "label was" if len(made) == 1 else "labels were"
    watch.remark(f"{len(made)} {were} edited; to take that back: {undo_command(found.source, made)}")
    if found.labels.doubt:
        watch.remark(found.labels.doubt)
    return replace(found, accepted=tuple(edit.id for edit in made))
