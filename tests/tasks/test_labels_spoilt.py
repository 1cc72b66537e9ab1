"""What `hubel robust` says of a net of several labels: whole sets of labels, and how each label is ranked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

import hubel
from hubel.cli import main
from hubel.errors import UsageError
from hubel.robustness.corruptions import corrupt
from hubel.robustness.measuring import Robustness
from hubel.tasks.answers import Answers
from hubel.verbs.attack import attack, attack_rate
from hubel.verbs.counterfactual import anchor, counterfactual
from hubel.verbs.robust import RobustComparison, robust, write_page


def said(run: hubel.Run, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(which labels are said, N K, and their probabilities) of pictures N C H W uint8."""
    found = run.predict(list(pictures.transpose(0, 2, 3, 1)))
    assert isinstance(found, Answers)
    names = list(found[0].numbers)
    return (
        np.array([[name in (each.labels or ()) for name in names] for each in found]),
        np.array([list(each.numbers.values()) for each in found]),
    )


@pytest.fixture(scope="module")
def found(pairs_run: hubel.Run) -> Robustness:
    result = robust(pairs_run.folder, corruptions=["gaussian-noise", "contrast"], severities=[1, 4], shifts=2)
    assert isinstance(result, Robustness)
    return result


def test_pictures_count_as_right_where_all_labels_are_and_labels_are_ranked(
    found: Robustness, pairs_run: hubel.Run
) -> None:
    judged = pairs_run.evaluate()
    assert (found.clean.accuracy, found.clean.mean_ap) == pytest.approx((judged.exact, judged.mean_ap))  # type: ignore[union-attr]
    own = hubel.records.own_data.own_data(pairs_run.folder, hubel.load(pairs_run.folder))
    pictures, truth = own.decoded.images[found.ids], own.scan.manifest.targets
    assert truth is not None
    spoilt = corrupt(pictures, found.ids, "gaussian-noise", 4, seed=0)
    there, shares = said(pairs_run, spoilt)
    cell = found.of("gaussian-noise")[1]
    assert (cell.predicted == there).all()
    assert cell.right.tolist() == (there == (truth[found.ids] > 0)).all(1).tolist()
    assert cell.mean_ap == pytest.approx(average_precision_score(truth[found.ids], shares))
    sure = np.where(there, shares, 1 - shares).prod(1)
    assert cell.confidence == pytest.approx(sure, abs=1e-5)
    assert "have all their labels right as they are" in found.sentence
    assert f"mAP is {100 * found.clean.mean_ap:.1f} %" in found.sentence
    assert found.to_dict()["clean"]["mean_ap"] == found.clean.mean_ap
    assert max(map(len, str(found).splitlines())) <= 80


def test_an_answer_stays_where_all_labels_do(found: Robustness, pairs_run: hubel.Run) -> None:
    own = hubel.records.own_data.own_data(pairs_run.folder, hubel.load(pairs_run.folder))
    pictures = own.decoded.images[found.ids]
    before = said(pairs_run, pictures)[0]
    stays = []
    for move, axis in ((2, 2), (-2, 2), (2, 3), (-2, 3)):
        moved = np.roll(pictures, move, axis)
        edge = [slice(None)] * 4
        edge[axis] = slice(0, 2) if move > 0 else slice(-2, None)
        moved[tuple(edge)] = 0
        stays.append((said(pairs_run, moved)[0] == before).all(1).mean())
    assert found.curves[0].name == "shifted, black border"
    assert found.curves[0].consistency[2] == pytest.approx(np.mean(stays))
    assert 0 < found.curves[0].consistency[2] < 1


def test_the_page_has_both_numbers_and_runs_lie_beside_each_other(
    found: Robustness, pairs_run: hubel.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = write_page(found, pairs_run.folder, None, "cpu")
    assert '<th class="number">mAP</th>' in text
    assert "All labels right by severity" in text
    assert "are to be trusted" not in text, "that is of answers with one class"
    both = robust([pairs_run.folder, pairs_run.folder], corruptions=["contrast"], severities=[1], shifts=0)
    assert isinstance(both, RobustComparison)
    assert both.beside[0][0].difference == 0
    with pytest.raises(SystemExit) as left:
        main(["robust", str(pairs_run.folder), "--corruptions", "none", "--shifts", "1", "--out",
              str(tmp_path / "a.html")])  # fmt: skip
    assert left.value.code == 0
    assert "mAP is" in capsys.readouterr().out


def test_an_attack_on_one_label_leaves_the_question_to_its_threshold(pairs_run: hubel.Run, pairs_folder: Path) -> None:
    net, file = pairs_run.load(), pairs_folder / "000.png"
    (says,) = hubel.predict(net, file)
    assert says.labels
    for place, name in enumerate(net.class_names):
        found = counterfactual(net, file, target=name)
        limit = net.label_thresholds[place]
        assert net.preprocessing is not None
        with torch.no_grad():
            logits = net.model(torch.from_numpy(found.done.images))[0]
        share = float(logits[place].sigmoid())
        there = name in says.labels
        assert (share >= limit) is not there, "it crossed its own threshold"
        assert share == pytest.approx(limit, abs=0.03), "and went no farther than it had to"
        assert found.before == (name if there else f"no {name}", pytest.approx(
            says.numbers[name] if there else 1 - says.numbers[name], abs=1e-4))  # fmt: skip
        assert found.after[0] == (f"no {name}" if there else name)
        assert found.after[1] == pytest.approx(1 - share if there else share, abs=1e-4)
    usual = attack(net, file, method="fgsm")
    assert usual.before[0].removeprefix("no ") == max(says.numbers, key=says.numbers.__getitem__)
    kept = anchor(pairs_run.folder, file, target=says.labels[0], cells=4)
    assert kept.label == says.labels[0]


def test_over_a_split_the_decisions_on_one_label_are_counted(pairs_run: hubel.Run, digits_run: Path) -> None:
    judged = pairs_run.evaluate()
    rate = attack_rate(pairs_run.folder, target="digit 1", eps=1 / 255, method="fgsm")
    assert (rate.label, rate.samples) == ("digit 1", judged.samples)
    assert rate.right == int((judged.said == (judged.truth > 0))[:, 1].sum())
    assert attack_rate(pairs_run.folder, target="digit 1", eps=0.5).flipped > rate.flipped
    assert "accuracy on the label digit 1 falls from" in rate.sentence
    with pytest.raises(UsageError, match="which of them is attacked") as refused:
        attack_rate(pairs_run.folder)
    assert "--class 'digit 0'" in refused.value.hint
    with pytest.raises(UsageError, match="this net names one class"):
        attack(digits_run, "digits:0", target="3")
