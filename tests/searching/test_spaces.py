"""A space of nets is a file: what it names is searched, what it does not is not, and what cannot be is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
import yaml

import hubel
from hubel.cli import main
from hubel.models import create_model
from hubel.models.layerlist import parse
from hubel.nn.activations import ACTIVATIONS
from hubel.searching.journal import Point, Trial
from hubel.searching.limits import Cost
from hubel.searching.nets.engines import HOW, WAYS, net_engine, usual_space_of, usual_text_of
from hubel.searching.nets.genes import NORMS, NetSpace
from hubel.searching.nets.one_shot import OneShot
from hubel.searching.nets.spaces import read_nets, usual_nets

SIDE = 12


@dataclass(frozen=True)
class Said:
    """What a command said."""

    code: int
    out: str
    err: str


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs a command as it is typed."""

    def run(*words: object) -> Said:
        with pytest.raises(SystemExit) as ended:
            main([*map(str, words)])
        found = capsys.readouterr()
        return Said(int(ended.value.code or 0), found.out, " ".join(found.err.split()))

    return run


LAYERS: dict[str, Any] = {
    "kind": "layers",
    "depth": "1..4",
    "layers": {
        "conv": {"filters": [3, 6, 7], "kernel": [1, 3, 7], "stride": [1, 2]},
        "sep": {"filters": [7, 12], "kernel": 5, "weight": 3},
        "res": {"filters": [6], "kernel": [3]},
        "avgpool": {"window": [2, 3]},
    },
    "smallest": 3,
}
CELLS: dict[str, Any] = {
    "kind": "cells", "paths": 2, "steps": "1..3", "operations": {"sep": {"kernel": [3, 7]}, "point": None},
    "filters": [4, 6], "cells": 3, "stages": 2, "reduction": "conv", "widen": 3,
}  # fmt: skip
MOTIFS: dict[str, Any] = {
    "kind": "motifs", "motifs": 2, "operations": ["sep 7", "identity", "avgpool 5"], "filters": 6, "stages": 2,
}  # fmt: skip
PATHS: dict[str, Any] = {
    "kind": "paths", "stages": [6, 9], "smallest": 5,
    "places": [["conv 3", "sep 7"], ["res 3", "none"], ["conv 1", "none", "sep 3"]],
}  # fmt: skip
OWN = {"layers": LAYERS, "cells": CELLS, "motifs": MOTIFS, "paths": PATHS}
SEARCHED = [(how, kind) for how, way in WAYS.items() for kind in way.spaces]


def tried(engine: Any, many: int, attempts: int = 1) -> list[Trial]:
    """Trials of an engine in a world where nets are worth what their letters say."""
    found: list[Trial] = []
    for number in range(1, many + 1):
        proposal = engine.propose(found, number, number % attempts)
        worth = sum(map(ord, json.dumps(proposal.values.get("net", proposal.values)))) % 97 / 97
        found.append(
            Trial(
                number=number, values=proposal.values, origin=proposal.origin, folder="", status="finished",
                cost=Cost(params=1, macs=1, megabytes=1.0), points=[Point(1, worth, 1.0)],
            )
        )  # fmt: skip
    return found


def outside(values: dict[str, Any], said: dict[str, Any]) -> str:
    """What of a net its file does not say, read from the file alone; "" for a member."""
    if said["kind"] == "cells":
        ops = [op for path in values["cell"] for op in path]
        if {*ops} - {"sep 3", "sep 7", "point"} or any(not 1 <= len(path) <= 3 for path in values["cell"]):
            return str(values)
        return "" if len(values["cell"]) == 2 and values["maps"] in (4, 6) and values["cells"] == 3 else str(values)
    if said["kind"] == "motifs":
        edges = {edge for motif in values["motifs"] for edge in motif}
        if edges - {*said["operations"], "none"} or {*values["cell"]} - {"motif 1", "motif 2", "identity", "none"}:
            return str(values)
        return "" if len(values["motifs"]) == 2 and values["maps"] == 6 else str(values)
    if said["kind"] == "paths":
        first = [f"{kind} 6 {k}" for kind, k in (("conv", 3), ("sep", 7))]
        known = {*first, "res 6 3", "conv 6 1", "sep 6 3", "maxpool 2", "conv 9 3", "sep 9 7", "res 9 3", "conv 9 1"}
        fits = values["net"][0] in first and values["net"].count("maxpool 2") == 1
        return "" if fits and not {*values["net"]} - {*known, "sep 9 3"} else str(values)
    side, layers = SIDE, said["layers"]
    for gene in values["net"]:
        kind, *numbers = gene.split()
        one = layers.get(kind, {})
        listed = {name: each if isinstance(each, list) else [each] for name, each in one.items()}
        if kind == "avgpool":
            wrong, shrinks = int(numbers[0]) not in listed["window"], int(numbers[0])
        else:
            maps, window, *stride = map(int, numbers)
            shrinks = stride[0] if stride else 1
            wrong = maps not in listed.get("filters", []) or window not in listed["kernel"]
            wrong = wrong or shrinks not in listed.get("stride", [1])
        side //= shrinks
        if wrong or (shrinks > 1 and side < said["smallest"]):
            return f"{gene} of {values['net']}"
    return "" if 1 <= len(values["net"]) <= 4 else f"depth of {values['net']}"


@pytest.mark.parametrize(("how", "kind"), SEARCHED)
def test_every_net_that_is_proposed_lies_in_the_space_and_can_be_built(how: str, kind: str) -> None:
    space, many = replace(read_nets(OWN[kind]), side=SIDE), set()
    for seed in range(4):
        engine = net_engine(how, space, seed)
        if isinstance(engine, OneShot):
            engine.ranking = [(engine.space.draw_path(Random(k)), 1 - k / 50) for k in range(10)]
        for trial in tried(engine, 40, attempts=3):
            assert not outside(trial.values, OWN[kind]), f"{trial.origin}: {outside(trial.values, OWN[kind])}"
            many.add(json.dumps(space.layers(trial.values)))
    assert len(many) > 15, "nor is it always the same net"
    for layers in sorted(many)[:: max(1, len(many) // 12)]:
        assert parse(json.loads(layers), in_shape=(1, SIDE, SIDE), num_classes=10).num_classes == 10


# What was proposed before spaces were files: sha-256 of 40 nets of the usual space, seed 0, 28 pixels a side. Of ways
# that only draw: what a controller or a surrogate has learnt by gradients may differ from one processor to another.
BEFORE = {
    ("random", "layers"): "e07c1bc85a734750",
    ("random", "cells"): "1933ad733850a34b",
    ("evolution", "layers"): "fb0aaba034561677",
    ("evolution", "cells"): "d2311195bf0aaf95",
    ("hierarchical", "motifs"): "8acbb160d701beb4",
    ("q-learning", "layers"): "8dcb7925e433ddb7",
    ("morphism", "layers"): "9904e2c09665b19d",
    ("enas", "paths"): "96b81018f05b00d1",
    ("smash", "paths"): "96b81018f05b00d1",
}


@pytest.mark.parametrize(("how", "kind"), list(BEFORE))
def test_the_usual_space_proposes_what_it_always_did(how: str, kind: str) -> None:
    space = replace(usual_space_of(how, cells=kind == "cells"), side=28)
    nets = [trial.values for trial in tried(net_engine(how, space, 0), 40)]
    assert hashlib.sha256(json.dumps(nets).encode()).hexdigest()[:16] == BEFORE[how, kind]


@pytest.mark.parametrize(("how", "kind"), SEARCHED)
def test_what_is_printed_is_what_is_searched(how: str, kind: str, call: Callable[..., Said]) -> None:
    cells = ["--cells"] if kind == "cells" else []
    printed = call("search", "--nets", how, *cells, "--print-space")
    assert printed.code == 0
    assert printed.out == usual_text_of(how, cells=kind == "cells")
    said = yaml.safe_load(printed.out)
    assert read_nets(said) == usual_space_of(how, cells=kind == "cells")
    assert read_nets(said).plain() == said, "nothing is left open"
    assert json.loads(call("search", "--nets", how, *cells, "--print-space", "--json").out) == said


@pytest.mark.parametrize("kind", OWN)
def test_a_space_of_ones_own_is_written_and_read_back(kind: str) -> None:
    space = read_nets(OWN[kind])
    assert read_nets(json.loads(json.dumps(space.plain()))) == space
    assert space != usual_nets(kind)


@pytest.mark.parametrize("word", [*NORMS, *ACTIVATIONS])
def test_whatever_follows_convolutions_makes_a_net(word: str) -> None:
    name = "norm" if word in NORMS else "activation"
    if word in ("step", "maxout"):
        with pytest.raises(hubel.UsageError, match=r"cannot be step: its derivative is 0|as many maps .* and maxout"):
            read_nets({**LAYERS, name: word})
        return
    for said in (LAYERS, CELLS, MOTIFS):
        space = replace(read_nets({**said, name: word}), side=SIDE)
        layers = space.layers(space.draw(Random(4)))
        assert (word in str(layers)) == (word != "none"), f"{word} in {layers}"
        net = create_model(layers, num_classes=3, in_chans=1, img_size=SIDE)
        assert net(torch.zeros(2, 1, SIDE, SIDE)).shape == (2, 3)


def changed(said: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with another value at a.b.c."""
    copy = json.loads(json.dumps(said))
    *heads, last = path.split(".")
    inner = copy
    for head in heads:
        inner = inner[head]
    inner[last] = value
    return dict(copy)


@pytest.mark.parametrize(
    ("kind", "at", "value", "said"),
    [
        ("layers", "kind", "layer", "did you mean 'layers'"),
        ("layers", "kind", 3, "kind must be a word, got 3"),
        ("layers", "dept", "2..3", "did you mean 'depth'"),
        ("layers", "depth", "3..2", "smaller to a larger number, got 3..2"),
        ("layers", "depth", [2, 3], "depth must be a whole number or a range"),
        ("layers", "depth", 0, "depth must be a whole number from 1 to 100, got 0"),
        ("layers", "layers", [], "layers must hold names and values, got an empty list"),
        ("layers", "layers", {"avgpool": {}}, "must name a convolution with a stride of 1"),
        ("layers", "layers.con", {}, "did you mean 'conv'"),
        ("layers", "layers.conv.filter", [8], "did you mean 'filters'"),
        ("layers", "layers.conv.filters", [], "no choice left"),
        ("layers", "layers.conv.filters", [8, 8], "holds 8 twice"),
        ("layers", "layers.conv.filters", [8, True], "got true"),
        ("layers", "layers.conv.filters", [8.5], "got 8.5"),
        ("layers", "layers.conv.filters", list(range(1, 90)), "at most 64 choices, got 89"),
        ("layers", "layers.conv.kernel", [4], "odd numbers, got 4"),
        ("layers", "layers.res.stride", [2], "under layers.res: 'stride'"),
        ("layers", "dense", {"share": 0.5}, "dense must say units"),
        ("layers", "dense", {"units": 8, "share": "1/0"}, "above 0 and below 1, or as 1/3, got '1/0'"),
        ("layers", "norm", "bachnorm", "did you mean 'batchnorm'"),
        ("layers", "activation", "rely", "did you mean"),
        ("cells", "operations", {}, "must name at least one"),
        ("cells", "operations.point", {"kernel": 3}, "under operations.point: 'kernel'"),
        ("cells", "drawn", [5], "must hold some of filters, got 5"),
        ("cells", "reduction", "pool", "did you mean"),
        ("motifs", "operations", ["conv 3", "sep 3"], "must hold identity"),
        ("motifs", "operations", ["conv 4", "identity"], "odd windows, got 'conv 4'"),
        ("motifs", "operations", ["conf 3", "identity"], "holds 'conf 3', which is none"),
        ("paths", "places", [["res 3"]], "place 1 may not hold 'res 3'"),
        ("paths", "places", [["conv 3"], ["conv"]], "place 2 holds 'conv'"),
        ("paths", "places", "conv 3", "must be a list of lists"),
    ],
)
def test_what_is_no_space_is_told_with_its_place(kind: str, at: str, value: Any, said: str) -> None:
    with pytest.raises(hubel.UsageError) as told:
        read_nets(changed(OWN[kind], at, value))
    assert said in str(told.value)
    assert told.value.hint


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"nets": "enas", "space": LAYERS}, "it searches no layers, but paths"),
        ({"nets": "evolution", "space": PATHS}, "it searches no paths, but layers and cells"),
        ({"nets": "q-learning", "space": CELLS}, "it searches no cells"),
        ({"nets": "evolution", "space": LAYERS, "cells": True}, "--cells asks for cells"),
        ({"nets": "progressive", "space": {**LAYERS, "dense": {"units": 8}}}, "lays no dense layer"),
        ({"nets": "morphism", "space": {**LAYERS, "activation": "gelu"}}, "batchnorm and relu alone"),
        ({"nets": "morphism", "space": changed(LAYERS, "layers", {"sep": {}})}, "begins with small nets of conv"),
        ({"space": LAYERS}, "this is a space of nets (kind: layers), and settings are searched"),
        ({"nets": "evolution", "space": {"lr": "1e-4..1e-1:log"}}, "and this one holds lr"),
        ({"nets": "evolution", "space": ["lr=1e-4..1e-1:log"]}, "one YAML file of nets, got lr=1e-4..1e-1:log"),
        (
            {"nets": "evolution", "space": changed(LAYERS, "layers.conv.kernel", [3, 9])},
            "window of 9 pixels, and pictures",
        ),
        ({"nets": "evolution", "space": changed(LAYERS, "layers.avgpool.window", [9])}, "layers.avgpool.window has a"),
        (
            {"nets": "random", "space": changed(LAYERS, "depth", 4), "max_params": 9},
            "within --max-params 9: the smallest",
        ),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused_before_anything_is_written(
    settings: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(hubel.UsageError) as told:
        hubel.search("digits", trials=2, trial_epochs=1, limit=60, out=tmp_path, device="cpu", threads=1, **settings)
    assert said in str(told.value)
    assert not list(tmp_path.iterdir())


def test_the_smallest_net_of_a_space_is_the_smallest_that_can_be_drawn() -> None:
    for said in (LAYERS, changed(LAYERS, "depth", "3..4"), changed(LAYERS, "layers.conv.filters", [1]), CELLS, PATHS):
        space = replace(read_nets(said), side=SIDE)
        least = min(weights(space, values) for values in space.small_nets())
        assert all(weights(space, space.draw(Random(number))) >= least for number in range(150))


def weights(space: NetSpace, values: dict[str, Any]) -> int:
    with torch.device("meta"):
        net = create_model(space.layers(values), num_classes=3, in_chans=1, img_size=SIDE)
    return sum(parameter.numel() for parameter in net.parameters())


def test_a_file_is_searched_recorded_shown_and_gone_on_with(tmp_path: Path, call: Callable[..., Said]) -> None:
    """By the command line, on the digits; 8 pixels a side."""
    said = changed(changed(LAYERS, "layers.conv.kernel", [1, 3]), "smallest", 2)
    file = tmp_path / "nets.yaml"
    file.write_text(yaml.safe_dump(said))
    asked = ["search", "digits", "--nets", "evolution", "--space", str(file), "--trials", "4", "--trial-epochs", "1",
             "--set", "limit=100", "--set", "threads=1", "--out", str(tmp_path / "search"), "--json"]  # fmt: skip
    ended = call(*asked)
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    folder = Path(found["folder"])
    assert read_nets(yaml.safe_load(found["space"])) == read_nets(said)
    assert "a file for --space" in (folder / "search.html").read_text()
    file.unlink()  # the search keeps its space
    again = call("search", "--resume", folder, "--trials", 7, "--json")
    assert again.code == 0, again.err
    nets = [trial["values"]["net"] for trial in json.loads(again.out)["trials"] if trial["values"]]
    assert len({json.dumps(net) for net in nets}) == 6
    whole = {"kernel": [1, 3], "filters": [3, 6, 7], "stride": [1, 2]}
    assert all(not outside({"net": net}, changed({**said, "smallest": 1}, "layers.conv", whole)) for net in nets)
    other = call("search", "--resume", folder, "--space", file)
    assert other.code == 2
    assert "space is given anew" in other.err


def test_a_search_that_was_begun_before_spaces_were_files_goes_on(tmp_path: Path) -> None:
    found = hubel.search("digits", nets="random", trials=2, trial_epochs=1, limit=60, out=tmp_path, device="cpu",
                         threads=1)  # fmt: skip
    asked = found.folder / "search.json"
    said = json.loads(asked.read_text())
    del said["space"]["space"]
    asked.write_text(json.dumps(said))
    assert len([trial for trial in hubel.search(resume=found.folder, trials=3).trials if not trial.again]) == 3
    said["space"]["space"] = {"kind": "layers", "layers": {"conv": {"filters": []}}}
    asked.write_text(json.dumps(said))
    with pytest.raises(hubel.ArtefactError, match="is no search"):
        hubel.search(resume=found.folder, trials=4)


def test_printing_a_space_takes_nothing_that_would_have_no_effect(call: Callable[..., Said]) -> None:
    for more, said in (
        (["digits"], "data is given"),
        (["--trials", "3"], "trials is given"),
        (["--out", "x"], "out is given"),
        ([], ""),
    ):
        printed = call("search", *more, "--nets", "evolution", "--print-space")
        assert printed.code == (2 if more else 0)
        assert said in printed.err
    assert "no way of searching nets" in call("search", "--print-space").err
    assert {how for how, _ in SEARCHED} == set(HOW)
