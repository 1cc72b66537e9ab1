"""Reading files that somebody else may have made: regular files only, no links, a limit before the first byte."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hubel.errors import ArtefactError
from hubel.store.ops import CLOEXEC, NOFOLLOW, NONBLOCK, reason
from hubel.words import amount

FILE_LIMIT = 2 << 30
"""Bytes of the largest file that is read without asking."""


@contextmanager
def opened(path: str | Path, *, limit: int = FILE_LIMIT) -> Iterator[tuple[int, int]]:
    """A descriptor of a regular file and its size, both known to be good before a byte is read.

    Raises ArtefactError for what is missing, a link, a pipe, a folder, or larger than `limit` bytes.
    """
    name = shown(os.fspath(path))
    try:
        # A pipe would block for ever without O_NONBLOCK.
        descriptor = os.open(path, os.O_RDONLY | NOFOLLOW | NONBLOCK | CLOEXEC)
    except FileNotFoundError:
        raise ArtefactError(f"there is no file {name}", hint="check the path") from None
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ELOOP:
            raise ArtefactError(f"{name} is a link, and links are not followed", hint="give the file itself") from None
        raise ArtefactError(f"{name} cannot be opened: {reason(error)}", hint=_way_out(error)) from error
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            folder = stat.S_ISDIR(info.st_mode)
            raise ArtefactError(
                f"{name} is not a regular file, but {'a folder' if folder else 'a pipe or a device'}",
                hint="give a file in it" if folder else "write what it gives to a file first",
            )
        if info.st_size > limit:
            raise ArtefactError(
                f"{name} has {amount(info.st_size)}, more than the limit of {amount(limit)}",
                hint="a file of this kind is smaller: is it the right one?",
            )
        yield descriptor, info.st_size
    except OSError as error:
        raise ArtefactError(f"{name} cannot be read: {reason(error)}", hint=_way_out(error)) from error
    finally:
        os.close(descriptor)


def _way_out(error: OSError | ValueError) -> str:
    code = getattr(error, "errno", None)
    if code in (errno.EACCES, errno.EPERM):
        return "you may not read it: ask its owner, or take a copy of your own"
    if code in (errno.EIO, errno.ESTALE, errno.ENODEV):
        return "its disk or network fails: take a copy from elsewhere"
    return "check the path"


def read_regular(path: str | Path, *, limit: int = FILE_LIMIT) -> bytes:
    """The bytes of a regular file of at most `limit` bytes; raises ArtefactError as `opened` does."""
    with opened(path, limit=limit) as (descriptor, size):
        data = bytearray(size)
        filled = read_into(descriptor, memoryview(data))
        return bytes(data[:filled])


def read_into(descriptor: int, buffer: memoryview) -> int:
    """Fill `buffer` from the file; how many bytes came, fewer only at the end of the file."""
    filled = 0
    while filled < len(buffer):
        count = os.readv(descriptor, [buffer[filled:]])
        if count == 0:
            break
        filled += count
    return filled


def shown(value: object, limit: int = 80) -> str:
    r"""A value from outside as a message may show it: control characters escaped, and cut short.

    >>> shown("evil\x1b[31m")
    "'evil\\x1b[31m'"
    """
    text = repr(value) if isinstance(value, str) else ascii(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
