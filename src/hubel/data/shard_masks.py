"""Masks in tar files: beside each picture under its key, or in folders of their own as `hubel.data.masks` has them.

    shard-000000.tar    000.jpg beside 000.mask.png (or 000.seg.png, 000.segmentation.png), as WebDataset names them
    scans.tar           images/a.jpg, masks/a.png; train/images/a.jpg, train/masks/a.png with a given split

A mask belongs to a picture of its own tar. Every picture needs one, and every mask a picture.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hubel.data.manifest import SPLIT_RANK, Manifest
from hubel.data.masks import MASKS, PICTURES, class_list, complain, paired, with_masks
from hubel.data.names import split_folders
from hubel.data.places import Place
from hubel.data.shard_found import Gathered, opened
from hubel.data.tars import Contents
from hubel.data.walk import is_picture_name
from hubel.errors import DataError

WORDS = ("mask", "seg", "segmentation")
"""What stands between the key of a mask and how it ends."""


@dataclass(frozen=True)
class Pair:
    """Members of one tar file: a picture and its mask."""

    shard: str
    picture: str
    mask: str
    split: str
    """As the folders in the tar say; "" where they do not."""


def key_of(name: str) -> tuple[str, str]:
    """WebDataset's key of a member and how the member ends: all before the first dot of its last part, and the rest.

    >>> key_of("a/000.seg.PNG")
    ('a/000', '.seg.png')
    """
    folder, slash, base = name.rpartition("/")
    stem, dot, end = base.partition(".")
    return folder + slash + stem, dot + end.casefold()


def masks_beside(inside: Contents) -> dict[str, str]:
    """Of a tar file the members that are called masks and stand beside a picture of their key: mask -> picture."""
    pictures: dict[str, str] = {}
    masks = []
    for name, _, _ in inside.members:
        key, end = key_of(name)
        if is_picture_name(name):
            if end.split(".")[1] in WORDS:
                masks.append((key, name))
            else:
                pictures.setdefault(key, name)
    return {name: pictures[key] for key, name in masks if key in pictures}


def pairs_in(contents: Mapping[str, Contents]) -> list[Pair]:
    """Pictures with their masks, in the order in which they lie there; [] where there are no masks.

    Raises DataError for pictures without a mask, and for masks without a picture.
    """
    beside = {shard: masks_beside(inside) for shard, inside in contents.items()}
    if any(beside.values()):
        return _under_keys(contents, beside)
    return _in_folders(contents)


def _under_keys(contents: Mapping[str, Contents], beside: Mapping[str, Mapping[str, str]]) -> list[Pair]:
    found, lonely, over, count = [], [], [], 0
    for shard, inside in contents.items():
        names = [name for name, _, _ in inside.members if is_picture_name(name)]
        mask_of: dict[str, str] = {}
        for mask, picture in beside[shard].items():
            if picture in mask_of:
                raise DataError(
                    f"{shard}/{mask_of[picture]} and {mask} are masks of one picture", hint="leave one of them"
                )
            mask_of[picture] = mask
        called = [name for name in names if key_of(name)[1].split(".")[1] in WORDS]
        over += [f"{shard}/{name}" for name in called if name not in beside[shard]]
        pictures = [name for name in names if name not in called]
        lonely += [f"{shard}/{name}" for name in pictures if name not in mask_of]
        found += [Pair(shard, name, mask_of[name], "") for name in pictures if name in mask_of]
        count += len(pictures)
    complain(lonely, count, "picture", "has no mask", "have no mask", "draw one, or take the picture out")
    complain(
        over, len(over) + len(found), "mask", "belongs to no picture", "belong to no picture", "keys must be alike"
    )
    return found


def _in_folders(contents: Mapping[str, Contents]) -> list[Pair]:
    """Pairs of members in two folders side by side, in each part of a given split; [] where no such folders are."""
    pictures = {name for inside in contents.values() for name, _, _ in inside.members if is_picture_name(name)}
    parts = {name: name.split("/") for name in pictures}
    above = 0
    while parts and all(len(p) > above + 2 for p in parts.values()) and len({p[above] for p in parts.values()}) == 1:
        above += 1
    if not parts or any(len(p) < above + 2 for p in parts.values()):
        return []
    tops = split_folders({p[above] for p in parts.values()})
    if tops and any(p[above] not in tops or len(p) < above + 3 for p in parts.values()):
        return []
    found = []
    for folder in sorted({"/".join(p[: above + bool(tops)]) for p in parts.values()}):
        prefix = f"{folder}/" if folder else ""
        inside = {p[above + bool(tops)] for name, p in parts.items() if name.startswith(prefix)}
        both = _two(inside)
        if both is None:
            return []
        split = tops.get(folder.rpartition("/")[2], "") if tops else ""
        for shard, members in contents.items():
            names = [name for name, _, _ in members.members if is_picture_name(name) and name.startswith(prefix)]
            ours = [name for name in names if name.startswith(f"{prefix}{both[0]}/")]
            theirs = [name for name in names if name.startswith(f"{prefix}{both[1]}/")]
            mask_of = paired(ours, theirs, prefix + both[0], prefix + both[1])
            found += [Pair(shard, name, mask_of[name], split) for name in ours]
    return found


def _two(names: set[str]) -> tuple[str, str] | None:
    """The names of the folders of pictures and of masks, where those two are all there are."""
    pictures = [name for name in names if name.casefold() in PICTURES]
    masks = [name for name in names if name.casefold() in MASKS]
    return (pictures[0], masks[0]) if len(pictures) == len(masks) == 1 and len(names) == 2 else None


def masked_manifest(
    source: str, root: str, found: Gathered, contents: Mapping[str, Contents], pairs: Sequence[Pair],
    splits: Mapping[str, str],
) -> Manifest:  # fmt: skip
    """The manifest of pictures with masks; classes are the numbers in these. Raises DataError as `with_masks`."""
    where = {
        (shard, name): (offset, size) for shard, inside in contents.items() for name, offset, size in inside.members
    }
    files = {shard: opened(root, shard) for shard in contents}

    def place(shard: str, name: str) -> str:
        return str(Place(files[shard], *where[shard, name], name))

    def split(pair: Pair) -> str:
        return splits.get(pair.shard, "") or pair.split

    rows = sorted(pairs, key=lambda pair: SPLIT_RANK[split(pair)])
    stats = [(where[pair.shard, pair.picture][1], *contents[pair.shard].stat[1:]) for pair in rows]
    manifest = Manifest(
        source=source,
        root=root,
        kind="files",
        paths=tuple(f"{pair.shard}/{pair.picture}" for pair in rows),
        linked=tuple(place(pair.shard, pair.picture) for pair in rows),
        labels=np.zeros(len(rows), np.int64),
        class_names=(),
        given_split=np.array([split(pair) for pair in rows], dtype="<U5"),
        stats=np.array(stats, dtype=np.int64).reshape(-1, 3),
        problems=tuple(found.problems),
    )
    return with_masks(manifest, [place(pair.shard, pair.mask) for pair in rows], names=class_list(root))


def no_masks(shards: Sequence[str]) -> DataError:
    """What is said where masks are asked for and there are none."""
    first = os.path.basename(shards[0]) if shards else "the shards"
    return DataError(
        f"{first} holds no masks beside its pictures", hint="000.jpg beside 000.mask.png, or images/ and masks/"
    )
