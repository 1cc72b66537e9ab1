"""What the core install adds beyond torch, numpy, pillow and scikit-learn (and what those need themselves).

    make demo && .venv/bin/python benchmarks/install_size.py

Run it in an environment that has the core only. Sizes are those of the files each distribution lists, in MB (10^6
bytes), without the bytecode that Python makes later.
"""

from __future__ import annotations

import json
import re
from importlib.metadata import PackageNotFoundError, distribution, requires


def needs(name: str) -> set[str]:
    """Everything a distribution needs, directly or through others, extras left out."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        package = waiting.pop().lower().replace("_", "-")
        if package in found:
            continue
        try:
            distribution(package)
        except PackageNotFoundError:
            continue
        found.add(package)
        for line in requires(package) or []:
            if "extra ==" not in line:
                waiting.append(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0])
    return found


def megabytes(name: str) -> float:
    """Size of a distribution's own files."""
    files = distribution(name).files or []
    paths = [file.locate() for file in files if not str(file).endswith(".pyc")]
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6  # type: ignore[union-attr]


if __name__ == "__main__":
    given = set().union(*(needs(name) for name in ("torch", "numpy", "pillow", "scikit-learn")))
    added = {name: round(megabytes(name), 1) for name in needs("hubel") - given - {"hubel"}}
    largest = dict(sorted(added.items(), key=lambda item: -item[1])[:6])
    print(json.dumps({"added_MB": round(sum(added.values()), 1), "packages": len(added), "largest": largest}))
