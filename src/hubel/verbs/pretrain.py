"""Pretrain: pictures without labels in, a run folder out whose net `hubel train --from` starts from."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import Any

from hubel.assembly.requests import layered
from hubel.faces.progress import shows_progress
from hubel.verbs.run import Run
from hubel.verbs.train import train
from hubel.watching import SILENT, Watcher


@shows_progress
def pretrain(
    data: str | Path | None = None,
    *,
    method: str | None = None,
    config: str | Path | None = None,
    probe: str | PathLike[str] | None = None,
    resume: str | PathLike[str] | None = None,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
    **settings: Any,
) -> Run:
    """Let a net learn from pictures without labels, and return its run; `hubel.train(…, from_=run)` starts from it.

    `data` is a folder of pictures, flat or nested, or any source, whose labels are not learnt from. `method`: rotation,
    which way up a picture is (arXiv:1803.07728), if not given; or byol, that two views are of one picture
    (arXiv:2006.07733). `probe` names labelled pictures on which the features are measured at the end. The other
    arguments are those of `hubel.train`. Raises as that does; UsageError for settings that need labels.
    """
    if probe is not None:
        settings["probe_data"] = fspath(probe)
    if method is None and resume in (None, "auto"):
        method = layered(data, config, settings).get("method") or "rotation"
    if method is not None:
        settings["method"] = method
    return train(data, config=config, resume=resume, watch=watch, **settings)
