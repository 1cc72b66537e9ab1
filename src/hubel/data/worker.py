"""A process that reads and decodes pictures and knows nothing else: python -m hubel.data.worker

It speaks JSON lines. The first line of its input is the job: root folder, preprocessing, the file to write pixels to,
the file to mark with the path it is at. Each further line is a task (first row, paths); it answers each with one line,
a list with one entry per path:

    [[size, modified, changed], digest, [width, height, …]]     a good picture (as `Look.plain`); its pixels are written
    [[size, modified, changed] or null, kind, reason]           a bad one; its pixels stay 0

A picture that kills this process kills nothing else. It has no torch in it, so that starting it costs little.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import sys
import warnings
from typing import Any, TextIO

import numpy as np

from hubel.data.images import BadPicture, decode, digest, read_bytes
from hubel.data.preprocessing import Preprocessing

MEMORY = 3 << 30
"""Bytes of address space; a picture that wants more gets a MemoryError and not the machine."""


def read_one(
    path: str, preprocessing: Preprocessing | None, limits: dict[str, int]
) -> tuple[list[Any], np.ndarray | None]:
    """One file: (the entry of the answer, its pixels H W C or None)."""
    about = None
    try:
        data, status = read_bytes(path)
        about = list(status)
        look, pixels = decode(data, preprocessing, **limits)
    except BadPicture as bad:
        return [about, bad.kind, bad.reason], None
    return [about, digest(data), look.plain], pixels


def serve(tasks: TextIO, answers: TextIO) -> None:
    """Answer tasks until the input ends."""
    job = json.loads(tasks.readline())
    preprocessing = Preprocessing.from_dict(job["preprocessing"]) if job["preprocessing"] else None
    out = os.open(job["pixels"], os.O_WRONLY | getattr(os, "O_BINARY", 0)) if job["pixels"] else None
    mark = _opened_mark(job["mark"])
    for line in tasks:
        task = json.loads(line)
        paths = task["paths"]
        block = None  # N H W C, as pictures are decoded, and as most nets are fed
        if preprocessing is not None:
            block = np.zeros((len(paths), preprocessing.height, preprocessing.width, preprocessing.channels), np.uint8)
        answer: list[Any] = []
        for i, path in enumerate(paths):
            mark[:4] = i.to_bytes(4)
            entry, pixels = read_one(os.path.join(job["root"], path), preprocessing, job["limits"])
            answer.append(entry)
            if block is not None and pixels is not None:
                block[i] = pixels
        if out is not None and block is not None:
            # Written, not mapped: a full disk is an error here and would be a SIGBUS there.
            try:
                _write_all(out, block, job["offset"] + task["row"] * block[0].nbytes)
            except OSError as error:
                answer = [{"errno": error.errno, "reason": error.strerror or str(error)}]
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _opened_mark(path: str) -> mmap.mmap | bytearray:
    """Four bytes that others read, also when this process has been killed: which path of the task it is at."""
    if not path:
        return bytearray(4)
    with open(path, "r+b") as file:
        return mmap.mmap(file.fileno(), 4)


def _write_all(file: int, block: np.ndarray, offset: int) -> None:
    view = block.data.cast("B")
    os.lseek(file, offset, os.SEEK_SET)
    while len(view):
        view = view[os.write(file, view) :]


def main() -> None:
    """Set this process up to meet hostile files, then serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; our input then ends
    warnings.simplefilter("ignore")  # Pillow's remarks about odd files become reasons or nothing
    try:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY if hard < 0 else min(MEMORY, hard), hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):  # no such limits on this system
        pass
    serve(sys.stdin, sys.stdout)


if __name__ == "__main__":
    main()
