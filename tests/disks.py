"""Disks that fail on purpose: they cut, refuse, fill up, die, or remember, at the n-th operation of a save."""

from __future__ import annotations

import errno
import itertools
import os
import random
import signal
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hubel.store import FileOps

OPERATIONS = (
    "mkdir",
    "create",
    "reuse",
    "append",
    "write",
    "truncate",
    "fsync",
    "close",
    "rename",
    "unlink",
    "fsync_folder",
)


class Counting(FileOps):
    """Calls `at(n, name, arguments)` before the n-th operation (from 1)."""

    def __init__(self, at: Callable[[int, str, tuple[Any, ...]], None] = lambda n, name, arguments: None) -> None:
        self.at = at
        self.count = 0


def _counted(name: str) -> Callable[..., Any]:
    def operation(self: Counting, *arguments: Any) -> Any:
        self.count += 1
        self.at(self.count, name, arguments)
        return getattr(FileOps, name)(self, *arguments)

    return operation


for _name in OPERATIONS:
    setattr(Counting, _name, _counted(_name))


def killing(when: int) -> Counting:
    """SIGKILLs its own process at operation `when`; a write is cut in the middle."""

    def at(n: int, name: str, arguments: tuple[Any, ...]) -> None:
        if n == when:
            if name == "write":
                os.write(arguments[0], arguments[1][: len(arguments[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)

    return Counting(at)


def failing(when: int, number: int) -> Counting:
    """Answers operation `when` with the error `number`, and notes fsyncs of a descriptor that has failed before."""
    ops = Counting()
    ops.retried = []  # type: ignore[attr-defined]
    broken: set[int] = set()

    def at(n: int, name: str, arguments: tuple[Any, ...]) -> None:
        if name in ("create", "reuse", "append"):
            broken.clear()  # numbers of descriptors are used again
        if name in ("write", "fsync") and arguments[0] in broken:
            ops.retried.append((n, name))  # type: ignore[attr-defined]
        if n == when:
            if name in ("write", "fsync"):
                broken.add(arguments[0])
            if name == "close":
                os.close(arguments[0])
            raise OSError(number, os.strerror(number))

    ops.at = at
    return ops


class Full(FileOps):
    """A disk with room for `budget` more bytes: the write that crosses it is short, the next one fails."""

    def __init__(self, budget: int) -> None:
        self.left = budget

    def write(self, descriptor: int, data: memoryview) -> int:
        if not self.left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = super().write(descriptor, data[: self.left])
        self.left -= taken
        return taken


def in_child(work: Callable[[], object]) -> int:
    """Run `work` in a forked process; its exit code, negative for a signal. 70 stands for an exception."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forks beside threads
        child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(70)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Recording(FileOps):
    """Remembers every operation with its bytes, so that `power_losses` can tell what a power cut might leave."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log: list[tuple[Any, ...]] = []
        self._open: dict[int, int] = {}
        self._named: dict[str, int] = {}
        self._inodes = itertools.count()

    def _rel(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def mkdir(self, path: Path) -> None:
        super().mkdir(path)
        self.log.append(("mkdir", self._rel(path)))

    def create(self, path: Path) -> int:
        descriptor = super().create(path)
        self._open[descriptor] = self._named[self._rel(path)] = next(self._inodes)
        self.log.append(("create", self._rel(path), self._open[descriptor]))
        return descriptor

    def reuse(self, path: Path) -> int:
        descriptor = super().reuse(path)
        self._open[descriptor] = self._named[self._rel(path)]
        self.log.append(("reuse", self._open[descriptor]))
        return descriptor

    def truncate(self, descriptor: int, size: int) -> None:
        super().truncate(descriptor, size)
        self.log.append(("truncate", self._open[descriptor], size))

    def write(self, descriptor: int, data: memoryview) -> int:
        taken = super().write(descriptor, data)
        self.log.append(("write", self._open[descriptor], bytes(data[:taken])))
        return taken

    def fsync(self, descriptor: int) -> None:
        super().fsync(descriptor)
        self.log.append(("fsync", self._open[descriptor]))

    def rename(self, old: Path, new: Path) -> None:
        super().rename(old, new)
        self._named[self._rel(new)] = self._named.pop(self._rel(old))
        self.log.append(("rename", self._rel(old), self._rel(new)))

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        self.log.append(("unlink", self._rel(path)))

    def fsync_folder(self, path: Path) -> None:
        super().fsync_folder(path)
        self.log.append(("fsync_folder", self._rel(path)))


Disk = dict[str, bytes]


def power_losses(log: list[tuple[Any, ...]], first: int, cap: int, seed: int = 0) -> Iterator[tuple[int, Disk]]:
    """(operations done, files on the disk) for power cuts after operation `first` and later.

    Weak rules, as in ALICE (OSDI 2014): any subset of the changes of names since the folder's last fsync may be there;
    the bytes of a file that was not fsynced may all be there, or half (the rest as before), or none, or zeros in their
    place. At most `cap` states; each crash point gets its share, drawn at random where there are more.
    """
    points = range(first, len(log) + 1)
    draw = random.Random(seed)
    for done in points:
        names: dict[str, int] = {}  # what is surely on the disk: path -> inode
        waiting: dict[str, list[tuple[str, str, int]]] = {}  # folder -> changes of its names that are not fsynced
        now: dict[str, int] = {}  # what the running system sees
        data: dict[int, bytes] = {}
        at: dict[int, int] = {}  # where the next byte goes
        synced: dict[int, bytes] = {}
        for entry in log[:done]:
            kind = entry[0]
            if kind == "create":
                now[entry[1]], data[entry[2]], synced[entry[2]] = entry[2], b"", b""
                at[entry[2]] = 0
                waiting.setdefault(_folder(entry[1]), []).append(("add", entry[1], entry[2]))
            elif kind == "reuse":
                at[entry[1]] = 0
            elif kind == "write":
                start = at[entry[1]]
                at[entry[1]] = end = start + len(entry[2])
                data[entry[1]] = data[entry[1]][:start] + entry[2] + data[entry[1]][end:]
            elif kind == "truncate":
                data[entry[1]] = data[entry[1]][: entry[2]]
            elif kind == "fsync":
                synced[entry[1]] = data[entry[1]]
            elif kind == "rename":
                inode = now.pop(entry[1])
                now[entry[2]] = inode
                waiting.setdefault(_folder(entry[1]), []).append(("move", f"{entry[1]}>{entry[2]}", inode))
            elif kind == "unlink":
                waiting.setdefault(_folder(entry[1]), []).append(("drop", entry[1], now.pop(entry[1])))
            elif kind == "fsync_folder":
                for change in waiting.pop(entry[1], []):
                    _apply(names, change)
        pending = [change for changes in waiting.values() for change in changes]
        share = max(1, cap // len(points))
        subsets = list(itertools.islice(itertools.product((False, True), repeat=min(len(pending), 10)), 1024))
        draw.shuffle(subsets)
        made = 0
        for subset in subsets:
            tree = dict(names)
            for change, there in zip(pending[-10:], subset, strict=True):
                if there:
                    _apply(tree, change)
            loose = [inode for inode in set(tree.values()) if synced[inode] != data[inode]]
            for torn in itertools.product(range(4), repeat=len(loose)):
                content = dict(synced)
                for inode, way in zip(loose, torn, strict=True):
                    whole = data[inode]
                    half = len(whole) // 2
                    content[inode] = (whole, whole[:half] + synced[inode][half:], synced[inode], bytes(len(whole)))[way]
                yield done, {path: content[inode] for path, inode in tree.items()}
                made += 1
                if made >= share:
                    break
            if made >= share:
                break


def _folder(path: str) -> str:
    return path.rpartition("/")[0] or "."


def _apply(names: dict[str, int], change: tuple[str, str, int]) -> None:
    kind, path, inode = change
    if kind == "add":
        names[path] = inode
    elif kind == "drop":
        names.pop(path, None)
    else:
        old, _, new = path.partition(">")
        names.pop(old, None)
        names[new] = inode


def lay_out(disk: Disk, root: Path) -> None:
    """Make `root` hold exactly the files of `disk`."""
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    for path, content in disk.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
