"""A child process with bounds, for tests that read what may crash, hang or swell: it reports in lines of text."""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


def lines_of(work: Callable[[TextIO], None], *, memory: int, at: Path) -> list[str]:
    """What `work` wrote in a forked child that may take `memory` bytes more than now; where it died, if it did.

    `work` keeps in the file `at` what it is reading.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            with os.fdopen(writing, "w") as answers:
                _bounded(work, answers, memory)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(70)
    os.close(writing)
    with os.fdopen(reading) as answers:
        said = answers.read().splitlines()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return said + ([] if code == 0 else [f"the reader ended with {code} at {at.read_text()}"])


def _bounded(work: Callable[[TextIO], None], answers: TextIO, memory: int) -> None:
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + memory, now + memory))
    warnings.simplefilter("ignore")
    faulthandler.enable(sys.__stderr__)
    work(answers)


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in what takes longer."""

    def hang(number: int, frame: object) -> None:
        raise TimeoutError(f"more than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def told(error: BaseException) -> str:
    """An error in one line, with the last line of ours that it came through."""
    entries = traceback.extract_tb(error.__traceback__)
    last = next((entry for entry in reversed(entries) if "/hubel/" in entry.filename), entries[-1])
    return f"{type(error).__name__}: {str(error)[:150]!r} at {os.path.basename(last.filename)}:{last.lineno}"
