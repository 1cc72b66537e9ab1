"""Work that outlives the page that began it: a child process of the same command line for each job.

    RUNS/.studio/ID/job.json   what was started, by whom and when
                    out.log    what it printed
                    .lock      held by the child as long as it lives: no process number can be mistaken for another

A job is found again by a studio that was started after the one that began it was killed.
"""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubel.errors import ArtefactError, HubelError, UsageError
from hubel.store import RunStore

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows: there a job is known to live as long as the studio lives
    fcntl = None  # type: ignore[assignment]

FOLDER = ".studio"
SHOWN = 4_000
"""Bytes of what a job printed that are shown, the last ones."""
LISTED = 30
"""Jobs that are listed, the last ones."""
STATES = ("running", "done", "failed", "ended")
""" "ended": nobody was there to see how."""


@dataclass(frozen=True)
class Job:
    """One child process, as far as is known."""

    id: str
    command: str
    """As it could be typed."""
    kind: str
    """The command's name: "train"."""
    state: str
    began: float
    """Seconds since 1970."""
    run: str = ""
    """The run that it trains, once its folder is there."""
    code: int | None = None
    said: str = ""
    """The end of what it printed."""


class Child(subprocess.Popen[bytes]):
    """A process that may outlive whoever began it: Python's warning of one that is left running is not for it."""

    def __del__(self) -> None:
        """Let it go on."""


class Jobs:
    """The jobs whose folder is below `runs`."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self._children: dict[str, Child] = {}

    def start(self, arguments: list[str]) -> Job:
        """Run `hubel ARGUMENTS` in a session of its own; nothing of it goes through a shell."""
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
        store = self._store(name, make=True)
        lock = os.open(store.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        log = os.open(store.folder / "out.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX)
            child = Child(  # a list, no shell
                [sys.executable, "-m", "hubel", *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, pass_fds=(lock,),
                env=os.environ | {"NO_COLOR": "1", "COLUMNS": "100"},
            )  # fmt: skip
        finally:
            os.close(lock)
            os.close(log)
        self._children[name] = child
        store.write_json("job.json", {"arguments": arguments, "process": child.pid, "began": time.time()})
        return self.job(name)

    def job(self, name: str) -> Job:
        """How it stands with one; raises ArtefactError for none."""
        store = self._store(name)
        facts = store.read_json("job.json")
        arguments = [str(word) for word in facts["arguments"]]
        run = facts.get("run", "") or self._run_of(facts)
        if run and not facts.get("run"):
            store.write_json("job.json", {**facts, "run": run})
        code = facts.get("code")
        child = self._children.get(name)
        if code is None and child is not None and (code := child.poll()) is not None:
            store.write_json("job.json", {**store.read_json("job.json"), "code": code})
        alive = code is None and (store.is_held() if fcntl is not None else child is not None)
        state = "running" if alive else "ended" if code is None else "failed" if code else "done"
        return Job(
            id=name, command=spoken(arguments), kind=arguments[0] if arguments else "", state=state,
            began=float(facts["began"]), run=run, code=code, said=_end(store.path("out.log")),
        )  # fmt: skip

    def all(self) -> list[Job]:
        """The last jobs, the latest first."""
        folder = self.runs / FOLDER
        names = (
            sorted((each.name for each in folder.iterdir() if each.is_dir()), reverse=True) if folder.is_dir() else []
        )
        found = []
        for name in names[:LISTED]:
            with suppress(HubelError, KeyError, TypeError, ValueError):
                found.append(self.job(name))
        return found

    def stop(self, name: str) -> Job:
        """Ask a job to end as Ctrl-C does; a training saves first. Nothing happens to one that has ended."""
        job = self.job(name)
        if job.state == "running":
            number = self._store(name).read_json("job.json")["process"]
            with suppress(ProcessLookupError):
                os.kill(int(number), signal.SIGINT)
        return job

    def _store(self, name: str, *, make: bool = False) -> RunStore:
        if not name or "/" in name or "\\" in name or name.startswith("."):
            raise UsageError(f"{name[:60]!r} is no job")
        folder = self.runs / FOLDER / name
        if make:
            folder.mkdir(parents=True, exist_ok=False)
        elif not (folder / "job.json").is_file():
            raise ArtefactError(f"there is no job {name[:60]!r}")
        return RunStore(folder)

    def _run_of(self, facts: dict[str, Any]) -> str:
        """The run whose folder the job's process holds or held: its number stands in the lock since the job began."""
        number = str(facts["process"])
        with suppress(OSError):
            for folder in self.runs.iterdir():
                lock = folder / ".lock"
                with suppress(OSError):
                    if lock.stat().st_mtime >= float(facts["began"]) - 1 and lock.read_text().strip() == number:
                        return folder.name
        return ""


def spoken(arguments: list[str]) -> str:
    """A command as it could be typed.

    >>> spoken(["train", "my photos", "--lr", "0.1"])
    "hubel train 'my photos' --lr 0.1"
    """
    return shlex.join(["hubel", *arguments])


def _end(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - SHOWN))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
