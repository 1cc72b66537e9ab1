"""The whole suite, without the slow proofs, passes on a machine without any network interface (T37)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_t37_the_suite_passes_without_network() -> None:
    done = subprocess.run(
        ["unshare", "-rn", sys.executable, "tests/torture/offline.py", "-qn2", "-m",
         "not slow and not browser and not cluster"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    if "unshare:" in done.stderr:
        pytest.skip(f"no network namespace here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stdout[-4000:]
