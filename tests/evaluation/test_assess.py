from __future__ import annotations

import csv
import io
import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import classification_report
from sklearn.model_selection import train_test_split

from hubel.errors import DataError
from hubel.evaluation import Evaluation, assess
from hubel.types import Predictions

NAMES = [str(digit) for digit in range(10)]


@pytest.fixture(scope="module")
def digits() -> Predictions:
    """A linear classifier's answers for 450 real digits."""
    pixels, labels = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(pixels / 16, labels, test_size=450, random_state=0)
    model = LogisticRegression(max_iter=200).fit(x_train, y_train)
    return Predictions(model.decision_function(x_test).astype(np.float32), y_test.astype(np.int64), np.arange(450))


@pytest.fixture(scope="module")
def result(digits: Predictions) -> Evaluation:
    return assess(digits, NAMES, paths=[f"digits/{i:04d}.png" for i in range(450)])


def test_real_digits_are_judged_as_scikit_learn_judges_them(digits: Predictions, result: Evaluation) -> None:
    expected = classification_report(digits.labels, digits.predicted, output_dict=True)
    assert result.top1 == pytest.approx(expected["accuracy"])
    assert result.macro_f1 == pytest.approx(expected["macro avg"]["f1-score"])
    assert result.weighted_f1 == pytest.approx(expected["weighted avg"]["f1-score"])
    for digit in range(10):
        row = expected[str(digit)]
        assert result.per_class.recall[digit] == pytest.approx(row["recall"])
        assert result.per_class.support[digit] == row["support"]


def test_every_interval_holds_its_number(result: Evaluation) -> None:
    assert set(result.intervals) == {
        "top1", "top5", "auc", "log_loss", "brier", "balanced_accuracy", "macro_f1", "weighted_f1",
    }  # fmt: skip
    for name, (low, high) in result.intervals.items():
        assert low <= getattr(result, name) <= high, name


def test_no_interval_holds_a_loss_below_nothing() -> None:
    """One sure mistake among forty right answers: mean and deviation alone would give -0.3."""
    logits = np.zeros((41, 3), np.float32)
    logits[:, 0] = 12
    result = assess(Predictions(logits, np.array([0] * 40 + [1]), np.arange(41)), ["a", "b", "c"])
    assert result.log_loss > 0.2
    assert result.intervals["log_loss"][0] == result.intervals["brier"][0] == 0


def test_the_worst_mistake_is_the_one_it_was_most_sure_of(result: Evaluation) -> None:
    confidences = [m.confidence for m in result.mistakes]
    assert confidences == sorted(confidences, reverse=True)
    assert len(result.mistakes) == result.error_count
    worst = result.mistakes[0]
    assert worst.label != worst.predicted
    assert worst.truth_probability < worst.confidence
    assert worst.path == f"digits/{worst.id:04d}.png"


def test_printing_it_fits_a_terminal_of_80_columns(result: Evaluation) -> None:
    text = str(result)
    assert max(map(len, text.splitlines())) <= 80
    assert "accuracy" in text
    assert "most often confused" in text


def test_classes_of_which_nothing_was_measured_are_counted(digits: Predictions, result: Evaluation) -> None:
    few = digits.labels > 1
    some = Predictions(digits.logits[few], digits.labels[few], digits.ids[few])
    assert assess(some, NAMES).sentence.endswith("2 of 10 classes have no sample in it.")
    assert "no sample" not in result.sentence


def test_long_wide_and_strange_class_names_are_cut_not_wrapped(digits: Predictions) -> None:
    names = ["a" * 300, "猫" * 40, "line\nbreak", "\x1b[31mred", *NAMES[4:]]
    lines = str(assess(digits, names)).splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in "".join(lines)
    assert any(line.startswith("  line\\x0abreak") for line in lines)


def test_with_many_classes_the_hardest_are_shown() -> None:
    random = np.random.default_rng(0)
    labels = np.arange(600) % 60
    logits = random.normal(size=(600, 60)) + 3 * np.eye(60)[labels]
    logits[labels == 37] = random.normal(size=(10, 60))
    result = assess(Predictions(logits, labels, np.arange(600)), [f"class {k}" for k in range(60)])
    assert "the 20 hardest classes" in str(result)
    assert result.hardest(3)[0] == 37
    assert str(result).count("\n") < 50


def test_a_notebook_shows_names_as_text_never_as_markup(digits: Predictions) -> None:
    page = assess(digits, ["<script>alert(1)</script>", *NAMES[1:]])._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_it_goes_through_json_with_none_for_what_is_not_known() -> None:
    logits = np.array([[2.0, 1.0, 0.0], [2.0, 0.0, 1.0]])
    one_class = assess(Predictions(logits, np.array([0, 0]), np.arange(2)), ["a", "b", "c"])
    document = json.loads(json.dumps(one_class.to_dict(), allow_nan=False))
    assert document["auc"] is None
    assert document["top1"] == 1.0
    assert document["per_class"]["recall"] == [1.0, None, None]
    assert document["most_confused"] == []


def test_tables_for_spreadsheets_are_complete(result: Evaluation) -> None:
    rows = list(csv.DictReader(io.StringIO(result.predictions_csv())))
    assert len(rows) == 450
    assert sum(int(row["right"]) for row in rows) == 450 - result.error_count
    per_class = list(csv.DictReader(io.StringIO(result.per_class_csv())))
    assert [row["class"] for row in per_class] == NAMES
    matrix = list(csv.reader(io.StringIO(result.confusion_csv())))
    assert [[int(cell) for cell in row[1:]] for row in matrix[1:]] == result.confusion.tolist()


def test_a_name_that_a_spreadsheet_would_run_is_disarmed(digits: Predictions) -> None:
    evil = assess(digits, ["=HYPERLINK(1)", "+1", "-1", "@x", *NAMES[4:]], paths=["=cmd|'/c calc'!A1"] * 450)
    for text in (evil.predictions_csv(), evil.per_class_csv(), evil.confusion_csv()):
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        assert not [cell for cell in cells if cell[:1] in "=+-@" and cell[:1]]


def test_samples_without_a_label_are_counted_and_left_out(digits: Predictions, result: Evaluation) -> None:
    logits = np.concatenate([digits.logits[:1], digits.logits])
    labels = np.concatenate([[-1], digits.labels])
    more = assess(Predictions(logits, labels, np.arange(-1, 450)), NAMES, paths=["x", *(result.paths or ())])
    assert (more.samples, more.unlabelled, more.top1) == (450, 1, result.top1)
    assert more.paths == result.paths
    assert "1 sample without a label left out" in str(more)


@pytest.mark.parametrize(
    ("logits", "labels", "names", "says"),
    [
        (np.zeros((2, 3)), np.zeros(2, int), ["a", "b"], "logits must be N 2 for 2 classes, got shape (2, 3)"),
        (np.zeros((0, 2)), np.zeros(0, int), ["a", "b"], "got none in the test split (0 samples)"),
        (np.zeros((3, 2)), np.full(3, -1), ["a", "b"], "got none in the test split (3 samples)"),
        (np.full((1, 2), np.nan), np.zeros(1, int), ["a", "b"], "scores must be finite"),
    ],
)
def test_what_cannot_be_judged_is_explained(
    logits: np.ndarray, labels: np.ndarray, names: list[str], says: str
) -> None:
    with pytest.raises(DataError) as caught:
        assess(Predictions(logits, labels, np.arange(len(labels))), names)
    assert says in str(caught.value)


def test_a_result_cannot_be_changed(result: Evaluation) -> None:
    with pytest.raises(FrozenInstanceError):
        result.top1 = 1.0  # type: ignore[misc]


def test_the_same_answers_give_the_same_result(digits: Predictions, result: Evaluation) -> None:
    assert assess(digits, NAMES).intervals == result.intervals
