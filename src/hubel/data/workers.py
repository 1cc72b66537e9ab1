"""Reading many pictures at once in processes of our own, each of which a hostile file may kill.

They are started as commands and not forked: a fork of a process with threads (torch has some) can hang, and a spawn by
multiprocessing runs the user's script again. A file that kills a worker, or keeps it busy for too long, is found by
halving the task it was in, and reported like any other bad file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubel.data.preprocessing import Preprocessing
from hubel.errors import DataError, HubelError

Progress = Callable[[int, int], None]
"""Called with (pictures done, pictures in all) now and then, from the calling thread."""

CHUNK = 256
SECONDS_PER_FILE = 30.0


def default_workers() -> int:
    """The processors this process may use."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:
        return max(1, os.cpu_count() or 1)


@dataclass
class _Job:
    header: str
    tasks: deque[tuple[int, list[str]]]
    answers: list[Any]
    seconds: float
    done: int = 0
    error: HubelError | None = None
    change: threading.Condition = field(default_factory=threading.Condition)

    def put(self, row: int, entries: list[Any]) -> None:
        with self.change:
            self.answers[row : row + len(entries)] = entries
            self.done += len(entries)
            self.change.notify_all()

    def fail(self, error: HubelError) -> None:
        with self.change:
            self.error = error
            self.change.notify_all()


def read_pictures(
    root: str,
    paths: Sequence[str],
    preprocessing: Preprocessing | None = None,
    *,
    pixels: tuple[str, int] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    limits: dict[str, int] | None = None,
    seconds: float = SECONDS_PER_FILE,
) -> list[Any]:
    """One entry per path, in order, as `hubel.data.worker` describes them.

    `pixels` (file, offset of row 0) is where row i of N C H W uint8 goes when there is a `preprocessing`.
    Raises DataError when the disk is full or a worker cannot be started.
    """
    count = len(paths)
    if not count:
        return []
    job = _Job(
        header=json.dumps({
            "root": root, "preprocessing": preprocessing.to_dict() if preprocessing else None,
            "pixels": pixels[0] if pixels else None, "offset": pixels[1] if pixels else 0, "limits": limits or {},
        }),
        tasks=deque((row, list(paths[row : row + CHUNK])) for row in range(0, count, CHUNK)),
        answers=[None] * count,
        seconds=seconds,
    )  # fmt: skip
    # A worker takes about as long to start as it needs for a thousand small pictures.
    helpers = [_Helper(job) for _ in range(min(workers or default_workers(), 1 + count // 500))]
    for helper in helpers:
        helper.start()
    try:
        with job.change:
            while job.done < count and job.error is None:
                job.change.wait(0.5)
                if progress is not None:
                    progress(job.done, count)
    finally:
        job.tasks.clear()
        for helper in helpers:
            helper.stop()
        for helper in helpers:
            helper.join()
    if job.error is not None:
        raise job.error
    return job.answers


class _Helper(threading.Thread):
    """One worker process and the thread that feeds it."""

    def __init__(self, job: _Job) -> None:
        super().__init__(daemon=True)
        self.job = job
        self.process: subprocess.Popen[str] | None = None
        self.stopping = False

    def run(self) -> None:
        try:
            while not self.stopping:
                try:
                    row, paths = self.job.tasks.popleft()
                except IndexError:
                    # The others may yet put back halves of a task that killed them.
                    with self.job.change:
                        if self.job.done >= len(self.job.answers) or self.job.error is not None:
                            return
                        self.job.change.wait(0.05)
                    continue
                self._work(row, paths)
        except HubelError as error:
            self.job.fail(error)
        except Exception as error:  # a fault of ours must reach the caller, not die with this thread
            self.job.fail(DataError(f"reading pictures failed: {type(error).__name__}: {error}"))
        finally:
            self.stop()

    def stop(self) -> None:
        self.stopping = True
        if self.process is not None:
            self.process.kill()

    def _work(self, row: int, paths: list[str]) -> None:
        answer, reason = self._ask(row, paths)
        if self.stopping and answer is None:
            return
        if answer is None and len(paths) == 1:
            self.job.put(row, [[None, "corrupt", reason]])
        elif answer is None:
            half = len(paths) // 2
            self.job.tasks.extend([(row, paths[:half]), (row + half, paths[half:])])
        elif answer and isinstance(answer[0], dict):
            raise DataError(
                f"cannot write the decoded pictures: {answer[0]['reason'].lower()}",
                hint="free some space, or give another place: --cache-dir or HUBEL_HOME",
            )
        else:
            self.job.put(row, answer)

    def _ask(self, row: int, paths: list[str]) -> tuple[list[Any] | None, str]:
        """The worker's answer, or None and why there is none."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        # One slow file may use up the time; a task of many quick ones never comes near it.
        clock = threading.Timer(self.job.seconds, give_up)
        clock.start()
        try:
            process.stdin.write(json.dumps({"row": row, "paths": paths}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except (BrokenPipeError, ValueError):
            line = ""
        finally:
            clock.cancel()
        if line.endswith("\n"):
            return json.loads(line), ""
        code = process.wait()
        process.stdin.close()
        process.stdout.close()
        self.process = None
        if code == 1:  # a Python error of the worker's own: no file did this
            raise DataError("a worker process that reads pictures failed", hint=_last_words(process))
        if late.is_set():
            return None, f"took longer than {self.job.seconds:.0f} seconds to decode"
        return None, "crashed the decoder"

    def _running(self) -> subprocess.Popen[str]:
        if self.process is None:
            here = str(Path(__file__).parents[2])
            environment = {
                **os.environ,
                "PYTHONPATH": os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])]),
                "OMP_NUM_THREADS": "1",
                "OPENBLAS_NUM_THREADS": "1",
                "PYTHONWARNINGS": "ignore",
            }
            try:
                self.process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "hubel.data.worker"],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
                )  # fmt: skip
            except OSError as error:
                raise DataError(f"cannot start a process to read pictures: {error}") from None
            assert self.process.stdin is not None
            self.process.stdin.write(self.job.header + "\n")
        return self.process


def _last_words(process: subprocess.Popen[str]) -> str:
    lines = process.stderr.read().strip().splitlines() if process.stderr else []
    return lines[-1] if lines else ""
