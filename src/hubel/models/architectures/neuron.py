"""Single neurons, from the threshold unit of 1943 to the perceptron that learns, and small nets wired by hand.

    McCulloch, Pitts 1943   fires when enough inputs are on; the weights are set by hand
    Rosenblatt 1957         w <- w + y x on every mistake: it finds a separating plane wherever there is one
    today                   a(w·x + b), trained by gradients

Letters: B batch, F inputs, K classes.

>>> both = threshold_neuron([1, 1], threshold=2)
>>> [int(both([a, b])) for a in (0, 1) for b in (0, 1)]  # AND
[0, 0, 0, 1]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from hubel.errors import DataError
from hubel.nn.activations import build_activation


def threshold_neuron(weights: Sequence[float], threshold: float) -> Callable[[Sequence[float]], bool]:
    """The neuron of McCulloch and Pitts: fires when the weighted sum of its inputs reaches the threshold.

    W. McCulloch, W. Pitts, A logical calculus of the ideas immanent in nervous activity, 1943. It has no learning rule.

    >>> majority = threshold_neuron([1, 1, 1], threshold=2)
    >>> majority([1, 0, 1]), majority([0, 0, 1])
    (True, False)
    """

    def fires(inputs: Sequence[float]) -> bool:
        return sum(w * x for w, x in zip(weights, inputs, strict=True)) >= threshold

    return fires


def neuron(inputs: torch.Tensor, weights: torch.Tensor, bias: float = 0.0, activation: str = "sigmoid") -> torch.Tensor:
    """Today's neuron: a(x·w + b), inputs B F and weights F -> B.

    >>> neuron(torch.tensor([[1.0, 2.0]]), torch.tensor([0.0, 0.0])).item()  # all weights 0: nothing comes through
    0.5
    >>> neuron(torch.tensor([[1.0, 2.0]]), torch.tensor([1.0, 1.0]), activation="identity").item()
    3.0
    """
    return build_activation(activation)(inputs @ weights + bias)


def connections(pattern: str, size: int, reach: int = 3) -> torch.Tensor:
    """Which weight joins output (row) and input (column) of a 1-D layer: 0 none, else the weight's number.

    "full" has n² weights, "sparse" joins `reach` neighbours with weights of their own, "shared" with the same `reach`
    weights everywhere, which is a convolution; at the rim a neighbour is missing.

    >>> connections("shared", 4)
    tensor([[2, 3, 0, 0],
            [1, 2, 3, 0],
            [0, 1, 2, 3],
            [0, 0, 1, 2]])
    >>> [len(connections(pattern, 100).unique()) - (pattern != "full") for pattern in ("full", "sparse", "shared")]
    [10000, 298, 3]
    """
    if pattern == "full":
        return torch.arange(1, size * size + 1).reshape(size, size)
    offset = torch.arange(size)[None] - torch.arange(size)[:, None]  # input - output
    near = offset.abs() <= reach // 2
    if pattern == "shared":
        return torch.where(near, offset + reach // 2 + 1, 0)
    table = torch.zeros(size, size, dtype=torch.long)
    table[near] = torch.arange(1, int(near.sum()) + 1)
    return table


class HandWired(nn.Module):
    """A detector wired by hand: a unit per 2x2 field fires when its sum is at least 2; the output is their mean.

    Nothing is learnt. B 1 4 4 -> B 1.

    >>> HandWired()(torch.tensor([[[[1.0, 1, 0, 0], [0, 0, 0, 1], [1, 1, 0, 0], [1, 1, 0, 0]]]])).item()
    0.5
    """

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        sums = nn.functional.avg_pool2d(images, 2) * 4  # B 1 2 2
        return (sums >= 2).to(images.dtype).mean(dim=(1, 2, 3))[:, None]


@dataclass(frozen=True)
class Lesson:
    """What happened while a perceptron learned."""

    mistakes: tuple[int, ...]
    """Mistakes, and so corrections, in each epoch."""
    converged: bool
    """Was there an epoch without a mistake?"""


class Perceptron(nn.Module):
    """Rosenblatt's perceptron for K classes: one sum per class, the largest wins. B F or B C H W -> B K.

    F. Rosenblatt, The perceptron, Psychological Review 65, 1958. `learn` is its rule; the net can be trained by
    gradients, too, as the linear classifier it is.
    """

    stages = ("retina",)
    head = "response"

    def __init__(self, in_features: int, num_classes: int) -> None:
        super().__init__()
        self.retina = nn.Flatten()
        self.response = nn.Linear(in_features, num_classes)
        nn.init.zeros_(self.response.weight)
        nn.init.zeros_(self.response.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.response(self.retina(images))

    @torch.no_grad()
    def learn(self, inputs: np.ndarray, labels: np.ndarray, *, epochs: int = 100) -> Lesson:
        """Show every sample in turn; after a mistake add it to the weights of its class, take it from the winner's.

        With a separating plane of margin γ and inputs no longer than R (both with the constant 1 for the bias), there
        are at most 2 R²/γ² corrections (Novikoff 1962; twice, since each moves two classes). Without one it never ends.
        Inputs N F, labels N in 0..K-1; raises DataError for others.

        >>> points = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        >>> Perceptron(2, 2).learn(points, np.array([0, 0, 0, 1])).converged  # AND has a separating line
        True
        >>> Perceptron(2, 2).learn(points, np.array([0, 1, 1, 0])).converged  # exclusive or has none
        False
        """
        flat = torch.as_tensor(inputs, dtype=torch.float64).flatten(1)
        truth = torch.as_tensor(labels, dtype=torch.long)
        classes, features = self.response.weight.shape
        if flat.shape != (len(truth), features) or len(truth) == 0:
            raise DataError(
                f"the perceptron takes N samples of {features} inputs, got shape {tuple(np.shape(inputs))}",
                hint=f"one row a sample: inputs.reshape(-1, {features})",
            )
        if truth.min() < 0 or truth.max() >= classes:
            raise DataError(
                f"labels must be 0 to {classes - 1}, got {int(truth.min())} to {int(truth.max())}",
                hint=f"classes are numbered from 0; more of them: Perceptron(num_classes, {features})",
            )
        weight, bias = self.response.weight.double(), self.response.bias.double()
        mistakes = []
        for _ in range(epochs):
            wrong = 0
            for x, label in zip(flat, truth, strict=True):
                scores = weight @ x + bias
                # A tie is a mistake: before the first lesson all scores are 0 and nothing is known.
                rival = int(torch.where(torch.arange(classes) == label, -torch.inf, scores).argmax())
                if scores[rival] >= scores[label]:
                    weight[label] += x
                    weight[rival] -= x
                    bias[label] += 1
                    bias[rival] -= 1
                    wrong += 1
            mistakes.append(wrong)
            if wrong == 0:
                break
        self.response.weight.copy_(weight)
        self.response.bias.copy_(bias)
        return Lesson(tuple(mistakes), mistakes[-1] == 0)


def perceptron(*, num_classes: int, in_chans: int, img_size: tuple[int | None, int | None]) -> Perceptron:
    """A perceptron over pictures, or over points of `in_chans` features."""
    height, width = img_size
    return Perceptron(in_chans * height * width if height and width else in_chans, num_classes)
