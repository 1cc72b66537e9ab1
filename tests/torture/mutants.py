"""Do the tests notice? Small faults in store, checkpoint, splits, loading and metrics, one at a time; tests must fail.

    python tests/torture/mutants.py [--sample 120] [--seed 0]

A mutant is one change of the syntax tree: a comparison turned round, a boundary moved, a condition negated, a constant
changed, a statement left out. Each runs in a copy of the sources against its doctests and the tests named in TARGETS.
The tests run in a fork of this process, which has loaded what they need besides hubel: most of the time of a mutant.
Lines that only an accelerator runs are left alone where there is none. Prints the survivors and the share killed;
leaves with 1 below 90 %.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot  # noqa: F401
import pytest
import scipy.stats  # noqa: F401
import sklearn.metrics  # noqa: F401
import torch

ROOT = Path(__file__).parents[2]
TARGETS = {
    "store/run.py": "tests/test_store.py",
    "store/ops.py": "tests/test_store.py",
    "store/reading.py": "tests/test_store.py",
    "store/documents.py": "tests/test_store.py",
    "checkpoint/tensors.py": "tests/test_checkpoint.py",
    "checkpoint/saving.py": "tests/test_checkpoint.py",
    "checkpoint/weights.py": "tests/test_checkpoint.py",
    "checkpoint/state.py": "tests/test_checkpoint.py",
    "checkpoint/classifier.py": "tests/test_checkpoint.py",
    "data/splits.py": "tests/data/test_splits.py",
    "data/batches.py": "tests/data/test_batches.py",
    "data/decode.py": "tests/data/test_decode.py",
    "metrics/classification.py": "tests/metrics/test_classification.py",
    "metrics/intervals.py": "tests/metrics/test_intervals.py",
    "metrics/probability.py": "tests/metrics/test_probability.py",
    "metrics/regression.py": "tests/metrics/test_regression.py",
}
SWAPS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


ELSEWHERE = {} if torch.cuda.is_available() else {"data/batches.py": ("resident", "_received")}
"""Functions whose work is an accelerator's."""


def places(tree: ast.Module, elsewhere: tuple[str, ...] = ()) -> list[tuple[int, str]]:
    """(number of the node in walking order, what to do there) for every fault that can be made."""
    found = []
    skip: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise):  # the words of a message are not behaviour
            skip |= set(ast.walk(node)) - {node}
        if isinstance(node, ast.FunctionDef) and node.name in elsewhere:
            skip |= set(ast.walk(node))
        if isinstance(node, ast.keyword) and node.arg == "non_blocking":  # for accelerators, and never for values
            skip |= set(ast.walk(node))
    for number, node in enumerate(ast.walk(tree)):
        if node in skip:
            continue
        if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
            found.append((number, "compare"))
        elif isinstance(node, (ast.BinOp, ast.BoolOp)) and type(node.op) in SWAPS:
            found.append((number, "operate"))
        elif isinstance(node, (ast.If, ast.While, ast.IfExp)):
            found.append((number, "negate"))
        elif isinstance(node, ast.Constant) and type(node.value) in (int, bool):
            found.append((number, "constant"))
        elif isinstance(node, (ast.Raise, ast.Expr)) and not (
            isinstance(node, ast.Expr) and isinstance(node.value, (ast.Constant, ast.Yield))
        ):
            found.append((number, "leave out"))
    return found


def mutate(tree: ast.Module, number: int, how: str) -> tuple[str, int]:
    """The changed program, and the line."""
    changed = copy.deepcopy(tree)
    node = next(node for at, node in enumerate(ast.walk(changed)) if at == number)
    if how == "compare":
        node.ops[0] = SWAPS[type(node.ops[0])]()  # type: ignore[attr-defined]
    elif how == "operate":
        node.op = SWAPS[type(node.op)]()  # type: ignore[attr-defined]
    elif how == "negate":
        node.test = ast.UnaryOp(ast.Not(), node.test)  # type: ignore[attr-defined]
    elif how == "constant":
        node.value = not node.value if isinstance(node.value, bool) else node.value + 1  # type: ignore[attr-defined]
    else:
        for parent in ast.walk(changed):
            for field in ("body", "orelse", "finalbody"):
                block = getattr(parent, field, None)
                if isinstance(block, list) and node in block:
                    block[block.index(node)] = ast.Pass()
    return ast.unparse(ast.fix_missing_locations(changed)), getattr(node, "lineno", 0)


def fails(*tests: str, limit: float = 240) -> bool:
    """Does a test fail, or take longer than `limit` seconds?"""
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        try:
            os._exit(int(pytest.main(["-q", "-x", "-m", "not slow and not browser and not cluster", *tests]) != 0))
        finally:
            os._exit(2)
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status != 0
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--sample", type=int, default=120)
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--only", default="")
    given = words.parse_args()
    trees = {name: ast.parse((ROOT / "src" / "hubel" / name).read_text()) for name in TARGETS if given.only in name}
    everything = [
        (name, number, how) for name, tree in trees.items() for number, how in places(tree, ELSEWHERE.get(name, ()))
    ]
    chosen = random.Random(given.seed).sample(everything, min(given.sample, len(everything)))
    work = Path(tempfile.mkdtemp())
    shutil.copytree(ROOT / "src", work / "src")
    os.environ |= {"PYTHONPATH": str(work / "src"), "PYTHONDONTWRITEBYTECODE": "1"}  # for children of the tests
    sys.path.insert(0, str(work / "src"))
    sys.dont_write_bytecode = True
    os.chdir(ROOT)

    for tests in sorted({TARGETS[name] for name in trees}):
        if fails(tests, limit=1200):
            sys.exit(f"{tests} fails without any fault: it would seem to notice every one")
    survivors = []
    for name, number, how in chosen:
        program, line = mutate(trees[name], number, how)
        path = work / "src" / "hubel" / name
        original = path.read_text()
        path.write_text(program)
        killed = fails(str(path), TARGETS[name])
        path.write_text(original)
        if not killed:
            survivors.append(f"{name}:{line}: {how}")
            print("survived", survivors[-1], flush=True)
    shutil.rmtree(work)
    share = 1 - len(survivors) / len(chosen)
    print(
        f"{len(chosen) - len(survivors)} of {len(chosen)} mutants killed ({share:.1%}; {len(everything)} could be made)"
    )
    sys.exit(share < 0.9)


if __name__ == "__main__":
    main()
