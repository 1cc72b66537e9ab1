"""Write src/hubel/lessons/parts.json, the list of all parts, from the registries, or with --check compare the two."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from hubel.verbs.components import components

INDEX = Path(__file__).parents[1] / "src" / "hubel" / "lessons" / "parts.json"


def text() -> str:
    return json.dumps([dataclasses.asdict(part) for part in components()], indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        sys.exit(
            0
            if INDEX.read_text("utf-8") == text()
            else "parts.json is behind the registries: python benchmarks/parts_index.py"
        )
    INDEX.write_text(text(), "utf-8")
