"""The command as a process: what it says, and that nothing of it is left, however it ends."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from hubel.cli import main
from hubel.errors import ArtefactError, UsageError
from hubel.verbs.serve import serve, settings_for

HUBEL = Path(sys.executable).with_name("hubel")
SECONDS = 5.0
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ends(pid: int) -> bool:
    deadline = time.monotonic() + SECONDS
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


@contextmanager
def served(run: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command and its address."""
    process = subprocess.Popen(
        [HUBEL, "serve", run, "--port", "0", "--device", "cpu", "--threads", "1", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        lines = []
        while not (found := re.search(r"ready at (\S+)", lines[-1] if lines else "")):
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            lines.append(line)
        yield process, found[1]
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


@linux
def test_told_to_stop_it_answers_what_is_under_way_and_leaves_nothing(digits_run: Path) -> None:
    token = "a-token-of-mine-0123456789"
    with served(digits_run, "--token", token) as (process, url):
        workers = children(process.pid)
        assert len(workers) == 1
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{url}/models", timeout=10)
        asked = urllib.request.Request(f"{url}/models", headers={"Authorization": f"Bearer {token}"})
        assert json.load(urllib.request.urlopen(asked, timeout=10))["models"][0]["workers"] == 1
        assert urllib.request.urlopen(f"{url}/", timeout=10).status == 200
        port = int(url.rpartition(":")[2])
        # A request under way: its last byte comes after the signal.
        raw = socket.create_connection(("127.0.0.1", port), timeout=10)
        body = b"no picture"
        raw.sendall(
            f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body[:-1]
        )
        time.sleep(0.2)
        os.kill(workers[0], signal.SIGTERM)  # as a supervisor does that tells a whole group
        started = time.monotonic()
        process.terminate()
        time.sleep(0.2)
        raw.sendall(body[-1:])
        assert raw.recv(12) == b"HTTP/1.1 422"
        raw.close()
        assert process.wait(timeout=SECONDS) == 0
        assert time.monotonic() - started < SECONDS
        assert all(ends(pid) for pid in workers)
        assert free(port)


@linux
def test_killed_it_leaves_no_worker_and_a_free_port(digits_run: Path) -> None:
    with served(digits_run, "--workers", "2") as (process, url):
        workers = children(process.pid)
        assert len(workers) == 2
        memory = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        assert memory < 150e6, "the HTTP process has loaded torch"
        process.kill()
        assert all(ends(pid) for pid in workers)
        assert free(int(url.rpartition(":")[2]))


@linux
def test_killed_while_it_starts_it_leaves_no_worker(digits_run: Path) -> None:
    process = subprocess.Popen(
        [HUBEL, "serve", digits_run, "--port", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 30
        while not (workers := children(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.3)
    finally:
        process.kill()
        process.wait()
    assert workers
    assert all(ends(pid) for pid in workers)


def said(*words: str) -> tuple[int, str]:
    with redirect_stderr(io.StringIO()) as text, redirect_stdout(text), pytest.raises(SystemExit) as stop:
        main(["serve", *words])
    return int(str(stop.value.code)), " ".join(text.getvalue().split())


def test_a_port_in_use_is_named_and_a_free_one_offered() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, text = said("some-run", "--port", str(port))
    assert code == 2
    assert f"port {port} of 127.0.0.1 is in use" in text
    offered = re.search(r"--port (\d+)", text)
    assert offered
    assert int(offered[1]) != port


def test_others_can_reach_it_only_with_a_token() -> None:
    code, text = said("some-run", "--host", "0.0.0.0")
    assert code == 2
    assert "others can reach 0.0.0.0, so a token is needed" in text
    assert "--token auto" in text
    assert "at least 16" in said("some-run", "--token", "short")[1]
    assert len(settings_for("x", token="auto").token) >= 32
    assert settings_for("x", token="auto").token != settings_for("x", token="auto").token


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], "a run is needed"),
        (["--model", "cats"], "--model must be NAME=RUN, got 'cats'"),
        (["--model", "a=x", "--model", "a=y"], "two models are called 'a'"),
        (["--model", "a/b=x"], "the name of a model must have"),
        (["r", "--allow-host", "a b"], "--allow-host must be NAME or NAME:PORT"),
        (["r", "--host", "a..b", "--token", "auto"], "there is no address called"),
        (["r", "--port", "70000"], "--port must be"),
    ],
)
def test_what_cannot_be_is_said_before_anything_starts(words: list[str], wanted: str) -> None:
    code, text = said(*words)
    assert code == 2
    assert wanted in text


def test_a_run_that_is_not_there_ends_the_command_as_it_ends_others(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="there is no run"):
        serve(tmp_path / "none", port=0, block=False)
    with pytest.raises(UsageError, match="a run is needed, its folder or its name, got int"):
        serve(3, port=0)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="workers must be at least 1"):
        serve("x", port=0, workers=0)
