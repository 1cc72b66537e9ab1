"""Recipes and foreign weights, damaged ten thousand ways: a typed error or an answer, and nothing is run (T22).

Foreign .pth files are read by a process of their own. Starting ten thousand interpreters would take hours, so the lane
forks that process from one that has torch already: the same program with the same bounds. Some of its mutants meet the
real one as well.
"""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, TextIO

import pytest
import torch
from safetensors.torch import save

from confined import at_most, lines_of, told
from hubel.checkpoint import foreign, foreign_child
from hubel.errors import HubelError
from hubel.models import create_model
from hubel.recipes.schema import compose, read_file, to_yaml
from hubel.verbs.train import train
from hubel.verbs.weights import import_weights
from mutation import bytes_changed, file_changed
from trainers import Brief, Enough

MANY = int(os.environ.get("HUBEL_MUTANTS", "10000"))
MEMORY = 1 << 30
"""Bytes a reader may take beyond what it has at the start."""
SECONDS = 30
CANARY = Path(tempfile.gettempdir()) / f"hubel-canary-{os.getpid():07d}"
"""A file that some of the mutants would make, if anything in them were run."""
_TOUCH = f"touch {CANARY}".encode()
ATTACKS = (
    b"cos\nsystem\n(S'" + _TOUCH + b"'\ntR.",
    b"\x80\x02cposix\nsystem\nX" + len(_TOUCH).to_bytes(4, "little") + _TOUCH + b"\x85R.",
    b"c__builtin__\neval\n(S'open(\"" + str(CANARY).encode() + b'", "w")\'\ntR',
    b"ctorch.serialization\nload\n",
    b"cpkgutil\nresolve_name\n",
    b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",  # a long integer
    b"X\xff\xff\xff\x7f",  # a string of two gigabytes that is not there
    b"((((((((((((((((",
    b"q\xff",
    b"h\x00h\x01\x86",
    b"]" + b"2" * 60 + b"e",
)
"""Pieces of pickles that ask for more than tensors."""


def tried(
    count: int, seed: int, folder: Path, mutant: Callable[[random.Random, int], tuple[str, Callable[[], object]]]
) -> list[str]:
    """Read `count` mutants in a child with bounds; what went wrong, with where."""

    def work(answers: TextIO) -> None:
        torch.set_num_threads(1)
        os.chdir(folder)
        draw = random.Random(seed)
        counts: Counter[str] = Counter()
        for number in range(count):
            name, read = mutant(draw, number)
            (folder / "at").write_text(f"mutant {number}, {name}")
            try:
                with at_most(SECONDS):
                    read()
                counts["answered"] += 1
            except (HubelError, Enough) as error:
                counts["refused" if isinstance(error, HubelError) else "answered"] += 1
                if "fault of its own" in str(error):
                    answers.write(f"{number} {name}: {error}\n")
            except BaseException as error:
                answers.write(f"{number} {name}: {told(error)}\n")
        if CANARY.exists():
            CANARY.unlink()
            answers.write("something in a mutant was run\n")
        if not counts["answered"] or not counts["refused"]:
            answers.write(f"nothing was tried: {counts}\n")

    return lines_of(work, memory=MEMORY, at=folder / "at")


# --- recipes


def recipes(folder: Path) -> Callable[[random.Random, int], tuple[str, Callable[[], object]]]:
    """Mutants of a whole recipe and of a short one; of those that can be read, every tenth is trained for two steps."""
    layers = ["conv 2 3x3", "relu", "flatten", "dense K"]
    given: dict[str, Any] = {"model": "layers", "model_options": {"layers": layers}, "limit": 200, "threads": 1}
    whole = to_yaml(compose(given, {"data": "digits", "device": "cpu", "out": str(folder / "runs"), "epochs": 2}))
    short = "data: digits\nmodel: layers\ntrain:\n  epochs: 3\n  time: 1m30s\naugment: flip,translate=2\nlr: 0.1\n"
    path = folder / "recipe.yaml"

    def mutant(draw: random.Random, number: int) -> tuple[str, Callable[[], object]]:
        text = short if draw.random() < 0.3 else whole
        path.write_bytes(file_changed("recipe.yaml", text.encode(), draw))
        follow = number % 10 == 0

        def read() -> object:
            recipe = compose(read_file(path))
            if not follow:
                return recipe
            return train("digits", config=path, limit=200, threads=1, out=str(folder / "runs"), watch=Brief(2))

        return "recipe, followed" if follow else "recipe", read

    return mutant


def test_t22_two_hundred_damaged_recipes_get_an_answer_or_a_typed_error(tmp_path: Path) -> None:
    assert tried(200, 22, tmp_path, recipes(tmp_path)) == []


@pytest.mark.slow
def test_t22_ten_thousand_damaged_recipes_get_an_answer_or_a_typed_error(tmp_path: Path) -> None:
    assert tried(MANY, 2222, tmp_path, recipes(tmp_path)) == []


# --- foreign weights


def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return dict(create_model("mnist_cnn", num_classes=4, in_chans=1, img_size=12).state_dict())


def saved(value: object, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def pickle_changed(data: bytes, draw: random.Random) -> bytes:
    if draw.random() < 0.4:
        at = draw.randrange(len(data))
        return data[:at] + draw.choice(ATTACKS) + data[at + draw.choice((0, 0, 1, 7)) :]
    return bytes_changed(data, draw)


def zip_changed(data: bytes, draw: random.Random) -> bytes:
    """A whole archive whose members are no longer those of torch."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w") as target:
        members = archive.infolist()
        victim = next(m for m in members if m.filename.endswith("data.pkl"))
        if draw.random() < 0.3:
            victim = draw.choice(members)
        for member in members:
            content = archive.read(member)
            if member is victim:
                content = pickle_changed(content, draw) if content else b"?"
                if draw.random() < 0.05:
                    continue
            target.writestr(member.filename, content)
            if member is victim and draw.random() < 0.05:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # two members of one name
                    target.writestr(member.filename, bytes_changed(content, draw))
    return out.getvalue()


def forked(source: Path, target: Path, folder: str, name: str, seconds: float) -> foreign.Heard:
    """`foreign._run_child` without a new interpreter: the same program, as a fork of this one."""
    out, err = Path(folder) / "stdout", Path(folder) / "stderr"
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.chdir(folder)
            with open(out, "w") as said, open(err, "w") as sys.stderr, redirect_stdout(said):
                foreign_child.run(str(source), str(target))
            code = 0
        except SystemExit as end:
            err.write_text(str(end.code))
            code = 1
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code < 0 or code == 70:
        raise RuntimeError(f"the child that reads foreign weights ended with {code}: {err.read_text()[-200:]}")
    done = subprocess.CompletedProcess[bytes]([], code, out.read_bytes(), err.read_bytes())
    return foreign.heard(done, name)


def weights(folder: Path) -> Callable[[random.Random, int], tuple[str, Callable[[], object]]]:
    """Mutants of state dicts as .pth, of whole training checkpoints, of bare pickles and of safetensors."""
    good = {
        "state.pth": saved(state()),
        "checkpoint.pth": saved({"state_dict": state(), "epoch": 3, "optimiser": {"lr": [0.1], "names": ("a", None)}}),
        "bare.pth": saved(state(), _use_new_zipfile_serialization=False),
        "state.safetensors": save(state()),
    }

    def mutant(draw: random.Random, number: int) -> tuple[str, Callable[[], object]]:
        name = draw.choice(sorted(good))
        data = good[name]
        if name == "bare.pth":
            data = pickle_changed(data, draw)
        elif name.endswith(".pth") and draw.random() < 0.7:
            data = zip_changed(data, draw)
        else:
            data = bytes_changed(data, draw)
        path = folder / name
        path.write_bytes(data)
        if name == "bare.pth":
            return name, lambda: foreign.read_foreign(path)
        return name, lambda: import_weights(path, model="mnist_cnn", in_chans=1, img_size=12, out=folder / "runs")

    return mutant


def test_t22_twelve_damaged_foreign_weights_meet_the_real_process(tmp_path: Path) -> None:
    assert tried(12, 22, tmp_path, weights(tmp_path)) == []


@pytest.mark.slow
def test_t22_ten_thousand_damaged_foreign_weights_get_an_answer_or_a_typed_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign, "_run_child", forked)
    assert tried(MANY, 2222, tmp_path, weights(tmp_path)) == []
