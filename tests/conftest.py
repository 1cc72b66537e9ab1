"""What every test shares: one thread a worker, a clean environment, and the road to the real data."""

from __future__ import annotations

import os

# Parallel test workers with spinning threads slow each other many times over; one thread each is fastest.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

from pathlib import Path  # noqa: E402

import pytest  # noqa: E402

DATA = Path(os.environ.get("HUBEL_DATA", Path(__file__).parents[2] / "shared" / "data"))


def _present(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"needs {name} in HUBEL_DATA ({DATA}), which is absent")
    return path


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The four IDX files of MNIST."""
    return _present("mnist")


@pytest.fixture(scope="session")
def photo_folder() -> Path:
    """One hundred photographs of ImageNet classes."""
    return _present("photos")


@pytest.fixture(scope="session")
def cifar_archive() -> Path:
    """CIFAR-10 as JPEG files, in a tar archive: train/CLASS/NNNN.jpg and test/CLASS/NNNN.jpg."""
    return _present("cifar10-jpeg.tar.gz")
