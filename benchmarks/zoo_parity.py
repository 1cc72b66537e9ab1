"""Do our nets compute what torchvision's compute? Same state dict, same logits to 1e-5 of the largest one.

    python benchmarks/zoo_parity.py             compare every net that torchvision has (needs torchvision)
    python benchmarks/zoo_parity.py --record    write keys, shapes and logits for the tests that run without it

Prints one line a net and leaves with 1 if any differs.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "models"))
sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import parity
import torch
import torchvision

TOLERANCE = 1e-5


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
    print(f"{'net':22} {'difference':>10}   build: theirs     ours")
    failures = 0
    for name in parity.NETS:
        started = time.perf_counter()
        peer = theirs(name)
        their_build = time.perf_counter() - started
        started = time.perf_counter()
        net = create_model(name)
        our_build = time.perf_counter() - started
        keys = parity.table(peer.state_dict())
        difference = parity.close(parity.answer(net, keys), parity.answer(peer, keys))
        failures += difference > TOLERANCE
        verdict = "" if difference <= TOLERANCE else "   DIFFERS"
        print(f"{name:22} {difference:10.1e}   {their_build:10.2f} s {our_build:7.2f} s{verdict}", flush=True)
    print(f"{len(parity.NETS) - failures} of {len(parity.NETS)} agree to {TOLERANCE:g}")
    return int(failures > 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true")
    sys.exit(record() if parser.parse_args().record else compare())
