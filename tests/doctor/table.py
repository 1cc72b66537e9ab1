"""The doctor against the bug zoo, many seeds: `make doctor` writes both tables of docs/doctor.md.

python tests/doctor/table.py --seeds 1,2,3 --out docs/doctor.md     every fault on a net and data set a seed
python tests/doctor/table.py --seeds 1 --all                        on every net and data set
python tests/doctor/table.py --checks --out docs/doctor.md          only the list of checks
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import warnings
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from tests.doctor.zoo import FAULTS, HEALTHY, planted

import hubel
from hubel.diagnosis.checks import CHECKS
from hubel.diagnosis.listing import in_order

WHEN = {
    "static": "settings", "data": "data", "start": "first step", "steps": "60 steps", "overfit": "8 samples",
    "during": "during", "after": "afterwards",
}  # fmt: skip


def list_checks() -> str:
    """A Markdown table of all checks, in the order of causes."""
    ids = [name for _, names, _ in in_order() for name in names]
    lines = ["| check | when | | what it looks for |", "| --- | --- | --- | --- |"]
    return "\n".join(lines + [
        f"| `{name}` | {WHEN[CHECKS.get(name).stage]} | {CHECKS.get(name).severity} | {CHECKS.get(name).looks_for} |"
        for name in ids
    ])  # fmt: skip


def measure(seeds: list[int], *, everywhere: bool) -> str:
    """Markdown: how many planted faults were named first, which not, and what healthy trainings were told."""
    named: dict[str, list[bool]] = defaultdict(list)
    also: dict[str, list[bool]] = defaultdict(list)
    missed: list[str] = []
    began, calls = time.perf_counter(), 0
    for seed in seeds:
        for number, (name, fault) in enumerate(FAULTS.items()):
            pairs = [(net, data) for net in fault.nets for data in fault.data]
            for net, data in pairs if everywhere else [pairs[(seed + number) % len(pairs)]]:
                found = hubel.doctor(**planted(fault, net, data, seed).arguments(), verbose=False)
                calls += 1
                said = [one.id for one in found.findings if one.severity != "note"]
                named[name].append(bool(said) and said[0] in fault.right)
                also[name].append(any(one in fault.right for one in found.ids))
                if not named[name][-1]:
                    missed.append(f"{name} ({net}, {data}, seed {seed}): {', '.join(said) or 'nothing'}")
        print(f"seed {seed}: {sum(map(sum, named.values()))} of {calls}", file=sys.stderr)
    alarms: list[str] = []
    errors = warned = healthy = 0
    for seed in seeds:
        for name, fine in HEALTHY.items():
            found = hubel.doctor(**fine.make(seed).arguments(), verbose=False)
            healthy += 1
            errors += found.count("error") > 0
            warned += found.count("warning") > 0
            if found.count("error") or found.count("warning"):
                told = [one.id for one in found.findings if one.severity != "note"]
                alarms.append(f"{name} (seed {seed}): {', '.join(told)}")
    seconds = (time.perf_counter() - began) / (calls + healthy)
    groups = {"section D": "D", "next in line": "N", "AUTOTRAINER": "A", "TrainCheck": "T"}
    lines = ["| faults | planted | named first | named at all |", "| --- | --- | --- | --- |"]
    for title, letter in groups.items():
        lines.append(_row(title, [n for n, f in FAULTS.items() if re.search(rf"\b{letter}", f.row)], named, also))
    lines.append(_row("all", list(FAULTS), named, also))
    lines += ["", f"Seeds {', '.join(map(str, seeds))}; {len(FAULTS)} kinds of faults, {calls} planted; "
              f"{seconds:.1f} s a check-up on one thread. Healthy trainings: {healthy} of {len(HEALTHY)} kinds, "
              f"{errors} with "
              f"an error, {warned} with a warning.", ""]  # fmt: skip
    lines += ["Missed:", "", *(f"- {each}" for each in missed)] if missed else ["No fault was missed."]
    lines += ["", "Healthy, and warned of:", "", *(f"- {each}" for each in alarms)] if alarms else []
    rows = ["", "| fault | names that are right | named first |", "| --- | --- | --- |"]
    for name, fault in FAULTS.items():
        right = ", ".join(f"`{one}`" for one in fault.right)
        rows.append(f"| {name} | {right} | {sum(named[name])} of {len(named[name])} |")
    return "\n".join(lines + rows)


def _row(title: str, names: list[str], named: dict[str, list[bool]], also: dict[str, list[bool]]) -> str:
    first, at_all = [x for n in names for x in named[n]], [x for n in names for x in also[n]]
    share = f"{sum(first) / len(first):.1%}" if first else "–"
    return f"| {title} | {len(first)} | {sum(first)} ({share}) | {sum(at_all)} |"


def replace(text: str, mark: str, inside: str) -> str:
    """The page with what stands between two marks put anew."""
    return re.sub(rf"<!-- {mark} -->.*?<!-- /{mark} -->", lambda _: f"<!-- {mark} -->\n{inside}\n<!-- /{mark} -->",
    text, flags=re.S)  # fmt: skip


def main() -> None:
    """Measure, and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--all", action="store_true", help="every net and data set, not one a seed")
    parser.add_argument("--checks", action="store_true", help="only the list of checks")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    parts = {"checks": list_checks()}
    if not asked.checks:
        parts["zoo"] = measure([int(seed) for seed in asked.seeds.split(",")], everywhere=asked.all)
    if asked.out is None:
        print("\n\n".join(parts.values()))
        return
    text = asked.out.read_text()
    for mark, inside in parts.items():
        text = replace(text, mark, inside)
    asked.out.write_text(text)


if __name__ == "__main__":
    main()
