"""Peak memory of ResNet-18 on CIFAR-10-like data (50,000 pictures of 32x32) at batch 128, beside a bare loop.

    python benchmarks/memory.py [--steps 3] [--repeat 3]

Each side is a process of its own: imports, data as bytes in memory, net, optimiser, a few steps; the peak resident size
is the operating system's. The bare loop keeps its data as bytes too and makes floats of one batch at a time, which is
the thriftiest honest way to write it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys

from hubel import runtime

SETUP = """
import resource, sys, numpy as np, torch
sys.path.insert(0, {folder!r})
steps = {steps}
noise = np.random.default_rng(0).integers(0, 256, (50000, 3, 32, 32), dtype=np.uint8)
labels = np.arange(50000) % 10
from hubel.models import create_model
torch.manual_seed(0)
"""
BARE = """
net = create_model("resnet18", num_classes=10, img_size=32).to(memory_format=torch.channels_last)
optimiser = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True)
images, labels = torch.from_numpy(noise), torch.from_numpy(labels)
order = torch.randperm(len(labels))
for step in range(steps):
    rows = order[128 * step : 128 * (step + 1)]
    x = ((images[rows].float() / 255 - 0.5) / 0.25).to(memory_format=torch.channels_last)
    torch.nn.functional.cross_entropy(net(x), labels[rows]).backward()
    optimiser.step()
    optimiser.zero_grad()
"""
OURS = """
import throughput
from hubel.data.decode import Decoded
from hubel.data.preprocessing import Preprocessing
scale = Preprocessing(height=32, width=32, mean=(0.5,) * 3, std=(0.25,) * 3)
decoded = Decoded(images=noise, labels=labels, ids=np.arange(50000), digest="")
rows = decoded.ids[: 128 * steps]
decoded_few = Decoded(images=noise, labels=labels, ids=rows, digest="")
list(throughput.ours("resnet18", decoded_few, scale, steps, 128))
"""
END = "\nprint(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"

if __name__ == "__main__":
    from pathlib import Path

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    setup = SETUP.format(folder=str(Path(__file__).parent), steps=options.steps)
    peaks: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(options.repeat):
        for side, body in (("ours", OURS), ("bare", BARE)):
            done = subprocess.run(
                [sys.executable, "-c", setup + body + END], capture_output=True, text=True, check=True
            )
            peaks[side].append(int(done.stdout.split()[-1]) / 1024)
    medians = {side: statistics.median(values) for side, values in peaks.items()}
    row = {"peak_MiB": medians, "ratio": medians["ours"] / medians["bare"], "environment": runtime.environment()}
    print(json.dumps(row))
