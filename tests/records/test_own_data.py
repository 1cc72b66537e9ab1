"""A run finds its data again: from any folder, read as its recipe says, and where they were moved to."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from data.pictures import classes
from hubel.errors import ArtefactError, DataError, UsageError
from hubel.recipes.schema import compose
from hubel.records.own_data import placed
from hubel.records.samples import samples_of
from hubel.records.subjects import net_and_pictures, see_picture
from hubel.verbs.evaluate import evaluate
from hubel.verbs.run import Run
from hubel.verbs.train import train


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photographs, a table of them with names of its own, and a run trained on that table."""
    place = tmp_path_factory.mktemp("place")
    classes(place / "photos", {"ant": 12, "bee": 12})
    rows = [f"{name}/{i:03}.png,0{i % 2}" for name in ("ant", "bee") for i in range(12)]
    (place / "list.csv").write_text("picture of,grade\n" + "\n".join(rows) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUBEL_HOME", str(place / "home"))
        patch.chdir(place)
        said = {"columns": {"file": "picture of", "label": "grade"}, "images": "photos"}
        train("list.csv", model="mlp", epochs=1, threads=1, compile=False, **said)
    return place


@pytest.fixture(autouse=True)
def _own_cache(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBEL_HOME", str(place / "home"))


def test_a_run_is_measured_from_any_folder_as_its_recipe_reads_the_data(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert evaluate(place / "runs/list-1").samples == 2
    # A table is read as that of the training, unless another way is said; the names of classes stay text.
    assert evaluate(
        place / "runs/list-1", place / "list.csv", images=place / "photos", columns={"label": "grade"}
    ).samples


def test_samples_of_a_table_are_read_as_the_one_of_the_training(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    assert see_picture("runs/list-1", "list.csv:5").pixels.shape == (3, 16, 20)
    found = net_and_pictures("runs/list-1", "list.csv", count=4)
    assert found.labels is not None
    assert sorted(found.labels.tolist()) == [0, 0, 1, 1]
    assert len(samples_of("runs/list-1", "list.csv").rows) == 24
    with pytest.raises(DataError, match="no column 'label'"):
        net_and_pictures("mnist_cnn", "list.csv")


def test_labels_are_numbered_as_the_net_numbers_them(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    classes(place / "part", {"01": 2})
    (place / "part.csv").write_text("picture of,grade\npart/01/000.png,01\npart/01/001.png,02\n")
    known = net_and_pictures("runs/list-1", "part.csv:0").labels
    assert known is not None
    assert known.tolist() == [1]
    assert net_and_pictures("runs/list-1", "part.csv:1").labels is None
    classes(place / "turned", {"01": 2, "00": 2})
    assert samples_of("runs/list-1", "turned").labels.tolist() == [0, 0, 1, 1]
    classes(place / "foreign", {"01": 2, "7": 2})
    assert samples_of("runs/list-1", "foreign").manifest.class_names == ("01", "7")
    with pytest.raises(ArtefactError):
        samples_of("runs/list-1", "foreign", judged=True)


def test_data_that_moved_are_found_where_they_are_said_to_lie(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(place / "runs/list-1", tmp_path / "runs/list-1")
    env = (run / "env.json").read_text().replace(str(place), "/nowhere/at/all")
    (run / "env.json").write_text(env)
    shutil.copytree(place / "photos", tmp_path / "disk/photos")
    shutil.copy(place / "list.csv", tmp_path / "disk")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="data of the run cannot be found") as error:
        evaluate(run)
    assert "--data-root FOLDER" in error.value.hint
    assert evaluate(run, data_root="disk").samples == 2
    monkeypatch.setenv("HUBEL_DATA_ROOT", "disk")
    assert evaluate(run).samples == 2


def test_a_run_that_goes_on_elsewhere_keeps_where_its_data_lie_now(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(place / "runs/list-1", tmp_path / "runs/list-1")
    (run / "env.json").write_text((run / "env.json").read_text().replace(str(place), "/nowhere/at/all"))
    shutil.copytree(place / "photos", tmp_path / "disk/photos")
    shutil.copy(place / "list.csv", tmp_path / "disk")
    monkeypatch.chdir(tmp_path)
    train(resume=run, epochs=2, data_root="disk")
    assert Run(run).recipe["data"]["data_root"] == str(tmp_path / "disk")
    changed = json.loads((run / "segments.json").read_text())[0]["changed"]
    assert changed == {"epochs": [1, 2], "data_root": [None, str(tmp_path / "disk")]}
    monkeypatch.chdir(place.parent)
    assert evaluate(run).samples == 2
    assert train(resume=run, epochs=3).history["epoch"] == [1, 2, 3]


def test_a_named_set_has_no_place_that_it_moved_to(tmp_path: Path) -> None:
    run = train("digits", model="mlp", epochs=1, limit=50, threads=1, compile=False, out=str(tmp_path)).folder
    with pytest.raises(UsageError, match="no meaning for the named set digits"):
        train(resume=run, epochs=2, data_root="disk")
    with pytest.raises(UsageError, match="no meaning for the named set digits"):
        evaluate(run, data_root="disk")


def test_options_that_would_be_without_effect_are_refused(place: Path) -> None:
    with pytest.raises(UsageError, match="--images says how other data are read"):
        evaluate(place / "runs/list-1", images="photos")
    with pytest.raises(UsageError, match="--data-root is for the run's own data"):
        evaluate(place / "runs/list-1", place / "photos", data_root="photos")


def test_a_run_says_that_nothing_was_left_to_test(place: Path, tmp_path: Path) -> None:
    run = shutil.copytree(place / "runs/list-1", tmp_path / "list-1")
    summary = json.loads((run / "summary.json").read_text())
    for split, words in (("val", "left to test"), ("train", "left to choose by or to test")):
        (run / "summary.json").write_text(json.dumps({split: summary["test"]}))
        assert words in str(Run(run))


def test_a_run_inside_its_data_is_called_like_their_folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place / "photos")
    for number in (1, 2):  # the first run is beside the classes when the second one begins
        run = train(".", model="mlp", epochs=1, threads=1, compile=False)
        assert run.name == f"photos-{number}"
        assert json.loads((run.folder / "data.json").read_text())["class_names"] == ["ant", "bee"]


def test_named_sets_have_no_place(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBEL_DATA_ROOT", "anywhere")
    recipe = compose({"data": "digits"})
    assert placed(place / "runs/list-1", recipe) == recipe


@pytest.mark.parametrize("out", ["photos", "photos/ant", "photos/ant/runs"])
def test_runs_are_never_written_among_the_pictures(place: Path, monkeypatch: pytest.MonkeyPatch, out: str) -> None:
    monkeypatch.chdir(place)
    before = sorted(place.rglob("photos/**"))
    with pytest.raises(UsageError, match="runs would be written into the data"):
        train("photos", model="mlp", epochs=1, out=out)
    assert sorted(place.rglob("photos/**")) == before
