"""Metric learning: batches by class, losses of pairs and triplets, retrieval, verification, classes added later."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

import hubel
from hubel.assembly.begin import make_ready
from hubel.assembly.requests import requested
from hubel.data.batches import class_order
from hubel.errors import ArtefactError, DataError, UsageError
from hubel.evaluation.metric_learning import MetricLearning
from hubel.metrics.retrieval import retrieve, verify
from hubel.nn.losses import PairLoss, build_loss, semi_hard_triplets
from hubel.tasks.answers import Answers
from hubel.watching import SILENT
from trainers import Brief, Enough

from .conftest import QUICK


def folder_of(place: Path, digits: list[int], each: int = 24, skip: int = 0) -> Path:
    """Real digits of 8x8 in class folders."""
    found = load_digits()
    for digit in digits:
        (place / f"digit {digit}").mkdir(parents=True)
        for row, image in enumerate(found.images[found.target == digit][skip : skip + each]):
            Image.fromarray((image * 15).astype(np.uint8)).save(place / f"digit {digit}" / f"{row:03}.png")
    return place


SMALL = {"model_options": {"backbone": "mlp", "width": 16}, "epochs": 12, "batch_size": 32, "lr": 0.01, **QUICK}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    place = folder_of(tmp_path_factory.mktemp("digits") / "five", [0, 1, 2, 3, 4], each=40)
    return hubel.train(
        place, task="embed", out=str(tmp_path_factory.mktemp("runs")), model="siamese", val_fraction=0.2, **SMALL
    )


def test_a_net_that_names_nothing_teaches_no_classes(run: hubel.Run) -> None:
    data = run.recipe["data"]["data"]
    with pytest.raises(
        UsageError, match="was trained for the task embed, and softened answers are those of a classifier"
    ):
        hubel.train(data, teacher=str(run.folder), epochs=1, out=str(run.folder.parent), **QUICK)


def test_it_learns_what_is_near_and_shows_it(run: hubel.Run) -> None:
    assert run.recipe["loss"]["loss"] == "triplet"
    found = run.evaluate()
    assert isinstance(found, MetricLearning)
    assert found.recall[1] > 0.85
    assert found.nearest_class > 0.85
    assert run.summary["test"]["recall"] == pytest.approx(found.recall[1])
    page = (run.folder / "report.html").read_text()
    assert "Are two of one class?" in page
    assert {"map.svg", "near.png", "roc.svg", "recall.svg"} <= {p.name for p in (run.folder / "figures").iterdir()}


def test_classes_that_were_never_learnt_are_told_apart_and_added_without_training(
    run: hubel.Run, tmp_path: Path
) -> None:
    strange = folder_of(tmp_path / "strange", [6, 7])
    found = run.evaluate(strange)
    assert isinstance(found, MetricLearning)
    assert found.class_names == ("digit 6", "digit 7")
    assert np.isnan(found.nearest_class)
    assert found.recall[1] > 0.7
    new = folder_of(tmp_path / "new", [7], each=4, skip=40)
    said = run.predict(new, classes=strange)
    assert isinstance(said, Answers)
    assert set(said[0].numbers) == {*(f"digit {k}" for k in (0, 1, 2, 3, 4, 6, 7))}
    middle = found.points[found.labels == 1].mean(0)
    net, before = run.load(), run.predict(new)
    assert isinstance(before, Answers)
    for answer, was in zip(said, before, strict=True):
        pixels = net.preprocessing.image(Image.open(answer.name))[None]
        with torch.no_grad():
            point = net.model.embed(net.preprocessing.normalise(torch.from_numpy(pixels.copy())))[0].numpy()
        assert answer.numbers["digit 7"] == pytest.approx(
            float(np.linalg.norm(point - middle / np.linalg.norm(middle))), abs=1e-4
        )
        assert answer.numbers["digit 0"] == pytest.approx(was.numbers["digit 0"], abs=1e-5)
    assert "digit 7" not in run.predict(new)[0].numbers


def test_what_the_other_commands_make_of_it(run: hubel.Run, tmp_path: Path) -> None:
    picture = next((Path(run.recipe["data"]["data"]) / "digit 0").iterdir())
    with pytest.raises(ArtefactError, match="was trained for the task embed"):
        run.predict_proba(picture)
    from hubel.verbs.neighbours import neighbours

    assert neighbours(run.folder, picture, k=3) is not None
    with pytest.raises(UsageError, match="only a net that learnt what is near"):
        hubel.predict(hubel.train("digits", model="mlp", epochs=1, limit=60, out=str(tmp_path), **QUICK).folder,
                      picture, classes=tmp_path)  # fmt: skip


@pytest.mark.parametrize("turned", [False, True])
def test_a_run_that_is_cut_short_goes_on_to_the_same_bits(run: hubel.Run, tmp_path: Path, turned: bool) -> None:
    data = run.recipe["data"]["data"]
    settings = {"task": "embed", **SMALL, "epochs": 2, "save_every": 0.001, "turned_classes": turned}
    whole = hubel.train(data, out=str(tmp_path / "whole"), **settings)
    with pytest.raises(Enough):
        hubel.verbs.train.train(data, out=str(tmp_path / "cut"), watch=Brief(5), **settings)
    (cut,) = (tmp_path / "cut").iterdir()
    hubel.train(resume=cut)
    one, two = ((folder / "weights" / "last.safetensors").read_bytes() for folder in (whole.folder, cut))
    assert one == two


def test_every_batch_has_several_samples_of_several_classes_and_is_a_function_of_seed_and_epoch() -> None:
    labels = np.array([0] * 50 + [1] * 9 + [2] * 5 + [3] * 2 + [4])
    ids = np.arange(len(labels))
    order = class_order(ids, labels, classes=3, each=4, seed=1, epoch=2)
    batches = labels[order].reshape(-1, 3, 4)
    assert len(batches) == len(ids) // 12
    assert (batches == batches[:, :, :1]).all()
    assert all(len(set(batch[:, 0])) == 3 for batch in batches)
    assert 4 not in batches, "one sample has nobody to be near to"
    assert (order == class_order(ids[::-1], labels, classes=3, each=4, seed=1, epoch=2)).all()
    assert (order != class_order(ids, labels, classes=3, each=4, seed=1, epoch=3)).any()


def test_recall_and_precision_are_those_of_a_search_by_hand() -> None:
    draw = np.random.default_rng(0)
    points, labels = draw.normal(size=(60, 5)), draw.integers(0, 4, 60)
    found = retrieve(points, labels, (1, 3))
    order = NearestNeighbors(n_neighbors=60).fit(points).kneighbors(points, return_distance=False)[:, 1:]
    same = labels[order] == labels[:, None]
    assert found.recall == {1: same[:, 0].mean(), 3: same[:, :3].any(1).mean()}
    expected = []
    for row, label in zip(same, labels, strict=True):
        others = (labels == label).sum() - 1
        hits = [row[: i + 1].mean() for i in range(others) if row[i]]
        expected.append(sum(hits) / others)
    assert found.map_at_r == pytest.approx(np.mean(expected))


def test_verification_is_the_area_under_the_curve_of_all_pairs() -> None:
    draw = np.random.default_rng(0)
    points, labels = draw.normal(size=(40, 3)), draw.integers(0, 3, 40)
    found = verify(points, labels)
    first, second = np.triu_indices(40, 1)
    apart = np.linalg.norm(points[first] - points[second], axis=1)
    assert found.auroc == pytest.approx(roc_auc_score(labels[first] == labels[second], -apart))
    alike = labels[first] == labels[second]
    missed = (apart[alike] > found.distance + 1e-12).mean()
    let_pass = (apart[~alike] <= found.distance + 1e-12).mean()
    assert abs(missed - let_pass) < 0.02
    assert found.equal_error == pytest.approx((missed + let_pass) / 2, abs=1e-6)
    assert np.isnan(verify(points, labels * 0).auroc)
    some = verify(points, labels, most=20)
    assert sum(some.pairs) == 20 * 19 // 2
    assert some.auroc == verify(points, labels, most=20).auroc, "drawn by the seed"


def test_semi_hard_triplets_are_those_of_the_definition() -> None:
    torch.manual_seed(0)
    points, labels = F.normalize(torch.randn(14, 4)), torch.arange(14) % 3
    apart = torch.cdist(points, points)
    for a, p, n in zip(*semi_hard_triplets(points, labels), strict=True):
        strangers = [k for k in range(14) if labels[k] != labels[a]]
        beyond = [k for k in strangers if apart[a, k] > apart[a, p]]
        expected = min(beyond, key=lambda k: apart[a, k]) if beyond else max(strangers, key=lambda k: apart[a, k])
        assert int(n) == expected
        assert labels[a] == labels[p] != labels[n]


@pytest.mark.parametrize("name", [*PairLoss.MARGINS, "triplet-ratio"])
def test_each_loss_brings_friends_together_and_is_defined_where_there_is_nothing_to_tell_apart(name: str) -> None:
    torch.manual_seed(0)
    free, labels = torch.randn(12, 4, requires_grad=True), torch.arange(12) % 3
    optimiser, loss = torch.optim.Adam([free], lr=0.05), PairLoss(name)
    for _ in range(150):
        optimiser.zero_grad()
        loss(F.normalize(free), labels).backward()
        optimiser.step()
    assert retrieve(F.normalize(free).detach().numpy(), labels.numpy(), (1,)).recall[1] == 1.0
    alone = loss(F.normalize(torch.randn(4, 3, requires_grad=True)), torch.zeros(4, dtype=torch.int64))
    assert torch.isfinite(alone)


def test_pairs_of_one_class_and_of_two_count_alike() -> None:
    points, labels = F.normalize(torch.randn(6, 3)), torch.tensor([0, 0, 1, 1, 1, 1])
    first, second = torch.triu_indices(6, 6, offset=1)
    same = labels[first] == labels[second]
    costs = build_loss("contrastive", reduction="none")(points[first], points[second], same)
    torch.testing.assert_close(PairLoss("contrastive")(points, labels), (costs[same].mean() + costs[~same].mean()) / 2)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"micro_batch": 4}, "has no use for micro_batch, since pairs are formed within a batch"),
        ({"loss": "cross-entropy", "task": "embed"}, "has no use for the loss 'cross-entropy'"),
        ({"model": "mlp", "model_options": {"hidden": [8]}}, "puts mlp under siamese, and then it takes no options"),
        ({"label_smoothing": 0.1}, "has no use for label_smoothing"),
    ],
)
def test_settings_without_use_are_refused(settings: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        hubel.train("digits", out=str(tmp_path), epochs=1, **{"loss": "triplet", **settings}, **QUICK)


def test_a_loss_of_triplets_chooses_the_task_and_a_named_net_becomes_the_backbone(tmp_path: Path) -> None:
    run = hubel.train("digits", loss="triplet-hard", model="mlp", epochs=1, limit=100, out=str(tmp_path), **QUICK)
    assert run.recipe["train"]["task"] == "embed"
    assert run.recipe["model"]["model"] == "siamese"
    assert run.recipe["model"]["model_options"]["backbone"] == "mlp"
    assert "the loss triplet-hard is made for it" in (run.folder / "report.html").read_text()


def test_one_class_or_one_picture_a_class_teach_nothing(tmp_path: Path) -> None:
    lonely = folder_of(tmp_path / "lonely", [0, 1, 2], each=1)
    with pytest.raises(DataError, match="two classes with two pictures"):
        hubel.train(lonely, task="embed", out=str(tmp_path / "runs"), **QUICK)


def test_classes_turned_are_classes_of_their_own_and_an_epoch_has_as_many_steps(run: hubel.Run) -> None:
    settings = {"data": run.recipe["data"]["data"], "task": "embed", "augment": "none", "val_fraction": 0.2, **SMALL}
    plain, turned = (make_ready(requested({**settings, "turned_classes": choice}), SILENT) for choice in (False, True))
    assert turned.training.steps_per_epoch == plain.training.steps_per_epoch
    batches = list(turned.training.batches(0, 0))
    assert len(batches) == turned.training.steps_per_epoch
    assert {int(label) // 5 for batch in batches for label in batch.labels} == {0, 1, 2, 3}
    decoded, seen = turned.prepared.decoded, turned.prepared.preprocessing
    assert seen is not None
    for batch in batches:
        assert min(torch.unique(batch.labels, return_counts=True)[1]) >= 2
        upright = seen.normalise(torch.from_numpy(decoded.images[batch.ids.numpy()]))
        for picture, label, row, source in zip(batch.images, batch.labels, batch.ids, upright, strict=True):
            turns, kind = divmod(int(label), 5)
            assert kind == decoded.labels[int(row)]
            assert torch.equal(picture, source.rot90(turns, (1, 2)))
    (again,) = list(turned.training.batches(0, 1))[:1]
    assert torch.equal(again.images, batches[1].images)


def test_a_picture_that_is_turned_is_also_moved_by_a_chance_of_its_own(run: hubel.Run) -> None:
    settings = {"data": run.recipe["data"]["data"], "task": "embed", "augment": "translate=2", "turned_classes": True}
    ready = make_ready(requested({**settings, **SMALL}), SILENT)
    upright: dict[int, dict[int, torch.Tensor]] = {}
    for batch in ready.training.batches(0, 0):
        for picture, label, row in zip(batch.images, batch.labels, batch.ids, strict=True):
            turns = int(label) // 5
            upright.setdefault(int(row), {})[turns] = picture.rot90(-turns, (1, 2))
    several = [list(forms.values()) for forms in upright.values() if len(forms) > 1]
    assert several
    assert any(not torch.equal(one, other) for one, other, *_ in several)


def test_classes_are_not_turned_where_that_would_contradict_itself_or_the_task(tmp_path: Path) -> None:
    data = folder_of(tmp_path / "two", [3, 4], each=8)
    wanted = {"task": "embed", "turned_classes": True, "out": str(tmp_path), **SMALL}
    with pytest.raises(UsageError, match="square pictures, got 12 x 16 pixels"):
        hubel.train(data, img_size=(12, 16), **wanted)
    with pytest.raises(UsageError, match="quarter-turns calls a turned picture one of its class"):
        hubel.train(data, augment="quarter-turns", **wanted)
    with pytest.raises(UsageError, match="no use for turned_classes, whose classes are what is learnt"):
        hubel.train(data, turned_classes=True, model="mlp", epochs=1, out=str(tmp_path), **QUICK)
