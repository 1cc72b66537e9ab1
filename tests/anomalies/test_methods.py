"""Every method finds what was planted; each is held against another way to get the same numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors
from sklearn.svm import OneClassSVM

from anomalies.parts import good, scratched
from hubel.anomalies.adversarial import Maker, opened, seen
from hubel.anomalies.detecting import FEWEST, divide, full_size, judge, learn, suspicious
from hubel.anomalies.eyes import Eyes, chosen_stages, patches, together
from hubel.anomalies.flat import (
    fit_forest,
    fit_knn,
    fit_ocsvm,
    fit_pca,
    gaussian,
    look_forest,
    look_knn,
    look_ocsvm,
    look_pca,
    principal,
    rows,
    unusual,
)
from hubel.anomalies.foreign import blended
from hubel.anomalies.methods import METHODS
from hubel.anomalies.patchwise import NEIGHBOURS, Bank, coreset, fit_padim, look_padim
from hubel.anomalies.settings import Settings
from hubel.data.preprocessing import Preprocessing
from hubel.errors import DataError, UsageError
from hubel.metrics.roc import auroc
from hubel.models import create_model
from hubel.watching import SILENT, Watcher

EYES = Eyes(preprocessing=Preprocessing(height=24, width=24, channels=1))
QUICK = Settings(epochs=12, seconds=20, coreset=0.05)
LONG = {"fpi": 100, "anogan": 400}
"""Methods that learn nothing in a few steps, and the passes they need."""


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in METHODS])
def test_every_method_tells_a_scratched_part_from_a_good_one(name: str) -> None:
    normal = good(60)
    parts = divide(EYES, normal, 0.1)
    settings = replace(QUICK, epochs=LONG[name], seconds=600) if name in LONG else QUICK
    learnt = learn(name, EYES, normal, parts, 0.1, settings)
    fine, (bad, masks) = good(20, seed=5), scratched(good(20, seed=6))
    truth = np.repeat([0, 1], 20)
    where = np.concatenate([np.zeros_like(masks), masks]).astype(np.int8)
    found = judge(learnt, np.concatenate([fine, bad]), truth, where)
    least = {"forest": 0.7, "vae": 0.8, "fpi": 0.75, "anogan": 0.75}.get(name, 0.9)
    assert found.auroc >= least, name
    assert (found.maps is not None) == METHODS.get(name).maps
    if found.maps is not None:
        assert found.pixel_auroc >= 0.75, name
    assert found.threshold.held == 12
    again, _ = learnt.look(bad[3:4])
    np.testing.assert_allclose(again, found.scores[23:24], rtol=1e-4, atol=1e-5, err_msg="alone as among others")


def test_pca_is_that_of_scikit_learn() -> None:
    images = good(30)
    state = fit_pca(EYES, images, Settings(components=5), SILENT)
    values = rows(EYES, images)
    other = PCA(5, svd_solver="full").fit(values)
    off = ((values - other.inverse_transform(other.transform(values))) ** 2).mean(axis=1)
    scores, maps = look_pca(EYES, state, images)
    np.testing.assert_allclose(scores, off, rtol=1e-6, atol=1e-12)
    assert maps is not None
    np.testing.assert_allclose(maps.mean(axis=(1, 2)), scores)


@pytest.mark.parametrize("shape", [(40, 7), (7, 40)])
def test_directions_are_those_of_the_singular_values(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).normal(size=shape)
    mean, basis, variance = principal(values, 3)
    _, sizes, directions = np.linalg.svd(values - mean, full_matrices=False)
    np.testing.assert_allclose(variance, sizes[:3] ** 2 / (shape[0] - 1))
    np.testing.assert_allclose(np.abs((basis.T * directions[:3]).sum(axis=1)), 1)


def test_neighbours_machine_and_forest_are_those_of_scikit_learn() -> None:
    images, others = good(40), scratched(good(9, seed=3))[0]
    values, asked = rows(EYES, images), rows(EYES, others)
    nearest = NearestNeighbors(n_neighbors=5).fit(values).kneighbors(asked)[0].mean(axis=1)
    np.testing.assert_allclose(look_knn(EYES, fit_knn(EYES, images, QUICK, SILENT), others)[0], nearest, rtol=1e-6)
    state = fit_ocsvm(EYES, images, QUICK, SILENT)
    machine = OneClassSVM(kernel="rbf", gamma=float(state["gamma"][0]), nu=0.05).fit(values)
    np.testing.assert_allclose(look_ocsvm(EYES, state, others)[0], -machine.decision_function(asked), atol=1e-6)
    forest = IsolationForest(n_estimators=200, random_state=0).fit(values.astype(np.float32))
    ours = look_forest(EYES, fit_forest(EYES, images, QUICK, SILENT), others)[0]
    np.testing.assert_allclose(ours, -forest.score_samples(asked.astype(np.float32)), atol=1e-6)


def test_the_gaussian_is_mahalanobis_where_all_directions_are_kept() -> None:
    values = np.random.default_rng(0).normal(size=(200, 4)) @ np.diag([3.0, 2.0, 1.0, 0.5])
    mean, basis, variance = principal(values, 4)
    plain = np.linalg.inv(np.cov(values.T))
    off = values[:5] - values.mean(axis=0)
    np.testing.assert_allclose(
        unusual(values[:5], gaussian(values, mean, basis, variance)), np.einsum("nf,fg,ng->n", off, plain, off) / 4
    )


def test_padim_is_a_gaussian_at_every_place() -> None:
    images = good(50)
    state = fit_padim(EYES, images, QUICK, SILENT)
    seen = EYES.maps(images)[:, state["kept"]].astype(np.float64)
    here = seen[:, :, 7, 11]
    spread = np.cov(here.T)
    total = np.mean([np.trace(np.cov(seen[:, :, y, x].T)) for y in range(24) for x in range(24)])
    floor = 0.01 * total / seen.shape[1] * 3
    off = here - here.mean(axis=0)
    inverse = np.linalg.inv(spread + floor * np.eye(seen.shape[1]))
    want = np.sqrt(np.einsum("nf,fg,ng->n", off, inverse, off) / seen.shape[1])
    np.testing.assert_allclose(look_padim(EYES, state, images)[1][:, 7, 11], want, rtol=1e-3)  # type: ignore[index]


def test_a_coreset_leaves_nobody_farther_away_than_chance_does() -> None:
    rng = np.random.default_rng(0)
    cloud = np.concatenate([rng.normal(size=(500, 3)), rng.normal(size=(5, 3)) + 30])
    chosen = coreset(cloud, 30)
    assert len(set(chosen.tolist())) == 30

    def farthest(rows: np.ndarray) -> float:
        return float(np.sqrt(((cloud[:, None] - cloud[rows][None]) ** 2).sum(axis=2)).min(axis=1).max())

    assert farthest(chosen) < min(farthest(rng.permutation(505)[:30]) for _ in range(20))


def test_the_farthest_patch_of_a_coreset_is_the_farthest_of_all_numbers() -> None:
    rows = np.random.default_rng(0).normal(size=(400, 152))
    found, apart = [0], np.full(400, np.inf)
    while len(found) < 60:
        apart = np.minimum(apart, np.linalg.norm(rows - rows[found[-1]], axis=1))
        found.append(int(apart.argmax()))
    assert coreset(rows, 60).tolist() == found


@pytest.mark.parametrize("copies", [1, NEIGHBOURS + 3])
def test_patchcore_weighs_a_picture_as_equation_7_does(copies: int) -> None:
    draw = np.random.default_rng(0)
    bank, maps = np.repeat(draw.normal(size=(40, 7)), copies, axis=0), draw.normal(size=(5, 7, 3, 4))
    scores, apart = Bank(bank).judge(maps)
    for row, one in enumerate(maps.reshape(5, 7, 12).transpose(0, 2, 1)):
        every = np.linalg.norm(one[:, None] - bank, axis=2)
        np.testing.assert_allclose(apart[row], every.min(axis=1))
        worst = int(every.min(axis=1).argmax())
        nearest = bank[every[worst].argmin()]
        around = np.sort(np.linalg.norm(bank - nearest, axis=1))[NEIGHBOURS - 1]
        among = every[worst][np.linalg.norm(bank - nearest, axis=1) <= around][:NEIGHBOURS]
        weight = 1 - np.exp(every[worst].min()) / np.exp(among).sum()
        np.testing.assert_allclose(scores[row], weight * every[worst].min())


def test_a_foreign_patch_is_blended_in_where_its_share_says() -> None:
    images = torch.rand(16, 2, 20, 30, generator=torch.Generator().manual_seed(1))
    mixed, share = blended(images, torch.Generator().manual_seed(0))
    assert not ((mixed != images).any(dim=1, keepdim=True) & (share == 0)).any()
    assert 0.05 <= float(share[share > 0].min()) <= float(share.max()) <= 0.95
    assert 0 < (share.amax(dim=(1, 2, 3)) == 0).float().mean() < 0.6


def test_foreign_patches_can_be_learnt_and_looked_for() -> None:
    state = METHODS.get("fpi").fit(EYES, good(12), Settings(epochs=1), SILENT)
    scores, maps = METHODS.get("fpi").look(EYES, state, good(3))
    assert scores.shape == (3,)
    assert maps is not None
    assert maps.shape == (3, 24, 24)


def test_what_is_off_in_a_made_picture_is_counted_as_the_paper_does() -> None:
    net = Maker((1, 6, 7), latent=3, width=8).eval()
    net.get_buffer("spread").copy_(torch.tensor([0.5, 2.0]))
    images = torch.rand(4, 1, 6, 7, generator=torch.Generator().manual_seed(0))
    made, off = net(images, 3.0)
    inner = [net.critic.inner(each).detach().numpy() for each in (images, made)]
    picture = ((images - made).detach().numpy() ** 2).reshape(4, -1).mean(axis=1)
    want = picture / 0.5 + 3.0 * ((inner[0] - inner[1]) ** 2).mean(axis=1) / 2.0
    np.testing.assert_allclose(off.detach().numpy(), want, rtol=1e-5)


def test_a_score_is_the_part_of_the_picture_that_is_most_off_and_what_the_critic_sees() -> None:
    torch.manual_seed(0)
    net = Maker((1, 8, 8), latent=3, width=16).eval()
    net.get_buffer("spread").copy_(torch.tensor([0.25, 4.0]))
    images = torch.rand(5, 1, 8, 8)
    with torch.inference_mode():
        score, maps = seen(net, images, 0.5)
        made, inner = net.make(net.encoder(images)), net.inner_off(images, net(images)[0])
    near = uniform_filter((images - made)[:, 0].numpy(), (0, 3, 3), mode="constant")
    counts = uniform_filter(np.ones((8, 8)), 3, mode="constant")
    want = np.abs(near / counts)
    np.testing.assert_allclose(maps.numpy(), want, rtol=1e-4, atol=1e-6)
    most = np.sort(want.reshape(5, -1), axis=1)[:, -4:].mean(axis=1)
    np.testing.assert_allclose(score.numpy(), most / 0.5 + 0.5 * np.sqrt(inner.numpy() / 4.0), rtol=1e-4)


def test_a_generator_learns_to_make_what_looks_like_the_pictures() -> None:
    bright = np.random.default_rng(0).integers(220, 240, (64, 1, 6, 6), dtype=np.uint8)
    net, _ = opened(METHODS.get("anogan").fit(EYES, bright, Settings(epochs=200), SILENT), "cpu")
    with torch.inference_mode():
        made = net.make(2 * torch.rand(64, net.latent, generator=torch.Generator().manual_seed(0)) - 1)
    assert abs(float(made.mean()) - 0.9) < 0.1, "before, it makes 0.5"


def test_a_generator_learnt_twice_is_the_same_and_stands_still_for_the_encoder() -> None:
    first, again = (METHODS.get("anogan").fit(EYES, good(12), Settings(epochs=5), SILENT) for _ in range(2))
    assert all(np.array_equal(value, again[name]) for name, value in first.items())
    longer = METHODS.get("anogan").fit(EYES, good(12), Settings(epochs=5, critic=0.0), SILENT)
    made = [name for name in first if name.startswith(("net.make", "net.critic"))]
    assert all(np.array_equal(first[name], longer[name]) for name in made), "only the encoder knows the weight"
    found = [name for name in first if name.startswith("net.encoder")]
    assert not all(np.array_equal(first[name], longer[name]) for name in found)


def test_strange_pictures_hide_neither_alone_nor_together() -> None:
    cloud = np.random.default_rng(0).normal(size=(200, 6))
    cloud[:4] = 30 + 0.01 * np.arange(4)[:, None]
    found, far = suspicious(cloud)
    assert set(found.tolist()) == {0, 1, 2, 3}
    assert (far > 5).all()
    clean = np.random.default_rng(1).normal(size=(300, 6))
    assert len(suspicious(clean)[0]) == 0
    assert len(suspicious(np.zeros((50, 3)))[0]) == 0


def test_a_strange_picture_among_the_normal_ones_is_named_and_not_learnt_from() -> None:
    normal = good(60)
    normal[17] = 255 - normal[17]
    parts = divide(EYES, normal, 0.1)
    assert parts.suspicious.tolist() == [17]
    assert 17 not in {*parts.fit.tolist(), *parts.held.tolist()}
    kept = divide(EYES, normal, 0.1, keep_suspicious=True)
    assert 17 in {*kept.fit.tolist(), *kept.held.tolist()}
    with pytest.raises(DataError, match=f"at least {FEWEST} normal pictures are needed, got 3"):
        divide(EYES, normal[:3], 0.1)


def test_a_net_sees_with_its_middle_stages() -> None:
    net = create_model("resnet20", num_classes=3, in_chans=1, img_size=(32, 32)).eval()
    preprocessing = Preprocessing(height=32, width=32, channels=1)
    eyes = Eyes(preprocessing=preprocessing, net=net, stages=chosen_stages(net, preprocessing), name="resnet20")
    assert len(eyes.stages) == 2
    seen = eyes.maps(good(3, side=32))
    assert seen.shape[2] >= 4
    assert eyes.vectors(good(3, side=32)).shape[0] == 3
    flat = create_model("mlp", num_classes=3, in_chans=1, img_size=(32, 32))
    with pytest.raises(UsageError, match="cannot say where something is strange"):
        chosen_stages(flat, preprocessing)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 24, 31), (3, 64, 64), (1, 200, 120)])
def test_pictures_of_any_size_have_patches(shape: tuple[int, int, int]) -> None:
    found = patches(torch.randint(0, 256, (2, *shape), dtype=torch.uint8))
    assert max(found.shape[2:]) <= 33
    assert found.shape[1] <= 400
    assert together([torch.ones(1, 2, 6, 6)]).shape == (1, 2, 6, 6)
    maps = np.zeros((2, *found.shape[2:]), np.float32)
    assert full_size(maps, *shape[1:]).shape == (2, *shape[1:])


def test_the_scale_of_a_map_is_that_of_its_threshold() -> None:
    normal = good(60)
    learnt = learn("padim", EYES, normal, divide(EYES, normal, 0.1), 0.1, QUICK)
    scores, maps = learnt.look(scratched(good(10, seed=9))[0])
    assert maps is not None
    np.testing.assert_allclose(maps.reshape(10, -1).max(axis=1) > 1, scores > 1)
    assert auroc(scores, np.ones(10))[0] != auroc(scores, np.ones(10))[0]


def test_a_generator_and_its_encoder_are_one_way_of_progress() -> None:
    told: list[int] = []

    class Counts(Watcher):
        def progress(self, done: int, total: int) -> None:
            told.append(round(1000 * done / total))

    METHODS.get("anogan").fit(EYES, good(12), Settings(epochs=45), Counts())
    assert told == sorted(told)
    assert told[0] == 0
    assert 600 in told


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_the_critic_never_makes_what_is_off_less_strange(weight: float) -> None:
    with pytest.raises(UsageError, match="critic must be a number of at least 0"):
        Settings(critic=weight)
