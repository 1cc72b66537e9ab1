"""What is held against a net's own pictures to choose how strangeness is told: pictures made strange, and given ones.

Given are those of none of the classes that lie in a folder beside them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hubel.assembly.prepare import Prepared
from hubel.data.folders import STRANGERS, strangers_beside
from hubel.data.keeping import prepare as scan_and_decode
from hubel.data.strange import CORRUPTED, KINDS
from hubel.data.unlabelled import open_pictures
from hubel.errors import DataError
from hubel.robustness.corruptions import SEVERITIES, chosen, corrupt
from hubel.watching import Watcher
from hubel.words import plural

FEWEST = 8
"""Pictures below which nothing is learnt from them."""
MOST = 1_000
"""Pictures that are looked at, evenly taken."""
COST = len(KINDS) + 2
"""What making and looking at one picture of each kind costs, in passes: to corrupt takes about as long as one."""


def make_strange(
    images: np.ndarray, shown: np.ndarray, held_out: np.ndarray, each: int, draw: np.random.Generator
) -> Iterator[tuple[str, np.ndarray]]:
    """Kind by kind its name and pictures N C H W uint8, `each` of them at most, made of `images`.

    Made of rows that were learnt from (`shown`), but for the last kind: `held_out` rows, each spoilt by one corruption
    in turn, as badly as they come, so that a score which only knows what was never anywhere near a photograph is told
    from one that notices a picture gone bad.
    """
    for name, kind in KINDS.items():
        yield name, kind(images[np.sort(some_of(shown, each, draw))], draw)
    rows, names = np.sort(some_of(held_out, each, draw)), chosen([], images.shape[1])
    spoilt = images[rows]
    for place, name in enumerate(names[: len(rows)]):
        mine = slice(place, None, len(names))
        spoilt[mine] = corrupt(spoilt[mine], rows[mine].tolist(), name, SEVERITIES[-1])
    yield CORRUPTED, spoilt


def some_of(rows: np.ndarray, count: int, draw: np.random.Generator) -> np.ndarray:
    """So many of them at most, by lot."""
    return rows if len(rows) <= count else draw.choice(rows, count, replace=False)


def given_strangers(prepared: Prepared, watch: Watcher) -> np.ndarray | None:
    """N C H W uint8, fitted as the run's own: what lies in the folder of strangers; None without one, or with too few.

    Pictures that the run has among its own samples are no strangers, and are left out; `watch` is told of all that.
    """
    folder = strangers_beside(prepared.manifest.root, prepared.scan.problems)
    if folder is None or prepared.preprocessing is None:
        return None
    try:
        listed = open_pictures(folder, follow_links=prepared.recipe.data.follow_links, edits=())
    except DataError as error:
        watch.remark(f"nothing was learnt from {STRANGERS}/: {error.what}")
        return None
    if len(listed) > MOST:
        listed = listed.select(np.linspace(0, len(listed) - 1, MOST).round().astype(np.int64))
    scan, decoded = scan_and_decode(listed, prepared.preprocessing, progress=watch.progress, partial=True)
    own = set(prepared.manifest.digests or ())
    digests = scan.manifest.digests or ("",) * len(scan.manifest)
    rows = np.array([row for row, digest in enumerate(digests) if digest not in own], np.int64)
    if len(rows) < len(digests):
        same = plural(len(digests) - len(rows), "picture")
        watch.remark(f"{same} in {STRANGERS}/ lie among the classes, too, and are not taken for strange")
    if len(rows) < FEWEST:
        watch.remark(f"{plural(len(rows), 'picture')} in {STRANGERS}/ are too few to learn from, {FEWEST} would do")
        return None
    watch.remark(f"{plural(len(rows), 'picture')} in {STRANGERS}/ helped to choose what is strange")
    return np.asarray(decoded.images[rows])
