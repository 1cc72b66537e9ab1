"""Does every architecture learn? A few hundred steps on real digits each, and one table at the end.

    python benchmarks/zoo_smoke.py                          all nets that fit, MNIST, 300 steps each
    python benchmarks/zoo_smoke.py --match 'resnet*' --steps 100
    python benchmarks/zoo_smoke.py --device cuda --out docs/zoo_smoke.md      the table as Markdown

A net sees MNIST at 28x28 (or its smallest size, if that is larger) in its form for small images; nets of three channels
see the digits in all three. It must end well above chance. Nets of more than --largest multiply-accumulates an image
are left out by name: they need a GPU. The data are the four IDX files of MNIST in the folder `mnist` of HUBEL_DATA.
"""

from __future__ import annotations

import argparse
import gzip
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from hubel.errors import HubelError
from hubel.models import CARDS, create_model, list_models

DATA = Path(os.environ.get("HUBEL_DATA", Path(__file__).parents[2] / "shared" / "data")) / "mnist"
CLASSES = 10


def idx(name: str) -> np.ndarray:
    path = next(path for path in DATA.iterdir() if path.name.startswith(name))
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    shape = np.frombuffer(raw, ">i4", raw[3], 4)
    return np.frombuffer(raw, np.uint8, -1, 4 + 4 * raw[3]).reshape(shape)


def batch(images: np.ndarray, ids: np.ndarray, side: int, channels: int) -> torch.Tensor:
    """B C H W, mean 0 and variance 1, enlarged to `side` where the net needs it."""
    x = (torch.tensor(images[ids])[:, None].float() / 255 - 0.1307) / 0.3081
    if side != 28:
        x = nn.functional.interpolate(x, size=(side, side), mode="bilinear")
    return x.expand(-1, channels, -1, -1)


def multiplications(net: nn.Module, channels: int, side: int) -> int:
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        net.eval()(torch.empty(1, channels, side, side, device="meta"))
    return counter.get_total_flops() // 2


def learn(name: str, steps: int, size: int, largest: float, device: str) -> tuple[str, ...]:
    """Train one net; a row: name, side, parameters, multiply-accumulates, accuracy, seconds, verdict."""
    card = CARDS[name]
    if not isinstance(card.img_size, int):
        return (name, "", "", "", "", "", "takes no pictures")
    side = max(min(28, card.img_size), card.min_size)
    channels = card.in_chans
    try:
        with torch.device("meta"):
            shape = create_model(name, num_classes=CLASSES, in_chans=channels, img_size=side)
            macs = multiplications(shape, channels, side)
    except HubelError as error:
        return (name, str(side), "", "", "", "", error.what)
    parameters = sum(parameter.numel() for parameter in shape.parameters())
    facts = (name, str(side), f"{parameters:,}", f"{macs / 1e6:,.1f} M")
    if macs > largest or parameters > 2e8:
        return (*facts, "", "", "left out: too large for a quick look")
    torch.manual_seed(0)
    net = create_model(name, num_classes=CLASSES, in_chans=channels, img_size=side).to(device).train()
    if not any(parameter.requires_grad for parameter in net.parameters()):
        return (*facts, "", "", "learns by a rule of its own")
    images, labels = idx("train-images"), torch.tensor(idx("train-labels")).long().to(device)
    draw = np.random.default_rng(0)
    optimiser = torch.optim.Adam((p for p in net.parameters() if p.requires_grad), lr=1e-3)
    started = time.perf_counter()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * min(1.0, (step + 1) / 30)  # a short warm-up, for the nets without normalisation
        ids = draw.integers(0, len(images), size)
        answers = net.forward_all if hasattr(net, "forward_all") else net
        logits = answers(batch(images, ids, side, channels).to(device))
        heads = logits if isinstance(logits, tuple) else (logits,)
        loss = sum((1.0 if n == 0 else 0.3) * nn.functional.cross_entropy(h, labels[ids]) for n, h in enumerate(heads))
        assert isinstance(loss, torch.Tensor)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
    seconds = time.perf_counter() - started
    accuracy = measure(net.cpu(), side, channels)
    return (*facts, f"{100 * accuracy:.1f} %", f"{seconds:.0f}", "learns" if accuracy > 0.5 else "DOES NOT LEARN")


def measure(net: nn.Module, side: int, channels: int) -> float:
    images, labels = idx("t10k-images")[:1000], torch.tensor(idx("t10k-labels")[:1000]).long()
    net.eval()
    with torch.no_grad():
        parts = [net(batch(images, ids, side, channels)).argmax(1) for ids in np.arange(1000).reshape(-1, 100)]
    return float((torch.cat(parts) == labels).double().mean())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--match", default="*")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--largest", type=float, default=3e8, help="multiply-accumulates of an image (300 million)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    wanted = parser.parse_args()
    head = ("net", "side", "parameters", "MACs", "accuracy", "seconds", "verdict")
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    bad = 0
    for name in list_models(wanted.match):
        row = learn(name, wanted.steps, wanted.batch_size, wanted.largest, wanted.device)
        bad += row[-1] == "DOES NOT LEARN"
        lines.append("| " + " | ".join(row) + " |")
        print(f"{row[0]:26} {row[1]:>4} {row[3]:>11} {row[4]:>7} {row[5]:>5}  {row[6]}", flush=True)
    where = f"MNIST, {wanted.steps} steps of {wanted.batch_size}, Adam, torch {torch.__version__}, {platform.machine()}"
    if wanted.out:
        wanted.out.write_text(f"{where}; accuracy on 1,000 test digits.\n\n" + "\n".join(lines) + "\n")
    print(where)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
