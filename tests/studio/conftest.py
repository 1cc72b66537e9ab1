"""The studio's own files behind an address, for its pages that need no server of ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from studio.static import served


@pytest.fixture(scope="module")
def place() -> Iterator[str]:
    """Where the files of the studio are."""
    with served() as found:
        yield found
