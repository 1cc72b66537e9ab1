"""A new run folder: what is written before the first step, and never changed after."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hubel import runtime
from hubel.data.changes import Edit, lines_of, read_edit
from hubel.data.lists import rarest
from hubel.data.manifest import Manifest, Problem, printable
from hubel.data.splits import Splits
from hubel.errors import ArtefactError
from hubel.recipes.chosen import Chosen
from hubel.recipes.continuing import Segment, in_words
from hubel.recipes.schema import Recipe, compose, read_file, to_yaml
from hubel.records.ledger import RunRecord
from hubel.store import RunStore

EDITS = "edits.jsonl"
"""The edits of the labels that a run was trained with; a run without has none."""
IN_COMMON = ("env.json", "split.json", "data.json", "reasons.json", "asked.json", EDITS)
"""What a net that was made of a run has in common with it: the data, and how they were divided."""
SEGMENTS = "segments.json"
"""Where a run was resumed with other settings, and which."""


def create_folder(
    chosen: Chosen,
    manifest: Manifest,
    splits: Splits,
    *,
    samples: Mapping[str, int],
    problems: Sequence[Problem],
    state_bytes: int,
    device: torch.device,
    asked: Mapping[str, Any] | None = None,
) -> RunStore:
    """A folder of its own for a run, with its recipe, reasons, environment, data and split.

    `asked` is what the user said of the recipe; `samples` of each split; `state_bytes`: what a saved state will take.
    Raises SaveFailed where there is no room for the whole training.
    """
    recipe = chosen.recipe
    name = recipe.run.name or Path(os.path.abspath(manifest.source)).stem or "run"
    # Four checkpoints at once at worst: two generations of the state, the third being written, and the weights.
    RunStore(recipe.run.out).preflight(4 * state_bytes + (4 << 20))
    store = RunStore.create(recipe.run.out, name)
    store.write_text("config.yaml", to_yaml(recipe))
    environment = runtime.environment(device)
    store.write_json(
        "env.json", environment | {"processes": runtime.world(), "command": command(), "folder": os.getcwd()}
    )
    store.write_json("split.json", splits.to_dict(), limit=1 << 30)
    store.write_json("data.json", data_facts(manifest, splits, samples, problems), limit=1 << 30)
    if manifest.edits:
        store.write_text(EDITS, lines_of(manifest.edits))
    store.write_json("reasons.json", dict(chosen.reasons))
    store.write_json("asked.json", dict(asked or {}))
    return store


def create_beside(lead: Path, out: Path, name: str) -> tuple[RunStore, Recipe]:
    """A folder for a net that was made of the run in `lead`: its data, how they were divided, and its recipe there."""
    store, source = RunStore.create(out, name), RunStore(lead)
    with whole_or_gone(store):
        for each in IN_COMMON:
            if source.exists(each):
                store.write_bytes(each, source.read_bytes(each, limit=1 << 30))
        recipe = compose(read_file(lead / "config.yaml")).change(out=str(out), name=name)
        store.write_text("config.yaml", to_yaml(recipe))
    return store, recipe


@contextmanager
def whole_or_gone(store: RunStore) -> Iterator[None]:
    """What is made in one go leaves no folder behind where the block is left by an error or by Ctrl-C."""
    try:
        yield
    except BaseException:
        shutil.rmtree(store.folder, ignore_errors=True)
        raise


def begin_segment(
    store: RunStore, segment: Segment, *, epoch: int, step: int, steps: int, best: Mapping[str, Any]
) -> None:
    """Write down that a run goes on otherwise: the recipe to come, what changed where; and it is not finished now.

    `epoch` and `step` are those that are done; an epoch has so many `steps`. Call it with the folder's lock held.
    """
    known = store.read_json(SEGMENTS) if store.exists(SEGMENTS) else []
    changed = {name: list(pair) for name, pair in segment.changed.items()}
    before = known if isinstance(known, list) else []
    store.write_json(SEGMENTS, [*before, {"epoch": epoch, "step": step, "steps": steps, "changed": changed}])
    written = compose(read_file(store.path("config.yaml")))
    store.write_text(
        "config.yaml", to_yaml(written.change(**{name: new for name, (_, new) in segment.changed.items()}))
    )
    if RunRecord(store.folder).status == "finished":
        store.write_json("summary.json", {"status": "stopped", "reason": "lengthened", "best": dict(best)})


def altered(store: RunStore) -> list[tuple[float, str]]:
    """Where a run was told to go on otherwise, in epochs, and how in words, in their order."""
    found: Any = []
    with suppress(ArtefactError):
        found = store.read_json(SEGMENTS) if store.exists(SEGMENTS) else []
    return [
        (part["step"] / part["steps"] if part.get("steps") else float(part["epoch"]), in_words(part["changed"]))
        for part in found
        if part.get("changed")
    ]


def reasons_of(store: RunStore, segment: Segment, epoch: int) -> dict[str, str]:
    """Why each setting of a run is what it is, those of a new segment after `epoch` epochs among them; by setting."""
    known: Any = {}
    with suppress(ArtefactError):  # a run can do without its reasons
        known = store.read_json("reasons.json")
    reasons = {name: str(why) for name, why in known.items()} if isinstance(known, dict) else {}
    new = {
        name: f"said when it went on after epoch {epoch}; {old} before" for name, (old, _) in segment.changed.items()
    }
    return reasons | new


def data_facts(
    manifest: Manifest, splits: Splits, samples: Mapping[str, int], problems: Sequence[Problem]
) -> dict[str, Any]:
    """The data of a run as plain data: what, how much, its digests, and what was left out."""
    return {
        "source": manifest.source,
        "root": manifest.root,
        "kind": manifest.kind,
        "digest": manifest.digest,
        "split_digest": splits.digest,
        "class_names": list(manifest.class_names),
        "samples": dict(samples),
        "problems": [asdict(problem) for problem in problems],
        "samples_by_name": None
        if manifest.paths is None
        else dict(zip(manifest.paths, manifest.digests or (), strict=False)),
    }


def data_change(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """In what two lists of `data_facts` differ, in words; "" where their digests are the same.

    >>> then = {"digest": "1", "samples_by_name": {"a.png": "11", "b.png": "22"}}
    >>> data_change(then, {"digest": "2", "samples_by_name": {"a.png": "33", "c.png": "44"}})
    'b.png is gone, c.png is new, a.png has other contents'
    """
    if then["digest"] == now["digest"]:
        return ""
    old, new = (facts.get("samples_by_name") or {} for facts in (then, now))
    found = {
        ("is gone", "are gone"): [name for name in old if name not in new],
        ("is new", "are new"): [name for name in new if name not in old],
        ("has other contents", "have other contents"): [name for name in old if name in new and old[name] != new[name]],
    }
    told = []
    for (one, many), names in found.items():
        shown = ", ".join(map(printable, names[:2])) + (f" and {len(names) - 2:,} more" if len(names) > 2 else "")
        told += [f"{shown} {one if len(names) == 1 else many}"] if names else []
    alike = "the files are the same, and their labels or groups are not" if old and new else "their digests differ"
    return ", ".join(told) or alike


def began_with(store: RunStore, listed: Manifest) -> Manifest | None:
    """Of samples that were listed those that the run began with, where all are there and others, too; else None."""
    if listed.paths is None or not store.exists("data.json"):
        return None
    facts = store.read_json("data.json", limit=1 << 30)
    names, classes = (facts.get(word) or {} for word in ("samples_by_name", "class_names"))
    rows = [row for row, path in enumerate(listed.paths) if path in names]
    if not rows or not len(names) == len(rows) < len(listed):
        return None
    kept = listed.select(rows)
    if kept.several and kept.targets is not None and set(classes) <= set(listed.class_names):
        targets = kept.targets[:, [listed.class_names.index(name) for name in classes]]
        labels = rarest(targets)  # among these: what came since has changed how often each label is there
        return replace(kept, labels=labels, targets=targets, class_names=tuple(classes), _digest=[])
    if listed.regression or not set(classes) < set(listed.class_names):
        return kept
    new = {old: number for number, old in enumerate(listed.class_names.index(name) for name in classes)}
    if not set(kept.labels.tolist()) <= set(new):
        return None
    labels = np.array([new[label] for label in kept.labels.tolist()], np.int64)
    return replace(kept, labels=labels, class_names=tuple(classes), _digest=[])  # a class may be new, too


def edits_of(store: RunStore) -> tuple[Edit, ...]:
    """The edits that a run was trained with, whatever was edited since. Raises ArtefactError for a damaged file."""
    if not store.exists(EDITS):
        return ()
    return tuple(read_edit(line) for line in store.read_bytes(EDITS).splitlines())


def command() -> str:
    """The command that was given, as it can be given again."""
    program = Path(sys.argv[0]).name
    return shlex.join(["hubel" if program in ("__main__.py", "hubel") else program, *sys.argv[1:]])
