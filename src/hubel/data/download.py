"""Getting a named data set's file: once, resumed where it broke off, checked, and only when the network may be used."""

from __future__ import annotations

import http.client
import os
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pooch
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from hubel.errors import DataError, UsageError


@dataclass(frozen=True, slots=True)
class Remote:
    """A file on the network: its name, the address it lies under, its MD5 and its size in bytes."""

    name: str
    base: str
    md5: str
    size: int


def cache_home() -> Path:
    """Where hubel keeps what it can make or fetch again: HUBEL_HOME, else the platform's cache folder."""
    home = os.environ.get("HUBEL_HOME")
    return Path(home).expanduser() if home else Path(pooch.os_cache("hubel"))


def cache_limit() -> float:
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


def fetch(remote: Remote, name: str) -> Path:
    """The path of a file of the set `name`, downloaded into the cache if it is not there yet.

    Raises DataError when HUBEL_OFFLINE is set, the network fails, or what came has another checksum.
    """
    folder = cache_home() / "sets" / name
    by_hand = (
        f"put {remote.name} into a folder {name}/ below HUBEL_DATA or --data-dir; it is at {remote.base}{remote.name}"
    )
    if not (folder / remote.name).exists() and os.environ.get("HUBEL_OFFLINE", "") not in ("", "0"):
        raise DataError(f"{name} is not on this machine, and HUBEL_OFFLINE forbids to download it", hint=by_hand)
    logger = pooch.get_logger()
    before = logger.level
    logger.setLevel("WARNING")  # our progress bar says it better
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
        parts = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with open(part, "ab" if have else "wb") as file, Progress(*parts, disable=not sys.stderr.isatty()) as bar:
            task = bar.add_task(part.name.removesuffix(".part"), total=total or None, completed=have)
            while block := answer.read(1 << 18):
                file.write(block)
                bar.update(task, advance=len(block))
    if total and part.stat().st_size < total:
        raise OSError(
            f"the connection broke off after {part.stat().st_size:,} of {total:,} bytes; start again to go on"
        )
