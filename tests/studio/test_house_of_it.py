"""The studio as it starts and ends: its command, its address, its jobs, its events."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from hubel.errors import UsageError
from hubel.store import RunStore
from hubel.studio.jobs import FOLDER, Jobs
from hubel.studio.serving import Serving
from hubel.studio.tail import new_lines


def test_the_first_page_comes_before_torch_is_loaded(tmp_path: Path) -> None:
    code = "import sys, hubel.studio.serving, hubel.studio.home; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path).returncode == 0


def test_a_studio_has_a_token_of_its_own_and_listens_to_this_machine(tmp_path: Path) -> None:
    with Serving((str(tmp_path),), runs=str(tmp_path / "runs"), port=0) as one:
        assert one.url.startswith(f"http://127.0.0.1:{one.port}/?token=")
        assert len(one.token) >= 32
        with pytest.raises(HTTPError, match="401"):
            urlopen(f"{one.place}/api/home/about")
        asked = Request(f"{one.place}/api/home/about", headers={"authorization": f"Bearer {one.token}"})
        with urlopen(asked) as answer:
            assert json.load(answer)["folders"] == [str(tmp_path)]
        assert not one.open_to_others


@pytest.mark.parametrize(
    "wrong",
    [{"allow_hosts": ("http://x",)}, {"token": "short"}, {"token": "ä" * 20}, {"folders": ("nowhere",)}],
)
def test_what_cannot_be_is_said_before_anything_listens(wrong: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        Serving(**{"port": 0, "runs": str(tmp_path), **wrong})  # type: ignore[arg-type]


SLOW = """
import sys, time
from hubel.studio import app
from hubel.studio.asking import Route
from hubel.studio.serving import Serving
app.load = lambda module: {("GET", "slow"): Route("slow", lambda asked: time.sleep(60))}
serving = Serving(runs=sys.argv[1], port=0, token="k" * 20)
serving.run(lambda: print(serving.port, flush=True))
"""


def test_ctrl_c_ends_a_studio_at_once_whatever_is_under_way(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    command = [sys.executable, "-c", SLOW, str(tmp_path)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert server.stdout is not None
    port = int(server.stdout.readline())
    asked = []
    for path in ("/api/home/slow", "/api/events?run=run"):  # an answer that takes a minute, and a page that listens
        asked.append(socket.create_connection(("127.0.0.1", port)))
        head = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {'k' * 20}\r\n\r\n"
        asked[-1].sendall(head.encode())
    assert b"200 OK" in asked[-1].recv(200)
    told = time.monotonic()
    server.send_signal(signal.SIGINT)
    assert server.wait(30) == 0
    assert time.monotonic() - told < 2.0
    server.stdout.close()
    for each in asked:
        each.close()


def until(check, seconds: float = 60.0):  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, "not within a minute"
        time.sleep(0.05)
    return found


def test_a_job_is_a_command_that_tells_what_came_of_it(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    good, bad = jobs.start(["models", "--json"]), jobs.start(["train", "no such thing"])
    assert good.command == "hubel models --json"
    assert until(lambda: jobs.job(good.id).state != "running")
    assert jobs.job(good.id).state == "done"
    until(lambda: jobs.job(bad.id).state != "running")
    found = jobs.job(bad.id)
    assert (found.state, found.code) == ("failed", 2)
    assert "no source is called 'no such thing'" in found.said
    assert {job.id for job in Jobs(tmp_path).all()} == {good.id, bad.id}
    assert Jobs(tmp_path).job(bad.id).state == "failed", "a studio that was started later knows it too"


def test_a_job_lives_on_when_its_studio_is_killed_and_is_found_again(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from hubel.studio.jobs import Jobs;"
        "print(Jobs(Path(sys.argv[1])).start(['train', 'digits', '--epochs', '500', '--threads', '1',"
        " '--out', sys.argv[1]]).id, flush=True); time.sleep(600)"
    )
    studio = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert studio.stdout is not None
    name = studio.stdout.readline().strip()
    studio.kill()
    studio.wait()
    studio.stdout.close()
    jobs = Jobs(tmp_path)
    assert jobs.job(name).state == "running"
    run = until(lambda: jobs.job(name).run)
    assert run == "digits-1"
    until(lambda: (tmp_path / run / "events.jsonl").exists())
    process = json.loads((tmp_path / FOLDER / name / "job.json").read_text())["process"]
    os.kill(process, signal.SIGKILL)
    until(lambda: jobs.job(name).state == "ended", 2.0)
    assert not RunStore(tmp_path / run).is_held()
    assert jobs.job(name).run == run


def test_events_are_read_in_whole_lines_from_where_a_page_was(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    assert new_lines(path, 0) == (0, [], False)
    path.write_bytes(b'{"a": 1}\n{"b": 2}\n{"to')
    assert new_lines(path, 0) == (18, [b'{"a": 1}', b'{"b": 2}'], False)
    assert new_lines(path, 9) == (18, [b'{"b": 2}'], False)
    assert new_lines(path, 18) == (18, [], False)
    path.write_bytes(b'{"c": 3}\n')
    assert new_lines(path, 18) == (9, [b'{"c": 3}'], True), "a log that was cut back is read anew"
