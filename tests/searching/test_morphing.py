"""A net that grows keeps what it computes, in reading and in training, whatever the step."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from torch import nn

import hubel
from hubel.models.layerlist import parse
from hubel.searching.engines import Proposal
from hubel.searching.journal import Point, Trial
from hubel.searching.limits import Cost
from hubel.searching.nets.engines import net_engine
from hubel.searching.nets.genes import without_dense
from hubel.searching.nets.macro import LayerSpace
from hubel.searching.nets.morphing import inherit, moved, moves, step_between
from hubel.searching.nets.spaces import usual_nets

USUAL = usual_nets("layers")
assert isinstance(USUAL, LayerSpace)
SPACE = replace(USUAL, side=12)
GENES = ["conv 8 3", "sep 16 3", "maxpool 2", "res 16 3", "conv 8 3", "avgpool 2", "sep 8 5"]


def net(genes: list[str], seed: int) -> nn.Module:
    """A net whose batch norms have seen something."""
    torch.manual_seed(seed)
    model = hubel.create_model("layers", num_classes=5, in_chans=3, img_size=12, layers=SPACE.layers({"net": genes}))
    for _ in range(5):
        model.train()(2 * torch.randn(16, 3, 12, 12) + 1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
    return model.eval()


def held_to_its_parent(genes: list[str], move: Any) -> None:
    """A child computes what its parent computes, though as it was drawn it does not."""
    parent, child = net(genes, 0), net(moved(genes, move), 1)
    pictures = 2 * torch.randn(64, 3, 12, 12, generator=torch.Generator().manual_seed(2)) + 1
    with torch.no_grad():
        assert (parent(pictures) - child(pictures)).abs().max() > 0.1, "as it was drawn, it computes something else"
    inherit(child, parent, genes, move, pictures, Random(3))
    with torch.no_grad():
        assert torch.allclose(child.eval()(pictures), parent.eval()(pictures), atol=1e-4, rtol=1e-4)
        # In training each norm takes its statistics from the batch; those of what is new, from what it was shown.
        close = torch.allclose(child.train()(pictures), parent.train()(pictures), atol=1e-4, rtol=1e-4)
        assert close or move[0] == "deeper"


@pytest.mark.parametrize("move", moves(GENES, SPACE), ids=lambda move: f"{move[0]}-{move[1]}")
def test_a_child_computes_what_its_parent_computed(move: Any) -> None:
    held_to_its_parent(GENES, move)


OWN = LayerSpace.read(
    {
        "layers": {
            "conv": {"filters": [4, 6, 9], "kernel": [1, 5, 7], "stride": [1, 2]},
            "res": {"filters": 6, "kernel": [3, 7]},
            "sep": {"filters": [6, 8], "kernel": [3, 5], "stride": [1, 2]}, "maxpool": {"window": [3]},
        }
    }
)  # fmt: skip
STRIDED = ["conv 4 1", "sep 6 3 2", "res 6 3", "conv 6 5 2", "maxpool 3"]


@pytest.mark.parametrize("move", moves(STRIDED, OWN), ids=lambda move: f"{move[0]}-{move[1]}-{move[2]}")
def test_it_does_in_a_space_of_ones_own_too_with_strides(move: Any) -> None:
    held_to_its_parent(STRIDED, move)
    assert moved(STRIDED, step_between(STRIDED, moved(STRIDED, move))) == moved(STRIDED, move)


def test_copies_of_a_channel_do_not_stay_alike() -> None:
    genes = ["conv 8 3", "conv 8 3"]
    parent, child = net(genes, 0), net(["conv 16 3", "conv 8 3"], 1)
    for module in parent.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.zeros_(module.bias)  # no channel is dead: what never answers cannot learn
    pictures = torch.randn(32, 3, 12, 12)
    inherit(child, parent, genes, ("wider", 0, "conv 16 3"), pictures, Random(0))
    step = torch.optim.SGD(child.train().parameters(), 0.1)
    nn.functional.cross_entropy(child(pictures), torch.arange(32) % 5).backward()
    step.step()
    filters = child.conv1.weight.detach().flatten(1)
    assert torch.pdist(filters).min() > 1e-6


def test_every_step_leads_to_a_net_of_the_space() -> None:
    random = Random(0)
    for _ in range(50):
        genes = without_dense(SPACE.draw(random)["net"])
        for move in moves(genes, SPACE):
            after = moved(genes, move)
            assert len(after) == len(genes) + (move[0] == "deeper")
            parse(SPACE.layers({"net": after}), in_shape=(3, 12, 12), num_classes=5)
            if move[0] == "wider":
                followed = [gene.split()[0] for gene in after[move[1] + 1 :] if "pool" not in gene]
                assert followed[:1] != ["res"], "what is added to must be as wide as what is added"


def _trial(number: int, genes: list[str], score: float) -> Trial:
    return Trial(number=number, values={"net": genes}, origin="", cost=Cost(params=1, macs=1, megabytes=1.0),
                 folder=f"trial-{number}", status="finished", points=[Point(4, score, 1.0)])  # fmt: skip


def test_the_best_net_has_the_children() -> None:
    engine = net_engine("morphism", SPACE, 0)
    small = [engine.propose([], number, 0).values["net"] for number in range(1, 4)]
    assert all(len(genes) == 3 for genes in small)
    tried = [
        _trial(number, genes, score) for number, genes, score in zip((2, 3, 4), small, (0.5, 0.9, 0.7), strict=True)
    ]
    found: list[Proposal] = [engine.propose(tried, 5, attempt) for attempt in range(10)]
    assert {proposal.values["parent"] for proposal in found} == {3}
    assert len({tuple(proposal.values["net"]) for proposal in found}) > 3
    assert found[0] == engine.propose(tried, 5, 0), "a function of what was tried"
    with pytest.raises(hubel.UsageError, match="searches no cells"):
        net_engine("morphism", replace(usual_nets("cells"), side=12), 0)


def test_a_child_begins_where_its_parent_ended_also_after_a_kill(tmp_path: Path) -> None:
    found = hubel.search("digits", nets="morphism", trials=7, trial_epochs=1, limit=300, out=tmp_path, max_macs=1e6,
                         verbose=False, threads=1, device="cpu")  # fmt: skip
    children = [trial for trial in found.trials if "parent" in trial.values and not trial.again]
    assert children
    by_number = {trial.number: trial for trial in found.trials}
    for child in children:
        before = hubel.Run(found.folder / by_number[child.values["parent"]].folder).history["train_loss"][-1]
        first = hubel.Run(found.folder / child.folder).history["train_loss"][0]
        assert first < before + 0.2, "it does not begin anew"
    folder = tmp_path / "killed"
    shutil.copytree(found.folder, folder)
    lines = (folder / "journal.jsonl").read_text().splitlines(keepends=True)
    first = next(place for place, line in enumerate(lines) if '"parent"' in line and '"line": "trial"' in line)
    (folder / "journal.jsonl").write_text("".join(lines[: first + 1]))  # begun, and nothing said of it since
    shutil.rmtree(folder / children[0].folder / "state")
    for later in found.trials[children[0].number :]:
        shutil.rmtree(folder / later.folder)
    again = hubel.search(resume=folder)
    assert [trial.score for trial in again.trials] == [trial.score for trial in found.trials]
