"""What `hubel robust` says of a net of several labels: whole sets of labels, and how each label is ranked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

import hubel
from hubel.cli import main
from hubel.robustness.corruptions import corrupt
from hubel.robustness.measuring import Robustness
from hubel.tasks.answers import Answers
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
