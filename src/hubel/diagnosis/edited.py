"""What edits of the labels did: a run beside the last one before them, on the same test pictures."""

from __future__ import annotations

from pathlib import Path

from hubel.errors import HubelError
from hubel.evaluation.comparison import compare
from hubel.evaluation.graded import Graded, kind_of
from hubel.records.folder import edits_of
from hubel.records.ledger import RunRecord
from hubel.store import RunStore
from hubel.words import plural

SAME = ("data.data", "data.columns", "train.task", "train.epochs", "train.time", "model.model", "transfer.from")
"""Settings that two runs must share for a difference between them to be told as that of the edits."""


def graded_of(folder: Path) -> Graded | None:
    """What a run named right; None where it was not measured."""
    store = RunStore.open(folder)
    if not (store.exists("evaluation.json") and store.exists("predictions.csv")):
        return None
    document = store.read_json("evaluation.json", limit=1 << 30)
    names = [name for name in kind_of(document).tables if store.exists(name)]
    return Graded.read(document, {name: store.read_bytes(name).decode("utf-8", errors="replace") for name in names})


def since_edits(folder: Path) -> str:
    """How the run in `folder` did beside the last finished one beside it whose labels lacked some of its edits.

    "" where it used no edits, or where there is no such run of the same data, net and length.
    """
    own = {edit.id for edit in edits_of(RunStore.open(folder))}
    try:
        mine = graded_of(folder) if own else None
    except HubelError:  # of a task whose runs are not compared
        return ""
    if mine is None:
        return ""
    settings = _settings(RunRecord(folder))
    others = [path.parent for path in folder.parent.glob("*/config.yaml") if path.parent != folder]
    for other in sorted(others, key=lambda path: (path / "config.yaml").stat().st_mtime, reverse=True):
        try:
            record = RunRecord(other)
            new = own - {edit.id for edit in edits_of(RunStore.open(other))}
            if not new or record.status != "finished" or _settings(record) != settings:
                continue
            theirs = graded_of(other)
            tests = () if theirs is None else compare({other.name: theirs, folder.name: mine}).tests
        except (HubelError, OSError, ValueError):  # another run, which may be damaged, ends no training
            continue
        if tests:
            return f"since {plural(len(new), 'edit')}: {tests[0].sentence}"
    return ""


def _settings(record: RunRecord) -> list[object]:
    found = []
    for name in SAME:
        section, _, key = name.partition(".")
        found.append(record.recipe.get(section, {}).get(key))
    return found
