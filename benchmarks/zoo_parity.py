"""Do our nets compute what torchvision's compute? Same state dict, same logits to 1e-5 of the largest one.

    python benchmarks/zoo_parity.py             compare every net that torchvision has (needs torchvision)
    python benchmarks/zoo_parity.py --build     how long building them takes, beside torchvision's: at most 1.1 times
    python benchmarks/zoo_parity.py --record    write keys, shapes and logits for the tests that run without it

Prints one line a net and leaves with 1 if any differs, or is built too slowly. Building is measured as processor time
of one thread, ours and theirs by turns, each first every other time: the median over at least --rounds rounds, for
small nets over as many as fit into half a second.
"""

from __future__ import annotations

import argparse
import fnmatch
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "models"))
sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import parity
import torch
import torchvision

TOLERANCE = 1e-5
ALLOWED = 1.1
"""Our time for building a net over torchvision's."""


def theirs(name: str) -> torch.nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its googlenet announces a change of its initial weights
        return getattr(torchvision.models, name)(weights=None)


def record() -> None:
    rows = {}
    for name in parity.NETS:
        net = theirs(name)
        keys = parity.table(net.state_dict())
        rows[name] = {"keys": keys, "logits": [round(v, 6) for v in parity.answer(net, keys)[:16].tolist()]}
        print(f"{name:22} {len(keys):5} tensors recorded", flush=True)
    parity.write(rows)


def compare() -> int:
    from hubel.models import create_model

    print(
        f"torch {torch.__version__}, torchvision {torchvision.__version__}, "
        f"{platform.processor() or platform.machine()}"
    )
    print(f"{'net':22} {'difference':>10}")
    failures = 0
    for name in parity.NETS:
        peer, net = theirs(name), create_model(name)
        keys = parity.table(peer.state_dict())
        difference = parity.close(parity.answer(net, keys), parity.answer(peer, keys))
        failures += difference > TOLERANCE
        verdict = "" if difference <= TOLERANCE else "   DIFFERS"
        print(f"{name:22} {difference:10.1e}{verdict}", flush=True)
    print(f"{len(parity.NETS) - failures} of {len(parity.NETS)} agree to {TOLERANCE:g}")
    return int(failures > 0)


def build(rounds: int, match: str) -> int:
    """Judge the time of building every net that torchvision has."""
    from hubel.models import create_model

    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}, one thread")
    print(f"{'net':22} {'theirs':>9} {'ours':>9} {'ratio':>6} {'quartiles':>12} {'rounds':>7}")
    ratios: dict[str, float] = {}
    for name in parity.NETS:
        if not fnmatch.fnmatchcase(name, match):
            continue
        pair: tuple[Callable[[], object], ...] = (lambda name=name: theirs(name), lambda name=name: create_model(name))
        timed(pair[0]), timed(pair[1])  # imports and the first allocations
        times: tuple[list[float], list[float]] = ([], [])
        while len(times[0]) < rounds or (sum(map(sum, times)) < 0.5 and len(times[0]) < 50):
            for side in (0, 1) if len(times[0]) % 2 else (1, 0):
                times[side].append(timed(pair[side]))
        middle = [statistics.median(part) for part in times]
        ratios[name] = middle[1] / middle[0]
        low, _, high = statistics.quantiles([ours / peer for peer, ours in zip(*times, strict=True)], n=4)
        verdict = "" if ratios[name] <= ALLOWED else "   TOO SLOW"
        print(
            f"{name:22} {1000 * middle[0]:6.1f} ms {1000 * middle[1]:6.1f} ms {ratios[name]:6.2f} "
            f"{low:6.2f}-{high:.2f} {len(times[0]):7}{verdict}",
            flush=True,
        )
    slow = [name for name, ratio in ratios.items() if ratio > ALLOWED]
    median, worst = statistics.median(ratios.values()), max(ratios, key=lambda name: ratios[name])
    print(
        f"{len(ratios) - len(slow)} of {len(ratios)} are built in at most {ALLOWED} times torchvision's time; "
        f"median {median:.2f}, worst {worst} {ratios[worst]:.2f}"
    )
    return int(bool(slow))


def timed(make: Callable[[], object]) -> float:
    """Processor seconds of one building; throwing the net away again does not count."""
    started = time.process_time()
    net = make()
    seconds = time.process_time() - started
    del net
    return seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--build", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--match", default="*", help="with --build: only these nets")
    wanted = parser.parse_args()
    sys.exit(record() if wanted.record else build(wanted.rounds, wanted.match) if wanted.build else compare())
