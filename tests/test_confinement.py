"""What hubel may touch (its runs and its cache), and that nothing that lies about is run (T24, T35-T38)."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from hubel.cli import COMMANDS
from hubel.models import create_model
from trainers import flags

SRC = Path(__file__).parents[1] / "src" / "hubel"
HUBEL = Path(sys.executable).with_name("hubel")
FILES = sorted(SRC.rglob("*.py"))

UNSAFE_MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__"}


def unsafe(tree: ast.AST) -> list[str]:
    """What in a file could turn data into code, with its line."""
    found = []
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        found += [f"{node.lineno}: import {name}" for name in names if name.split(".")[0] in UNSAFE_MODULES]  # type: ignore[attr-defined]
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            risky = called in UNSAFE_CALLS or called in ("yaml.load", "yaml.unsafe_load", "yaml.full_load")
            risky |= called.startswith(("torch.jit.", "torch.hub.", "torch.package."))
            risky |= called.endswith((".load_module", "add_safe_globals"))
            risky |= called == "np.load" and not any(
                word.arg == "allow_pickle" and ast.unparse(word.value) == "False" for word in node.keywords
            )
            if risky:
                found.append(f"{node.lineno}: {called}(…)")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_t24_no_file_turns_data_into_code(path: Path) -> None:
    assert unsafe(ast.parse(path.read_text())) == []


def test_t24_would_notice(tmp_path: Path) -> None:
    code = "import pickle\nfrom joblib import load\neval('1')\nyaml.load(x)\nnp.load(f)\ntorch.jit.load(f)\n"
    assert len(unsafe(ast.parse(code))) == 6
    assert unsafe(ast.parse("np.load(f, allow_pickle=False)\nmodel.eval()\nyaml.safe_load(x)\nre.compile('x')")) == []


def test_t24_there_is_one_torch_load_it_is_the_safe_one_and_nobody_tries_again() -> None:
    calls = []
    for path in FILES:
        tree = ast.parse(path.read_text())
        handlers = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                assert not any(node in list(ast.walk(handler)) for handler in handlers)
                words = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert words.get("weights_only") == "True"
                assert words.get("mmap", "False") == "False"
                calls.append(str(path.relative_to(SRC)))
    assert calls == ["checkpoint/foreign_child.py"]


WATCHED = """
import os, sys, threading
seen = []
starts = ("subprocess.Popen", "os.fork", "os.exec", "os.posix_spawn", "os.system")
def watch(event, arguments):
    if event in starts or event.startswith("socket."):
        seen.append((event, arguments))
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        seen.append((event, arguments))
sys.addaudithook(watch)
sys.dont_write_bytecode = True
CODE
assert not seen, seen
assert threading.active_count() == 1, threading.enumerate()
"""


@pytest.mark.parametrize("code", ["import hubel", "import hubel.cli", "import hubel; hubel.list_models()"])
def test_t38_importing_starts_no_process_thread_or_socket_and_writes_nothing(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", WATCHED.replace("CODE", code)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("code", ["os.system('true')", "open(os.devnull, 'w')", "import socket; socket.socket()"])
def test_t38_would_notice(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", WATCHED.replace("CODE", code)], capture_output=True, text=True)
    assert "AssertionError" in done.stderr


def pictures(folder: Path) -> Path:
    draw = np.random.default_rng(0)
    for name, level in (("dark", 60), ("light", 180)):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            pixels = draw.integers(level - 40, level + 40, (20, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


TOUR = """
set -e
cd "$1"
"$2" train photos --quiet --epochs 1 --model mnist_gap --img-size 16 --workers 2 --out runs
"$2" evaluate runs/photos-1 > /dev/null
"$2" predict runs/photos-1 photos/dark/1.png > /dev/null
"$2" runs > /dev/null
"$2" data photos > /dev/null
"$2" models > /dev/null
"$2" summary mnist_cnn > /dev/null
"""


def environment(tmp_path: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "OMP_NUM_THREADS", "LANG", "HUBEL_DATA")}
    private = {
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "temporary"),
        "HUBEL_HOME": str(tmp_path / "cache"),
    }
    for folder in private.values():
        Path(folder).mkdir(exist_ok=True)
    return {**kept, **private, "MPLCONFIGDIR": str(tmp_path / "temporary"), "MPLBACKEND": "Agg"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to make the system read-only")
def test_t35_a_tour_writes_nothing_outside_runs_cache_and_temporary_folder(tmp_path: Path) -> None:
    """The whole file system is read-only but for the folders that hubel may write to; so are the pictures."""
    work = tmp_path / "work"
    pictures(work / "photos")
    (work / "runs").mkdir()
    before = {path: path.read_bytes() for path in (work / "photos").rglob("*.png")}
    own = environment(tmp_path)
    writable = [work / "runs", *(Path(own[name]) for name in ("HUBEL_HOME", "TMPDIR"))]
    binds = "".join(f'mount --bind "{folder}" "{folder}"\n' for folder in writable)
    opened = "".join(f'mount -o remount,bind,rw "{folder}"\n' for folder in writable)
    script = f"""
set -e
mount --make-rprivate /
{binds}
mount --bind / / 2> /dev/null || true
for point in $(cut -d' ' -f2 /proc/mounts | sort -u); do
  case "$point" in /proc*|/sys*|/dev*) ;; *) mount -o remount,bind,ro "$point" 2> /dev/null || true ;; esac
done
{opened}
if touch "{work}/probe" 2> /dev/null; then echo "not read-only" >&2; exit 99; fi
touch "{work}/runs/probe" && rm "{work}/runs/probe"
exec sh -c "$3" sh "$1" "$2"
"""
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", str(work), str(HUBEL), TOUR],
        capture_output=True, text=True, env=own, timeout=300,
    )  # fmt: skip
    if done.returncode == 99 or "unshare:" in done.stderr:
        pytest.skip(f"no read-only mounts here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in (work / "photos").rglob("*.png")} == before
    assert (work / "runs" / "photos-1" / "report.html").exists()


HOSTILE = (
    "torch", "numpy", "json", "yaml", "typing", "random", "pickle", "struct", "selectors", "PIL", "hubel", "typer",
    "rich", "sitecustomize", "usercustomize", "conftest", "multiprocessing", "concurrent", "matplotlib", "sklearn",
    "ctypes", "platform", "tempfile", "inspect", "html", "csv", "hashlib", "ast", "copy", "queue", "shutil", "zipfile",
    "scipy", "captum", "pydantic", "jinja2", "pooch", "safetensors", "onnx", "secrets", "cProfile", "pdb", "timeit",
)  # fmt: skip

# Every command at its shortest: command -> what follows it.
EVERY = {
    "completion": "bash", "data": "photos", "probe": "photos --model mnist_gap --img-size 16 --threads 1",
    "train": "photos --quiet --epochs 1 --model mnist_gap --img-size 16 --out runs --threads 1",
    "evaluate": "runs/photos-1", "predict": "runs/photos-1 photos/dark/1.png", "runs": "", "models": "",
    "compare": "runs/photos-1 runs/photos-2", "bench": "runs/photos-1 --form eager --seconds 0.01 --batch 1",
    "explain": "runs/photos-1 photos/dark/1.png -m saliency --no-trust", "filters": "runs/photos-1",
    "activations": "runs/photos-1 photos/dark/1.png", "units": "runs/photos-1 --unit 0",
    "neighbours": "runs/photos-1 photos/dark/1.png",
    "embed": "runs/photos-1 --method pca --split train", "features": "runs/photos-1",
    "prototypes": "runs/photos-1", "attack": "runs/photos-1 photos/dark/1.png",
    "counterfactual": "runs/photos-1 photos/dark/1.png", "model": "lenet5", "components": "", "summary": "mnist_cnn",
    "trace": "x*y+z x=1 y=2 z=3", "step": "conv", "plot": "relu", "kernels": "photos/dark/1.png", "descent": "x**2 x=1",
    "landscape": "runs/photos-1 photos --points 3 --limit 4", "field": "runs/photos-1 photos/dark/1.png",
    "gradient-flow": "mnist_cnn digits", "import-weights": "net.safetensors --as mnist_gap --img-size 16 --out runs",
}  # fmt: skip

EVERY_ONE = """
import os, shutil, subprocess, sys
children = []
def watch(event, arguments):
    if event == "subprocess.Popen" and "python" in os.path.basename(str(arguments[0])):
        words, environment = list(map(str, arguments[1])), arguments[3] if arguments[3] is not None else os.environ
        if not {"-P", "-I"} & set(words) and not environment.get("PYTHONSAFEPATH"):
            children.append(words)
sys.addaudithook(watch)
from hubel.cli import main
for line in open(sys.argv[1]).read().splitlines():
    sys.argv = ["hubel", *line.split()]
    try:
        main()
    except SystemExit as end:
        print("exit", end.code, line, file=sys.stderr)
subprocess.run([sys.executable, "-c", "import ctypes, json"], check=True)  # as the compiler's children are started
print("unguarded", children, file=sys.stderr)
"""


def hostile(work: Path, canary: Path) -> None:
    """Modules of all names that are imported by somebody, which leave a trace when they are."""
    for name in HOSTILE:
        (work / f"{name}.py").write_text(f"open({str(canary)!r}, 'a').write({name!r})\n")
    (work / ".env").write_text("HUBEL_EPOCHS=0\n")
    (work / "pyproject.toml").write_text("[tool.hubel]\nepochs = 0\n")


def test_t36_nothing_that_lies_in_the_working_folder_is_run(tmp_path: Path) -> None:
    work = tmp_path / "work"
    pictures(work / "photos")
    canary = tmp_path / "canary"
    hostile(work, canary)
    done = subprocess.run(
        ["sh", "-c", TOUR, "sh", str(work), str(HUBEL)],
        capture_output=True, text=True, env=environment(tmp_path), timeout=300,
    )  # fmt: skip
    assert not canary.exists(), f"these were run: {canary.read_text()}"
    assert done.returncode == 0, done.stderr
    # With -m the folder comes first, until hubel is there; what has hubel's own name is then what was asked for.
    (work / "hubel.py").unlink()
    again = subprocess.run(
        [sys.executable, "-m", "hubel", "models", "lenet*"],
        cwd=work, capture_output=True, text=True, env=environment(tmp_path),
    )  # fmt: skip
    assert not canary.exists(), f"these were run: {canary.read_text()}"
    assert again.returncode == 0, again.stderr


def test_t35_t36_every_command_runs_nothing_of_the_working_folder_and_starts_no_child_that_could(
    tmp_path: Path,
) -> None:
    """All commands one after the other in one process, which is started as the script `hubel` is."""
    assert set(EVERY) == {name for _, group in COMMANDS for name, _, _ in group}, "a new command: give it a line"
    work = tmp_path / "work"
    pictures(work / "photos")
    before = {path: path.read_bytes() for path in (work / "photos").rglob("*.png")}
    state = create_model("mnist_gap", num_classes=2, in_chans=3, img_size=16).state_dict()
    save_file(state, work / "net.safetensors")
    canary = tmp_path / "canary"
    hostile(work, canary)
    script, lines = tmp_path / "bin" / "tour.py", tmp_path / "bin" / "lines"
    script.parent.mkdir()
    script.write_text(EVERY_ONE)
    first = [f"train {EVERY['train']} --seed {seed}" for seed in (0, 1)]
    lines.write_text("\n".join([*first, *(f"{name} {rest}" for name, rest in EVERY.items() if name != "train")]))
    done = subprocess.run(
        [sys.executable, str(script), str(lines)],
        cwd=work, capture_output=True, text=True, env=environment(tmp_path), timeout=300,
    )  # fmt: skip
    assert not canary.exists(), f"these were run: {canary.read_text()}"
    exits = [line for line in done.stderr.splitlines() if line.startswith("exit ")]
    assert len(exits) == len(EVERY) + 1, done.stderr
    assert [line for line in exits if not line.startswith(("exit 0 ", "exit None "))] == [], done.stderr
    assert "unguarded []" in done.stderr
    assert {path: path.read_bytes() for path in (work / "photos").rglob("*.png")} == before, "T35: nothing of the data"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to take the network away")
def test_t37_a_training_needs_no_network(tmp_path: Path) -> None:
    command = ["unshare", "-n", str(HUBEL), *flags(tmp_path / "runs", epochs=1)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(tmp_path), cwd=tmp_path)
    if "unshare:" in done.stderr:
        pytest.skip(f"no network namespace here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
