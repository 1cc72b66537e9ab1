"""Worker processes: a file that kills or holds up a worker costs that file and nothing else."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.pictures import classes, encoded, scene, tree
from hubel.data.decode import prepare
from hubel.data.folders import open_folder
from hubel.data.preprocessing import Preprocessing
from hubel.data.scan import scan
from hubel.data.workers import CHUNK_BYTES, CHUNK_FILES, _Helper, _tasks, read_pictures
from hubel.errors import DataError

# Told to the worker through the interpreter's own door for such things: a file of this name hits a decoder's bug.
ACCIDENTS = """
import os, signal, sys, time
def watch(event, arguments):
    if event == "open":
        name = str(arguments[0])
        if name.endswith("killer.png"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if name.endswith("sleeper.png"):
            time.sleep(60)
sys.addaudithook(watch)
"""


@pytest.fixture
def accidents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path / "site", {"sitecustomize.py": ACCIDENTS.encode()})
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))


@pytest.mark.usefixtures("accidents")
def test_a_picture_that_crashes_the_decoder_is_named_and_all_others_are_used(tmp_path: Path) -> None:
    root = classes(tmp_path / "root", {"cat": 9, "dog": 9})
    tree(root, {"cat/killer.png": encoded(scene(99), "PNG"), "dog/killer.png": encoded(scene(98), "PNG")})
    found, decoded = prepare(open_folder(root), Preprocessing(height=16, width=20), cache_dir=tmp_path / "cache")
    assert [(p.path, p.kind, p.reason) for p in found.problems] == [
        ("cat/killer.png", "corrupt", "crashed the decoder"),
        ("dog/killer.png", "corrupt", "crashed the decoder"),
    ]
    assert len(decoded) == len(found.manifest) == 18
    clean, expected = prepare(
        open_folder(classes(tmp_path / "clean", {"cat": 9, "dog": 9})), Preprocessing(height=16, width=20),
        cache_dir=tmp_path / "cache",
    )  # fmt: skip
    assert np.array_equal(decoded.images, expected.images)
    assert clean.manifest.digest == found.manifest.digest


@pytest.mark.usefixtures("accidents")
def test_a_picture_that_never_ends_is_given_up(tmp_path: Path) -> None:
    root = classes(tmp_path / "root", {"cat": 3})
    tree(root, {"cat/sleeper.png": encoded(scene(99), "PNG")})
    names = sorted(os.listdir(root / "cat"))
    started = time.monotonic()
    answers = read_pictures(str(root / "cat"), names, seconds=2)
    assert time.monotonic() - started < 40
    assert [answer[1:] for answer in answers if isinstance(answer[2], str)] == [
        ["corrupt", "took longer than 2 seconds to decode"]
    ]
    assert answers[names.index("sleeper.png")][1] == "corrupt"


@pytest.mark.usefixtures("accidents")
def test_a_file_that_kills_its_worker_is_known_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(scene(1, 8, 8), "PNG")
    names = [f"{i:02}.png" for i in range(40)] + ["30-killer.png"]
    root = tree(tmp_path / "root", dict.fromkeys(names, data))
    asked: list[int] = []
    ask = _Helper._ask

    def counting(helper: _Helper, row: int, paths: list[str]) -> tuple[list[Any] | None, str]:
        asked.append(len(paths))
        return ask(helper, row, paths)

    monkeypatch.setattr(_Helper, "_ask", counting)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    answers = read_pictures(str(root), sorted(names))
    assert [answer[1:] for answer in answers if isinstance(answer[2], str)] == [["corrupt", "crashed the decoder"]]
    assert asked[0] == 41
    assert sorted(asked[1:]) == [1, 10, 15, 15], "the file, those behind it, those before it in two"
    assert list(tmp_path.glob("hubel-*.mark")) == []


def test_workers_leave_no_process_and_no_thread_behind(tmp_path: Path) -> None:
    import threading

    before = threading.active_count()
    root = classes(tmp_path / "root", {"cat": 3, "dog": 3})
    scan(open_folder(root), cache_dir=tmp_path / "cache", workers=2)
    assert threading.active_count() == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_an_interruption_stops_the_workers(tmp_path: Path) -> None:
    root = classes(tmp_path / "root", {"cat": 3, "dog": 3})

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan(open_folder(root), cache_dir=tmp_path / "cache", progress=interrupt)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
def test_a_full_disk_is_an_error_in_words_and_leaves_nothing_behind(tmp_path: Path) -> None:
    import resource

    root = classes(tmp_path / "root", {"cat": 6, "dog": 6})
    listed = open_folder(root)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(DataError, match="cannot write the decoded pictures") as error:
            prepare(listed, Preprocessing(height=64, width=64), cache_dir=tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "HUBEL_HOME" in error.value.hint
    assert list((tmp_path / "cache/decoded").iterdir()) == []


def test_any_number_of_workers_gives_the_same(tmp_path: Path) -> None:
    listed = open_folder(classes(tmp_path / "root", {"cat": 30, "dog": 30}))
    assert listed.paths is not None
    one = read_pictures(listed.root, listed.paths, workers=1)
    many = read_pictures(listed.root, listed.paths, workers=3, sizes=np.full(60, CHUNK_BYTES // 4))
    assert one == many


@pytest.mark.parametrize(
    ("count", "size", "side"),
    [(1, 10, 8), (1000, 10, 8), (1000, CHUNK_BYTES, 8), (300, CHUNK_BYTES // 3, 8), (50, 9, 2048)],
)
def test_tasks_cover_all_files_once_and_stay_small(count: int, size: int, side: int) -> None:
    names = [str(i) for i in range(count)]
    tasks = list(_tasks(names, np.full(count, size), Preprocessing(height=side, width=side)))
    assert [name for _, part in tasks for name in part] == names
    for row, part in tasks:
        assert part[0] == str(row)
        assert len(part) <= CHUNK_FILES
        assert len(part) == 1 or (len(part) - 1) * max(size, side * side * 3 // 2) <= CHUNK_BYTES


def test_a_worker_needs_no_torch() -> None:
    import subprocess

    code = (
        "import hubel.data.worker, sys; print(sorted({'torch', 'matplotlib', 'sklearn', 'pooch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
