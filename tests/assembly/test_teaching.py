"""Distillation from Python: a trained run as the teacher of another."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from sklearn.datasets import load_digits

import hubel
import hubel.assembly.teaching as module
from hubel.assembly.prepare import prepare
from hubel.assembly.wire import assemble
from hubel.data.splits import Splits
from hubel.errors import ArtefactError, HubelError, UsageError
from hubel.events import EpochDone
from hubel.models import create_model
from hubel.recipes.schema import compose
from hubel.training.teaching import Answers
from hubel.verbs.train import Stopped, resolve, train
from hubel.watching import Watcher
from trainers import fingerprint

SMALL: dict[str, Any] = {
    "model": "layers", "model_options": {"layers": ["conv 4 3x3", "relu", "maxpool 2", "flatten", "dense K"]},
    "epochs": 2, "limit": 200, "batch_size": 32, "threads": 1, "device": "cpu",
}  # fmt: skip
LARGE = {"layers": ["conv 16 3x3", "batchnorm", "relu", "conv 24 3x3", "batchnorm", "relu", "flatten", "dense K"]}
POINTS: dict[str, Any] = {"epochs": 2, "threads": 1, "device": "cpu"}


class Remarks(Watcher):
    def __init__(self) -> None:
        self.said: list[str] = []

    def remark(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    words = SMALL | {"model_options": LARGE, "epochs": 6, "limit": None, "lr": 0.01}
    return hubel.train("digits", out=str(tmp_path_factory.mktemp("teacher")), **words)


@pytest.fixture(scope="module")
def student(teacher: hubel.Run, tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    return hubel.train("digits", teacher=teacher, out=str(tmp_path_factory.mktemp("student")), **SMALL)


def read(run: hubel.Run, name: str) -> Any:
    return json.loads((run.folder / name).read_text())


def weights(run: hubel.Run) -> dict[str, torch.Tensor]:
    return load_file(run.folder / "weights" / "last.safetensors")


def table_of_digits(folder: Path, unseen: int) -> Path:
    """A table of 700 digits: a tenth to choose by, a tenth and all of `unseen` to test, the others to learn from."""
    digits = load_digits()
    lines = ["file,label,split"]
    for row, (image, label) in enumerate(zip(digits.images[:700], digits.target[:700], strict=True)):
        Image.fromarray((image * 255 / 16).astype("uint8")).save(folder / f"{row}.png")
        part = "val" if row % 10 == 0 else "test" if row % 10 == 1 or label == unseen else "train"
        lines.append(f"{row}.png,{label},{part}")
    (folder / "digits.csv").write_text("\n".join(lines))
    return folder / "digits.csv"


def test_a_student_learns_a_class_it_has_never_seen_from_what_its_teacher_says_of_the_others(
    teacher: hubel.Run, tmp_path: Path
) -> None:
    """The paper's own experiment (section 3): no picture of a three is among those that are learnt from."""
    table = table_of_digits(tmp_path, unseen=3)
    words = SMALL | {"model_options": LARGE, "limit": None, "epochs": 12, "lr": 0.01, "augment": "none"}
    alone = hubel.train(table, out=str(tmp_path / "runs"), **words).evaluate()
    taught = hubel.train(table, teacher=teacher, out=str(tmp_path / "runs"), **words).evaluate()
    assert alone.per_class.recall[3] == 0
    assert taught.per_class.recall[3] > 0.2
    assert taught.top1 > alone.top1


def test_the_choices_and_their_reasons_are_written_down(student: hubel.Run, teacher: hubel.Run) -> None:
    part, reasons = student.recipe["distillation"], read(student, "reasons.json")
    assert part == {
        "teacher": str(teacher.folder), "teacher_sha256": teacher.load().provenance.sha256, "temperature": 4.0,
        "teacher_weight": 0.9,
    }  # fmt: skip
    assert "arXiv:1503.02531" in reasons["temperature"]
    assert "lower weight" in reasons["teacher_weight"]
    assert student.recipe["loss"]["label_smoothing"] == 0.0
    assert reasons["label_smoothing"] == "the teacher's answers are soft labels already"


def test_the_teacher_is_asked_about_training_pictures_only_and_once(
    teacher: hubel.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[np.ndarray] = []
    real = module.ask

    def spy(net: Any, decoded: Any, rows: np.ndarray, **words: Any) -> Answers:
        seen.append(rows)
        return real(net, decoded, rows, **words)

    monkeypatch.setattr(module, "ask", spy)
    run = hubel.train("digits", teacher=teacher, time=4, out=str(tmp_path), **{**SMALL, "limit": 100})
    (rows,) = seen
    assert len(rows) == 100
    assert set(rows.tolist()) <= set(Splits.from_dict(read(run, "split.json")).train.tolist())
    assert read(run, "teacher.json")["answered"] == 100


def test_another_temperature_asks_nobody_again(teacher: hubel.Run, student: hubel.Run, tmp_path: Path) -> None:
    other = hubel.train("digits", teacher=teacher, temperature=2, out=str(tmp_path), **SMALL)
    one, two = read(student, "teacher.json"), read(other, "teacher.json")
    assert two["cached"]
    assert one["answers_sha256"] == two["answers_sha256"]
    assert not torch.equal(*(next(iter(weights(run).values())) for run in (student, other)))


def test_both_nets_are_measured_beside_each_other(student: hubel.Run, teacher: hubel.Run) -> None:
    found = student.summary["teacher"]
    assert found["test"]["teacher"] == teacher.evaluate().top1
    assert found["test"]["student"] == student.summary["test"]["accuracy"]
    assert found["val"]["teacher"] == teacher.evaluate(split="val").top1
    told = [
        [row["predicted"] for row in csv.DictReader(run.evaluate().predictions_csv().splitlines())]
        for run in (teacher, student)
    ]
    assert found["test"]["agreement"] == np.mean([one == two for one, two in zip(*told, strict=True)])
    assert found["student"]["parameters"] == student.summary["parameters"]
    assert found["teacher"]["parameters"] > found["student"]["parameters"]


def test_the_report_says_who_taught_it(student: hubel.Run, teacher: hubel.Run) -> None:
    page, facts = student.report.read_text(), student.summary["teacher"]
    assert "Who taught it" in page
    assert teacher.load().provenance.sha256[:16] in page
    assert "looked at 200 training samples and named" in page
    assert "softened at temperature 4, have the weight 0.9" in page
    assert f"{facts['teacher']['parameters']:,}" in page
    assert "They give the same answer to" in page
    assert "Who taught it" not in teacher.report.read_text()


def test_the_saved_recipe_trains_the_same_run_again_to_the_bit(student: hubel.Run, tmp_path: Path) -> None:
    again = hubel.train(config=student.folder / "config.yaml", out=str(tmp_path))
    assert fingerprint(again.folder) == fingerprint(student.folder)


def test_another_teacher_under_the_same_recipe_is_refused(student: hubel.Run, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="not those this recipe was made with"):
        hubel.train(config=student.folder / "config.yaml", teacher=student, out=str(tmp_path))


@pytest.mark.parametrize("kept", [True, False])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(
    kept: bool, teacher: hubel.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stop(Watcher):
        def event(self, event: object) -> None:
            if isinstance(event, EpochDone) and event.epoch == 0:
                os.kill(os.getpid(), signal.SIGTERM)

    settings = SMALL | {"teacher": teacher, "save_every": 0.01, "micro_batch": 16, "mixup": 0.5}
    whole = train("digits", out=str(tmp_path / "whole"), **settings)
    with pytest.raises(Stopped) as stopped:
        train("digits", out=str(tmp_path / "cut"), watch=Stop(), **settings)
    if not kept:
        shutil.rmtree(Path(os.environ["HUBEL_HOME"]) / "answers")
    monkeypatch.chdir(tmp_path)
    remarks = Remarks()
    resumed = train(resume=stopped.value.folder, watch=remarks)
    assert fingerprint(resumed.folder) == fingerprint(whole.folder)
    assert not [text for text in remarks.said if "not the same bits" in text]


def test_answers_that_came_out_otherwise_are_told_when_a_run_goes_on(student: hubel.Run, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(student.folder, tmp_path / "copy"))
    facts = json.loads((folder / "teacher.json").read_text())
    (folder / "teacher.json").write_text(json.dumps(facts | {"answers_sha256": "0" * 64}))
    remarks = Remarks()
    train(resume=folder, epochs=3, watch=remarks)
    assert any("asked again, the teacher answers otherwise" in text for text in remarks.said)


def test_a_run_keeps_its_teacher(student: hubel.Run) -> None:
    with pytest.raises(UsageError, match="a run keeps the temperature it was begun with"):
        train(resume=student.folder, temperature=2.0, epochs=5)


@pytest.mark.parametrize("blend", ["mixup", "cutmix"])
def test_answers_are_mixed_as_pictures_and_labels_are(blend: str, teacher: hubel.Run, tmp_path: Path) -> None:
    prepared = prepare(compose({"data": "digits", "teacher": str(teacher.folder), blend: 1.0} | SMALL))
    rows = prepared.ids("train")
    assert prepared.lesson is not None
    net = create_model("mlp", num_classes=10, in_chans=1, img_size=8)
    run = assemble(prepared.recipe, prepared, net)
    assert run.answers is not None
    answers = dict(zip(rows.tolist(), run.answers, strict=True))
    batch = next(run.batches(0, 0))
    assert batch.answers is not None
    assert batch.soft_labels is not None
    own = torch.stack([answers[int(row)] for row in batch.ids])
    apart = batch.labels != batch.labels.roll(-1)
    share = batch.soft_labels[torch.arange(len(batch)), batch.labels][:, None]
    mixed = share * own + (1 - share) * own.roll(-1, 0)
    torch.testing.assert_close(batch.answers[apart], mixed[apart])


def test_a_teacher_sees_the_pictures_in_its_own_size_and_channels(teacher: hubel.Run, tmp_path: Path) -> None:
    large = hubel.train("digits", teacher=teacher, img_size=12, in_chans=3, out=str(tmp_path), **SMALL)
    assert large.summary["teacher"]["test"]["teacher"] == teacher.evaluate().top1
    assert large.summary["teacher"]["student"]["input"] == [3, 12, 12]


def test_it_looks_at_mirror_images_where_the_student_sees_them(teacher: hubel.Run, tmp_path: Path) -> None:
    run = hubel.train("digits", teacher=teacher, augment="flip", out=str(tmp_path), **SMALL)
    assert read(run, "teacher.json")["views"] == "mirror"
    assert "as they are and mirrored," in run.report.read_text()


@pytest.mark.parametrize("unfreeze", ["head", "last"])
def test_a_net_may_start_from_one_run_and_learn_from_another(
    unfreeze: str, teacher: hubel.Run, student: hubel.Run, tmp_path: Path
) -> None:
    words = {"from_": student, "unfreeze": unfreeze, "limit": 100, "threads": 1, "device": "cpu", "epochs": 1}
    words = words if unfreeze == "last" else words | {"epochs": None}
    taught = hubel.train("digits", teacher=teacher, teacher_weight=1.0, out=str(tmp_path / "taught"), **words)
    alone = hubel.train("digits", out=str(tmp_path / "alone"), **words)
    assert taught.summary["teacher"]["test"]["agreement"] > 0.3
    assert not all(torch.equal(weights(taught)[name], value) for name, value in weights(alone).items())
    assert read(taught, "transfer.json")["unfreeze"] == unfreeze


def test_points_have_teachers_too(tmp_path: Path) -> None:
    out = str(tmp_path)
    old = hubel.train("moons", out=out, **POINTS | {"epochs": 4})
    run = hubel.train("moons", teacher=old, out=out, model_options={"hidden": [4]}, **POINTS)
    assert run.summary["teacher"]["test"]["teacher"] == old.evaluate().top1


def test_a_teacher_that_has_learnt_test_pictures_is_told(teacher: hubel.Run, tmp_path: Path) -> None:
    remarks = Remarks()
    run = train("digits", teacher=teacher, split_seed=3, out=str(tmp_path), watch=remarks, **SMALL)
    (told,) = [text for text in remarks.said if text.startswith("leak")]
    met = read(run, "teacher.json")["test_learnt"]
    assert met > 0
    assert f"trained on {met} of the 180 test samples" in told
    assert f"trained on {met} of the test samples" in run.report.read_text()


def other_classes(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        (folder / name).mkdir(parents=True)
        for number in range(8):
            pixels = np.random.default_rng(number).integers(0, 255, (8, 8), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def test_a_teacher_that_would_take_more_than_the_time_is_refused_at_once(
    teacher: hubel.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBEL_HOME", str(tmp_path))  # nobody has asked it before
    with pytest.raises(UsageError, match=r"the teacher needs about .* the whole training may take") as refused:
        hubel.train("digits", teacher=teacher, out=str(tmp_path), **SMALL | {"limit": None, "time": 1e-3})
    assert "--time 1m" in str(refused.value.hint)


def test_a_teacher_of_other_classes_is_refused_with_a_way_out(teacher: hubel.Run, tmp_path: Path) -> None:
    folder = other_classes(tmp_path / "pets", ("0", "cat"))
    with pytest.raises(UsageError) as refused:
        train(folder, teacher=teacher, out=str(tmp_path), **SMALL)
    assert "it does not know 'cat' and knows '1', '2', '3', '4' and 5 more besides" in refused.value.what
    assert f"hubel train {folder}; or start from what this one has learnt" in refused.value.hint
    assert f"--from {teacher.folder}" in refused.value.hint


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"temperature": 2.0}, "temperature needs a teacher"),
        ({"teacher_weight": 0.5}, "teacher_weight needs a teacher"),
        ({"teacher": "runs/nothing-1"}, "the teacher cannot be read: there is no run"),
        ({"teacher": "runs/x", "temperature": 0}, "temperature must be at least 0.1"),
        ({"teacher": "runs/x", "teacher_weight": 1.5}, "teacher_weight must be at most 1"),
    ],
)
def test_what_cannot_teach_is_refused_before_anything_is_read(
    settings: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(HubelError, match=said) as refused:
        train(tmp_path / "no such data", out=str(tmp_path), **settings)
    assert refused.value.hint or "must be" in said


def test_numbers_have_no_softened_answers(teacher: hubel.Run, tmp_path: Path) -> None:
    table = tmp_path / "ages.csv"
    for number in range(12):
        Image.fromarray(np.full((8, 8), 20 * number, np.uint8)).save(tmp_path / f"{number}.png")
    table.write_text("file,target\n" + "".join(f"{number}.png,{number / 7:.3f}\n" for number in range(12)))
    words = {"columns": {"file": "file", "target": "target"}, "out": str(tmp_path / "runs")}
    with pytest.raises(UsageError, match="the target is a number, and a teacher's softened answers need classes"):
        train(table, teacher=teacher, **words, **SMALL)
    ages = hubel.train(table, **words, **{**SMALL, "epochs": 1})
    with pytest.raises(UsageError, match="gives a number, and softened answers are those of a classifier"):
        train("digits", teacher=ages, out=str(tmp_path), **SMALL)


def test_pictures_are_not_taught_by_a_net_over_points(teacher: hubel.Run, tmp_path: Path) -> None:
    moons = hubel.train("moons", out=str(tmp_path), **POINTS)
    with pytest.raises(UsageError, match="takes points, and digits holds pictures"):
        train("digits", teacher=moons, out=str(tmp_path), **SMALL)
    with pytest.raises(UsageError, match="takes pictures, and moons holds points"):
        train("moons", teacher=teacher, out=str(tmp_path), **POINTS)


def test_print_config_names_the_weights_and_asks_nobody(teacher: hubel.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ask", lambda *given, **words: pytest.fail("asked"))
    part = resolve("digits", teacher=teacher).distillation
    assert (part.teacher_sha256, part.temperature) == (teacher.load().provenance.sha256, 4.0)
