"""Trained nets as starts of other tasks than naming a class: masks, embeddings, several labels."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

import hubel
from hubel.assembly.begin import make_ready
from hubel.errors import ArtefactError, UsageError
from hubel.events import EpochDone
from hubel.models import create_model
from hubel.models.heads import trunk
from hubel.models.shared import answer_for_pixels
from hubel.nn.taps import record
from hubel.recipes.schema import compose
from hubel.tasks import TASKS
from hubel.verbs.train import Stopped, train
from hubel.watching import SILENT, Watcher
from trainers import fingerprint

from .conftest import QUICK, scans

NET: dict[str, Any] = {"model": "mobilenet_v1", "model_options": {"width": 0.25}}


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that tells bright pictures from dark ones."""
    base, draw = tmp_path_factory.mktemp("eyes"), np.random.default_rng(0)
    for row in range(40):
        name = ("dark", "bright")[row % 2]
        (base / "pictures" / name).mkdir(parents=True, exist_ok=True)
        pixels = draw.integers(0, 120, (16, 16), dtype=np.uint8) + 120 * (row % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(base / "pictures" / name / f"{row:02}.png")
    return hubel.train(base / "pictures", out=base / "runs", epochs=2, **NET, **QUICK).folder


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of pictures in which a bright corner, side or spot is there, or several of them."""
    base, draw = tmp_path_factory.mktemp("many"), np.random.default_rng(0)
    lines = ["file,label"]
    for row in range(80):
        pixels = draw.integers(0, 90, (16, 16), dtype=np.uint8)
        there = [name for name in ("corner", "side", "spot") if draw.random() < 0.5]
        for name in there:
            place = {"corner": np.s_[:5, :5], "side": np.s_[:, 13:], "spot": np.s_[8:12, 4:9]}[name]
            pixels[place] = 250
        Image.fromarray(pixels).save(base / f"{row:02}.png")
        lines.append(f"{row:02}.png,{'|'.join(there) or 'none'}")
    (base / "labels.csv").write_text("\n".join(lines) + "\n")
    return base / "labels.csv"


def tensors(run: Path, which: str = "best") -> dict[str, torch.Tensor]:
    return load_file(run / "weights" / f"{which}.safetensors")


def begun(data: Path, source: Path | str, **settings: Any) -> Any:
    """A training that is ready, before its first step."""
    return make_ready(compose({"data": str(data), "from": str(source), "epochs": 1, **settings, **QUICK}), SILENT)


def changed(net: nn.Module, old: dict[str, torch.Tensor]) -> set[str]:
    """Names of tensors that are not those of the source."""
    return {name for name, value in net.state_dict().items() if name not in old or not torch.equal(value, old[name])}


@pytest.mark.parametrize(
    "name", ["resnet18", "efficientnet_lite0", "efficientnet_b0", "mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small"]
)
def test_a_net_for_classes_says_at_each_place_what_its_head_says_there(name: str) -> None:
    torch.manual_seed(0)
    net = create_model(name, num_classes=3, in_chans=3, img_size=(64, 48)).eval()
    images = torch.rand(2, 3, 64, 48)
    for layer in net.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight)
    with torch.no_grad():
        asked = net.segment(images)
        # Each place is a picture of its own: the average over one place is that place.
        hook = net.avgpool.register_forward_pre_hook(
            lambda module, inputs: (inputs[0].movedim(1, -1).reshape(-1, inputs[0].shape[1], 1, 1),)
        )
        places = net(images).reshape(2, 8, 6, 3).movedim(-1, 1)
        hook.remove()
    wanted = functional.interpolate(places, (64, 48), mode="bilinear", align_corners=False)
    torch.testing.assert_close(asked, wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max()))


@pytest.mark.parametrize("size", [(64, 48), (50, 47), (33, 90)])
def test_of_a_mirrored_picture_a_net_without_a_side_says_the_mirror_image(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    maps = torch.rand(1, 4, -(-size[0] // 8), -(-size[1] // 8))
    head = nn.Linear(4, 2)
    with torch.no_grad():
        plain, mirrored = (answer_for_pixels(each, head, size) for each in (maps, maps.flip(-1, -2)))
    torch.testing.assert_close(mirrored.flip(-1, -2), plain)
    assert plain.shape == (1, 2, *size)


def test_a_segmenter_starts_from_a_net_for_classes_with_a_new_head(eyes: Path, scans_folder: Path) -> None:
    ready = begun(scans_folder, eyes, model="mobilenet_v1")
    assert ready.prepared.task.name == "segment", "as the masks ask for"
    assert ready.training.model.fc.out_features == 3
    assert not changed(trunk(ready.training.model), tensors(eyes))
    assert (ready.facts["unfreeze"], ready.facts["head"]) == ("all", "stages")
    assert (ready.facts["old_task"], ready.facts["head_kept"]) == ("classify", False)
    plain = begun(scans_folder, eyes, head="linear")
    assert changed(plain.training.model, tensors(eyes)) == {"fc.weight", "fc.bias"}


def test_what_stays_asleep_is_the_sources_to_the_bit_and_the_report_says_so(
    eyes: Path, scans_folder: Path, tmp_path: Path
) -> None:
    run = hubel.train(
        scans_folder, from_=eyes, unfreeze="head", head="linear", epochs=2, compare_start=True, name="scans",
        out=tmp_path, **QUICK,
    )  # fmt: skip
    assert changed(hubel.load(run.folder, which="last").model, tensors(eyes)) == {"fc.weight", "fc.bias"}
    assert run.predict([scans_folder / "images" / "000.png"])[0].name
    page = run.report.read_text()
    assert "a trained mobilenet_v1 with 2 classes" in page
    assert "the head is new" in page
    assert "What it would have said by itself" not in page
    assert (
        f"From nothing, the same data led to {hubel.Run(tmp_path / 'scans-0-1').summary['test']['mean_iou']:.2%}"
        in (page.replace(" %", "%"))
    )
    assert run.summary["learning_parameters"] < run.summary["parameters"] / 100


def test_a_segmenter_starts_from_one_and_its_head_stays_where_the_classes_are_the_same(
    segment_run: hubel.Run, scans_folder: Path, tmp_path: Path
) -> None:
    old = tensors(segment_run.folder)
    same = begun(scans_folder, segment_run.folder)
    assert not changed(same.training.model, old)
    assert same.facts["head_kept"]
    other = scans(tmp_path / "other")
    (other / "classes.txt").write_text("ground\ndisc\nbox\n")
    new = begun(other, segment_run.folder)
    head = new.training.model.head
    assert changed(new.training.model, old) == {f"{head}.weight", f"{head}.bias"}
    assert not new.facts["head_kept"]


def test_a_head_over_all_stages_is_taken_over_as_well(eyes: Path, scans_folder: Path, tmp_path: Path) -> None:
    run = hubel.train(scans_folder, from_=eyes, epochs=1, out=tmp_path, **QUICK)
    assert run.report.is_file()
    assert run.load().spec.options == {"width": 0.25, "all_stages": True}
    further = begun(scans_folder, run.folder)
    assert not changed(further.training.model, tensors(run.folder))
    assert (further.facts["head"], further.facts["head_kept"]) == ("stages", True)
    other = begun(scans_folder, run.folder, head="linear")
    assert not other.facts["head_kept"]
    assert changed(other.training.model, {
        name.removeprefix("body."): value for name, value in tensors(run.folder).items() if name[:5] == "body."
    }) == {"fc.weight", "fc.bias"}  # fmt: skip


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0", "mobilenet_v3_small"])
def test_a_head_over_all_stages_sees_each_stage_at_the_pixel(name: str) -> None:
    torch.manual_seed(0)
    net = create_model(name, num_classes=3, img_size=(64, 48), all_stages=True).eval()
    images = torch.rand(1, 3, 64, 48)
    columns: list[torch.Tensor] = []
    for stage in net.read:
        with torch.no_grad(), record(net.body, stage, copy=True) as seen:
            last = net.body.segment(images)  # whose head lets its last maps through
        columns.append(functional.interpolate(seen[stage], (64, 48), mode="bilinear", align_corners=False))
    with torch.no_grad():
        wanted = net.fc(torch.cat([*columns, last], 1).movedim(1, -1)).movedim(-1, 1)
        torch.testing.assert_close(net.segment(images), wanted, rtol=1e-4, atol=1e-5)


def test_a_segmenter_from_a_trained_net_goes_on_to_the_same_bits(
    eyes: Path, scans_folder: Path, tmp_path: Path
) -> None:
    class Stop(Watcher):
        def event(self, event: object) -> None:
            if isinstance(event, EpochDone) and event.epoch == 0:
                os.kill(os.getpid(), signal.SIGTERM)

    settings = QUICK | {"from_": str(eyes), "unfreeze": "gradual", "epochs": 3, "save_every": 0.01}
    whole = train(scans_folder, out=str(tmp_path / "whole"), **settings)
    with pytest.raises(Stopped) as stopped:
        train(scans_folder, out=str(tmp_path / "cut"), watch=Stop(), **settings)
    assert fingerprint(train(resume=stopped.value.folder).folder) == fingerprint(whole.folder)
    again = hubel.train(config=whole.folder / "config.yaml", out=tmp_path / "again", **QUICK)
    assert all(torch.equal(value, tensors(whole.folder)[name]) for name, value in tensors(again.folder).items())


def test_embeddings_start_from_a_net_for_classes_which_becomes_the_backbone(eyes: Path, tmp_path: Path) -> None:
    pictures = eyes.parent.parent / "pictures"
    run = hubel.train(pictures, task="embed", from_=eyes, epochs=1, lr=1e-9, out=tmp_path, **QUICK)
    classifier = run.load()
    assert classifier.spec.options == {"backbone": "mobilenet_v1", "backbone_options": {"width": 0.25}}
    old = {f"backbone.{name}": value for name, value in tensors(eyes).items() if not name.startswith("fc.")}
    for name, value in old.items():
        torch.testing.assert_close(classifier.model.state_dict()[name], value, rtol=0, atol=1e-6)
    assert run.predict([pictures / "dark" / "00.png"])[0].name
    assert "siamese around the net of" in json.loads((run.folder / "reasons.json").read_text())["model"]
    for model in ("siamese", "mobilenet_v1"):
        assert begun(pictures, eyes, task="embed", model=model).spec.architecture == "siamese"
    further = begun(pictures, run.folder, task="embed")
    assert not changed(further.training.model, tensors(run.folder)), "an embedding goes on as it is"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"unfreeze": "head"}, "the task embed learns no head, and unfreeze head would let nothing learn"),
        ({"model": "resnet20"}, "from brings the net mobilenet_v1, and the recipe asks for resnet20"),
        ({"model": "siamese", "model_options": {"backbone": "vgg11"}}, "asks for the backbone vgg11"),
        ({"head": "linear"}, "the task embed has no use for head, since siamese has an embedding"),
        ({"penalty": 0.1}, "the task embed has no use for penalty"),
    ],
)
def test_what_embeddings_cannot_start_with_is_refused(eyes: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        begun(eyes.parent.parent / "pictures", eyes, task="embed", **settings)


def test_a_siamese_net_says_what_options_of_its_backbone_must_be() -> None:
    net = create_model("siamese", img_size=16, in_chans=1, backbone="mobilenet_v1", backbone_options={"width": 0.25})
    assert net.backbone.fc.in_features == 256
    with pytest.raises(UsageError, match="must be options of mobilenet_v1 by name, got 3"):
        create_model("siamese", img_size=16, in_chans=1, backbone="mobilenet_v1", backbone_options=3)


def test_several_labels_get_a_head_fitted_to_what_a_frozen_net_sees(eyes: Path, many: Path, tmp_path: Path) -> None:
    run = hubel.train(many, task="multilabel", from_=eyes, unfreeze="head", head="linear", out=tmp_path, **QUICK)
    assert changed(run.load().model, tensors(eyes)) == {"fc.weight", "fc.bias"}
    assert run.summary["reason"] == "optimum"
    best = run.summary["best"]
    assert best["penalty"] in run.history["penalty"]
    through_the_net = run.evaluate(split="val")
    assert through_the_net.mean_ap == pytest.approx(best["val_map"], abs=1e-9)
    shares, truth = np.clip(through_the_net.shares, 1e-12, 1 - 1e-12), through_the_net.truth
    loss = -np.mean(truth * np.log(shares) + (1 - truth) * np.log(1 - shares))
    assert loss == pytest.approx(best["val_loss"], rel=1e-3)


def test_photographs_with_several_labels_start_from_published_eyes_by_themselves(tmp_path: Path) -> None:
    draw, lines = np.random.default_rng(0), ["file,label"]
    for row in range(12):
        Image.fromarray(draw.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(tmp_path / f"{row}.png")
        lines.append(f"{row}.png,{('cat|dog', 'dog|fox', 'cat', 'fox')[row % 4]}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    ready = make_ready(compose({"data": str(tmp_path / "labels.csv"), **QUICK}), SILENT)
    assert (ready.prepared.task.name, ready.spec.architecture) == ("multilabel", "efficientnet_lite0")
    assert "pictures that may be photographs" in ready.facts["why"]


@pytest.mark.parametrize("task", ["reconstruct", "sequence", "field"])
def test_a_task_without_a_trained_start_says_why(eyes: Path, task: str) -> None:
    pictures = eyes.parent.parent / "pictures"
    data = pictures / "dark" / "00.png" if task == "field" else pictures
    with pytest.raises(UsageError, match=f"the task {task} has no use for from, {TASKS.get(task).unstarted[:20]}"):
        begun(data, eyes, task=task)


def test_a_run_that_gives_pictures_back_is_no_start(reconstruct_run: hubel.Run, scans_folder: Path) -> None:
    with pytest.raises(ArtefactError, match="was trained for the task reconstruct") as caught:
        begun(scans_folder, reconstruct_run.folder)
    assert "--from a run with labels, masks or embeddings" in str(caught.value.hint)
