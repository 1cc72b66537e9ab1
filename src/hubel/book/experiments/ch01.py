"""Chapter 1, one neuron: what a threshold can cut, what the perceptron's rule learns, what a bias is for."""

from __future__ import annotations

import string

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import nn

from hubel.book.bench import fit, mlp, moons, right
from hubel.book.experiment import Budget, Experiment, Outcome
from hubel.book.plots import Lines, Listing, Pictures
from hubel.book.verdicts import exact, share_above, together
from hubel.lessons.arithmetic import dense
from hubel.models.architectures.neuron import Perceptron, threshold_neuron
from hubel.nn.activations import Step
from hubel.runtime.seeds import seeded
from hubel.words import magnitude

CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
GATES = {"and": [0, 0, 0, 1], "or": [0, 1, 1, 1], "nand": [1, 1, 1, 0], "xor": [0, 1, 1, 0]}


def gates(budget: Budget) -> Outcome:
    """Perceptron on four gates; two layers by backpropagation on the one it cannot."""
    mistakes = {name: Perceptron(2, 2).learn(CORNERS, np.array(wanted)).mistakes for name, wanted in GATES.items()}
    by_hand = any(
        [threshold_neuron([a, b], t)(corner) for corner in CORNERS.tolist()] == [False, True, True, False]
        for a in range(-3, 4) for b in range(-3, 4) for t in np.arange(-3, 4, 0.5)
    )  # fmt: skip
    x, y = torch.from_numpy(CORNERS).float(), torch.tensor(GATES["xor"])
    solved = 0
    for seed in range(10):
        with seeded(1, seed):
            net = mlp([2, 4, 2], "tanh")
        fit(net, x, y, steps=300, seed=seed, batch=4, lr=0.05)
        solved += bool(right(net, x, y).all())
    ends = {name: told[-1] for name, told in mistakes.items()}
    lines = {name: [float(told[min(e, len(told) - 1)]) for e in range(30)] for name, told in mistakes.items()}
    return Outcome(
        {
            "E1": together([
                exact(all(ends[g] == 0 for g in ("and", "or", "nand")), f"mistakes at the end: {_of(ends)}"),
                exact(ends["xor"] > 0 and not by_hand, "no threshold set by hand does exclusive or either"),
            ]),
            "E2": together([
                exact(ends["xor"] > 0, f"the rule ends with {ends['xor']} of 4 wrong on exclusive or"),
                share_above(solved, 10, 0.5, "two layers trained by backpropagation solve it, of 10 starts"),
            ]),
        },
        (Lines("Mistakes in each epoch", list(range(1, 31)), lines, "epoch"),),
    )  # fmt: skip


def _of(values: dict[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def glyphs(copies: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Letters A to Z drawn 20 x 20 in several faces, moved by up to a pixel: N 20 20 in [0, 1], labels."""
    random = np.random.RandomState(seed)
    faces = [(family, weight) for family in ("DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono")
             for weight in ("normal", "bold")]  # fmt: skip
    pictures, labels = [], []
    for label, letter in enumerate(string.ascii_uppercase):
        for copy in range(copies):
            family, weight = faces[copy % len(faces)]
            board = Figure(figsize=(1, 1), dpi=20)
            canvas = FigureCanvasAgg(board)
            dx, dy = random.uniform(-0.05, 0.05, 2)
            board.text(0.5 + dx, 0.5 + dy, letter, ha="center", va="center", size=random.uniform(40, 52),
                       family=family, weight=weight)  # fmt: skip
            canvas.draw()
            pictures.append(1 - np.asarray(canvas.buffer_rgba())[..., 0] / 255)
            labels.append(label)
    return np.stack(pictures), np.array(labels)


def letters(budget: Budget) -> Outcome:
    """A perceptron with 400 inputs reads letters."""
    pictures, labels = glyphs(30, 3)
    order = np.random.RandomState(3).permutation(len(labels))
    train, test = order[:520], order[520:]
    net = Perceptron(400, 26)
    lesson = net.learn(pictures[train].reshape(-1, 400), labels[train], epochs=60)
    hits = right(net, torch.from_numpy(pictures[test]).float()[:, None], torch.from_numpy(labels[test]))
    words = "it ended without a mistake" if lesson.converged else "it was still making mistakes"
    first = [int(np.flatnonzero(labels == k)[k % 6]) for k in range(26)]
    sheet = {string.ascii_uppercase[k]: pictures[row] for k, row in enumerate(first)}
    found = share_above(int(hits.sum()), len(hits), 0.5, "right on letters it has not seen")
    note = f"Chance is 3.8 %. After {len(lesson.mistakes)} epochs {words} on the letters it had seen."
    return Outcome({"E3": found}, (Pictures("Letters of 20 x 20 pixels", sheet, columns=13, side=44),), note)


def bias(budget: Budget) -> Outcome:
    """y = 2x + 3 with a bias, without, and with a 1 appended to the input."""
    x = np.linspace(-2, 2, 41)
    y = 2 * x + 3
    designs = {"without": x[:, None], "with a bias": np.stack([x, np.ones(41)], 1)}
    fitted = {name: d @ np.linalg.lstsq(d, y, rcond=None)[0] for name, d in designs.items()}
    error = {name: float(((line - y) ** 2).mean()) for name, line in fitted.items()}
    layer = nn.Linear(1, 1)
    appended = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        layer.weight.fill_(2.0), layer.bias.fill_(3.0), appended.weight.copy_(torch.tensor([[2.0, 3.0]]))
        points = torch.from_numpy(x).float()[:, None]
        same = float((layer(points) - appended(torch.cat([points, torch.ones(41, 1)], 1))).abs().max())
        by_hand = dense([1, 2], [[3, 4], [5, 6]], [0, 1]).result
        by_layer = F.linear(torch.tensor([1.0, 2.0]), torch.tensor([[3.0, 4], [5, 6]]), torch.tensor([0.0, 1.0]))
    told = f"mean squared error {error['without']:.2f} without a bias, {error['with a bias']:.1e} with it"
    return Outcome(
        {
            "E11": together([exact(error["without"] > 1 and error["with a bias"] < 1e-6, told),
                             exact(same < 1e-6, f"an appended 1 is the same bias to {magnitude(same)}")]),
            "E20": exact(list(by_hand) == by_layer.tolist(), f"by hand {by_hand}, by the layer {by_layer.tolist()}"),
        },
        (Lines("The best line for y = 2x + 3", x.tolist(), {"wanted": y.tolist(), **{
            name: line.tolist() for name, line in fitted.items()}}, "x"),),
    )  # fmt: skip


def step_function(budget: Budget) -> Outcome:
    """A hidden layer of steps gets no gradient."""
    x, y = moons(200, 0.2, 0)
    moved, ends = {}, {}
    for name in ("step", "relu"):
        with seeded(77, 0):
            first = nn.Linear(2, 16)
            net = nn.Sequential(first, Step() if name == "step" else nn.ReLU(), nn.Linear(16, 2))
        before = first.weight.detach().clone()
        fit(net, x, y, steps=500, seed=0, batch=64, lr=0.01)
        moved[name] = float((first.weight.detach() - before).abs().max())
        ends[name] = float(right(net, x, y).mean())
    line = torch.linspace(-2, 2, 9, requires_grad=True)
    slope = torch.autograd.grad((2 * line).sum(), line)[0]
    told = f"weights before steps moved by {moved['step']:g}, before ReLUs by {moved['relu']:.2f}"
    found = together([exact(moved["step"] == 0 and moved["relu"] > 0, told),
                      exact(bool((slope == 2).all()), "the slope of y = 2x is 2 everywhere")])  # fmt: skip
    rows = [[name, round(moved[name], 3), f"{100 * ends[name]:.1f} %"] for name in moved]
    table = Listing("After 500 steps", ["hidden layer", "first weights moved by", "right on the training points"], rows)
    return Outcome({"E77": found}, (table,))


EXPERIMENTS = (
    Experiment(
        "1.1",
        "Four gates",
        ("E1", "E2"),
        ("Four corners; a perceptron for at most 100 epochs; a 2-4-2 tanh net, 300 Adam steps, 10 seeds."),
        gates,
        Budget(6),
        Budget(6),
        ("the rule ends at 0 on and, or, nand, never on exclusive or, and two layers solve that from most starts"),
    ),
    Experiment(
        "1.2",
        "Letters",
        ("E3",),
        (
            "26 letters of 20 x 20 pixels in six faces, 520 to learn, 260 to test; a perceptron "
            "with 400 inputs, 60 epochs."
        ),
        letters,
        Budget(12),
        Budget(12),
        "more than half are right",
    ),
    Experiment(
        "1.3",
        "What a bias is for",
        ("E11", "E20"),
        "41 points of y = 2x + 3, least squares.",
        bias,
        Budget(1),
        Budget(1),
        "the error without a bias is above 1, with it below 1e-6",
    ),
    Experiment(
        "1.4",
        "A step teaches nothing",
        ("E77",),
        "Two moons, 200 points; 16 hidden units, 500 Adam steps.",
        step_function,
        Budget(3),
        Budget(3),
        "the layer before the steps does not move at all",
    ),
)
