"""The cache folder: where it is, how much may lie in it, room made by age, and named data sets fetched into it.

A file is fetched once, resumed where it broke off, checked, and only when the network may be used. Nothing here draws a
bar: whoever wants one says so with `watched`.
"""

from __future__ import annotations

import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pooch

from hubel.errors import DataError, UsageError

Progress = Callable[[int, int], None]
"""Called with (done, in all) now and then, from the calling thread: pictures while reading, bytes while fetching."""


class NoRoom(DataError):
    """The disk has no room for decoded pictures, or the cache folder cannot be written."""


STALE = 86_400
"""Seconds after which a file that nobody finished is swept."""

_listener: ContextVar[Progress | None] = ContextVar("listener", default=None)


@dataclass(frozen=True, slots=True)
class Remote:
    """A file on the network: its name, the address it lies under, its MD5 and its size in bytes."""

    name: str
    base: str
    md5: str
    size: int


def home() -> Path:
    """Where hubel keeps what it can make or fetch again: HUBEL_HOME, else the platform's cache folder."""
    named = os.environ.get("HUBEL_HOME")
    return Path(named).expanduser() if named else Path(pooch.os_cache("hubel"))


def limit() -> float:
    """Bytes that decoded pictures may take there, and features as many: HUBEL_CACHE_GB gibibytes, else fifty.

    Raises UsageError for what is no number, or below 0.
    """
    text = os.environ.get("HUBEL_CACHE_GB", "")
    try:
        asked = float(text or 50)
    except ValueError:
        asked = -1.0
    if not asked >= 0:
        raise UsageError(f"HUBEL_CACHE_GB must be a number of gigabytes, got {text!r}", hint="for example 20")
    return asked * 2**30


def make_room(folder: Path, need: int, suffix: str, *, beside: str = "") -> None:
    """Throw out the least recently used files of that suffix in `folder` until `need` bytes more are within `limit`.

    With each goes the file of the same stem that ends in `beside`, first: it vouches for the other. What writers left
    unfinished longer ago than STALE is swept. Several processes may do this at once.
    """
    for left in folder.glob("*.tmp"):
        with suppress(FileNotFoundError):  # another process may sweep here, or have just given it its name
            if left.stat().st_mtime < time.time() - STALE:
                left.unlink()
    most = limit()
    files = []
    for file in folder.glob(f"*{suffix}"):
        with suppress(FileNotFoundError):
            about = file.stat()
            files.append((about.st_mtime, about.st_size, file))
    files.sort(key=lambda entry: entry[0])
    total = sum(size for _, size, _ in files) + need
    for _, size, file in files:
        if total <= most:
            break
        if beside:
            file.with_suffix(beside).unlink(missing_ok=True)
        file.unlink(missing_ok=True)
        total -= size


@contextmanager
def watched(progress: Progress | None) -> Iterator[None]:
    """Whatever is fetched inside tells `progress` of its bytes."""
    token = _listener.set(progress)
    try:
        yield
    finally:
        _listener.reset(token)


def fetch(remote: Remote, name: str) -> Path:
    """The path of a file of the set `name`, downloaded into the cache if it is not there yet.

    Raises DataError when HUBEL_OFFLINE is set, the network fails, or what came has another checksum.
    """
    folder = home() / "sets" / name
    by_hand = (
        f"put {remote.name} into a folder {name}/ below HUBEL_DATA or --data-dir; it is at {remote.base}{remote.name}"
    )
    if not (folder / remote.name).exists() and os.environ.get("HUBEL_OFFLINE", "") not in ("", "0"):
        raise DataError(f"{name} is not on this machine, and HUBEL_OFFLINE forbids to download it", hint=by_hand)
    logger = pooch.get_logger()
    before = logger.level
    logger.setLevel("WARNING")  # what it says there, `watched` and the errors say better
    try:
        path = pooch.retrieve(
            url=remote.base + remote.name, known_hash=f"md5:{remote.md5}", fname=remote.name, path=folder,
            downloader=resume,
        )  # fmt: skip
    except ValueError as error:
        raise DataError(f"{remote.name} arrived with a wrong checksum: {error}", hint=by_hand) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise DataError(f"cannot download {remote.base}{remote.name}: {reason}", hint=by_hand) from None
    finally:
        logger.setLevel(before)
    return Path(path)


def resume(url: str, output_file: Any, pooch_: Any) -> None:
    """Download `url` to `output_file` through FILE.part, going on where an earlier attempt broke off.

    The signature is that of pooch's downloaders; `output_file` is its temporary file in the folder of the final one.
    """
    part = Path(output_file).parent / f"{url.rpartition('/')[2]}.part"
    _download(url, part)
    os.replace(part, output_file)


def _download(url: str, part: Path) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310
    try:
        answer = urllib.request.urlopen(request, timeout=30)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code != 416:  # 416: nothing lies beyond what we have; the checksum decides about the rest
            raise
        return
    with answer:
        # A server that does not know ranges answers 200 and starts from the beginning.
        have = have if answer.status == 206 else 0
        total = have + int(answer.headers.get("Content-Length") or 0)
        tell = _listener.get()
        with open(part, "ab" if have else "wb") as file:
            while block := answer.read(1 << 18):
                file.write(block)
                have += len(block)
                if tell is not None:
                    tell(have, max(total, have))
    if total and part.stat().st_size < total:
        raise OSError(
            f"the connection broke off after {part.stat().st_size:,} of {total:,} bytes; start again to go on"
        )
