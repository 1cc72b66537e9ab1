"""The convolutional architectures against their papers, where the contract over all nets does not reach."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from hubel.errors import UsageError
from hubel.models import CARDS, create_model
from hubel.models.architectures.fractalnet import join
from hubel.models.architectures.lenet import DIGITS, TABLE_I, EuclideanRbf
from hubel.models.architectures.resnet import BasicBlock
from hubel.models.architectures.resnet_cifar import PaddedShortcut
from hubel.models.architectures.shake_shake import shake
from hubel.nn.layers import BlurPool2d


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_lenet5_tallies_as_its_paper_does() -> None:
    net = create_model("lenet5", in_chans=1)
    tally = [count(net.get_submodule(name)) for name in ("c1", "s2", "c3", "s4", "c5", "f6", "output")]
    assert tally == [156, 12, 1516, 32, 48_120, 10_164, 0]
    assert sum(row.count("X") for row in TABLE_I) == 60


def test_a_map_of_c3_is_blind_to_the_maps_that_table_i_leaves_out() -> None:
    c3 = create_model("lenet5", in_chans=1).c3[0]
    maps = torch.zeros(1, 6, 14, 14)
    still = c3(maps)
    maps[:, 3] = torch.randn(14, 14)
    moved = (c3(maps) != still).flatten(2).any(dim=2)[0]
    assert moved.tolist() == [mark == "X" for mark in TABLE_I[3]]


def test_the_codes_of_the_rbf_outputs_are_ten_different_pictures() -> None:
    rows = [line.split() for line in DIGITS.split("\n") if line]
    assert len(rows) == 12
    assert all(len(row) == 10 and all(len(digit) == 7 for digit in row) for row in rows)
    head = EuclideanRbf(10)
    logits = head(head.codes)
    assert logits.diagonal().eq(0).all()
    assert (logits + 1e9 * torch.eye(10) * -1).max() <= -8  # codes differ in at least two pixels


def test_lenet5_pads_28_to_32_and_refuses_more() -> None:
    assert create_model("lenet5", in_chans=1, img_size=28).margin(torch.zeros(1, 1, 28, 28)).shape[2:] == (32, 32)
    with pytest.raises(UsageError, match="at most 32x32"):
        create_model("lenet5", in_chans=1, img_size=64)


def test_a_residual_block_whose_last_scale_is_zero_is_the_identity() -> None:
    block = BasicBlock(8, 8, 1).eval()
    nn.init.zeros_(block.bn2.weight)
    x = torch.rand(2, 8, 5, 5)
    assert torch.equal(block(x), x)


def test_option_a_takes_every_other_pixel_and_adds_silent_maps() -> None:
    x = torch.randn(1, 2, 6, 6)
    y = PaddedShortcut(2, 4, 2)(x)
    assert torch.equal(y[:, 1:3], x[:, :, ::2, ::2])
    assert y[:, [0, 3]].eq(0).all()


def test_plain_nets_are_resnets_less_their_projections() -> None:
    with torch.device("meta"):
        residual, plain = create_model("resnet34"), create_model("plain34")
    projections = sum(count(module) for name, module in residual.named_modules() if name.endswith("downsample"))
    assert count(residual) - count(plain) == projections


def test_shake_mixes_forward_and_backward_with_different_weights() -> None:
    first = torch.zeros(64, 1, 1, 1, requires_grad=True)
    second = torch.ones(64, 1, 1, 1)
    torch.manual_seed(0)
    mixed = shake(first, second, training=True)
    mixed.sum().backward()
    forward, backward = 1 - mixed.detach().flatten(), first.grad.flatten()
    assert ((forward > 0) & (forward < 1) & (backward > 0) & (backward < 1)).all()
    assert torch.corrcoef(torch.stack([forward, backward]))[0, 1].abs() < 0.5
    assert torch.equal(shake(first, second, training=False), torch.full_like(second, 0.5))


def test_a_join_never_loses_all_of_its_paths() -> None:
    paths = [torch.ones(1), 3 * torch.ones(1)]
    torch.manual_seed(0)
    seen = {join(paths, 0.5, None).item() for _ in range(60)}
    assert seen == {1.0, 2.0, 3.0}
    assert join(paths, 0.0, 1).item() == 3.0
    assert join(paths, 0.0, 2).item() == 1.0


def test_auxiliary_heads_come_with_all_logits_and_can_be_left_out() -> None:
    net = create_model("googlenet", num_classes=4, img_size=32)
    logits = net.eval().forward_all(torch.randn(2, 3, 32, 32))
    assert [tuple(head.shape) for head in logits] == [(2, 4)] * 3
    with torch.device("meta"):
        assert count(create_model("googlenet", aux=False)) == 6_624_904
        assert count(create_model("inception_v1", aux=False)) == 6_998_552
        assert count(create_model("inception_v3", aux=False)) == 23_834_568


def test_module_3a_has_the_weights_and_the_cost_of_the_worked_example() -> None:
    with torch.device("meta"):
        block = create_model("inception_v1").inception3a
    weights = sum(parameter.numel() for parameter in block.parameters() if parameter.ndim > 1)
    assert weights == 163_328
    assert weights * 28 * 28 == 128_049_152


def test_vgg16s_dense_layers_hold_what_the_corrected_table_says() -> None:
    with torch.device("meta"):
        classifier = create_model("vgg16").classifier
    sizes = [count(layer) for layer in classifier if isinstance(layer, nn.Linear)]
    assert sizes == [102_764_544, 16_781_312, 4_097_000]
    assert sum(sizes) == 123_642_856


def test_alexnets_first_dense_layer_and_weights_are_those_of_the_corrected_table() -> None:
    with torch.device("meta"):
        net = create_model("alexnet", img_size=227)
        d2l = create_model("alexnet_d2l")
    assert count(net.classifier[1]) == 37_752_832
    assert sum(p.numel() for p in net.parameters() if p.ndim > 1) == 61_090_496
    weights = [p.numel() for p in d2l.parameters() if p.ndim > 1]
    assert sum(weights) - weights[-1] == 46_737_440


@pytest.mark.parametrize("name", ["resnet18", "alexnet", "mobilenet_v2"])
def test_a_blurred_net_takes_the_weights_of_the_usual_one_and_changes_less_when_the_picture_moves(name: str) -> None:
    torch.manual_seed(0)
    usual = create_model(name, num_classes=10, img_size=32).eval()
    blurred = create_model(f"blur_{name}", num_classes=10, img_size=32).eval()
    blurred.load_state_dict(usual.state_dict())
    assert any(isinstance(module, BlurPool2d) for module in blurred.modules())
    picture = torch.zeros(8, 3, 32, 32)
    picture[:, :, 8:24, 8:24] = torch.randn(8, 3, 16, 16)
    moved = picture.roll(1, dims=3)
    with torch.no_grad():
        changes = [
            (net(moved) - net(picture)).norm() / (net(picture) - net(picture).mean(0)).norm()
            for net in (usual, blurred)
        ]
    assert changes[1] < changes[0]


@pytest.mark.parametrize("size", [4, 28, 29, 32])
def test_a_blurred_vgg_takes_the_sizes_that_vgg_takes(size: int) -> None:
    net = create_model("blur_vgg16_bn", num_classes=2, img_size=size).eval()
    assert net(torch.zeros(1, 3, size, size)).shape == (1, 2)


def test_a_pyramid_stands_on_any_backbone_and_its_levels_double() -> None:
    net = create_model("fpn", num_classes=3, in_chans=1, img_size=64, backbone="mobilenet_v3_small", d=16).eval()
    sides = [maps.shape[2] for maps in net.feature_maps(torch.zeros(1, 1, 64, 64))]
    assert sides == [2 * side for side in sides[1:]] + [sides[-1]]
    assert net(torch.zeros(2, 1, 64, 64)).shape == (2, 3)


def test_a_backbone_without_sizes_carries_no_pyramid() -> None:
    with pytest.raises(UsageError, match="at least two sizes"):
        create_model("fpn", in_chans=1, img_size=28, backbone="mnist_mlp")


def test_a_stem_can_be_asked_for() -> None:
    small, full = (create_model("resnet18", img_size=32, stem=stem, num_classes=2) for stem in ("small", "full"))
    assert small.conv1.stride == (1, 1)
    assert full.conv1.stride == (2, 2)
    with pytest.raises(UsageError, match="auto, full or small"):
        create_model("resnet18", stem="tiny")


def test_published_counts_that_circulate_wrongly_are_put_right_on_the_cards() -> None:
    assert CARDS["densenet_bc190_k40"].params == 25_624_430
    assert "40M" in " ".join(CARDS["densenet_bc190_k40"].notes)
    assert "13M" in " ".join(CARDS["inception_v3"].notes)
    assert "771" in " ".join(CARDS["lenet5_modern"].notes)
    assert "123,642,856" in " ".join(CARDS["vgg16"].notes)


def test_the_page_of_the_zoo_is_made_from_the_cards_and_holds_every_system() -> None:
    root = Path(__file__).parents[2]
    script = importlib.util.spec_from_file_location("zoo_docs", root / "benchmarks" / "zoo_docs.py")
    zoo_docs = importlib.util.module_from_spec(script)
    script.loader.exec_module(zoo_docs)
    page = (root / "docs" / "models.md").read_text()
    assert page == zoo_docs.page(), "run benchmarks/zoo_docs.py"
    told = set()
    for cell in re.findall(r"^\| (S[\d, Sto]+) \|", page, re.MULTILINE):
        for part in cell.split(","):
            numbers = [int(number) for number in re.findall(r"\d+", part)]
            told.update(range(numbers[0], numbers[-1] + 1))
    assert told == set(range(1, 118))
