"""An exported file goes wherever a run goes and gives the run's answers; anybody else's file is refused in words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hubel
from hubel.deploy import shipped
from hubel.deploy.files import open_file
from hubel.deploy.odd import odd_pictures
from hubel.errors import ArtefactError, UsageError
from hubel.records.nets import load
from hubel.verbs.bench import bench
from hubel.verbs.export import Exported, export
from hubel.verbs.train import train

onnx = pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def tree(picture_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train/CLASS/*.png and test/CLASS/*.png, of other sizes than the net takes."""
    root = tmp_path_factory.mktemp("tree")
    for file in sorted(picture_folder.rglob("*.png")):
        part = "test" if int(file.stem) >= 20 else "train"
        target = root / part / file.parent.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        size = (19 + int(file.stem) % 7, 40 + int(file.stem) % 5)
        Image.open(file).convert("RGB").resize(size, Image.Resampling.BICUBIC).save(target)
    return root


@pytest.fixture(scope="module")
def run(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = str(tmp_path_factory.mktemp("runs"))
    return train(
        str(tree),
        out=out,
        model="mnist_gap",
        img_size=16,
        in_chans=3,
        epochs=3,
        views="mirror",
        threads=1,
        device="cpu",
    ).folder


@pytest.fixture(scope="module")
def exported(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export(run, out=tmp_path_factory.mktemp("export") / "digits.onnx", pictures=30, licence="CC0-1.0")


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_the_file_gives_the_runs_answers_for_odd_pictures(run: Path, exported: Exported, count: int) -> None:
    """T25."""
    files = [data for _, data in odd_pictures(count, seed=7)]
    by_run, by_file = hubel.predict(run, files, device="cpu"), hubel.predict(exported.path, files)
    assert len(by_run) == len(by_file) == count
    assert by_run.labels == by_file.labels
    assert np.abs(by_run.probabilities - by_file.probabilities).max() < 1e-4


def test_the_file_is_as_accurate_as_the_run_on_its_test_part_to_the_picture(
    tree: Path, run: Path, exported: Exported
) -> None:
    by_run, by_file = hubel.evaluate(run, device="cpu"), hubel.evaluate(str(exported.path), tree)
    assert isinstance(by_run, hubel.Evaluation)
    assert isinstance(by_file, hubel.Evaluation)
    assert (by_run.samples, by_run.confusion.tolist()) == (by_file.samples, by_file.confusion.tolist())
    assert by_file.samples == 30
    assert by_file.log_loss == pytest.approx(by_run.log_loss, abs=1e-5)


def test_paths_arrays_and_pictures_go_into_the_file_as_into_the_run(tree: Path, run: Path, exported: Exported) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 31), dtype=np.uint8)
    given = [tree / "test" / "one", Image.fromarray(pixels), pixels / 255, np.stack([pixels] * 3, axis=2)]
    by_run, by_file = hubel.predict(run, given, device="cpu"), hubel.predict(str(exported.path), given)
    assert [each.name for each in by_run] == [each.name for each in by_file]
    assert np.abs(by_run.probabilities - by_file.probabilities).max() < 1e-5
    assert np.array_equal(hubel.verbs.predict.predict_proba(str(exported.path), given), by_file.probabilities)


def test_the_file_is_timed_with_all_that_is_in_it(exported: Exported) -> None:
    found = bench(str(exported.path), batches=[1, 2], seconds=0.01, threads=1, shape=(3, 50, 60))
    assert [(timing.form, timing.batch) for timing in found.timings] == [("exported", 1), ("exported", 2)]
    assert found.forms[0].agrees
    assert found.shape == (3, 50, 60)
    with pytest.raises(UsageError, match="takes pictures of 3 channels in any size"):
        bench(str(exported.path), shape=(1, 5, 5))


def test_beside_the_file_stand_its_card_and_what_was_compared(run: Path, exported: Exported) -> None:
    assert [path.name for path in exported.files] == [
        "digits.onnx.card.md", "digits.onnx.card.json", "digits.onnx.parity.json", "digits.onnx",
    ]  # fmt: skip
    parity = json.loads(exported.files[2].read_text())
    assert parity["holds"]
    assert parity["real"] == 30
    assert parity["pictures"] == 70
    assert parity["labels_differ"] == 0
    assert parity["largest_difference"] < 1e-5
    card = json.loads(exported.files[1].read_text())
    evaluation = json.loads((run / "evaluation.json").read_text())
    assert card["measured"]["numbers"]["top1"] == {
        "value": evaluation["top1"], "interval": evaluation["intervals"]["top1"],
    }  # fmt: skip
    assert card["data"]["digest"] == load(run).provenance.data_digest
    assert card["data"]["source"] == Path(json.loads((run / "data.json").read_text())["source"]).name
    page = exported.files[0].read_text()
    assert "licence: CC0-1.0" in page
    assert "| `zero` |" in page
    assert str(run.parent) not in page + json.dumps(card), "where somebody's files lie is nobody's business"


def test_the_card_and_the_classes_are_in_the_file_and_nothing_of_this_machine(run: Path, exported: Exported) -> None:
    data = exported.path.read_bytes()
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(facts["class_names"]) == ["one", "two", "zero"]
    assert json.loads(facts["hubel.card"]) == json.loads(exported.files[1].read_text())
    assert facts["licence"] == "CC0-1.0"
    says = json.loads(facts["hubel"])
    assert says["preprocessing"] == load(run).preprocessing.to_dict()  # type: ignore[union-attr]
    assert says["views"] == "mirror"
    for word in (str(Path(hubel.__file__).parent).encode(), str(run.parent).encode()):
        assert word not in data
    assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)


def changed(exported: Exported, change: object, folder: Path) -> Path:
    model = onnx.load_from_string(exported.path.read_bytes())
    change(model)  # type: ignore[operator]
    path = folder / "changed.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def outside(model: onnx.ModelProto) -> None:
    tensor = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def outside_in_a_branch(model: onnx.ModelProto) -> None:
    branch = next(node for node in model.graph.node if node.op_type == "If").attribute[0].g
    tensor = branch.initializer.add()
    tensor.CopyFrom(onnx.numpy_helper.from_array(np.zeros(1, np.float32), "far"))
    tensor.data_location = onnx.TensorProto.EXTERNAL


def foreign_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.microsoft"


def unsigned(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]


def other_classes(model: onnx.ModelProto) -> None:
    for entry in model.metadata_props:
        if entry.key == "hubel":
            says = json.loads(entry.value)
            says["class_names"].append("four")
            entry.value = json.dumps(says)


def broken_words(model: onnx.ModelProto) -> None:
    for entry in model.metadata_props:
        if entry.key == "hubel":
            entry.value = entry.value[:40]


def later_version(model: onnx.ModelProto) -> None:
    for entry in model.metadata_props:
        if entry.key == "hubel":
            entry.value = entry.value.replace('"version":1', '"version":4').replace('"version": 1', '"version": 4')


def other_weights(model: onnx.ModelProto) -> None:
    tensor = max(model.graph.initializer, key=lambda each: len(each.raw_data) * (each.data_type == 1))
    array = onnx.numpy_helper.to_array(tensor)
    tensor.CopyFrom(onnx.numpy_helper.from_array(array[::-1].copy() * 2, tensor.name))


def other_preprocessing(model: onnx.ModelProto) -> None:
    for entry in model.metadata_props:
        if entry.key == "hubel":
            says = json.loads(entry.value)
            says["preprocessing"]["height"] = 0
            entry.value = json.dumps(says)


def huge_pictures(model: onnx.ModelProto) -> None:
    for entry in model.metadata_props:
        if entry.key == "hubel":
            says = json.loads(entry.value)
            says["preprocessing"]["height"] = 10**9
            entry.value = json.dumps(says)


def half_pixels(model: onnx.ModelProto) -> None:
    for entry in model.metadata_props:
        if entry.key == "hubel":
            says = json.loads(entry.value)
            says["preprocessing"]["width"] = 16.5
            entry.value = json.dumps(says)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (outside, "keeps numbers in other files"),
        (outside_in_a_branch, "keeps numbers in other files"),
        (foreign_operator, "operators that are not the standard's: 'com.microsoft'"),
        (unsigned, "does not say that hubel wrote it"),
        (other_classes, "inputs and outputs are not what it says"),
        (broken_words, "is not valid: Unterminated string"),
        (later_version, "is of version 4, and this hubel reads 1 to 3"),
        (other_weights, "does not give the answers it gave when it was exported"),
        (other_preprocessing, "its preprocessing cannot be read"),
        (huge_pictures, "sides of"),
        (half_pixels, "sides of"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_file_that_is_not_as_hubel_wrote_it_is_refused(
    exported: Exported, change: object, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ArtefactError, match=said):
        hubel.predict(changed(exported, change, tmp_path), np.zeros((4, 4), np.uint8))


def test_a_file_cut_off_anywhere_is_refused(exported: Exported, tmp_path: Path) -> None:
    data = exported.path.read_bytes()
    for share in (0.0, 0.001, 0.3, 0.9, 0.9999):
        path = tmp_path / "cut.onnx"
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(ArtefactError, match="is no file that hubel exported"):
            hubel.predict(path, np.zeros((4, 4), np.uint8))
    for other in (b"\x89PNG\r\n\x1a\n", b"{}", bytes(1000)):
        path.write_bytes(other)
        with pytest.raises(ArtefactError):
            hubel.predict(path, np.zeros((4, 4), np.uint8))


def test_a_changed_byte_is_refused_in_words_or_changes_no_answer(exported: Exported, tmp_path: Path) -> None:
    data, random = exported.path.read_bytes(), np.random.default_rng(0)
    picture = random.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    wanted = hubel.predict(exported.path, picture).probabilities
    refused = 0
    for number in range(90):  # anywhere, in the graph, and in what the file says of itself
        low, high = ((0, len(data)), (0, 40_000), (len(data) - 15_000, len(data)))[number % 3]
        place = int(random.integers(low, high))
        other = bytes([data[place] ^ (1 << int(random.integers(8)))])
        try:
            opened = shipped.Shipped(data[:place] + other + data[place + 1 :], threads=1)
        except ArtefactError:
            refused += 1
            continue
        assert np.abs(opened.answer([picture]) - wanted).max() < 0.05
    assert refused


def test_a_file_that_is_not_there_a_link_and_a_folder_are_refused(exported: Exported, tmp_path: Path) -> None:
    (tmp_path / "link.onnx").symlink_to(exported.path)
    (tmp_path / "folder.onnx").mkdir()
    for name, said in (("none", "there is no file"), ("link", "is a link"), ("folder", "not a regular file")):
        with pytest.raises(ArtefactError, match=said):
            hubel.predict(tmp_path / f"{name}.onnx", np.zeros((4, 4), np.uint8))


def test_what_is_in_the_file_cannot_be_asked_for_again(exported: Exported, tree: Path) -> None:
    path = str(exported.path)
    with pytest.raises(UsageError, match="--views is for a run"):
        hubel.predict(path, tree, views="none")
    with pytest.raises(UsageError, match="--which is for a run"):
        hubel.evaluate(path, tree, which="last")
    with pytest.raises(UsageError, match="--form is for a run"):
        bench(path, forms=["eager"])
    with pytest.raises(UsageError, match="does not know the data of its run"):
        hubel.evaluate(path)
    assert hubel.predict(path, tree / "test" / "one", device="cpu")


def test_whoever_looks_into_nets_is_told_that_a_file_has_none(exported: Exported, tree: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="answers and cannot be looked into"):
        hubel.explain(str(exported.path), next((tree / "test").rglob("*.png")))
    with pytest.raises(ArtefactError, match="answers and cannot be looked into"):
        export(exported.path, out=tmp_path / "again.onnx")
    shutil.copy(exported.path, tmp_path / "copy.ONNX")
    assert hubel.predict(tmp_path / "copy.ONNX", tree / "test" / "one")


def test_the_golden_pictures_are_the_same_everywhere(exported: Exported) -> None:
    opened = open_file(exported.path)
    wide, tall = shipped.golden_pictures(opened.preprocessing)
    assert (wide.shape, tall.shape) == ((19, 33, 3), (50, 17, 3))
    assert (int(wide.sum()), int(tall.sum())) == (235_376, 328_702)
