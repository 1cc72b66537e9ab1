"""What lies in a tar file, and where: listed once, never unpacked.

Only names, offsets and sizes are taken from it. Members that are no plain files (links, devices, holes) are named and
left out, as are names that lead out of the archive. The list is kept in the cache folder and holds as long as the size
and the times of the file do.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import tarfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hubel.data import cache
from hubel.data.images import BadPicture, read_bytes
from hubel.data.index import replace_file
from hubel.data.manifest import printable
from hubel.data.places import Place
from hubel.errors import DataError

FORMAT = 1
MOST_HEADER = 1 << 20
"""Bytes of one header: names and notes of a member; more is no archive of pictures."""
MOST_LABEL = 1 << 16
"""Bytes of a member that says a label."""
LABELS = (".cls", ".json", ".txt")
"""How members are called that say the label of a picture beside them; the first that there is counts."""
_PACKED = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"))

# What the standard library raises on damaged archives; a chain of headers that describe headers ends its stack.
_BROKEN = (tarfile.TarError, OSError, ValueError, OverflowError, IndexError, EOFError, RecursionError)


@dataclass
class Contents:
    """What one tar file holds."""

    stat: tuple[int, int, int]
    """Of the file: bytes, modified, changed (nanoseconds)."""
    members: list[tuple[str, int, int]] = field(default_factory=list)
    """(name, offset, bytes) of plain files, in their order; of a name that is there twice the first."""
    said: dict[str, str] = field(default_factory=dict)
    """What members say that hold labels, by name."""
    problems: list[tuple[str, str, str, bool]] = field(default_factory=list)
    """(name, kind, reason, left out); the name is "" for the whole file."""


class _Careful(io.FileIO):
    """A file that gives no header more room than a header needs."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= MOST_HEADER:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return super().read(size) or b""


def list_tar(file: str) -> Contents:
    """What lies in a tar file (an absolute path); from the cache where the file is unchanged.

    Raises DataError for what is no tar file, is packed, or cannot be read.
    """
    try:
        about = os.stat(file, follow_symlinks=False)
    except OSError as error:
        raise DataError(f"{printable(file)} cannot be read: {(error.strerror or str(error)).lower()}") from None
    if not stat.S_ISREG(about.st_mode):
        raise DataError(f"{printable(file)} is no regular file", hint="give the tar file itself")
    now = (about.st_size, about.st_mtime_ns, about.st_ctime_ns)
    kept = cache.home() / "shards" / f"{hashlib.sha256(os.fsencode(file)).hexdigest()[:32]}.json"
    known = _known(kept, now)
    if known is not None:
        return known
    found = _listed(file, now)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        replace_file(kept, json.dumps({"format": FORMAT, **asdict(found)}, separators=(",", ":")).encode())
    except OSError:  # then it is listed again the next time
        pass
    return found


def _known(kept: Path, now: tuple[int, int, int]) -> Contents | None:
    try:
        stored: dict[str, Any] = json.loads(kept.read_bytes())
        if stored["format"] != FORMAT or tuple(stored["stat"]) != now:
            return None
        members = [(str(name), int(offset), int(size)) for name, offset, size in stored["members"]]
        said = {str(name): str(text) for name, text in stored["said"].items()}
        problems = [(str(name), str(kind), str(why), bool(out)) for name, kind, why, out in stored["problems"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Contents(now, members, said, problems)


def _listed(file: str, now: tuple[int, int, int]) -> Contents:
    found = Contents(now)
    seen: set[str] = set()
    try:
        raw = _Careful(file)
    except OSError as error:
        raise DataError(f"{printable(file)} cannot be read: {(error.strerror or str(error)).lower()}") from None
    try:
        with raw:
            _refuse_packed(file, raw.read(512))
            raw.seek(0)
            if not now[0]:
                found.problems.append(("", "empty", "0 bytes", True))
                return found
            _walk(raw, file, found, seen)
    except _BROKEN as error:
        if not found.members and not found.problems:
            raise DataError(f"{printable(file)} is no tar file: {error}", hint="tar -cf FILE.tar FOLDER") from None
        found.problems.append(("", "truncated", f"not read to its end: {error}", True))
    if not found.members and not found.problems:
        found.problems.append(("", "empty", "holds no file", True))
    return found


def _walk(raw: _Careful, file: str, found: Contents, seen: set[str]) -> None:
    with tarfile.open(fileobj=raw, mode="r:") as archive:
        before = -1
        while (member := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # a list of all that was seen would only fill the memory
            if archive.offset <= before or member.size < 0:
                raise tarfile.ReadError("a member leads back to one before it")
            before = archive.offset
            if not member.isdir():
                _take(member, file, found, seen)
        raw.seek(archive.offset)
        end = raw.read(512)
    if len(end) < 512:
        found.problems.append(("", "truncated", "its end mark is missing: it is not whole", bool(end)))
    elif any(end):
        found.problems.append(("", "corrupt", f"byte {archive.offset:,} begins no member: what follows is lost", True))


def _take(member: tarfile.TarInfo, file: str, found: Contents, seen: set[str]) -> None:
    name = member.name.removeprefix("./")
    base = name.rpartition("/")[2]
    if base.startswith(".") or name.startswith("__MACOSX/"):
        return
    why = _fault(member, name, found.stat[0])
    if not why and name in seen:
        why = ("twice", "a member of this name stands before it, which is used")
    if why:
        found.problems.append((name, *why, True))
        return
    seen.add(name)
    found.members.append((name, member.offset_data, member.size))
    if name.casefold().endswith(LABELS):
        try:
            data, _ = read_bytes(str(Place(file, member.offset_data, member.size, name)), MOST_LABEL)
            found.said[name] = data.decode("utf-8-sig")
        except (BadPicture, ValueError):
            found.problems.append((name, "bad label", "it is no short text in UTF-8", True))


def _fault(member: tarfile.TarInfo, name: str, size: int) -> tuple[str, str] | None:
    """Why a member is not used: (kind, reason)."""
    if member.issym() or member.islnk():
        return "link", "links in archives are not followed"
    if not member.isreg() or member.issparse():
        return "special file", "no plain file"
    if name.startswith("/") or ".." in name.split("/") or "\0" in name:
        return "outside the archive", "its name leads out of the archive"
    if member.offset_data + member.size > size:
        return "truncated", f"the tar ends {member.offset_data + member.size - size:,} bytes before it does"
    return None


def _refuse_packed(file: str, head: bytes) -> None:
    for magic, how in _PACKED:
        if head.startswith(magic):
            unpack = {"gzip": "gunzip", "bzip2": "bunzip2", "xz": "unxz", "zstd": "unzstd"}[how]
            raise DataError(
                f"{printable(file)} is packed with {how}, and pictures are read from the middle of a tar",
                hint=f"{unpack} it: JPEG and PNG are small already",
            )
