"""A net in a tenth of its bytes: what goes, what is shared, and that what comes out is a run like any other."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

import hubel
from hubel.checkpoint import load
from hubel.cli import main
from hubel.compression.pruning import Ranking, apply, scores, weights_of
from hubel.compression.sharing import MOST_STEPS, USUAL, Sharing, cluster
from hubel.compression.sizing import bytes_of, finest_within, wanted_bytes
from hubel.errors import ArtefactError, DataError, UsageError
from hubel.records.removal import removable

NET = {"model": "mlp", "model_options": {"hidden": [200, 100]}}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    out = str(tmp_path_factory.mktemp("runs"))
    return hubel.train("digits", epochs=8, out=out, device="cpu", threads=1, baseline=False, **NET)


@pytest.fixture(scope="module")
def found(run: hubel.Run) -> hubel.Compressed:
    return run.compress("8x", epochs=6, device="cpu")


def test_the_file_is_as_small_as_was_asked(run: hubel.Run, found: hubel.Compressed) -> None:
    raw = sum(each.numel() * each.element_size() for each in run.load().model.state_dict().values())
    assert found.raw_bytes == raw
    assert found.asked == raw // 8
    assert found.file.stat().st_size == found.bytes <= raw / 8
    assert found.bytes > 0.9 * raw / 8, "what may be kept is kept"
    assert found.times >= 8


def test_most_weights_are_gone_and_the_rest_shares_few_values(found: hubel.Compressed) -> None:
    small = load(found.folder)
    for name, weight in weights_of(small.model).items():
        values = np.unique(weight.detach().numpy())
        assert len(values[values != 0]) <= 32, name
    present = sum(int(each.count_nonzero()) for each in weights_of(small.model).values())
    total = sum(each.numel() for each in weights_of(small.model).values())
    assert present / total == pytest.approx(found.stages[-1].kept)
    assert found.stages[-1].kept < 0.6


def test_every_stage_is_measured_and_none_grows(found: hubel.Compressed) -> None:
    names = [stage.name for stage in found.stages]
    assert names[0] == "as trained"
    assert names[-1] == "in Huffman's code"
    assert sum(name.startswith("pruned") for name in names) == 5
    assert "values shared" in names
    sizes = [stage.bytes for stage in found.stages]
    assert all(later <= earlier * 1.001 for earlier, later in itertools.pairwise(sizes))
    for stage in found.stages:
        assert stage.interval[0] <= stage.accuracy <= stage.interval[1]
    assert abs(found.lost) < 6, "a net that is retrained loses little at a size that is not extreme"


def test_the_last_stage_is_the_net_that_was_written(found: hubel.Compressed) -> None:
    assert hubel.evaluate(found.folder, split="val").top1 == pytest.approx(found.stages[-1].accuracy)
    assert hubel.evaluate(found.folder).top1 == pytest.approx(found.test[1])


def test_it_answers_evaluates_exports_and_stands_alone_like_any_run(
    run: hubel.Run, found: hubel.Compressed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    picture = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    by_run = hubel.predict(found.folder, picture)[0]
    alone = Path("small.packed")
    alone.write_bytes(found.file.read_bytes())
    by_file = hubel.predict(alone, picture)[0]
    assert by_run.label == by_file.label
    page = hubel.Run(found.folder).export("page", pictures=8)
    assert page.parity.holds
    assert page.path.is_file()
    assert hubel.Run(found.folder).status == "finished"
    assert found.folder.name in {row["run"] for row in hubel.runs(found.folder.parent)}
    assert removable(found.folder) == found.folder
    begun = hubel.train("digits", from_=str(alone), epochs=1, limit=60, out="runs", baseline=False)
    assert begun.status == "finished"


def test_the_table_fits_80_columns_and_json_says_the_same(
    run: hubel.Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["compress", str(run.folder), "--to", "6x", "--epochs", "0", "--out", str(tmp_path)]
    with pytest.raises(SystemExit, match="0"):
        main(words)
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines()[:6])) <= 80
    assert "95 % interval" in text
    assert "pruned" in text
    with pytest.raises(SystemExit, match="0"):
        main([*words, "--bits", "4", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["bits"] == [4]
    assert said["times"] >= 6
    assert [stage["name"] for stage in said["stages"]] == ["as trained", "values shared", "in Huffman's code"]


@pytest.mark.parametrize(
    ("to", "settings", "says"),
    [("10", {}, "neither"), ("big", {}, "must be how many times"), ("0x", {}, "must be how many times"),
     ("0.5x", {}, "would be"), ("100000x", {}, "next to nothing"), ("10x", {"bits": 9}, "1 to 8 bits"),
     ("10x", {"epochs": -1}, "0 or more"), ("nanx", {}, "must be how many times"), ("1e400kB", {}, "must be")],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_before_anything_is_written(
    run: hubel.Run, to: str, settings: dict[str, int], says: str
) -> None:
    before = sorted(run.folder.parent.iterdir())
    with pytest.raises(UsageError, match=says):
        run.compress(to, **settings)
    assert sorted(run.folder.parent.iterdir()) == before


def test_a_run_without_validation_samples_and_one_that_names_nothing_are_refused(
    tmp_path: Path, run: hubel.Run, found: hubel.Compressed
) -> None:
    blind = hubel.train("digits", epochs=1, limit=100, val_fraction=0, out=str(tmp_path), baseline=False, **NET)
    with pytest.raises(DataError, match="validation"):
        blind.compress()
    alone = tmp_path / "weights.packed"
    alone.write_bytes(found.file.read_bytes())
    with pytest.raises(ArtefactError, match="does not say how it was trained"):
        hubel.compress(alone)


def test_scores_are_a_weight_s_square_over_those_no_smaller() -> None:
    weight = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    flat = weight.flatten().double() ** 2
    brute = [float(value / flat[flat >= value].sum()) for value in flat]
    np.testing.assert_allclose(scores(weight).flatten(), brute, rtol=1e-5)


def test_no_layer_loses_all_however_small_its_weights_are() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(20, 20), torch.nn.Linear(20, 20))
    with torch.no_grad():
        net[1].weight.mul_(1e-6)
    weights = weights_of(net)
    apply(weights, Ranking(weights).keep(0.01))
    kept = [int(weight.count_nonzero()) for weight in weights.values()]
    assert sum(kept) == 8
    assert min(kept) >= 1


def test_clusters_are_as_good_as_those_of_scikit_learn() -> None:
    values = np.random.default_rng(0).laplace(size=2_000)
    centroids, which = cluster(values, 16)
    ours = float(((values - centroids[which]) ** 2).sum())
    start = np.linspace(values.min(), values.max(), 16)[:, None]
    theirs = KMeans(16, init=start, n_init=1, max_iter=300, tol=0).fit(values[:, None]).inertia_
    assert ours < 1.1 * theirs


def test_a_cluster_moves_by_the_mean_of_what_its_weights_would() -> None:
    torch.manual_seed(0)
    net = torch.nn.Linear(16, 8)
    shared = Sharing(weights_of(net), (2, 2))
    before, step = net.weight.detach().clone(), torch.randn(8, 16)
    with torch.no_grad():
        net.weight.add_(step)
    shared.tie()
    for value in before.unique():
        mine = before == value
        assert torch.allclose(net.weight[mine], value + step[mine].mean(), atol=1e-5)


def test_zeros_stay_zeros_while_the_rest_is_trained() -> None:
    net = torch.nn.Linear(16, 8)
    with torch.no_grad():
        net.weight[:, ::2] = 0
    shared = Sharing(weights_of(net), (3, 3))
    with torch.no_grad():
        net.weight.add_(1)
    shared.tie()
    assert not net.weight[:, ::2].any()
    assert net.weight[:, 1::2].all()


def test_sizes_are_read_as_people_write_them() -> None:
    assert [wanted_bytes(text, 1_000_000) for text in ("10x", "10 X", "4×", "100 kB", "0.5MB")] == [
        100_000, 100_000, 250_000, 100_000, 500_000,
    ]  # fmt: skip


def test_where_nothing_needs_to_be_pruned_values_are_finer_and_the_size_is_near(
    run: hubel.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    easy = run.compress("4x", epochs=0, device="cpu", out=tmp_path, verbose=True)
    assert 4 <= easy.times < 4.6, "five bits would make it more than five times smaller"
    assert easy.bits > (5,)
    assert easy.stages[-1].kept > 0.99
    assert "nothing is pruned" in capsys.readouterr().err
    coarse = run.compress("4x", epochs=0, bits=5, device="cpu", out=tmp_path)
    assert coarse.times > easy.times, "bits that were asked for are kept to"


def test_the_finest_values_that_fit_are_found_by_trying_all() -> None:
    draw = np.random.default_rng(0)
    weights = {
        "filters": torch.tensor(draw.normal(size=(16, 8, 3, 3)), dtype=torch.float32),
        "matrix": torch.tensor(draw.normal(size=(64, 64)), dtype=torch.float32),
    }
    sizes = {bits: bytes_of(weights, (8, bits), steps=MOST_STEPS).coded for bits in (5, 6, 7, 8)}
    for bits, size in sizes.items():
        assert finest_within(weights, USUAL, size) == (8, bits)
    assert finest_within(weights, USUAL, 1) == USUAL
