"""The studio's small net against torch: the same weights, the same batches, a hundred updates."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from torch import nn

import hubel
from hubel.cli.completion import candidates
from studio.node import NODE, WEB, needs_node, run

pytestmark = needs_node
UPDATES, SAMPLES = 100, 24

# The weights are given to the net, it is trained on the batches, and what became of it comes back.
TRAIN = """
import { Net } from 'WEB/net/net.js';
const found = given.map(({ net, weights, x, targets, batch, updates }) => {
  const made = new Net(net), X = Float64Array.from(x), T = Float64Array.from(targets), each = X.length / T.length;
  if (made.weights.length !== weights.length) throw new Error(`${made.weights.length} weights, not ${weights.length}`);
  made.weights.set(weights);
  const losses = [];
  for (let step = 0; step < updates; step++) {
    const at = (step * batch) % T.length;
    losses.push(made.step(X.subarray(at * each, (at + batch) * each), T.subarray(at, at + batch), batch));
  }
  return { weights: [...made.weights], losses, out: [...made.forward(X, T.length)] };
});
console.log(JSON.stringify(found));
"""


def hashed(seed: int, a: int = 0, b: int = 0, c: int = 0) -> int:
    """rand.js, again."""
    full = 0xFFFFFFFF
    h = seed & full
    for part in (a, b, c):
        h = ((h ^ part) * 0x85EBCA6B) & full
        h = (((h ^ (h >> 13)) * 0xC2B2AE35) + 0x9E3779B9) & full
        h ^= h >> 16
    return h


class Drop(nn.Module):
    """Drop-out whose mask follows from seed, step and place, as in the page."""

    def __init__(self, share: float, seed: int, place: int) -> None:
        super().__init__()
        self.share, self.seed, self.place, self.step = share, seed, place, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        key = hashed(self.seed, self.place, self.step, 11)
        kept = [hashed(key, i) >= self.share * 2**32 for i in range(x.numel())]
        self.step += 1
        return x * torch.tensor(kept, dtype=x.dtype).view(x.shape) / (1 - self.share)


class Sine(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sin()


ACTIVATIONS: dict[str, Any] = {
    "tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "linear": nn.Identity,
    "leaky": lambda: nn.LeakyReLU(0.01), "elu": nn.ELU, "silu": nn.SiLU, "gelu": lambda: nn.GELU("tanh"),
    "softplus": nn.Softplus, "sine": Sine,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A net, its loss, and how it is trained."""

    blocks: list[dict[str, Any]]
    loss: str = "cross-entropy"
    classes: int = 2
    optimiser: str = "sgd"
    input: tuple[int, ...] = (2,)
    rate: float = 0.05
    l1: float = 0.0
    l2: float = 0.0
    batch: int = 6
    more: dict[str, Any] = field(default_factory=dict)

    def description(self) -> dict[str, Any]:
        names = ("blocks", "loss", "classes", "optimiser", "input", "rate", "l1", "l2")
        return {name: getattr(self, name) for name in names} | {"seed": 5}


def dense(units: int, activation: str = "tanh", **more: Any) -> dict[str, Any]:
    return {"units": units, "activation": activation, **more}


CASES = {
    **{f"activation {name}": Case([dense(5, name), dense(3, name)]) for name in ACTIVATIONS},
    "squared, two classes": Case([dense(4)], "squared"),
    "squared, four classes": Case([dense(4)], "squared", 4),
    "hinge": Case([dense(4)], "hinge"),
    "hinge, three classes": Case([dense(4)], "hinge", 3),
    "six classes": Case([dense(8, "relu")], "cross-entropy", 6),
    "values, squared": Case([dense(4)], "squared", 0),
    "values, absolute": Case([dense(4)], "absolute", 0),
    "values, huber": Case([dense(4)], "huber", 0),
    "no layer": Case([]),
    "momentum": Case([dense(4), dense(4)], optimiser="momentum", rate=0.02),
    "adam": Case([dense(4), dense(4)], optimiser="adam", rate=0.02),
    "l2": Case([dense(4)], l2=0.01),
    "l1": Case([dense(4)], l1=0.03),
    "adam with l2": Case([dense(4)], optimiser="adam", l2=0.01, rate=0.01),
    "batch norm": Case([dense(6, "relu", norm=True), dense(4, "tanh", norm=True)], classes=3),
    "drop-out": Case([dense(8, "relu", dropout=0.4), dense(6, dropout=0.25)], classes=3),
    "norm and drop-out": Case([dense(8, "relu", norm=True, dropout=0.3)], optimiser="adam"),
    "convolution": Case([{"kind": "conv", "units": 3, "activation": "relu"}], classes=3, input=(1, 6, 6)),
    "convolutions, padded, pooled": Case(
        [
            {"kind": "conv", "units": 4, "activation": "relu", "padding": 1, "norm": True},
            {"kind": "pool"},
            {"kind": "conv", "units": 5, "activation": "tanh"},
            dense(6, "relu"),
        ],
        classes=4, input=(2, 8, 8), optimiser="momentum", rate=0.02,
    ),
    "stride and mean pooling": Case(
        [{"kind": "conv", "units": 3, "activation": "silu", "stride": 2, "padding": 1, "kernel": 5},
         {"kind": "pool", "how": "mean"}],
        classes=3, input=(1, 9, 9), optimiser="adam", rate=0.01,
    ),
}  # fmt: skip


def in_torch(case: Case) -> nn.Sequential:
    layers: list[nn.Module] = []
    shape = case.input
    for block in case.blocks:
        kind = block.get("kind", "dense")
        if kind == "pool":
            layers.append((nn.AvgPool2d if block.get("how") == "mean" else nn.MaxPool2d)(2))
            shape = (shape[0], shape[1] // 2, shape[2] // 2)
            continue
        if kind == "conv":
            k, p, s = block.get("kernel", 3), block.get("padding", 0), block.get("stride", 1)
            layers.append(nn.Conv2d(shape[0], block["units"], k, s, p))
            shape = (block["units"], *((side + 2 * p - k) // s + 1 for side in shape[1:]))
        else:
            if len(shape) > 1:
                layers.append(nn.Flatten())
            layers.append(nn.Linear(int(np.prod(shape)), block["units"]))
            shape = (block["units"],)
        if block.get("norm"):
            layers.append((nn.BatchNorm2d if len(shape) > 1 else nn.BatchNorm1d)(shape[0]))
        layers.append(ACTIVATIONS[block["activation"]]())
        if block.get("dropout"):
            place = sum(not isinstance(layer, nn.Flatten) for layer in layers)
            layers.append(Drop(block["dropout"], 5, place))
    outputs = case.classes if case.loss == "cross-entropy" or case.classes > 2 else 1
    if len(shape) > 1:
        layers.append(nn.Flatten())
    layers.append(nn.Linear(int(np.prod(shape)), outputs))
    if case.loss == "squared" and case.classes:
        layers.append(nn.Tanh())
    return nn.Sequential(*layers).double()


def loss_of(case: Case, out: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    if case.loss == "cross-entropy":
        return F.cross_entropy(out, targets.long())
    aims = targets[:, None]
    if case.classes > 2:
        aims = 2 * F.one_hot(targets.long(), case.classes).double() - 1
    elif case.classes == 2:
        aims = 2 * aims - 1
    each = {
        "squared": 0.5 * (out - aims) ** 2,
        "absolute": (out - aims).abs(),
        "huber": F.huber_loss(out, aims, reduction="none"),
        "hinge": (1 - aims * out).clamp_min(0),
    }[case.loss]
    return each.sum(1).mean()


def trained(case: Case) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is given to the page, and what torch makes of the same."""
    torch.manual_seed(len(str(case)))
    net = in_torch(case)
    x = torch.randn(SAMPLES, *case.input, dtype=torch.float64)
    targets = torch.arange(SAMPLES) % case.classes if case.classes else x.flatten(1).sum(1).sin()
    flat = torch.cat([p.detach().flatten() for p in net.parameters()])
    given = {
        "net": case.description(), "weights": flat.tolist(), "x": x.flatten().tolist(), "targets": targets.tolist(),
        "batch": case.batch, "updates": UPDATES,
    }  # fmt: skip
    weights = [m.weight for m in net.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    kinds: dict[str, Any] = {
        "sgd": torch.optim.SGD, "adam": torch.optim.Adam, "momentum": lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9)
    }  # fmt: skip
    optimiser = kinds[case.optimiser](net.parameters(), lr=case.rate)
    losses = []
    net.train()
    for step in range(UPDATES):
        at = (step * case.batch) % SAMPLES
        loss = loss_of(case, net(x[at : at + case.batch]), targets[at : at + case.batch])
        losses.append(loss.item())
        optimiser.zero_grad()
        (loss + case.l2 / 2 * sum((w**2).sum() for w in weights)).backward()
        optimiser.step()
        with torch.no_grad():
            for w in weights:
                w.copy_(w.sign() * (w.abs() - case.rate * case.l1).clamp_min(0))
    net.eval()
    after = torch.cat([p.detach().flatten() for p in net.parameters()])
    return given, {"weights": after.tolist(), "losses": losses, "out": net(x).flatten().tolist()}


@pytest.fixture(scope="module")
def both() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Case -> (the page's, torch's): one node for all."""
    pairs = {name: trained(case) for name, case in CASES.items()}
    found = run(TRAIN, [given for given, _ in pairs.values()])
    return {name: (ours, pairs[name][1]) for name, ours in zip(pairs, found, strict=True)}


@pytest.mark.parametrize("name", CASES)
def test_after_a_hundred_updates_the_page_and_torch_have_the_same_net(
    name: str, both: dict[str, tuple[dict[str, Any], dict[str, Any]]]
) -> None:
    ours, theirs = both[name]
    for what in ("losses", "weights", "out"):
        np.testing.assert_allclose(ours[what], theirs[what], atol=1e-7, rtol=1e-7, err_msg=f"{name}: {what}")
    assert not np.allclose(ours["losses"][0], ours["losses"][-1]), "nothing was learnt: nothing was compared"


def test_modules_without_a_page_touch_none() -> None:
    for file in sorted((WEB / "net").glob("*.js")):
        text = file.read_text()
        assert not [word for word in ("document.", "window.", "localStorage", "innerHTML") if word in text], file.name


def test_the_modules_own_tests_hold() -> None:
    """`tests/studio/web/*.test.mjs` by node's own runner."""
    files = sorted(str(file) for file in (Path(__file__).parent / "web").glob("*.test.mjs"))
    assert files
    done = subprocess.run([NODE or "", "--test", *files], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-4000:]


TAKEN = """
import { asCommand, asPython, asYaml } from 'WEB/net/export.js';
import { decode } from 'WEB/net/state.js';
import { made } from 'WEB/net/points.js';
console.log(JSON.stringify(given.map((words) => {
  const s = decode(words);
  const points = made(s.data, s.classes, 0, 1).slice(0, 60);
  return { python: asPython(s, points), yaml: asYaml(s.layers), command: asCommand(s) };
})));
"""
STATES = [
    "", "net=", "net=8relu-d0.2-n,6sine&loss=hinge&classes=3&penalty=l1&strength=0.01&data=gauss",
    "loss=cross-entropy&classes=4&data=gauss&optimiser=adam&rate=0.01&net=5step,5gelu",
    "data=hills&loss=huber&optimiser=momentum&penalty=l2&strength=0.01", "data=plane&loss=absolute&net=4softplus",
    "classes=3&data=spiral&features=x,xx,xy,sy&net=4leaky,4elu,4silu,4sigmoid,4linear",
]  # fmt: skip


def test_what_is_taken_away_runs_in_python_and_is_a_net_of_hubel(capsys: pytest.CaptureFixture[str]) -> None:
    flags = set(candidates(["train", "--"]))
    for words, taken in zip(STATES, run(TAKEN, STATES), strict=True):
        exec(compile(taken["python"].replace("range(500)", "range(3)"), words, "exec"), {"__name__": "taken"})
        assert (
            "right: " if "data=hills" not in words and "data=plane" not in words else "predicted"
        ) in capsys.readouterr().out
        layers = yaml.safe_load(taken["yaml"])["layers"]
        assert hubel.create_model(layers, num_classes=10, in_chans=1, img_size=8).head, words
        assert set(re.findall(r"--[a-z0-9-]+", taken["command"])) <= flags, taken["command"]
