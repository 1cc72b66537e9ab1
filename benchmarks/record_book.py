"""Run chapters of the book and record their verdicts: python benchmarks/record_book.py [--full] 1 2 …

Verdicts go to src/hubel/book/recorded.json, under the budget, the claim and the data (mnist, digits, own). Claims about
how long something takes are left out, since they depend on the machine.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hubel.book.reading import read
from hubel.book.verdicts import MEASURED

FILE = Path(__file__).parents[1] / "src" / "hubel" / "book" / "recorded.json"
TIMED = ("E76",)


def main() -> None:
    """Measure and record."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("chapters", nargs="*")
    asked.add_argument("--full", action="store_true")
    options = asked.parse_args()
    book = read(options.chapters, full=options.full)
    known = json.loads(FILE.read_text())
    verdicts = known.setdefault(book.budget, {})
    for each in book.claims:
        row = each.claim.row
        if each.verdict in MEASURED and row not in TIMED:
            verdicts.setdefault(row, {})[book.data[row]] = each.verdict
    known[book.budget] = {row: dict(sorted(v.items())) for row, v in sorted(verdicts.items(), key=_number)}
    lines = [
        f'"{budget}": {{\n' + ",\n".join(f'"{row}": {json.dumps(v)}' for row, v in rows.items()) + "\n}"
        for budget, rows in sorted(known.items(), reverse=True)
    ]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    for chapter in book.chapters:
        for run in chapter.runs:
            print(f"{run.experiment.number:<6}{run.seconds:6.1f} s of {run.allowed:g}{'  late' if run.late else ''}")
    for each in book.claims:
        if each.verdict in MEASURED:
            print(f"{each.claim.row:<5}{each.verdict:<11}{each.finding.text}")


def _number(entry: tuple[str, object]) -> int:
    return int(entry[0][1:])


if __name__ == "__main__":
    main()
