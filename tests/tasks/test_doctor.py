"""The doctor before trainings for other things than one class: what has a meaning is checked, what has none is said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import hubel
from hubel.diagnosis.checks import CHECKS, NEEDS
from hubel.diagnosis.listing import in_order

from .conftest import QUICK, pairs, scans

EVERY = [name for _, names, _ in in_order() for name in names]
OF_CLASSES = {name for name in EVERY if CHECKS.get(name).needs == "classes"}
OF_HEADS = {name for name in EVERY if CHECKS.get(name).needs == "logits"}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A source for each task."""
    folder = tmp_path_factory.mktemp("sources")
    return {
        "segment": str(scans(folder / "scans")), "multilabel": str(pairs(folder / "pairs", 200)),
        "reconstruct": "digits", "embed": "digits",
    }  # fmt: skip


@pytest.mark.parametrize("task", ["segment", "multilabel", "reconstruct", "embed"])
def test_a_healthy_training_for_something_else_is_left_alone(task: str, sources: dict[str, str]) -> None:
    found = hubel.doctor(sources[task], task=task, limit=200, seconds=4.0, **QUICK)
    assert [str(one) for one in found.findings if one.severity != "note"] == []
    assert {"leak", "never-updates", "vanishing-gradients", "diverges"} <= set(found.asked)
    assert {found.left_out[name] for name in OF_HEADS} == {NEEDS["logits"]}
    assert bool(OF_CLASSES & set(found.asked)) == (task == "embed")
    assert not set(found.asked) & set(found.left_out)
    assert f"could not be made: {NEEDS['logits']}" in " ".join(str(found).split())


def test_a_rate_that_is_far_too_high_is_named_whatever_is_learnt(sources: dict[str, str]) -> None:
    for task in ("segment", "reconstruct"):
        found = hubel.doctor(sources[task], task=task, limit=200, optimizer="sgd", lr=1e4, seconds=4.0, **QUICK)
        assert found.ids[0] in ("diverges", "not-finite"), task


def test_masks_beyond_the_outputs_of_a_net_of_ones_own_are_named() -> None:
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(64, 1, 12, 12, generator=draw)
    masks = (images[:, 0] > 0).long() + 2 * (images[:, 0] > 1).long()
    masks[0, 0, 0] = 255  # belongs to no class
    batches = list(zip(images.split(16), masks.split(16), strict=True))
    for outputs, said in ((3, "labels-out-of-range"), (4, "")):
        net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, outputs, 1))
        found = hubel.doctor(net, nn.CrossEntropyLoss(ignore_index=255), batches, verbose=False)
        assert next((one.id for one in found.findings if one.severity == "error"), "") == said, str(found)


def test_an_unused_head_for_classes_is_no_fault_where_the_task_asks_another_part(sources: dict[str, str]) -> None:
    found = hubel.doctor("digits", task="reconstruct", limit=100, seconds=2.0, **QUICK)
    assert "part-cut-off" in found.asked
    assert "part-cut-off" not in found.ids


def test_training_tells_of_the_check_up_for_other_tasks_too(tmp_path: Path) -> None:
    run = hubel.train("digits", task="reconstruct", doctor=True, epochs=1, limit=100, out=str(tmp_path), **QUICK)
    assert run.summary["status"] == "finished"
