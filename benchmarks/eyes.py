"""How many photographs a second a frozen EfficientNet-Lite0 sees: what a start from it costs most.

    python benchmarks/eyes.py [--pictures 500] [--repeat 3] [--threads 2]

Both sides get the same photographs of HUBEL_DATA, 224 x 224 bytes in memory, in batches of 64, normalise them and give
1,280 features each. Ours: `head_inputs`, as `hubel train` uses it for a frozen net. Peer: timm's tf_efficientnet_lite0,
eager, in inference mode, `forward_head(forward_features(x), pre_logits=True)`; its weights are random, which costs the
same. Sides alternate; an uncounted round comes first. HUBEL_PEER_PYTHON names the interpreter with timm; without it
only our side is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

PEER = """
import sys, time
import numpy, timm, torch
torch.set_num_threads(int(sys.argv[2]))
pictures = torch.from_numpy(numpy.load(sys.argv[1]))
net = timm.create_model("tf_efficientnet_lite0").eval()
with torch.inference_mode():
    for part in (pictures[:64], pictures):
        started = time.perf_counter()
        for batch in part.split(64):
            net.forward_head(net.forward_features((batch.float() / 255 - 0.498) / 0.502), pre_logits=True)
    print(len(pictures) / (time.perf_counter() - started))
"""

OURS = """
import sys, time
import numpy, torch
from hubel.data.preprocessing import Preprocessing
from hubel.models import create_model
from hubel.training.features import head_inputs
torch.set_num_threads(int(sys.argv[2]))
pictures = torch.from_numpy(numpy.load(sys.argv[1]))
p = Preprocessing(height=224, width=224, mean=(127 / 255,) * 3, std=(128 / 255,) * 3)
net = create_model("efficientnet_lite0", num_classes=2).eval()
for part in (pictures[:64], pictures):
    started = time.perf_counter()
    laid = (batch.contiguous(memory_format=torch.channels_last) for batch in part.split(64))
    count = sum(len(seen) for seen in head_inputs(net, (p.normalise(batch) for batch in laid)))
print(count / (time.perf_counter() - started))
"""


def rate(python: str, code: str, *arguments: object) -> float:
    """Photographs a second of one process."""
    done = subprocess.run([python, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(done.stdout)


def main() -> None:
    """Measure, print a line of JSON for each process and one with medians and the ratio."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pictures", type=int, default=500)
    arguments.add_argument("--repeat", type=int, default=3)
    arguments.add_argument("--threads", type=int, default=2)
    given = arguments.parse_args()
    data = Path(os.environ.get("HUBEL_DATA", Path(__file__).parents[2] / "shared" / "data")) / "photos"
    if not data.is_dir():
        raise SystemExit(f"needs the photographs of HUBEL_DATA, and {data} is no folder")
    files = sorted(data.iterdir())
    pictures = [np.asarray(ImageOps.fit(Image.open(file).convert("RGB"), (224, 224))) for file in files]
    stack = np.stack([pictures[n % len(files)].transpose(2, 0, 1) for n in range(given.pictures)])
    peer = os.environ.get("HUBEL_PEER_PYTHON")
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "pictures.npy"
        np.save(place, stack)
        for number in range(-1, given.repeat):
            for side, python, code in (("ours", sys.executable, OURS), ("peer", peer, PEER)):
                if python and (number >= 0 or side == "ours" or peer):
                    measured = rate(str(python), code, place, given.threads)
                    if number >= 0:
                        found.setdefault(side, []).append(measured)
                        print(json.dumps({"round": number, "side": side, "per_second": round(measured, 1)}), flush=True)
    medians = {side: round(statistics.median(values), 1) for side, values in found.items()}
    result = {
        "claim": "features of a frozen Lite0 at least 1.5 times as fast as timm's eager net",
        "photographs_per_second": medians,
        "spread": {side: [round(min(values), 1), round(max(values), 1)] for side, values in found.items()},
        "ratio": round(medians["ours"] / medians["peer"], 2) if "peer" in medians else None,
        "pictures": given.pictures, "threads": given.threads, "machine": platform.platform(),
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
