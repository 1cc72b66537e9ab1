"""Two nets to explore, on MNIST: weights that are computed, and pictures that are told from a few of their pixels.

    python benchmarks/explored.py hypernetwork [--time 4m]     beside the same net with weights of its own
    python benchmarks/explored.py neural_process [--time 4m]   digits from 10, 50 and 200 of 784 pixels
    ... --pictures FOLDER                                      also writes the picture of the docs there

One JSON line a run. The time is for each training.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

import hubel
from hubel.data.sources import open_source
from hubel.figures.areas import areas
from hubel.figures.theme import Figure
from hubel.models.architectures.hypernetwork import HyperNetwork
from hubel.recipes.schema import seconds
from hubel.records.nets import load

DATA = Path(os.environ.get("HUBEL_DATA", Path(__file__).parents[2] / "shared" / "data"))
SEEN = (10, 50, 200)
SHOWN, SIDE = 10, 56


@hubel.register_model(name="written_out")
class WrittenOut(HyperNetwork):
    """The same net whose convolutions have weights of their own, which begin as those that would be computed."""

    def __init__(self, num_classes: int, in_chans: int) -> None:
        super().__init__(num_classes, in_chans, code=16, blocks=1)
        begun = [kernel.detach().clone() for kernel in super().kernels()]
        self.weights = nn.ParameterList(begun)
        del self.hyper
        for conv in self.convolutions():
            del conv.codes

    def kernels(self) -> list[torch.Tensor]:
        """The weights of each convolution."""
        return list(self.weights)


def hypernetwork(allowed: float, out: Path, threads: int, pictures: Path | None) -> None:
    """Accuracy with weights that are computed, and with weights of its own."""
    for model in ("hypernetwork", "written_out"):
        run = hubel.train("mnist", model=model, time=allowed, out=out, data_dir=str(DATA), threads=threads,
                          verbose=False)  # fmt: skip
        net = load(run.folder).model
        parameters = sum(parameter.numel() for parameter in net.parameters())
        print(json.dumps({"model": model, "parameters": parameters, "seconds": run.summary["seconds"],
                          "epochs": run.summary["epochs"], **run.summary["test"]}), flush=True)  # fmt: skip
        if model == "hypernetwork" and pictures is not None:
            _write(pictures / "hypernetwork.png", _walk(net))


def _walk(net: nn.Module) -> Figure:
    """Kernels of 16 x 16 maps of the first and the last convolution, and between the two."""
    assert isinstance(net, HyperNetwork)
    codes = net.codes().detach()
    shares = np.linspace(0, 1, 5)
    with torch.inference_mode():
        kernels = net.hyper(torch.stack([torch.lerp(codes[0], codes[-1], float(share)) for share in shares]))
    board = kernels.permute(0, 1, 3, 2, 4).reshape(5, 48, 48)
    board = board / board.abs().amax(dim=(1, 2), keepdim=True) * 127 + 128
    labels = [f"{1 - share:.0%} first" for share in shares]
    return areas([("kernel", list(board.round().to(torch.uint8).numpy()))], (), labels=labels, side=144,
                 alt="Five kernels of 16 x 16 maps, computed between the numbers of two.")  # fmt: skip


def neural_process(allowed: float, out: Path, threads: int, pictures: Path | None) -> None:
    """Squared error of pixels (0 to 1) and nats a pixel of every fifth test digit, by how many pixels are looked at."""
    run = hubel.train("mnist", model="neural_process", time=allowed, out=out, data_dir=str(DATA), threads=threads,
                      verbose=False)  # fmt: skip
    known = load(run.folder)
    net, look = known.model, known.preprocessing
    assert look is not None
    digits = open_source("mnist", data_dir=str(DATA))
    assert digits.arrays is not None
    test = torch.from_numpy(digits.arrays[digits.given_split == "test"][::5]).permute(0, 3, 1, 2)
    rows = []
    black = look.normalise(torch.zeros(1, 1, 28, 28, dtype=torch.uint8))
    with torch.inference_mode():
        average = look.normalise(test).mean(0)
        for seen in (*SEEN, 784):
            shown = torch.zeros(784, dtype=torch.bool)
            shown[net.order[:seen]] = True
            shown = shown.view(1, 28, 28)
            off, nats, flat = [], [], []
            for part in test.split(500):
                images = look.normalise(part)
                mean, deviation = net.complete(images, shown.expand(len(images), -1, -1))
                truth = look.denormalise(images)
                off.append((look.denormalise(mean).clamp(0, 1) - truth).square().mean((1, 2, 3)))
                nats.append(torch.distributions.Normal(mean, deviation).log_prob(images).mean((1, 2, 3)))
                flat.append((look.denormalise(average[None]) - truth).square().mean((1, 2, 3)))
            told = torch.cat(off)
            print(json.dumps({"model": "neural_process", "seconds": run.summary["seconds"],
                              "epochs": run.summary["epochs"], "seen": seen, "mse": float(told.mean()),
                              "standard_error": float(told.std() / len(told) ** 0.5),
                              "mse_of_the_mean_picture": float(torch.cat(flat).mean()),
                              "nats_a_pixel": float(torch.cat(nats).mean())}), flush=True)  # fmt: skip
            if seen == 784:
                continue
            some = look.normalise(test[:SHOWN])
            mean, deviation = net.complete(some, shown.expand(SHOWN, -1, -1))
            looked = look.denormalise(torch.where(shown, some, black))
            for word, told in (
                (f"{seen} pixels", looked),
                ("told", look.denormalise(mean)),
                ("unsure", deviation / deviation.amax(dim=(1, 2, 3), keepdim=True)),
            ):
                rows.append((word, list(told.clamp(0, 1).mul(255).round().to(torch.uint8).numpy())))
    rows.append(("truth", list(test[:SHOWN].numpy())))
    if pictures is not None:
        _write(pictures / "neural-process.png", areas(rows, (), side=SIDE, alt="Digits told from a few pixels."))


def _write(path: Path, figure: Figure) -> None:
    path.write_bytes(figure.data)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["hypernetwork", "neural_process"])
    parser.add_argument("--time", default="4m")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pictures", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        part = {"hypernetwork": hypernetwork, "neural_process": neural_process}[given.part]
        part(float(str(seconds(given.time))), Path(folder), given.threads, given.pictures)
