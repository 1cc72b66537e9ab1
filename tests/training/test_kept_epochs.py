"""Weights of epochs that a run keeps, to look back at: those it had then, and nothing else changes by it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import hubel
from hubel.checkpoint import EPOCH
from hubel.errors import ArtefactError
from hubel.verbs.train import train
from trainers import SETTINGS, fingerprint


def test_kept_weights_are_those_of_their_epoch_and_the_run_is_the_same(tmp_path: Path) -> None:
    plain = train("digits", **SETTINGS, out=str(tmp_path / "plain")).folder
    kept = train("digits", **SETTINGS, keep_every=2, out=str(tmp_path / "kept")).folder
    assert fingerprint(kept) == fingerprint(plain)
    names = sorted(path.name for path in (kept / "weights").glob("epoch-*.json"))
    assert names == [f"{EPOCH.format(number)}.json" for number in (0, 2, 4)]
    assert not list((plain / "weights").glob("epoch-*"))
    last, four = hubel.load(kept, which="last"), hubel.load(kept, which=EPOCH.format(4))
    begun = hubel.load(kept / "weights" / f"{EPOCH.format(0)}.safetensors")
    for (name, one), two in zip(last.model.state_dict().items(), four.model.state_dict().values(), strict=True):
        assert torch.equal(one, two), name
    assert not torch.equal(begun.model.state_dict()["conv1.weight"], last.model.state_dict()["conv1.weight"])
    assert (begun.provenance.metrics, four.provenance.metrics["epoch"]) == ({}, 4)
    with pytest.raises(ArtefactError, match="no weights called"):
        hubel.load(kept, which=EPOCH.format(3))
