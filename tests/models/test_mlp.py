"""Perceptrons of any depth: counts of the lectures, what they take, what they refuse."""

from __future__ import annotations

import pytest
import torch

from hubel.errors import UnknownName, UsageError
from hubel.models import CARDS, create_model

NAMED = [entry for entry in CARDS.values() if entry.builder_at.startswith("mlp:")]


@pytest.mark.parametrize("entry", NAMED, ids=lambda entry: entry.name)
def test_every_named_perceptron_has_the_parameters_of_its_card(entry: object) -> None:
    with torch.device("meta"):  # the descriptions have billions
        net = create_model(entry.name, in_chans=entry.in_chans)
    assert sum(p.numel() for p in net.parameters()) == entry.params


def test_the_layers_of_s7_and_s8_count_as_the_lecture_says() -> None:
    counts = [
        sum(p.numel() for p in stage.parameters()) for stage in create_model("mlp_8_32_32_2", in_chans=8).children()
    ]
    assert [count for count in counts if count] == [288, 1056, 66]
    digits = create_model("mnist_mlp", in_chans=1)
    counts = [sum(p.numel() for p in stage.parameters()) for stage in digits.children()]
    assert [count for count in counts if count] == [200_960, 32_896, 8_256, 650]


def test_a_perceptron_is_the_formula_written_out() -> None:
    net = create_model("mlp", num_classes=2, in_chans=3, hidden=(5, 4), activation="tanh")
    w1, b1, w2, b2, w3, b3 = net.parameters()
    x = torch.randn(6, 3)
    by_hand = torch.tanh(torch.tanh(x @ w1.T + b1) @ w2.T + b2) @ w3.T + b3
    assert torch.allclose(net(x), by_hand, atol=1e-6)


def test_pictures_are_flattened_and_points_taken_as_they_are() -> None:
    pictures = create_model("mlp", num_classes=4, in_chans=3, img_size=(5, 7), hidden=())
    assert pictures(torch.zeros(2, 3, 5, 7)).shape == (2, 4)
    assert pictures.stages == ("flatten",)
    assert pictures.head == "classify"
    assert create_model("iris_mlp", in_chans=4)(torch.zeros(2, 4)).shape == (2, 3)


def test_permuted_features_are_the_same_task_for_a_dense_layer() -> None:  # W83
    net = create_model("iris_mlp", in_chans=4).eval()
    x, order = torch.randn(5, 4), [1, 2, 0, 3]
    before = net(x)
    with torch.no_grad():
        first = net.hidden1[0]
        first.weight.copy_(first.weight[:, order])
    assert torch.allclose(net(x[:, order]), before, atol=1e-6)


def test_dropout_acts_in_training_only() -> None:
    net = create_model("mlp", in_chans=10, dropout=0.5, input_dropout=0.2)
    x = torch.ones(4, 10)
    assert not torch.equal(net.train()(x), net(x))
    assert torch.equal(net.eval()(x), net(x))


def test_the_impossible_is_refused_with_a_reason() -> None:
    with pytest.raises(UsageError, match=r"65,536-65,536-1 has 4,295,032,832 weights, 17\.2 GB"):
        create_model("glasses_mlp", in_chans=1)
    with pytest.raises(UsageError, match=r"whole numbers of at least 1, got \(0,\)"):
        create_model("mlp", num_classes=2, in_chans=10, hidden=(0,))
    with pytest.raises(UnknownName, match="did you mean 'relu'"):
        create_model("mlp", activation="relo")


def test_maxout_gets_as_many_sums_as_it_takes_the_largest_of() -> None:
    net = create_model("mlp", num_classes=3, in_chans=4, hidden=(5, 6), activation="maxout")
    w1, b1, w2, b2, w3, b3 = net.parameters()
    x = torch.randn(7, 4)
    first = (x @ w1.T + b1).reshape(7, 5, 2).max(2).values
    second = (first @ w2.T + b2).reshape(7, 6, 2).max(2).values
    torch.testing.assert_close(net(x), second @ w3.T + b3)


def test_the_toy_net_of_two_classes_keeps_its_one_sigmoid_unit() -> None:  # S14
    net = create_model("toy_3_2_1", num_classes=2, in_chans=2)
    assert [tuple(weight.shape) for weight in net.parameters() if weight.dim() == 2] == [(3, 2), (2, 3), (1, 2)]
    x = torch.randn(5, 2)
    hidden = torch.relu(torch.relu(x @ net.hidden1[0].weight.T + net.hidden1[0].bias) @ net.hidden2[0].weight.T
                        + net.hidden2[0].bias)  # fmt: skip
    sigmoid = torch.sigmoid(hidden @ net.classify.weight.T + net.classify.bias)[:, 0]
    torch.testing.assert_close(net(x).softmax(dim=1)[:, 1], sigmoid)
    assert create_model("toy_3_2_1", num_classes=3, in_chans=2)(x).shape == (5, 3)
    assert create_model("toy_3_2_3", num_classes=2, in_chans=2).classify.out_features == 2
