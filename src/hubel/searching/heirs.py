"""Trials that begin with the weights of another: which, and how they come by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel.checkpoint import load as load_checkpoint
from hubel.errors import DAMAGED, ArtefactError
from hubel.searching.journal import Journal
from hubel.searching.nets.morphing import inherit, step_between
from hubel.searching.workshop import Workshop
from hubel.store import RunStore

NAME = "heir.json"
"""In the folder of a trial that begins with the weights of another."""
LOOKED_AT = 256
"""Training pictures on which a new batch norm is measured."""


@dataclass(frozen=True)
class Heir:
    """Whose weights a net begins with."""

    parent: str
    """Folder of the parent's run, inside that of the search."""
    before: tuple[str, ...]
    """The genes of the parent."""
    after: tuple[str, ...]


def heir_of(values: Mapping[str, Any], journal: Journal) -> Heir | None:
    """Whose weights a member begins with; None for one that begins with nothing."""
    if "parent" not in values:
        return None
    parent = journal.trial(int(values["parent"]))
    return Heir(parent.folder, tuple(parent.values["net"]), tuple(values["net"]))


def write_heir(store: RunStore, heir: Heir) -> None:
    """Into the folder of a trial."""
    store.write_json(NAME, asdict(heir))


def read_heir(store: RunStore) -> Heir | None:
    """From the folder of a trial; None where it says nothing. Raises ArtefactError for what is damaged."""
    if not store.exists(NAME):
        return None
    said = store.read_json(NAME)
    try:
        return Heir(str(said["parent"]), tuple(map(str, said["before"])), tuple(map(str, said["after"])))
    except (TypeError, KeyError):
        raise ArtefactError(f"{store.path(NAME)} does not say whose weights it takes", hint=DAMAGED) from None


def giving(heir: Heir | None, folder: Path, workshop: Workshop, seed: int) -> Callable[[nn.Module], None] | None:
    """What gives a net, just built, the weights of its parent; None where it has none."""
    if heir is None:
        return None

    def give(model: nn.Module) -> None:
        move = step_between(heir.before, heir.after)
        parent = load_checkpoint(folder / heir.parent, "best")
        assert parent.preprocessing is not None
        rows = workshop.first.ids("train")[:LOOKED_AT]
        pictures = torch.from_numpy(np.ascontiguousarray(workshop.first.decoded.images[np.sort(rows)]))
        inherit(
            model, parent.model, heir.before, move, parent.preprocessing.normalise(pictures),
            Random(f"{seed}/{'/'.join(heir.after)}"),
        )  # fmt: skip

    return give
