"""Pictures of none of the classes that lie in a folder beside them: how they come to the choice of what is strange."""

from __future__ import annotations

import numpy as np

from hubel.assembly.prepare import Prepared
from hubel.data.folders import STRANGERS, strangers_beside
from hubel.data.keeping import prepare as scan_and_decode
from hubel.data.unlabelled import open_pictures
from hubel.errors import DataError
from hubel.watching import Watcher
from hubel.words import plural

FEWEST = 8
"""Pictures below which nothing is learnt from them."""
MOST = 1_000
"""Pictures that are looked at, evenly taken."""


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
