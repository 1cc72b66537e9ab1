"""Pictures scanned and decoded by the places of a cluster: `with reading_over("ray://head:10001"): …`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hubel.data.spread import OVER, Over
from hubel.runtime.cluster import share_out
from hubel.runtime.places import HERE, Make, Places, check_where
from hubel.watching import SILENT, Watcher


@contextmanager
def reading_over(on: str, watch: Watcher = SILENT) -> Iterator[None]:
    """Where many pictures are read inside, they are read at the places that `on` names, one core each.

    Places are begun when there is something to read, and given back after it.
    Raises UsageError for what names none.
    """

    def places(make: Make, most: int) -> Places:
        return share_out(on, make, cores=1, most=most, watch=watch)

    token = OVER.set(None if check_where(on) == HERE else Over(places, watch))
    try:
        yield
    finally:
        OVER.reset(token)
