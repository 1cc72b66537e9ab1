"""Edit: what somebody decides about labels, pictures, classes and groups, written beside the data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hubel.data.changes import OF_ONE_LABEL, Edit
from hubel.data.clean_copy import write_copy
from hubel.data.editing import ACTIONS, Editor, Edits, open_to_edit, require_request
from hubel.data.edits import edited
from hubel.data.sources import SOURCES, moved
from hubel.faces.progress import shows_progress
from hubel.watching import SILENT, Watcher

__all__ = ["Edits", "edit"]


@shows_progress
def edit(
    data: str | os.PathLike[str],
    do: str = "log",
    *words: str,
    new_class: bool = False,
    copy: str | Path | None = None,
    who: str = "",
    columns: Mapping[str, str] | None = None,
    images: str | Path | None = None,
    follow_links: bool = False,
    data_root: str | Path | None = None,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> Edits:
    """Decide something about a folder or table of pictures, or read what was decided (`do="log"`).

        hubel.edit("photos", "relabel", "cat/17.jpg", "dog")       also: "exclude", "merge", "group", "undo"
        hubel.edit("scenes", "label", "17.jpg", "dog")             of several labels one more; "unlabel" takes one away
        hubel.edit("photos", "apply", copy="photos-clean")         a clean copy, for other programs

    `words` are files as the data call them (or as they lie on the disk, or patterns) and the class or group; for a
    merge two classes; for an undo ids of the log, or none for the last command. Where pictures have several labels, a
    relabel says all of them, "cat|dog", or "none". `new_class` lets a class be named that
    is not there yet; `who` is kept with the edit. Nothing in the data is touched but the log beside them.
    Raises UsageError for what cannot be, DataError, SaveFailed where nothing can be written.
    """
    require_request(do, words, new_class=new_class, copy=copy is not None, who=who)
    watch.stage("reading the data")
    reading: dict[str, Any] = {"columns": columns, "images": images, "follow_links": follow_links}
    path = Path(data).expanduser() if data_root is None or os.fspath(data) in SOURCES else moved(str(data), data_root)
    lists = do in OF_ONE_LABEL
    listed, log, known, bad = open_to_edit(data, path, lists=lists, data_root=data_root, **reading)
    made: list[Edit] = []
    place = log.place
    if do in ACTIONS:
        made = Editor(listed, known, who=who).make(do, words, new_class=new_class)
        if not made:
            watch.remark("nothing is written: it is so already")
        else:
            place = log.add(made)
            known, bad = log.read()
    now = edited(listed, known, fewest=2 if do == "apply" else 0)
    if do == "apply":
        assert copy is not None
        watch.stage("copying")
        copy = write_copy(now, copy, watch.progress)
    return Edits(
        place=str(place),
        log=tuple(known),
        made=tuple(made),
        used=tuple(one.id for one in now.edits),
        problems=tuple(bad) + tuple(problem for problem in now.problems if problem.kind == "edit"),
        classes=now.class_names,
        samples=len(now),
        several=listed.several,
        copy=str(copy or ""),
    )
