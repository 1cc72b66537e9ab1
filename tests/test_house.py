"""The plan of the house as data, held against the real imports. docs/house.md says the same in words."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "hubel"

# room -> the rooms it may import, besides GROUND, which every room may.
GROUND = {"errors", "types", "words", "watching", "events", "views"}
_BENCHES = {"registry", "runtime", "nn", "metrics", "data", "models", "inference", "checkpoint"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "types": set(),
    "words": set(),
    "watching": set(),
    "events": set(),
    "views": {"words"},
    "faces": set(),
    "registry": set(),
    "runtime": set(),
    "store": set(),
    "figures": set(),
    "recipes": {"store"},
    "nn": {"registry"},
    "metrics": {"registry"},
    "data": {"registry", "runtime", "store"},
    "models": {"registry", "nn"},
    "inference": {"runtime", "nn"},
    "checkpoint": {"runtime", "store", "nn", "data", "models", "inference", "anatomy"},
    "tasks": {"registry", "nn", "metrics", "data"},
    "anatomy": {"registry", "nn", "models"},
    "deploy": {"runtime", "nn", "data", "inference", "checkpoint"},
    "explainers": {"registry", "runtime", "nn", "metrics", "anatomy"},
    "features": {"registry", "runtime", "nn", "metrics", "data", "inference", "anatomy"},
    "robustness": {"registry", "runtime", "nn", "metrics", "data", "inference"},
    "evaluation": {"registry", "metrics", "data", "inference", "checkpoint", "tasks"},
    "records": {"runtime", "store", "recipes", "nn", "data", "models", "inference", "checkpoint"},
    "training": _BENCHES | {"store", "recipes", "tasks"},
    "assembly": _BENCHES | {"store", "recipes", "tasks", "training", "records"},
    "lessons": {"registry", "runtime", "nn", "metrics", "anatomy", "training", "data"},
    "report": {
        "figures", "metrics", "data", "evaluation", "anatomy", "explainers", "features", "robustness", "deploy",
        "training", "lessons", "records",
    },
    "verbs": _BENCHES | {
        "store", "recipes", "tasks", "figures", "anatomy", "deploy", "explainers", "features", "robustness",
        "evaluation", "records", "training", "assembly", "lessons", "report", "faces",
    },
    "cli": {
        "verbs", "report", "recipes", "models", "registry", "data", "figures", "runtime", "records", "deploy",
        "training", "lessons", "store", "faces",
    },
    "__main__": {"cli"},
}  # fmt: skip


def room(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[str, int, bool]]:
    """(room imported, line, inside a function?) for every import of ours in a file."""
    tree = ast.parse(path.read_text())
    inside = {
        child
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for child in ast.walk(node)
    }
    found = []
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively; write hubel.room.module"
            names = [f"hubel.{alias.name}" for alias in node.names] if node.module == "hubel" else [node.module or ""]
        for name in names:
            if name == "hubel" or name.startswith("hubel."):
                found.append((name.split(".")[1] if "." in name else "hubel", node.lineno, node in inside))
    return found


FILES = sorted(path for path in SRC.rglob("*.py") if path != SRC / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_imports_flow_down_the_stairs(path: Path) -> None:
    here = room(path)
    assert here in MAY_IMPORT, f"{here} is not in the plan of the house: add it here and in docs/house.md"
    allowed = (
        MAY_IMPORT[here] | GROUND | {here} if here not in GROUND else MAY_IMPORT[here] | {"errors", "types"} - {here}
    )
    for target, line, _ in imports(path):
        assert target in allowed, f"{path}:{line}: {here} may not import {target}"


@pytest.mark.parametrize("path", [p for p in FILES if room(p) not in ("cli", "verbs")], ids=lambda p: str(p.name))
def test_no_import_of_ours_hides_inside_a_function(path: Path) -> None:
    hidden = [line for _, line, inside in imports(path) if inside]
    assert not hidden, f"{path} hides imports of hubel at lines {hidden}"


def test_the_plan_has_no_ring() -> None:
    done: set[str] = set()
    waiting = dict(MAY_IMPORT)
    while waiting:
        ready = [name for name, needs in waiting.items() if needs <= done]
        assert ready, f"these rooms import each other in a ring: {sorted(waiting)}"
        done.update(ready)
        for name in ready:
            del waiting[name]


def test_the_test_of_the_plan_can_fail(tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    file.write_text("def f():\n    from hubel.training import fit\nimport hubel.verbs.train\n")
    assert sorted(imports(file)) == [("training", 2, True), ("verbs", 3, False)]


def modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('\\n'.join(sys.modules))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import hubel",
        "import hubel.models; hubel.models.list_models()",
        "from hubel.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "from hubel.cli import main\ntry: main(['models'])\nexcept SystemExit: pass",
    ],
)
def test_looking_around_loads_no_torch(code: str) -> None:
    assert "torch" not in modules_after(code)


def test_who_reads_a_trained_net_loads_no_trainer() -> None:
    """One process for all of them: what one loads is loaded."""
    verbs = ", ".join(f"hubel.verbs.{name}" for name in ("evaluate", "predict", "explain", "run", "data", "summary"))
    trainer = {name for name in modules_after(f"import {verbs}") if re.match(r"hubel\.(training|assembly)\b", name)}
    assert not trainer


def test_loading_torch_would_be_noticed() -> None:
    assert "torch" in modules_after("import torch")


PICKLES = re.compile(r"^\s*(import|from) (pickle|cloudpickle|dill|joblib|shelve|marshal)\b", re.MULTILINE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_no_file_can_unpickle(path: Path) -> None:
    assert not PICKLES.search(path.read_text())
