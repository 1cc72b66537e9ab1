"""Facts that take more than one line to count."""

from __future__ import annotations

import torch
from torch import nn

from hubel.book.facts.counting import alike, net
from hubel.lessons.descent import descend
from hubel.lessons.expression import trace
from hubel.models import create_model
from hubel.nn.losses import build_loss
from hubel.nn.modes import evaluating


def permuted_iris_is_equal() -> bool:
    """Row W83: columns in the order (2, 3, 1, 4), the first layer's weights in the same order."""
    model = create_model("iris_mlp", img_size=(1, 4), in_chans=1, num_classes=3)
    order = torch.tensor([1, 2, 0, 3])
    x = torch.rand(8, 1, 1, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), evaluating(model):
        before = model(x)
        first = next(m for m in model.modules() if isinstance(m, nn.Linear))
        first.weight.copy_(first.weight[:, order].clone())
        return alike(before, model(x[..., order]))


def shifts_alike() -> bool:
    """Row W99: a convolution whose edges meet follows a shift exactly."""
    random = torch.Generator().manual_seed(0)
    conv = nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular")
    x = torch.rand(1, 1, 9, 9, generator=random)
    with torch.no_grad():
        return alike(conv(x.roll((2, 3), (2, 3))), conv(x).roll((2, 3), (2, 3)))


def formulas_agree() -> bool:
    """Row W152: losses of the registry against their formulas, on random numbers."""
    random = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 50, generator=random, dtype=torch.float64) * 2
    d, t = (x - y).abs(), (y > 0).double()
    p = torch.sigmoid(x)
    known = {
        "mse": (d**2).mean(),
        "l1": d.mean(),
        "smooth-l1": torch.where(d < 1, 0.5 * d**2, d - 0.5).mean(),
    }
    bce = build_loss("bce-with-logits")(x[:, None], t[:, None])
    close = [alike(build_loss(name)(x, y), value, 1e-9) for name, value in known.items()]
    return all(close) and alike(bce, -(t * p.log() + (1 - t) * (1 - p).log()).mean(), 1e-9)


def summed_gradient(samples: int) -> float:
    """Row W180: slope of the summed squared error of `samples` equal samples."""
    w = torch.tensor(2.0, requires_grad=True)
    ((w * torch.ones(samples) - 1.0) ** 2).sum().backward()
    assert w.grad is not None
    return float(w.grad)


def penalty_gradient() -> list[float]:
    """Row W183: what the squared norm pulls with at (3, 4)."""
    w = torch.tensor([3.0, 4.0], requires_grad=True)
    (w**2).sum().backward()
    assert w.grad is not None
    return [float(g) for g in w.grad]


def cleared() -> int:
    """Row W45: the lecture's loop, counting how often there is a gradient to clear before the backward pass."""
    random = torch.Generator().manual_seed(0)
    x, t = torch.randn(2, 8, generator=random)
    w, count = torch.randn(8, generator=random).requires_grad_(), 0
    for _ in range(100):
        count += w.grad is not None
        ((x * w - t) ** 2).mean().backward()
        assert w.grad is not None
        w = (w - 0.01 * w.grad).detach().requires_grad_()
    return count


def momentum(sign: float, steps: int = 20) -> float:
    """Row W81: v = β v - α · slope, then θ + sign · v, on w² from 2."""
    w, v = 2.0, 0.0
    for _ in range(steps):
        v = 0.9 * v - 0.1 * 2 * w
        w += sign * v
    return w


def walk(start: float, rate: float, steps: int) -> list[float]:
    """The places after each step down w²."""
    return [float(w) for w in descend("w**2", {"w": start}, rate=rate, steps=steps).points[1:, 0]]


def board(steps: int) -> tuple[list[float], list[float], float]:
    """Weights, gradient and loss of w3 (w1 + w2) after `steps` steps of rate 1 from (-2, 5, -4)."""
    last = trace("w3*(w1+w2)", {"w1": -2, "w2": 5, "w3": -4}, steps=steps + 1, rate=1.0)[-1]
    order = ("w1", "w2", "w3")
    return [last.variables[n] for n in order], [last.gradients[n] for n in order], last.value


def printed_lenet() -> nn.Module:
    """Row W118, in our words: the dense layers one place too far on."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(120, 84), nn.Linear(84, 10),
    )  # fmt: skip


def printed_alexnet() -> nn.Module:
    """Row W122, in our words: the last maps, and the dense layer that waits for others."""
    return nn.Sequential(nn.Conv2d(3, 8, 1), nn.AdaptiveAvgPool2d(32), nn.Flatten(), _Waiting())


class _Waiting(nn.Module):
    """A dense layer of 51,200 inputs, of which only the shape is asked."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Multiply, or say why not."""
        return x @ torch.empty(1, 1).expand(51_200, 4_096)


def googlenet_blocks() -> list[int]:
    """Row W138."""
    table = net("googlenet", aux=False)
    blocks = {row.name.partition(".")[0].partition(":")[0] for row in table.rows if row.name.startswith("inception")}
    return [len(blocks), next(row.input[0] for row in table.rows if row.kind == "Linear")]


def densenet_maps() -> int:
    """Row W145: what the first transition of DenseNet-121 is given."""
    rows = net("densenet121").rows
    return int(next(row.input[0] for row in rows if row.name.startswith("features.transition1")))
