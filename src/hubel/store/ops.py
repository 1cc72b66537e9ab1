"""What a save does to the disk, one method per operation, and the errors when the disk says no.

>>> writer_errors = (28, 30)  # ENOSPC, EROFS
>>> [reason(OSError(number, os.strerror(number))) for number in writer_errors]
['No space left on device', 'Read-only file system']
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

from hubel.errors import ArtefactError
from hubel.words import amount

NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
CLOEXEC = getattr(os, "O_CLOEXEC", 0)
NONBLOCK = getattr(os, "O_NONBLOCK", 0)
_LARGE = 1 << 20


class SaveFailed(ArtefactError):
    """A file could not be written; whatever stood under its name before is untouched."""


class FileOps:
    """Every operation with which a store changes the disk, one method each.

    Tests hand in a subclass that fails, kills or records at the n-th call, and so visit every point at which a
    save can be cut. `create` refuses to follow or to reuse anything that is already there.
    """

    def mkdir(self, path: Path) -> None:
        """Make one folder; FileExistsError if the name is taken."""
        os.mkdir(path)

    def create(self, path: Path) -> int:
        """A descriptor of a new, empty file."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOFOLLOW | CLOEXEC, 0o644)

    def reuse(self, path: Path) -> int:
        """A descriptor that writes over a file from its beginning: its room on the disk is there already."""
        return os.open(path, os.O_WRONLY | NOFOLLOW | NONBLOCK | CLOEXEC)

    def append(self, path: Path) -> int:
        """A descriptor that writes at the end of a file, which is made if need be."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | NOFOLLOW | NONBLOCK | CLOEXEC, 0o644)

    def write(self, descriptor: int, data: memoryview) -> int:
        """Write some of `data`; how many bytes were taken."""
        return os.write(descriptor, data)

    def allow(self, descriptor: int, mode: int) -> None:
        """Say who may read and write an open file, as the bits of its mode; nothing where a system has no such bits."""
        if hasattr(os, "fchmod"):  # pragma: no branch - not on Windows before Python 3.13
            os.fchmod(descriptor, mode)

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut an open file to `size` bytes."""
        os.ftruncate(descriptor, size)

    def fsync(self, descriptor: int) -> None:
        """Wait until the bytes of an open file are on the disk."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Close a descriptor."""
        os.close(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name, replacing what had that name, atomically."""
        os.replace(old, new)

    def unlink(self, path: Path) -> None:
        """Remove a name (of a link: the link, not what it points to)."""
        os.unlink(path)

    def fsync_folder(self, path: Path) -> None:
        """Wait until the names in a folder are on the disk."""
        descriptor = os.open(path, os.O_RDONLY | CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Writer:
    """A file on its way: takes bytes, counts them, and knows their sha-256.

    Digests of large pieces are computed beside the writing, in a thread. With `echo`, a descriptor for reading the same
    file, a second thread reads back what was written, so that `faithful` can tell whether the system kept every byte.
    """

    def __init__(self, ops: FileOps, descriptor: int, echo: int | None = None) -> None:
        self._ops = ops
        self._descriptor = descriptor
        self._echo = echo
        self._digest = hashlib.sha256()
        self._same = True
        self._found = bytearray() if echo is None else bytearray(_LARGE)
        self._helpers: list[ThreadPoolExecutor] = []
        self.size = 0

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the file; nothing can be written any more."""
        self.close()
        return self._digest.hexdigest()

    @property
    def faithful(self) -> bool:
        """Does the file read back as it was written?"""
        self.close()
        return self._same

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write all of `data`, a contiguous buffer that must not change before the file is closed."""
        view = memoryview(data).cast("B")
        if len(view) >= _LARGE and not self._helpers:
            self._helpers = [ThreadPoolExecutor(1), ThreadPoolExecutor(1)]
        self._do(0, self._digest.update, view)
        write_all(self._ops, self._descriptor, view)
        if self._echo is not None:
            self._do(1, self._compare, self.size, view)
        self.size += len(view)

    def close(self) -> None:
        """Wait for the threads; the digests are complete."""
        for helper in self._helpers:
            helper.shutdown()

    def _do(self, number: int, work: Callable[..., None], *arguments: object) -> None:
        if self._helpers:
            self._helpers[number].submit(work, *arguments)
        else:
            work(*arguments)

    def _compare(self, start: int, view: memoryview) -> None:
        assert self._echo is not None
        for offset in range(0, len(view), _LARGE):
            piece = view[offset : offset + _LARGE]
            # One buffer for all, and a bytearray on the left: two memory views would be compared item by item.
            found = self._found if len(piece) == _LARGE else bytearray(len(piece))
            try:
                self._same &= os.preadv(self._echo, [found], start + offset) == len(piece) and found == piece
            except OSError:
                self._same = False


def write_all(ops: FileOps, descriptor: int, data: memoryview) -> None:
    """Write every byte: the kernel may take fewer than it is given, above all on a disk that is nearly full."""
    while data:
        data = data[ops.write(descriptor, data) :]


def explain(error: OSError, path: Path) -> NoReturn:
    """Raise the SaveFailed that says in a user's words what the disk answered."""
    what = f"cannot write {os.fspath(path)!r}: {reason(error)}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        raise SaveFailed(
            f"{what} ({amount(free_bytes(path))} free)",
            hint="free some space and give the command again; a training goes on by --resume RUN",
        ) from error
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        raise SaveFailed(what, hint="choose a folder you may write to") from error
    raise SaveFailed(what, hint="the disk reports an error; the files saved before are untouched") from error


def reason(error: OSError | ValueError) -> str:
    """What the system said, without the path, which the message names already."""
    return getattr(error, "strerror", None) or str(error)


def free_bytes(path: Path) -> int:
    """Bytes an ordinary user can still write on the disk that holds, or would hold, `path`."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free
