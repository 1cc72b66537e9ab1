"""How soon the command line answers when nothing needs to be computed: whole processes, cold imports, warm disk.

    python benchmarks/startup.py [--repeat 9]

One JSON line per command with the median, fastest and slowest wall time in seconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

COMMANDS = (["--help"], ["models"], ["model", "resnet50"], ["train", "--help"])

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=9)
    repeat = parser.parse_args().repeat
    for words in COMMANDS:
        seconds = []
        for _ in range(repeat + 1):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-m", "hubel", *words], stdout=subprocess.DEVNULL, check=True)
            seconds.append(time.perf_counter() - started)
        found = sorted(seconds[1:])  # the first one warms the disk
        row = {"command": "hubel " + " ".join(words), "median": statistics.median(found), "range": found[:: repeat - 1]}
        print(json.dumps(row))
