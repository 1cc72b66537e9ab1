"""Where decoded pictures are kept: on the disk, in memory, or nowhere. Chosen by the room there is, and said.

The disk is shared by all runs and read again at the next start, so it comes first; memory holds them for one run; with
neither, every batch decodes its own pictures (`hubel.data.streamed`). The bytes are the same in all three.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from hubel.data import cache, decode
from hubel.data.choose import check_levels
from hubel.data.decode import Decoded, is_cached
from hubel.data.manifest import Manifest
from hubel.data.preprocessing import Preprocessing
from hubel.data.scan import Scan, scan
from hubel.words import amount


@dataclass(frozen=True, slots=True)
class Kept:
    """Where decoded pictures are kept, and why."""

    where: str
    """disk, memory or none."""
    why: str = ""
    """In words; "" where that is as usual."""


def prepare_kept(
    manifest: Manifest,
    preprocessing: Preprocessing,
    *,
    keep: str | None = None,
    workers: int | None = None,
    progress: cache.Progress | None = None,
    partial: bool = False,
) -> tuple[Scan, Decoded, Kept]:
    """As `hubel.data.decode.prepare`, the pictures kept where `keep` says (disk, memory, none; None: where room is).

    What finds no room there is kept where there is some. Raises as `prepare`, but not for a full disk.
    """
    need = len(manifest) * preprocessing.height * preprocessing.width * preprocessing.channels
    if manifest.kind != "files":
        found, decoded = decode.prepare(manifest, preprocessing, partial=partial)
        return found, decoded, Kept("memory")
    kept = room_for(cache.home(), need) if keep is None else Kept(keep)
    if kept.where == "disk":
        try:
            found, decoded = decode.prepare(
                manifest, preprocessing, workers=workers, progress=progress, partial=partial
            )
            return found, decoded, kept
        except cache.NoRoom as error:
            kept = room_for(cache.home(), need, disk=False)
            kept = Kept(kept.where, f"{error.what}; {kept.why}")
    elif kept.where == "memory" and need > decode.free_memory():
        kept = Kept("none", f"decoded pictures need {amount(need)}, memory has {amount(decode.free_memory())}")
    found = scan(manifest, workers=workers, progress=progress, partial=partial)
    found = check_levels(found, preprocessing.levels)
    if keep is None and is_cached(found.manifest, preprocessing):  # from before: then it takes no more room
        kept = Kept("disk")
    decoded = decode.decode(found.manifest, preprocessing, workers=workers, progress=progress, keep=kept.where)
    return found, decoded, kept


def prepare(
    manifest: Manifest,
    preprocessing: Preprocessing,
    *,
    workers: int | None = None,
    progress: cache.Progress | None = None,
    partial: bool = False,
) -> tuple[Scan, Decoded]:
    """As `hubel.data.decode.prepare`, the pictures kept where room is."""
    return prepare_kept(manifest, preprocessing, workers=workers, progress=progress, partial=partial)[:2]


def room_for(folder: Path, need: int, *, disk: bool = True) -> Kept:
    """Where `need` bytes of decoded pictures find room, with the cache in `folder`; nowhere on the disk unless `disk`.

    Half of the free memory is left to the net and to other programs. Raises UsageError as `cache.limit`.
    """
    free, memory = min(_free_disk(folder), cache.limit()), decode.free_memory()
    if disk and need <= free:
        return Kept("disk")
    there = [f"the disk has room for {amount(free)}"] if disk else []
    there.append(f"memory {amount(memory)}" if disk else f"memory has {amount(memory)}")
    why = f"decoded pictures need {amount(need)}, {' and '.join(there)}"
    if need <= memory // 2:
        return Kept("memory", why)
    return Kept("none", f"{why}: each epoch decodes them anew")


def _free_disk(folder: Path) -> int:
    for place in (folder, *folder.absolute().parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return 0
