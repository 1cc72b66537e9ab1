"""Every result that a verb gives can be printed, and is seen in a notebook; names in it do no harm."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import hubel
import hubel.verbs
from hubel import types
from hubel.deploy.prediction import Prediction, Predictions
from hubel.evaluation import assess, assess_regression
from hubel.evaluation.comparison import Graded
from hubel.evaluation.comparison import compare as weigh
from hubel.records.ledger import History, Runs
from hubel.records.side_by_side import Comparison
from hubel.store import RunStore
from hubel.views import Viewed

EVIL = "<script>alert(1)</script>\x1b[31m"
INSIDE = ("Prepared", "Recipe", "RunStore", "Subject", "Finished", "Plan", "Module", "Classifier", "Settings")
"""What verbs hand to each other, not to a user."""


STEPS = ("resolve", "conclude")
"""Parts of a training, which tell its watcher."""


def named_for_types(verb: ModuleType) -> dict[str, object]:
    """What a verb imports for its annotations only, so that calling others of its functions loads less."""
    blocks = [node for node in ast.parse(inspect.getsource(verb)).body if isinstance(node, ast.If)]
    lines = [line for block in blocks for line in block.body if isinstance(line, ast.ImportFrom)]
    return {
        alias.name: getattr(importlib.import_module(str(line.module)), alias.name)
        for line in lines
        for alias in line.names
    }


def results() -> Iterator[type]:
    """Every class of ours that a public function of a verb returns."""
    for module in pkgutil.iter_modules(hubel.verbs.__path__):
        verb = importlib.import_module(f"hubel.verbs.{module.name}")
        for name, function in vars(verb).items():
            if inspect.isfunction(function) and not name.startswith("_") and function.__module__ == verb.__name__:
                waiting = [typing.get_type_hints(function, localns=named_for_types(verb)).get("return")]
                while waiting:
                    kind = waiting.pop()
                    waiting += typing.get_args(kind)
                    if inspect.isclass(kind) and kind.__module__.startswith("hubel."):
                        yield kind


def test_every_result_of_every_verb_has_a_text_and_a_view() -> None:
    found = {kind for kind in results() if kind.__name__ not in INSIDE}
    assert len(found) > 30
    plain = [kind for kind in found if "__str__" not in {name for base in kind.__mro__[:-1] for name in vars(base)}]
    unseen = [kind for kind in found if not hasattr(kind, "_repr_html_") and not hasattr(kind, "_repr_mimebundle_")]
    assert (plain, unseen) == ([], [])
    assert all(is_dataclass(kind) for kind in found if issubclass(kind, Viewed))


def evil_results() -> dict[str, object]:
    """One result of each kind that shows names, made of hostile ones."""
    one = Prediction(EVIL, EVIL, 0.75, {EVIL: 0.75, "b": 0.25}, float("nan"))
    logits, labels = np.array([[2.0, 0.0], [2.0, 0.0]], dtype=np.float32), np.array([0, 1])
    answers = hubel_predictions(logits, labels)
    judged = assess(answers, [EVIL, "b"], paths=[EVIL, "b.png"])
    numbers = assess_regression(hubel_predictions(logits[:, :1], labels.astype(float)), paths=[EVIL, "b"])
    return {
        "prediction": one,
        "predictions": Predictions([one]),
        "evaluation": judged,
        "regression": numbers,
        "weighed": weigh([Graded(name=EVIL, evaluation=judged), Graded(name="b", evaluation=judged)])
        if "evaluation" in Graded.__dataclass_fields__ else judged,
        "compared": Comparison((EVIL, "b"), ((EVIL, (EVIL, "x")),)),
        "runs": Runs(({"run": EVIL, "status": "finished", "model": EVIL, "epochs": 1, "val_accuracy": None,
                       "test_accuracy": 0.5},), {EVIL: EVIL}),
        "history": History({EVIL: [1.0, 2.0]}),
    }  # fmt: skip


def hubel_predictions(logits: np.ndarray, labels: np.ndarray) -> types.Predictions:
    return types.Predictions(logits, labels, np.arange(len(labels)))


@pytest.mark.parametrize("name", evil_results())
def test_names_are_escaped_in_every_view(name: str) -> None:
    page = evil_results()[name]._repr_html_()  # type: ignore[attr-defined]
    assert "<script>" not in page
    assert "<t" in page or "<p" in page


def test_a_scan_is_printed_as_the_command_prints_it_and_seen_with_its_problems(
    picture_folder: Path, tmp_path: Path
) -> None:
    for name in ("<b>one", "two"):
        (tmp_path / name).mkdir()
        for number in range(6):
            Image.fromarray(np.full((9, 9), 20 * number, np.uint8)).save(tmp_path / name / f"{number}{name[-1]}.png")
    (tmp_path / "two" / "bad.png").write_bytes(b"nothing")
    report = hubel.scan(str(tmp_path))
    assert "pictures in 2 classes, 1 file left out" in str(report)
    page = report._repr_html_()
    assert "&lt;b&gt;one" in page
    assert "<b>one" not in page
    assert "bad.png" in page


def test_the_history_of_a_run_is_a_table_and_still_a_dictionary(digits_run: Path) -> None:
    history = hubel.Run(digits_run).history
    assert len(history["train_loss"]) == 6
    assert str(history).splitlines()[0].split()[:2] == ["epoch", "train_loss"]
    assert history._repr_html_().count("<tr>") == 7
    assert history.rows[0]["epoch"] == 1
    assert str(History()) == ""


def test_an_explanation_says_what_it_explains(digits_run: Path) -> None:
    found = hubel.explain(digits_run, "digits:3", method="saliency")
    assert str(found).splitlines()[1].split() == ["method", "saliency"]
    assert "data" not in str(found)
    assert found._repr_mimebundle_()


def test_a_run_without_a_training_shows_its_net(digits_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bare"
    folder.mkdir()
    store = RunStore.open(folder)
    for file in (digits_run / "weights").iterdir():
        if file.name.startswith("best"):
            (folder / "weights").mkdir(exist_ok=True)
            store.write_bytes(f"weights/{file.name}", file.read_bytes())
    text = str(hubel.Run(folder))
    assert "weights without a training" in text
    assert "quicknet" in text
    assert "quicknet" in hubel.load(folder)._repr_html_()


def test_every_verb_that_tells_how_far_it_is_shows_it_by_default_and_can_be_silenced() -> None:
    deaf = []
    for module in pkgutil.iter_modules(hubel.verbs.__path__):
        verb = importlib.import_module(f"hubel.verbs.{module.name}")
        for name, function in vars(verb).items():
            own = inspect.isfunction(function) and function.__module__ == verb.__name__ and not name.startswith("_")
            watch = inspect.signature(function).parameters.get("watch") if own else None
            if watch is not None and watch.default is not inspect.Parameter.empty and name not in STEPS:
                shown = "verbose" in inspect.signature(function).parameters and hasattr(function, "__wrapped__")
                deaf += [] if shown else [f"{module.name}.{name}"]
    assert not deaf
