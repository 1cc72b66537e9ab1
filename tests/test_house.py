"""The plan of the house as data, held against the real imports. docs/house.md says the same in words."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hubel.cli import COMMANDS

SRC = Path(__file__).parents[1] / "src" / "hubel"

# room -> the rooms it may import, besides GROUND, which every room may.
GROUND = {"errors", "types", "words", "watching", "events", "views", "waiting"}
_BENCHES = {"registry", "runtime", "nn", "metrics", "data", "models", "inference", "checkpoint"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "types": set(),
    "words": set(),
    "watching": set(),
    "waiting": set(),
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
    "checkpoint": {"runtime", "store", "nn", "metrics", "data", "models", "inference", "anatomy"},
    "tasks": {"registry", "nn", "metrics", "data"},
    "anatomy": {"registry", "nn", "models"},
    "deploy": {"runtime", "store", "nn", "metrics", "data", "inference", "checkpoint"},
    "server": {"runtime", "store", "data", "checkpoint", "deploy", "records"},
    "care": {"metrics", "data", "features"},
    "explainers": {"registry", "runtime", "nn", "metrics", "anatomy"},
    "features": {"registry", "runtime", "nn", "metrics", "data", "inference", "anatomy"},
    "robustness": {"registry", "runtime", "nn", "metrics", "data", "inference"},
    "evaluation": {"registry", "nn", "metrics", "data", "inference", "checkpoint", "tasks"},
    "records": {"runtime", "store", "recipes", "nn", "data", "models", "inference", "checkpoint"},
    "training": _BENCHES | {"store", "recipes", "tasks"},
    "assembly": _BENCHES | {"store", "recipes", "tasks", "training", "records"},
    "lessons": {"registry", "runtime", "nn", "metrics", "anatomy", "training", "data"},
    "classical": {"registry", "runtime", "nn", "metrics", "data", "evaluation"},
    "anomalies": _BENCHES | {"store", "recipes", "tasks", "training", "assembly", "features", "records"},
    "diagnosis": _BENCHES | {"store", "recipes", "tasks", "training", "assembly", "records", "anatomy", "care"},
    "searching": _BENCHES | {
        "store", "recipes", "tasks", "training", "assembly", "records", "anatomy", "evaluation", "deploy",
    },
    "compression": _BENCHES | {"store", "recipes", "tasks", "training", "assembly", "records", "evaluation"},
    "book": _BENCHES | {
        "store", "recipes", "tasks", "training", "assembly", "anatomy", "evaluation", "explainers", "features",
        "robustness", "lessons", "classical", "anomalies",
    },
    "report": {
        "figures", "metrics", "data", "models", "evaluation", "anatomy", "explainers", "features", "robustness",
        "care", "deploy", "training", "lessons", "records", "classical", "anomalies", "diagnosis", "searching",
        "compression", "book",
    },
    "verbs": _BENCHES | {
        "store", "recipes", "tasks", "figures", "anatomy", "deploy", "explainers", "features", "robustness",
        "care", "evaluation", "records", "training", "assembly", "lessons", "report", "faces", "server",
        "classical", "anomalies", "diagnosis", "searching", "compression", "book",
    },
    "cli": {
        "verbs", "report", "recipes", "models", "registry", "data", "figures", "runtime", "records", "deploy",
        "training", "lessons", "store", "faces", "server", "studio", "book",
    },
    "studio": {
        "verbs", "report", "recipes", "models", "registry", "data", "figures", "runtime", "records", "deploy", "nn",
        "training", "lessons", "store", "faces", "server", "anatomy", "checkpoint", "inference", "evaluation",
        "explainers", "features", "care",
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


# Modules of ours that may import by string, and what for; whoever else does is blind to the tests above.
LAZY = {
    "cli/__init__.py": "one module a command, loaded when it is called",
    "cli/completion.py": "the same, to list the options of a command",
    "data/cells.py": "pyarrow, which need not be installed",
    "models/__init__.py": "layer lists and heads need torch, names and cards do not",
    "models/cards/__init__.py": "the builder of a card is loaded when a net is built",
    "runtime/cluster.py": "Ray, which need not be installed",
    "searching/engines.py": "Optuna, which need not be installed",
    "training/loggers.py": "tools of other packages, which need not be installed",
    "studio/app.py": "torch takes seconds to load; the first page is there before",
    "server/worker.py": "torch takes seconds to load; who sees that the server is gone is there before",
    "registry.py": "entries that stand elsewhere, and those of installed packages",
}
GROUPS = {"hubel.models", "hubel.explainers", "hubel.metrics"}
"""Entry points for other packages: no modules, though some rooms are called so."""


def strings(path: Path) -> list[tuple[str, int]]:
    """(room, line) for every string that names a module of ours, as "hubel.data.digits:open_digits" does."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        if text not in GROUPS and re.fullmatch(r"hubel(\.[a-z_0-9]+)+(:\w+)?", text):
            module = text.partition(":")[0].split(".")[1:]
            place = SRC.joinpath(*module)
            if place.is_dir() or place.with_suffix(".py").is_file():
                found.append((module[0], node.lineno))
    return found


def importers(path: Path) -> list[int]:
    """Lines that import by string."""
    text = path.read_text()
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    names = {"import_module", "__import__"}
    return [c.lineno for c in calls if (getattr(c.func, "attr", "") or getattr(c.func, "id", "")) in names]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_imports_by_string_are_known_and_flow_down_the_stairs(path: Path) -> None:
    here = room(path)
    for target, line in strings(path):
        assert target in MAY_IMPORT[here] | GROUND | {here}, f"{path}:{line}: {here} may not name {target}"
    assert not importers(path) or str(path.relative_to(SRC)) in LAZY, f"{path} imports by string: {importers(path)}"


def test_nothing_on_the_list_of_lazy_imports_is_left_over() -> None:
    assert all(importers(SRC / name) for name in LAZY)


def test_imports_by_string_would_be_noticed(tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    file.write_text(
        "import importlib\nimportlib.import_module('hubel.training.loop')\nx = 'hubel.figures.theme:style'\n"
    )
    assert sorted(strings(file)) == [("figures", 3), ("training", 2)]
    assert importers(file) == [2]


HOOKS = {"nn/taps.py", "anatomy/graph.py"}
"""Where hooks are set: by `watch` for every room, and for keyword arguments where a graph is recorded."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_hooks_are_set_in_one_place(path: Path) -> None:
    assert str(path.relative_to(SRC)) in HOOKS or "register_forward" not in path.read_text(), "nn.taps.watch sets hooks"


A_COMMAND, LONGEST, MOST_IMPORTED = 115, 320, 18
"""Lines of verbs for a command in the mean, lines of the longest, and modules of ours that one module imports."""


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def imported(path: Path) -> set[str]:
    """The modules of ours that a file imports, lazily or not."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("hubel.")}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "hubel":
            for alias in node.names:
                inner = SRC.joinpath(*str(node.module).split(".")[1:], alias.name)
                is_module = inner.is_dir() or inner.with_suffix(".py").is_file()
                found.add(f"{node.module}.{alias.name}" if is_module else str(node.module))
    return found


AROUND = sorted(
    path
    for place in ("tests", "benchmarks", ".ci", "docs")
    for path in (SRC.parents[1] / place).rglob("*.py")
    if ".peers" not in path.parts
)


@pytest.mark.parametrize("path", [*FILES, *AROUND], ids=lambda path: str(path.relative_to(SRC.parents[1])))
def test_what_is_imported_from_the_house_is_in_the_house(path: Path) -> None:
    assert not (gone := [name for name in imported(path) if not module_file(name)]), f"modules that are gone: {gone}"
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("hubel."):
            text = f"{node.module} {module_file(str(node.module)).read_text()}"
            for name in (alias.name for alias in node.names):
                there = module_file(f"{node.module}.{name}") or re.search(rf"\b{name}\b", text)
                assert there, f"{node.module} has no {name}"


def module_file(name: str) -> Path | None:
    """Where a module or package of ours lies; None where there is none."""
    inner = SRC.joinpath(*name.split(".")[1:])
    return next((path for path in (inner / "__init__.py", inner.with_suffix(".py")) if path.is_file()), None)


def test_a_verb_is_one_short_module() -> None:
    verbs = {path.name: lines(path) for path in FILES if room(path) == "verbs"}
    long = {name: count for name, count in verbs.items() if count > LONGEST}
    assert not long, f"longer than {LONGEST} lines: {long}"
    commands = sum(len(group) for _, group in COMMANDS)
    shared = f"{sum(verbs.values())} lines for {commands} commands: what two verbs share lies below them"
    assert sum(verbs.values()) <= A_COMMAND * commands, shared


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_no_module_imports_half_of_the_house(path: Path) -> None:
    assert len(imported(path)) <= MOST_IMPORTED, sorted(imported(path))


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
