"""Coverage-guided fuzzing of every reader of files from outside (T26); needs atheris, which `make fuzz` installs.

    python tests/torture/fuzz.py NAME [FOLDER] [-max_total_time=60] [libFuzzer's other words]

NAME is image, jpeg, header, document, recipe or layers; FOLDER collects the inputs that reached something new. A reader
may answer or raise a typed error; anything else ends the program and leaves the input in a file. What was ever found
lies in tests/fixtures/fuzz/NAME and is read by tests/torture/test_findings.py without atheris.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

if __name__ == "__main__":
    import atheris  # type: ignore[import-not-found]

    with atheris.instrument_imports(include=["hubel", "yaml"]):  # what is imported here first tells of its branches
        import hubel.checkpoint.tensors
        import hubel.data.images
        import hubel.models.layerlist
        import hubel.recipes.schema  # noqa: F401

from hubel.checkpoint.tensors import read_header, read_tensors, write_tensors
from hubel.data.images import BadPicture, decode
from hubel.data.jpeg import layout
from hubel.data.preprocessing import Preprocessing
from hubel.errors import HubelError
from hubel.models.layerlist import parse
from hubel.recipes.schema import compose, read_file
from hubel.store import RunStore, opened, parse_json, unseal

FOLDER = Path(tempfile.mkdtemp())
LIMITS = Preprocessing(height=8, width=8, channels=3)


def image(data: bytes) -> None:
    """The decoder of pictures with its checks, at a small limit of pixels so that it stays quick."""
    with suppress(BadPicture):
        decode(data, LIMITS, max_pixels=100_000)


def jpeg(data: bytes) -> None:
    """Our own reading of a JPEG's scans."""
    with suppress(BadPicture):
        layout(data)


def header(data: bytes) -> None:
    """A file of tensors."""
    path = FOLDER / "x.safetensors"
    path.write_bytes(data)
    with opened(path) as (descriptor, size):
        read_tensors(descriptor, read_header(descriptor, size))


def document(data: bytes) -> None:
    """A manifest or a state's document."""
    unseal(parse_json(data))


def recipe(data: bytes) -> None:
    """A recipe file, to its last check."""
    path = FOLDER / "x.yaml"
    path.write_bytes(data)
    compose(read_file(path))


def words(data: bytes) -> None:
    """A layer list of few layers."""
    parse(data.decode("utf-8", "replace").split("\n")[:20], in_shape=(1, 8, 8), num_classes=2)


READERS: dict[str, Callable[[bytes], None]] = {
    "image": image, "jpeg": jpeg, "header": header, "document": document, "recipe": recipe, "layers": words,
}  # fmt: skip


def seeds() -> dict[str, list[bytes]]:
    """Good files to begin with."""
    import io

    from PIL import Image

    pictures = []
    for form in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"):
        file = io.BytesIO()
        Image.effect_noise((12, 10), 90).convert("RGB").save(
            file, form, **({"progressive": True} if form == "JPEG" else {})
        )
        pictures.append(file.getvalue())
    import torch

    store = RunStore(FOLDER)
    with store.writing("seed") as file:  # type: ignore[assignment]
        write_tensors(file, {"a": torch.ones(2, 3), "b": torch.zeros(1, dtype=torch.int64)})  # type: ignore[arg-type]
    return {
        "image": pictures, "jpeg": pictures[1:2], "header": [store.read_bytes("seed")],
        "document": [b'{"digest": "00", "a": [1, 2.5, null, {"b": "c"}]}'],
        "recipe": [b"data:\n  data: digits\ntrain:\n  epochs: 3\n  time: 1m30s\naugment: flip,translate=2\nlr: 0.1\n"],
        "layers": [b"conv 4 3x3 stride 2 pad same\nbatchnorm\nrelu\nmaxpool 2\nflatten\ndropout 0.3\ndense K"],
    }  # fmt: skip


def read(name: str, data: bytes) -> None:
    """One input; raises whatever is not an answer and not a typed error."""
    with suppress(HubelError):
        READERS[name](data)


def main() -> None:
    """Fuzz one reader until the time is up."""
    name, *rest = sys.argv[1:]
    folder = Path(rest.pop(0)) if rest and not rest[0].startswith("-") else FOLDER / "corpus"
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds()[name]):
        (folder / f"seed-{number}").write_bytes(data)
    random.seed(0)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    atheris.Setup([sys.argv[0], *rest, "-rss_limit_mb=3000", "-timeout=20", str(folder)], lambda data: read(name, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
