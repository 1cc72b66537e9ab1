"""Which files are shards, and which of them a name means: one file, a folder of them, or a pattern in braces."""

from __future__ import annotations

import os
import re
from itertools import product
from pathlib import Path

from hubel.data.manifest import printable
from hubel.data.names import split_folders, split_word
from hubel.data.walk import ends_like, has_pictures, is_folder, listing
from hubel.errors import UsageError

TAR = frozenset({".tar"})
PARQUET = frozenset({".parquet"})
PACKED = frozenset({".tgz", ".tbz2", ".txz", ".gz", ".bz2", ".xz", ".zst"})
"""What a packed tar is called; it is named, and refused, where a tar would be read."""
MOST = 1_000_000
"""Files that a pattern may name."""
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}|\{([^{}]*,[^{}]*)\}")
_NUMBER = re.compile(r"([-_.]?\d+)(-of-\d+)?([-_][0-9a-f]{16})?$")


def is_shard(name: str) -> bool:
    """Whether a file is called like a shard, one that is packed included.

    >>> is_shard("a-000.tar"), is_shard("a.parquet"), is_shard("a.tar.gz"), is_shard("a.csv.gz")
    (True, True, True, False)
    """
    stem, _, last = name.casefold().rpartition(".")
    packed = f".{last}" in PACKED and (stem.endswith(".tar") or last in ("tgz", "tbz2", "txz"))
    return packed or ends_like(name, TAR | PARQUET)


def is_pattern(name: str) -> bool:
    """Whether a name is a pattern in braces that names shards.

    >>> is_pattern("s/{000..009}.tar"), is_pattern("s/{a,b}.parquet"), is_pattern("s/{a}.tar")
    (True, True, False)
    """
    return is_shard(name) and _BRACES.search(name) is not None


def expanded(pattern: str) -> list[str]:
    """The names that a pattern stands for. Raises UsageError for one that runs backwards, or names too many.

    >>> expanded("s-{08..10}.tar"), expanded("{a,b}-{0..1}.tar")
    (['s-08.tar', 's-09.tar', 's-10.tar'], ['a-0.tar', 'a-1.tar', 'b-0.tar', 'b-1.tar'])
    """
    pieces: list[list[str]] = []
    end, count = 0, 1
    for found in _BRACES.finditer(pattern):
        pieces.append([pattern[end : found.start()]])
        end = found.end()
        if found[3] is not None:
            choices = found[3].split(",")
        else:
            first, last = int(found[1]), int(found[2])
            if last < first or last - first >= MOST:
                raise UsageError(
                    f"{printable(found[0])} must count upwards, to at most {MOST:,} files",
                    hint="shards/{000..009}.tar",
                )
            choices = [f"{number:0{len(found[1])}d}" for number in range(first, last + 1)]
        count *= len(choices)
        pieces.append(choices)
    if count > MOST:
        raise UsageError(f"{printable(pattern)} names {count:,} files, and {MOST:,} are the most", hint="name a folder")
    return ["".join(parts) for parts in product(*pieces, [pattern[end:]])]


def names_shards(path: str | os.PathLike[str]) -> bool:
    """Whether a path names shards: a file, a folder that holds shards and no pictures, or a pattern of files."""
    name = os.fspath(path)
    try:
        if os.path.isdir(name):
            return _holds_shards(name)
        return (is_shard(name) and os.path.isfile(name)) or (is_pattern(name) and not os.path.exists(name))
    except ValueError:
        return False


def _holds_shards(folder: str) -> bool:
    """Shards in a folder, or in the folders of a split in it; and no picture that is a file of its own."""
    try:
        inside = listing(folder)
        found = any(is_shard(entry.name) and entry.is_file() for entry in inside)
        for entry in inside:
            if not found and split_word(entry.name) and is_folder(entry):
                found = any(is_shard(each.name) and each.is_file() for each in listing(entry.path))
    except OSError:
        return False
    return found and not has_pictures(folder)


def splits_of(shards: list[str]) -> dict[str, str]:
    """The part of a given split that each shard is of, by its folder or its name; {} where they say none.

    >>> splits_of(["train/0.tar", "val/0.tar"]), splits_of(["in-train-00.tar", "in-val-00.tar", "notes.tar"])
    ({'train/0.tar': 'train', 'val/0.tar': 'val'}, {'in-train-00.tar': 'train', 'in-val-00.tar': 'val'})
    >>> splits_of(["shard-000.tar", "shard-001.tar"])
    {}
    """
    folders = split_folders({shard.split("/")[0] for shard in shards if "/" in shard})
    if folders:
        return {shard: folders[top] for shard in shards if (top := shard.split("/")[0]) in folders and "/" in shard}
    stems = {shard: _NUMBER.sub("", Path(shard).name.split(".")[0]) for shard in shards}
    parts = split_folders(set(stems.values()))
    return {shard: parts[stem] for shard, stem in stems.items() if stem in parts}
