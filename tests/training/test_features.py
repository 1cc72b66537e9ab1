"""Features of a frozen net: the same as the net computes, kept, and never taken for others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hubel import runtime
from hubel.data.decode import decode
from hubel.data.preprocessing import Preprocessing
from hubel.data.sources import open_source
from hubel.models import create_model
from hubel.models.heads import trunk
from hubel.runtime import seeded
from hubel.training import features
from hubel.training.features import (
    Features,
    Request,
    collect,
    folded,
    head_inputs,
    head_scale,
    quicker,
    stage_features,
    views_of,
    weights_digest,
)

EIGHT = Preprocessing(height=8, width=8, channels=1, mean=(0.3,), std=(0.4,))
REQUEST = Request(
    weights="w", architecture="a", data="d", rows="r", preprocessing="p", precision="fp32", views=("plain",), seed=0,
    device="cpu",
)  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HUBEL_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    return create_model("quicknet", num_classes=3, in_chans=1, img_size=8, width=0.2)


def gathered(net: nn.Module, request: Request = REQUEST) -> Features:
    decoded = decode(open_source("digits"), EIGHT)
    rows = np.arange(40)
    return collect(net, decoded, rows[:30], rows[30:], request=request, preprocessing=EIGHT, device=torch.device("cpu"))


def test_the_second_look_comes_from_the_disk_and_is_the_first_to_the_bit(home: Path, net: nn.Module) -> None:
    first, second = gathered(net), gathered(net)
    assert (first.cached, second.cached) == (False, True)
    assert torch.equal(first.train, second.train)
    assert torch.equal(first.val, second.val)
    assert first.train.shape[:2] == (1, 30)
    assert first.val_labels.tolist() == second.val_labels.tolist()


@pytest.mark.parametrize("part", list(Request.__dataclass_fields__))
def test_a_change_of_any_part_of_the_key_never_meets_old_features(part: str, home: Path, net: nn.Module) -> None:
    gathered(net)
    other = {"views": ("mirror",), "seed": 1}.get(part, "other")
    assert not gathered(net, replace(REQUEST, **{part: other})).cached


def test_a_file_under_the_right_name_with_other_facts_is_not_used(home: Path, net: nn.Module) -> None:
    other = replace(REQUEST, weights="other")
    gathered(net, other)
    for suffix in ("json", "safetensors"):
        (home / "features" / f"{other.key}.{suffix}").rename(home / "features" / f"{REQUEST.key}.{suffix}")
    assert not gathered(net).cached


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_damaged_features_are_computed_again(damage: str, home: Path, net: nn.Module) -> None:
    first = gathered(net)
    file = home / "features" / f"{REQUEST.key}.safetensors"
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(data if damage == "flip" else data[:-40] if damage == "cut" else b"")
    again = gathered(net)
    assert not again.cached
    assert torch.equal(first.train, again.train)
    assert gathered(net).cached


def test_a_disk_that_takes_nothing_costs_the_cache_and_not_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, net: nn.Module
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("HUBEL_HOME", str(tmp_path / "file"))
    assert gathered(net).train.shape[1] == 30


def test_the_least_recently_used_go_first(home: Path, net: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    gathered(net)
    gathered(net, replace(REQUEST, seed=1))
    size = (home / "features" / f"{REQUEST.key}.safetensors").stat().st_size
    monkeypatch.setenv("HUBEL_CACHE_GB", str(2.5 * size / 2**30))
    assert gathered(net).cached
    gathered(net, replace(REQUEST, seed=2))
    assert gathered(net).cached
    assert not gathered(net, replace(REQUEST, seed=1)).cached


def test_views_are_the_picture_its_mirror_image_and_draws_of_the_chain(home: Path, net: nn.Module) -> None:
    request = replace(REQUEST, views=views_of(3, ["flip", "translate=1"]))
    found = gathered(net, request).train
    assert found.shape[0] == 3
    decoded = decode(open_source("digits"), EIGHT)
    mirrored = replace(decoded, images=decoded.images[:, :, :, ::-1].copy())
    plain = collect(net, mirrored, np.arange(30), np.arange(0), request=replace(REQUEST, data="m"),
                    preprocessing=EIGHT, device=torch.device("cpu"))  # fmt: skip
    torch.testing.assert_close(found[1], plain.train[0])
    assert not torch.allclose(found[2], found[0])


def test_the_digest_sees_every_bit_below_the_head_and_none_in_it(net: nn.Module) -> None:
    before = weights_digest(net, without=str(net.head))
    with torch.no_grad():
        net.get_submodule(str(net.head)).weight.add_(1)  # type: ignore[operator, union-attr]
        assert weights_digest(net, without=str(net.head)) == before
        buffer = next(value for name, value in net.named_buffers() if name.endswith("running_mean"))
        buffer[0] += 1e-7
        assert weights_digest(net, without=str(net.head)) != before
        buffer.zero_()


@pytest.mark.parametrize(
    ("name", "scale"), [("quicknet", 1 / 9), ("resnet20", 1.0), ("mnist_gap", None), ("lenet5", None)]
)
def test_heads_that_features_suffice_for_are_told_from_others(name: str, scale: float | None) -> None:
    side = 32 if name == "lenet5" else 28
    net = create_model(name, num_classes=10, in_chans=1, img_size=side)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    found = head_scale(net, torch.rand(3, 1, side, side))
    assert found == (None if scale is None else pytest.approx(scale, rel=1e-5))
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


class Offset(nn.Module):
    """Sees small differences beside a large number, which coarse arithmetic loses where the number is `far` away."""

    stages, head = ("conv",), "fc"

    def __init__(self, far: float) -> None:
        super().__init__()
        self.conv, self.fc, self.far = nn.Conv2d(3, 4, 3), nn.Linear(4, 2), far

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = (self.conv(x) + self.far).mean((2, 3)) - self.far
        return self.fc(seen)


@pytest.mark.parametrize(("far", "gain", "name"), [(0.0, 0.0, "bf16"), (0.0, 1e9, "fp32"), (1e3, 0.0, "fp32")])
def test_bf16_is_taken_where_it_is_faster_and_sees_the_same(
    far: float, gain: float, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "has_quick_bf16", lambda device: True)
    monkeypatch.setattr(features, "GAIN", gain)  # what a trial times is left to chance, and the rule is not
    torch.manual_seed(0)
    found = quicker(Offset(far), torch.rand(4, 3, 12, 12))
    assert found.name == name
    assert ("something else" in found.reason) == (far > 0)


def test_only_training_pictures_are_looked_at_in_coarse_numbers(home: Path, net: nn.Module) -> None:
    decoded, rows = decode(open_source("digits"), EIGHT), np.arange(40)
    how = {"preprocessing": EIGHT, "device": torch.device("cpu")}
    exact = gathered(net)
    coarse = collect(net, decoded, rows[:30], rows[30:], request=replace(REQUEST, precision="bf16"),
                     precision=torch.bfloat16, **how)  # fmt: skip
    torch.testing.assert_close(coarse.val, exact.val)
    assert not torch.equal(coarse.train, exact.train)
    torch.testing.assert_close(coarse.train, exact.train, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("options", [{}, {"all_stages": True}])
def test_one_look_at_the_stages_tells_what_enters_a_head_on_the_last_or_on_all(options: dict[str, bool]) -> None:
    torch.manual_seed(0)
    plain = create_model("resnet18", num_classes=3, img_size=32)
    other = create_model("resnet18", num_classes=3, img_size=32, **options)
    trunk(other).load_state_dict(plain.state_dict(), strict=False)
    pictures = torch.rand(5, 3, 32, 32)
    seen = stage_features(plain, iter([pictures]), plain.stages)
    torch.testing.assert_close(seen.entering(other), torch.cat(list(head_inputs(other, iter([pictures])))))


def test_the_cache_lies_beside_that_of_the_pixels(home: Path) -> None:
    assert features.folder() == home / "features"


def test_features_are_the_same_where_norms_are_folded_away_for_speed() -> None:
    with seeded(3):
        net = create_model("efficientnet_lite0", num_classes=3, img_size=(64, 64)).eval()
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.running_mean, -1, 1)
                nn.init.uniform_(module.running_var, 0.5, 2)
        pictures = torch.rand(5, 3, 64, 64)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert sum(isinstance(module, nn.BatchNorm2d) for module in folded(net, pictures).modules()) == 0
    with torch.no_grad():
        plain = net.avgpool(net.features(pictures)).flatten(1)
    (found,) = head_inputs(net, iter([pictures]))
    torch.testing.assert_close(found, plain, rtol=1e-4, atol=1e-4)
    seen = stage_features(net, iter([pictures]), ["features.0.0", "features.0.1"]).stages  # a convolution, and its norm
    with torch.no_grad():
        for depth, name in ((1, "features.0.0"), (2, "features.0.1")):
            plain = net.features[0][:depth](pictures).mean((2, 3))
            torch.testing.assert_close(seen[name], plain, rtol=1e-4, atol=1e-4)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name
