"""The doctor against the bug zoo, many seeds: `make doctor` writes both tables of docs/doctor.md.

python tests/doctor/table.py --seeds 1,2,3 --out docs/doctor.md     every fault on a net and data set a seed
python tests/doctor/table.py --seeds 1 --all                        on every net and data set
python tests/doctor/table.py --seeds 1,2,3 --keep build/doctor.jsonl    in pieces: stop it, and say the same again
python tests/doctor/table.py --checks --out docs/doctor.md          only the list of checks
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

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


@dataclass(frozen=True)
class Row:
    """What one check-up said."""

    seed: int
    name: str
    net: str
    data: str
    """"" for a healthy training."""
    said: tuple[str, ...]
    """Findings but notes, the first first."""
    errors: int
    warnings: int
    seconds: float

    @property
    def named(self) -> bool:
        """Was the fault named first?"""
        return bool(self.said) and self.said[0] in FAULTS[self.name].right


def digest() -> str:
    """Of all that decides what is found: checks and zoo."""
    folder = Path(__file__).parent
    files = [folder / "zoo.py", *sorted((folder.parents[1] / "src" / "hubel" / "diagnosis").glob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def kept(path: Path | None) -> dict[tuple[int, str, str, str], Row]:
    """Check-ups that were made before with the same checks and zoo."""
    found = {}
    if path is not None and path.is_file():
        for line in path.read_text().splitlines():
            with suppress(ValueError, TypeError, KeyError):  # a line cut off by a stop is made again
                facts = json.loads(line)
                if facts.pop("of") == digest():
                    row = Row(**facts | {"said": tuple(facts["said"])})
                    found[row.seed, row.name, row.net, row.data] = row
    return found


def wanted(seeds: list[int], *, everywhere: bool) -> Iterator[tuple[int, str, str, str]]:
    """Seed, fault (or healthy training), net and data of every check-up."""
    for seed in seeds:
        for number, (name, fault) in enumerate(FAULTS.items()):
            pairs = [(net, data) for net in fault.nets for data in fault.data]
            for net, data in pairs if everywhere else [pairs[(seed + number) % len(pairs)]]:
                yield seed, name, net, data
        yield from ((seed, name, "", "") for name in HEALTHY)


def measure(seeds: list[int], *, everywhere: bool, keep: Path | None = None) -> list[Row]:
    """Every check-up, made now or kept from before; what is made is kept at once, so that it may stop anywhere."""
    known, rows = kept(keep), []
    for key in wanted(seeds, everywhere=everywhere):
        seed, name, net, data = key
        if key not in known:
            case = planted(FAULTS[name], net, data, seed) if net else HEALTHY[name].make(seed)
            found = hubel.doctor(**case.arguments(), verbose=False)
            said = tuple(one.id for one in found.findings if one.severity != "note")
            known[key] = Row(*key, said, found.count("error"), found.count("warning"), round(found.seconds, 3))
            if keep is not None:
                keep.parent.mkdir(parents=True, exist_ok=True)
                with keep.open("a") as file:
                    file.write(json.dumps({"of": digest(), **asdict(known[key])}) + "\n")
        rows.append(known[key])
        if name == list(HEALTHY)[-1] and not net:
            print(f"seed {seed}: {sum(row.named for row in rows if row.net)} of {sum(bool(row.net) for row in rows)} "
                  "faults named", file=sys.stderr)  # fmt: skip
    return rows


def told(rows: list[Row]) -> str:
    """Markdown: how many planted faults were named first, which not, and what healthy trainings were told."""
    faults, fine = [row for row in rows if row.net], [row for row in rows if not row.net]
    groups = {"section D": "D", "next in line": "N", "AUTOTRAINER": "A", "TrainCheck": "T", "all": ""}
    lines = ["| faults | planted | named first | named at all |", "| --- | --- | --- | --- |"]
    for title, letter in groups.items():
        lines.append(
            _row(title, [row for row in faults if not letter or re.search(rf"\b{letter}", FAULTS[row.name].row)])
        )
    seeds = sorted({row.seed for row in rows})
    seconds = median(row.seconds for row in rows)
    warned = sum(row.warnings > 0 for row in fine)
    lines += ["", f"Seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}; "
              f"{len({row.name for row in faults})} kinds of faults, {len(faults)} planted; {seconds:.1f} s a "
              f"check-up on one thread in the median. Healthy trainings: {len(fine)} of "
              f"{len({row.name for row in fine})} kinds, "
              f"{sum(row.errors > 0 for row in fine)} with an error, {warned} with a warning.", ""]  # fmt: skip
    missed = [f"{row.name} ({row.net}, {row.data}, seed {row.seed}): {', '.join(row.said) or 'nothing'}"
              for row in faults if not row.named]  # fmt: skip
    lines += ["Missed:", "", *(f"- {each}" for each in missed)] if missed else ["No fault was missed."]
    alarms = [f"{row.name} (seed {row.seed}): {', '.join(row.said)}" for row in fine if row.said]
    lines += ["", "Healthy, and warned of:", "", *(f"- {each}" for each in alarms)] if alarms else []
    lines += ["", "| fault | names that are right | named first |", "| --- | --- | --- |"]
    for name, fault in FAULTS.items():
        right, of = ", ".join(f"`{one}`" for one in fault.right), [row for row in faults if row.name == name]
        lines.append(f"| {name} | {right} | {sum(row.named for row in of)} of {len(of)} |")
    return "\n".join(lines)


def _row(title: str, rows: list[Row]) -> str:
    first = sum(row.named for row in rows)
    at_all = sum(any(one in FAULTS[row.name].right for one in row.said) for row in rows)
    return (
        f"| {title} | {len(rows)} | {first} ({first / len(rows):.1%}) | {at_all} |"
        if rows
        else f"| {title} | 0 | – | 0 |"
    )


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
    parser.add_argument(
        "--keep", type=Path, help="a file in which each check-up is kept; what is there is not made again"
    )
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    parts = {"checks": list_checks()}
    if not asked.checks:
        seeds = [int(seed) for seed in asked.seeds.split(",")]
        parts["zoo"] = told(measure(seeds, everywhere=asked.all, keep=asked.keep))
    if asked.out is None:
        print("\n\n".join(parts.values()))
        return
    text = asked.out.read_text()
    for mark, inside in parts.items():
        text = replace(text, mark, inside)
    asked.out.write_text(text)


if __name__ == "__main__":
    main()
