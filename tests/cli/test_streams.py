"""What is printed harms no terminal, and no terminal harms the work."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hubel.cli import main
from hubel.cli.console import Steady, lost, say
from hubel.cli.output import print_data, print_json, table, write_file
from hubel.errors import UsageError
from hubel.store import FileOps, SaveFailed

EVIL = "evil\x1b[2J\x9b31m\u202e"
SMALL = "train digits --limit 60 --epochs 1 --model mlp --threads 1 --device cpu"


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A line of the shell in which `hubel` is this hubel."""
    line = f'hubel() {{ {shlex.quote(sys.executable)} -m hubel "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-c", line], capture_output=True, cwd=folder, env=os.environ | environment, timeout=120
    )


def test_a_console_without_our_signs_gets_others(tmp_path: Path) -> None:
    done = shell("hubel data digits", tmp_path, PYTHONIOENCODING="cp1252")
    assert (done.returncode, b"####" in done.stdout) == (0, True), done.stderr
    done.stdout.decode("cp1252")


def test_csv_and_json_are_utf8_whatever_the_console_says(capfd: pytest.CaptureFixture[str]) -> None:
    print_data("файл,猫\n")
    print_json({"file": "чай", "odd": EVIL, "bytes": "caf\udce9"}, indent=None)
    text = capfd.readouterr().out
    assert text.startswith("файл,猫\n")
    assert json.loads(text.splitlines()[1]) == {"file": "чай", "odd": EVIL, "bytes": "caf\udce9"}
    assert not set(text) & {"\x1b", "\x9b", "\u202e"}


def test_a_closed_stream_is_quiet_and_a_full_disk_costs_words_and_no_work(tmp_path: Path) -> None:
    assert shell("hubel models vgg >&- 2>&-", tmp_path).returncode == 0
    assert shell("hubel models | head -1; exit ${PIPESTATUS[0]}", tmp_path).returncode == 0
    done = shell("hubel models vgg > /dev/full", tmp_path)
    assert (done.returncode, b"could not be printed" in done.stderr) == (1, True)
    # and no docstring is needed on the way
    assert shell(f"hubel {SMALL} > /dev/full 2> /dev/full", tmp_path, PYTHONOPTIMIZE="2").returncode == 0
    assert json.loads((tmp_path / "runs" / "digits-1" / "summary.json").read_text())["status"] == "finished"


def test_a_stream_remembers_what_went_wrong_and_goes_on() -> None:
    class Broken(io.RawIOBase):
        def write(self, data: object) -> int:
            raise OSError(28, "no space left")

    stream = io.TextIOWrapper(io.BufferedWriter(Steady(Broken())))
    stream.write("a" * 100_000)
    error = lost(stream)
    assert error is not None
    assert error.errno == 28


def test_control_characters_are_shown_and_not_sent(capsys: pytest.CaptureFixture[str]) -> None:
    grid = table("name")
    grid.add_row(EVIL)
    say(EVIL)
    say(grid)
    print_data(EVIL)
    said = capsys.readouterr().out
    assert said.count("evil\\x1b[2J\\x9b31m\\u202e") == 3
    assert not set(said) & set(EVIL[4:5] + "\x9b\u202e")


def test_a_foreign_runs_names_and_summary_reach_the_terminal_as_text(
    digits_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "runs" / f"{EVIL}\n-1"
    shutil.copytree(digits_run, folder)
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("data: digits", 'data: "dig\\eits\\n"'))
    for words in (
        ["runs", "--out", str(folder.parent)],
        ["runs", "show", str(folder)],
        ["compare", *[str(folder)] * 2],
    ):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert not stop.value.code
        said = capsys.readouterr()
        assert not set(said.out + said.err) & {"\x1b", "\x9b", "\u202e"}
        assert "evil\\x1b[2J" in said.out


def test_a_file_of_the_data_is_not_written_over(tmp_path: Path) -> None:
    for name in ("ant", "bee"):
        (tmp_path / "photos" / name).mkdir(parents=True)
    picture = tmp_path / "photos" / "ant" / "0.png"
    picture.write_bytes(b"a picture")
    for target, data in (
        (picture, picture.parent.parent),
        (picture, picture),
        (picture.with_name("1.png"), tmp_path / "photos"),
    ):
        with pytest.raises(UsageError, match="belongs to the data"):
            write_file(target, b"a sheet", beside=[str(data)])
    assert picture.read_bytes() == b"a picture"
    assert write_file(tmp_path / "sheets" / "a.png", b"a sheet", beside=[str(tmp_path / "photos")]).exists()


def test_a_full_disk_leaves_the_old_picture_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: FileOps, descriptor: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    old = write_file(tmp_path / "page.html", b"the old page")
    monkeypatch.setattr(FileOps, "write", full)
    with pytest.raises(SaveFailed, match="No space left"):
        write_file(old, b"the new page")
    assert old.read_bytes() == b"the old page"
    assert os.listdir(tmp_path) == ["page.html"]


def test_no_command_writes_past_the_store() -> None:
    source = Path(main.__code__.co_filename).parent
    past = re.compile(r"\.write_(bytes|text)\(|open\([^)]*[\"'][wx]b?[\"']|\.save\(|savez")
    found = {path.name: past.findall(path.read_text()) for path in source.glob("*.py")}
    assert {name for name, calls in found.items() if calls} == {"output.py"}
    assert "RunStore(path.parent).write_bytes(" in (source / "output.py").read_text()
