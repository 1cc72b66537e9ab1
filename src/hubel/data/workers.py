"""Reading many pictures at once in processes of our own, each of which a hostile file may kill.

They are started as commands and not forked: a fork of a process with threads (torch has some) can hang, and a spawn by
multiprocessing runs the user's script again. A worker marks which file it is at: one that kills it, or keeps it busy
for too long, is tried once more by itself, and then reported like any other bad file.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np

from hubel.data.cache import NoRoom, Progress
from hubel.data.images import pixel_limit
from hubel.data.preprocessing import Preprocessing
from hubel.data.spread import Part, elsewhere, read_over, read_part
from hubel.errors import DataError, HubelError

CHUNK_FILES, CHUNK_BYTES = 256, 16 << 20
"""A task ends at so many files, bytes to read or bytes of pixels: small enough to share out evenly."""
SECONDS = 60.0
"""A task that takes longer is divided; a single file that takes longer is refused."""


def default_workers() -> int:
    """The processors this process may use."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:
        return max(1, os.cpu_count() or 1)


@dataclass
class _Job:
    header: dict[str, Any]
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
    sizes: np.ndarray | None = None,
    limits: dict[str, int] | None = None,
    seconds: float = SECONDS,
) -> list[Any]:
    """One entry per path, in order, as `hubel.data.worker` describes them.

    `pixels` (file, offset of row 0) is where row i of N H W C uint8 goes when there is a `preprocessing`; `sizes` are
    the files' sizes in bytes, by which the work is shared out; `limits` go to `hubel.data.images.decode`. Many pictures
    are read where `hubel.data.afar.reading_over` says.
    Raises DataError when the disk is full or a worker cannot be started.
    """
    count = len(paths)
    if not count:
        return []
    limits = {"max_pixels": pixel_limit()} | (limits or {})
    if (over := elsewhere(count)) is not None:
        header = {"root": root, "preprocessing": preprocessing, "limits": limits}
        row = int(np.prod(preprocessing.shape)) if preprocessing else 0
        return read_over(over, part_reader, header, _tasks(paths, sizes, preprocessing), count, pixels, row, progress)
    job = _Job(
        header={
            "root": root, "preprocessing": preprocessing.to_dict() if preprocessing else None,
            "pixels": pixels[0] if pixels else None, "offset": pixels[1] if pixels else 0, "limits": limits,
        },
        tasks=deque(_tasks(paths, sizes, preprocessing)),
        answers=[None] * count,
        seconds=seconds,
    )  # fmt: skip
    # A worker takes about as long to start as it needs for a thousand small pictures, or some large ones.
    worth = max(count // 500, len(job.tasks) // 2)
    helpers = [_Helper(job) for _ in range(min(workers or default_workers(), 1 + worth))]
    for helper in helpers:
        helper.start()
    try:
        with job.change:
            while job.done < count and job.error is None:
                job.change.wait(0.5)
                if progress is not None:
                    progress(job.done, count)
    finally:
        if job.done < count:
            job.tasks.clear()
            for helper in helpers:
                helper.stop()
        for helper in helpers:
            helper.join()
    if job.error is not None:
        raise job.error
    return job.answers


def part_reader() -> Callable[[Part], tuple[list[Any], bytes]]:
    """What reads, at a place of a cluster, its parts of the pictures: with one worker, since it has one core."""

    def read(part: Part) -> tuple[list[Any], bytes]:
        about = part.header
        return read_part(part, lambda paths, pixels: read_pictures(
            about["root"], paths, about["preprocessing"], pixels=pixels, workers=1, limits=about["limits"],
        ))  # fmt: skip

    return read


def _tasks(
    paths: Sequence[str], sizes: np.ndarray | None, preprocessing: Preprocessing | None
) -> Iterator[tuple[int, list[str]]]:
    """(first row, paths) of each task."""
    pixels = int(np.prod(preprocessing.shape)) if preprocessing else 0
    # What a task costs before its i-th file, counted in whole tasks; a new one begins at every whole number.
    cost = np.full(len(paths), max(1 / CHUNK_FILES, pixels / (2 * CHUNK_BYTES)))
    if sizes is not None:
        cost = np.maximum(cost, np.asarray(sizes) / CHUNK_BYTES)
    task = np.floor(np.cumsum(cost) - cost + 1e-9)
    starts = [0, *(np.flatnonzero(np.diff(task)) + 1).tolist(), len(paths)]
    for start, end in pairwise(starts):
        yield start, list(paths[start:end])


class _Helper(threading.Thread):
    """One worker process and the thread that feeds it."""

    def __init__(self, job: _Job) -> None:
        super().__init__(daemon=True)
        self.job = job
        self.process: subprocess.Popen[str] | None = None
        self.stopping = False
        # A file and no pipe: libtiff writes remarks there that nobody reads, and a full pipe would hold it up.
        self.words: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        descriptor, self.mark = tempfile.mkstemp(prefix="hubel-", suffix=".mark")
        os.write(descriptor, bytes(4))
        os.close(descriptor)

    def run(self) -> None:
        try:
            while not self.stopping:
                try:
                    row, paths = self.job.tasks.popleft()
                except IndexError:
                    # The others may yet put back parts of a task that killed them.
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
            self._dismiss()
            self.words.close()
            with contextlib.suppress(OSError):
                os.unlink(self.mark)

    def stop(self) -> None:
        """End at once; what the worker is doing is not wanted any more."""
        self.stopping = True
        process = self.process
        if process is not None:
            process.kill()

    def _dismiss(self) -> int:
        """Let the worker go: its input ends, and so does it. Returns its exit code."""
        process, self.process = self.process, None
        if process is None:
            return 0
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            code = process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        process.stdout.close()
        return code

    def _work(self, row: int, paths: list[str]) -> None:
        answer, reason = self._ask(row, paths)
        if self.stopping and answer is None:
            return
        if answer is None and len(paths) == 1:
            self.job.put(row, [[None, "corrupt", reason]])
        elif answer is None:
            self.job.tasks.extend(self._divided(row, paths))
        elif answer and isinstance(answer[0], dict):
            raise NoRoom(
                f"cannot write the decoded pictures: {answer[0]['reason'].lower()}",
                hint="free some space, or name another place: HUBEL_HOME",
            )
        else:
            self.job.put(row, answer)

    def _divided(self, row: int, paths: list[str]) -> list[tuple[int, list[str]]]:
        """A task that failed, in parts: the file it failed at, those behind it, and in two those that went well."""
        at = min(int.from_bytes(Path(self.mark).read_bytes()), len(paths) - 1)
        places = sorted({0, at // 2, at, at + 1, len(paths)})
        return [(row + start, paths[start:end]) for start, end in pairwise(places)]

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
        code = self._dismiss()
        if code == 1 and not self.stopping:  # a Python error of the worker's own: no file did this
            raise DataError("a process that reads pictures failed", hint=self._last_words())
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
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.words, text=True, env=environment,
                )  # fmt: skip
            except OSError as error:
                raise DataError(
                    f"cannot start a process to read pictures: {error}",
                    hint="too little memory, or too many processes? --workers 1 starts one",
                ) from None
            assert self.process.stdin is not None
            self.process.stdin.write(json.dumps(self.job.header | {"mark": self.mark}) + "\n")
            if self.stopping:  # asked to stop while it was starting
                self.process.kill()
        return self.process

    def _last_words(self) -> str:
        self.words.seek(0)
        lines = self.words.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""
