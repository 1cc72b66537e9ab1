"""Somebody else's run folder, or a damaged one: whatever its files say, a verb gives an answer or a typed error (T22).

Each mutant is one file of a run changed by its bytes or by its structure, and one verb that reads it. A child process
with a bound on its memory does the reading; a mutant that takes more than thirty seconds is a hang.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pytest
from PIL import Image

from confined import at_most, lines_of, told
from hubel.errors import HubelError
from hubel.recipes.schema import compose, read_file
from hubel.records.ledger import runs
from hubel.records.side_by_side import compare
from hubel.store import seal
from hubel.verbs.evaluate import evaluate
from hubel.verbs.explain import explain
from hubel.verbs.predict import predict
from hubel.verbs.run import Run
from hubel.verbs.train import train
from mutation import file_changed
from trainers import Brief, Enough

FILES = (
    "config.yaml", "metrics.csv", "events.jsonl", "split.json", "data.json", "env.json", "summary.json", "state",
    "evaluation.json", "predictions.csv",
)  # fmt: skip
MEMORY = 2 << 30
"""Bytes a reader may take beyond what it has at the start."""
SECONDS = 30


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """runs/digits-1 has finished, runs/digits-2 was cut in its second epoch; beside them lies a picture."""
    root = tmp_path_factory.mktemp("damaged")
    settings: dict[str, Any] = {
        "model": "layers", "model_options": {"layers": ["conv 2 3x3", "relu", "flatten", "dense K"]}, "limit": 200,
        "epochs": 3, "batch_size": 40, "threads": 1, "device": "cpu", "save_every": 0.0001, "out": str(root / "runs"),
    }  # fmt: skip
    train("digits", **settings)
    with pytest.raises(Enough):
        train("digits", **settings, watch=Brief(7, epochs=3))
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(root / "picture.png")
    return root


def page(root: Path, run: Path) -> object:
    from hubel.verbs.compare import page as compared

    return compared([str(root / "runs" / "digits-1"), str(run)])


def look(root: Path, run: Path) -> object:
    found = Run(run)
    return str(found), found._repr_html_(), found.history, found.status


VERBS: dict[str, Callable[[Path, Path], object]] = {
    "runs": lambda root, run: str(runs(root / "runs")),
    "run": look,
    "compare": lambda root, run: str(compare([root / "runs" / "digits-1", run])),
    "page": page,
    "evaluate": lambda root, run: evaluate(run),
    "predict": lambda root, run: predict(run, [root / "picture.png"]),
    "resume": lambda root, run: train(resume=run, watch=Brief(3)),
    "auto": lambda root, run: train("digits", resume="auto", out=str(root / "runs"), epochs=1, watch=Brief(1)),
    "recipe": lambda root, run: compose(read_file(run / "config.yaml")),
    "explain": lambda root, run: explain(run, root / "picture.png", method="saliency"),
}
READ: dict[str, tuple[str, ...]] = {
    "evaluation.json": ("page",),
    "predictions.csv": ("page",),
    "config.yaml": ("runs", "run", "compare", "evaluate", "predict", "resume", "recipe", "recipe", "page"),
    "metrics.csv": ("runs", "run", "compare", "resume", "page"),
    "events.jsonl": ("resume", "runs"),
    "split.json": ("evaluate", "resume"),
    "data.json": ("evaluate", "resume", "page"),
    "env.json": ("resume", "page"),
    "summary.json": ("runs", "run", "compare", "resume", "auto", "page"),
    "state": ("resume", "auto"),
    "weights": ("predict", "evaluate", "explain"),
}


def resealed(data: bytes) -> bytes:
    """A document with a digest that fits, as somebody who means harm would give it."""
    try:
        document = json.loads(data)
        if isinstance(document, dict) and document.pop("digest", None):
            return json.dumps({**document, "digest": seal(document)}).encode()
    except (ValueError, RecursionError):
        pass
    return data


def damage(root: Path, count: int, seed: int) -> list[str]:
    """Read `count` mutants in a child; what went wrong, with where."""
    return lines_of(lambda answers: _damage(root, count, seed, answers), memory=MEMORY, at=root / "at")


def _damage(root: Path, count: int, seed: int, answers: TextIO) -> None:
    draw = random.Random(seed)
    counts: Counter[str] = Counter()
    for number in range(count):
        kind = draw.choice((*FILES, "config.yaml", "weights"))
        verb = draw.choice(READ[kind])
        cut = verb in ("resume", "auto") or (verb in ("runs", "run", "page", "compare") and draw.random() < 0.3)
        run = root / "runs" / ("digits-2" if cut else "digits-1")
        if kind in ("evaluation.json", "predictions.csv"):
            run = root / "runs" / "digits-1"
        if kind in ("state", "weights"):
            path = draw.choice(sorted(path for path in (run / kind).glob("*") if path.is_file()))
        else:
            path = run / kind
        if not path.exists():  # a run that was cut has no summary
            path.write_text('{"status": "stopped", "reason": "SIGTERM", "best": {}}')
        keep = root / "keep"
        shutil.rmtree(keep, ignore_errors=True)
        shutil.copytree(run, keep)
        mutant = file_changed(path.name, path.read_bytes(), draw)
        if path.suffix == ".json" and draw.random() < 0.7:
            mutant = resealed(mutant)
        path.write_bytes(mutant)
        (root / "at").write_text(f"{number} {path.name} {verb}")
        try:
            with at_most(SECONDS):
                VERBS[verb](root, run)
            counts["answered"] += 1
        except Enough:
            counts["answered"] += 1
        except HubelError as error:
            counts["refused"] += 1
            if "fault of its own" in str(error):
                answers.write(f"{number} {path.name} {verb}: {error}\n")
        except BaseException as error:
            answers.write(f"{number} {path.name} {verb}: {told(error)}\n")
            if os.environ.get("HUBEL_KEEP"):
                (Path(os.environ["HUBEL_KEEP"]) / f"{seed}-{number}-{verb}-{path.name}").write_bytes(mutant)
        finally:
            shutil.rmtree(run)
            shutil.move(keep, run)
            for extra in (root / "runs").iterdir():
                if extra.name not in ("digits-1", "digits-2"):
                    shutil.rmtree(extra)
    if not counts["answered"] or not counts["refused"]:
        answers.write(f"nothing was tried: {counts}\n")


def test_t22_three_hundred_damaged_runs_get_an_answer_or_a_typed_error(folders: Path) -> None:
    assert damage(folders, 300, seed=22) == []


def test_a_run_goes_on_where_a_line_was_taken_out_of_its_recipe(folders: Path, tmp_path: Path) -> None:
    """The default of that line is chosen again; decay changed in between does not mix up the optimiser's state."""
    run = Path(shutil.copytree(folders / "runs" / "digits-2", tmp_path / "digits-2"))
    config = run / "config.yaml"
    lines = [line for line in config.read_text().splitlines() if "schedule: one-cycle" not in line]
    config.write_text("\n".join(lines).replace("weight_decay: 0.05", "weight_decay: 0.0"))
    assert train(resume=run).status == "finished"


@pytest.mark.slow
def test_t22_thousands_of_damaged_runs_get_an_answer_or_a_typed_error(folders: Path) -> None:
    assert damage(folders, int(os.environ.get("HUBEL_MUTANTS", "10000")), seed=2222) == []
