"""What looking costs: trainings with all diagnostics and without, and how long a check-up takes.

    python benchmarks/doctor.py [--pairs 5] [--data FOLDER] [--epochs 4] [--limit 5000]

Each pair trains the same recipe twice in one process each, with `--vitals` and with `--no-vitals`, in turns that change
places; a line a pair, then the median of the ratios with its 95 % interval (all pairs drawn again 2,000 times). The
target is 1.03. The weights of both must be the same to the bit, or it ends with an error. Then check-ups before a
training, three each: of the digits within 20 s, of --data (CIFAR-10 as JPEG, say) within 60 s. Ratios mean something on
a busy machine, too; seconds do not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from hubel import runtime

TRAIN = """
import json, sys, hubel
source, settings = sys.argv[1], json.loads(sys.argv[2])
run = hubel.train(source, **settings)
pace = [row["images_per_second"] for row in run.history.rows]
print(json.dumps({"folder": str(run.folder), "seconds": run.summary["seconds"], "pace": pace, "looks": len(run.vitals),
                  "deep": sum(bool(look["whole"]) for look in run.vitals)}))
"""
CHECK = """
import json, sys, hubel
found = hubel.doctor(sys.argv[1], **json.loads(sys.argv[2]))
print(json.dumps({"seconds": found.seconds, "checks": len(found.asked), "left_out": len(found.left_out)}))
"""


def told(script: str, source: str, settings: dict[str, object]) -> dict[str, object]:
    """What a process of its own prints."""
    words = [sys.executable, "-c", script, source, json.dumps(settings)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def digest(folder: str) -> str:
    """Of the last weights."""
    return hashlib.sha256((Path(folder) / "weights" / "last.safetensors").read_bytes()).hexdigest()


def pair(source: str, settings: dict[str, object], number: int) -> float:
    """Seconds of training with looks, over those without."""
    with tempfile.TemporaryDirectory() as out:
        order = [True, False] if number % 2 else [False, True]
        found = {looks: told(TRAIN, source, {**settings, "vitals": looks, "out": out}) for looks in order}
        if digest(str(found[True]["folder"])) != digest(str(found[False]["folder"])):
            raise SystemExit(f"the weights of {source} differ with looks and without")
    # Without the first epoch, in which a process warms up; the pace is that of training, without measuring.
    spent = {looks: statistics.mean(1 / pace for pace in one["pace"][1:]) for looks, one in found.items()}  # type: ignore[index]
    ratio = float(spent[True] / spent[False])
    print(json.dumps({"data": source, "pair": number, "ratio": round(ratio, 4), "looks": found[True]["looks"],
                      "deep": found[True]["deep"]}), flush=True)  # fmt: skip
    return ratio


def main() -> None:
    """Measure and print, a line each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--data", help="a folder of pictures, beside the digits")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--limit", type=int, default=5000, help="training pictures of --data")
    asked = parser.parse_args()
    print(json.dumps({"machine": runtime.environment()["device_name"]}))
    common: dict[str, object] = {"threads": 1, "baseline": False, "verbose": False}
    cases = [("digits", {**common, "epochs": 4 * asked.epochs})]
    if asked.data:
        cases.append((asked.data, {**common, "epochs": asked.epochs, "limit": asked.limit}))
    for source, settings in cases:
        ratios = np.array([pair(source, settings, number) for number in range(asked.pairs)])
        draws = np.random.default_rng(0).choice(ratios, (2000, len(ratios)))
        low, high = np.quantile(np.median(draws, axis=1), (0.025, 0.975))
        print(json.dumps({"data": source, "cost of looking": round(float(np.median(ratios)), 4), "interval": [
            round(float(low), 4), round(float(high), 4)], "pairs": len(ratios), "target": "at most 1.03"}))  # fmt: skip
    for source, target in (("digits", 20), *(((asked.data, 60),) if asked.data else ())):
        each = [told(CHECK, source, {"threads": 1, "verbose": False}) for _ in range(3)]
        print(json.dumps({"data": source, "check-up": [one["seconds"] for one in each], "checks": each[0]["checks"],
                          "left out": each[0]["left_out"], "target": f"at most {target} s"}), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
