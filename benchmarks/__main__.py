"""`make bench`: run the benchmarks one after the other, keep what they print, and renew the tables of RESULTS.md.

    python -m benchmarks                          all of them, with the peers that are there
    python -m benchmarks NAME [WORDS ...]         one of them, with words of its own: airbench --only ours --seeds 0
    python -m benchmarks --tables                 no measurement: the tables from what was measured before

Alone on the machine, please: two PyTorch processes at once slow each other many times over. Peers live in
environments of their own, which `make peers` (benchmarks/peers.py) makes and names in environment variables; a
benchmark that needs a peer it does not find measures our side only and says so.

Every line that a script prints is appended to RESULTS.raw.jsonl with the name, the hour and the machine. What the
lines say about a promise (its target, met or missed by how much) is put together in benchmarks/claims.py, also from
phases run hours apart, and written into the tables of RESULTS.md row by row; the words around the tables are written
by hand.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hubel import runtime

sys.path.insert(0, str(Path(__file__).parent))  # the scripts are no package: each also runs by itself

from claims import claims, machines, rewritten

FOLDER = Path(__file__).parent
RAW, RESULTS = FOLDER / "RESULTS.raw.jsonl", FOLDER / "RESULTS.md"
DATA = Path(os.environ.get("HUBEL_DATA", FOLDER.parents[1] / "shared" / "data"))
PEER = os.environ.get("HUBEL_PEER_PYTHON")
PICTURES = "PICTURES"
"""Stands for the folder of CIFAR-10's JPEG files, unpacked once for all that need it."""
# name -> words; in the order in which they run
BENCHMARKS: dict[str, list[str]] = {
    "startup": [],
    "digits": [],
    "busy": [],
    "throughput": [],
    "memory": [],
    "peak": [],
    "mnist": [],
    "airbench": ["--data", PICTURES],
    "cifar_peers": ["--data", PICTURES],
    "profile_run": ["--data", PICTURES, "--write"],
    "latency": [],
    "pipeline": [],
    "scaling": [],
    "transfer": [],
    "starts": [],
    "eyes": [],
    "distill": [PICTURES],
    "augment": [],
    "corruptions": [],
    "cleaning": [],
    "doctor": ["--data", PICTURES],
    "trust": ["--mnist", "--limit", "20000", "--epochs", "4"],
    "anatomy": ["--peer", PEER] if PEER else [],
    "checkpoint": [],
    "safety": ["--data", PICTURES],
    "units": [f"{PICTURES}/train"],
    "occlusion": [],
    "cams": [],
    "decode": [PICTURES],
}


def unpacked(folder: Path) -> Path | None:
    """The CIFAR-10 JPEG files below `folder`, from the archive; None without it."""
    archive = DATA / "cifar10-jpeg.tar.gz"
    if not archive.exists():
        return None
    if not any(folder.iterdir()):
        subprocess.run(["tar", "-xzf", str(archive), "-C", str(folder)], check=True)
    inside = [path for path in (folder, *sorted(folder.iterdir())) if (path / "train").is_dir()]
    return inside[0] if inside else None


def run(name: str, words: list[str]) -> bool:
    """Run one script, show what it prints and keep it. False if it failed."""
    script = FOLDER / f"{name}.py"
    if not script.exists():
        sys.exit(f"there is no benchmark {name!r}; there are: {', '.join(BENCHMARKS)}")
    print(f"== {name} {' '.join(words)}", flush=True)
    begun: dict[str, object] = {"benchmark": name, "run": time.strftime("%Y-%m-%dT%H:%M:%S"), "words": words}
    begun["machine"] = runtime.environment()
    command = [sys.executable, str(script), *words]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        open(RAW, "a", encoding="utf-8") as log,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            log.write(json.dumps(begun | {"printed": line.rstrip("\n")}) + "\n")
            log.flush()  # a benchmark that is stopped keeps what it has measured
    if process.returncode:
        print(f"{name} ended with code {process.returncode}", file=sys.stderr, flush=True)
    return process.returncode == 0


def tables() -> None:
    """Renew RESULTS.md from all that was ever measured here."""
    lines = [json.loads(line) for line in RAW.read_text(encoding="utf-8").splitlines()] if RAW.exists() else []
    found = claims(lines)
    before = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Measured claims\n"
    after = rewritten(before, found, machines(lines))
    if after != before:
        RESULTS.write_text(after, encoding="utf-8")
    for claim in found:
        print(
            f"{'met   ' if claim.met else 'MISSED' if claim.met is False else '      '} {claim.name}: {claim.measured}"
        )


def main() -> None:
    """Run what was asked for, or everything; then the tables."""
    words = sys.argv[1:]
    failed = []
    if words != ["--tables"]:
        chosen = {words[0]: words[1:] or BENCHMARKS.get(words[0], [])} if words else BENCHMARKS
        with tempfile.TemporaryDirectory() as folder:
            for name, given in chosen.items():
                if any(PICTURES in word for word in given):
                    pictures = unpacked(Path(folder))
                    if pictures is None:
                        print(f"{name} is left out: no cifar10-jpeg.tar.gz in HUBEL_DATA", file=sys.stderr)
                        continue
                    given = [word.replace(PICTURES, str(pictures)) for word in given]
                if not run(name, given):
                    failed.append(name)
    tables()
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
