"""A run folder thrown away: only what hubel has written, and never what somebody else put beside it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hubel.errors import ArtefactError
from hubel.records.ledger import SERIES, find_run, find_series
from hubel.records.searches import is_search
from hubel.store import RunStore

_FOLDERS = {"figures", "state", "weights"}
_KINDS = {
    ".yaml", ".json", ".jsonl", ".csv", ".html", ".safetensors", ".packed", ".svg", ".png", ".npz", ".onnx", ".lock",
    ".tmp", ".next",
}  # fmt: skip


def removable(run: str | Path) -> Path:
    """The folder of a run, a series or a search that may be removed as a whole.

    Raises ArtefactError where there is none, where it is a link, and where it holds what no run of hubel holds.
    """
    # A search stands for its winner, but who throws it away means all of it.
    search = next((path for path in (Path(run), Path("search") / run) if is_search(path)), None)
    folder = search or find_series(run) or find_run(run)
    marked = bool(search) or (folder / "env.json").is_file() or (folder / "weights" / "best.json").is_file()
    if not folder.is_dir() or not marked:
        raise ArtefactError(f"{str(folder)!r} is no run folder: nothing was removed", hint="list them: hubel runs")
    if folder.is_symlink():
        raise ArtefactError(f"{str(folder)!r} is a link: nothing was removed", hint="name the folder it leads to")
    others = strangers(folder)
    if others:
        raise ArtefactError(
            f"{str(folder)!r} holds what is not of the run: {', '.join(others[:4])}; nothing was removed",
            hint="move that elsewhere first",
        )
    return folder


def remove(run: str | Path) -> Path:
    """Remove the folder of a run and all that it holds; the folder that is gone.

    Raises ArtefactError as `removable` does, RunLocked while a process is training in it.
    """
    folder = removable(run)
    with RunStore.open(folder).lock():
        for name in os.listdir(folder):
            path = folder / name
            if path.is_dir():
                shutil.rmtree(path)
            elif name != ".lock":
                path.unlink()
    shutil.rmtree(folder)
    return folder


def strangers(folder: Path) -> list[str]:
    """Names below the folder that no run of hubel has, sorted; of a series or a search, whose parts are runs, too."""
    found = []
    holds_runs = (folder / SERIES).is_file() or is_search(folder)
    members = {path.parent for path in folder.glob("*/env.json")} if holds_runs else set()
    for member in members:
        found += strangers(member)
    for here, folders, files in os.walk(folder):
        top = Path(here) == folder
        if top:
            folders[:] = [name for name in folders if folder / name not in members or (folder / name).is_symlink()]
        found += [name for name in folders if not top or name not in _FOLDERS or Path(here, name).is_symlink()]
        # TensorBoard's event files end in a number.
        found += [
            name for name in files if Path(name).suffix not in _KINDS and name != ".lock" and "tfevents" not in name
        ]
    return sorted(found)
