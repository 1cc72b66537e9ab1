"""Several nets that say labels, asked together."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit
from scipy.stats import entropy
from torch import nn

import hubel
from hubel.checkpoint.learnt import Learnt
from hubel.errors import ArtefactError, UsageError
from hubel.models.ensemble import Ensemble
from hubel.tasks.answers import Answers

from .conftest import QUICK


@pytest.fixture(scope="module")
def pairs_runs(pairs_run: hubel.Run, pairs_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[hubel.Run]:
    """Two nets that say which of the digits 0 to 2 are there, begun from other weights, and not sure of it yet."""
    out = str(tmp_path_factory.mktemp("runs"))
    return [
        hubel.train(pairs_folder, out=out, model="mlp", epochs=4, augment="none", seed=seed, **QUICK) for seed in (1, 2)
    ]


@pytest.fixture(scope="module")
def joined(pairs_runs: list[hubel.Run], tmp_path_factory: pytest.TempPathFactory) -> hubel.Ensembled:
    """Both as one run."""
    return hubel.ensemble(pairs_runs, out=tmp_path_factory.mktemp("joined"), device="cpu")


def answers(found: object) -> Answers:
    assert isinstance(found, Answers)
    return found


def test_several_nets_say_the_mean_of_their_probabilities_by_the_mean_of_their_thresholds(
    pairs_run: hubel.Run, pairs_folder: Path
) -> None:
    first = hubel.load(pairs_run.folder)
    assert first.learnt is not None
    # The same net with its outputs in another order, and with thresholds that are never reached.
    turned = dataclasses.replace(
        first, class_names=first.class_names[::-1], learnt=Learnt(arrays={"thresholds": np.ones(3, np.float32)})
    )
    files = sorted(pairs_folder.glob("*.png"))[:30]
    together = answers(hubel.predict([first, turned], files))
    alone, other = answers(hubel.predict(first, files)), answers(hubel.predict(turned, files))
    limits = (first.label_thresholds + 1) / 2
    for all_, one, two in zip(together, alone, other, strict=True):
        mean = np.array([(one.numbers[name] + two.numbers[name]) / 2 for name in first.class_names])
        assert list(all_.numbers.values()) == pytest.approx(mean.tolist(), abs=1e-6)
        assert set(all_.labels or ()) == {n for n, p, limit in zip(first.class_names, mean, limits, strict=True)
                                          if p >= limit}  # fmt: skip
    assert {all_.labels for all_ in together} != {one.labels for one in alone}


def test_they_tell_label_by_label_how_much_they_disagree(pairs_runs: list[hubel.Run], pairs_folder: Path) -> None:
    file = pairs_folder / "000.png"
    (together,) = answers(hubel.predict(pairs_runs, file))
    one, other = ((answers(hubel.predict(run, file))[0].numbers) for run in pairs_runs)
    for name in one:
        asked = np.array([[p[name], 1 - p[name]] for p in (one, other)])
        expected = entropy(asked.mean(axis=0)) - entropy(asked, axis=1).mean()
        assert (together.disagreement or {})[name] == pytest.approx(expected, abs=1e-6)
    assert max((together.disagreement or {}).values()) > 1e-5
    (same,) = answers(hubel.predict([pairs_runs[0]] * 2, file))
    assert set((same.disagreement or {}).values()) == {0.0}
    assert not same.apart
    assert (
        answers(hubel.predict(pairs_runs, file))
        .to_csv()
        .splitlines()[0]
        .endswith("digit 2,known,familiarity,disagreement")
    )
    assert answers(hubel.predict(pairs_runs[0], file))[0].disagreement is None


def test_what_one_of_them_cannot_read_is_named_and_other_labels_are_refused(
    pairs_run: hubel.Run, pairs_folder: Path, digits_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "no.png").write_bytes(b"none")
    found = answers(hubel.predict([pairs_run.folder] * 2, [pairs_folder / "000.png", tmp_path / "no.png"]))
    assert (len(found), len(found.problems)) == (1, 1)
    first = hubel.load(pairs_run.folder)
    renamed = dataclasses.replace(first, class_names=("digit 0", "digit 1", "digit 8"))
    with pytest.raises(ArtefactError, match="net 2 of 2 nets has classes the model was not trained on: 'digit 8'"):
        hubel.predict([first, renamed], pairs_folder / "000.png")
    with pytest.raises(UsageError, match="these nets were trained for different tasks: multilabel, classify"):
        hubel.predict([pairs_run.folder, digits_run], pairs_folder / "000.png")


def test_of_each_label_the_mean_is_one_of_probabilities_or_of_log_odds() -> None:
    torch.manual_seed(0)
    nets, x = [nn.Linear(4, 3), nn.Linear(4, 3)], torch.rand(5, 4)
    one, two = (net(x) for net in nets)
    both = Ensemble(nets, weights=[3, 1], temperatures=[2, 1], answers="labels")
    assert torch.allclose(both(x).sigmoid(), 0.75 * (one / 2).sigmoid() + 0.25 * two.sigmoid(), atol=1e-6)
    logit = Ensemble(nets, weights=[3, 1], space="logit", answers="labels")
    assert torch.allclose(logit(x), 0.75 * one + 0.25 * two, atol=1e-5)
    sure = Ensemble([nn.Identity(), nn.Identity()], answers="labels")
    assert torch.allclose(sure(torch.tensor([[-90.0, 80.0]])), torch.tensor([[-90.0, 80.0]]))


def test_runs_of_several_labels_become_one_run_with_thresholds_of_its_own(
    joined: hubel.Ensembled, pairs_runs: list[hubel.Run], pairs_folder: Path
) -> None:
    run = hubel.Run(joined.folder)
    net, members = run.load(), [hubel.load(member.run) for member in joined.members]
    files = sorted(pairs_folder.glob("*.png"))[:20]
    found = answers(run.predict(files))
    heats = net.spec.options["temperatures"]
    alone = [answers(hubel.predict(member, files)) for member in members]
    for place, answer in enumerate(found):
        logits = [[np.log(p / (1 - p)) / heat for p in said[place].numbers.values()]
                  for said, heat in zip(alone, heats, strict=True)]  # fmt: skip
        weights = [member.weight for member in joined.members]
        mean = (
            expit(np.average(logits, axis=0, weights=weights))
            if joined.space == "logit"
            else np.average(expit(np.array(logits)), axis=0, weights=weights)
        )
        assert list(answer.numbers.values()) == pytest.approx(mean.tolist(), abs=1e-4)
    assert net.learnt is not None
    assert not np.array_equal(net.label_thresholds, members[0].label_thresholds)
    judged = run.evaluate()
    last = joined.together[-1].numbers
    assert (judged.mean_ap, judged.exact) == (last["mean_ap"], last["exact"])
    assert joined.together[0].log_loss < joined.single[0].log_loss
    assert (run.summary["best"]["val_map"], joined.measure) == (joined.together[0].numbers["mean_ap"], "mean_ap")
    assert "mAP" in str(joined)
    assert "all labels right" in (joined.folder / "report.html").read_text()
    assert joined.disagreement > 0


def test_the_best_alone_stands_beside_it_as_it_would_be_used(
    joined: hubel.Ensembled, pairs_runs: list[hubel.Run]
) -> None:
    best = next(run for run in pairs_runs if str(run.folder) == joined.best)
    assert best.evaluate().mean_ap == pytest.approx(joined.single[-1].numbers["mean_ap"])
    assert best.evaluate().exact == pytest.approx(joined.single[-1].numbers["exact"])


def test_an_exported_file_of_it_says_the_same(joined: hubel.Ensembled, pairs_folder: Path, tmp_path: Path) -> None:
    file = hubel.export(joined.folder, out=tmp_path / "pairs.onnx").path
    said = answers(hubel.predict(file, pairs_folder / "000.png"))[0]
    own = answers(hubel.predict(joined.folder, pairs_folder / "000.png"))[0]
    assert said.labels == own.labels
    assert said.numbers == pytest.approx(own.numbers, abs=1e-4)


def test_runs_of_other_tasks_are_left_out_by_name(
    pairs_runs: list[hubel.Run], digits_run: Path, segment_run: hubel.Run, tmp_path: Path
) -> None:
    done = hubel.ensemble([*pairs_runs, digits_run, segment_run], out=tmp_path, device="cpu")
    assert done.left_out == {"of the task segment": 1, "of the task classify": 1}
