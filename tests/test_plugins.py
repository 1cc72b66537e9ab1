"""Nets, explainers and metrics of installed packages: known by name, loaded when asked for, one failing alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import hubel
from hubel.checkpoint import load
from hubel.cli import main
from hubel.errors import ArtefactError, UsageError
from hubel.evaluation import assess
from hubel.explainers import EXPLAINERS, attribute
from hubel.metrics import METRICS
from hubel.models import CARDS
from hubel.types import Predictions
from hubel.verbs.layers import code

CODE = """
from torch import nn
from hubel.explainers import Explainer, Raw
from hubel.metrics import Metric

def flowernet(num_classes, in_chans, width=2):
    return nn.Sequential(nn.Conv2d(in_chans, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(width, num_classes))

def light(model, images, targets):
    return Raw(maps=images.mean(1))

brightness = Explainer(run=light, signed=False, question="Where is light?")
def dark(model, images, targets):
    raise KeyError("dark")

darkness = Explainer(run=dark, signed=False, question="Where is none?")

def crash(num_classes):
    raise RuntimeError("boom")

wrong = Metric("share of wrong answers", lambda logits, labels: (logits.argmax(1) != labels).mean(), False)
moody = Metric("a metric that fails", lambda logits, labels: 1 / 0)
"""
OFFERS = """
[hubel.models]
flowernet = hubel_flowers:flowernet
resnet18 = hubel_flowers:flowernet
crashing = hubel_flowers:crash
lost = hubel_flowers_that_is_not_there:net

[hubel.explainers]
brightness = hubel_flowers:brightness
darkness = hubel_flowers:darkness
no-explainer = hubel_flowers:flowernet

[hubel.metrics]
wrong = hubel_flowers:wrong
moody = hubel_flowers:moody
"""


@pytest.fixture
def flowers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package as pip installs it: a module, and beside it what it says of itself."""
    facts = tmp_path / "hubel_flowers-1.2.dist-info"
    facts.mkdir()
    (tmp_path / "hubel_flowers.py").write_text(CODE)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: hubel-flowers\nVersion: 1.2\n")
    (facts / "entry_points.txt").write_text(OFFERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("hubel_flowers", None)


@pytest.mark.usefixtures("flowers")
def test_names_of_a_package_are_listed_without_loading_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert "flowernet" in hubel.list_models("flower*")
    assert {"brightness", "no-explainer"} <= set(EXPLAINERS)
    assert METRICS.names()[-2:] == ["wrong", "moody"]
    with pytest.raises(SystemExit):
        main(["components", "metrics"])
    with pytest.raises(SystemExit):
        main(["models", "flowernet"])
    assert capsys.readouterr().out.count("hubel-flowers 1.2") == 3
    assert "hubel_flowers" not in sys.modules


@pytest.mark.usefixtures("flowers")
def test_a_net_of_a_package_is_built_by_its_name_with_its_options() -> None:
    net = hubel.create_model("flowernet", num_classes=3, in_chans=1, width=5)
    assert net(torch.rand(2, 1, 8, 8)).shape == (2, 3)
    assert (net.stages, net.head) == (("0",), "4")
    assert hubel.summary("flowernet", (1, 8, 8)).params > 0
    assert "def flowernet(num_classes" in code("flowernet")
    with pytest.raises(UsageError, match=r"model 'flowernet' has no option 'widht'\n  did you mean 'width'"):
        hubel.create_model("flowernet", widht=5)


@pytest.mark.usefixtures("flowers")
def test_explainers_and_metrics_of_a_package_stand_beside_the_own_ones() -> None:
    net, image = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2)), torch.rand(1, 1, 8, 8)
    np.testing.assert_allclose(attribute(net, image, method="brightness").maps, image[0].numpy())
    logits = np.array([[3.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.0, 2.0]], dtype=np.float32)
    answers = Predictions(logits, np.array([0, 1, 1, 1]), np.arange(4))
    result = assess(answers, ["cat", "dog"], metrics=["wrong", "accuracy"])
    assert result.more == {"wrong": 0.25, "accuracy": 0.75}
    assert result.to_dict()["metrics"] == result.more
    assert "share of wrong answers" in str(result)
    with pytest.raises(UsageError, match=r"the metric 'moody' of hubel-flowers 1.2 gives no number: ZeroDivisionError"):
        assess(answers, ["cat", "dog"], metrics=["moody"])


@pytest.mark.usefixtures("flowers")
def test_what_fails_is_named_with_its_package_and_takes_nothing_else_along() -> None:
    with pytest.raises(UsageError, match=r"'lost' of hubel-flowers 1.2 cannot be loaded: ModuleNotFoundError"):
        hubel.create_model("lost")
    with pytest.raises(
        UsageError, match=r"'no-explainer' of hubel-flowers 1.2 .* must be a hubel.explainers.Explainer"
    ):
        EXPLAINERS.get("no-explainer")
    with pytest.raises(UsageError, match=r"'crashing' of hubel-flowers 1.2 cannot be built so: RuntimeError: boom"):
        hubel.create_model("crashing")
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    with pytest.raises(UsageError, match=r"'darkness' of hubel-flowers 1.2 fails: KeyError: 'dark'"):
        attribute(net, torch.rand(1, 1, 2, 2), method="darkness")
    assert list(EXPLAINERS.faults()) == ["no-explainer"]
    assert [name for name, _ in EXPLAINERS.items()][-2:] == ["brightness", "darkness"]
    assert CARDS["resnet18"].year == 2015, "a name of the catalogue cannot be taken"
    assert list(CARDS.faults()) == ["resnet18 of hubel-flowers 1.2"]


def test_a_package_that_is_gone_is_forgotten() -> None:
    assert "flowernet" not in CARDS
    assert "brightness" not in EXPLAINERS
    assert "wrong" not in METRICS


class Tiny(torch.nn.Module):
    def __init__(self, num_classes: int, in_chans: int = 3, width: int = 4) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(in_chans, width, 3)
        self.fc = torch.nn.Linear(width, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.conv(x).relu().mean((2, 3)))


@pytest.fixture
def tiny() -> Iterator[str]:
    hubel.register_model(Tiny, name="tiny-of-mine", title="Tiny", year=2026)
    yield "tiny-of-mine"
    CARDS.remove("tiny-of-mine")


def test_a_net_of_ones_own_trains_and_its_run_is_read_again_where_it_is_registered(tiny: str, tmp_path: Path) -> None:
    run = hubel.train(
        "digits", model=tiny, model_options={"width": 6}, limit=60, epochs=1, threads=1, device="cpu", out=str(tmp_path)
    )
    model = hubel.load(run.folder).model
    assert isinstance(model, Tiny)
    assert model.conv.out_channels == 6
    CARDS.remove(tiny)
    with pytest.raises(ArtefactError, match=r"'tiny-of-mine', which is not in the catalogue\n.*hubel.register_model"):
        load(run.folder)
    hubel.register_model(Tiny, name=tiny)


def test_a_name_can_be_registered_anew_but_none_of_the_catalogue(tiny: str) -> None:
    hubel.register_model(Tiny, name=tiny, title="again")
    assert CARDS[tiny].title == "again"
    with pytest.raises(UsageError, match=r"'resnet18' is there already\n  give another name"):
        hubel.register_model(Tiny, name="resnet18")


@pytest.mark.parametrize(
    ("builder", "more", "said"),
    [
        (Tiny(2), {}, r"class or the function that makes it, got a Tiny\n  hubel.register_model"),
        (lambda num_classes: None, {}, r"name must be letters, digits .* got '<lambda>'"),
        (lambda classes: None, {"name": "x"}, r"must take num_classes, and takes classes\n  wrap it: def x\("),
        (Tiny, {"name": "x", "yaer": 2020}, r"a card has no fact 'yaer'\n  did you mean 'year'"),
    ],
)
def test_what_cannot_be_registered_is_refused_in_words(builder: object, more: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        hubel.register_model(builder, **more)  # type: ignore[call-overload]
    assert "x" not in CARDS


@pytest.mark.parametrize(
    ("builder", "said"),
    [
        (lambda num_classes: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 7)), r"gives \(2, 7\)"),
        (lambda num_classes: torch.nn.Linear(5, num_classes), r"and fails: mat1 and mat2"),
        (lambda num_classes: "no net", r"must be a torch.nn.Module, its builder returned a str"),
        (lambda num_classes, in_chans, depth: None, r"cannot be built so: .*missing .*'depth'"),
    ],
)
def test_a_net_that_breaks_the_contract_is_refused_before_training(builder: object, said: str, tmp_path: Path) -> None:
    hubel.register_model(builder, name="broken-net")  # type: ignore[call-overload]
    try:
        with pytest.raises(UsageError, match=said):
            hubel.train("digits", model="broken-net", limit=60, epochs=1, threads=1, out=str(tmp_path))
    finally:
        CARDS.remove("broken-net")
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_no_net_is_refused_with_what_it_can_be() -> None:
    with pytest.raises(UsageError, match=r"a torch.nn.Module or its class, got a int\n  hubel models"):
        hubel.train("digits", model=3)
