"""Nets in a file of one's own: run when named, never because a run says so."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr
from pathlib import Path

import pytest
import torch

import hubel
from hubel.cli import main
from hubel.errors import ArtefactError, DataError, UnknownName, UsageError
from hubel.models import CARDS, create_model
from hubel.models.files import known_as
from hubel.verbs.bench import bench

TEXT = """
import torch
from helping import Elsewhere, width

class Net(torch.nn.Module):
    def __init__(self, num_classes, in_chans=3):
        super().__init__()
        self.conv = torch.nn.Conv2d(in_chans, width, 3)
        self.fc = torch.nn.Linear(width, num_classes)

    def forward(self, images):
        return self.fc(self.conv(images).relu().mean((2, 3)))

def wider(num_classes, in_chans=3):
    return Net(num_classes, in_chans)

def unrelated(): ...
"""
HELPING = """
width = 6

class Elsewhere:
    def __init__(self, num_classes): ...
"""
FEW = {"limit": 60, "epochs": 1, "threads": 1, "device": "cpu"}


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "helping.py").write_text(HELPING)
    path = tmp_path / "my_net.py"
    path.write_text(TEXT)
    yield path
    for name in [name for name in CARDS if ".py:" in name]:
        CARDS.remove(name)
    sys.modules.pop("helping", None)


def test_a_net_is_trained_from_its_file_and_read_again_only_where_the_file_is_named(file: Path, tmp_path: Path) -> None:
    run = hubel.train("digits", model=f"{file}:Net", out=str(tmp_path / "runs"), **FEW)
    assert run.recipe["model"]["model"] == "my_net.py:Net"
    accuracy = hubel.evaluate(run).to_dict()
    CARDS.remove("my_net.py:Net")
    with pytest.raises((ArtefactError, UsageError), match=r"stands in my_net.py.*\n.*hubel --nets path/to/my_net.py"):
        hubel.load(run.folder)
    assert hubel.load_nets(file) == ("my_net.py:Net", "my_net.py:wider")
    assert hubel.evaluate(run).to_dict() == accuracy


def test_no_run_and_no_recipe_makes_hubel_run_a_file(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where the name alone would find it
    with pytest.raises(UsageError, match="runs only when you name it"):
        create_model("my_net.py:Net", num_classes=2)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("model: my_net.py:Net\n")
    with pytest.raises(UsageError, match="runs only when you name it"):
        hubel.train("digits", config=recipe, out=str(tmp_path / "runs"), **FEW)
    assert "helping" not in sys.modules


def test_a_file_that_changed_is_noticed_by_the_weights(file: Path, tmp_path: Path) -> None:
    run = hubel.train("digits", model=f"{file}:Net", out=str(tmp_path / "runs"), **FEW)
    (tmp_path / "helping.py").write_text(HELPING.replace("6", "7"))
    sys.modules.pop("helping")
    hubel.load_nets(file)
    with pytest.raises(ArtefactError):
        hubel.load(run.folder)
    (tmp_path / "helping.py").write_text(HELPING)
    sys.modules.pop("helping")
    file.write_text(TEXT.replace("relu()", "tanh()"))
    hubel.load_nets(file)
    with pytest.raises(ArtefactError):
        hubel.load(run.folder)


@pytest.mark.parametrize(
    ("text", "name", "kind", "said"),
    [
        ("class Other: ...", "Net", UnknownName, "unknown net of my_net.py 'Net'"),
        (TEXT, "Ned", UnknownName, r"'Ned'\n  did you mean 'Net'"),
        ("x = 1\ny = 1 / 0\n", "Net", UsageError, r"my_net.py, line 2 fails: ZeroDivisionError.*\n  python "),
        ("def (:", "Net", UsageError, "SyntaxError"),
    ],
)
def test_what_a_file_lacks_is_said(file: Path, text: str, name: str, kind: type[Exception], said: str) -> None:
    file.write_text(text)
    with pytest.raises(kind, match=said):
        known_as(f"{file}:{name}")


def test_a_file_that_is_not_there_and_one_without_nets(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such file: .*none.py"):
        hubel.summary(f"{tmp_path}/none.py:Net")
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(UsageError, match="has no net"):
        hubel.load_nets(tmp_path / "empty.py")
    with pytest.raises(UsageError, match="is a Python file"):
        hubel.load_nets(tmp_path / "net.txt")


def test_a_net_in_a_file_goes_wherever_a_net_is_named(file: Path) -> None:
    assert hubel.summary(f"{file}:wider", (1, 8, 8)).params == 6 * 9 + 6 + 6 * 1000 + 1000
    assert bench(f"{file}:Net", shape=(1, 8, 8), batches=(1,), forms=("eager",), seconds=0.01).timings


def test_the_command_line_names_the_file_before_the_command(file: Path, tmp_path: Path) -> None:
    run = hubel.train("digits", model=f"{file}:Net", out=str(tmp_path / "runs"), name="mine", **FEW)

    def hubel_says(*words: str) -> subprocess.CompletedProcess[str]:
        """In a process that knows nothing of the file yet."""
        return subprocess.run([sys.executable, "-m", "hubel", *words], cwd=tmp_path, capture_output=True, text=True)

    CARDS.remove("my_net.py:Net")
    with pytest.raises(SystemExit), redirect_stderr(io.StringIO()) as refused:
        main(["evaluate", str(run.folder)])
    assert "hubel --nets path/to/my_net.py" in refused.getvalue()
    read = hubel_says("--nets", "my_net.py", "evaluate", "runs/mine-1", "--json")
    assert json.loads(read.stdout)["samples"] > 0


def test_a_module_learns_as_a_copy_from_the_weights_it_has(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    before = net[1].weight.clone()
    try:
        run = hubel.train("digits", model=net, lr=1e-9, out=str(tmp_path), **FEW)
        assert torch.equal(net[1].weight, before)
        assert (hubel.load(run.folder).model[1].weight - before).abs().max() < 1e-4
        assert run.recipe["model"]["model"] == "Sequential"
    finally:
        CARDS.remove("Sequential")


def test_a_module_with_other_outputs_than_classes_is_refused(tmp_path: Path) -> None:
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 7))
    try:
        with pytest.raises(UsageError, match=r"logits \(2, 10\), and gives \(2, 7\)"):
            hubel.train("digits", model=net, out=str(tmp_path), **FEW)
    finally:
        CARDS.remove("Sequential")
