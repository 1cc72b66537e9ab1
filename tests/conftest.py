"""What every test shares: one thread a worker, a clean environment, and the road to the real data."""

from __future__ import annotations

import os

# Parallel test workers with spinning threads slow each other many times over; one thread each is fastest.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import gc
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from chromium import Chromium

DATA = Path(os.environ.get("HUBEL_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Thousands of tests and all modules stay until the end: no search for garbage shall look at them every time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


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


@pytest.fixture(scope="session", autouse=True)
def _private_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Decoded pictures of the tests go to a folder of their own, not into the user's cache."""
    os.environ["HUBEL_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 30 real digits each, as PNG files of 8x8 pixels: FOLDER/zero/007.png."""
    from PIL import Image
    from sklearn.datasets import load_digits

    folder = tmp_path_factory.mktemp("pictures")
    digits = load_digits()
    for label, name in enumerate(("zero", "one", "two")):
        (folder / name).mkdir()
        for row, image in enumerate(digits.images[digits.target == label][:30]):
            Image.fromarray((image * 255 / 16).astype("uint8")).save(folder / name / f"{row:03}.png")
    return folder


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run: QuickNet at a tenth of its width, trained on the digits for a moment."""
    from hubel.verbs.train import train

    out = tmp_path_factory.mktemp("runs")
    return train("digits", out=str(out), epochs=6, model_options={"width": 0.2}, threads=1, device="cpu").folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for a module, with a camera that shows a moving pattern and asks nobody."""
    camera = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    found = Chromium(tmp_path_factory.mktemp("profile"), *camera)
    yield found
    found.close()
