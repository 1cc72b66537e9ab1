"""Places that are processes started by this one, as a command of ours; plain data goes in and out as JSON lines.

They are started and not forked: a fork of a process with threads (torch has some) can hang. Each computes with one
thread. A process that ends costs the job it had, which is given to another; a job that has ended two is given up.

    with Children("hubel.book.worker", 2) as places:       # at whose end stands: serve(what_does_a_job)
        places.give(1, lambda: {"number": "4.1"})
        places.take().result
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from hubel.errors import HubelError
from hubel.runtime.places import Done, Several


class Children(Several):
    """Up to `most` processes `python -m module`, begun when there are jobs for them; they end with the `with`."""

    losses = 2

    def __init__(self, module: str, most: int) -> None:
        super().__init__()
        self.module, self.most = module, most
        self._idle: list[_Process] = []
        self._away: dict[_Process, int] = {}
        self._said: queue.Queue[tuple[_Process, str]] = queue.Queue()

    @property
    def free(self) -> bool:
        """Would another job be begun at once?"""
        return len(self._away) + len(self._waiting) < self.most

    def take(self) -> Done:
        """Wait for the next job that is done. Raises HubelError where no process can be started."""
        while True:
            process, line = self._said.get()
            key = self._away.pop(process)
            if line.endswith("\n"):
                self._idle.append(process)
                done = Done(key, json.loads(line))
            else:
                process.end()
                self.lost += 1
                if self._again(key):
                    self._send()
                    continue
                error = HubelError(f"{self.losses} processes ended before they had done it (out of memory?)")
                done = Done(key, error=error, given_up=True)
            del self._given[key]
            self._send()
            return done

    def _send(self) -> None:
        while self._waiting and len(self._away) < self.most:
            process = self._idle.pop() if self._idle else _Process(self.module, self._said)
            key, job = self._waiting.popleft()
            self._away[process] = key
            process.ask(json.dumps(job()) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in [*self._idle, *self._away]:
            process.end()


class _Process:
    """One of them, and the thread that listens to it: every line, and "" when it has ended, goes to `said`."""

    def __init__(self, module: str, said: queue.Queue[tuple[_Process, str]]) -> None:
        ours = str(Path(__file__).parents[2])
        paths = os.pathsep.join([ours, *filter(None, [os.environ.get("PYTHONPATH")])])
        try:
            self.child = subprocess.Popen(  # noqa: S603
                [sys.executable, "-P", "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                stderr=subprocess.DEVNULL, encoding="utf-8",
                env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
            )  # fmt: skip
        except OSError as error:
            raise HubelError(
                f"cannot start a process: {error}", hint="too little memory, or too many processes? fewer workers"
            ) from None
        threading.Thread(target=self._listen, args=(said,), daemon=True).start()

    def _listen(self, said: queue.Queue[tuple[_Process, str]]) -> None:
        assert self.child.stdout is not None
        with contextlib.suppress(ValueError):  # closed by `end`
            for line in self.child.stdout:
                said.put((self, line))
        said.put((self, ""))

    def ask(self, line: str) -> None:
        """Give it a job; one that has ended is noticed by who listens."""
        assert self.child.stdin is not None
        with contextlib.suppress(OSError):
            self.child.stdin.write(line)
            self.child.stdin.flush()

    def end(self) -> None:
        """End it at once: what it is doing is not wanted any more."""
        self.child.kill()
        self.child.wait()
        for pipe in (self.child.stdin, self.child.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()


def serve(do: Callable[[Any], Any]) -> None:
    """What such a process does: jobs, one line after the other, until its input ends, and then it is gone at once.

    What jobs print goes nowhere; a job that raises ends the process.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    jobs: queue.Queue[str] = queue.Queue()

    def listen() -> None:
        for line in sys.stdin:
            jobs.put(line)
        os._exit(0)  # whoever asked is gone: nobody wants what is being done

    threading.Thread(target=listen, daemon=True).start()
    while True:
        answers.write(json.dumps(do(json.loads(jobs.get()))) + "\n")
        answers.flush()
