"""What the parts of a kind do, side by side: paths of optimisers, spreads of initialisations, pictures varied.

Letters: H W C of a picture.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_sample_image
from torch import nn

from hubel.data.augment import AUGMENTATIONS, build_augment, preview
from hubel.lessons.curves import Curve
from hubel.nn.init import INITIALISERS, initialise
from hubel.nn.kernels import KERNELS, apply_kernel
from hubel.nn.optimisers import OPTIMISERS, build_optimiser
from hubel.runtime import seeded

VALLEY_RATES = {
    "gd": 0.08, "sgd": 0.08, "momentum": 0.02, "nesterov": 0.02, "rmsprop": 0.1, "adam": 0.3, "adamw": 0.3,
    "adagrad": 1.0, "adadelta": 100.0, "muon": 0.5,
}  # fmt: skip


def valley_paths() -> dict[str, Curve]:
    """Sixty steps of each optimiser down a long valley, (x² + 20 y²) / 2, from (−4, 1)."""
    paths: dict[str, Curve] = {}
    for name in OPTIMISERS:
        if name == "muon-sphere":  # it moves along a sphere only, and the valley has none
            continue
        place = nn.Parameter(torch.tensor([[-4.0, 1.0]]))
        optimiser = build_optimiser(name, nn.ParameterList([place]), lr=VALLEY_RATES.get(name, OPTIMISERS.get(name).lr))
        path = [place.detach().clone()]
        for _ in range(60):
            loss = (place[0, 0] ** 2 + 20 * place[0, 1] ** 2) / 2
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            path.append(place.detach().clone())
        points = torch.cat(path).numpy()
        paths[name] = (points[:, 0], points[:, 1])
    return paths


def spreads_by_depth() -> dict[str, list[Curve]]:
    """Standard deviation of the values behind each of thirty dense layers of 128 with ReLU, and with tanh."""
    depth = np.arange(1, 31)
    found: dict[str, list[Curve]] = {}
    with torch.no_grad(), seeded(0):
        images = torch.randn(128, 128)
        for name in INITIALISERS:
            lines = []
            for act in (nn.ReLU(), nn.Tanh()):
                x, spread = images, []
                layers = nn.ModuleList(nn.Linear(128, 128) for _ in depth)
                initialise(layers, name)
                for layer in layers:
                    x = act(layer(x))
                    spread.append(max(x.std().item(), 1e-8))
                lines.append((depth, np.array(spread)))
            found[name] = lines
    return found


def augmented_examples() -> dict[str, list[np.ndarray]]:
    """One picture in eight epochs under each augmentation: H W C uint8 of each."""
    tile = _tile()
    rows: dict[str, list[np.ndarray]] = {"as it is": [tile[0].permute(1, 2, 0).numpy()]}
    for name in AUGMENTATIONS:
        entry = AUGMENTATIONS.get(name)
        if entry.kind != "mix":
            rows[entry.example] = list(preview(tile, build_augment(entry.example), torch.tensor([1]), epochs=8)[0])
    return rows


def filtered_examples() -> dict[str, list[np.ndarray]]:
    """One picture before and after each kernel: H W C uint8 of each."""
    tile = _tile().float() / 255
    rows: dict[str, list[np.ndarray]] = {}
    for name in KERNELS:
        out = apply_kernel(tile, name)
        signed = bool(KERNELS[name].weights.sum() == 0)
        shown = ((out / 2 + 0.5) if signed else out / max(1.0, float(KERNELS[name].weights.sum()))).clamp(0, 1)
        pair = (tile, shown)
        rows[name] = [(image[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy() for image in pair]
    return rows


def _tile() -> torch.Tensor:
    """1 3 64 64, uint8: the flower that comes with scikit-learn."""
    photo = torch.from_numpy(np.ascontiguousarray(load_sample_image("flower.jpg")[::6, ::6]))
    return photo[4:68, 14:78].permute(2, 0, 1)[None].contiguous()
