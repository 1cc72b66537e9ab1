"""Transfer from Python: a trained net as the start of another training."""

from __future__ import annotations

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
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_digits

import hubel
from hubel.assembly.prepare import Prepared
from hubel.assembly.transfer.beforehand import named_beforehand
from hubel.assembly.transfer.second import is_ahead, second
from hubel.errors import ArtefactError, HubelError, UsageError
from hubel.events import EpochDone
from hubel.recipes.schema import compose, read_file
from hubel.store import RunStore
from hubel.training import features
from hubel.training.features import head_inputs
from hubel.verbs import conclude
from hubel.verbs.train import Stopped, train
from hubel.verbs.weights import import_weights
from hubel.watching import Watcher
from trainers import fingerprint

SMALL: dict[str, Any] = {"threads": 1, "device": "cpu"}
NET = {"model": "layers", "model_options": {"layers": [
    "conv 8 3x3", "batchnorm", "relu", "conv 16 3x3", "batchnorm", "relu", "conv 24 3x3", "batchnorm", "relu",
    "flatten", "dropout 0.2", "dense K",
]}}  # fmt: skip


def write(folder: Path, wanted: range, each: int) -> Path:
    digits = load_digits()
    for label in wanted:
        (folder / str(label)).mkdir(parents=True)
        for row, image in enumerate(digits.images[digits.target == label][:each]):
            Image.fromarray((image * 255 / 16).astype("uint8")).save(folder / str(label) / f"{row:03}.png")
    return folder


@pytest.fixture(scope="module")
def low(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the digits 0 to 4."""
    base = tmp_path_factory.mktemp("low")
    folder = write(base / "low", range(5), 170)
    settings = NET | SMALL | {"epochs": 8, "lr": 0.01}
    return hubel.train(folder, out=str(base / "runs"), **settings).folder


@pytest.fixture(scope="module")
def high(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the digits 5 to 9, of which the net of `low` has seen none."""
    return write(tmp_path_factory.mktemp("high") / "high", range(5, 10), 60)


@pytest.fixture(scope="module")
def head_run(low: Path, high: Path, tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    """A new head for `high` on the frozen net of `low`."""
    out = tmp_path_factory.mktemp("head")
    return hubel.train(high, from_=str(low), unfreeze="head", head="linear", out=str(out), **SMALL)


def tensors(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "weights" / "best.safetensors")


def test_e160_a_new_head_on_a_frozen_net_beats_the_same_net_from_scratch_with_few_samples(
    low: Path, high: Path, tmp_path: Path
) -> None:
    few = SMALL | {"limit": 25, "out": str(tmp_path)}
    scratch = hubel.train(high, **(NET | few | {"epochs": 20, "lr": 0.003}))
    frozen = hubel.train(high, from_=str(low), unfreeze="head", **few)
    assert frozen.summary["best"]["val_accuracy"] > scratch.summary["best"]["val_accuracy"]


def test_only_the_head_has_changed_to_the_bit(low: Path, head_run: hubel.Run) -> None:
    old, new = tensors(low), tensors(head_run.folder)
    head = hubel.load(head_run.folder).model.head
    assert {name for name in new if not torch.equal(new[name], old[name])} == {f"{head}.weight", f"{head}.bias"}


def test_the_run_is_an_ordinary_one(head_run: hubel.Run, high: Path) -> None:
    classifier = head_run.load()
    assert classifier.class_names == ("5", "6", "7", "8", "9")
    assert head_run.evaluate().top1 == head_run.summary["test"]["accuracy"]
    assert head_run.summary["test"]["accuracy"] > 0.7
    assert [p.label for p in head_run.predict([high / "7" / "003.png"])] == ["7"]
    assert "penalty" in head_run.history
    assert head_run.summary["reason"] == "optimum"
    assert 0 < head_run.summary["learning_parameters"] < head_run.summary["parameters"]


def test_the_preprocessing_is_that_of_the_source(low: Path, head_run: hubel.Run) -> None:
    assert hubel.load(head_run.folder).preprocessing == hubel.load(low).preprocessing


def test_the_fitted_head_says_of_pictures_what_it_said_of_features(head_run: hubel.Run) -> None:
    best = head_run.summary["best"]
    through_the_net = head_run.evaluate(split="val")
    assert through_the_net.top1 == best["val_accuracy"]
    assert through_the_net.log_loss == pytest.approx(best["val_loss"], rel=1e-4)


def test_a_frozen_net_runs_once_over_a_picture_that_it_was_shown_to_choose_a_head(
    low: Path, high: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again: list[int] = []

    def counted(*given: Any, **named: Any) -> Any:
        for part in head_inputs(*given, **named):
            again.append(len(part))
            yield part

    monkeypatch.setenv("HUBEL_HOME", str(tmp_path))
    monkeypatch.setattr(features, "head_inputs", counted)
    run = hubel.train(high, from_=str(low), unfreeze="head", out=str(tmp_path), **SMALL)
    counts = json.loads((run.folder / "data.json").read_text())["samples"]
    assert counts["train"] < 1000
    assert sum(again) == counts["val"]


def test_the_report_says_what_was_transferred(head_run: hubel.Run, low: Path) -> None:
    page = head_run.report.read_text()
    facts = json.loads((head_run.folder / "transfer.json").read_text())
    assert facts["sha256"][:16] in page
    assert "What it started from" in page
    assert f"{facts['learns']:,} parameters learn, {facts['stays']:,} stay" in page
    assert facts["sha256"] == hubel.load(low).provenance.sha256


def test_the_saved_recipe_trains_the_same_run_again_to_the_bit(head_run: hubel.Run, tmp_path: Path) -> None:
    recipe = compose(read_file(head_run.folder / "config.yaml"))
    assert recipe.transfer.from_sha256 is not None
    again = hubel.train(config=head_run.folder / "config.yaml", out=str(tmp_path))
    assert all(
        torch.equal(a, b)
        for a, b in zip(tensors(again.folder).values(), tensors(head_run.folder).values(), strict=True)
    )


def test_other_weights_under_the_same_name_are_refused(head_run: hubel.Run, low: Path, tmp_path: Path) -> None:
    other = hubel.train("digits", out=str(tmp_path), **(NET | SMALL | {"epochs": 1, "limit": 100}))
    with pytest.raises(ArtefactError, match="not those this recipe was made with"):
        hubel.train(config=head_run.folder / "config.yaml", from_=str(other.folder), out=str(tmp_path))


@pytest.mark.parametrize("unfreeze", ["last", "half", "all", "gradual", 2])
def test_what_learns_is_what_was_said(unfreeze: str | int, low: Path, high: Path, tmp_path: Path) -> None:
    run = hubel.train(high, from_=str(low), unfreeze=unfreeze, epochs=4, out=str(tmp_path), **SMALL)
    classifier = hubel.load(run.folder, which="last")
    new = load_file(run.folder / "weights" / "last.safetensors")
    old, stages = tensors(low), list(classifier.model.stages)
    moved = {name.rpartition(".")[0] for name in old if not torch.equal(old[name], new[name])}
    assert not {name for name in old if "running" in name or "batches" in name} & {
        name for name in old if not torch.equal(old[name], new[name])
    }, "the statistics of batch norms stay"
    convs = [name for name, module in classifier.model.named_modules() if isinstance(module, torch.nn.Conv2d)]
    learnt = {"last": 1, "half": 2, "all": 3, "gradual": 3, 2: 2}[unfreeze]
    assert len(stages) == len(convs) == 3
    assert {name for name in convs if name in moved} == set(convs[len(convs) - learnt :])


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(low: Path, high: Path, tmp_path: Path) -> None:
    class Stop(Watcher):
        def __init__(self, after: int) -> None:
            self.after = after

        def event(self, event: object) -> None:
            if isinstance(event, EpochDone) and event.epoch + 1 == self.after:
                os.kill(os.getpid(), signal.SIGTERM)

    for unfreeze, epochs in (("head", None), ("gradual", 4)):
        settings = SMALL | {"from_": str(low), "unfreeze": unfreeze, "epochs": epochs, "save_every": 0.01}
        whole = train(high, out=str(tmp_path / f"whole-{unfreeze}"), **settings)
        with pytest.raises(Stopped) as stopped:
            train(high, out=str(tmp_path / f"cut-{unfreeze}"), watch=Stop(2), **settings)
        shutil.rmtree(Path(os.environ["HUBEL_HOME"]) / "features", ignore_errors=True)
        resumed = train(resume=stopped.value.folder)
        assert fingerprint(resumed.folder) == fingerprint(whole.folder), unfreeze


def test_auto_writes_down_what_it_chose_and_why(low: Path, high: Path, tmp_path: Path) -> None:
    run = hubel.train(high, from_=str(low), out=str(tmp_path), **SMALL)
    reasons = json.loads((run.folder / "reasons.json").read_text())
    assert run.recipe["transfer"]["unfreeze"] == "head"
    assert "few samples" in reasons["unfreeze"]
    assert reasons["mean"].startswith("as the net of")
    facts = json.loads((run.folder / "transfer.json").read_text())
    assert len(facts["probes"]) == 3
    assert facts["reason"] in run.report.read_text().replace("&#39;", "'")


def test_robust_lets_more_than_a_head_learn_and_goes_on_to_the_same_bits(low: Path, high: Path, tmp_path: Path) -> None:
    class Stop(Watcher):
        def event(self, event: object) -> None:
            if isinstance(event, EpochDone) and event.epoch == 0:
                os.kill(os.getpid(), signal.SIGTERM)

    settings = SMALL | {"from_": str(low), "robust": True, "epochs": 3, "save_every": 0.01}
    whole = train(high, out=str(tmp_path / "whole"), **settings)
    assert whole.recipe["transfer"]["unfreeze"] == "last"
    assert whole.recipe["augment"]["augment"][-1] == "augmix=3:3:0"
    assert "so more than a head learns" in json.loads((whole.folder / "reasons.json").read_text())["unfreeze"]
    with pytest.raises(Stopped) as stopped:
        train(high, out=str(tmp_path / "cut"), watch=Stop(), **settings)
    assert fingerprint(train(resume=stopped.value.folder).folder) == fingerprint(whole.folder)


def test_a_head_with_a_hidden_layer_is_part_of_the_net(low: Path, high: Path, tmp_path: Path) -> None:
    run = hubel.train(
        high, from_=str(low), unfreeze="head", head="mlp", model_options={"head_hidden": 32}, out=str(tmp_path), **SMALL
    )
    assert run.load().spec.options["head_hidden"] == 32
    assert run.summary["test"]["accuracy"] > 0.6


def test_a_head_on_an_earlier_stage_is_part_of_the_net(low: Path, high: Path, tmp_path: Path) -> None:
    stages = list(hubel.load(low).model.stages)
    run = hubel.train(
        high, from_=str(low), unfreeze="head", model_options={"cut": stages[1]}, out=str(tmp_path), **SMALL
    )
    assert list(run.load().model.stages) == stages[:2]


def test_a_head_over_all_stages_is_part_of_the_net_and_of_nets_that_start_from_it(
    low: Path, high: Path, tmp_path: Path
) -> None:
    words: dict[str, Any] = SMALL | {"unfreeze": "head", "out": str(tmp_path)}
    run = hubel.train(high, from_=str(low), head="stages", **words)
    classifier = run.load()
    assert classifier.spec.options["all_stages"]
    assert classifier.model.fc.in_features > trunk_width(low)
    old, new = tensors(low), tensors(run.folder)
    assert all(torch.equal(value, old[name.removeprefix("body.")]) for name, value in new.items() if "body." in name)
    assert run.evaluate(split="val").top1 == run.summary["best"]["val_accuracy"]
    for head in ("stages", "linear"):
        again = hubel.train(high, from_=str(run.folder), head=head, **words)
        assert bool(again.load().spec.options.get("all_stages")) == (head == "stages")
        assert json.loads((again.folder / "transfer.json").read_text())["tensors_taken"] == len(old) - 2


def light_and_stripes(folder: Path) -> Path:
    """Four classes, dark or bright, plain or striped."""
    noise = np.random.default_rng(0)
    for bright, striped, number in np.ndindex(2, 2, 25):
        image = 60 + 100 * bright + 40 * striped * (np.arange(12) % 2 * 2 - 1) + noise.normal(0, 3, (12, 12))
        place = folder / f"{['dark', 'bright'][bright]}-{['plain', 'striped'][striped]}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.astype("uint8")).save(place / f"{number:02}.png")
    return folder


@pytest.mark.parametrize("unfreeze", ["head", None])
def test_where_each_stage_knows_a_part_the_head_sees_all_stages(unfreeze: str | None, tmp_path: Path) -> None:
    options = {"layers": ["conv 1 3x3", "relu", "conv 1 3x3", "relu", "globalpool", "dense K"]}
    net = hubel.create_model("layers", num_classes=2, in_chans=1, img_size=12, **options)
    weights = {name: torch.zeros_like(value) for name, value in net.state_dict().items()}
    first, second = [name for name, value in weights.items() if value.ndim == 4]
    weights[first][0, 0, 1, 1] = 1.0  # passes on the light
    weights[second][0, 0, 1] = torch.tensor([-1.0, 2.0, -1.0])  # sees stripes and no light
    save_file(weights, tmp_path / "net.safetensors")
    source = import_weights(
        tmp_path / "net.safetensors", model="layers", options=options, out=tmp_path, in_chans=1, img_size=12
    )
    folder = light_and_stripes(tmp_path / "new")
    run = hubel.train(folder, from_=source.run, unfreeze=unfreeze, out=str(tmp_path), **SMALL)
    facts = json.loads((run.folder / "transfer.json").read_text())
    assert facts["together"] == 1.0
    assert max(probe["accuracy"] for probe in facts["probes"]) < 0.8
    assert (run.recipe["transfer"]["unfreeze"], run.recipe["transfer"]["head"]) == ("head", "stages")
    assert run.summary["test"]["accuracy"] == 1.0
    assert "all stages together tell" in json.loads((run.folder / "reasons.json").read_text())["head"]
    assert "all stages together" in run.report.read_text()


def test_where_one_stage_knows_as_much_the_head_is_plain(low: Path, high: Path, tmp_path: Path) -> None:
    run = hubel.train(high, from_=str(low), unfreeze="head", out=str(tmp_path), **SMALL)
    facts = json.loads((run.folder / "transfer.json").read_text())
    best = max(probe["accuracy"] for probe in facts["probes"])
    better = facts["together"] > best
    assert run.recipe["transfer"]["head"] == ("stages" if better else "linear")
    assert "together" in json.loads((run.folder / "reasons.json").read_text())["head"]


def trunk_width(run: Path) -> int:
    width: int = hubel.load(run).model.get_submodule(hubel.load(run).model.head).in_features
    return width


def test_colour_pictures_and_grey_ones_meet_through_an_adapted_stem(low: Path, tmp_path: Path) -> None:
    folder = write(tmp_path / "colour", range(5, 7), 20)
    for path in folder.rglob("*.png"):
        Image.open(path).convert("RGB").save(path)
    run = hubel.train(folder, from_=str(low), in_chans=3, unfreeze="head", out=str(tmp_path / "runs"), **SMALL)
    assert run.load().spec.in_chans == 3
    assert json.loads((run.folder / "transfer.json").read_text())["stem_adapted"]


def test_a_head_that_needs_the_whole_net_learns_in_the_loop(high: Path, tmp_path: Path) -> None:
    source = hubel.train("digits", model="mnist_gap", img_size=12, epochs=1, limit=100, out=str(tmp_path), **SMALL)
    run = hubel.train(high, from_=str(source.folder), unfreeze="head", epochs=2, out=str(tmp_path), **SMALL)
    assert "penalty" not in run.history
    old, new = tensors(source.folder), tensors(run.folder)
    assert {name.partition(".")[0] for name in old if not torch.equal(old[name], new[name])} == {"classify"}


def test_a_number_as_target_gets_a_head_of_least_squares(low: Path, high: Path, tmp_path: Path) -> None:
    files = sorted(high.rglob("*.png"))
    table = tmp_path / "numbers.csv"
    table.write_text("file_name,target\n" + "\n".join(f"{path},{path.parent.name}.0" for path in files) + "\n")
    shutil.copytree(high, tmp_path / "high")
    table.write_text(
        "file_name,target\n" + "\n".join(f"high/{p.relative_to(high)},{p.parent.name}.5" for p in files) + "\n"
    )
    run = hubel.train(table, from_=str(low), unfreeze="head", out=str(tmp_path / "runs"), **SMALL)
    assert run.summary["test"]["rmse"] < np.std([5, 6, 7, 8, 9])


def test_foreign_weights_are_a_start_once_imported(low: Path, high: Path, tmp_path: Path) -> None:
    net = hubel.create_model("lenet5_modern", num_classes=7, in_chans=1, img_size=28)
    save_file({name: value.contiguous() for name, value in net.state_dict().items()}, tmp_path / "other.safetensors")
    with pytest.raises(ArtefactError, match=r"stands alone.*\n.*hubel import-weights"):
        hubel.train(high, from_=str(tmp_path / "other.safetensors"), out=str(tmp_path), **SMALL)
    imported = import_weights(
        tmp_path / "other.safetensors",
        model="lenet5_modern",
        out=tmp_path,
        in_chans=1,
        img_size=28,
        mean=(0.2,),
        std=(0.3,),
    )
    run = hubel.train(high, from_=imported.run, unfreeze="head", out=str(tmp_path), **SMALL)
    assert run.load().preprocessing is not None
    assert run.load().preprocessing.mean == (0.2,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"from_": "runs/nothing"}, "there is no run and no published net 'runs/nothing'"),
        ({"from_": "resnet81"}, "resnet18"),
        ({"from_": "lenet5"}, "no weights were published for lenet5"),
        ({"from_": "resnet18", "pretrained": True}, "exclude each other"),
        ({"from_": "LOW", "model": "resnet18"}, "the recipe asks for resnet18"),
        ({"from_": "LOW", "unfreeze": "tail"}, "head, last, half, all, gradual or a number of stages, got 'tail'"),
        ({"from_": "LOW", "img_size": 2}, ""),
        ({"from_": "LOW", "data": "moons"}, "takes pictures, and moons holds points"),
        ({"from_": "LOW", "model_options": {"cut": "layer9"}}, "unknown stage 'layer9'"),
        ({"from_": "LOW", "unfreeze": "head", "robust": True}, "robust would vary nothing"),
        ({"from_": "LOW", "unfreeze": "head", "mixup": 0.2}, "mixup would mix nothing"),
        ({"from_": "LOW", "unfreeze": "head", "l2": 0.1}, "--penalty X in its place, or --unfreeze last"),
    ],
    ids=lambda value: "" if isinstance(value, str) else ",".join(value),
)
def test_what_cannot_be_is_refused_with_the_way_out(
    settings: dict[str, Any], message: str, low: Path, high: Path, tmp_path: Path
) -> None:
    settings = {key: str(low) if value == "LOW" else value for key, value in settings.items()}
    with pytest.raises(HubelError) as caught:
        hubel.train(settings.pop("data", high), out=str(tmp_path / "runs"), **(SMALL | settings))
    assert message in str(caught.value)
    assert not (tmp_path / "runs").exists(), "a refused recipe leaves no run behind"


def test_what_a_head_that_is_fitted_cannot_use_is_said(low: Path, high: Path, tmp_path: Path) -> None:
    remarks: list[str] = []

    class Kept(Watcher):
        def remark(self, text: str) -> None:
            remarks.append(text)

    head = {"data": str(high), "from_": str(low), "unfreeze": "head", "out": str(tmp_path)} | SMALL
    train(**head, epochs=3, lr=0.5, augment="translate=1", watch=Kept())
    told = [text for text in remarks if "fitted" in text]
    assert len(told) == 2, remarks
    assert "what is said of epochs, lr counts for nothing in it (--unfreeze last" in told[0]
    assert "no translate=1 has changed (--feature-views 2: some are" in told[1]
    remarks.clear()
    train(**head, augment="translate=1", feature_views=2, watch=Kept())
    assert not [text for text in remarks if "fitted" in text]


def test_whoever_varies_pictures_has_more_learnt_than_a_head(low: Path, high: Path, tmp_path: Path) -> None:
    run = hubel.train(high, from_=str(low), limit=50, mixup=0.2, epochs=1, out=str(tmp_path), **SMALL)
    assert json.loads((run.folder / "transfer.json").read_text())["unfreeze"] == "last"
    assert "mixup varies pictures" in json.loads((run.folder / "reasons.json").read_text())["unfreeze"]


def test_a_net_that_is_all_head_is_no_start(high: Path, tmp_path: Path) -> None:
    flat = hubel.train(high, model="softmax_regression", epochs=1, limit=60, out=str(tmp_path), threads=1)
    with pytest.raises(UsageError, match="is a head alone"):
        hubel.train(high, from_=flat, out=str(tmp_path), threads=1)


def test_a_net_that_was_built_otherwise_is_refused(low: Path, high: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing of .* fits this net"):
        hubel.train(high, from_=str(low), model_options={"layers": ["conv 4 3x3", "relu", "flatten", "dense K"]},
                    out=str(tmp_path), **SMALL)  # fmt: skip


def test_the_time_that_a_head_leaves_trains_a_second_net_and_both_answer_together(
    low: Path, high: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ask(prepared: Prepared, split: str, device: torch.device) -> dict[str, Any]:
        asked.append(split)
        return named_beforehand(prepared, split, device)

    monkeypatch.setattr(conclude, "named_beforehand", ask)
    run = hubel.train(high, from_=str(low), time="60s", epochs=3, name="digits", out=tmp_path, **SMALL)
    assert asked == ["test"]  # what the net they start from calls the pictures is asked once for both reports
    head, other = hubel.Run(tmp_path / "digits-1"), hubel.Run(tmp_path / "digits-2")
    assert [each.recipe["transfer"]["unfreeze"] for each in (head, other)] == ["head", "all"]
    assert other.recipe["augment"]["augment"] == ["resized-crop=0.35"]  # a mirrored digit is another one
    assert other.recipe["train"]["time"] < 60 - head.summary["seconds"]
    assert run.summary["reason"] == "ensemble"
    told = json.loads((run.folder / "ensemble.json").read_text())
    assert {Path(member["run"]).name: member["weight"] for member in told["members"]} == {
        "digits-1": 0.5, "digits-2": 0.5
    }  # fmt: skip
    first, later = (json.loads((each.folder / "transfer.json").read_text()) for each in (head, other))
    assert first["beforehand"] == later["beforehand"] != {}
    assert run.folder.name == "digits-3"
    page = (run.folder / "report.html").read_text()
    assert f"the time that the head of {head.folder} left was given to a second net" in page
    assert "Each says as much, as it is: nothing was weighed" in page
    assert "Greedy" not in page
    assert run.predict([high / "7" / "003.png"])[0].label == "7"


def test_a_second_net_of_few_pictures_learns_in_small_batches_that_still_have_statistics(
    low: Path, high: Path, tmp_path: Path
) -> None:
    asked = compose({"data": str(high), "from": str(low), "time": "10m", **SMALL})
    store = RunStore.open(hubel.train(high, from_=str(low), out=tmp_path, **SMALL).folder)
    data = store.read_json("data.json")
    for samples, batch in ((10, 10), (48, 16), (160, 20), (900, 32)):
        store.write_json("data.json", data | {"samples": {"train": samples, "val": 10, "test": 10}})
        found = second(asked, store, 1.0)
        assert found is not None
        assert found.train.batch_size == batch
        said = second(asked.change(batch_size=8), store, 1.0)
        assert said is not None
        assert said.train.batch_size == 8


def test_no_second_net_is_trained_that_was_not_asked_for_or_has_no_time(
    low: Path, high: Path, head_run: hubel.Run, tmp_path: Path
) -> None:
    asked = compose({"data": str(high), "from": str(low), "time": "60s", **SMALL})
    store = RunStore.open(hubel.train(high, from_=str(low), out=tmp_path, **SMALL).folder)
    found = second(asked, store, 1.0)
    assert found is not None
    assert found.transfer.unfreeze == "all"
    photographs = store.path("config.yaml").read_text().replace("- translate=1", "- alternating-flip")
    (tmp_path / "colour").mkdir()
    other = shutil.copytree(store.folder, tmp_path / "colour" / "run")
    (other / "config.yaml").write_text(photographs)
    assert second(asked, RunStore.open(other), 1.0).augment.augment == ("flip", "resized-crop=0.35")  # type: ignore[union-attr]
    assert found.train.time is not None
    assert 40 < found.train.time < 49  # ten seconds are kept for reports
    assert second(asked.change(lr=0.02, augment="none"), store, 1.0).optimizer.lr == 0.02  # type: ignore[union-attr]
    assert second(asked.change(time=None), store, 1.0) is None
    assert second(asked.change(unfreeze="head"), store, 1.0) is None
    remarks: list[str] = []

    class Kept(Watcher):
        def remark(self, text: str) -> None:
            remarks.append(text)

    assert second(asked, store, 50.0, Kept()) is None
    assert remarks == [
        "no second net is trained in the 10 s left: 5 epochs of it and reports would take longer (--time 2m would do)"
    ]
    thawed = {**store.read_json("transfer.json"), "unfreeze": "half"}
    store.write_json("transfer.json", thawed)
    assert second(asked, store, 1.0) is None


def test_one_net_alone_is_given_back_where_it_is_ahead_of_both_by_more_than_chance(tmp_path: Path) -> None:
    def run(name: str, right: float) -> RunStore:
        (tmp_path / name).mkdir()
        store = RunStore(tmp_path / name)
        store.write_json("summary.json", {"best": {"val_accuracy": right}})
        store.write_json("data.json", {"samples": {"val": 100}})
        return store

    joined = run("both", 0.90)
    assert is_ahead(run("far", 0.95), joined)
    assert not is_ahead(run("near", 0.94), joined)
    assert not is_ahead(run("behind", 0.80), joined)


def test_where_the_second_net_is_stopped_the_first_is_whole_and_resuming_joins_both(
    low: Path, high: Path, tmp_path: Path
) -> None:
    remarks: list[str] = []

    class Stop(Watcher):
        def event(self, event: object) -> None:
            if isinstance(event, EpochDone) and event.row.get("lr"):
                os.kill(os.getpid(), signal.SIGTERM)

    class CtrlC(Watcher):
        def stage(self, text: str) -> None:
            if text == "measuring":  # of both together, when their weights are written
                raise KeyboardInterrupt

        def remark(self, text: str) -> None:
            remarks.append(text)

    said: dict[str, Any] = {
        "data": high, "from_": str(low), "time": "60s", "epochs": 3, "name": "digits", "out": str(tmp_path), **SMALL
    }  # fmt: skip
    with pytest.raises(Stopped) as stopped:
        train(**said, watch=Stop())
    assert stopped.value.what.endswith("digits-1, whose head alone has learnt, is whole")
    assert str(stopped.value).endswith(f"hubel train --resume {tmp_path / 'digits-2'}, which then joins both")
    assert hubel.Run(tmp_path / "digits-1").status == "finished"
    with pytest.raises(KeyboardInterrupt):
        train(**said, resume="auto", watch=CtrlC())
    assert remarks[-1].endswith(f"are whole; hubel train --resume {tmp_path / 'digits-2'} joins them")
    assert sorted(each.name for each in tmp_path.glob("digits-*")) == ["digits-1", "digits-2"]
    run = train(resume=str(tmp_path / "digits-2"))
    assert (run.folder.name, run.summary["reason"]) == ("digits-3", "ensemble")
    assert train(resume=str(tmp_path / "digits-2")).folder.name == "digits-2"  # they are joined once
