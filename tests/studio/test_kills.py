"""Whoever is killed, studio or training, at whatever instant: pages say so within two seconds, and nothing is lost."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from hubel.records.ledger import runs as runs_in
from hubel.store import RunStore
from studio.test_house_of_it import until

TOKEN = "k" * 20
HEAD = {"authorization": f"Bearer {TOKEN}", "x-hubel": "1"}
WITHIN = 2.0
"""Seconds in which a page says that somebody is gone."""
KILLS = int(os.environ.get("HUBEL_KILLS", "50"))
STUDIO = """
import sys
from hubel.studio import serving
serving.warm = lambda studio: None  # nothing here needs torch
serving.Serving(runs=sys.argv[1], port=int(sys.argv[2]), token="k" * 20).run(lambda: print("ready", flush=True))
"""
TRAINING = """
import json, sys, time
from hubel.store import RunStore
store = RunStore.open(sys.argv[1])
with store.lock():
    for number in range(10**6):
        store.append_line("events.jsonl", json.dumps({"event": "pace", "number": number}))
        time.sleep(0.003)
"""
"""What a studio sees of a training: a lock that is held, and lines."""


class Page:
    """What a page does, without a browser: it follows a run from the byte where it was, and comes again."""

    def __init__(self, port: int, run: str) -> None:
        self.port, self.run = port, run
        self.lines: list[Any] = []
        self.alive: bool | None = None
        self.lost = True
        self._seen = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def says(self, *, lost: bool | None = None, alive: bool | None = None, within: float = 60.0) -> float:
        """Wait until it says so; the seconds it took."""
        began = time.monotonic()
        until(lambda: lost in (None, self.lost) and alive in (None, self.alive), within)
        return time.monotonic() - began

    def close(self) -> None:
        self._over.set()
        self._thread.join(10)

    def _follow(self) -> None:
        while not self._over.is_set():
            with suppress(OSError, http.client.HTTPException):
                self._listen()
            self.lost = True
            time.sleep(0.05)

    def _listen(self) -> None:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        line.request("GET", f"/api/events?run={self.run}&after={self._seen}", headers=HEAD)
        answer = line.getresponse()
        if answer.status != 200:
            raise OSError(answer.status)
        self.lost = False
        number, event = self._seen, ""
        while not self._over.is_set() and (text := answer.readline()):
            name, _, value = text.decode().rstrip("\n").partition(": ")
            if name == "id":
                number = int(value)
            elif name == "event":
                event = value
            elif name == "data":
                self._take(event, json.loads(value), number)
        line.close()

    def _take(self, event: str, said: Any, number: int) -> None:
        if event == "lines":
            self.lines += said
            self._seen = number
        elif event == "anew":
            self.lines, self._seen = [], 0
        elif event == "alive":
            self.alive = said


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A process that can be killed, and is in the end."""
    found = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True, cwd=arguments[0]
    )  # fmt: skip
    try:
        yield found
    finally:
        found.kill()
        found.wait()
        assert found.stdout is not None
        found.stdout.close()


def written(run: Path) -> list[Any]:
    return [json.loads(line) for line in (run / "events.jsonl").read_bytes().splitlines()]


def test_a_page_that_comes_again_after_each_death_of_its_studio_has_every_line_once(tmp_path: Path) -> None:
    run, port = tmp_path / "run", free_port()
    run.mkdir()
    page, chance = Page(port, "run"), random.Random(0)
    with process(TRAINING, run):
        for _ in range(6):
            with process(STUDIO, tmp_path, port) as studio:
                assert studio.stdout is not None
                assert studio.stdout.readline()
                page.says(lost=False)
                time.sleep(chance.random() * 0.3)
                studio.kill()
                assert page.says(lost=True, within=WITHIN) < WITHIN
    with process(STUDIO, tmp_path, port) as studio:
        assert studio.stdout is not None
        assert studio.stdout.readline()
        whole = written(run)
        until(lambda: len(page.lines) >= len(whole))
        page.close()
    assert page.lines == whole
    assert [line["number"] for line in whole] == list(range(len(whole)))


def test_a_page_says_that_a_training_is_gone_whenever_it_is_killed(tmp_path: Path) -> None:
    run, port = tmp_path / "run", free_port()
    run.mkdir()
    with process(STUDIO, tmp_path, port) as studio:
        assert studio.stdout is not None
        assert studio.stdout.readline()
        page, chance = Page(port, "run"), random.Random(1)
        for _ in range(4):
            with process(TRAINING, run) as training:
                page.says(alive=True)
                time.sleep(chance.random() * 0.2)
                training.kill()
                assert page.says(alive=False, within=WITHIN) < WITHIN
        until(lambda: page.lines == written(run))
        page.close()


def asked(port: int, path: str, body: Any = None) -> Any:
    """What the studio answers; None while it does not."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        kind = {"content-type": "application/json", "origin": f"http://127.0.0.1:{port}"}
        line.request("GET" if body is None else "POST", path, json.dumps(body or {}), HEAD | kind)
        answer = line.getresponse()
        found = json.loads(answer.read())
        assert answer.status == 200, found
        return found
    except (OSError, http.client.HTTPException):
        return None
    finally:
        line.close()


REAL = """
import sys
from hubel.cli import main
main(["studio", "--no-browser", "--port", sys.argv[2], "--runs", sys.argv[1]])
"""


@pytest.mark.slow
def test_studios_and_trainings_killed_at_any_instant_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBEL_TOKEN", TOKEN)
    port, chance, took = free_port(), random.Random(2), []
    page, taken_up = None, 0
    while len(took) < KILLS:
        with process(REAL, tmp_path, port) as studio:
            assert studio.stdout is not None
            assert "studio is at" in studio.stdout.readline()
            alive = True
            while alive and len(took) < KILLS:
                if page is None or not RunStore(tmp_path / page.run).is_held():
                    page, again = trained(port, tmp_path, page)
                    taken_up += again
                page.says(lost=False, alive=True)
                time.sleep(chance.random() * 1.5)
                if alive := chance.random() < 0.5:
                    if not RunStore(tmp_path / page.run).is_held():
                        continue  # it has just ended by itself
                    os.kill(int((tmp_path / page.run / ".lock").read_text()), signal.SIGKILL)
                    took.append(page.says(alive=False, within=WITHIN))
                else:
                    studio.kill()
                    took.append(page.says(lost=True, within=WITHIN))
    with process(REAL, tmp_path, port) as studio:
        assert studio.stdout is not None
        assert studio.stdout.readline()
        assert page is not None
        last = page
        if RunStore(tmp_path / last.run).is_held():
            os.kill(int((tmp_path / last.run / ".lock").read_text()), signal.SIGINT)
        last.says(lost=False, alive=False)
        until(lambda: last.lines == written(tmp_path / last.run))
        last.close()
        listed = {row["run"] for row in asked(port, "/api/runs/list")["runs"]}
    assert max(took) < WITHIN
    assert listed == {row["run"] for row in runs_in(tmp_path).rows} == {each.name for each in tmp_path.glob("digits-*")}
    print(
        f"{len(took)} kills, {taken_up} times taken up again, said within {max(took):.2f} s, {len(listed)} runs, "
        "no line lost"
    )


def trained(port: int, folder: Path, page: Page | None) -> tuple[Page, bool]:
    """A page on a training that goes on: the one of before if it has not finished, else another."""
    again = page is not None and not (folder / page.run / "report.html").exists()
    if again:
        assert page is not None
        job = asked(port, "/api/train/resume", {"run": page.run})
    else:
        settings = {"epochs": "150", "threads": "1", "model_options": "width=0.2"}
        job = asked(port, "/api/train/start", {"data": "digits", "settings": settings})

    def known() -> Any:
        found = next(each for each in asked(port, "/api/home/jobs") if each["id"] == job["id"])
        return found if found["run"] or found["state"] != "running" else None

    run = until(known)["run"]
    assert run, "it did not start"
    if page is not None and page.run == run:
        return page, again
    if page is not None:
        page.close()
    return Page(port, run), again
