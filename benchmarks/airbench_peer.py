"""The peer of benchmarks/airbench.py: the recipe of airbench94_muon, written anew from its facts, on any device.

    python benchmarks/airbench_peer.py --data FOLDER [--epochs 8] [--seed 0] [--device cpu]

The recipe is that of the script airbench94_muon.py (Keller Jordan, github.com/KellerJordan/cifar10-airbench; 94.01 %
in 2.59 s on an A100), which is not in the package `airbench` and runs on CUDA only. Kept step by step: images
normalised once; a mirror image drawn once per image and turned over every other epoch; reflected borders of 2 pixels
and a new crop an epoch; 25 steps of 2,000 images an epoch; a whitening 2 x 2 convolution from the first 5,000 images,
its bias trained for three epochs; three groups of convolutions of 64, 256 and 256 channels; Muon for their filters,
SGD for the rest; the rate falling linearly to nought; smoothed labels; six views at the test. The arithmetic is plain
float32 on a CPU, and on CUDA float16 with batch norm in float32, as there. FOLDER has train/CLASS/*.jpg and
test/CLASS/*.jpg.

One JSON line when the data are read, one an epoch (seconds of training, accuracy of one view), one at the end with
`seconds` (whitening, training and the six views; reading the data and the epochs' measurements left out, as there).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

BATCH, SMOOTHING = 2000, 0.2
BIAS_RATE, HEAD_RATE, FILTER_RATE = 0.053, 0.67, 0.24
DECAY = 2e-6 * BATCH
WHITEN_EPOCHS, WHITEN_IMAGES, WHITEN_EPS = 3, 5000, 5e-4
Row = dict[str, float]
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def read(folder: Path) -> tuple[Tensor, Tensor]:
    """The pictures (N, 3, 32, 32) as bytes and the labels (N) of a folder with one folder a class, in a mixed order.

    CIFAR-10 comes shuffled, and the whitening layer looks at the first 5,000 pictures: a fixed shuffle makes up for the
    folders' order by class.
    """
    classes = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    pairs = [(path, k) for k, name in enumerate(classes) for path in sorted((folder / name).iterdir())]
    order = np.random.default_rng(0).permutation(len(pairs))
    images = np.empty((len(pairs), 32, 32, 3), np.uint8)
    for row, place in enumerate(order):
        with Image.open(pairs[place][0]) as image:
            images[row] = np.asarray(image.convert("RGB"))
    labels = torch.tensor([pairs[place][1] for place in order])
    return torch.from_numpy(images).permute(0, 3, 1, 2), labels


def normalised(images: Tensor, dtype: torch.dtype) -> Tensor:
    """Bytes to numbers of about unit variance, channels last."""
    mean, std = (torch.tensor(v, device=images.device).view(1, 3, 1, 1) for v in (MEAN, STD))
    return ((images.float() / 255 - mean) / std).to(dtype, memory_format=torch.channels_last)


class Epochs:
    """Augmented batches: mirrored once by lot and then all together every other epoch, cropped anew every epoch."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        lot = torch.rand(len(images), device=images.device) < 0.5
        mirrored = torch.where(lot.view(-1, 1, 1, 1), images.flip(-1), images)
        self.padded = F.pad(mirrored, (2,) * 4, "reflect")
        self.labels = labels

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        n, side = len(self.labels), self.padded.shape[-1] - 4
        shifts = torch.randint(0, 5, (n, 2), device=self.labels.device)
        out = torch.empty_like(self.padded[:, :, :side, :side], memory_format=torch.channels_last)
        for y in range(5):
            for x in range(5):
                here = (shifts[:, 0] == y) & (shifts[:, 1] == x)
                out[here] = self.padded[here, :, y : y + side, x : x + side]
        if epoch % 2:
            out = out.flip(-1)
        order = torch.randperm(n, device=self.labels.device)
        for start in range(0, n - n % BATCH, BATCH):
            rows = order[start : start + BATCH]
            yield out[rows], self.labels[rows]


def norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm with short memory and no scale to learn."""
    layer = nn.BatchNorm2d(channels, eps=1e-12, momentum=0.4)
    layer.weight.requires_grad = False
    return layer


def conv(inside: int, outside: int) -> nn.Conv2d:
    """3 x 3 without bias; as many filters as possible begin by passing a channel on."""
    layer = nn.Conv2d(inside, outside, 3, padding=1, bias=False)
    nn.init.dirac_(layer.weight.data[:inside])
    return layer


class Net(nn.Module):
    """Whitening, three groups of two convolutions, a linear head divided by its inputs' number."""

    def __init__(self) -> None:
        super().__init__()
        self.whiten = nn.Conv2d(3, 24, 2)
        self.whiten.weight.requires_grad = False
        layers: list[nn.Module] = [nn.GELU()]
        inside = 24
        for width in (64, 256, 256):
            layers += [conv(inside, width), nn.MaxPool2d(2), norm(width), nn.GELU()]
            layers += [conv(width, width), norm(width), nn.GELU()]
            inside = width
        self.layers = nn.Sequential(*layers, nn.MaxPool2d(3))
        self.head = nn.Linear(inside, 10, bias=False)
        self.head.weight.data.div_(self.head.weight.data.std())

    def learn_whitening(self, images: Tensor) -> None:
        """Filters that whiten 2 x 2 patches of `images` (N, 3, H, W), and the same with the other sign."""
        patches = F.unfold(images.float().contiguous(), 2).transpose(1, 2).reshape(-1, 12)
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (vectors / (values + WHITEN_EPS).sqrt()).T.reshape(12, 3, 2, 2)
        self.whiten.weight.data.copy_(torch.cat((filters, -filters)))

    def forward(self, x: Tensor, train_bias: bool = True) -> Tensor:
        bias = self.whiten.bias
        assert bias is not None
        x = self.layers(F.conv2d(x, self.whiten.weight, bias if train_bias else bias.detach())).flatten(1)
        return self.head(x) / x.shape[1]


def orthogonal(g: Tensor) -> Tensor:
    """Three quintic Newton-Schulz steps towards the nearest matrix with singular values 1, in bfloat16."""
    x = g.bfloat16()
    x = x / (x.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(3):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if tall else x


class Muon:
    """Momentum, then orthogonal updates; filters are brought back to a fixed norm before each."""

    def __init__(self, filters: list[nn.Parameter]) -> None:
        self.filters = filters
        self.momenta = [torch.zeros_like(p) for p in filters]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        for p, momentum in zip(self.filters, self.momenta, strict=True):
            assert p.grad is not None
            momentum.mul_(0.6).add_(p.grad)
            gradient = p.grad.add(momentum, alpha=0.6)
            p.mul_(len(p) ** 0.5 / p.norm())
            p.add_(orthogonal(gradient.reshape(len(p), -1)).view(p.shape), alpha=-rate)


@torch.no_grad()
def accuracy(net: Net, images: Tensor, labels: Tensor, views: int) -> float:
    """Share of images whose largest logit is that of their label, over one view or six."""
    net.eval()

    def mirror(x: Tensor) -> Tensor:
        return 0.5 * net(x) + 0.5 * net(x.flip(-1))

    hits = 0
    for x, y in zip(images.split(BATCH), labels.split(BATCH), strict=True):
        if views == 1:
            logits = net(x)
        else:
            wide = F.pad(x, (1,) * 4, "reflect")
            moved = 0.5 * mirror(wide[..., 0:32, 0:32]) + 0.5 * mirror(wide[..., 2:34, 2:34])
            logits = 0.5 * mirror(x) + 0.5 * moved
        hits += int((logits.argmax(1) == y).sum())
    return hits / len(labels)


def now(device: torch.device) -> float:
    """The clock, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def train(data: dict[str, tuple[Tensor, Tensor]], epochs: int, stop: int, device: torch.device) -> Iterator[Row]:
    """Rows to print: one an epoch, one at the end. `stop` ends the run early, the schedule staying that of `epochs`."""
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    images, labels = normalised(data["train"][0].to(device), dtype), data["train"][1].to(device)
    test, truth = normalised(data["test"][0].to(device), dtype), data["test"][1].to(device)
    started = now(device)
    net = Net()
    net.learn_whitening(images[:WHITEN_IMAGES].cpu())
    net = net.to(device, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.float()
    biases = [
        p for name, p in net.named_parameters() if p.ndim == 1 and p.requires_grad and not name.startswith("whit")
    ]
    groups = [
        {"params": [net.whiten.bias], "lr": BIAS_RATE, "weight_decay": DECAY / BIAS_RATE},
        {"params": biases, "lr": BIAS_RATE, "weight_decay": DECAY / BIAS_RATE},
        {"params": [net.head.weight], "lr": HEAD_RATE, "weight_decay": DECAY / HEAD_RATE},
    ]
    rates = (BIAS_RATE, BIAS_RATE, HEAD_RATE)
    sgd = torch.optim.SGD(groups, momentum=0.85, nesterov=True, fused=True)
    muon = Muon([p for p in net.parameters() if p.ndim == 4 and p.requires_grad])
    loader = Epochs(images, labels)
    each = len(labels) // BATCH
    total, whitening = each * epochs, each * WHITEN_EPOCHS
    seconds, step = now(device) - started, 0
    for epoch in range(min(epochs, stop)):
        started = now(device)
        net.train()
        for x, y in loader.batches(epoch):
            loss = F.cross_entropy(net(x, step < whitening), y, label_smoothing=SMOOTHING, reduction="sum")
            loss.backward()
            for group, rate, span in zip(sgd.param_groups, rates, (whitening, total, total), strict=True):
                group["lr"] = rate * max(0.0, 1 - step / span)
            sgd.step()
            muon.step(FILTER_RATE * (1 - step / total))
            net.zero_grad(set_to_none=True)
            step += 1
        took = now(device) - started
        seconds += took
        yield {"epoch": epoch + 1, "seconds": took, "accuracy": accuracy(net, test, truth, 1)}
    started = now(device)
    six = accuracy(net, test, truth, 6)
    views = now(device) - started
    yield {
        "epochs": min(epochs, stop),
        "of": epochs,
        "images": len(labels),
        "seconds": seconds + views,
        "seconds_views": views,
        "accuracy": accuracy(net, test, truth, 1),
        "accuracy_six_views": six,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--stop", type=int, help="end after so many epochs of the schedule: to time, not to reach")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--limit", type=int, help="use so many pictures only, for a trial")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    begun = time.perf_counter()
    found = {split: read(options.data / split) for split in ("train", "test")}
    if options.limit:
        found = {split: (x[: options.limit], y[: options.limit]) for split, (x, y) in found.items()}
    print(json.dumps({"read_seconds": time.perf_counter() - begun, "images": len(found["train"][1])}), flush=True)
    for row in train(found, options.epochs, options.stop or options.epochs, torch.device(options.device)):
        print(json.dumps(row | {"seed": options.seed}), flush=True)
