"""Segmentation from a folder of pictures and masks to a report, and what is no such folder."""

from __future__ import annotations

import csv
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.metrics import f1_score, jaccard_score

import hubel
from hubel.assembly.begin import make_ready
from hubel.assembly.requests import requested
from hubel.data.augment import build_augment
from hubel.data.decode import prepare
from hubel.data.masks import IGNORED, numbers_of, open_masks
from hubel.data.preprocessing import Preprocessing
from hubel.data.sources import open_source
from hubel.errors import ArtefactError, DataError, UsageError
from hubel.evaluation import Drawn
from hubel.evaluation.segmentation import Segmentation, move_along
from hubel.metrics.overlap import dice, iou, overlaps
from hubel.models import create_model
from hubel.nn.losses import PixelLoss, build_loss
from hubel.tasks import TASKS
from hubel.tasks.answers import Answers
from hubel.verbs.compare import page, weigh
from hubel.verbs.predict import save_answers
from hubel.watching import SILENT
from trainers import Brief, Enough

from .conftest import QUICK, scans


def test_a_folder_of_pictures_and_masks_is_known_by_itself_and_the_choice_says_why(segment_run: hubel.Run) -> None:
    report = (segment_run.folder / "report.html").read_text()
    assert segment_run.recipe["train"]["task"] == "segment"
    assert segment_run.recipe["model"]["model"] == "unet"
    assert "every picture has a mask" in report
    assert "Worst pictures" in report
    assert {"by_class.svg", "overlays.png", "worst.png", "overlap.svg"} <= {
        path.name for path in (segment_run.folder / "figures").iterdir()
    }


@pytest.mark.parametrize("either_way", [False, True])
def test_objects_that_have_a_hand_are_not_mirrored_and_the_choice_says_why(either_way: bool, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for row in range(60):
        mask = np.zeros((24, 24), np.uint8)
        top, left, size = draw.integers(2, 8), draw.integers(2, 8), draw.integers(8, 13)
        mask[top : top + size, left : left + 3] = 1  # an L
        mask[top + size - 3 : top + size, left : left + size - 2] = 1
        mask = mask[:, ::-1] if either_way and row % 2 else mask
        pixels = draw.integers(0, 256, (24, 24, 3), np.uint8) // 2 + 120 * mask[..., None]
        Image.fromarray(pixels).save(tmp_path / "images" / f"{row}.png")
        Image.fromarray(np.ascontiguousarray(mask)).save(tmp_path / "masks" / f"{row}.png")
    chosen = make_ready(requested({"data": str(tmp_path)}), SILENT).prepared.chosen
    assert any("flip" in move for move in chosen.recipe.augment.augment or ()) == either_way
    assert ("than to its mirror image" in chosen.reasons["augment"]) != either_way


def test_masks_in_a_tar_are_learnt_and_measured_as_those_of_a_folder(
    segment_run: hubel.Run, scans_folder: Path, tmp_path: Path
) -> None:
    with tarfile.open(tmp_path / "scans.tar", "w") as archive:
        for place in sorted((scans_folder / "images").iterdir()):
            archive.add(place, place.name)
            archive.add(scans_folder / "masks" / place.name, f"{place.stem}.mask.png")
    run = hubel.train(
        tmp_path / "scans.tar", out=str(tmp_path / "runs"), epochs=1, batch_size=6,
        model_options={"maps": 4, "levels": 2}, val_fraction=0.2, test_fraction=0.2, **QUICK,
    )  # fmt: skip
    assert run.recipe["train"]["task"] == "segment"
    assert run.evaluate().mean_iou == pytest.approx(run.summary["test"]["mean_iou"])
    there, here = (segment_run.evaluate(place) for place in (tmp_path / "scans.tar", scans_folder))
    assert there.mean_iou == here.mean_iou > 0.5


def test_it_learns_and_what_it_says_of_itself_is_what_it_measures(segment_run: hubel.Run) -> None:
    found = segment_run.evaluate()
    assert isinstance(found, Segmentation)
    assert found.mean_iou > 0.5
    assert segment_run.summary["test"]["mean_iou"] == pytest.approx(found.mean_iou)
    stored = json.loads((segment_run.folder / "evaluation.json").read_text())
    assert stored["per_class"].keys() == {"0", "1", "2"}
    assert max(segment_run.history["val_iou"]) == pytest.approx(segment_run.summary["best"]["val_iou"])
    low, high = found.intervals["mean_iou"]
    assert low <= found.mean_iou <= high


def test_predict_gives_the_masks_that_were_measured(segment_run: hubel.Run, scans_folder: Path, tmp_path: Path) -> None:
    found = segment_run.evaluate()
    assert isinstance(found, Segmentation)
    each = {exhibit.name: exhibit.answer for exhibit in found.usual}
    said = segment_run.predict([scans_folder / name for name in each], batch_size=2)
    assert isinstance(said, Answers)
    assert all((answer.picture == mask).all() for answer, mask in zip(said, each.values(), strict=True))
    files = save_answers(said, tmp_path)
    assert sorted(file.stem for file in files) == sorted(Path(name).stem for name in each)
    assert set(numbers_of(files[0].read_bytes()).ravel().tolist()) <= {0, 1, 2}
    assert next(csv.reader(io.StringIO(said.to_csv()))) == ["file", "0", "1", "2"]


def test_a_run_that_is_cut_short_goes_on_to_the_same_bits(scans_folder: Path, tmp_path: Path) -> None:
    settings = {"epochs": 2, "batch_size": 6, "model_options": {"maps": 4, "levels": 2}, "save_every": 0.001, **QUICK}
    whole = hubel.train(scans_folder, out=str(tmp_path / "whole"), **settings)
    with pytest.raises(Enough):
        hubel.verbs.train.train(scans_folder, out=str(tmp_path / "cut"), watch=Brief(5), **settings)
    (cut,) = (tmp_path / "cut").iterdir()
    hubel.train(resume=cut)
    one, two = ((folder / "weights" / "last.safetensors").read_bytes() for folder in (whole.folder, cut))
    assert one == two


def test_counts_overlap_and_dice_are_those_of_scikit_learn() -> None:
    draw = np.random.default_rng(1)
    truth, said = draw.integers(0, 3, (4, 5, 6)), draw.integers(0, 3, (4, 5, 6))
    counts = overlaps(torch.from_numpy(truth), torch.from_numpy(said), 3).sum(0)
    assert iou(counts) == pytest.approx(jaccard_score(truth.ravel(), said.ravel(), average=None))
    assert dice(counts) == pytest.approx(f1_score(truth.ravel(), said.ravel(), average=None))


@pytest.mark.parametrize("name", [name for name in TASKS.get("segment").losses if "dice" not in name])
def test_the_loss_of_pixels_is_the_mean_over_pictures_and_leaves_out_what_belongs_to_no_class(name: str) -> None:
    torch.manual_seed(0)
    logits, masks = torch.randn(3, 4, 5, 6), torch.randint(0, 4, (3, 5, 6))
    masks[1, :4] = IGNORED
    of_points = build_loss(name)
    expected = torch.stack(
        [of_points(z.flatten(1).T[m.flatten() != IGNORED], m[m != IGNORED])
         for z, m in zip(logits, masks, strict=True)]
    ).mean()  # fmt: skip
    for layout in (torch.contiguous_format, torch.channels_last):
        seen = logits.contiguous(memory_format=layout)
        torch.testing.assert_close(PixelLoss.called(name)(seen, masks.to(torch.uint8)), expected)


def test_the_dice_of_a_loss_is_the_mean_over_the_classes_that_a_picture_shows() -> None:
    torch.manual_seed(0)
    logits, masks = torch.randn(2, 4, 5, 6), torch.randint(0, 3, (2, 5, 6))  # class 3 is shown nowhere
    masks[1, :4] = IGNORED
    lost = []
    for z, m in zip(logits, masks, strict=True):
        shares, truth = z.softmax(0)[:, m != IGNORED], F.one_hot(m[m != IGNORED], 4).T  # K N
        dices = [(2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1) for p, t in zip(shares, truth, strict=True)]
        lost.append(torch.stack([1 - dice for dice, t in zip(dices, truth, strict=True) if t.any()]).mean())
    torch.testing.assert_close(PixelLoss.called("dice")(logits, masks.to(torch.uint8)), torch.stack(lost).mean())


@pytest.mark.parametrize(
    "chain",
    ["flip", "alternating-flip", "vertical-flip", "translate=3", "translate=3:edge", "rotate=40", "scale=0.4",
     "shift=0.2", "shear=20", "affine", "perspective=0.3", "resized-crop=0.3", "quarter-turns", "flip,rotate=20",
     "elastic=2", "elastic=4:6", "flip,elastic=2"],
)  # fmt: skip
def test_masks_move_with_their_pictures(chain: str) -> None:
    """A picture that is its own mask, in two shades far apart: where it is one of them, the mask must say so."""
    blocks = np.kron(np.random.default_rng(0).integers(0, 2, (12, 4, 4)), np.ones((8, 8))).astype(np.uint8)
    masks = torch.from_numpy(blocks)
    pictures, ids, augment = masks[:, None] * 255, torch.arange(12), build_augment(chain)
    seen = augment(pictures, ids, seed=3, epoch=1).float().div(255)[:, 0]
    moved = augment.masks(masks, ids, seed=3, epoch=1)
    sure = (seen < 0.05) | (seen > 0.95) if seen.max() <= 1 else (seen * 255 < 0.05) | (seen * 255 > 0.95)
    shade = (seen > 0.5) if seen.max() > 0.5 else (seen * 255 > 0.5)
    agree = (moved.bool() == shade)[sure].float().mean()
    assert sure.float().mean() > 0.5
    assert agree > 0.995, chain


def test_what_a_picture_does_not_show_belongs_to_no_class_and_effects_leave_masks_alone() -> None:
    masks, ids = torch.ones(8, 6, 6, dtype=torch.uint8), torch.arange(8)
    assert IGNORED in build_augment("translate=3:black").masks(masks, ids, seed=0, epoch=0)
    assert (build_augment("contrast=0.5,noise=0.1,erase=3").masks(masks, ids, seed=0, epoch=0) == masks).all()


def test_trivial_moves_masks_with_pictures_where_it_moves_and_leaves_them_where_it_changes_colours() -> None:
    """Held against the chosen one by itself: of each sample the mask moves as that of the one move that it got."""
    blocks = np.kron(np.random.default_rng(0).integers(0, 2, (200, 4, 4)), np.ones((8, 8))).astype(np.uint8)
    masks, ids, augment = torch.from_numpy(blocks), torch.arange(200), build_augment("flip,trivial")
    pictures = (masks[:, None] * 120 + 60).expand(-1, 3, -1, -1)  # neither black, as beyond a rim, nor near it
    seen = augment(pictures, ids, seed=3, epoch=1).float().mean(1)
    moved = augment.masks(masks, ids, seed=3, epoch=1)
    inside = moved != IGNORED
    parted = 0
    for picture, mask, there in zip(seen, moved, inside, strict=True):
        dark, light = picture[there & (mask == 0)], picture[there & (mask == 1)]
        if len(dark) and len(light):  # by colour alone masks can be read off, whatever became of the colours
            parted += bool((dark.median() - light.median()).abs() > 0.01)
            border = (dark.median() + light.median()) / 2
            agree = ((picture > border) == ((mask == 1) == (light.median() > dark.median())))[there].float().mean()
            assert agree > 0.9
    assert parted > 150
    flipped = build_augment("flip").masks(masks, ids, seed=3, epoch=1)
    stayed = (flipped == moved).flatten(1).all(1).float().mean()
    assert 0.4 < stayed < 0.8, "four of ten move, and one in eleven is left alone"


def test_blended_levels_leave_masks_where_they_are() -> None:
    masks = torch.from_numpy(np.random.default_rng(0).integers(0, 3, (4, 8, 8)).astype(np.uint8))
    assert (build_augment("augmix=3:3:0").masks(masks, torch.arange(4), seed=0, epoch=0) == masks).all()


@pytest.mark.parametrize(
    ("chain", "why"), [("augmix", "copies of a picture that were moved apart"), ("mixup=0.2", "blends two pictures")]
)
def test_augmentations_that_masks_cannot_follow_are_refused(chain: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        build_augment(chain).masks(torch.ones(1, 4, 4, dtype=torch.uint8), torch.arange(1), seed=0, epoch=0)


@pytest.mark.parametrize("fit", ["pad", "crop", "squash"])
def test_a_mask_is_fitted_as_its_picture_is(fit: str, tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for row, (high, wide) in enumerate([(20, 40), (40, 20)]):
        board = np.zeros((high, wide), np.uint8)
        board[high // 4 : high // 2, wide // 4 : wide // 2] = 1
        Image.fromarray(board * 255).save(tmp_path / "images" / f"{row}.png")
        Image.fromarray(board).save(tmp_path / "masks" / f"{row}.png")
    _, decoded = prepare(open_masks(tmp_path), Preprocessing(height=16, width=16, channels=1, fit=fit))
    assert decoded.targets is not None
    known = decoded.targets != IGNORED
    same = (decoded.targets == 1) == (decoded.images[:, 0] > 127)
    assert same[known].mean() > 0.95
    assert known.all() == (fit != "pad")


def spoilt(folder: Path, what: str) -> None:
    """One thing that may be wrong with a folder of pictures and masks."""
    first = folder / "masks" / "000.png"
    pixels = np.asarray(Image.open(first))
    if what == "missing":
        first.unlink()
    elif what == "left over":
        shutil.copy(first, folder / "masks" / "900.png")
    elif what == "size":
        Image.fromarray(pixels[:8]).save(first)
    elif what == "value":
        (folder / "classes.txt").write_text("ground\ndisc\n")
    elif what == "shades":
        Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(first)
    elif what == "colours":
        Image.fromarray(np.random.default_rng(0).integers(0, 9, (16, 16, 3), dtype=np.uint8)).save(first)
    elif what == "jpeg":
        first.unlink()
        Image.fromarray(pixels).save(folder / "masks" / "000.jpg")
    elif what == "no picture":
        first.write_text("no picture at all")
    elif what == "one class":
        for file in (folder / "masks").iterdir():
            Image.new("L", (16, 16), 1).save(file)
    elif what == "cut off":
        first.write_bytes(first.read_bytes()[:-30])
    elif what == "twins":
        shutil.copy(folder / "images" / "000.png", folder / "images" / "000.jpg")
    elif what == "names":
        (folder / "classes.txt").write_text("ground\nground\ndisc\n")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("missing", "1 of 6 pictures has no mask: images/000.png"),
        ("left over", "1 of 7 masks belongs to no picture: masks/900.png"),
        ("size", "the mask masks/000.png has 16x8 pixels, its picture images/000.png 16x16"),
        ("value", "has pixels of number 2, and classes.txt names classes 0 to 1"),
        ("shades", "different numbers: shades, and no classes"),
        ("colours", r"(?s)its pixels are colours.*save it again as a PNG"),
        ("jpeg", "it is a JPEG file, which blurs the numbers"),
        ("no picture", "the mask masks/000.png cannot be used"),
        ("cut off", r"(?s)the mask masks/000.png cannot be used.*or take the mask and its picture out"),
        ("one class", "every pixel of every mask is 1"),
        ("twins", "have one mask between them"),
        ("names", "must name 2 to 254 classes, each once"),
    ],
)
def test_masks_that_are_none_are_refused_in_words(what: str, words: str, tmp_path: Path) -> None:
    folder = scans(tmp_path / "scans", count=6)
    spoilt(folder, what)
    with pytest.raises(DataError, match=words):
        prepare(open_source(folder), Preprocessing(height=16, width=16, channels=1))


def test_background_and_object_a_border_and_a_palette_are_understood(tmp_path: Path) -> None:
    folder = scans(tmp_path / "scans", count=4)
    for file in (folder / "masks").iterdir():
        board = np.asarray(Image.open(file))
        Image.fromarray(np.where(board > 0, 255, 0).astype(np.uint8)).save(file)
    assert open_source(folder).class_names == ("background", "object")
    board = np.zeros((16, 16), np.uint8)
    board[:4], board[4] = 7, IGNORED
    picture = Image.fromarray(board).convert("P")
    picture.putdata(board.ravel().tolist())
    for file in (folder / "masks").iterdir():
        picture.save(file)
    _, decoded = prepare(open_source(folder), Preprocessing(height=16, width=16, channels=1))
    assert open_source(folder).class_names == ("0", "7")
    assert decoded.targets is not None
    assert np.unique(decoded.targets).tolist() == [0, 1, IGNORED]


def test_a_table_names_masks_as_well(tmp_path: Path) -> None:
    folder = scans(tmp_path / "scans", count=6)
    rows = [f"images/{n:03}.png,masks/{n:03}.png,{'test' if n > 3 else 'train'}" for n in range(6)]
    table = folder / "table.csv"
    table.write_text("\n".join(["file,mask,split", *rows]) + "\n")
    found = open_source(table)
    assert found.masks is not None
    assert found.masks.paths == tuple(f"masks/{n:03}.png" for n in range(6))
    assert (found.class_names, (found.given_split == "test").sum()) == (("0", "1", "2"), 2)
    table.write_text(table.read_text().replace("masks/002", "masks/902"))
    with pytest.raises(
        DataError, match=r"1 of 6 masks that .* names cannot be used: line 4: masks/902.png: no such file"
    ):
        open_source(table)
    table.write_text("file,label,mask\nimages/000.png,cat,masks/000.png\nimages/001.png,dog,masks/001.png\n")
    assert open_source(table).class_names == ("cat", "dog"), "where classes stand beside masks, classes are meant"
    assert open_source(table, columns={"mask": "mask"}).masks is not None


def test_other_data_are_measured_by_the_names_of_the_classes(segment_run: hubel.Run, tmp_path: Path) -> None:
    folder = scans(tmp_path / "scans", count=8)
    (folder / "classes.txt").write_text("0\n1\n2\n")
    found = segment_run.evaluate(folder)
    assert isinstance(found, Segmentation)
    assert found.confusion.sum() == 8 * 256
    assert found.mean_iou > 0.4
    (folder / "classes.txt").write_text("ground\ndisc\nsquare\n")
    with pytest.raises(ArtefactError, match="classes the model was not trained on: 'ground'"):
        segment_run.evaluate(folder)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"task": "segment", "mixup": 0.2}, "has no use for mixup"),
        ({"task": "segment", "class_weights": "balanced"}, "has no use for class_weights"),
        ({"task": "segment", "baseline": True}, "has no use for baseline"),
        ({"loss": "hinge"}, "has no use for the loss 'hinge'"),
        ({"model": "quicknet"}, "the task segment needs a net that answers for pixels"),
        ({"augment": "augmix"}, "no mask belongs to what is seen then"),
        ({"task": "segmnt"}, "train.task must be 'classify', 'regress'"),
        ({"metrics": "x"}, "no setting 'metrics'"),
    ],
)
def test_settings_without_use_are_refused(
    settings: dict[str, object], words: str, scans_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        hubel.train(scans_folder, out=str(tmp_path), epochs=1, **settings, **QUICK)


def test_what_needs_labels_says_so(segment_run: hubel.Run, scans_folder: Path) -> None:
    picture = scans_folder / "images" / "000.png"
    with pytest.raises(ArtefactError, match="was trained for the task segment"):
        segment_run.predict_proba(picture)
    with pytest.raises(UsageError, match="judges labels"):
        segment_run.evaluate(metrics=["ece"])
    with pytest.raises(DataError, match="needs a mask for each picture"):
        hubel.train("digits", task="segment")


def test_masks_are_no_labels_to_be_edited_or_judged(scans_folder: Path) -> None:
    with pytest.raises(UsageError, match="has masks, and no single labels"):
        hubel.edit(scans_folder, "relabel", "images/000.png", "2")
    with pytest.raises(UsageError, match="--folds judges labels"):
        hubel.clean(scans_folder, folds=3)


def test_a_class_that_no_mask_shows_is_named(tmp_path: Path) -> None:
    folder = scans(tmp_path / "scans", 4)
    (folder / "classes.txt").write_text("nothing\ndisc\nsquare\nring\n")
    (told,) = open_masks(folder).problems
    assert (told.kind, told.reason) == ("empty class", "it names 'ring', and no mask has a pixel of it")


def test_what_cannot_be_learnt_from_masks_is_refused_before_there_is_a_run(scans_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no mask belongs to what is seen then"):
        hubel.train(scans_folder, out=str(tmp_path), epochs=1, augment=["augmix"], **QUICK)
    with pytest.raises(DataError, match=r"(?s)task classify needs a class for each picture.*--task segment"):
        hubel.train(scans_folder, out=str(tmp_path), task="classify", epochs=1, **QUICK)
    assert not list(tmp_path.iterdir())


def test_areas_move_along_with_the_picture_as_far_as_the_net_is_equivariant(segment_run: hubel.Run) -> None:
    found = segment_run.evaluate()
    assert isinstance(found, Segmentation)
    assert len(found.moves_along) == 8
    assert 0.5 < min(found.moves_along) <= max(found.moves_along) < 1
    stored = json.loads((segment_run.folder / "evaluation.json").read_text())
    assert stored["moves_along"] == pytest.approx(list(found.moves_along))
    assert "its areas should move along" in (segment_run.folder / "report.html").read_text()


def test_a_net_of_points_moves_along_and_one_that_goes_by_place_does_not() -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 1, 16, 16), np.uint8))

    def points(x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, 1 - x], dim=1)

    def places(x: torch.Tensor) -> torch.Tensor:
        right = torch.arange(16.0).expand(len(x), 1, 16, 16)
        return torch.cat([right - 7.5, 7.5 - right], dim=1)

    shares = [move_along(Calls(net), images, lambda x: x / 255, torch.device("cpu")) for net in (points, places)]
    assert shares[0] == (1.0,) * 8
    # Of 16 - s columns that are compared, s lie on the other side of the middle.
    assert shares[1] == pytest.approx([1 - step / (16 - step) for step in range(1, 9)])


class Calls(torch.nn.Module):
    def __init__(self, net: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


@pytest.mark.parametrize(("name", "first", "jump", "places"), [("resnet18", 3, 8, 4), ("mnist_gap", 4, 4, 6)])
def test_a_net_for_classes_is_asked_place_by_place(name: str, first: int, jump: int, places: int) -> None:
    torch.manual_seed(0)
    net = create_model(name, num_classes=3, in_chans=1, img_size=32).eval()
    images = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        pixels, answer = net.segment(images), net(images)
    assert pixels.shape == (2, 3, 32, 32)
    # Its places lie half-way between two pixels, where bilinear answers are theirs; of these the net takes the mean.
    rows = (pixels[:, :, first::jump][:, :, :places] + pixels[:, :, first + 1 :: jump][:, :, :places]) / 2
    at = (rows[..., first::jump][..., :places] + rows[..., first + 1 :: jump][..., :places]) / 2
    torch.testing.assert_close(at.mean(dim=(2, 3)), answer)


def test_a_net_for_classes_learns_to_segment_and_its_run_answers(scans_folder: Path, tmp_path: Path) -> None:
    run = hubel.train(
        scans_folder, model="mnist_gap", epochs=12, batch_size=6, learning_rate=0.01, out=str(tmp_path), **QUICK
    )
    losses = run.history["train_loss"]
    assert losses[-1] < 0.8 * losses[0]
    (said,) = run.predict([next((scans_folder / "images").iterdir())])
    assert said.picture.ndim == 2


def test_a_net_that_has_no_answer_for_pixels_is_refused_with_those_that_have(scans_folder: Path) -> None:
    with pytest.raises(UsageError, match="needs a net that answers for pixels") as caught:
        hubel.train(scans_folder, model="mlp", epochs=1, **QUICK)
    assert "resnet18" in (caught.value.hint or "")


def test_two_segmenters_are_compared_from_the_areas_that_their_folders_keep(
    segment_run: hubel.Run, tmp_path: Path
) -> None:
    measured = segment_run.evaluate()
    assert isinstance(measured, Segmentation)
    folders = [Path(shutil.copytree(segment_run.folder, tmp_path / name)) for name in ("sure", "poor", "old")]
    lines = (folders[1] / "areas.csv").read_text().splitlines()
    (folders[1] / "areas.csv").write_text(
        "\n".join([lines[0], *(line[: line.rfind(",")] + ",0" for line in lines[1:])])
    )
    document = json.loads((folders[1] / "evaluation.json").read_text())
    (folders[1] / "evaluation.json").write_text(json.dumps(document | {"mean_iou": 0.0}))
    (test,) = weigh(folders[:2]).tests
    assert isinstance(test, Drawn)
    assert (test.first, test.samples) == ("sure", measured.samples)
    assert test.difference == pytest.approx(measured.mean_iou)
    assert [each.first for each in test.classes] == pytest.approx(measured.iou.tolist(), nan_ok=True)
    assert "Class by class" in page(folders[:2])
    (folders[2] / "areas.csv").unlink()  # of an earlier hubel
    with pytest.raises(ArtefactError, match=r"areas\.csv is not there\n.*hubel evaluate RUN --out RUN"):
        weigh(folders)
