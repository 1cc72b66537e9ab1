"""The plan of the house as data, held against the real imports. docs/house.md says the same in words."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
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
    "checkpoint": {"runtime", "store", "nn", "metrics", "data", "models", "inference", "anatomy", "tasks"},
    "tasks": {"registry", "nn", "metrics", "data"},
    "anatomy": {"registry", "nn", "models"},
    "deploy": {"runtime", "store", "nn", "metrics", "data", "inference", "checkpoint", "tasks"},
    "server": {"runtime", "store", "data", "checkpoint", "deploy", "evaluation", "records", "tasks"},
    "care": {"metrics", "data", "features"},
    "explainers": {"registry", "runtime", "nn", "metrics", "anatomy"},
    "features": {"registry", "runtime", "nn", "metrics", "data", "inference", "anatomy"},
    "robustness": {"registry", "runtime", "nn", "metrics", "data", "inference", "anatomy"},
    "evaluation": {"registry", "nn", "metrics", "data", "inference", "checkpoint", "tasks"},
    "records": {"runtime", "store", "recipes", "nn", "data", "models", "inference", "checkpoint"},
    "training": _BENCHES | {"store", "recipes", "tasks"},
    "assembly": _BENCHES | {"store", "recipes", "tasks", "training", "records", "robustness"},
    "lessons": {"registry", "runtime", "nn", "metrics", "anatomy", "training", "data"},
    "classical": {"registry", "runtime", "nn", "metrics", "data", "evaluation"},
    "anomalies": _BENCHES | {"store", "recipes", "tasks", "training", "assembly", "features", "records"},
    "diagnosis": _BENCHES | {
        "store", "recipes", "tasks", "training", "assembly", "records", "anatomy", "care", "evaluation",
    },
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


@dataclass(frozen=True)
class Facts:
    """What the rules below ask of one file: read and parsed once, since there are a thousand files and seven rules."""

    text: str
    imports: tuple[tuple[str, int, bool], ...]
    """(room imported, line, inside a function?) for every import of ours."""
    imported: frozenset[str]
    """The modules of ours that it imports, lazily or not."""
    taken: tuple[tuple[str, str], ...]
    """(module of ours, name) for every name that is imported from one."""
    strings: tuple[tuple[str, int], ...]
    """(room, line) for every string that names a module of ours, as "hubel.data.digits:open_digits" does."""
    importers: tuple[int, ...]
    """Lines that import by string."""
    relative: tuple[int, ...]
    """Lines that import relatively."""


def nodes(tree: ast.AST, inside: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Every node, and whether it stands inside a function."""
    yield tree, inside
    inside = inside or isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef))
    for child in ast.iter_child_nodes(tree):
        yield from nodes(child, inside)


@cache
def facts(path: Path) -> Facts:
    """Read a file of Python."""
    text = path.read_text()
    imports, imported, taken, strings, importers, relative = [], set(), [], [], [], []
    for node, inside in nodes(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            imported |= {name for name in names if name.startswith("hubel.")}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                relative.append(node.lineno)
            names = [f"hubel.{alias.name}" for alias in node.names] if node.module == "hubel" else [node.module or ""]
            if (node.module or "").partition(".")[0] == "hubel":
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    imported.add(whole if is_module(whole) else str(node.module))
                    taken += [(str(node.module), alias.name)] if node.module != "hubel" else []
        elif isinstance(node, ast.Call):
            called = getattr(node.func, "attr", "") or getattr(node.func, "id", "")
            importers += [node.lineno] if called in ("import_module", "__import__") else []
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            said = node.value
            if said not in GROUPS and re.fullmatch(r"hubel(\.[a-z_0-9]+)+(:\w+)?", said):
                module = said.partition(":")[0]
                strings += [(module.split(".")[1], node.lineno)] if is_module(module) else []
        for name in names:
            if name == "hubel" or name.startswith("hubel."):
                imports.append((name.split(".")[1] if "." in name else "hubel", node.lineno, inside))
    return Facts(
        text, tuple(imports), frozenset(imported), tuple(taken), tuple(strings), tuple(importers), tuple(relative)
    )


def is_module(name: str) -> bool:
    """Is "hubel.data.digits" a module or a folder of ours?"""
    inner = SRC.joinpath(*name.split(".")[1:])
    return inner.is_dir() or inner.with_suffix(".py").is_file()


def here(path: Path) -> str:
    return str(path.relative_to(SRC))


GROUPS = {"hubel.models", "hubel.explainers", "hubel.metrics"}
"""Entry points for other packages: no modules, though some rooms are called so."""

FILES = sorted(path for path in SRC.rglob("*.py") if path != SRC / "__init__.py")


def test_there_are_files_of_every_room() -> None:
    """What follows holds each rule for all files at once, and names those that break it."""
    unplanned = {room(path) for path in FILES} - set(MAY_IMPORT)
    assert not unplanned, f"{sorted(unplanned)} are not in the plan of the house: add them here and in docs/house.md"
    assert set(MAY_IMPORT) == {room(path) for path in FILES}


def allowed(name: str) -> set[str]:
    """The rooms from which a room may import."""
    return MAY_IMPORT[name] | GROUND | {name} if name not in GROUND else MAY_IMPORT[name] | {"errors", "types"} - {name}


def upward(path: Path) -> list[str]:
    """The imports of a file that go where its room may not import from."""
    found = [f"{path}:{line} imports relatively; write hubel.room.module" for line in facts(path).relative]
    return found + [
        f"{path}:{line}: {room(path)} may not import {target}"
        for target, line, _ in facts(path).imports
        if target not in allowed(room(path))
    ]


def test_imports_flow_down_the_stairs() -> None:
    found = [fault for path in FILES for fault in upward(path)]
    assert not found, "\n".join(found)


def test_no_import_of_ours_hides_inside_a_function() -> None:
    found = [
        f"{path}:{line} hides an import of hubel"
        for path in FILES
        if room(path) not in ("cli", "verbs")
        for _, line, inside in facts(path).imports
        if inside
    ]
    assert not found, "\n".join(found)


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


def test_imports_by_string_are_known_and_flow_down_the_stairs() -> None:
    found = [
        f"{path}:{line}: {room(path)} may not name {target}"
        for path in FILES
        for target, line in facts(path).strings
        if target not in MAY_IMPORT[room(path)] | GROUND | {room(path)}
    ]
    found += [
        f"{path} imports by string: {facts(path).importers}"
        for path in FILES
        if facts(path).importers and here(path) not in LAZY
    ]
    assert not found, "\n".join(found)


def test_nothing_on_the_list_of_lazy_imports_is_left_over() -> None:
    assert all(facts(SRC / name).importers for name in LAZY)


def test_imports_by_string_would_be_noticed(tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    file.write_text(
        "import importlib\nimportlib.import_module('hubel.training.loop')\nx = 'hubel.figures.theme:style'\n"
    )
    assert sorted(facts(file).strings) == [("figures", 3), ("training", 2)]
    assert facts(file).importers == (2,)


HOOKS = {"nn/taps.py"}
"""Where hooks are set, by `watch` for every room."""


def test_hooks_are_set_in_one_place() -> None:
    found = {here(path) for path in FILES if "register_forward" in facts(path).text}
    assert found == HOOKS, "nn.taps.watch sets hooks"


A_COMMAND, LONGEST, MOST_IMPORTED = 115, 320, 18
"""Lines of verbs for a command in the mean, lines of the longest, and modules of ours that one module imports."""


def lines(path: Path) -> int:
    return len(facts(path).text.splitlines())


AROUND = sorted(
    path
    for place in ("tests", "benchmarks", ".ci", "docs")
    for path in (SRC.parents[1] / place).rglob("*.py")
    if ".peers" not in path.parts
)


@cache
def words(path: Path) -> frozenset[str]:
    """Every word of a file."""
    return frozenset(re.findall(r"\w+", facts(path).text))


def gone(path: Path) -> list[str]:
    """What a file imports from the house that is not there."""
    found = [f"{path} imports {name}, which is gone" for name in facts(path).imported if not module_file(name)]
    for module, name in facts(path).taken:
        place = module_file(module)
        if place and not (module_file(f"{module}.{name}") or name in words(place) or name in module.split(".")):
            found.append(f"{path}: {module} has no {name}")
    return found


def test_what_is_imported_from_the_house_is_in_the_house() -> None:
    found = [fault for path in [*FILES, *AROUND] for fault in gone(path)]
    assert not found, "\n".join(found)


def test_what_is_not_in_the_house_would_be_noticed(tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    file.write_text("import hubel.attic\nfrom hubel.cellar import wine\nfrom hubel.store import RunStore, barrel\n")
    assert sorted(fault.removeprefix(str(file)) for fault in gone(file)) == [
        " imports hubel.attic, which is gone", " imports hubel.cellar, which is gone", ": hubel.store has no barrel",
    ]  # fmt: skip


@cache
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


def test_no_module_imports_half_of_the_house() -> None:
    found = {here(path): sorted(facts(path).imported) for path in FILES if len(facts(path).imported) > MOST_IMPORTED}
    assert not found, f"more than {MOST_IMPORTED} modules of ours: {found}"


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
    file.write_text("def f():\n    from hubel.training import fit\nimport hubel.verbs.train\nfrom . import x\n")
    assert facts(file).relative == (4,)
    assert sorted(facts(file).imports) == [("training", 2, True), ("verbs", 3, False)]


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


def test_no_file_can_unpickle() -> None:
    found = [str(path) for path in FILES if PICKLES.search(facts(path).text)]
    assert not found, "\n".join(found)
