"""Weights that all nets of a space share: one path learns at a time, and the ranking says what is trained first."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch

import hubel
from hubel.searching.nets.one_shot import OneShot, Shared, judge, train_shared
from hubel.searching.nets.paths import PathSpace
from hubel.searching.nets.smash import Generated
from hubel.searching.nets.spaces import usual_nets

SIDE = 8
USUAL = usual_nets("paths")
assert isinstance(USUAL, PathSpace)
PATHS = replace(USUAL, side=SIDE)


OWN = replace(
    PathSpace.read(
        {"stages": [6, 9], "places": [["conv 1", "sep 7"], ["res 3", "none"], ["conv 3", "sep 5", "none"]],
         "smallest": 2}
    ),
    side=SIDE,
)  # fmt: skip


@pytest.mark.parametrize("space", [PATHS, OWN], ids=["usual", "own"])
@pytest.mark.parametrize("kind", [Shared, Generated])
def test_a_path_is_the_net_that_its_genes_say(space: PathSpace, kind: Any) -> None:
    whole, random = kind(space, 1, 10), Random(0)
    shared = whole if kind is Shared else whole.body
    for _ in range(20):
        path = space.draw_path(random)
        alone = hubel.create_model(
            "layers", num_classes=10, in_chans=1, img_size=SIDE,
            layers=space.layers({"net": space.genes_of(path)}),
        )  # fmt: skip
        inside = [choices[choice] for choices, choice in zip(shared.places, path, strict=True) if choice != "none"]
        filters = [p.shape for module in [*inside, shared.head] for p in module.parameters() if p.ndim > 1]
        assert filters == [p.shape for p in alone.parameters() if p.ndim > 1]
        assert whole(torch.zeros(2, 1, SIDE, SIDE), path).shape == (2, 10)


def test_only_the_path_of_a_batch_learns() -> None:
    shared = Shared(PATHS, 1, 10)
    path = ("conv 3", "none", "sep 5", "res 3")
    shared(torch.randn(4, 1, SIDE, SIDE), path).sum().backward()
    learnt = {name for name, p in shared.named_parameters() if p.grad is not None}
    assert {name.rsplit(".", 1)[0].partition(".0")[0] for name in learnt if "places" in name}
    assert all(
        any(f"places.{k}.{choice}" in name for k, choice in enumerate(path)) or "head" in name for name in learnt
    )


def test_shared_weights_find_the_path_that_can_see() -> None:
    """The class is whether two far points are alike: whoever looks through windows of 3 once cannot tell."""
    random = np.random.default_rng(0)
    pictures = random.integers(0, 2, (512, 1, SIDE, SIDE)).astype(np.float32)
    labels = torch.from_numpy((pictures[:, 0, 2, 2] == pictures[:, 0, 2, 6]).astype(np.int64))
    inputs = torch.from_numpy(pictures)
    torch.manual_seed(0)
    net = Shared(PATHS, 1, 2)
    asked: list[int] = []
    done = train_shared(
        net, lambda rows: inputs[rows], labels, epochs=2, seed=0, goes_on=lambda step: asked.append(step) is None
    )
    assert done == 2.0
    assert asked == list(range(16))
    assert train_shared(net, lambda rows: inputs[rows], labels, epochs=2, seed=0, goes_on=lambda step: step < 4) == 0.5
    scores = judge(net, [PATHS.draw_path(Random(k)) for k in range(5)], inputs, labels)
    assert all(0 <= score <= 1 for score in scores)


def test_the_ranking_is_followed_and_limits_pass_over_it() -> None:
    engine = OneShot("enas", PATHS, 0)
    random = Random(1)
    paths = list(dict.fromkeys(PATHS.draw_path(random) for _ in range(10)))
    engine.ranking = [(path, 1 - place / 20) for place, path in enumerate(paths)]
    first = engine.propose([], 2, 0)
    assert first.values == {"net": PATHS.genes_of(paths[0])}
    assert first.origin == "100.0% with shared weights"
    assert engine.propose([], 2, 3).values == {"net": PATHS.genes_of(paths[3])}
    assert engine.propose([], 2, 50).origin == "drawn at random"
    assert len(replace(PATHS, side=32).places) == 6
    assert len(replace(PATHS, side=4).places) == 2


@pytest.mark.parametrize(("how", "called"), [("enas", "Weight sharing"), ("smash", "Generated weights")])
def test_a_search_trains_the_best_of_the_ranking_and_counts_the_shared_epochs(
    how: str, called: str, tmp_path: Path
) -> None:
    found = hubel.search("digits", nets=how, epochs=16, trial_epochs=1, limit=200, max_macs=1e8, out=tmp_path,
                         threads=1, device="cpu", verbose=False)  # fmt: skip
    ranked = json.loads((found.folder / "shared.json").read_text())
    tried = [trial.values["net"] for trial in found.trials if trial.values and not trial.again]
    assert tried[:3] == [PATHS.genes_of(tuple(path)) for path, _ in ranked[:3]]
    assert found.epochs <= 16
    assert found.epochs == 4 + sum(trial.epochs for trial in found.trials)
    assert called in found.report.read_text()
    before = (found.folder / "shared.json").read_bytes()
    again = hubel.search(resume=found.folder, epochs=18)
    assert (found.folder / "shared.json").read_bytes() == before
    assert again.epochs <= 18
    with pytest.raises(hubel.UsageError, match="searches no cells"):
        hubel.search("digits", nets=how, cells=True, trials=2, out=tmp_path)
