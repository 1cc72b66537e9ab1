"""`make bench`: run the benchmarks one after the other and write what they printed to benchmarks/RESULTS.raw.jsonl.

    python -m benchmarks [NAME ...]

Alone on the machine, please: two PyTorch processes at once slow each other many times over. Peers live in environments
of their own: HUBEL_PEER_PYTHON names an interpreter with torchvision, keras and torchinfo; a benchmark that needs a
peer it does not find measures our side only and says so. RESULTS.md is written by hand from the raw lines: a table with
the target, the figure, its spread, the machine, and what was missed and why.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).parent
DATA = Path(os.environ.get("HUBEL_DATA", FOLDER.parents[1] / "shared" / "data"))
PEER = os.environ.get("HUBEL_PEER_PYTHON")
# name -> arguments; a folder of JPEG files for `decode` is made from the archive where it is there
BENCHMARKS: dict[str, list[str]] = {
    "startup": [],
    "digits": [],
    "throughput": [],
    "memory": [],
    "mnist": [],
    "augment": [],
    "anatomy": ["--peer", PEER] if PEER else [],
    "checkpoint": [],
    "occlusion": [],
    "cams": [],
}


def unpacked(folder: Path) -> Path | None:
    """The CIFAR-10 JPEG files below `folder`, from the archive; None without it."""
    archive = DATA / "cifar10-jpeg.tar.gz"
    if not archive.exists():
        return None
    if not (folder / "train").exists():
        subprocess.run(["tar", "-xzf", str(archive), "-C", str(folder)], check=True)
    inside = [path for path in (folder, *folder.iterdir()) if (path / "train").is_dir()]
    return inside[0] if inside else None


def main() -> None:
    """Run what was asked for, or everything."""
    chosen = sys.argv[1:] or [*BENCHMARKS, "decode"]
    with tempfile.TemporaryDirectory() as folder, open(FOLDER / "RESULTS.raw.jsonl", "a", encoding="utf-8") as log:
        for name in chosen:
            arguments = BENCHMARKS.get(name, [])
            if name == "decode":
                pictures = unpacked(Path(folder))
                if pictures is None:
                    print("decode is left out: no cifar10-jpeg.tar.gz in HUBEL_DATA", file=sys.stderr)
                    continue
                arguments = [str(pictures)]
            print(f"== {name}", flush=True)
            done = subprocess.run(
                [sys.executable, str(FOLDER / f"{name}.py"), *arguments], capture_output=True, text=True
            )
            print(done.stdout or done.stderr, flush=True)
            day = time.strftime("%Y-%m-%d")
            for line in done.stdout.splitlines():
                log.write(json.dumps({"benchmark": name, "date": day, "printed": line}) + "\n")


if __name__ == "__main__":
    main()
