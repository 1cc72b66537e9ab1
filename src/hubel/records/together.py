"""Runs that may answer together: the same data, split, classes and sight."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

from hubel.checkpoint import Classifier, load
from hubel.errors import ArtefactError, HubelError
from hubel.models.ensemble import NAME
from hubel.records.ledger import find_run
from hubel.records.searches import find_search, is_search
from hubel.store import RunStore


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A run that may take part."""

    folder: Path
    net: Classifier
    which: str = "best"
    """Of the run's weights."""

    @property
    def name(self) -> str:
        """What it is called: its folder, and which of the weights there if not the best."""
        return str(self.folder) if self.which == "best" else f"{self.folder} {self.which}"

    @property
    def sight(self) -> str:
        """What all members must have in common: data, classes, and how pictures are seen."""
        net = self.net
        seen = None if net.preprocessing is None else replace(net.preprocessing, takes="").to_dict()
        columns = None if net.columns is None else net.columns.to_dict()
        return json.dumps([net.provenance.data_digest, net.class_names, seen, columns], sort_keys=True)


def named_folders(names: Sequence[str | PathLike[str]]) -> list[Path]:
    """The run folders that are meant: of a search all of its trials. Raises ArtefactError for what is neither."""
    found: list[Path] = []
    for name in names:
        path = Path(name)
        if is_search(path) or is_search(Path("search") / path):
            folder = find_search(name)
            found += sorted(folder.glob("trial-*"), key=lambda each: (len(each.name), each.name))
        else:
            found.append(find_run(name))
    return list(dict.fromkeys(found))


def cycles_of(folder: Path) -> list[str]:
    """The weights that a run kept at the ends of its cycles, in their order."""
    kept = (folder / "weights").glob("cycle-*.safetensors")
    return sorted((path.stem for path in kept if path.stem[6:].isdecimal()), key=lambda name: int(name[6:]))


def candidates_of(
    names: Sequence[str | PathLike[str]], *, snapshots: bool = False
) -> tuple[list[Candidate], Counter[str]]:
    """The runs that may answer together, and how many may not, by reason; of each its cycles, where `snapshots`.

    Those that share task, data, split, classes and sight with most of the others; raises ArtefactError for fewer than
    two, and where there is none whose task's answers have a mean.
    """
    left_out: Counter[str] = Counter()
    known: list[Candidate] = []
    without: list[Classifier] = []
    folders = named_folders(names)
    nets = [(folder, which) for folder in folders for which in (cycles_of(folder) if snapshots else ["best"])]
    if not nets:
        raise ArtefactError(
            f"{folders[0]} kept no weights at the ends of cycles",
            hint="a run with cycles keeps them: hubel train DATA --schedule cycles",
        )
    for folder, which in nets:
        try:
            net = load(folder, which)
        except HubelError:
            left_out["unreadable"] += 1
            continue
        if not net.has_mean:
            left_out[f"of the task {net.task}"] += 1
            without.append(net)
        elif net.method:
            left_out["that learnt without labels"] += 1
        elif net.spec.architecture == NAME:
            left_out["made of several nets already"] += 1
        else:
            known.append(Candidate(folder=folder, net=net, which=which))
    if without and not known:
        without[0].require_mean()
    alike = _most(known, [each.net.task for each in known])
    left_out.update(f"of the task {each.net.task}" for each in known if each.net.task != alike[0].net.task)
    kept = _most(alike, [_split(each.folder) for each in alike])  # another split has other statistics, too
    same = _most(kept, [each.sight for each in kept])
    if len(alike) > len(kept):
        left_out["with another split of the data"] += len(alike) - len(kept)
    if len(kept) > len(same):
        left_out["with other data, classes or picture sizes"] += len(kept) - len(same)
    if len(same) < 2:
        told = "; ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise ArtefactError(
            f"an ensemble needs two runs of the same data, split and picture size, got {len(same)}"
            + (f" ({told})" if told else ""),
            hint="hubel ensemble search/photos-1, or several runs: hubel ensemble runs/photos-1 runs/photos-2",
        )
    return same, left_out


def _most(runs: list[Candidate], keys: list[str]) -> list[Candidate]:
    """Those of the key that most of them have; of equals the first."""
    if not runs:
        return []
    most = Counter(keys).most_common(1)[0][0]
    return [run for run, key in zip(runs, keys, strict=True) if key == most]


def _split(folder: Path) -> str:
    store = RunStore(folder)
    try:
        return str(store.read_json("data.json", limit=1 << 30).get("split_digest", ""))
    except (ArtefactError, AttributeError):
        return ""
