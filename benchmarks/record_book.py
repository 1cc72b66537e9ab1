"""Run experiments of the book and record their verdicts: python benchmarks/record_book.py [--full] [--jobs 2] 1 2 5.5 …

Every experiment runs in a process of its own, the longest first, and is kept when it is done: a run that was stopped
goes on where it was, with the same command. What was kept by other code or another torch is run
anew; --again runs all anew.
Verdicts go to src/hubel/book/recorded.json, under the budget, the claim and the data (mnist, cifar10, digits, own), and
as a tally to docs/pictures/book.svg.
Claims about how long something takes are left out, since they depend on the machine.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from hubel.book.chapters import CHAPTERS, claims
from hubel.book.experiment import Experiment
from hubel.book.experiments import all_experiments, settled
from hubel.book.reading import ChapterRead, Claimed, chosen, read
from hubel.book.verdicts import MEASURED, NOT_YET, Finding
from hubel.data.cache import home
from hubel.report.drawings.book import draw_tally
from hubel.words import duration

BOOK = Path(__file__).parents[1] / "src" / "hubel" / "book"
FILE = BOOK / "recorded.json"
PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "book.svg"
TIMED = ("E76", "E133", "E156", "E158")


def main() -> None:
    """Measure and record."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("chapters", nargs="*", metavar="CHAPTER", help="chapters (5), experiments (5.2); none: all")
    asked.add_argument("--full", action="store_true", help="the full budget")
    asked.add_argument(
        "--jobs", type=int, default=2, metavar="N", help="processes of one thread each (2); 0: all in this one"
    )
    asked.add_argument("--again", action="store_true", help="run anew what was kept")
    asked.add_argument("--one", metavar="FILE", help=argparse.SUPPRESS)
    options = asked.parse_args()
    if options.one:
        measure(options.chapters[0], full=options.full, file=Path(options.one))
        return
    budget = "full" if options.full else "quick"
    wanted = [each for each in picked(options.chapters) if (each.full if options.full else each.quick) is not None]
    folder = home() / "book" / "runs" / budget
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    run(wanted, folder, full=options.full, jobs=options.jobs, again=options.again)
    files = {each.number: kept_in(folder, each) for each in wanted}
    done = {number: json.loads(file.read_text()) for number, file in files.items() if file.is_file()}
    record(budget, done)
    PICTURE.write_bytes(drawn(budget))
    told(budget, done, time.monotonic() - begun)
    if missing := [each.number for each in wanted if each.number not in done]:
        sys.exit(f"failed: {', '.join(missing)}; the same command goes on with them")


def picked(words: Sequence[str]) -> list[Experiment]:
    """The experiments of chapters and numbers, the longest first."""
    numbers, rows = chosen(words)
    single = {settled()[row] for row in rows if row in settled()}
    found = [each for each in all_experiments().values() if each.chapter in numbers or each.number in single]
    return sorted(found, key=lambda each: -each.full.seconds)


COMMON = ("bench", "colours", "racing", "shared", "verdicts")


def kept_in(folder: Path, each: Experiment) -> Path:
    """Where its result is kept: another place for other code of it or another torch, so that none is taken for new."""
    sources = [Path(inspect.getfile(each.measure)), *(BOOK / f"{name}.py" for name in COMMON)]
    budget = each.full if folder.name == "full" else each.quick
    text = b"".join(path.read_bytes() for path in sources) + repr((budget, torch.__version__)).encode()
    return folder / f"{each.number}-{hashlib.sha256(text).hexdigest()[:12]}.json"


def run(wanted: Sequence[Experiment], folder: Path, *, full: bool, jobs: int, again: bool) -> None:
    """Each in a process, `jobs` at a time; a line when one is done."""
    waiting = [each for each in wanted if again or not kept_in(folder, each).is_file()]
    if kept := len(wanted) - len(waiting):
        print(f"{kept} of {len(wanted)} are kept from before", flush=True)
    running: list[tuple[Experiment, Path, subprocess.Popen[bytes]]] = []
    done, total = 0, len(waiting)
    while waiting and jobs < 1:
        each = waiting.pop(0)
        measure(each.number, full=full, file=kept_in(folder, each))
        print(f"{total - len(waiting):>3} of {total}  {each.number}", flush=True)
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                each = waiting.pop(0)
                file = kept_in(folder, each)
                running.append((each, file, started(each, file, full=full)))
            time.sleep(0.2)
            for each, file, child in [entry for entry in running if entry[2].poll() is not None]:
                running.remove((each, file, child))
                done += 1
                how = f"{json.loads(file.read_text())['seconds']:.0f} s" if file.is_file() else "FAILED"
                ahead = sum((one.full if full else one.quick or one.full).seconds for one in waiting) / jobs
                line = f"{done:>3} of {total}  {each.number:<6}{each.title:<34}{how:>8}"
                print(f"{line}   at most {duration(ahead)} more", flush=True)
    finally:
        for _, _, child in running:
            child.terminate()


def started(each: Experiment, file: Path, *, full: bool) -> subprocess.Popen[bytes]:
    """A process that measures one experiment."""
    words = [sys.executable, __file__, each.number, "--one", str(file)]
    return subprocess.Popen([*words, *(["--full"] if full else [])], env={**os.environ, "OMP_NUM_THREADS": "1"})


def measure(number: str, *, full: bool, file: Path) -> None:
    """One experiment, its verdicts and texts into `file`."""
    book = read([number], full=full)
    (ran,) = (run for chapter in book.chapters for run in chapter.runs)
    claims = {each.claim.row: [each.verdict, each.finding.text] for each in book.claims}
    found = {"seconds": ran.seconds, "allowed": ran.allowed, "data": ran.outcome.data, "claims": claims}
    part = file.with_suffix(".part")
    part.write_text(json.dumps(found))
    part.replace(file)


def record(budget: str, done: dict[str, Any]) -> None:
    """Put the verdicts into the file, beside those of other budgets and data."""
    known = json.loads(FILE.read_text())
    verdicts = known.setdefault(budget, {})
    for found in done.values():
        for row, (verdict, _) in found["claims"].items():
            if verdict in MEASURED and row not in TIMED:
                verdicts.setdefault(row, {})[found["data"]] = verdict
    known[budget] = {row: dict(sorted(v.items())) for row, v in sorted(verdicts.items(), key=_number)}
    lines = [
        f'"{name}": {{\n' + ",\n".join(f'"{row}": {json.dumps(v)}' for row, v in rows.items()) + "\n}"
        for name, rows in sorted(known.items(), reverse=True)
    ]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def drawn(budget: str) -> bytes:
    """The tally of the recorded verdicts by chapter, for docs/pictures; full wins over quick where it is recorded."""
    known = json.loads(FILE.read_text())
    best: dict[str, str] = {}
    for name in ("quick", *([budget] if budget == "full" else [])):
        for row, verdicts in known.get(name, {}).items():
            data = next(each for each in ("cifar10", "mnist", "own", "digits") if each in verdicts)
            best[row] = verdicts[data]
    parts = [
        ChapterRead(chapter, (), tuple(Claimed(claim, Finding(best.get(claim.row, NOT_YET), ""))
                                       for claim in claims().values() if claim.chapter == chapter.number), ())
        for chapter in CHAPTERS
    ]  # fmt: skip
    return draw_tally(parts).data


def told(budget: str, done: dict[str, Any], seconds: float) -> None:
    """Times, verdicts, and the machine."""
    for number, found in sorted(done.items(), key=lambda each: tuple(map(int, each[0].split(".")))):
        late = "  late" if found["seconds"] > 3 * found["allowed"] else ""
        print(f"\n{number}  {found['seconds']:.1f} s of {found['allowed']:g}, {found['data']}{late}")
        for row, (verdict, text) in found["claims"].items():
            print(f"  {row:<5}{verdict:<11}{text}")
    cpu = sum(found["seconds"] for found in done.values())
    print(f"\n{budget}: {len(done)} experiments, {cpu:.0f} s of one core, {seconds:.0f} s by the clock; Python "
          f"{platform.python_version()}, torch {torch.__version__}, {platform.machine()}, {os.cpu_count()} cores, "
          f"{time.strftime('%Y-%m-%d')}")  # fmt: skip


def _number(entry: tuple[str, object]) -> int:
    return int(entry[0][1:])


if __name__ == "__main__":
    main()
