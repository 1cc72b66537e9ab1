"""`import hubel`: what it promises, and that it stays light."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import hubel


def test_every_promised_name_is_there() -> None:
    for name in hubel.__all__:
        assert callable(getattr(hubel, name)), name


def test_no_room_of_the_house_takes_the_place_of_a_promised_name() -> None:
    rooms = {module.name for module in pkgutil.iter_modules(hubel.__path__)}
    assert rooms >= {"models", "records", "explainers"}
    assert not rooms & set(hubel.__all__)


def test_the_verbs_stay_verbs_whatever_was_imported() -> None:
    for module in pkgutil.iter_modules(hubel.__path__):
        if module.name != "__main__":
            importlib.import_module(f"hubel.{module.name}")
    assert [name for name in hubel.__all__ if not callable(getattr(hubel, name))] == []


def test_there_is_one_version() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "hubel.__version__"}


def test_a_name_that_is_not_promised_is_an_error_that_lists_them() -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'fit'; it has .*train"):
        _ = hubel.fit  # type: ignore[attr-defined]


def test_importing_starts_no_process_thread_or_socket_and_writes_no_file() -> None:
    code = """
import sys, threading
seen = []
def look(event, arguments):
    if event in ("subprocess.Popen", "os.fork", "os.exec", "socket.bind", "socket.connect"):
        seen.append(event)
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wxa+"):
        seen.append(f"open {arguments[0]}")
sys.addaudithook(look)
sys.dont_write_bytecode = True
import hubel
print(seen, threading.active_count())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] 1"


@pytest.mark.parametrize("words", [["models"], ["model", "resnet18"], ["components"], ["components", "gelu"]])
def test_looking_things_up_loads_no_torch(words: list[str]) -> None:
    code = f"""
import sys
from hubel.cli import main
try:
    main({words!r})
finally:
    assert not {{"torch", "numpy", "sklearn"}} & set(sys.modules), "a heavy module was loaded"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout
