"""Deep Compression on MNIST: LeNet-300-100 and LeNet-5, forty and thirty-nine times smaller, beside the paper.

    python benchmarks/compress.py [--seeds 5] [--nets lenet-300-100 lenet-5] [--epochs 20] [--after 20] [--out FOLDER]
    python benchmarks/compress.py --picture docs/pictures/compress.svg      also draws the first net's stages

S. Han, H. Mao, W. Dally, Deep Compression (arXiv:1510.00149), table 1, errors on the test digits:

    LeNet-300-100   1.64 %   1,070 kB   ->   1.58 %   27 kB   40 times
    LeNet-5         0.80 %   1,720 kB   ->   0.74 %   44 kB   39 times

LeNet-5 is Caffe's (20 and 50 filters of 5 x 5, 500 units). Everything is chosen on the validation digits; the test
digits are looked at once for each net. HUBEL_DATA has the IDX files. One line a net and seed, as JSON, and a table.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import hubel
from hubel.report.pages.compress import draw

NETS: dict[str, tuple[dict[str, Any], str, tuple[float, float]]] = {
    "lenet-300-100": ({"model": "mlp", "model_options": {"hidden": [300, 100]}}, "40x", (1.64, 1.58)),
    "lenet-5": (
        {
            "model": "layers",
            "model_options": {
                "layers": ["conv 20 5x5", "maxpool 2", "conv 50 5x5", "maxpool 2", "flatten", "dense 500", "relu",
                           "dense K"],
            },
        },
        "39x",
        (0.80, 0.74),
    ),
}  # fmt: skip


def measured(net: str, seed: int, epochs: int, after: int, out: Path) -> tuple[dict[str, Any], hubel.Compressed]:
    """One training and one compression."""
    settings, to, _ = NETS[net]
    run = hubel.train(
        "mnist", epochs=epochs, seed=seed, out=str(out), name=net, baseline=False, verbose=True, **settings
    )
    found = hubel.compress(run, to, epochs=after, verbose=True)
    print(found, flush=True)
    row = {
        "net": net, "seed": seed, "to": to, "bytes": found.bytes, "times": round(found.times, 2),
        "kept": round(found.stages[-1].kept, 4), "before": round(100 * (1 - found.test[0]), 3),
        "after": round(100 * (1 - found.test[1]), 3), "seconds": round(found.seconds, 1),
    }  # fmt: skip
    return row, found


def main() -> None:
    """Train, compress, tell."""
    words = argparse.ArgumentParser()
    words.add_argument("--seeds", type=int, default=5)
    words.add_argument("--nets", nargs="*", default=list(NETS), choices=list(NETS))
    words.add_argument("--epochs", type=int, default=20)
    words.add_argument("--after", type=int, default=20)
    words.add_argument("--out", type=Path, default=None)
    words.add_argument("--picture", type=Path, default=None)
    given = words.parse_args()
    out = given.out or Path(tempfile.mkdtemp())
    for net in given.nets:
        rows = []
        for seed in range(given.seeds):
            row, found = measured(net, seed, given.epochs, given.after, out)
            if given.picture is not None and not rows and net == given.nets[0]:
                given.picture.write_bytes(draw(found).data)
            rows.append(row)
            print(json.dumps(rows[-1]), flush=True)
        errors = {name: [row[name] for row in rows] for name in ("before", "after")}
        told = ", ".join(
            f"{name} {statistics.mean(values):.2f} % ({min(values):.2f} to {max(values):.2f})"
            for name, values in errors.items()
        )
        paper = NETS[net][2]
        print(f"{net}: {rows[0]['times']} times smaller; test error {told}; paper: {paper[0]} %, then {paper[1]} %")


if __name__ == "__main__":
    main()
