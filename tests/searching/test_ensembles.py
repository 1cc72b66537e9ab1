"""Several runs answer as one net: chosen greedily, read back to the same bits, taken wherever a run is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import hubel
from hubel.assembly import trusting
from hubel.assembly.trusting import best_of
from hubel.checkpoint import ModelSpec
from hubel.cli import main
from hubel.models.ensemble import NAME, Ensemble, build_ensemble
from hubel.records.side_by_side import compare
from hubel.searching.ensembles import select
from hubel.verbs.doctor import check
from hubel.verbs.reproduce import reproduce

SETTINGS: dict[str, Any] = {
    "device": "cpu",
    "threads": 1,
    "verbose": False,
    "epochs": 12,
    "augment": "none",
    "limit": 150,
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[hubel.Run]:
    out = tmp_path_factory.mktemp("runs")
    nets = ({"model": "mlp", "seed": 0}, {"model": "mlp", "seed": 1}, {"model": "mlp", "seed": 2})
    return [hubel.train("digits", out=out, **{**SETTINGS, **net}) for net in nets]


@pytest.fixture(scope="module")
def made(runs: list[hubel.Run], tmp_path_factory: pytest.TempPathFactory) -> hubel.Ensembled:
    return hubel.ensemble(runs, out=tmp_path_factory.mktemp("made"), members=3, device="cpu")


def test_greedy_selection_never_answers_worse_than_the_best_alone() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 200)
    nets = [np.eye(4)[labels] * random.uniform(0, 3) + random.normal(0, 1.5, (200, 4)) for _ in range(8)]

    def loss(mean: np.ndarray) -> float:
        return float(-np.log(mean[np.arange(200), labels]).mean())

    shares = [np.exp(net) / np.exp(net).sum(axis=1, keepdims=True) for net in nets]
    picked, told = select(nets, labels, 4, "probability")
    total = sum(count * shares[place] for place, count in picked.items()) / sum(picked.values())
    assert loss(total) == pytest.approx(told)
    assert loss(total) < min(loss(share) for share in shares)
    assert 2 <= len(picked) <= 4
    assert max(picked.values()) > 0


def test_the_two_spaces_are_means_of_two_kinds() -> None:
    torch.manual_seed(0)
    nets, x = [nn.Linear(4, 3), nn.Linear(4, 3)], torch.rand(5, 4)
    one, two = (net(x).softmax(1) for net in nets)
    both = Ensemble(nets, weights=[3, 1])
    assert torch.allclose(both(x).softmax(1), 0.75 * one + 0.25 * two, atol=1e-6)
    geometric = (one**0.75) * (two**0.25)
    logit = Ensemble(nets, weights=[3, 1], space="logit")
    cooled = Ensemble(nets, temperatures=[0.5, 1])
    assert torch.allclose(cooled(x).softmax(1), ((nets[0](x) / 0.5).softmax(1) + two) / 2, atol=1e-6)
    assert torch.allclose(logit(x).softmax(1), geometric / geometric.sum(1, keepdim=True), atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {}, {"members": []}, {"members": "mlp"}, {"members": [{"name": "mlp"}]},
        {"members": [{"name": 3, "options": {}}]},
        {"members": [{"name": NAME, "options": {}}]}, {"members": [{"name": "os.system", "options": {}}]},
        {"members": [{"name": "mlp", "options": {}}], "run": "rm"},
        {"members": [{"name": "mlp", "options": {}}], "weights": [0.0]},
        {"members": [{"name": "mlp", "options": {}}], "weights": [1.0, 1.0]},
        {"members": [{"name": "mlp", "options": {}}], "space": "votes"},
        {"members": [{"name": "mlp", "options": {}}] * 65},
    ],
)  # fmt: skip
def test_a_checkpoint_can_name_nets_of_the_catalogue_only(options: dict[str, Any]) -> None:
    with pytest.raises(hubel.HubelError):
        build_ensemble(options, num_classes=3, in_chans=1, img_size=(8, 8))


def test_an_ensemble_is_a_run_like_any_other(made: hubel.Ensembled, runs: list[hubel.Run]) -> None:
    run = hubel.Run(made.folder)
    assert run.status == "finished"
    assert run.load().spec.architecture == NAME
    assert run.evaluate().top1 == made.together[-1].accuracy
    picture = np.full((8, 8), 100, np.uint8)
    answer = run.predict(picture)[0]
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert hubel.runs(made.folder.parent).rows[0]["status"] == "finished"


def test_it_answers_with_the_mean_of_its_members(made: hubel.Ensembled) -> None:
    together = hubel.load(made.folder)
    members = [hubel.load(member.run) for member in made.members]
    x = torch.rand(4, 1, 8, 8)
    heats = together.spec.options["temperatures"]
    with torch.no_grad():
        parts = [(net.model(x) / heat).log_softmax(1) for net, heat in zip(members, heats, strict=True)]
        if made.space == "logit":
            mean = sum(m.weight * part for m, part in zip(made.members, parts, strict=True)).softmax(1)
        else:
            mean = sum(m.weight * part.exp() for m, part in zip(made.members, parts, strict=True))
        assert torch.allclose(together.model(x).softmax(1), mean, atol=1e-5)
    assert sum(member.weight for member in made.members) == pytest.approx(1)


def test_alike_the_best_say_as_much_each_and_nothing_is_weighed(runs: list[hubel.Run], tmp_path: Path) -> None:
    found = hubel.ensemble(runs, out=tmp_path, members=2, alike=True, device="cpu")
    order = sorted(runs, key=lambda run: -run.summary["best"]["val_accuracy"])
    assert [(Path(member.run).name, member.weight) for member in found.members] == [(r.name, 0.5) for r in order[:2]]
    assert hubel.load(found.folder).spec.options["temperatures"] == [1.0, 1.0]
    assert found.space == "probability"
    logits = hubel.ensemble(runs, out=tmp_path, members=3, alike=True, space="logit", device="cpu")
    assert [member.weight for member in logits.members] == pytest.approx([1 / 3] * 3)
    assert logits.space == "logit"


def test_what_is_unlike_the_training_is_not_told_by_how_sums_are_rounded(
    runs: list[hubel.Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[set[str]] = []

    def best(known: dict[str, np.ndarray], *others: Any) -> Any:
        asked.append(set(known))
        return best_of(known, *others)

    monkeypatch.setattr(trusting, "best_of", best)
    found = hubel.ensemble(runs, out=tmp_path, members=2, alike=True, space="probability", device="cpu")
    assert asked  # of log-probabilities the energy is 0
    assert "energy" not in asked[0]
    trust = hubel.load(found.folder).trust
    assert trust is not None
    assert "energy" not in trust.scores


def test_cost_calibration_and_accuracy_stand_beside_the_best_alone(made: hubel.Ensembled) -> None:
    assert [each.split for each in made.together] == [each.split for each in made.single] == ["val", "test"]
    assert made.cost == pytest.approx(sum(m.macs for m in made.members) / made.members[0].macs)
    assert made.together[0].log_loss < made.single[0].log_loss
    page = (made.folder / "report.html").read_text()
    assert "calibration error" in page
    assert json.loads((made.folder / "ensemble.json").read_text())["candidates"] == 3
    assert "times the best alone" in str(made)


def test_what_was_made_of_runs_has_no_training_to_repeat_or_to_go_on_with(made: hubel.Ensembled) -> None:
    with pytest.raises(hubel.ArtefactError, match="was made of other runs, and has no training of its own"):
        reproduce(made.folder)
    for more in ({}, {"epochs": 30}):
        with pytest.raises(hubel.ArtefactError, match="was made of other runs, and has no training of its own"):
            hubel.train(resume=made.folder, **more)
    with pytest.raises(hubel.ArtefactError, match="no start for another training") as refused:
        hubel.train("digits", from_=made.folder)
    assert "--from" in refused.value.hint
    assert "best-epoch-wrong" not in {finding.id for finding in check(str(made.folder)).findings}


def test_nets_that_answer_together_are_told_by_their_members_and_not_by_the_settings_of_the_first(
    made: hubel.Ensembled, runs: list[hubel.Run], capsys: pytest.CaptureFixture[str]
) -> None:
    beside = dict(compare([made.folder, *runs[:2]]).lines)
    assert beside["train.seed"] == ("", "0", "1")
    with pytest.raises(SystemExit, match="0"):
        main(["runs", "show", str(made.folder)])
    shown = capsys.readouterr().out
    assert all(Path(member.run).name in shown for member in made.members)
    assert "optimizer" not in shown


def test_a_member_changed_by_hand_is_noticed(made: hubel.Ensembled, tmp_path: Path) -> None:
    shutil.copytree(made.folder, tmp_path / "changed")
    path = tmp_path / "changed" / "weights" / "best.json"
    path.write_text(path.read_text().replace('"weights": [', '"weights": [9, '))
    with pytest.raises(hubel.ArtefactError):
        hubel.load(tmp_path / "changed")


def test_runs_that_cannot_answer_together_are_left_out_or_refused(
    runs: list[hubel.Run], made: hubel.Ensembled, tmp_path: Path
) -> None:
    other = hubel.train("digits", model="mlp", out=tmp_path, split_seed=5, **SETTINGS)
    done = hubel.ensemble([*runs, other, made.folder], out=tmp_path, device="cpu")
    assert done.left_out == {"with another split of the data": 1, "made of several nets already": 1}
    with pytest.raises(hubel.ArtefactError, match="two runs"):
        hubel.ensemble([runs[0], other], out=tmp_path)
    with pytest.raises(hubel.ArtefactError, match="no run"):
        hubel.ensemble(["nosuch", runs[0]])
    with pytest.raises(hubel.UsageError, match="members"):
        hubel.ensemble(runs, members=1)
    with pytest.raises(hubel.UsageError, match="space"):
        hubel.ensemble(runs, space="votes")
    with pytest.raises(hubel.HubelError, match="none makes the best one better"):
        hubel.ensemble([runs[0], shutil.copytree(runs[0].folder, tmp_path / "twin")], out=tmp_path)


def test_an_ensemble_is_built_without_its_weights_before_they_are_read() -> None:
    spec = ModelSpec(
        architecture=NAME, num_classes=10, in_chans=1, img_size=(8, 8),
        options={"members": [{"name": "mlp", "options": {"hidden": [8]}}] * 2},
    )  # fmt: skip
    net = spec.build()
    assert [name for name, _ in net.named_children()] == ["nets"]
    assert getattr(net, "stages", ())[0].startswith("nets.0.")


def test_a_list_of_runs_says_which_are_ensembles(made: hubel.Ensembled) -> None:
    assert [row["model"] for row in hubel.runs(made.folder.parent)] == ["ensemble"]


@pytest.fixture(scope="module")
def slopes(tmp_path_factory: pytest.TempPathFactory) -> list[hubel.Run]:
    folder, draw = tmp_path_factory.mktemp("slopes"), np.random.default_rng(0)
    lines = ["long,wide,kind,target"]
    for long, wide in draw.uniform(0, 9, (240, 2)):
        kind = ("plain", "dear")[int(long) % 2]
        price = 1000 * (long * wide + (20 if kind == "dear" else 0)) + draw.normal(0, 3000)
        lines.append(f"{long:.3f},{wide:.3f},{kind},{price:.1f}")
    (folder / "slopes.csv").write_text("\n".join(lines) + "\n")
    nets: dict[str, Any] = {**SETTINGS, "limit": None, "epochs": 15, "augment": None}
    given = {key: value for key, value in nets.items() if value is not None}
    return [hubel.train(folder / "slopes.csv", out=folder, seed=seed, **given) for seed in (0, 1, 2)]


def test_numbers_have_their_mean_in_the_units_of_the_table(slopes: list[hubel.Run], tmp_path: Path) -> None:
    made = hubel.ensemble(slopes, out=tmp_path, device="cpu")
    run, row = hubel.Run(made.folder), {"long": 4.0, "wide": 5.0, "kind": "dear"}
    said = [hubel.predict(member.run, row)[0].value for member in made.members]
    mean = np.average(said, weights=[member.weight for member in made.members])
    assert run.predict(row)[0].value == pytest.approx(mean, rel=1e-5)
    assert run.evaluate().rmse == made.together[-1].numbers["rmse"]
    assert made.together[0].numbers["rmse"] < made.single[0].numbers["rmse"]
    assert (made.measure, made.space) == ("rmse", "number")
    assert "squared error" in (made.folder / "report.html").read_text()
    val = slopes[0].evaluate(split="val").samples
    told = hubel.predict(made.folder, str(Path(slopes[0].folder).parent / "slopes.csv"))
    assert val < len(told)
    apart = [one.disagreement for one in told]
    assert min(apart) <= made.disagreement <= max(apart), "in the same units, by the same rule"
    with pytest.raises(hubel.UsageError, match="whose mean has no space, got 'logit'"):
        hubel.ensemble(slopes, out=tmp_path, space="logit")


def test_nets_that_say_numbers_answer_side_by_side_with_their_spread(
    slopes: list[hubel.Run], runs: list[hubel.Run]
) -> None:
    row = {"long": 4.0, "wide": 5.0, "kind": "dear"}
    said = [hubel.predict(run, row)[0].value for run in slopes]
    (together,) = found = hubel.predict(slopes, row)
    assert together.value == pytest.approx(np.mean(said))
    assert together.disagreement == pytest.approx(np.std(said, ddof=1))
    assert str(together).endswith(f" ± {together.disagreement:.3g}")
    assert found.to_csv().startswith("file,value,disagreement")
    with pytest.raises(hubel.ArtefactError, match="some of these nets predict a number and others name classes"):
        hubel.predict([slopes[0], runs[0]], row)
