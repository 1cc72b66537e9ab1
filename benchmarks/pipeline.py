"""From a folder of 500 x 375 JPEG files to augmented batches of 224 x 224: the first pass and all later ones.

    python benchmarks/pipeline.py [--pictures 2000] [--repeat 3] [--workers 2]

The photographs of HUBEL_DATA, brought to 500 x 375 and saved at quality 90, are copied (each copy differs by a byte, so
that nobody recognises it) into ten class folders. Ours: list, read, SHA-256, check to the last byte, decode, write the
cache (workers as the peer's), and one epoch of shuffled float32 batches of 64, flipped and cropped at random
("flip,resized-crop=0.08"), as `hubel train` makes them, but prepared by two threads in advance, as the peer prepares
them in two processes. A later pass is one more epoch in the same process; "plain" is the same without threads. Peer:
ImageFolder, RandomResizedCrop(224), RandomHorizontalFlip, ToTensor, Normalize, DataLoader with so many workers that
stay; its first pass and its later ones likewise.

Equal: files, shapes, types, normalisation, batch size, shuffling, the share of the area that a crop keeps. Not equal:
the peer crops out of all 500 x 375 pixels; ours out of the 224 x 224 that the cache holds (the middle of the picture,
shrunk by 1.67), so its small crops are softer. Each round starts anew, sides alternate; an uncounted round comes first.
HUBEL_PEER_PYTHON names the interpreter with torchvision; without it only our side is measured.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image, ImageOps

PEER = """
import sys, time
import torch
# Its compiled operators do not load beside a CPU build of torch; reading pictures needs none of them, but their names.
operators = torch.library.Library("torchvision", "DEF")
while True:
    try:
        import torchvision
        break
    except RuntimeError as error:
        missing = str(error).partition("torchvision::")[2].partition(" ")[0]
        if not missing:
            raise
        operators.define(missing + "(Tensor x) -> Tensor")
        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import Compose, Normalize, RandomHorizontalFlip, RandomResizedCrop, ToTensor
folder, workers, passes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
steps = [RandomResizedCrop(224), RandomHorizontalFlip(), ToTensor(), Normalize([0.485, 0.456, 0.406], [0.2] * 3)]
started = time.perf_counter()
loader = DataLoader(ImageFolder(folder, Compose(steps)), 64, shuffle=True, num_workers=workers, persistent_workers=True)
for _ in range(passes):
    count = sum(len(labels) for _, labels in loader)
    print(count / (time.perf_counter() - started))
    started = time.perf_counter()
"""

OURS = """
import sys, time
import torch
from hubel.data.augment import build_augment
from hubel.data.batches import batches
from hubel.data.decode import prepare
from hubel.data.preprocessing import Preprocessing
from hubel.data.sources import open_source
from hubel.runtime import keep_memory
folder, workers, passes, cache, ahead = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
keep_memory()
if ahead:
    torch.set_num_threads(1)
p = Preprocessing(height=224, width=224, mean=(0.485, 0.456, 0.406), std=(0.2,) * 3)
augment = build_augment("flip,resized-crop=0.08")
started = time.perf_counter()
found, decoded = prepare(open_source(folder), p, workers=workers, cache_dir=cache)
for epoch in range(passes):
    found = batches(
        decoded, decoded.ids, preprocessing=p, batch_size=64, shuffle=True, epoch=epoch, augment=augment,
        channels_last=True, ahead=ahead,
    )
    count = sum(len(batch) for batch in found)
    print(count / (time.perf_counter() - started))
    started = time.perf_counter()
"""


def make_folder(folder: Path, pictures: int) -> None:
    """Ten classes of JPEG files."""
    data = Path(os.environ.get("HUBEL_DATA", Path(__file__).parents[2] / "shared" / "data"))
    sources = sorted(path for path in (data / "photos").iterdir() if path.suffix.lower() in (".jpg", ".jpeg"))
    for number, source in enumerate(sources):
        buffer = io.BytesIO()
        ImageOps.fit(Image.open(source).convert("RGB"), (500, 375)).save(buffer, "JPEG", quality=90)
        for copy in range(pictures // len(sources)):
            file = folder / f"class{number % 10}" / f"{number:03d}-{copy:03d}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(buffer.getvalue() + bytes([copy % 256]))


def rates(python: str, code: str, *arguments: object) -> list[float]:
    """Images a second of each pass of one process."""
    done = subprocess.run(
        [python, "-c", code, *map(str, arguments)], capture_output=True, text=True, env={**os.environ}
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr)
    return [float(word) for word in done.stdout.split()]


def main() -> None:
    """Measure, print a line of JSON for each process and one with medians and ratios."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pictures", type=int, default=2000)
    arguments.add_argument("--repeat", type=int, default=3)
    arguments.add_argument("--workers", type=int, default=2)
    given = arguments.parse_args()
    peer = os.environ.get("HUBEL_PEER_PYTHON")
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        make_folder(Path(folder), given.pictures)
        for number in range(-1, given.repeat):
            sides = {"ours": given.workers, "plain": 0} | ({"peer": -1} if peer else {})
            for side, ahead in sides.items():
                with tempfile.TemporaryDirectory() as cache:
                    if side == "peer":
                        measured = rates(str(peer), PEER, folder, given.workers, 2)
                    else:
                        measured = rates(sys.executable, OURS, folder, given.workers, 4, cache, ahead)
                if number >= 0:
                    found.setdefault(f"{side} first", []).append(measured[0])
                    found.setdefault(f"{side} later", []).append(statistics.median(measured[1:]))
                    line = {"round": number, "side": side, "images_per_second": [round(rate) for rate in measured]}
                    print(json.dumps(line | {"load": os.getloadavg()[0]}), flush=True)
    medians = {side: round(statistics.median(values)) for side, values in found.items()}
    spread = {side: [round(min(values)), round(max(values))] for side, values in found.items()}
    summary = {
        "claim": "first pass at least 2.5 times, later passes at least 20 times the peer's images a second",
        "images_per_second": medians,
        "spread": spread,
        "first": round(medians["ours first"] / medians["peer first"], 2) if peer else None,
        "later": round(medians["ours later"] / medians["peer later"], 2) if peer else None,
        "workers": given.workers,
        "cores": os.cpu_count(),
        "machine": platform.platform(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
