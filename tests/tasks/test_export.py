"""Runs of every task as files that work elsewhere: a file gives what `hubel predict` says of the same picture."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import hubel
from hubel.cli import main
from hubel.deploy import exporting
from hubel.deploy.files import open_file
from hubel.deploy.shipped_answers import ShippedAnswers
from hubel.errors import ArtefactError, UsageError
from hubel.tasks.answers import Answers
from hubel.verbs.export import Exported, export
from hubel.verbs.predict import predict_proba, save_answers

from .conftest import QUICK, scans

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SIZES = ((12, 96), (97, 11), (16, 16), (1, 41))
"""Wide, tall, as the net sees it, and a line: height and width."""


def pictures(height: int, width: int, count: int = 3) -> list[Image.Image]:
    """Grey pictures with soft and sharp parts, each another one."""
    draw = np.random.default_rng(height)
    slope = np.linspace(0, 200, width)[None] + np.zeros((height, 1))
    return [Image.fromarray(np.uint8(np.clip(slope + draw.normal(0, 40, slope.shape), 0, 255))) for _ in range(count)]


def run_file(path: Path, some: Sequence[Image.Image], mode: str) -> dict[str, np.ndarray]:
    """What ONNX Runtime alone makes of the file, by output."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    batch = np.stack([np.asarray(one.convert(mode)) for one in some])
    names = [each.name for each in session.get_outputs()]
    given = session.run(None, {"pictures": batch if batch.ndim == 4 else batch[..., None]})
    return dict(zip(names, given, strict=True))


@pytest.fixture(scope="module")
def colour_run(tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    """A U-Net over colour that pads pictures which are not square, as it was asked to."""
    folder = scans(tmp_path_factory.mktemp("colour") / "scans", count=12)
    return hubel.train(
        folder, out=str(tmp_path_factory.mktemp("runs")), epochs=3, batch_size=4, lr=0.1, in_chans=3, fit="pad",
        model_options={"maps": 4, "levels": 2}, val_fraction=0.2, test_fraction=0.2, **QUICK,
    )  # fmt: skip


@pytest.fixture(scope="module")
def regress_run(tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    """How bright a picture is, from 0 to 1."""
    folder = tmp_path_factory.mktemp("bright")
    draw, lines = np.random.default_rng(0), ["file,light"]
    for row in range(60):
        light = draw.uniform(0.1, 0.9)
        Image.fromarray(np.uint8(np.clip(draw.normal(255 * light, 10, (9, 12, 3)), 0, 255))).save(folder / f"{row}.png")
        lines.append(f"{row}.png,{light:.3f}")
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    return hubel.train(
        folder / "table.csv", columns={"target": "light"}, model="mnist_gap", epochs=6, img_size=12, views="mirror",
        out=str(tmp_path_factory.mktemp("runs")), **QUICK,
    )  # fmt: skip


class Files(dict[str, tuple[hubel.Run, Exported]]):
    """Runs with their files, by name; each is made when it is asked for."""

    def __init__(self, request: pytest.FixtureRequest, place: Path) -> None:
        super().__init__()
        self.request, self.place = request, place

    def __missing__(self, name: str) -> tuple[hubel.Run, Exported]:
        run = self.request.getfixturevalue(f"{name}_run")
        self[name] = run, export(run.folder, out=self.place / f"{name}.onnx", pictures=8)
        return self[name]


@pytest.fixture(scope="module")
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Every run with its file."""
    return Files(request, tmp_path_factory.mktemp("files"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("name", "mode"), [("segment", "L"), ("colour", "RGB")])
def test_a_segmenters_file_gives_the_masks_of_predict_and_a_class_for_each_pixel_of_the_picture(
    name: str, mode: str, size: tuple[int, int], files: Files
) -> None:
    """The oracle of the second is Pillow: the part that was seen, enlarged to the nearest pixel."""
    run, file = files[name]
    some = pictures(*size)
    masks = np.stack([answer.picture for answer in run.predict(some, device="cpu")])
    three, one = run_file(file.path, some, mode), run_file(file.path, some[:1], mode)
    assert (three["probabilities"].argmax(1) == masks).all()
    assert three["probabilities"].sum(1) == pytest.approx(1, abs=1e-5)
    assert three["classes"].shape == (3, *size)
    assert (one["classes"] == three["classes"][:1]).all()
    for mask, placed in zip(masks, three["classes"], strict=True):
        assert (placed == over(mask, *size, crop=name == "segment")).all()


def over(mask: np.ndarray, height: int, width: int, *, crop: bool) -> np.ndarray:
    """The mask of a square over its picture, with Pillow: of a padded picture its inner part, of a cropped one the
    middle, with 255 on both sides of it.
    """
    side = len(mask)
    if not crop:
        inner = [max(1, round(each * side / max(height, width))) for each in (height, width)]
        top, left = ((side - each) // 2 for each in inner)
        mask = mask[top : top + inner[0], left : left + inner[1]]
        return np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))
    least = min(height, width)
    seen = np.asarray(Image.fromarray(mask).resize((least, least), Image.Resampling.NEAREST))
    found = np.full((height, width), 255, np.uint8)
    top, left = (height - least) / 2, (width - least) / 2
    found[int(top + 0.5) : int(top + 0.5) + least, int(left + 0.5) : int(left + 0.5) + least] = seen
    return found


@pytest.mark.parametrize("size", SIZES)
def test_an_embedders_file_gives_the_point_the_distances_and_whether_a_class_is_near(
    size: tuple[int, int], files: Files
) -> None:
    run, file = files["embed"]
    some = pictures(*size)
    told, given = run.predict(some, device="cpu"), run_file(file.path, some, "L")
    assert isinstance(told, Answers)
    assert np.linalg.norm(given["points"], axis=1) == pytest.approx(1, abs=1e-5)
    assert given["distances"] == pytest.approx(np.array([list(each.numbers.values()) for each in told]), abs=1e-5)
    names = list(told[0].numbers)
    for answer, nearest, near in zip(told, given["nearest"], given["near"], strict=True):
        assert answer.told.startswith(names[nearest])
        assert answer.labels == ((names[nearest],) if near else ())
    limit = hubel.load(run.folder).learnt.facts["distance"]  # type: ignore[union-attr]
    assert (given["near"] == (given["distances"].min(1) <= limit)).all()


@pytest.mark.parametrize("size", SIZES)
def test_a_regressors_file_gives_the_number_and_an_autoencoders_the_picture(
    size: tuple[int, int], files: Files
) -> None:
    some = pictures(*size)
    run, file = files["regress"]
    said = [each.value for each in run.predict(some, device="cpu")]
    assert run_file(file.path, some, "RGB")["values"] == pytest.approx(said, abs=1e-5)
    assert run_file(file.path, some[:1], "RGB")["values"] == pytest.approx(said[:1], abs=1e-5)
    run, file = files["reconstruct"]
    told, given = run.predict(some, device="cpu"), run_file(file.path, some, "L")
    assert given["errors"] == pytest.approx([each.numbers["mse"] for each in told], abs=1e-6)
    back = np.stack([each.picture for each in told]).transpose(0, 2, 3, 1)
    assert np.abs(given["given_back"].astype(int) - back).max() <= 1


@pytest.mark.parametrize("name", ["segment", "colour", "embed", "regress", "reconstruct"])
def test_predict_says_of_the_file_what_it_says_of_the_run(name: str, files: Files, tmp_path: Path) -> None:
    run, file = files[name]
    paths = [tmp_path / f"{number}.png" for number in range(2 * len(SIZES))]
    for path, picture in zip(paths, [one for size in SIZES for one in pictures(*size, count=2)], strict=True):
        picture.save(path)
    (tmp_path / "torn.png").write_bytes(b"none")
    by_run, by_file = run.predict(tmp_path, device="cpu"), hubel.predict(file.path, tmp_path)
    assert [each.path for each in by_file.problems] == [str(tmp_path / "torn.png")]
    assert len(by_file) == len(paths)
    if isinstance(by_run, Answers):  # what is drawn, too: the picture and by how much its pixels are off
        save_answers(by_run, tmp_path / "run")
        save_answers(by_file, tmp_path / "file")
        drawn = [sorted(path.relative_to(tmp_path / who) for path in (tmp_path / who).rglob("*.png")) for who in
                 ("run", "file")]  # fmt: skip
        assert drawn[0] == drawn[1]
        assert any(path.parent.name == "errors" for path in drawn[1]) == (name == "reconstruct")
        for path in drawn[1] if name == "reconstruct" else []:
            ours, theirs = (np.asarray(Image.open(tmp_path / who / path)).astype(int) for who in ("run", "file"))
            assert np.abs(ours - theirs).max() <= 2, path
    for first, second in zip(by_run.to_csv().splitlines(), by_file.to_csv().splitlines(), strict=True):
        for word, other in zip(first.split(","), second.split(","), strict=True):
            assert word == other or float(word) == pytest.approx(float(other), rel=1e-3, abs=1e-5)


def typed(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


def test_from_the_command_line_a_segmenter_is_exported_asked_and_its_masks_written(
    segment_run: hubel.Run, scans_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    code, text, _ = typed(capsys, "export", segment_run.folder, "--pictures", "5", "--out", "scans.onnx")
    assert code == 0
    assert "pixels are those of the net (100.00 %" in text
    assert "5 test pictures and 40 generated ones" in text
    parity = json.loads(Path("scans.onnx.parity.json").read_text())
    assert [each["output"] for each in parity["outputs"]] == ["probabilities", "classes"]
    assert parity["holds"]
    assert parity["outputs"][1]["equal"] == 1
    for net, folder in (("scans.onnx", "by-file"), (segment_run.folder, "by-run")):
        assert typed(capsys, "predict", net, scans_folder / "images", "--out", folder)[0] == 0
    for path in Path("by-run").iterdir():
        assert path.read_bytes() == Path("by-file", path.name).read_bytes()


def test_the_card_says_what_comes_out_and_what_the_run_is_worth(files: Files) -> None:
    run, file = files["segment"]
    card, page = json.loads(file.files[1].read_text()), file.files[0].read_text()
    assert card["outputs"][1] | {"what": ""} == {
        "name": "classes", "axes": ["N", "H", "W"], "shape": ["N", "H", "W"], "type": "uint8", "what": "",
    }  # fmt: skip
    evaluation = json.loads((run.folder / "evaluation.json").read_text())
    assert card["measured"]["numbers"]["mean_iou"]["value"] == evaluation["mean_iou"]
    assert "| `probabilities` | N 3 16 16 | float32 |" in page
    assert "- 3 classes, by number: 0 `0`, 1 `1`, 2 `2`" in page
    assert "| mean IoU |" in page
    assert "softmax" not in page, "what is said of classes is not said of pixels"
    facts = {entry.key: entry.value for entry in onnx.load(file.path).metadata_props}
    assert (facts["task"], json.loads(facts["hubel.card"])) == ("segment", card)
    onnx.checker.check_model(onnx.load(file.path), full_check=True)


def test_a_program_of_pytorch_gives_the_same(files: Files, tmp_path: Path) -> None:
    run, file = files["colour"]
    found = export(run.folder, "program", out=tmp_path / "net.pt2", pictures=4)
    program = torch.export.load(found.path).module()
    for size in SIZES:
        some = pictures(*size, count=1)
        given = program(torch.from_numpy(np.array(some[0].convert("RGB")))[None])
        for output, value in run_file(file.path, some, "RGB").items():
            assert given[output].numpy() == pytest.approx(value, abs=1e-5), (size, output)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("segment", {"to": "page"}, r"(?s)the task is segment.*take --to onnx or --to program"),
        ("regress", {"int8": True}, "what --int8 costs is measured in classes that are right"),
        ("embed", {"views": "mirror"}, "views are averaged of classes, and the task is embed"),
    ],
)
def test_what_makes_no_sense_for_a_task_is_refused_with_what_does(
    name: str, settings: dict[str, Any], said: str, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=said):
        export(files[name][0].folder, **settings)
    assert not list(tmp_path.iterdir())


def test_steps_and_pictures_held_by_heart_are_not_exported(
    field_run: hubel.Run, waves_run: hubel.Run, tmp_path: Path
) -> None:
    for run, why in ((field_run, "its net holds one picture"), (waves_run, "it answers after each step")):
        with pytest.raises(ArtefactError, match=why):
            export(run.folder, out=tmp_path / "none.onnx")


def test_a_regressors_file_is_measured_and_others_say_why_not(files: Files, scans_folder: Path) -> None:
    run, file = files["regress"]
    data = json.loads((run.folder / "data.json").read_text())["source"]
    by_file, by_run = (hubel.evaluate(net, data, columns={"target": "light"}) for net in (str(file.path), run.folder))
    assert by_file.rmse == pytest.approx(by_run.rmse, abs=1e-5)  # type: ignore[union-attr]
    with pytest.raises(ArtefactError, match="is measured with the run"):
        hubel.evaluate(str(files["segment"][1].path), scans_folder)
    with pytest.raises(ArtefactError, match="answers otherwise than by the probabilities of classes"):
        predict_proba(file.path, pictures(5, 5))


@pytest.mark.parametrize(
    ("name", "output", "change"),
    [("segment", "classes", lambda values: values ^ 1), ("embed", "distances", lambda values: values + 0.01)],
)
def test_a_file_that_answers_otherwise_is_not_left_behind(
    name: str, output: str, change: Any, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, opened = exporting.FORMS["onnx"], open_file(files[name][1].path)
    assert isinstance(opened, ShippedAnswers)

    def lying(wanted: Any, ending: Any) -> exporting.Made:
        def gives(some: Sequence[np.ndarray]) -> list[dict[str, np.ndarray]]:
            return [one | {output: change(one[output])} for one in opened.gives(some)]

        return exporting.Made(data=b"", gives=gives, what="a lie")

    monkeypatch.setitem(exporting.FORMS, "onnx", dataclasses.replace(honest, end=lying))
    with pytest.raises(ArtefactError, match="does not give the net's answers, so it was not written") as error:
        export(files[name][0].folder, out=tmp_path / "new" / "a.onnx", pictures=4)
    assert error.value.exit_code == 4
    assert not (tmp_path / "new").exists()


def test_a_file_that_was_changed_is_refused(files: Files, tmp_path: Path) -> None:
    _, file = files["segment"]
    for what, said in (("weights", "does not give the answers it gave"), ("outputs", "not what it says"),
                       ("task", "which this hubel does not know"), ("golden", "golden answers")):  # fmt: skip
        model = onnx.load(file.path)
        entry = next(entry for entry in model.metadata_props if entry.key == "hubel")
        says = json.loads(entry.value)
        if what == "weights":
            for tensor in model.graph.initializer:
                values = onnx.numpy_helper.to_array(tensor)
                if values.ndim == 4:
                    tensor.CopyFrom(onnx.numpy_helper.from_array(np.roll(values, 1), tensor.name))
        elif what == "outputs":
            says["outputs"] = says["outputs"][:1]
        elif what == "task":
            says["task"] = "dreams"
        else:
            del says["golden"][0]["classes"]
        entry.value = json.dumps(says)
        path = tmp_path / f"{what}.onnx"
        path.write_bytes(model.SerializeToString())
        with pytest.raises(ArtefactError, match=said):
            hubel.predict(path, pictures(5, 5))
