"""Does every architecture learn? Some hundred steps on real data each, and one table at the end.

    python benchmarks/zoo_smoke.py                          every net, one thread; go on where the last call stopped
    python benchmarks/zoo_smoke.py --match 'resnet*' --steps 100
    python benchmarks/zoo_smoke.py --retry --match vgg19    once more the nets that fit and did not learn
    python benchmarks/zoo_smoke.py --out docs/zoo_smoke.md  … and write the table as Markdown

What a net sees follows from its card and its cost. Nets of one channel see MNIST at their own size. Nets of three see
CIFAR-10 at 32x32 where the steps fit into the time for one net, else MNIST digits at 16x16, or 8x8 for the costliest
that take it, with the stem for small images. Nets over points see a table of real measurements of as many columns;
SIREN learns one digit by heart. Two of the nets learn by the rule of their own paper and are shown with that. All
others: Adam, cross-entropy over all heads, a short warm-up, gradients clipped at norm 5, the forward pass
of nets of 100 million multiply-accumulates and more in bfloat16.

A net stops after --steps, or after --seconds of processor time but not before --least steps. It learned if the loss of
its last ten steps lies below that of its first three and if its answers on --test pictures it has not seen are better
than chance by more than three standard deviations. Before that the running statistics of its batch norms are averaged
anew over 16 batches: what they have seen in 30 steps with momentum 0.01 or less says little.

The data lie in HUBEL_DATA: `mnist` (four IDX files) and `cifar10-jpeg.tar.gz` (train/CLASS/*.jpg, test/CLASS/*.jpg).
Each result is appended to a file of JSON lines as it comes.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import io
import json
import os
import platform
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_iris
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from hubel.models import CARDS, create_model, list_models
from hubel.models.architectures.neocognitron import Neocognitron
from hubel.models.architectures.neuron import Perceptron
from hubel.models.architectures.siren import grid

DATA = Path(os.environ.get("HUBEL_DATA", Path(__file__).parents[2] / "shared" / "data"))
ROWS = Path(__file__).parents[1] / "build" / "zoo_smoke.jsonl"
SPEED = 40e9
"""Multiply-accumulates a second of one thread, about; decides which size fits into the time."""

HALF = 100e6
"""Multiply-accumulates of an image from which bfloat16 pays on this kind of processor; depthwise nets lie below."""

DEPTH = {"vit_l_16": 6, "vit_l_32": 6, "vit_h_14": 4}
"""Blocks of nets of 300 million parameters and more, whose optimiser alone would need gigabytes."""

RATES = {
    "vgg1*": 3e-4,  # thirteen and more layers without shortcuts: 1e-3 throws them off
    "vit_[blh]*": 1e-4,
    "fpn": 2e-4,  # its pyramid has no normalisation: at 1e-3 the loss rose
    "siren": 1e-4,  # the paper's
    "toy_*": 1e-2,  # nets of two dozen weights
    "iris_mlp": 1e-2,
    "approximator": 1e-2,
}
"""Rates other than 1e-3, by pattern; the longest pattern that fits counts."""


@dataclass(frozen=True)
class Data:
    """Inputs N C H W or N F as float, answers N (classes) or N K (values), and the same for the test."""

    name: str
    x: torch.Tensor
    y: torch.Tensor
    test_x: torch.Tensor
    test_y: torch.Tensor
    classes: int


@dataclass(frozen=True)
class Row:
    """What came of one net."""

    net: str
    data: str
    size: str
    parameters: int
    macs: int | None
    batch: int
    steps: int
    first: float | None
    last: float | None
    score: float
    chance: float
    seconds: float
    note: str
    learns: bool


def idx(name: str) -> np.ndarray:
    path = next(path for path in (DATA / "mnist").iterdir() if path.name.startswith(name))
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    shape = np.frombuffer(raw, ">i4", raw[3], 4)
    return np.frombuffer(raw, np.uint8, -1, 4 + 4 * raw[3]).reshape(shape)


@functools.cache
def digits() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """12,800 digits to learn from, 1,000 for the test: N 1 28 28, mean 0 and variance 1."""

    def half(name: str, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        pixels = torch.tensor(idx(f"{name}-images")[:count])[:, None].float() / 255
        return (pixels - 0.1307) / 0.3081, torch.tensor(idx(f"{name}-labels")[:count]).long()

    return *half("train", 12_800), *half("t10k", 1000)


@functools.cache
def photographs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Every fourth picture of CIFAR-10 to learn from, every tenth of its test: N 3 32 32, about -2 to 2."""
    pixels: dict[str, list[np.ndarray]] = {"train": [], "test": []}
    labels: dict[str, list[str]] = {"train": [], "test": []}
    with tarfile.open(DATA / "cifar10-jpeg.tar.gz") as archive:
        for member in archive:
            parts = Path(member.name).parts
            if not member.isfile() or int(Path(member.name).stem) % (4 if parts[-3] == "train" else 10):
                continue
            file = archive.extractfile(member)
            assert file is not None
            pixels[parts[-3]].append(np.asarray(Image.open(io.BytesIO(file.read())).convert("RGB")))
            labels[parts[-3]].append(parts[-2])
    names = sorted(set(labels["test"]))

    def half(which: str) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.tensor(np.stack(pixels[which])).permute(0, 3, 1, 2).float() / 255
        return (x - 0.47) / 0.25, torch.tensor([names.index(label) for label in labels[which]])

    return *half("train"), *half("test")


def resized(x: torch.Tensor, side: int) -> torch.Tensor:
    if x.shape[-1] == side:
        return x
    return nn.functional.interpolate(x, size=(side, side), mode="bilinear", antialias=side < x.shape[-1])


def pictures(name: str, side: int, channels: int) -> Data:
    x, y, test_x, test_y = photographs() if name == "CIFAR-10" else digits()
    parts = [resized(part, side).expand(-1, channels, -1, -1) for part in (x, test_x)]
    return Data(name, parts[0], y, parts[1], test_y, 10)


def points(name: str, channels: int) -> Data:
    """A table with as many columns as the net has inputs."""
    if name == "siren":
        x, y = grid(28, 28), digits()[0][0].reshape(-1, 1)
        return Data("one MNIST digit", x, y, x, y, 1)
    if channels in (784, 128):
        x, y, test_x, test_y = digits()
        return Data("MNIST, 784 numbers", x.flatten(1), y, test_x.flatten(1), test_y, 10)
    iris = channels in (2, 4)
    table, labels = (load_iris if iris else load_breast_cancer)(return_X_y=True)
    table, classes = table[:, -channels:] if iris else table[:, :channels], int(labels.max()) + 1
    if name == "toy_3_2_1":  # two classes that lie close together
        table, labels, classes = table[labels > 0], labels[labels > 0] - 1, 2
    order = np.random.default_rng(0).permutation(len(table))
    x = torch.tensor((table - table.mean(0)) / table.std(0)).float()[order]
    y = torch.tensor(labels).long()[order]
    cut = len(x) // 2
    columns = {2: "iris, petals", 4: "iris", 8: "breast cancer, 8 columns"}[channels]
    return Data(columns, x[:cut], y[:cut], x[cut:], y[cut:], classes)


def facts(name: str, channels: int, side: int | None, classes: int) -> tuple[int, int | None]:
    """Parameters and multiply-accumulates of an image, without any memory."""
    with torch.device("meta"):
        net = create_model(name, num_classes=classes, in_chans=channels, img_size=side, **options(name))
    parameters = sum(parameter.numel() for parameter in net.parameters())
    if not side:
        return parameters, None
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        net.eval()(torch.empty(1, channels, side, side, device="meta"))
    return parameters, counter.get_total_flops() // 2


def options(name: str) -> dict[str, Any]:
    return {"layers": DEPTH[name]} if name in DEPTH else {}


def choose(name: str, steps: int, seconds: float) -> tuple[Data, int | None, int, int, int | None]:
    """Data, side, batch, parameters and multiply-accumulates for a net: the largest pictures that fit into the time."""
    card = CARDS[name]
    if card.img_size is None:
        data = points(name, card.in_chans)
        return data, None, 32, *facts(name, data.x.shape[1], None, data.classes)
    own = card.img_size if isinstance(card.img_size, int) else 28
    native = max(min(own, 32 if card.in_chans == 3 else 28), card.min_size)
    if name in DEPTH or name.startswith("vit_"):
        native = {"vit_h_14": 28, "vit_tiny": 28}.get(name, 32)
    smaller = [side for side in (16, 8) if card.min_size <= side < native and not name.startswith("vit_")]
    for side in (native, *smaller):
        parameters, macs = facts(name, card.in_chans, side, 10)
        assert macs is not None
        batch = 32 if macs < 30e6 else 16
        # Half of the steps must fit: forward and twice as much backward, and the optimiser's walk over all weights.
        if (3 * macs * batch / SPEED + 3e-9 * parameters) * steps / 2 < seconds:
            break
    plenty = card.in_chans == 3 and side >= 32 and card.min_size <= 32
    return pictures("CIFAR-10" if plenty else "MNIST", side, card.in_chans), side, batch, parameters, macs


def rate(name: str) -> float:
    fitting = [pattern for pattern in RATES if fnmatchcase(name, pattern)]
    return RATES[max(fitting, key=len)] if fitting else 1e-3


def learn(name: str, wanted: argparse.Namespace) -> Row:
    """Train one net and test it."""
    data, side, batch, parameters, macs = choose(name, wanted.steps, wanted.seconds)
    channels = data.x.shape[1]
    torch.manual_seed(0)
    net = create_model(name, num_classes=data.classes, in_chans=channels, img_size=side, **options(name)).train()
    half = macs is not None and macs >= HALF
    started = time.process_time()
    if isinstance(net, Perceptron):
        lesson = net.learn(data.x[:2000].numpy(), data.y[:2000].numpy(), epochs=5)
        note = f"Rosenblatt's rule, mistakes an epoch: {', '.join(map(str, lesson.mistakes))}"
        steps, losses = 5 * 2000, []
    else:
        note = ""
        if isinstance(net, Neocognitron):
            taken = net.organise(data.x[:200])
            note = f"organised itself on 200 digits without labels ({taken[0]}, {taken[1]}, {taken[2]} planes)"
        losses = descend(net, data, batch, rate(name), wanted, half=half)
        steps = len(losses)
        average_anew(net, data, batch, half=half)
    if name in DEPTH:
        note = f"with {DEPTH[name]} of its blocks"
    seconds = time.process_time() - started
    score, chance = measure(net, data, wanted.test, half=half)
    first = float(np.mean(losses[:3])) if losses else None
    last = float(np.mean(losses[-10:])) if losses else None
    falls = first is None or last is None or last < first
    above = score > chance + 3 * (chance * (1 - chance) / min(wanted.test, len(data.test_x))) ** 0.5
    size = f"{side}x{side}" if side else f"{channels} numbers"
    return Row(
        name,
        data.name,
        size,
        parameters,
        macs,
        batch,
        steps,
        first,
        last,
        score,
        chance,
        seconds,
        note,
        falls and above,
    )


def descend(
    net: nn.Module, data: Data, batch: int, highest: float, wanted: argparse.Namespace, *, half: bool
) -> list[float]:
    """Losses of the steps. Rates warm up over 30 steps, for the nets without normalisation."""
    draw = torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam((p for p in net.parameters() if p.requires_grad), lr=highest, fused=True)
    answers: Callable[[torch.Tensor], Any] = getattr(net, "forward_all", net)
    reconstruct: Callable[[torch.Tensor], torch.Tensor] | None = getattr(net, "reconstruct", None)
    losses: list[float] = []
    started = time.process_time()
    for step in range(wanted.steps):
        if step >= wanted.least and time.process_time() - started > wanted.seconds:
            break
        for group in optimiser.param_groups:
            group["lr"] = highest * min(1.0, (step + 1) / 30)
        ids = torch.randint(len(data.x), (batch,), generator=draw)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            found = answers(data.x[ids])
            again = reconstruct(data.x[ids]) if reconstruct else data.x[ids]  # a decoder learns from the picture
        heads = found if isinstance(found, tuple) else (found,)
        loss = nn.functional.mse_loss(again.float(), data.x[ids]) if reconstruct else torch.zeros(())
        for number, logits in enumerate(heads):
            loss = loss + (1.0 if number == 0 else 0.3) * cost(logits.float(), data.y[ids])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


def cost(found: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    return nn.functional.mse_loss(found, truth) if truth.ndim == 2 else nn.functional.cross_entropy(found, truth)


def average_anew(net: nn.Module, data: Data, batch: int, *, half: bool) -> None:
    """Batch norms forget what the moving weights showed them and average 16 batches of the weights as they are now."""
    norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    net.eval()
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average
        norm.train()
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=half):
        for _ in range(16):
            net(data.x[torch.randint(len(data.x), (batch,), generator=draw)])
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum


def measure(net: nn.Module, data: Data, count: int, *, half: bool) -> tuple[float, float]:
    """Share of right answers and what guessing would get; for values, the share of their variance that is explained."""
    net.eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=half):
        found = torch.cat([net(part) for part in data.test_x[spread(data, count)].split(100)]).float()
    truth = data.test_y[spread(data, count)]
    if truth.ndim == 2:
        return 1 - float((found - truth).square().mean() / truth.var()), 0.5
    chance = float(truth.bincount().max()) / len(truth)  # always saying the commonest class
    return float((found.argmax(1) == truth).double().mean()), chance


def spread(data: Data, count: int) -> torch.Tensor:
    """`count` rows of the test, evenly spread, since pictures lie there class by class."""
    return torch.linspace(0, len(data.test_x) - 1, min(count, len(data.test_x))).long()


HEADER = """# Does every architecture learn?

Each net of the catalogue, trained from random weights by `make zoo-smoke` on one thread of a CPU and measured on
pictures it has not seen. This is a smoke test and no league table: the nets had seconds, small batches, small and
partly different pictures and one rate for nearly all. It shows that gradients flow, losses fall and answers beat
guessing. What the nets reach when trained in full stands in the [table of architectures](models.md#all-of-them).

- **data and size:** nets of one channel see MNIST. Nets of three see CIFAR-10 at 32x32 where their steps fit into the
  time, else MNIST digits at 16x16, or 8x8 for the costliest, always with the stem for small images. Nets over points
  see tables of real measurements; SIREN learns one picture by heart, and its score is the share of variance explained.
- **steps** of Adam, with warm-up and clipped gradients, the costlier nets in bfloat16. A net stopped after {steps}
  steps, or as soon as it had both {seconds:g} s of processor time and {least} steps behind it; what had not learned
  by then was given more (`--retry --least 100`, at last 300).
- **loss:** mean of the first three steps → mean of the last ten, over all heads of the net (auxiliary ones with
  weight 0.3).
- **score:** right answers among {test} test pictures, beside what guessing the commonest class gets. The running
  statistics of batch norms were averaged anew over 16 training batches first.
- **seconds** of processor time for training, on a busy machine: good for orders of magnitude only.

"""


def markdown(rows: list[Row], wanted: argparse.Namespace) -> str:
    absent = [f"`{name}`" for name in CARDS if name not in {row.net for row in rows}]
    lines = [
        HEADER.format(**vars(wanted)),
        f"{sum(row.learns for row in rows)} of {len(rows)} learn. torch {torch.__version__}, {platform.machine()}.\n\n",
        f"Not run yet ({len(absent)}; `make zoo-smoke` goes on with them): {', '.join(absent)}.\n\n" if absent else "",
        "| net | data | size | batch | steps | loss | score | guessing | seconds | |\n",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    ]
    for row in rows:
        loss = "" if row.first is None or row.last is None else f"{row.first:.2f} → {row.last:.2f}"
        note = row.note if row.learns else f"**does not learn** {row.note}".strip()
        lines.append(
            f"| `{row.net}` | {row.data} | {row.size} | {row.batch} | {row.steps:,} | {loss} | {100 * row.score:.1f} % "
            f"| {100 * row.chance:.0f} % | {row.seconds:.1f} | {note} |\n"
        )
    return "".join(lines)


def in_turn(names: list[str]) -> list[str]:
    """The cheapest net of each family first, then the second cheapest of each: a run cut short has seen every kind."""
    places: dict[str, int] = {}
    seen: dict[str, int] = {}
    for name in sorted(names, key=lambda name: CARDS[name].params or 0):
        family = CARDS[name].builder_at.partition(":")[0]
        places[name] = seen[family] = seen.get(family, 0) + 1
    return sorted(names, key=lambda name: (places[name], CARDS[name].params or 0, name))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--match", default="*", help="names of the nets")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=4.0, help="processor time for one net")
    parser.add_argument("--least", type=int, default=30, help="steps that every net gets")
    parser.add_argument("--test", type=int, default=500, help="pictures of the test")
    parser.add_argument("--rows", type=Path, default=ROWS, help="where results are appended, and looked up")
    parser.add_argument("--retry", action="store_true", help="only once more what did not learn")
    parser.add_argument("--table", action="store_true", help="train nothing, only write the table")
    parser.add_argument("--out", type=Path, help="write the table here")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    wanted.rows.parent.mkdir(parents=True, exist_ok=True)
    known: dict[str, Row] = {}
    if wanted.rows.exists():
        for line in wanted.rows.read_text().splitlines():
            row = Row(**json.loads(line))
            known[row.net] = row
    print(f"{'net':26} {'data':10} {'size':>7} {'steps':>6}  {'loss':14} {'score':>7} {'seconds':>8}")
    for name in [] if wanted.table else in_turn(list_models(wanted.match)):
        if wanted.retry and (name not in known or known[name].learns):
            continue
        if name in known and not wanted.retry:
            continue
        row = learn(name, wanted)
        known[name] = row
        with wanted.rows.open("a") as file:
            file.write(json.dumps(asdict(row)) + "\n")
        loss = "" if row.first is None or row.last is None else f"{row.first:6.2f}->{row.last:6.2f}"
        verdict = "" if row.learns else "  DOES NOT LEARN"
        print(
            f"{row.net:26} {row.data[:10]:10} {row.size[:7]:>7} {row.steps:6} {loss:>15} {100 * row.score:6.1f}% "
            f"{row.seconds:8.1f}{verdict}",
            flush=True,
        )
    rows = [known[name] for name in CARDS if name in known]
    lost = [row.net for row in rows if not row.learns]
    print(f"{len(rows) - len(lost)} of {len(rows)} learn" + (f"; not {', '.join(lost)}" if lost else ""))
    if wanted.out:
        wanted.out.write_text(markdown(rows, wanted))
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main())
