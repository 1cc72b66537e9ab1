"""The nets that torchvision has: the same state dict, and the same logits. The record is made by `make parity`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from hubel.models import create_model

sys.path.insert(0, str(Path(__file__).parent))
import parity

RECORD = parity.recorded()
QUICK = (
    "squeezenet1_1", "shufflenet_v2_x0_5", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "densenet121",
    "resnet18",
)  # fmt: skip


@pytest.mark.parametrize("name", RECORD)
def test_names_and_shapes_are_torchvisions_one_to_one(name: str) -> None:
    with torch.device("meta"):
        net = create_model(name)
    ours = dict(parity.table(net.state_dict()))
    assert ours == dict(RECORD[name]["keys"])


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in RECORD]
)
def test_the_same_weights_give_the_same_logits(name: str) -> None:
    theirs = torch.tensor(RECORD[name]["logits"])
    ours = parity.answer(create_model(name), RECORD[name]["keys"])[: len(theirs)]
    assert parity.close(ours, theirs) < 1e-4  # the record is rounded; live, `make parity` holds 1e-5


def test_a_wrong_activation_would_be_noticed() -> None:
    theirs = torch.tensor(RECORD["mobilenet_v2"]["logits"])
    net = create_model("mobilenet_v2")
    net.features[3].conv[0][2] = torch.nn.ReLU()
    net.features[3].conv[1] = torch.nn.Sequential(net.features[3].conv[1][0], net.features[3].conv[1][1])
    ours = parity.answer(net, RECORD["mobilenet_v2"]["keys"])[: len(theirs)]
    assert parity.close(ours, theirs) > 1e-4
