"""The page Runs: all of them, and some of them side by side: curves, what differs in their recipes, luck or not."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import Any

from hubel.errors import HubelError, UsageError
from hubel.evaluation.pairs import class_cells
from hubel.records.ledger import RunRecord, runs
from hubel.records.side_by_side import compare
from hubel.store import RunStore, parse_json
from hubel.studio.asking import Asked, Route
from hubel.studio.jobs import spoken
from hubel.verbs.compare import weigh

MOST = 8
"""Runs beside each other."""


def listed(asked: Asked) -> dict[str, Any]:
    """All runs, the latest first, and those that cannot be read."""
    found = runs(asked.studio.places.runs)
    rows = [{**row, **_kept(asked.studio.places.runs / row["run"])} for row in reversed(found.rows)]
    return {"runs": rows, "unreadable": {Path(folder).name: why for folder, why in found.unreadable.items()}}


def _kept(folder: Path) -> dict[str, Any]:
    store = RunStore(folder)
    return {
        "held": store.is_held(),
        "report": store.exists("report.html"),
        "weights": store.exists("weights/best.json"),
    }


def chosen(asked: Asked) -> list[Path]:
    """The folders of the runs that the address names, as a list in JSON."""
    names = parse_json(asked.word("runs").encode(), name="runs")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UsageError("runs must be a list of names")
    if not 1 <= len(names) <= MOST:
        raise UsageError(f"1 to {MOST} runs are shown beside each other, got {len(names)}")
    return [asked.studio.places.run(name) for name in dict.fromkeys(names)]


def curves(asked: Asked) -> list[dict[str, Any]]:
    """The epochs of some runs, with what turns an epoch into steps and samples."""
    found = []
    for folder in chosen(asked):
        record = RunRecord(folder)
        recipe = {name: value for part in record.recipe.values() for name, value in part.items()}
        samples, size = 0, recipe.get("batch_size")
        with suppress(HubelError, AttributeError, TypeError, ValueError):
            samples = int(RunStore(folder).read_json("data.json", limit=1 << 30)["samples"]["train"])
        steps = math.ceil(samples / size) if isinstance(size, int) and size > 0 else 0
        found.append({"run": record.name, "columns": record.history, "samples": samples, "steps": steps})
    return found


def together(asked: Asked) -> dict[str, Any]:
    """What differs between some runs, and whether one is better by more than luck."""
    folders = [str(folder) for folder in chosen(asked)]
    spoken_ = [asked.studio.places.spoken(Path(folder)) for folder in folders]
    answer: dict[str, Any] = {"lines": compare(folders).lines, "command": spoken(["compare", *spoken_])}
    if len(folders) > 1:
        try:
            found = weigh(folders)
            answer["weighed"] = found.to_dict()
            answer["sentences"] = list(found.findings)
            if found.gridded:
                answer["against"] = {
                    "what": found.kind.points,
                    "tested": not found.kind.complete,
                    "names": found.ranked,
                    "rows": list(zip(found.ranked, found.grid, strict=True)),
                }
            answer["classes"] = [
                {
                    "what": found.kind.each,
                    "names": [test.first, test.second, "ahead", "95 % interval"],
                    "rows": [(name, cells) for name, *cells in class_cells(test)],
                }
                for test in found.by_class
            ]
        except HubelError as error:
            answer["unweighed"] = {"reason": error.what, "hint": error.hint}
    return answer


ROUTES = [Route("list", listed), Route("curves", curves), Route("compare", together)]
