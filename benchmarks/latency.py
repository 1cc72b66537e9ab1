"""One picture at a time: ResNet-18 at 224 x 224 as `hubel predict` runs it, beside the same net as PyTorch runs it.

    python benchmarks/latency.py [--rounds 3] [--seconds 2] [--net resnet18]

Each round is one `hubel bench NET --batch 1 --form eager --form ready`, which measures both forms in turns and checks
that they answer alike. One JSON line per round, then one with the medians and their ratio.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", default="resnet18")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    words = ["bench", options.net, "--batch", "1", "--form", "eager", "--form", "ready", "--json"]
    words += ["--seconds", str(options.seconds)]
    found: dict[str, list[float]] = {"eager": [], "ready": []}
    for number in range(options.rounds):
        done = subprocess.run([sys.executable, "-m", "hubel", *words], stdout=subprocess.PIPE, text=True, check=True)
        answer = json.loads(done.stdout)
        medians = {timing["form"]: timing["median"] for timing in answer["timings"]}
        forms = {form["name"]: form for form in answer["forms"]}
        if not forms["ready"]["agrees"]:
            sys.exit(f"the answers differ by {forms['ready']['difference']}, allowed are {forms['ready']['allowed']}")
        for name, values in found.items():
            values.append(medians[name])
        line = {"round": number, **medians, "what": forms["ready"]["what"], "difference": forms["ready"]["difference"]}
        print(json.dumps(line), flush=True)
    ratios = [ready / eager for ready, eager in zip(found["ready"], found["eager"], strict=True)]
    summary = {name: statistics.median(values) for name, values in found.items()}
    row = {**summary, "ratio": statistics.median(ratios), "range": [min(ratios), max(ratios)], "rounds": len(ratios)}
    print(json.dumps(row | {"net": options.net}))
