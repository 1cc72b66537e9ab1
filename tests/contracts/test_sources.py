"""Every named source keeps the same promises. One that is not here and may not be fetched says how to get it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.archives import place
from hubel.data.manifest import Manifest
from hubel.data.scan import scan
from hubel.data.sources import SOURCES, open_source
from hubel.data.splits import NAMES, split
from hubel.errors import DataError

EMBEDDED = ("digits", "spirals", "moons", "circles", "xor", "iris")


@pytest.fixture(scope="module", params=SOURCES.names())
def manifest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Each source; those that are files on a disk from small sets in the original formats."""
    folder = tmp_path_factory.mktemp("sets")
    if request.param not in EMBEDDED:
        place(request.param, folder)
    return open_source(request.param, data_dir=folder)


def test_shapes_types_and_ranges(manifest: Manifest) -> None:
    assert manifest.arrays is not None
    if manifest.kind == "points":
        assert manifest.arrays.dtype == np.float32
        assert manifest.arrays.ndim == 2
        assert np.allclose(manifest.arrays.mean(axis=0), 0, atol=1e-3)
        assert np.allclose(manifest.arrays.std(axis=0), 1, atol=1e-3)
    else:
        assert manifest.kind == "arrays"
        assert manifest.arrays.dtype == np.uint8
        assert manifest.arrays.ndim == 4
        assert manifest.arrays.shape[3] in (1, 3)
        assert manifest.arrays.max() > 200
    assert manifest.labels.dtype == np.int64
    assert len(set(manifest.class_names)) == manifest.num_classes >= 2
    assert set(manifest.given_split.tolist()) <= {"train", "test", ""}
    assert manifest.source in SOURCES


def test_opening_twice_gives_the_same(manifest: Manifest, tmp_path: Path) -> None:
    if manifest.source in EMBEDDED:
        assert open_source(manifest.source).digest == manifest.digest


def test_every_source_scans_and_splits(manifest: Manifest) -> None:
    found = scan(manifest)
    assert found.left_out == 0
    parts = split(found.manifest, val=0.2, test=0.2)
    assert all(len(parts.ids(name)) for name in NAMES)
    parts.verify(found.manifest)


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_sets_are_the_same_on_every_machine(name: str) -> None:
    assert open_source(name).digest[:16] == DIGESTS[name]


@pytest.mark.parametrize("name", [name for name in SOURCES if name not in EMBEDDED])
def test_a_set_that_is_not_here_says_where_to_get_it_and_where_to_put_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBEL_OFFLINE", "1")
    monkeypatch.setenv("HUBEL_HOME", str(tmp_path))
    monkeypatch.delenv("HUBEL_DATA", raising=False)
    with pytest.raises(DataError, match="HUBEL_OFFLINE") as error:
        open_source(name)
    assert "HUBEL_DATA" in error.value.hint
    assert "http" in error.value.hint


# Stored when the sets were made; a change here is a change of the data.
DIGESTS = {
    "digits": "fe00c50cd7612cc3", "spirals": "b17adc9406cd20cc", "moons": "818194cee9e130c8",
    "circles": "82cb96a96b0ff6da", "xor": "ab65cc8404a1e671", "iris": "3ee0735ee1c451e0",
}  # fmt: skip
