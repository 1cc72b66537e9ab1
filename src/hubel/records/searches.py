"""Folders of searches: found by name, listed beside the runs, and standing for their winner where a run is due."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from hubel.errors import ArtefactError, near
from hubel.store import RunStore

ASKED, FOUND = "search.json", "found.json"


@dataclass(frozen=True)
class SearchRow:
    """A search in a list."""

    search: str
    status: str
    """finished, or unfinished."""
    data: str
    trials: int
    best: str
    """The winner in a sentence; "" before there is one."""
    winner: str
    """Folder of its run."""


def is_search(folder: Path) -> bool:
    """Does a search lie in this folder?"""
    return (folder / ASKED).is_file()


def find_search(name: str | PathLike[str]) -> Path:
    """The folder of a search: a path, or its name in `search/`. Raises ArtefactError with near names."""
    path = Path(name)
    for candidate in (path, Path("search") / path):
        if is_search(candidate):
            return candidate
    where = path.parent if path.parent.is_dir() and str(path.parent) != "." else Path("search")
    names = [each.name for each in where.iterdir() if is_search(each)] if where.is_dir() else []
    close = near(path.name, names)
    hint = (
        f"did you mean {str(where / close[0])!r}?" if close else "list them: hubel runs; make one: hubel search digits"
    )
    raise ArtefactError(f"there is no search {str(path)!r}", hint=hint)


def winner_of(folder: Path) -> Path | None:
    """The run that a search ended in; None for what is no search, or one that has no winner yet."""
    if not is_search(folder):
        return None
    try:
        found = _found(folder)
    except ArtefactError:
        return None
    name = found.get("winner")
    if not isinstance(name, str) or not name or Path(name).name != name:
        return None
    run = folder / name
    return run if (run / "config.yaml").is_file() else None


def ended_search(name: str | PathLike[str]) -> Path | None:
    """The folder of a search that has come to a result, by its path or its name in `search/`; None for all else.

    A run of that name comes first. Raises ArtefactError for a search that has no result yet.
    """
    path = Path(name)
    if (path / "config.yaml").is_file() or (Path("runs") / path / "config.yaml").is_file():
        return None
    folder = next((each for each in (path, Path("search") / path) if is_search(each)), None)
    if folder is not None and not _found(folder):
        raise ArtefactError(
            f"the search {str(folder)!r} has come to no result yet",
            hint=f"hubel search --resume {folder} goes on; hubel runs --out {folder} lists its trials",
        )
    return folder


def searches(folder: str | Path = "search") -> tuple[SearchRow, ...]:
    """The searches of a folder, oldest first. A damaged one is passed over."""
    root = Path(folder)
    if not root.is_dir():
        return ()
    there = sorted((each for each in root.iterdir() if is_search(each)), key=lambda e: (e / ASKED).stat().st_mtime_ns)
    rows = []
    for each in there:
        try:
            found, asked = _found(each), RunStore(each).read_json(ASKED)
        except ArtefactError:
            continue
        given = asked.get("given", {}) if isinstance(asked, dict) else {}
        trials = _tried(found.get("trials")) or len(list(each.glob("trial-*")))
        rows.append(
            SearchRow(
                search=str(each), status=str(found.get("status", "unfinished")), data=str(given.get("data", "")),
                trials=trials, best=str(found.get("sentence", "")),
                winner=str(found.get("winner", "")),
            )
        )  # fmt: skip
    return tuple(rows)


def _tried(trials: object) -> int:
    """Those that were no second training of another."""
    listed = trials if isinstance(trials, list) else []
    return sum(not (isinstance(each, dict) and each.get("again")) for each in listed)


def _found(folder: Path) -> dict[str, Any]:
    store = RunStore(folder)
    if not store.exists(FOUND):
        return {}
    found = store.read_json(FOUND, limit=1 << 28)
    if not isinstance(found, dict):
        raise ArtefactError(
            f"{store.path(FOUND)} is no result of a search", hint="hubel search --resume writes it anew"
        )
    return found
