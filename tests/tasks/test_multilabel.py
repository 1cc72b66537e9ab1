"""Several labels a picture, from a table with cells such as cat|dog to thresholds and answers."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import average_precision_score, f1_score

import hubel
from hubel.assembly.beside import joined
from hubel.assembly.seeing import Look
from hubel.assembly.strangers import make_strange
from hubel.checkpoint.learnt import Learnt, read_learnt, save_learnt
from hubel.cli import main
from hubel.data.lists import read_lists
from hubel.data.sources import open_source
from hubel.errors import ArtefactError, DataError, UsageError
from hubel.evaluation.several_labels import SeveralLabels
from hubel.metrics.several import average_precision, best_thresholds, mean_precision_interval
from hubel.nn.losses import build_loss
from hubel.records.own_data import own_data
from hubel.store import RunStore
from hubel.tasks.answers import Answers
from hubel.verbs.doubt import selective, strangers

from .conftest import QUICK, pairs


@pytest.fixture(scope="module")
def run(pairs_run: hubel.Run) -> hubel.Run:
    return pairs_run


def test_a_table_with_lists_is_known_by_itself_and_learnt(run: hubel.Run) -> None:
    assert run.recipe["train"]["task"] == "multilabel"
    assert run.recipe["loss"]["loss"] == "bce-with-logits"
    page = (run.folder / "report.html").read_text()
    assert "labels are lists, such as" in page
    assert "Most wrong labels" in page
    assert run.summary["test"]["mean_ap"] > 0.8
    assert {"by_class.svg", "precision.svg"} <= {path.name for path in (run.folder / "figures").iterdir()}


def test_its_numbers_are_those_of_scikit_learn(run: hubel.Run) -> None:
    found = run.evaluate()
    assert isinstance(found, SeveralLabels)
    assert found.average_precision == pytest.approx(average_precision_score(found.truth, found.shares, average=None))
    assert found.micro_f1 == pytest.approx(f1_score(found.truth, found.said, average="micro"))
    assert found.macro_f1 == pytest.approx(f1_score(found.truth, found.said, average="macro"))
    assert found.exact == pytest.approx((found.truth == found.said).all(1).mean())
    stored = json.loads((run.folder / "evaluation.json").read_text())
    assert stored["per_class"].keys() == {"digit 0", "digit 1", "digit 2"}
    low, high = found.intervals["mean_ap"]
    assert low <= found.mean_ap <= high


def test_answers_are_kept_back_where_all_labels_together_are_not_sure(run: hubel.Run) -> None:
    own, val = run.evaluate(), run.evaluate(split="val")
    assert isinstance(own, SeveralLabels)
    assert isinstance(val, SeveralLabels)
    sure = [
        np.array([np.prod([p if yes else 1 - p for p, yes in zip(*row, strict=True)])
                  for row in zip(each.shares, each.shares >= each.thresholds, strict=True)])
        for each in (val, own)
    ]  # fmt: skip
    right = [(each.said == (each.truth > 0)).all(1) for each in (val, own)]
    found = selective(run.folder, 0.05)
    order = np.argsort(-sure[0])
    shares = np.cumsum(~right[0][order]) / np.arange(1, len(order) + 1)
    assert found.threshold == pytest.approx(sure[0][order][np.flatnonzero(shares <= 0.05)[-1]], abs=1e-5)
    given = sure[1] >= found.threshold - 1e-5
    assert (found.answered, found.wrong) == (given.sum(), (given & ~right[1]).sum())
    assert 0 < found.answered < own.samples
    assert (found.coverage[-1], found.risks[-1]) == pytest.approx((1, 1 - own.exact))
    assert "on that all labels are right it answers" in found.sentence
    assert "a label is wrong in" in found.sentence


def test_thresholds_come_from_the_validation_split_and_are_the_best_there(run: hubel.Run) -> None:
    val = run.evaluate(split="val")
    assert isinstance(val, SeveralLabels)
    assert val.fitted
    for k in range(3):
        tried = [f1_score(val.truth[:, k], val.shares[:, k] >= limit) for limit in np.linspace(0.01, 0.99, 99)]
        assert f1_score(val.truth[:, k], val.said[:, k]) >= max(tried) - 1e-9
    assert best_thresholds(np.array([[0.3], [0.4]]), np.array([[0], [0]])).tolist() == [0.5]


def test_predict_says_the_labels_that_were_measured(run: hubel.Run, pairs_folder: Path) -> None:
    found = run.evaluate()
    assert isinstance(found, SeveralLabels)
    said = run.predict([pairs_folder / name for name in found.paths[:9]])
    assert isinstance(said, Answers)
    for n, answer in enumerate(said):
        assert set(answer.labels or ()) == {found.class_names[k] for k in np.flatnonzero(found.said[n])}
        assert list(answer.numbers.values()) == pytest.approx(found.shares[n].tolist(), abs=1e-5)
    assert next(csv.reader(io.StringIO(said.to_csv())))[:2] == ["file", "labels"]


def test_other_data_are_measured_by_the_names_of_the_labels(run: hubel.Run, tmp_path: Path) -> None:
    folder = pairs(tmp_path / "more", count=40)
    text = (
        (folder / "labels.csv").read_text().replace("|digit 1", "").replace("digit 1|", "").replace("digit 1", "none")
    )
    (folder / "labels.csv").write_text(text)
    found = run.evaluate(folder)
    assert isinstance(found, SeveralLabels)
    assert found.truth.shape == (40, 3)
    assert found.truth[:, 1].sum() == 0
    (folder / "labels.csv").write_text(text.replace("digit 2", "digit 7"))
    with pytest.raises(ArtefactError, match="classes the model was not trained on: 'digit 7'"):
        run.evaluate(folder)


def test_average_precision_is_that_of_scikit_learn_also_with_ties_and_its_interval_holds_it() -> None:
    draw = np.random.default_rng(0)
    scores, truth = draw.integers(0, 6, (60, 4)) / 5, draw.integers(0, 2, (60, 4))
    assert average_precision(scores, truth) == pytest.approx(average_precision_score(truth, scores, average=None))
    low, high = mean_precision_interval(scores, truth)
    assert low < average_precision_score(truth, scores) < high


def test_the_asymmetric_loss_is_the_paper_s_formula_and_the_cross_entropy_where_nothing_is_asymmetric() -> None:
    logits, there = torch.randn(5, 3, dtype=torch.float64), torch.randint(0, 2, (5, 3)).double()
    plain = build_loss("asymmetric", gamma=0.0, margin=0.0)(logits, there)
    torch.testing.assert_close(plain, build_loss("bce-with-logits")(logits, there))
    p = torch.sigmoid(logits)
    shifted = (p - 0.05).clamp_min(0)
    expected = -there * p.log() - (1 - there) * shifted**4 * (1 - shifted).log()
    torch.testing.assert_close(build_loss("asymmetric")(logits, there), expected.mean())


@pytest.mark.parametrize(
    ("cells", "names", "words"),
    [
        (["a|b", "b;c|a"], ("a", "b", "b;c"), ""),
        (["cat;dog", "dog", "none"], ("cat", "dog"), ""),
        (["cat||dog|", " cat | dog "], ("cat", "dog"), ""),
        (["cat|cat|dog"], ("cat", "dog"), "with a label twice"),
        (["dog|cat"] * 6 + ["doog"], ("cat", "dog", "doog"), "occurs once, and 'dog' 6 times: a typing error?"),
        (["Cat|dog", "cat"], ("Cat", "cat", "dog"), "in capital letters only"),
    ],
)
def test_cells_are_read_as_people_write_them_and_typing_errors_are_named(
    cells: list[str], names: tuple[str, ...], words: str
) -> None:
    found, there, problems = read_lists(cells)
    assert sorted(found) == sorted(names)
    assert there.shape == (len(cells), len(names))
    assert words in " ".join(problem.reason for problem in problems)
    assert bool(words) == bool(problems)


def test_what_is_no_list_of_labels_is_refused(pairs_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least 2 different labels are needed"):
        read_lists(["cat", "none"])
    with pytest.raises(DataError, match="the task multilabel needs a table whose label column lists labels"):
        hubel.train("digits", task="multilabel", out=str(tmp_path))
    with pytest.raises(UsageError, match="has no use for mixup"):
        hubel.train(pairs_folder, mixup=0.2, out=str(tmp_path))
    with pytest.raises(UsageError, match="has no use for the loss 'cross-entropy'"):
        hubel.train(pairs_folder, loss="cross-entropy", out=str(tmp_path))
    assert open_source(pairs_folder).targets is None, "who does not ask for lists gets classes, and a remark"


def test_what_a_task_learns_belongs_to_its_weights(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    (tmp_path / "weights").mkdir()
    save_learnt(store, "best", Learnt(arrays={"thresholds": np.ones(2, np.float32)}, facts={"n": 3}), "a" * 64)
    file = tmp_path / "weights" / "best.learnt.safetensors"
    found = read_learnt(file, "a" * 64)
    assert found is not None
    assert (found.arrays["thresholds"].tolist(), found.facts) == ([1.0, 1.0], {"n": 3})
    assert read_learnt(file, "b" * 64) is None
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(ArtefactError):
        read_learnt(file, "a" * 64)


def test_a_column_for_each_label_says_the_same_as_a_list(pairs_folder: Path, tmp_path: Path) -> None:
    lists = (pairs_folder / "labels.csv").read_text().splitlines()[1:]
    names = ["digit 0", "digit 1", "digit 2"]
    rows = [line.partition(",") for line in lists]
    wide = [
        f"{file},{','.join(str(int(name in cell)) for name in names)},{k}" for k, (file, _, cell) in enumerate(rows)
    ]
    table = tmp_path / "wide.csv"
    table.write_text("\n".join([f"file,{','.join(names)},number", *wide]) + "\n")
    there = open_source(table, images=pairs_folder, lists=True)
    same = open_source(pairs_folder, lists=True)
    assert there.class_names == same.class_names
    assert there.targets is not None
    assert same.targets is not None
    assert dict(zip(there.paths or (), there.targets.tolist(), strict=True)) == dict(
        zip(same.paths or (), same.targets.tolist(), strict=True)
    )
    problems = [problem.reason for problem in open_source(table, images=pairs_folder).problems]
    assert any("labels are the columns of 0 and 1: digit 0, digit 1, digit 2" in reason for reason in problems)
    assert any("looks like several labels" in reason for reason in problems)  # by which the task is known
    table.write_text(table.read_text().replace("005.png,", "005.png,o", 1))
    with pytest.raises(DataError, match=r"says 0 or 1, but for 1 cell: 'o[01]' in line 7"):
        open_source(table, images=pairs_folder, lists=True)


def test_two_runs_are_compared_from_what_their_folders_keep(
    run: hubel.Run, pairs_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = hubel.train(
        pairs_folder, out=str(tmp_path), model="mlp", epochs=1, augment="none", name="short", **QUICK
    )  # fmt: skip
    page = tmp_path / "beside.html"
    with pytest.raises(SystemExit) as end:
        main(["compare", str(run.folder), str(short.folder), "--out", str(page)])
    assert not end.value.code
    said = " ".join(capsys.readouterr().out.split())
    ours, theirs = run.evaluate(), short.evaluate()
    assert f"{run.name} is better than {short.name}: {100 * (ours.mean_ap - theirs.mean_ap):+.2f} points of mAP" in said
    assert "By all labels of a sample right" in said
    assert "average precision class by class" in said
    for name, _, value, *_ in ours.by_class():
        assert f"{name} {100 * value:.2f} %" in said
    text = page.read_text()
    for words in ("Class by class", "Validation mAP", "Test mAP, with 95 % intervals", "all right"):
        assert words in text, words


def test_pictures_unlike_those_of_the_training_are_told_in_predict_report_and_evaluate(
    run: hubel.Run, pairs_folder: Path, tmp_path: Path
) -> None:
    draw = np.random.default_rng(0)
    (tmp_path / "noise").mkdir()
    for number in range(12):
        Image.fromarray(draw.integers(0, 256, (8, 16), np.uint8)).save(tmp_path / "noise" / f"{number}.png")
    learnt = run.summary["trust"]
    assert set(learnt["scores"]) <= {"mahalanobis", "neighbours", "residual"}, "how sure a label is tells nothing"
    assert "separation_blended" not in learnt, "two pictures at once show the labels of both"
    assert 0.8 <= learnt["test"]["known"] <= 1.0
    page = (run.folder / "report.html").read_text()
    assert "What does it not know?" in page
    assert "plausible" not in page, "sets are learnt of one class only"
    own, strange = run.predict(pairs_folder), run.predict(tmp_path / "noise")
    assert isinstance(own, Answers)
    assert isinstance(strange, Answers)
    assert [each.known for each in strange] == [False] * 12
    assert sum(each.known is True for each in own) >= 0.9 * len(own)
    assert str(strange[0]).endswith("unknown: like nothing it was shown")
    assert strange[0].to_dict()["familiarity"] == pytest.approx(strange[0].familiarity)
    rows = list(csv.DictReader(io.StringIO(own.to_csv())))
    assert [row["known"] for row in rows] == ["yes" if each.known else "no" for each in own]
    # The labels that are said, and their probabilities, are those of the net as it was measured.
    net = run.load()
    assert net.trust is not None
    assert net.trust.calibrator.plain
    found = strangers(run.folder, tmp_path / "noise")
    assert found.separation > 0.95
    together = hubel.predict([run.folder, run.folder], tmp_path / "noise")
    assert [each.familiarity for each in together] == pytest.approx([each.familiarity for each in strange])


def test_a_second_net_has_a_say_in_whether_the_picture_is_known(
    run: hubel.Run, pairs_folder: Path, tmp_path: Path
) -> None:
    net = run.load()
    own = own_data(run.folder, net)
    assert net.trust is not None
    shown: list[np.ndarray] = []
    learnt = {picture.tobytes() for picture in own.decoded.images}

    def strange(pictures: np.ndarray) -> np.ndarray:
        """Whatever it never saw."""
        shown.append(pictures)
        return np.array([float(picture.tobytes() not in learnt) for picture in pictures]) + 1e-3 * pictures.mean(
            (1, 2, 3)
        )

    look = Look(net, own.decoded, torch.device("cpu"))
    better = joined(net.trust, look, strange, own.ids("val"), own.ids("train"))
    blends = make_strange(own.decoded.images, own.ids("train"), own.ids("val"), 512, np.random.default_rng(0))
    assert len(shown) == len(list(blends)), "the validation pictures, and all kinds but two pictures at once"
    assert "reconstruction" in better.scores
    darker = tmp_path / "darker.png"  # as its own are, but for a pixel
    pixels = np.array(Image.open(pairs_folder / "002.png"))
    pixels[0, 0] += 1
    Image.fromarray(pixels).save(darker)
    own_one, other = hubel.predict(dataclasses.replace(net, trust=better), [pairs_folder / "002.png", darker])
    assert (own_one.known, other.known) == (True, False)
    auto = hubel.train(pairs_folder, task="reconstruct", epochs=1, out=str(tmp_path), **QUICK)
    asked = hubel.predict(run.folder, darker, autoencoder=auto.folder)
    assert asked[0].labels == other.labels
    with pytest.raises(UsageError, match="--autoencoder is for one net that names classes or says several labels"):
        hubel.predict([run.folder, run.folder], darker, autoencoder=auto.folder)
    with pytest.raises(UsageError, match="--dropout-samples is for one net that names classes"):
        hubel.predict(run.folder, darker, dropout_samples=4)
