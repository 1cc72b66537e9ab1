"""hubel export: what it writes, what it refuses, and that a file that answers otherwise is never left behind."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import hubel
from hubel.cli import main
from hubel.deploy import exporting, wanted
from hubel.deploy.wanted import Said, Wanted, reference_of
from hubel.errors import ArtefactError, UnknownName, UsageError
from hubel.models import register_model
from hubel.types import Batch, Predictions
from hubel.verbs.export import export
from hubel.verbs.train import train

pytest.importorskip("onnx")


def typed(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


def test_a_run_is_written_and_predicts_from_the_command_line(
    digits_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, text, _ = typed(capsys, "export", digits_run, "--pictures", "20")
    assert code == 0
    assert text.startswith("digits-1.onnx  ")
    assert "60 of 60 labels are those of the net" in text
    assert "20 test pictures and 40 generated ones" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "digits-1.onnx", "digits-1.onnx.card.json", "digits-1.onnx.card.md", "digits-1.onnx.parity.json",
    ]  # fmt: skip
    np.save("unused.npy", np.zeros(1))
    from PIL import Image

    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4).save("ramp.png")
    code, by_file, _ = typed(capsys, "predict", "digits-1.onnx", "ramp.png", "--json")
    assert code == 0
    _, by_run, _ = typed(capsys, "predict", digits_run, "ramp.png", "--json", "--device", "cpu")
    first, second = json.loads(by_file)[0], json.loads(by_run)[0]
    assert first["label"] == second["label"]
    assert first["probability"] == pytest.approx(second["probability"], abs=1e-5)
    code, said, _ = typed(capsys, "bench", "digits-1.onnx", "--batch", "1", "--seconds", "0.01", "--threads", "1")
    assert code == 0
    assert "exported" in said


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A form that is made in no time: an empty file, which answers as the net does."""

    def make(wanted: Wanted) -> exporting.Made:
        says = exporting.only_probabilities(lambda seen: reference_of(wanted, seen))
        return exporting.Made(data=b"", says=says, what="nothing")

    monkeypatch.setitem(exporting.FORMS, "onnx", dataclasses.replace(exporting.FORMS["onnx"], make=make))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--to", "onxx"), 2, "did you mean 'onnx'"),
        (("--out", "photos.pt"), 2, "this form is a file .onnx"),
        (("--tolerance", "2"), 2, "the tolerance must be 0 to 1"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_done(
    words: tuple[str, ...], code: int, said: str, digits_run: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    got, _, error = typed(capsys, "export", digits_run, *words)
    assert got == code
    assert said in error
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("quick")
def test_a_file_that_answers_otherwise_is_not_left_behind(
    digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = exporting.FORMS["onnx"]

    def lying(wanted: Wanted) -> exporting.Made:
        made = honest.make(wanted)
        says = exporting.only_probabilities(lambda pictures: np.roll(made.answer(pictures), 1, axis=1))
        return dataclasses.replace(made, says=says)

    monkeypatch.setitem(exporting.FORMS, "onnx", dataclasses.replace(honest, make=lying))
    with pytest.raises(ArtefactError, match="does not give the net's answers, so it was not written") as error:
        export(digits_run, out=tmp_path / "new" / "digits.onnx", pictures=10)
    assert error.value.exit_code == 4
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("quick")
def test_an_export_that_fails_leaves_the_one_before_as_it_was(
    digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = export(digits_run, out=tmp_path / "digits.onnx", pictures=5)
    contents = {path: path.read_bytes() for path in before.files}

    def broken(wanted: Wanted) -> exporting.Made:
        raise ArtefactError("no", hint="no")

    form = dataclasses.replace(exporting.FORMS["onnx"], make=broken)
    monkeypatch.setitem(exporting.FORMS, "onnx", form)
    with pytest.raises(ArtefactError):
        export(digits_run, out=tmp_path / "digits.onnx", pictures=5)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == contents


@pytest.mark.usefixtures("quick")
def test_a_run_whose_data_are_gone_is_compared_on_generated_pictures_alone(
    picture_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(picture_folder, tmp_path / "photos")
    run = train(
        str(tmp_path / "photos"), out=str(tmp_path / "runs"), model="mnist_gap", img_size=16, epochs=1, threads=1,
        device="cpu",
    )  # fmt: skip
    shutil.rmtree(tmp_path / "photos")
    remarks: list[str] = []

    class Heard(hubel.Watcher):
        def remark(self, text: str) -> None:
            remarks.append(text)

    found = export(run.folder, out=tmp_path / "a.onnx", pictures=50, watch=Heard())
    assert (found.parity.real, found.parity.pictures, found.parity.split) == (0, 50, "")
    assert any("only generated pictures are compared" in text for text in remarks)
    with pytest.raises(hubel.DataError):
        export(run.folder, out=tmp_path / "b.onnx", data_root=tmp_path / "photos")
    assert not (tmp_path / "b.onnx").exists()
    with pytest.raises(ArtefactError, match="what whole numbers cost is measured on the run's own pictures") as error:
        export(run.folder, int8=True, out=tmp_path / "b.onnx")
    assert "--data-root" in error.value.hint
    found = export(run.folder, out=tmp_path / "c.onnx", pictures=5, data_root=picture_folder)
    assert found.parity.real == 5


@pytest.mark.usefixtures("quick")
def test_of_a_run_that_is_not_finished_it_is_said_and_its_card_claims_nothing(digits_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "digits-1"
    shutil.copytree(digits_run, run)
    for name in ("summary.json", "evaluation.json"):
        (run / name).unlink()
    remarks: list[str] = []

    class Heard(hubel.Watcher):
        def remark(self, text: str) -> None:
            remarks.append(text)

    found = export(run, out=tmp_path / "a.onnx", pictures=5, watch=Heard())
    assert any("the run is unfinished" in text and "--resume" in text for text in remarks)
    assert "Nothing was measured" in found.files[0].read_text()
    shutil.rmtree(run / "weights")
    with pytest.raises(ArtefactError):
        export(run, out=tmp_path / "b.onnx", pictures=5)
    assert not (tmp_path / "b.onnx").exists()


def test_nets_on_points_and_on_numbers_are_refused(tmp_path: Path) -> None:
    run = train("moons", out=str(tmp_path), model="toy_3_2_1", epochs=1, limit=60, threads=1, device="cpu")
    with pytest.raises(ArtefactError, match="learnt from points"):
        export(run.folder, out=tmp_path / "moons.onnx")


class Wave(nn.Module):
    """A net with an operation that ONNX has no counterpart of."""

    stages = ()
    head = "dense"

    def __init__(self, num_classes: int = 10, in_chans: int = 1) -> None:
        super().__init__()
        self.dense = nn.Linear(64 * in_chans, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bent = torch.special.bessel_j0(images)
        return self.dense(bent.flatten(1))


def test_an_operation_that_onnx_has_not_is_named_and_another_form_offered(tmp_path: Path) -> None:
    register_model(Wave, name="export-wave")
    run = train("digits", out=str(tmp_path), model="export-wave", epochs=1, limit=60, threads=1, device="cpu")
    with pytest.raises(
        ArtefactError, match="cannot be written as ONNX: it has no counterpart of PyTorch's bessel_j0"
    ) as error:
        export(run.folder, out=tmp_path / "wave.onnx")
    assert "--to" in error.value.hint
    assert not (tmp_path / "wave.onnx").exists()


def test_the_forms_are_told_by_name() -> None:
    with pytest.raises(UnknownName, match="did you mean 'onnx'"):
        export("runs/none-1", "onx")
    with pytest.raises(UsageError, match="at least 1 picture"):
        export("runs/none-1", pictures=0)


def test_int8_stands_beside_float32_and_what_it_costs_is_accepted_or_refused(
    digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = export(digits_run, int8=True, accept_loss=100, out=tmp_path / "small.onnx", pictures=20)
    assert found.cost is not None
    before, after = found.cost.rows
    assert (before.kind, after.kind) == ("float32", "int8")
    assert after.bytes == found.bytes < before.bytes
    evaluation = hubel.evaluate(digits_run, device="cpu")
    assert isinstance(evaluation, hubel.Evaluation)
    assert before.accuracy == evaluation.top1
    assert before.interval == evaluation.intervals["top1"]
    assert found.cost.samples == evaluation.samples
    assert found.cost.loss == pytest.approx(100 * (before.accuracy - after.accuracy))
    assert abs(found.cost.loss) < 3, "eight bits are enough for digits"
    assert json.loads((tmp_path / "small.onnx.int8.json").read_text())["rows"][1]["bytes"] == after.bytes
    assert "points of accuracy lost on" in (tmp_path / "small.onnx.card.md").read_text()
    by_file = hubel.predict(tmp_path / "small.onnx", np.zeros((8, 8), np.uint8))
    assert sum(by_file[0].probabilities.values()) == pytest.approx(1, abs=1e-5)

    monkeypatch.setattr("hubel.verbs.export.LOSABLE", -101)
    with pytest.raises(ArtefactError, match=r"int8 loses .* points of accuracy, more than -101") as error:
        export(digits_run, int8=True, out=tmp_path / "no.onnx", pictures=20)
    assert "--accept-loss" in error.value.hint
    assert not (tmp_path / "no.onnx").exists()


def test_int8_takes_its_ranges_from_training_pictures_only(
    digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hubel.records.own_data import own_data

    own = own_data(digits_run, hubel.load(digits_run))
    train_pictures = {own.decoded.images[row].tobytes() for row in own.ids("train")}
    honest, seen = exporting.FORMS["onnx"], []

    def listening(wanted: Wanted) -> exporting.Made:
        assert wanted.calibration is not None
        seen.extend(picture.tobytes() for picture in wanted.calibration)
        raise ArtefactError("enough", hint="")

    monkeypatch.setitem(exporting.FORMS, "onnx", dataclasses.replace(honest, make=listening))
    with pytest.raises(ArtefactError, match="enough"):
        export(digits_run, int8=True, out=tmp_path / "a.onnx")
    assert len(seen) == 128
    assert set(seen) <= train_pictures


def test_options_of_int8_are_refused_without_it() -> None:
    with pytest.raises(UsageError, match="--accept-loss is for --int8"):
        export("runs/none-1", accept_loss=1)
    with pytest.raises(UsageError, match="whole numbers answer otherwise now and then"):
        export("runs/none-1", int8=True, tolerance=0.1)
    with pytest.raises(UsageError, match="must be 0 to 100, got -1"):
        export("runs/none-1", int8=True, accept_loss=-1)


def test_net_and_file_are_asked_about_each_picture_once(
    digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, file = [], []
    honest, ask = exporting.FORMS["onnx"], wanted.predict

    def counted(model: nn.Module, batches: Iterable[Batch], **settings: Any) -> Predictions:
        held = list(batches)
        net.append(sum(len(batch.ids) for batch in held))
        return ask(model, held, **settings)

    def counting(asked: Wanted) -> exporting.Made:
        made = honest.make(asked)
        net.clear()  # what making it took

        def says(pictures: Sequence[np.ndarray]) -> Said:
            file.append(len(pictures))
            return made.says(pictures)

        return dataclasses.replace(made, says=says)

    monkeypatch.setattr(wanted, "predict", counted)
    monkeypatch.setitem(exporting.FORMS, "onnx", dataclasses.replace(honest, make=counting))
    found = export(digits_run, out=tmp_path / "digits.onnx", pictures=20)
    assert found.parity.known_differ == 0  # which takes the features, too
    assert (sum(net), sum(file)) == (60, 60)


@pytest.mark.usefixtures("quick")
def test_two_forms_of_a_run_keep_a_card_and_a_proof_each(
    digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        exporting.FORMS, "program", dataclasses.replace(exporting.FORMS["onnx"], suffix=".pt2", what="quick, too")
    )
    stale = tmp_path / "d.onnx.int8.json"
    stale.write_text("{}")  # of an earlier file of this name, in whole numbers
    for to, name in (("onnx", "d.onnx"), ("program", "d.pt2")):
        found = export(digits_run, to, out=tmp_path / name, pictures=5)
        assert found.files[2].name == f"{name}.parity.json"
    for form, name in (("onnx", "d.onnx"), ("program", "d.pt2")):
        assert json.loads((tmp_path / f"{name}.parity.json").read_text())["form"] == form
        assert f"form: {form}, " in (tmp_path / f"{name}.card.md").read_text()
    assert len(list(tmp_path.iterdir())) == 8
    assert not stale.exists()


@pytest.mark.usefixtures("quick")
def test_the_card_of_published_weights_says_what_was_published_and_no_folder_of_this_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hubel.verbs.export.ODD", 2)
    code, said, told = typed(capsys, "export", "efficientnet_lite0", "--pictures", "1")
    assert code == 0
    assert "the pictures that efficientnet_lite0 was trained on, ImageNet (ILSVRC 2012), are not here" in " ".join(
        told.split()
    )
    assert said.startswith("efficientnet_lite0.onnx  ")
    assert "pretrained" not in said + told
    page = (tmp_path / "efficientnet_lite0.onnx.card.md").read_text()
    assert page.startswith("# efficientnet_lite0\n")
    assert "- licence: Apache-2.0\n" in page
    assert "- source: ImageNet (ILSVRC 2012)\n" in page
    assert "As published (not measured here): top-1 75.1 %" in page
    assert "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db" in page
    assert json.loads((tmp_path / "efficientnet_lite0.onnx.card.json").read_text())["published"]["top1"] == 0.751
    with pytest.raises(ArtefactError, match="the pictures that efficientnet_lite0 was trained on") as error:
        hubel.evaluate("efficientnet_lite0")
    assert error.value.hint == "name others: hubel evaluate efficientnet_lite0 DATA"
