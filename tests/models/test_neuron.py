"""The first neurons: what they can do, what they learn, and where they never end."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from hubel.errors import DataError
from hubel.models import create_model
from hubel.models.architectures.neuron import HandWired, Perceptron, connections, threshold_neuron


def test_threshold_units_make_every_gate_but_exclusive_or() -> None:
    bits = list(itertools.product((0, 1), repeat=2))
    gates = {"and": ([1, 1], 2), "or": ([1, 1], 1), "nor": ([-1, -1], 0)}
    answers = {name: [int(threshold_neuron(w, t)(pair)) for pair in bits] for name, (w, t) in gates.items()}
    assert answers == {"and": [0, 0, 0, 1], "or": [0, 1, 1, 1], "nor": [1, 0, 0, 0]}
    grid = np.linspace(-2, 2, 17)
    for a, b, t in itertools.product(grid, grid, grid):
        assert [int(threshold_neuron([a, b], t)(pair)) for pair in bits] != [0, 1, 1, 0]


def test_the_perceptron_stops_within_the_bound_of_novikoff() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(200, 5))
    truth = rng.normal(size=5)
    points = points[np.abs(points @ truth) > 0.3]
    labels = (points @ truth > 0).astype(np.int64)
    lesson = Perceptron(5, 2).learn(points, labels, epochs=1000)
    radius = np.linalg.norm(np.c_[points, np.ones(len(points))], axis=1).max()
    margin = np.abs(points @ truth).min() / np.linalg.norm(truth)
    assert lesson.converged
    assert 0 < sum(lesson.mistakes) <= 2 * radius**2 / margin**2


def test_it_separates_two_digits_and_its_net_gives_the_same_answers() -> None:
    digits = load_digits()
    which = digits.target < 2
    images, labels = digits.images[which][:, None], digits.target[which]
    net = create_model("perceptron", num_classes=2, in_chans=1, img_size=8)
    assert net.learn(images, labels).converged
    assert (net(torch.tensor(images, dtype=torch.float32)).argmax(1).numpy() == labels).all()


def test_it_refuses_samples_that_do_not_fit() -> None:
    with pytest.raises(DataError, match=r"N samples of 2 inputs, got shape \(3, 4\)"):
        Perceptron(2, 2).learn(np.zeros((3, 4)), np.zeros(3, dtype=int))
    with pytest.raises(DataError, match="labels must be 0 to 1, got 0 to 5"):
        Perceptron(2, 2).learn(np.zeros((2, 2)), np.array([0, 5]))


def test_shared_connections_are_a_convolution() -> None:  # S19
    weights = torch.tensor([0.0, 2.0, -1.0, 3.0])
    matrix = weights[connections("shared", 9)]
    signal = torch.randn(9)
    by_conv = torch.nn.functional.conv1d(signal[None, None], weights[None, None, 1:], padding=1)[0, 0]
    assert torch.allclose(matrix @ signal, by_conv, atol=1e-6)


def test_the_hand_wired_detector_counts_fields_with_two_or_more() -> None:  # S20
    for ones in range(5):
        field = torch.zeros(4)
        field[:ones] = 1
        picture = torch.zeros(1, 1, 4, 4)
        picture[0, 0, :2, :2] = field.view(2, 2)
        assert HandWired()(picture).item() == (0.25 if ones >= 2 else 0.0)
