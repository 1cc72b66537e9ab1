"""Pictures whose labels nobody needs: any folder of them, flat or nested, and any source, its labels set aside.

Labels that a source has are used for two things only: to hold out the very pictures that `hubel train` would hold out
of it, so that a net that has learnt from the others meets a test it has never seen; and to measure, at the end, how
well a linear classifier tells the classes apart by what the net has learnt to see.

Letters: N pictures, K classes, C channels, H height, W width.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hubel.data.batches import epoch_order
from hubel.data.changes import Edit
from hubel.data.decode import Decoded
from hubel.data.folders import holds_runs, open_folder, split_parts
from hubel.data.manifest import SPLIT_RANK, Manifest
from hubel.data.scan import Scan
from hubel.data.shard_found import UNNAMED as UNNAMED  # it is what these pictures are called
from hubel.data.shard_names import names_shards
from hubel.data.shards import open_shards
from hubel.data.sources import has_tables, honoured, moved, open_source
from hubel.data.walk import Found, walk
from hubel.errors import DataError, UsageError
from hubel.words import plural

TURNS = ("0°", "90°", "180°", "270°")
"""The classes of a net that tells which way up a picture is, counter-clockwise."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """The labels that were set aside."""

    labels: np.ndarray
    """N, int64; -1 where a picture has none."""
    class_names: tuple[str, ...]
    """K names."""


def open_pictures(
    source: str | os.PathLike[str],
    *,
    data_root: str | Path | None = None,
    follow_links: bool = False,
    edits: Sequence[Edit] | None = None,
    **options: object,
) -> Manifest:
    """The manifest of all pictures of a source (as `open_source`), or of a folder, whether or not they have classes.

    Labels are those of the source; pictures of a folder that lie in no class folder are of a last class, `UNNAMED`.
    Raises UsageError for points, and as `open_source`; DataError for a folder that holds no picture.
    """
    name = os.fspath(source)
    path = Path(name).expanduser() if data_root is None else moved(name, data_root)
    if names_shards(path) and not options.get("images"):
        columns = options.get("columns")
        assert columns is None or isinstance(columns, Mapping)
        listed = open_shards(path, columns=columns, follow_links=follow_links, unlabelled=True)
        return honoured(listed, path, edits)
    given = any(options.get(key) for key in ("columns", "images"))
    if given or not path.is_dir() or has_tables(path) or names_shards(path):
        reading: dict[str, object] = {"data_root": data_root, "follow_links": follow_links, "edits": edits, **options}
        manifest = open_source(name, **reading)  # type: ignore[arg-type]
        if manifest.kind == "points":
            raise UsageError(
                f"{name} holds no pictures, and those are what is learnt from without labels",
                hint=f"hubel train {name} learns from its labels",
            )
        return manifest if not manifest.regression else without_labels(manifest, UNNAMED)
    try:
        labelled: Manifest | None = open_folder(path, follow_links=follow_links)
    except DataError:
        labelled = None
    if labelled is None:
        return _with_the_others(path, None, follow_links)
    found = honoured(labelled, path, edits)
    return _with_the_others(path, found, follow_links, left_out=set(labelled.paths or ()) - set(found.paths or ()))


def _with_the_others(
    path: Path, labelled: Manifest | None, follow_links: bool, left_out: AbstractSet[str] = frozenset()
) -> Manifest:
    """The pictures in class folders, and after them all that lie anywhere else below the folder, but `left_out`."""
    root = os.path.realpath(path) if labelled is None else labelled.root
    found = Found(follow=follow_links)
    walk(root, "", found)
    known = left_out | (set(labelled.paths or ()) if labelled is not None else set())
    order = sorted(range(len(found.paths)), key=lambda i: found.paths[i])
    tops = {path.partition("/")[0] for path in found.paths if "/" in path}
    runs = {top for top in tops if holds_runs(os.path.join(root, top))}
    others = [i for i in order if found.paths[i] not in known and found.paths[i].partition("/")[0] not in runs]
    if not others and labelled is not None:
        return labelled
    if not others:
        links = sum(problem.kind == "link" for problem in found.problems)
        hint = "add --follow-links" if links else "give a folder with pictures in it, at any depth"
        what = f", but {plural(links, 'link')}; links are not followed" if links and not follow_links else ""
        raise DataError(f"{path} holds no pictures{what}", hint=hint)
    parts = split_parts(root, follow=follow_links)
    splits = np.array([_part(found.paths[i], parts) for i in others], dtype="<U5")
    if labelled is None:
        others = [others[i] for i in np.argsort([SPLIT_RANK[part] for part in splits.tolist()], kind="stable")]
        splits = np.array([_part(found.paths[i], parts) for i in others], dtype="<U5")
    rest = Manifest(
        source=str(path),
        root=root,
        kind="files",
        paths=tuple(found.paths[i] for i in others),
        linked=tuple(found.files[i] for i in others) if follow_links else None,
        labels=np.zeros(len(others), dtype=np.int64),
        class_names=UNNAMED,
        given_split=splits,
        stats=np.array([found.stats[i] for i in others], dtype=np.int64).reshape(-1, 3),
        problems=tuple(found.problems),
    )
    return rest if labelled is None else _joined(labelled, rest)


def _part(path: str, parts: dict[str, str]) -> str:
    return next((split for folder, split in parts.items() if path.startswith(f"{folder}/")), "")


def _joined(labelled: Manifest, rest: Manifest) -> Manifest:
    assert labelled.paths is not None
    assert rest.paths is not None
    assert labelled.stats is not None
    assert rest.stats is not None
    loose = set(rest.paths)
    return replace(
        labelled,
        paths=labelled.paths + rest.paths,
        linked=None if labelled.linked is None or rest.linked is None else labelled.linked + rest.linked,
        labels=np.concatenate([labelled.labels, np.full(len(rest), labelled.num_classes)]),
        class_names=labelled.class_names + UNNAMED,
        given_split=np.concatenate([labelled.given_split, rest.given_split]),
        stats=np.concatenate([labelled.stats, rest.stats]),
        problems=tuple(p for p in labelled.problems if p.path not in loose),
        _digest=[],
    )


def open_probe(source: str) -> Manifest:
    """Labelled pictures; raises DataError for points and numbers, and as `open_source`."""
    listed = open_source(source)
    if listed.kind == "points" or listed.regression:
        kind = "points" if listed.kind == "points" else "numbers as labels"
        raise DataError(f"features are measured on pictures with classes, and {source} has {kind}")
    return listed


def without_labels(manifest: Manifest, class_names: tuple[str, ...]) -> Manifest:
    """The same pictures, all of the first of `class_names`.

    >>> from hubel.data.sources import open_source
    >>> bare = without_labels(open_source("digits"), TURNS)
    >>> bare.class_names, set(bare.labels.tolist())
    (('0°', '90°', '180°', '270°'), {0})
    """
    labels = np.zeros(len(manifest), dtype=np.int64)
    return replace(manifest, labels=labels, class_names=class_names, _digest=[])


def some_of(rows: np.ndarray, count: int, *, seed: int = 0) -> np.ndarray:
    """So many of the rows, or all, in rising order: drawn by a hash, since there are no classes to take in turn."""
    return np.sort(epoch_order(rows, seed=seed, epoch=0)[:count])


def set_aside(scan: Scan, decoded: Decoded, class_names: tuple[str, ...]) -> tuple[Scan, Decoded, Known | None]:
    """Scan and pictures without labels, and the labels: None where there are fewer than two classes of them."""
    manifest = scan.manifest
    bare = without_labels(manifest, class_names)
    names = [name for name in manifest.class_names if name not in UNNAMED]
    known = None
    if len(names) > 1:
        labels = np.where(manifest.labels < len(names), manifest.labels, -1)
        known = Known(labels=labels.astype(np.int64), class_names=tuple(names))
    return replace(scan, manifest=bare), replace(decoded, labels=bare.labels), known


def four_ways(images: np.ndarray) -> np.ndarray:
    """Each of square pictures N C H H in all four turns, one after the other: 4N C H H.

    >>> four_ways(np.array([[[[1, 2], [3, 4]]]]))[:, 0].tolist()
    [[[1, 2], [3, 4]], [[2, 4], [1, 3]], [[4, 3], [2, 1]], [[3, 1], [4, 2]]]
    """
    return np.stack([np.rot90(images, turn, axes=(2, 3)) for turn in range(4)], axis=1).reshape(-1, *images.shape[1:])


def turned(scan: Scan, decoded: Decoded, rows: np.ndarray) -> tuple[Scan, Decoded, np.ndarray]:
    """Some rows in all four turns, as samples of the four classes `TURNS`: (scan, pictures, their 4N rows)."""
    many = np.repeat(np.asarray(rows, dtype=np.int64), 4)
    labels = np.tile(np.arange(4), len(rows))
    manifest = replace(scan.manifest.select(many), labels=labels, class_names=TURNS, _digest=[])
    images = four_ways(np.ascontiguousarray(decoded.images[rows]))
    ids = np.arange(len(many))
    return replace(scan, manifest=manifest), replace(decoded, images=images, labels=labels, ids=ids, mapped=False), ids
