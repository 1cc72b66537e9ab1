"""The cost of safety: our save of a ResNet-50 training state (weights and momentum) beside a plain torch.save.

    python benchmarks/checkpoint.py [--repeat 7] [--folder DIR]

Ours: streamed in one pass with sha-256, fsync of file and folder, rename, JSON with its digest, everything read back
and compared, the third-last generation set aside and its room used for the next. Plain: torch.save over the file of the
round before, which is neither brought to the disk nor checked. In between: torch.save with an fsync. Each round
measures all, in changing order; medians are printed as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from hubel import runtime
from hubel.checkpoint import ModelSpec, load, load_state, save_state, save_weights
from hubel.data.preprocessing import Preprocessing
from hubel.store import RunStore


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--repeat", type=int, default=7)
    arguments.add_argument("--folder", type=Path, default=None)
    given = arguments.parse_args()
    folder = Path(tempfile.mkdtemp(dir=given.folder))
    spec = ModelSpec(architecture="resnet50", num_classes=1000, in_chans=3, img_size=(224, 224))
    state = spec.build().state_dict()
    tensors = {f"model.{name}": value for name, value in state.items()}
    tensors |= {
        f"optimiser.{name}": torch.randn_like(value) for name, value in state.items() if value.is_floating_point()
    }
    size = sum(value.numel() * value.element_size() for value in tensors.values())
    store = RunStore.create(folder, "bench")
    preprocessing = Preprocessing(height=224, width=224)

    def plain() -> None:
        torch.save(tensors, folder / "plain.pt")

    def plain_fsync() -> None:
        torch.save(tensors, folder / "synced.pt")
        with open(folder / "synced.pt", "rb") as file:
            os.fsync(file.fileno())

    def weights() -> None:
        save_weights(
            store, "best", state, spec=spec, preprocessing=preprocessing, class_names=[str(i) for i in range(1000)]
        )

    works: dict[str, Callable[[], object]] = {
        "torch.save": plain,
        "torch.save + fsync": plain_fsync,
        "save_state": lambda: save_state(store, tensors, {"step": 1}),
        "save_weights": weights,
        "load_state": lambda: load_state(store),
        "load": lambda: load(store.folder),
    }
    times: dict[str, list[float]] = {name: [] for name in works}
    for step in range(3):  # as in a run that is under way
        save_state(store, tensors, {"step": step})
    for number in range(given.repeat):
        names = list(works)
        for name in names[number % 4 : 4] + names[: number % 4] + names[4:]:
            os.sync()  # what the one before left in memory is not charged to the next
            started = time.perf_counter()
            works[name]()
            times[name].append(time.perf_counter() - started)
    shutil.rmtree(folder)
    medians = {name: round(statistics.median(values), 4) for name, values in times.items()}
    result = {
        "claim": "saving a ResNet-50 state costs at most 1.5 times a plain torch.save",
        "megabytes": round(size / 1e6),
        "median_seconds": medians,
        "least_seconds": {name: round(min(values), 4) for name, values in times.items()},
        "ratio": round(medians["save_state"] / medians["torch.save"], 2),
        "ratio_with_fsync": round(medians["save_state"] / medians["torch.save + fsync"], 2),
        "machine": runtime.environment(),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
