"""How long a summary takes, and how much memory, beside torchinfo, in one run.

    python benchmarks/anatomy.py [--peer PYTHON] [--out FILE.json]

Every measurement is the first call in a process of its own, with the libraries imported and the model built; time is
that of the call, memory the growth of the process's peak resident size during the call. `--peer` is a Python that has
torch and torchinfo; without it only hubel is measured. Ours is repeated and the median reported.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

SRC = Path(__file__).parents[1] / "src"
HEAD = "import json, resource, sys, time\nimport torch\nfrom torch import nn\n"
TAIL = """
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
call()
seconds = time.perf_counter() - start
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
print(json.dumps([seconds, grown]))
"""
# The same net for both: VGG-19 as printed in its paper, written out so that the peer needs no zoo.
VGG19 = """
layers, maps = [], 3
for width in [64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512, 512, 512, 512, 0]:
    if width:
        layers += [nn.Conv2d(maps, width, 3, padding=1), nn.ReLU()]
        maps = width
    else:
        layers.append(nn.MaxPool2d(2))
model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(25088, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(),
                      nn.Linear(4096, 1000))
"""
DECODER = """
from hubel.anatomy.abstract import skeleton
class Decoder(nn.Module):
    def __init__(self, layers=96, width=9216, heads=96, words=50257, length=2048):
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(length, width)
        block = lambda: nn.TransformerEncoderLayer(width, heads, 4 * width, batch_first=True)
        self.blocks = nn.ModuleList(block() for _ in range(layers))
        self.head = nn.Linear(width, words, bias=False)
    def forward(self, ids):
        x = self.words(ids) + self.places(torch.arange(ids.shape[1], device=ids.device))
        for block in self.blocks:
            x = block(x)
        return self.head(x)
def call():
    with skeleton():
        model = Decoder()
    table = summarise(model, torch.zeros(1, 2048, dtype=torch.long))
    assert table.params > 98e9 and not table.partial
"""
OURS = "from hubel.anatomy.summary import summarise\n"
CASES = {
    "vgg19, batch 64": (
        OURS + VGG19 + "call = lambda: summarise(model, (3, 224, 224), batch=64)",
        "from torchinfo import summary\n" + VGG19 + "call = lambda: summary(model, (64, 3, 224, 224), verbose=0)",
    ),
    "resnet152 with receptive fields": (
        OURS + "from hubel.models import create_model\nmodel = create_model('resnet152')\n"
        "call = lambda: summarise(model, (3, 224, 224))",
        None,
    ),
    "transformer, 96 layers, 100 billion parameters": (OURS + DECODER, None),
}


def measured(python: str, code: str, repeats: int) -> tuple[float, float]:
    """Median seconds and megabytes of the first call in a fresh process."""
    runs = []
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    for _ in range(repeats):
        done = subprocess.run(
            [python, "-c", HEAD + code + TAIL], capture_output=True, text=True, check=True, env=environment
        )
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    seconds, grown = zip(*runs, strict=True)
    return statistics.median(seconds), statistics.median(grown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="a Python with torchinfo")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found = []
    for name, (ours, theirs) in CASES.items():
        seconds, grown = measured(sys.executable, ours, options.repeats)
        line = {"case": name, "hubel_s": round(seconds, 4), "hubel_mb": round(grown, 1)}
        if theirs and options.peer:
            peer_s, peer_mb = measured(options.peer, theirs, 1)
            line |= {"torchinfo_s": round(peer_s, 3), "torchinfo_mb": round(peer_mb), "ratio": round(peer_s / seconds)}
        found.append(line)
        print(json.dumps(line))
    result = {
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
        "threads": os.environ.get("OMP_NUM_THREADS", ""),
        "results": found,
    }
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
