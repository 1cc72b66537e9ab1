"""What hubel may touch (its runs and its cache), and that nothing that lies about is run (T24, T35-T38)."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from hubel.cli import COMMANDS
from hubel.models import create_model
from trainers import flags

SRC = Path(__file__).parents[1] / "src" / "hubel"
HUBEL = Path(sys.executable).with_name("hubel")
FILES = sorted(SRC.rglob("*.py"))

UNSAFE_MODULES = {
    "pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "copyreg", "runpy", "imp",
}  # fmt: skip
UNSAFE_BUILTINS = {"eval", "exec", "compile", "__import__"}
UNSAFE_NAMES = re.compile(
    r"(yaml|torch\.serialization)\.(load|load_all|unsafe_load|unsafe_load_all|full_load|full_load_all)"
    r"|yaml\.(C?Loader|C?UnsafeLoader|C?FullLoader)"
    r"|torch\.(jit|hub|package)\.(?!ScriptModule).+|torch\.export\.load"
    r"|torch\.distributed\..*(object|objects)(_list)?"  # these send pickles
    r"|builtins\.(eval|exec|compile|__import__)"
    r"|.*\.(load_module|add_safe_globals|read_pickle|to_pickle|find_class)"
)
SAFE_IF = {"numpy.load": ("allow_pickle", "False"), "torch.load": ("weights_only", "True")}
"""Calls that are safe with one word, said in so many letters."""


def full_names(tree: ast.AST) -> dict[str, str]:
    """What the names that a file imports stand for: {"np": "numpy", "load": "torch.load"}."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def full_name(node: ast.AST, names: dict[str, str]) -> str:
    """The dotted name that a Name or an Attribute stands for; "" for anything else."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        return f"{full_name(node.value, names) or '?'}.{node.attr}"
    return ""


def asks_for(node: ast.Call, names: dict[str, str]) -> str:
    """The module or the attribute that import_module("…") and getattr(…, "…") name; "" for other calls."""
    called = full_name(node.func, names)
    place = {"importlib.import_module": 0, "getattr": 1}.get(called)
    word = node.args[place] if place is not None and len(node.args) > place else None
    if not isinstance(word, ast.Constant) or not isinstance(word.value, str):
        return ""
    return word.value if place == 0 else f"{full_name(node.args[0], names)}.{word.value}"


def unsafe(tree: ast.AST) -> list[str]:
    """What in a file could turn data into code, with its line: however it was imported, called or handed on."""
    names, found, called = full_names(tree), [], set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called.add(node.func)
            name = full_name(node.func, names)
            word, value = SAFE_IF.get(name, ("", ""))
            if word and {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}.get(word) != value:
                found.append(f"{node.lineno}: {name} without {word}={value}")
            asked = asks_for(node, names)
            if asked.split(".")[0] in UNSAFE_MODULES or UNSAFE_NAMES.fullmatch(asked) or asked in SAFE_IF:
                found.append(f"{node.lineno}: {asked}")
            if name in UNSAFE_BUILTINS:
                found.append(f"{node.lineno}: {name}(…)")
    for node in ast.walk(tree):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, (ast.Name, ast.Attribute)):
            name = full_name(node, names)
            handed_on = node not in called and (name in SAFE_IF or name in UNSAFE_BUILTINS - {"compile"})
            found += [f"{node.lineno}: {name}"] if UNSAFE_NAMES.fullmatch(name) or handed_on else []
        found += [f"{node.lineno}: import {name}" for name in modules if name.split(".")[0] in UNSAFE_MODULES]  # type: ignore[attr-defined]
    return found


COMPILES = {"book/facts/counting.py": "what Python says of the lectures' listings, which stand in our own files"}
"""Where text is compiled, and not run, and why."""


def test_t24_no_file_turns_data_into_code() -> None:
    found = {str(path.relative_to(SRC)): unsafe(ast.parse(path.read_text())) for path in FILES}
    for name in COMPILES:
        assert [each.partition(": ")[2] for each in found.pop(name)] == ["compile(…)"], "once, and nothing else"
    assert {name: lines for name, lines in found.items() if lines} == {}


PLANTED = (
    "import pickle", "from joblib import load", "import _pickle as quick", "eval('1')", "map(eval, lines)",
    "from builtins import exec as run\nrun(text)", "importlib.import_module('dill')", "getattr(torch, 'load')(file)",
    "from importlib import import_module\nimport_module('pickle')", "yaml.load(x)", "import yaml as y\ny.load_all(x)",
    "from yaml import unsafe_load as read\nread(x)", "class Mine(yaml.Loader): pass", "np.load(f)", "numpy.load(f)",
    "import numpy as np\nnp.load(f, allow_pickle=True)", "torch.jit.load(f)", "from torch import hub\nhub.load(r, n)",
    "import torch as t\nt.load(f)", "from torch import load as read\nread(f, weights_only=safe)", "read = torch.load",
    "torch.serialization.load(f)", "torch.serialization.add_safe_globals([x])", "pandas.read_pickle(f)",
    "import torch.distributed as dist\ndist.broadcast_object_list(x)", "torch.distributed.all_gather_object(x, y)",
)  # fmt: skip


@pytest.mark.parametrize("code", PLANTED)
def test_t24_would_notice(code: str) -> None:
    if "np." in code and "import numpy" not in code:
        code = f"import numpy as np\n{code}"
    assert unsafe(ast.parse(code)) != []


def test_t24_does_not_cry_wolf() -> None:
    code = "import numpy as np\nnp.load(f, allow_pickle=False)\nmodel.eval()\nyaml.safe_load(x)\nre.compile('x')\n"
    code += "torch.load(f, map_location='cpu', weights_only=True)\nrecipe.compile\nimport pickletools\n"
    code += "class Mine(yaml.SafeLoader): pass\ntorch.distributed.broadcast(x, 0)\ngetattr(torch, name)\n"
    assert unsafe(ast.parse(code)) == []


def test_t24_there_is_one_torch_load_it_is_the_safe_one_and_nobody_tries_again() -> None:
    calls = []
    for path in FILES:
        tree = ast.parse(path.read_text())
        names = full_names(tree)
        handlers = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and full_name(node.func, names) == "torch.load":
                assert not any(node in list(ast.walk(handler)) for handler in handlers)
                words = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert words.get("weights_only") == "True"
                assert words.get("mmap", "False") == "False"
                assert "pickle_module" not in words
                assert None not in words, "words from elsewhere"
                calls.append(str(path.relative_to(SRC)))
    assert calls == ["checkpoint/foreign_child.py"]


WATCHED = """
import os, sys, threading
seen, LINUX = [], sys.platform == "linux"
TOUCHES = (
    "subprocess.Popen", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile", "os.system",
    "os.mkdir", "os.rmdir", "os.remove", "os.rename", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown",
    "os.utime", "os.setxattr",
)
def watch(event, arguments):
    if event in TOUCHES or event.startswith(("socket.", "shutil.", "tempfile.", "pty.")):
        seen.append((event, arguments))
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        seen.append((event, arguments))
def told(start):  # Python tells no hook of a thread
    def wrapped(*arguments, **named):
        seen.append(("thread", arguments))
        return start(*arguments, **named)
    return wrapped
for name in ("_start_new_thread", "_start_joinable_thread"):  # before and since Python 3.13
    if hasattr(threading, name):
        setattr(threading, name, told(getattr(threading, name)))
def kernel():  # what the hooks do not see: threads, children, sockets and writes of compiled code
    if not LINUX:
        return {}
    places = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return {
        "threads": len(os.listdir("/proc/self/task")),
        "children": open(f"/proc/self/task/{os.getpid()}/children").read(),
        "sockets": [os.readlink(place) for place in places if os.path.islink(place) and "socket" in os.readlink(place)],
        "written": [line for line in open("/proc/self/io") if line.startswith("wchar")],
    }
sys.dont_write_bytecode = True
before = kernel()
sys.addaudithook(watch)
CODE
after = kernel()
assert not seen, seen
assert before == after, (before, after)
"""


def watched(code: str) -> str:
    """What a process that runs `code` complains about; "" where it touches nothing."""
    done = subprocess.run([sys.executable, "-c", WATCHED.replace("CODE", code)], capture_output=True, text=True)
    assert done.returncode == 0 or "AssertionError" in done.stderr, done.stderr
    return done.stderr


@pytest.mark.parametrize("code", ["import hubel", "import hubel.cli", "import hubel; hubel.list_models()"])
def test_t38_importing_starts_no_process_thread_or_socket_and_writes_nothing(code: str) -> None:
    assert watched(code) == ""


TOUCHED = {
    "a command": "os.system('true')", "a file": "open(os.devnull, 'w')", "a socket": "import socket; socket.socket()",
    "a folder": "import tempfile; os.rmdir(tempfile.mkdtemp())",
    "a renamed file": "os.rename('/x', '/y')",
    "a thread that has ended": "thread = threading.Thread(target=int); thread.start(); thread.join()",
}  # fmt: skip
COMPILED = {
    "a socket": "ctypes.CDLL(None).socket(2, 1, 0)", "a write": "ctypes.CDLL(None).write(2, b'x', 1)",
    "a child": "ctypes.CDLL(None).fork() or os._exit(0)",
}  # fmt: skip


@pytest.mark.parametrize("what", TOUCHED)
def test_t38_would_notice(what: str) -> None:
    code = f"try:\n    {TOUCHED[what]}\nexcept FileNotFoundError:\n    pass"
    assert "AssertionError: [(" in watched(code)


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel")
@pytest.mark.parametrize("what", COMPILED)
def test_t38_would_notice_what_compiled_code_does(what: str) -> None:
    assert "AssertionError: ({" in watched(f"import ctypes\n{COMPILED[what]}")


def test_t38_importing_loads_nothing_but_python_s_own_modules() -> None:
    """The time of an import is the modules it loads: these take 25 ms, torch takes two seconds."""
    code = "import sys; before = set(sys.modules); import hubel; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    own = [name for name in done.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names]
    assert own == ["hubel", "hubel.waiting"]
    assert "asyncio" not in done.stdout


def pictures(folder: Path) -> Path:
    draw = np.random.default_rng(0)
    for name, level in (("dark", 60), ("light", 180)):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            pixels = draw.integers(level - 40, level + 40, (20, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


TRAIN = "train photos --quiet --epochs 1 --model mnist_gap --img-size 16 --workers 2 --out runs"
TOUR = (
    TRAIN, "evaluate runs/photos-1", "predict runs/photos-1 photos/dark/1.png", "runs", "data photos", "models",
    "summary mnist_cnn",
)  # fmt: skip


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
    tour = toured(tmp_path, TOUR)
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
exec "$@"
"""
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", *tour],
        cwd=work, capture_output=True, text=True, env=own, timeout=300,
    )  # fmt: skip
    if done.returncode == 99 or "unshare:" in done.stderr:
        pytest.skip(f"no read-only mounts here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert [line for line in exits(done) if not line.startswith("exit 0 ")] == [], done.stderr
    assert len(exits(done)) == len(TOUR)
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
    "edit": "photos log", "clean": "photos", "watch": "runs/photos-1 --once", "control": "runs/photos-1 pause",
    "reproduce": "runs/photos-1 --out again",
    "doctor": "photos --model mnist_gap --img-size 16 --threads 1 --seconds 2",
    "train": "photos --quiet --epochs 1 --model mnist_gap --img-size 16 --out runs --threads 1",
    "ensemble": "runs/photos-1 runs/photos-2 --out joined",
    "search": "photos --quiet --trials 2 --trial-epochs 1 --model mnist_gap --img-size 16 --out search --threads 1",
    "pretrain": "digits --limit 64 --quiet --epochs 1 --model mnist_gap --out pretrained --threads 1",
    "evaluate": "runs/photos-1", "predict": "runs/photos-1 photos/dark/1.png", "runs": "", "models": "",
    "serve": "runs/photos-1 --port 0 --threads 1 --check", "studio": "photos --port 0 --check",
    "baseline": "photos --learners knn --features pixels",
    "anomaly": "photos/dark --test photos --normal dark --method pca --features pixels",
    "compare": "runs/photos-1 runs/photos-2", "bench": "runs/photos-1 --form eager --seconds 0.01 --batch 1",
    "curve": "photos --model mnist_gap --img-size 16 --out runs --threads 1",
    "robust": "runs/photos-1 --corruptions jpeg --severities 1 --shifts 1",
    "export": "runs/photos-1 --pictures 4", "compress": "runs/photos-1 --to 2x --epochs 0 --out small",
    "explain": "runs/photos-1 photos/dark/1.png -m saliency --no-trust", "filters": "runs/photos-1",
    "activations": "runs/photos-1 photos/dark/1.png", "units": "runs/photos-1 --unit 0",
    "neighbours": "runs/photos-1 photos/dark/1.png",
    "embed": "runs/photos-1 --method pca --split train", "features": "runs/photos-1",
    "prototypes": "runs/photos-1", "attack": "runs/photos-1 photos/dark/1.png",
    "counterfactual": "runs/photos-1 photos/dark/1.png", "model": "lenet5", "components": "", "summary": "mnist_cnn",
    "book": "6 --facts", "ask": "dense layer",
    "trace": "x*y+z x=1 y=2 z=3", "step": "conv", "plot": "relu", "kernels": "photos/dark/1.png", "descent": "x**2 x=1",
    "landscape": "runs/photos-1 photos --points 3 --limit 4", "field": "runs/photos-1 photos/dark/1.png",
    "gradient-flow": "mnist_cnn digits", "import-weights": "net.safetensors --as mnist_gap --img-size 16 --out runs",
}  # fmt: skip

EVERY_ONE = """
import os, shutil, subprocess, sys
children, unpickled = [], []
def watch(event, arguments):
    if event == "pickle.find_class":
        unpickled.append(arguments)
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
print("unpickled", unpickled, file=sys.stderr)
"""


def toured(folder: Path, commands: Iterable[str]) -> list[str]:
    """How to run these commands one after the other in one process, which is started as the script `hubel` is."""
    script, lines = folder / "bin" / "tour.py", folder / "bin" / "lines"
    script.parent.mkdir()
    script.write_text(EVERY_ONE)
    lines.write_text("\n".join(commands))
    return [sys.executable, str(script), str(lines)]


def exits(done: subprocess.CompletedProcess[str]) -> list[str]:
    """`exit CODE COMMAND` of each command of a tour."""
    return [line for line in done.stderr.splitlines() if line.startswith("exit ")]


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
    # The script itself, with children that load pictures; the test below takes all other commands through one process.
    done = subprocess.run(
        [HUBEL, *TRAIN.split()], cwd=work, capture_output=True, text=True, env=environment(tmp_path), timeout=300
    )
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


def test_t24_t35_t36_every_command_runs_nothing_of_the_working_folder_unpickles_nothing_and_starts_no_child_that_could(
    tmp_path: Path,
) -> None:
    """All commands one after the other in one process, which is started as the script `hubel` is."""
    assert set(EVERY) == {name for _, group in COMMANDS for name, _, _ in group}, "a new command: give it a line"
    work = tmp_path / "work"
    pictures(work / "photos")
    before = {path: path.read_bytes() for path in (work / "photos").rglob("*.png")}
    state = create_model("mnist_gap", num_classes=2, in_chans=3, img_size=16).state_dict()
    save_file(state, work / "net.safetensors")
    torch.save(state, work / "net.pth")
    canary = tmp_path / "canary"
    hostile(work, canary)
    first = [f"train {EVERY['train']} --seed {seed}" for seed in (0, 1)]
    last = ["import-weights net.pth --as mnist_gap --img-size 16 --out runs",
            "train --resume runs/photos-1 --epochs 2 --quiet"]  # fmt: skip
    every = [*first, *(f"{name} {rest}" for name, rest in EVERY.items() if name != "train"), *last]
    done = subprocess.run(
        toured(tmp_path, every), cwd=work, capture_output=True, text=True, env=environment(tmp_path), timeout=300
    )
    assert not canary.exists(), f"these were run: {canary.read_text()}"
    assert len(exits(done)) == len(every), done.stderr
    # Nothing trains there that could be controlled, and nets of one epoch do not make each other better.
    fine = ("exit 0 ", "exit None ", "exit 4 control ", "exit 1 ensemble ")
    assert [line for line in exits(done) if not line.startswith(fine)] == [], done.stderr
    assert "unguarded []" in done.stderr
    assert "unpickled []" in done.stderr, "T24: only the child that reads foreign weights may, and this is not it"
    assert {path: path.read_bytes() for path in (work / "photos").rglob("*.png")} == before, "T35: nothing of the data"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to take the network away")
def test_t37_a_training_needs_no_network(tmp_path: Path) -> None:
    command = ["unshare", "-n", str(HUBEL), *flags(tmp_path / "runs", epochs=1)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(tmp_path), cwd=tmp_path)
    if "unshare:" in done.stderr:
        pytest.skip(f"no network namespace here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
