"""Nets are proposed as the papers have it, always buildable, and never of more than they may cost."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

import hubel
from hubel.checkpoint import ModelSpec
from hubel.models import create_model
from hubel.models.layerlist import parse, read_text
from hubel.searching.journal import Point, Trial
from hubel.searching.limits import Cost, count
from hubel.searching.nets.engines import BEAM, HOW, POPULATION, SAMPLE, RandomNets, net_engine, usual_space_of
from hubel.searching.nets.genes import NetSpace
from hubel.searching.nets.methods import PAPERS, phases
from hubel.searching.nets.spaces import recorded, usual_nets
from hubel.searching.nets.written import as_yaml

LAYERS = replace(usual_space_of("evolution"), side=28)
MOTIFS = replace(usual_space_of("hierarchical"), side=28)
KINDS = ("layers", "cells", "motifs")


def tried(engine: Any, many: int, judge: Any) -> list[Trial]:
    found: list[Trial] = []
    for number in range(1, many + 1):
        proposal = engine.propose(found, number, 0)
        found.append(
            Trial(
                number=number, values=proposal.values, origin=proposal.origin, folder="", status="finished",
                cost=Cost(params=1, macs=1, megabytes=1.0), points=[Point(1, judge(proposal.values), 1.0)],
            )
        )  # fmt: skip
    return found


def space_of(how: str, side: int = 28) -> NetSpace:
    return replace(usual_space_of(how), side=side)


def residuals(values: dict[str, Any]) -> float:
    """A world in which residual blocks are what counts; of motifs, separable windows that the cell reaches."""
    if "motifs" in values:
        return min(1.0, 0.3 + 0.05 * str(MOTIFS.layers(values)).count("separable"))
    return min(1.0, 0.3 + 0.1 * sum(gene.startswith("res") for gene in values["net"]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", [8, 28, 32, 96])
def test_every_net_that_is_drawn_or_changed_can_be_built(kind: str, side: int) -> None:
    space, random = replace(usual_nets(kind), side=side), Random(side)
    for _ in range(20):
        values = space.draw(random)
        for _ in range(4):
            plan = parse(space.layers(values), in_shape=(1, side, side), num_classes=10)
            assert plan.num_classes == 10
            values, changed = space.mutate(values, random)
            assert changed
    net = create_model(space.layers(values), num_classes=10, in_chans=1, img_size=side)
    assert net(torch.zeros(2, 1, side, side)).shape == (2, 10)
    assert recorded(json.loads(json.dumps(space.to_dict()))) == space


@pytest.mark.parametrize("kind", KINDS)
def test_a_winner_is_written_as_a_file_that_training_reads(kind: str) -> None:
    space, random = replace(usual_nets(kind), side=28), Random(0)
    for _ in range(20):
        layers = space.layers(space.draw(random))
        assert read_text(as_yaml(layers)) == json.loads(json.dumps(layers))


def test_a_change_is_one_change() -> None:
    random = Random(0)
    for _ in range(200):
        values = LAYERS.draw(random)
        child, _ = LAYERS.mutate(values, random)
        before, after = values["net"], child["net"]
        assert abs(len(before) - len(after)) <= 1
        common = sum((Counter(before) & Counter(after)).values())
        assert common >= max(len(before), len(after)) - 1


def test_a_dense_layer_stands_last_or_nowhere_and_comes_and_goes_by_a_change() -> None:
    random, changes = Random(0), Counter[tuple[bool, bool]]()
    for _ in range(400):
        values = LAYERS.draw(random)
        child, _ = LAYERS.mutate(values, random)
        for member in (values, child):
            assert not any(gene.startswith("dense") for gene in member["net"][:-1])
            ends = member["net"][-1].startswith("dense")
            assert ("globalpool" in LAYERS.layers(member)) != ends
            assert LAYERS.layers(member).count("flatten") == ends
        changes[values["net"][-1].startswith("dense"), child["net"][-1].startswith("dense")] += 1
    assert min(changes[True, False], changes[False, True], changes[True, True]) > 5, changes


def test_evolution_forgets_the_oldest_and_breeds_from_the_best_of_a_few() -> None:
    found = tried(net_engine("evolution", LAYERS, 0), 60, residuals)
    assert all(trial.origin == "the first population" for trial in found[:POPULATION])
    for trial in found[POPULATION:]:
        parent = int(trial.origin.split()[3].rstrip(":"))
        living = found[trial.number - 1 - POPULATION : trial.number - 1]
        assert parent in [each.number for each in living], "the dead have no children"
        worse = sum((each.score or 0) < (found[parent - 1].score or 0) for each in living)
        as_good = sum((each.score or 0) == (found[parent - 1].score or 0) for each in living)
        assert worse + as_good >= SAMPLE, "the best of a tournament is no worse than the others in it"


def test_motifs_inherit_edge_by_edge_from_any_net_so_far() -> None:
    found = tried(net_engine("hierarchical", MOTIFS, 0), 80, residuals)
    ages = []
    for trial in found[POPULATION:]:
        parent = found[int(trial.origin.split()[3].rstrip(":")) - 1]
        ages.append(trial.number - parent.number)
        edges = [
            (before, after)
            for old, new in zip(
                [*parent.values["motifs"], parent.values["cell"]], [*trial.values["motifs"], trial.values["cell"]],
                strict=True,
            )
            for before, after in zip(old, new, strict=True)
        ]  # fmt: skip
        changed = sum(before != after for before, after in edges) + (parent.values["maps"] != trial.values["maps"])
        assert changed == 1
        assert MOTIFS.layers(trial.values) != MOTIFS.layers(parent.values), "no trial repeats its parent's net"
    assert max(ages) > POPULATION, "none dies"


@pytest.mark.parametrize("how", ["evolution", "hierarchical", "reinforce", "q-learning", "progressive"])
def test_who_learns_does_better_than_chance(how: str) -> None:
    def late(propose: Any) -> float:
        return sum(trial.score or 0.0 for trial in tried(propose, 60, residuals)[-15:]) / 15

    space = space_of(how)
    gains = [late(net_engine(how, space, seed)) - late(RandomNets(space, seed)) for seed in range(3)]
    assert min(gains) > 0.05, gains


def test_q_learning_walks_at_random_first_and_as_learnt_later() -> None:
    found = tried(net_engine("q-learning", space_of("q-learning"), 1), 40, residuals)
    assert found[0].origin.startswith("ε = 1:")
    assert found[-1].origin.startswith("ε = 0.1:")
    assert max(len(trial.values["net"]) for trial in found) <= 9


def test_progressive_goes_deeper_step_by_step() -> None:
    found = tried(net_engine("progressive", space_of("progressive"), 1), 4 * BEAM, residuals)
    depths = [len(trial.values["net"]) for trial in found]
    assert depths == sorted(depths)
    assert set(Counter(depths).values()) == {BEAM}
    parents = {tuple(trial.values["net"]) for trial in found}
    assert all(tuple(t.values["net"][:-1]) in parents for t in found[BEAM:]), "each is one layer longer than another"


@pytest.mark.parametrize("how", HOW)
def test_a_proposal_follows_from_what_was_tried(how: str) -> None:
    found = tried(net_engine(how, space_of(how), 5), 20, residuals)
    again = net_engine(how, space_of(how), 5)
    assert again.propose(found, 21, 0) == again.propose(found, 21, 0)
    assert again.propose(found[:9], 10, 0).values == found[9].values
    assert how in PAPERS
    assert sum(phase.nets for phase in phases(how, [(t.origin, t.score or 0) for t in found])) == 20


def test_a_search_of_motifs_ends_with_a_net_to_take_home_and_goes_on(tmp_path: Path) -> None:
    found = hubel.search("digits", nets="hierarchical", trials=3, trial_epochs=1, limit=60, max_params=30_000,
                         max_macs=400_000, out=tmp_path,
                         device="cpu", threads=1)  # fmt: skip
    net = create_model(str(found.folder / "winner.yaml"), num_classes=10, in_chans=1, img_size=8)
    assert net(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert "Hierarchical evolution" in found.report.read_text()
    again = hubel.search(resume=found.folder, trials=4)
    assert len([trial for trial in again.trials if not trial.again]) == 4


def test_nets_are_searched_within_their_limits_and_the_winner_is_taken_home(tmp_path: Path) -> None:
    found = hubel.search(
        "digits", nets="evolution", trials=4, trial_epochs=1, limit=60, max_params=30_000, max_macs=400_000,
        out=tmp_path, device="cpu", threads=1,
    )  # fmt: skip
    assert all(trial.params <= 30_000 and trial.macs <= 400_000 for trial in found.trials)
    assert found.refused["limit"] >= 1, "the default net, for one"
    listed = found.folder / "winner.yaml"
    assert f"--model {listed}" in found.command
    net = create_model(str(listed), num_classes=10, in_chans=1, img_size=8)
    assert sum(parameter.numel() for parameter in net.parameters()) == next(
        trial.params for trial in found.trials if trial.folder == found.winner
    )
    room: dict[str, Any] = {}
    exec(found.code, room)
    assert "class" in found.code
    page = found.report.read_text()
    assert "Ageing evolution" in page
    assert "as PyTorch, without hubel" in page


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"nets": "annealing"}, "unknown way"),
        ({"cells": True}, "with --nets"),
        ({"nets": "q-learning", "cells": True}, "no cells"),
        ({"nets": "hierarchical", "cells": True}, "space of its own"),
        ({"nets": "random", "engine": "tpe"}, "leave one"),
        ({"nets": "random", "space": {"lr": [0.1]}}, "architectures"),
        ({"nets": "random", "model": "mlp"}, "architectures"),
    ],
)
def test_what_goes_with_no_nets_is_refused(settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(hubel.UsageError, match=said):
        hubel.search("digits", trials=2, trial_epochs=1, out=tmp_path, device="cpu", threads=1, **settings)


@pytest.mark.parametrize("how", HOW)
def test_no_net_that_is_proposed_is_smaller_than_the_smallest(how: str) -> None:
    def cost(values: dict[str, Any]) -> tuple[int, int]:
        spec = ModelSpec(
            architecture="layers", num_classes=10, in_chans=1, img_size=(8, 8), options={"layers": space.layers(values)}
        )
        found = count(spec)
        return found.params, found.macs

    space = space_of(how, side=8)
    engine = net_engine(how, space, 0)
    small = [cost(values) for values in engine.small_nets()]
    least = min(params for params, _ in small), min(macs for _, macs in small)
    for trial in tried(engine, 8, lambda values: 0.5):
        params, macs = cost(trial.values)
        assert params >= least[0]
        assert macs >= least[1]


def test_limits_below_the_smallest_net_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(hubel.UsageError, match=r"within --max-params 10: the smallest .* parameters, and 10 are"):
        hubel.search("digits", nets="hierarchical", max_params=10, trials=2, out=tmp_path, device="cpu", threads=1)
    assert not list(tmp_path.iterdir())


def test_points_have_no_nets_of_pictures(tmp_path: Path) -> None:
    with pytest.raises(hubel.UsageError, match="points"):
        hubel.search("moons", nets="random", trials=2, out=tmp_path, threads=1)
