"""Coverage-guided fuzzing of every reader of files from outside (T26); needs atheris, which `make fuzz` installs.

    python tests/torture/fuzz.py NAME [FOLDER] [-max_total_time=60] [libFuzzer's other words]

NAME is one of READERS; FOLDER collects the inputs that reached something new. A reader may answer or raise a typed
error; anything else ends the program and leaves the input in a file. What was ever found lies in
tests/fixtures/fuzz/NAME, and the small inputs that together reach all branches reached so far in
tests/fixtures/fuzz/NAME.zip; tests/torture/test_findings.py reads both, without atheris.

    python tests/torture/fuzz.py NAME FOLDER -merge=1 OTHER …     keep in FOLDER what OTHER reaches beyond it
    python tests/torture/fuzz.py NAME --pack FOLDER               tests/fixtures/fuzz/NAME.zip from FOLDER
"""

from __future__ import annotations

import gzip
import json
import os
import random
import sys
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

if __name__ == "__main__":
    import atheris  # type: ignore[import-not-found]

    with atheris.instrument_imports(include=["hubel", "yaml"]):  # what is imported here first tells of its branches
        import hubel.checkpoint.foreign
        import hubel.checkpoint.tensors
        import hubel.checkpoint.weights
        import hubel.data.formats
        import hubel.data.images
        import hubel.data.tables
        import hubel.models.layerlist
        import hubel.recipes.schema  # noqa: F401

from hubel.checkpoint.classifier import ModelSpec
from hubel.checkpoint.foreign import check_zip
from hubel.checkpoint.manifest import net_of, read_manifest
from hubel.checkpoint.saving import save_weights
from hubel.checkpoint.tensors import read_header, read_tensors, write_tensors
from hubel.data.formats import read_idx
from hubel.data.images import BadPicture, decode
from hubel.data.jpeg import layout
from hubel.data.preprocessing import Preprocessing
from hubel.data.tables import open_table
from hubel.errors import HubelError
from hubel.models.layerlist import parse
from hubel.recipes.schema import compose, read_file
from hubel.store import RunStore, opened, parse_json, seal, unseal

FOLDER = Path(tempfile.mkdtemp())
PACKED = Path(__file__).parents[1] / "fixtures" / "fuzz"
LARGEST, MOST = 2_000, 200
"""Bytes of an input that is packed, and how many at most."""
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


def manifest(data: bytes) -> None:
    """A manifest of weights, with a digest made to fit."""
    said = parse_json(data)
    path = FOLDER / "x.json"
    if isinstance(said, dict):
        said = {key: value for key, value in said.items() if key != "digest"}
        said["digest"] = seal(said)
    path.write_bytes(json.dumps(said).encode())
    net_of(read_manifest(path), "x.json")


def archive(data: bytes) -> None:
    """The list of contents of a .pth file."""
    path = FOLDER / "x.pth"
    path.write_bytes(data)
    check_zip(path, "x.pth")


def place(data: bytes) -> None:
    """The guard of a run's folder: whatever name passes lies below it."""
    store = RunStore(FOLDER / "run")
    found = store.path(data.decode("utf-8", "surrogateescape"))
    if not os.path.abspath(found).startswith(f"{os.path.abspath(store.folder)}{os.sep}"):
        raise AssertionError(f"{found} lies outside the run")


def table(data: bytes) -> None:
    """A table of pictures; its first byte says of which kind."""
    path = FOLDER / f"x{('.csv', '.tsv', '.jsonl')[data[0] % 3] if data else '.csv'}"
    path.write_bytes(data[1:])
    open_table(path)


def idx(data: bytes) -> None:
    """An array in the form of MNIST."""
    path = FOLDER / "x.idx"
    path.write_bytes(data)
    read_idx(path)


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
    "manifest": manifest, "archive": archive, "place": place, "table": table, "idx": idx,
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
    net = ModelSpec(architecture="mnist_gap", num_classes=2, in_chans=1, img_size=(28, 28), options={})
    given = Preprocessing(height=28, width=28, channels=1)
    save_weights(store, "net", net.build().state_dict(), spec=net, preprocessing=given, class_names=["cat", "dog"])
    zipped = io.BytesIO()
    torch.save({"a": torch.ones(2)}, zipped)
    (FOLDER / "a.png").write_bytes(pictures[0])
    return {
        "manifest": [store.read_bytes("weights/net.json")],
        "archive": [zipped.getvalue()],
        "place": [b"state/000012.json", b"../x", b"/etc/passwd", b"a/./b", b"a\\..\\b"],
        "table": [b"0file,label,split\na.png,cat,train\na.png;dog,b,test\n", b"1file\tlabel\na.png\tcat\n",
                  b'2{"file": "a.png", "label": ["cat", "dog"], "split": "test"}\n'],
        "idx": [b"\0\0\x08\x02\0\0\0\x02\0\0\0\x03abcdef", gzip.compress(b"\0\0\x08\x01\0\0\0\x02ab")],
        "image": pictures, "jpeg": pictures[1:2], "header": [store.read_bytes("seed")],
        "document": [b'{"digest": "00", "a": [1, 2.5, null, {"b": "c"}]}'],
        "recipe": [b"data:\n  data: digits\ntrain:\n  epochs: 3\n  time: 1m30s\naugment: flip,translate=2\nlr: 0.1\n"],
        "layers": [b"conv 4 3x3 stride 2 pad same\nbatchnorm\nrelu\nmaxpool 2\nflatten\ndropout 0.3\ndense K"],
    }  # fmt: skip


def read(name: str, data: bytes) -> None:
    """One input; raises whatever is not an answer and not a typed error."""
    with suppress(HubelError):
        READERS[name](data)


def pack(name: str, folder: Path) -> None:
    """Put the small inputs of a folder into one archive, whose bytes follow from theirs."""
    inputs = sorted({data for path in folder.iterdir() if len(data := path.read_bytes()) <= LARGEST}, key=len)[:MOST]
    with zipfile.ZipFile(PACKED / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number, data in enumerate(inputs):
            archive.writestr(zipfile.ZipInfo(f"{number:03}"), data, zipfile.ZIP_DEFLATED)


def packed(name: str) -> list[bytes]:
    """The inputs of that archive."""
    with zipfile.ZipFile(PACKED / f"{name}.zip") as archive:
        return [archive.read(member) for member in archive.infolist()]


def main() -> None:
    """Fuzz one reader until the time is up."""
    name, *rest = sys.argv[1:]
    if rest[:1] == ["--pack"]:
        pack(name, Path(rest[1]))
        return
    folder = Path(rest.pop(0)) if rest and not rest[0].startswith("-") else FOLDER / "corpus"
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds()[name]):
        (folder / f"seed-{number}").write_bytes(data)
    random.seed(0)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for number, data in enumerate(packed(name) if (PACKED / f"{name}.zip").exists() else []):
        (folder / f"packed-{number:03}").write_bytes(data)
    atheris.Setup([sys.argv[0], *rest, "-rss_limit_mb=3000", "-timeout=20", str(folder)], lambda data: read(name, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
