"""Nets with ways of their own, by the same command as all others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import hubel
from hubel.deploy.ready import ready
from hubel.errors import UsageError

TINY: dict[str, Any] = {
    "epochs": 1, "limit": 100, "batch_size": 50, "threads": 1, "device": "cpu", "precision": "fp32", "compile": False,
}  # fmt: skip


@pytest.mark.parametrize("name", ["p4_cnn", "p4m_cnn"])
def test_nets_with_planes_of_a_group_train_channels_last_and_are_made_ready(name: str, tmp_path: Path) -> None:
    run = hubel.train(
        "digits", out=str(tmp_path), **TINY, model=name, channels_last=True, model_options={"maps": 2}, img_size=12
    )
    net = run.load("last").model
    pictures = torch.rand(3, 1, 12, 12)
    fast = ready(net, pictures)
    with torch.no_grad():
        torch.testing.assert_close(fast(pictures), net.eval()(pictures), atol=1e-4, rtol=1e-4)


def test_the_neocognitron_organises_itself_before_its_head_learns(tmp_path: Path) -> None:
    run = hubel.train(
        "digits", out=str(tmp_path), **(TINY | {"epochs": 15, "limit": 120}), model="neocognitron", lr=0.01,
        augment="none", model_options={"planes": "8,16,24"},
    )  # fmt: skip
    net = run.load("best").model
    assert [int(layer.taken) for layer in (net.s1, net.s2, net.s3)] == [8, 16, 24]
    found = run.evaluate()
    assert found.top1 > 0.25  # chance is 10 %, and without its own learning that is what it gets


def test_a_net_for_pictures_says_that_points_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'lstm_rows' takes pictures, and these are points") as caught:
        hubel.train("iris", out=str(tmp_path), **TINY, model="lstm_rows")
    assert "hubel models --tag points" in caught.value.hint
    assert not list(tmp_path.glob("iris-*"))


def test_two_classes_of_points_have_one_sigmoid_unit_and_a_list_may_begin_dense(tmp_path: Path) -> None:
    run = hubel.train("moons", out=str(tmp_path / "runs"), **TINY, model="toy_3_2_1")
    net = run.load("last").model
    assert net.classify.out_features == 1
    assert net(torch.zeros(4, 2)).shape == (4, 2)
    listed = hubel.train("iris", out=str(tmp_path / "runs"), **TINY, model=["dense 4", "relu", "dense K"])
    assert listed.load("last").model(torch.zeros(5, 4)).shape == (5, 3)
