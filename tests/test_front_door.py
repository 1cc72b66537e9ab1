"""`import hubel`: what it promises, and that it stays light."""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
import shutil
import subprocess
import sys
import tomllib
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

import hubel

PROMISED = {
    "Anomalies", "anomaly",
    "Answers", "TaskResult", "CheckUp", "doctor",
    "ArtefactError", "Baseline", "Classifier", "Cleaning", "Curve", "DataError", "DataReport", "Edits", "Evaluation",
    "Explained", "Exported", "HubelError", "Prediction", "Predictions", "RegressionEvaluation", "Run", "Runs",
    "Series", "Summary", "UnknownName", "UsageError", "Watcher", "baseline", "clean", "create_model", "curve", "edit",
    "evaluate", "explain", "export", "list_models", "load", "load_nets", "predict", "pretrain", "register_model",
    "robust", "runs", "scan", "search", "Search", "ensemble", "Ensembled", "serve", "summary", "train", "compress",
    "Compressed", "Parts", "predict_parts",
}  # fmt: skip


def test_the_front_door_is_pinned() -> None:
    assert set(hubel.__all__) == PROMISED, "a name here is a promise to users: add or remove one on purpose only"
    assert {*PROMISED, "__version__"} == set(dir(hubel))
    assert importlib.metadata.version("hubel") == hubel.__version__


def test_every_promised_name_is_there() -> None:
    for name in hubel.__all__:
        assert callable(getattr(hubel, name)), name


def test_no_room_of_the_house_takes_the_place_of_a_promised_name() -> None:
    rooms = {module.name for module in pkgutil.iter_modules(hubel.__path__)}
    assert rooms >= {"models", "records", "explainers"}
    assert not rooms & set(hubel.__all__)


def test_the_verbs_stay_verbs_whatever_was_imported() -> None:
    for module in pkgutil.iter_modules(hubel.__path__):
        if module.name != "__main__":
            importlib.import_module(f"hubel.{module.name}")
    assert [name for name in hubel.__all__ if not callable(getattr(hubel, name))] == []


def test_there_is_one_version() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "hubel.__version__"}


def test_a_name_that_is_not_promised_is_an_error_that_lists_them() -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'fit'; it has .*train"):
        _ = hubel.fit  # type: ignore[attr-defined]


@pytest.mark.parametrize("words", [["models"], ["model", "resnet18"], ["components"], ["components", "gelu"]])
def test_looking_things_up_loads_no_torch(words: list[str]) -> None:
    code = f"""
import sys
from hubel.cli import main
try:
    main({words!r})
finally:
    assert not {{"torch", "numpy", "sklearn"}} & set(sys.modules), "a heavy module was loaded"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


# ---------------------------------------------------------------- a run, a net, pictures


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    """Four pictures 8 8, bytes."""
    return (load_digits().images[:4] * 255 / 16).astype(np.uint8)


def test_a_run_is_found_by_path_by_text_and_by_its_name(digits_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = digits_run.parent / "runs" / "my-digits"
    named.parent.mkdir()
    named.symlink_to(digits_run)
    monkeypatch.chdir(digits_run.parent)
    for given in (digits_run, str(digits_run), hubel.Run(digits_run)):
        assert hubel.Run(given).folder == digits_run
    run = hubel.Run("my-digits")
    assert (run.name, run.status) == ("my-digits", "finished")
    with pytest.raises(hubel.ArtefactError, match=r"there is no run 'my-digit'\n  did you mean 'runs/my-digits'"):
        hubel.Run("my-digit")


def test_runs_and_nets_predict_and_give_the_same_probabilities(digits_run: Path, digits: np.ndarray) -> None:
    run, net = hubel.Run(digits_run), hubel.load(digits_run)
    assert isinstance(net, hubel.Classifier)
    found = net.predict(list(digits))
    assert isinstance(found, hubel.Predictions)
    assert isinstance(found[0], hubel.Prediction)
    assert found.labels == [prediction.label for prediction in run.predict(list(digits))]
    shares = net.predict_proba(list(digits))
    assert shares.shape == (4, 10)
    np.testing.assert_allclose(shares.sum(1), 1)
    np.testing.assert_array_equal(shares, run.predict_proba(list(digits)))
    np.testing.assert_array_equal(shares, found.probabilities)
    assert found.labels == [net.class_names[k] for k in shares.argmax(1)]
    single = net.predict(torch.from_numpy(digits[0])[None] / 255)
    assert single[0].label == found[0].label
    assert isinstance(net.explain(digits[0], method="saliency"), hubel.Explained)
    assert run.explain(digits[0], method="saliency").target == found[0].label


def test_a_row_of_probabilities_stands_for_each_picture_or_none_does(
    digits_run: Path, digits: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "bad.png").write_bytes(b"nothing")
    pictures = [digits[0], tmp_path / "bad.png"]
    assert len(hubel.predict(digits_run, pictures).problems) == 1
    with pytest.raises(hubel.DataError, match=r"1 of 2 pictures cannot be read.*bad.png"):
        hubel.load(digits_run).predict_proba(pictures)


SMALL: dict[str, Any] = {"limit": 60, "threads": 1, "device": "cpu", "model_options": {"width": 0.1}}


class Heard(hubel.Watcher):
    def __init__(self) -> None:
        self.stages: list[str] = []

    def stage(self, text: str) -> None:
        self.stages.append(text)


def test_progress_is_shown_when_asked_for_and_not_where_nobody_looks(
    digits_run: Path, digits: np.ndarray, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    small = SMALL | {"epochs": 1, "out": str(tmp_path)}
    hubel.train("digits", **small)
    hubel.evaluate(digits_run)
    hubel.predict(digits_run, digits[0])
    hubel.explain(digits_run, digits[0], method="saliency")
    hubel.scan("digits")
    assert capfd.readouterr() == ("", "")
    hubel.train("digits", **small, verbose=True)
    out, err = capfd.readouterr()
    assert (out, "epoch 1/1" in err, "60 to train on" in err) == ("", True, True)
    heard = Heard()
    hubel.evaluate(digits_run, watch=heard)
    assert any("measuring" in stage for stage in heard.stages)


def test_in_a_notebook_progress_is_one_cell_that_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages: list[str] = []

    class ZMQInteractiveShell:
        """What answers the cells of a notebook is called so."""

    class Handle:
        def update(self, page: str) -> None:
            pages[-1] = page

    ipython, display = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    ipython.get_ipython = ZMQInteractiveShell  # type: ignore[attr-defined]
    ipython.display = display  # type: ignore[attr-defined]
    display.HTML = str  # type: ignore[attr-defined]
    display.display = lambda page, display_id: pages.append(page) or Handle()  # type: ignore[attr-defined, func-returns-value]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    settings = SMALL | {"out": str(tmp_path)}
    hubel.train("digits", epochs=2, **settings)
    assert len(pages) == 1
    assert all(word in pages[0] for word in ("60 to train on", "epoch 1/2", "epoch 2/2"))
    hubel.train("digits", epochs=1, verbose=False, **settings)
    assert len(pages) == 1


def test_a_run_or_its_net_may_stand_wherever_a_net_is_asked_for(digits_run: Path, digits: np.ndarray) -> None:
    run, net = hubel.Run(digits_run), hubel.load(digits_run)
    assert hubel.evaluate(run).top1 == run.evaluate().top1
    assert hubel.predict(run, digits[0])[0].label == hubel.predict(net, digits[0])[0].label
    assert hubel.summary(run).params == hubel.summary(net).params == hubel.summary(digits_run).params
    assert hubel.load(run).class_names == net.class_names


@pytest.mark.parametrize("thing", [None, 3, ["a"], b"runs"])
def test_what_is_no_run_is_refused_in_words(thing: Any) -> None:
    for ask in (hubel.Run, hubel.load, hubel.evaluate, lambda run: hubel.predict(run, "cat.jpg"), hubel.summary):
        if thing == ["a"] and ask not in (hubel.Run, hubel.load, hubel.evaluate, hubel.summary):
            continue  # several runs answer together
        with pytest.raises(hubel.UsageError, match=f"got {type(thing).__name__}"):
            ask(thing)


def test_imported_weights_are_used_like_a_run(digits_run: Path, picture_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "imported"
    shutil.copytree(digits_run / "weights", folder / "weights")
    for given in (folder, folder / "weights" / "best.safetensors"):
        assert hubel.predict(given, picture_folder / "two" / "000.png")[0].label in "0123456789"
    photos = tmp_path / "photos"
    for name, number in (("zero", "0"), ("one", "1")):
        shutil.copytree(picture_folder / name, photos / number)
    measured = hubel.evaluate(folder, photos)
    assert isinstance(measured, hubel.Evaluation)
    assert measured.samples == 60
    with pytest.raises(hubel.ArtefactError, match=r"does not say which data .*\n  name the data: hubel evaluate"):
        hubel.evaluate(folder)


def test_a_run_that_predicts_a_number_has_no_probabilities(tmp_path: Path) -> None:
    rows = ["file,target"]
    for number, image in enumerate(load_digits().images[:24]):
        Image.fromarray((image * 15).astype(np.uint8)).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,{image.mean():.4f}")
    (tmp_path / "table.csv").write_text("\n".join(rows))
    settings = {name: value for name, value in SMALL.items() if name != "limit"}
    run = hubel.train(tmp_path / "table.csv", out=str(tmp_path / "runs"), epochs=1, **settings)
    found = run.predict(tmp_path / "3.png")
    assert np.isfinite(found[0].value)
    assert "3.png" in str(found)
    assert isinstance(run.evaluate(split="train"), hubel.RegressionEvaluation)
    with pytest.raises(hubel.ArtefactError, match=r"predicts a number, which has no probability"):
        run.predict_proba(tmp_path / "3.png")


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(str(hubel.__file__)).parent / "py.typed").is_file()
