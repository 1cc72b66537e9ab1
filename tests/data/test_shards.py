"""Pictures in tar shards and Parquet files: the samples and pixels of a folder, and what is refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hubel.data.decode import decode, prepare, read_images
from hubel.data.edits import contents_digest
from hubel.data.images import read_bytes
from hubel.data.manifest import BadPicture, Manifest
from hubel.data.places import Place
from hubel.data.preprocessing import Preprocessing
from hubel.data.scan import scan
from hubel.data.shards import pictures_inside
from hubel.data.sources import open_source
from hubel.data.splits import split
from hubel.data.unlabelled import open_pictures
from hubel.errors import DataError, MissingExtra, UsageError

SMALL = Preprocessing(height=8, width=8, channels=3)


def png(number: int, side: int = 8) -> bytes:
    """A picture of its own for each number."""
    pixels = np.random.default_rng(number).integers(0, 255, (side, side, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def tar(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    """A tar file of plain members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            about = tarfile.TarInfo(name)
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
    return path


def keyed(numbers: Iterable[int], end: str = ".cls") -> list[tuple[str, bytes]]:
    """Members as WebDataset has them: pictures of two classes in turn, their labels beside them."""
    found = []
    for n in numbers:
        said = {
            ".cls": f"{n % 2}",
            ".txt": ["cat", "dog"][n % 2],
            ".json": json.dumps({"label": ["cat", "dog"][n % 2]}),
        }
        found += [(f"{n:04d}.png", png(n)), (f"{n:04d}{end}", said[end].encode())]
    return found


def problems(manifest: Manifest) -> dict[str, str]:
    return {problem.path: problem.kind for problem in manifest.problems}


def test_a_tar_of_class_folders_is_the_folder_that_it_was_made_of(tmp_path: Path) -> None:
    for n in range(12):
        place = tmp_path / "photos" / ["cat", "dog"][n % 2] / f"{n}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(png(n))
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        archive.add(tmp_path / "photos", arcname="photos")
    folder, packed = (prepare(open_source(tmp_path / name), SMALL) for name in ("photos", "photos.tar"))
    assert packed[0].manifest.class_names == folder[0].manifest.class_names == ("cat", "dog")
    pixels = [
        {digest: image.tobytes() for digest, image in zip(found.manifest.digests or (), decoded.images, strict=True)}
        for found, decoded in (folder, packed)
    ]
    assert pixels[0] == pixels[1]
    assert packed[0].left_out == 0
    assert (packed[0].manifest.paths or ())[0].startswith("photos.tar/photos/")


@pytest.mark.parametrize("end", [".cls", ".txt", ".json"])
def test_labels_stand_beside_pictures_as_numbers_words_or_json(tmp_path: Path, end: str) -> None:
    for shard in range(3):
        tar(tmp_path / f"shard-{shard:06d}.tar", keyed(range(4 * shard, 4 * shard + 4), end))
    found = open_source(tmp_path)
    assert found.class_names == (("0", "1") if end == ".cls" else ("cat", "dog"))
    assert found.labels.tolist() == [n % 2 for n in range(12)]
    assert found.paths is not None
    assert found.paths[5] == "shard-000001.tar/0005.png"
    assert not found.problems
    pattern = open_source(f"{tmp_path}/shard-{{000000..000002}}.tar")
    assert (pattern.paths, pattern.digest) == (found.paths, found.digest)


def test_numbers_have_the_names_of_a_list_beside_the_shards(tmp_path: Path) -> None:
    tar(tmp_path / "a.tar", [*keyed(range(4)), ("9.png", png(9)), ("9.cls", b"7")])
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    found = open_source(tmp_path)
    assert (found.class_names, len(found)) == (("cat", "dog"), 4)
    assert problems(found) == {"a.tar/9.png": "bad label"}


def mask_of(number: int, side: int = 8) -> bytes:
    """A mask of three classes for each picture."""
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(number + 100).integers(0, 3, (side, side), np.uint8)).save(out, "PNG")
    return out.getvalue()


def masked(numbers: Iterable[int], name: str = "{:04d}.mask.png") -> list[tuple[str, bytes]]:
    """Members as WebDataset has them: pictures, and beside each its mask."""
    return [member for n in numbers for member in ((f"{n:04d}.png", png(n)), (name.format(n), mask_of(n)))]


@pytest.mark.parametrize("layout", ["{:04d}.mask.png", "{:04d}.seg.PNG", "folders", "parts"])
def test_masks_in_shards_are_those_of_a_folder(tmp_path: Path, layout: str) -> None:
    """Pixels, classes and masks, sample by sample; whether they lie under keys or in folders inside the tar."""
    for n in range(6):
        for name, data in (("images", png(n)), ("masks", mask_of(n))):
            (tmp_path / "scans" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "scans" / name / f"{n:04d}.png").write_bytes(data)
    shards = tmp_path / "shards"
    for shard in range(2):
        numbers = range(3 * shard, 3 * shard + 3)
        part = ["train/", "test/"][shard] if layout == "parts" else ""
        inside = [(f"{part}{name}/{n:04d}.png", data) for n in numbers
                  for name, data in (("images", png(n)), ("masks", mask_of(n)))]  # fmt: skip
        tar(shards / f"{shard}.tar", masked(numbers, layout) if "{" in layout else inside)
    folder, packed = (prepare(open_source(tmp_path / name), SMALL)[1] for name in ("scans", "shards"))
    found = open_source(shards)
    assert found.masks is not None
    assert found.class_names == ("0", "1", "2")
    assert found.labels.tolist() == folder.labels.tolist()
    assert folder.targets is not None
    assert packed.targets is not None
    np.testing.assert_array_equal(packed.targets, folder.targets)
    np.testing.assert_array_equal(packed.images, folder.images)
    assert found.given_split.tolist() == (["train"] * 3 + ["test"] * 3 if layout == "parts" else [""] * 6)
    assert not found.problems
    assert len(pictures_inside(str(shards))[0]) == (6 if "{" in layout else 12)


def test_labels_beside_pictures_are_learnt_and_masks_where_they_are_asked_for(tmp_path: Path) -> None:
    packed = tar(tmp_path / "a.tar", [*masked(range(4)), *((f"{n:04d}.cls", f"{n % 2}".encode()) for n in range(4))])
    found = open_source(packed)
    assert (found.masks, found.class_names, len(found)) == (None, ("0", "1"), 4)
    assert problems(found) == {"*.png": "passed over"}
    asked = open_source(packed, masks=True)
    assert asked.masks is not None
    assert asked.class_names == ("0", "1", "2")
    plain = tar(tmp_path / "b.tar", keyed(range(4)))
    with pytest.raises(DataError, match=r"b\.tar holds no masks"):
        open_source(plain, masks=True)


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([("0009.png", png(9))], r"1 of 5 pictures has no mask: a\.tar/0009\.png"),
        ([("0009.seg.png", mask_of(9))], r"1 of 5 masks belongs to no picture: a\.tar/0009\.seg\.png"),
        ([("0000.seg.png", mask_of(9))], "masks of one picture"),
        (
            [("0009.png", png(9)), ("0009.mask.png", png(8))],
            r"the mask a\.tar/0009\.mask\.png cannot be used: .*colours",
        ),
    ],
)
def test_masks_that_fit_no_picture_are_refused_by_name(
    tmp_path: Path, members: list[tuple[str, bytes]], said: str
) -> None:
    packed = tar(tmp_path / "a.tar", [*masked(range(4)), *members])
    with pytest.raises(DataError, match=said):
        open_source(packed)


def test_pictures_in_shards_need_no_label_where_none_is_learnt(tmp_path: Path) -> None:
    bare = tar(tmp_path / "bare.tar", [(f"{n}.png", png(n)) for n in range(4)])
    assert (open_pictures(bare).class_names, len(open_pictures(bare))) == (("unlabelled",), 4)
    some = tar(tmp_path / "some.tar", [*keyed(range(4)), ("9.png", png(9))])
    found = open_pictures(some)
    assert found.class_names == ("0", "1", "unlabelled")
    assert found.labels.tolist() == [0, 1, 0, 1, 2]
    beside = open_pictures(tar(tmp_path / "masked.tar", masked(range(4))))
    assert (len(beside), beside.masks) == (4, None)
    parts = open_pictures(tar(tmp_path / "parts.tar", [("train/1.png", png(1)), ("test/2.png", png(2))]))
    assert parts.given_split.tolist() == ["train", "test"]
    assert parts.class_names == ("unlabelled",)
    with pytest.raises(DataError, match="without labels: hubel pretrain"):
        open_source(bare)


def test_shards_are_parts_of_a_split_by_their_names_and_by_their_folders(tmp_path: Path) -> None:
    for place in ("names/set-train-00.tar", "names/set-train-01.tar", "names/set-val-00.tar", "names/set-test-00.tar"):
        tar(tmp_path / place, keyed(range(4)))
    for place in ("folders/train/0.tar", "folders/test/0.tar"):
        tar(tmp_path / place, keyed(range(4)))
    assert open_source(tmp_path / "names").given_split.tolist() == ["train"] * 8 + ["val"] * 4 + ["test"] * 4
    assert open_source(tmp_path / "folders").given_split.tolist() == ["train"] * 4 + ["test"] * 4
    inside = tar(tmp_path / "one.tar", [(f"{part}/{n % 2}/{n}.png", png(n)) for part in ("train", "test")
                                        for n in range(4)])  # fmt: skip
    assert sorted(open_source(inside).given_split.tolist()) == ["test"] * 4 + ["train"] * 4


def test_a_split_is_that_of_the_contents_wherever_the_shards_lie(tmp_path: Path) -> None:
    for place in ("here", "there"):
        tar(tmp_path / place / "a.tar", keyed(range(30)))
    splits = [
        split(scan(open_source(tmp_path / place)).manifest, val=0.2, test=0.2, seed=0) for place in ("here", "there")
    ]
    assert splits[0].test.tolist() == splits[1].test.tolist()
    assert splits[0].manifest_digest == splits[1].manifest_digest


def hostile(path: Path) -> Path:
    """Two good pictures of each class, and members that nobody may follow."""
    with tarfile.open(path, "w") as archive:

        def add(name: str, data: bytes = b"", **about: object) -> None:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for word, value in about.items():
                setattr(member, word, value)
            archive.addfile(member, io.BytesIO(data))

        for n in range(4):
            add(f"{n % 2}/{n}.png", png(n))
        add("0/link.png", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add("0/hard.png", type=tarfile.LNKTYPE, linkname="0/0.png")
        add("0/pipe.png", type=tarfile.FIFOTYPE)
        add("../0/up.png", png(5))
        add("/0/root.png", png(6))
        add("0/0.png", png(7))
        add("loose.png", png(8))
        add("0/notes.md", b"words")
        add("0/words.png", b"no picture")
    return path


def test_members_that_lead_elsewhere_are_named_and_nothing_is_written(tmp_path: Path) -> None:
    place = hostile(tmp_path / "a.tar")
    before = sorted(tmp_path.iterdir())
    found = open_source(place)
    assert len(found) == 5
    assert problems(found) == {
        "a.tar/0/link.png": "link", "a.tar/0/hard.png": "link", "a.tar/0/pipe.png": "special file",
        "a.tar/../0/up.png": "outside the archive", "a.tar//0/root.png": "outside the archive",
        "a.tar/0/0.png": "twice", "a.tar/loose.png": "outside a class", "*.md": "passed over",
    }  # fmt: skip
    looked = scan(found)
    assert {p.path: p.kind for p in looked.problems}["a.tar/0/words.png"] == "not an image"
    assert len(looked.manifest) == 4
    assert sorted(tmp_path.iterdir()) == before


def test_a_shard_that_ends_early_keeps_what_is_whole_and_says_what_is_lost(tmp_path: Path) -> None:
    whole = tar(tmp_path / "whole.tar", keyed(range(8)))
    for cut, good in ((6144, 3), (6144 + 300, 3), (6144 + 600, 3), (8 * 2048, 8)):
        place = tmp_path / f"cut{cut}" / "a.tar"
        place.parent.mkdir()
        place.write_bytes(whole.read_bytes()[:cut])
        found = open_source(place)
        assert len(found) == good
        assert problems(found)["a.tar"] == "truncated"
    damaged = tmp_path / "damaged.tar"
    damaged.write_bytes(whole.read_bytes()[:4096] + b"x" * 4096 + whole.read_bytes()[8192:])
    assert problems(open_source(damaged)).get("damaged.tar") == "corrupt"


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.tar", b"", "no picture with a label"),
        ("a.tar", b"words that are no archive" * 100, "is no tar file"),
        ("a.tar.gz", b"\x1f\x8b\x08" + bytes(600), "packed with gzip"),
        ("a.tar", b"\x28\xb5\x2f\xfd" + bytes(600), "packed with zstd"),
    ],
)
def test_what_is_no_tar_file_is_refused_with_the_way_out(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(data)
    for source in (tmp_path, tmp_path / name):
        with pytest.raises(DataError, match=said) as caught:
            open_source(source)
        assert caught.value.hint


def test_an_archive_that_asks_for_memory_or_for_ever_is_refused_at_once(tmp_path: Path) -> None:
    header = tarfile.TarInfo("big")
    header.type, header.size = tarfile.XHDTYPE, 1 << 40
    (tmp_path / "notes.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    back = tarfile.TarInfo("a.png")
    back.size = -1024
    raw = bytearray(back.tobuf(tarfile.GNU_FORMAT))
    (tmp_path / "back.tar").write_bytes(bytes(raw) + bytes(2048))
    for name in ("notes.tar", "back.tar"):
        with pytest.raises(DataError):
            open_source(tmp_path / name)


def test_pictures_without_a_label_and_texts_that_are_none_are_named(tmp_path: Path) -> None:
    texts = {"n": {}, "j": {"json": b'{"caption": "a cat"}'}, "b": {"json": b"{"}, "l": {"txt": b"w" * 500},
             "e": {"cls": b" "}}  # fmt: skip
    odd = [
        member
        for n, (key, said) in enumerate(texts.items(), 20)
        for member in ((f"{key}.png", png(n)), *((f"{key}.{end}", text) for end, text in said.items()))
    ]
    found = open_source(tar(tmp_path / "a.tar", [*keyed(range(4)), *odd]))
    assert problems(found) == {
        "a.tar/n.png": "no label", "a.tar/j.png": "no label", "a.tar/b.png": "bad label", "a.tar/l.png": "bad label",
        "a.tar/e.png": "bad label",
    }  # fmt: skip
    captions = [(f"{n}.{end}", png(n) if end == "png" else f"a picture of {n}".encode())
                for n in range(120) for end in ("png", "txt")]  # fmt: skip
    with pytest.raises(DataError, match="descriptions and no classes"):
        open_source(tar(tmp_path / "b" / "a.tar", captions))


def test_a_pattern_of_which_a_file_is_missing_names_it(tmp_path: Path) -> None:
    tar(tmp_path / "s-0.tar", keyed(range(4)))
    with pytest.raises(UsageError, match=r"2 files, 1 of which are not there; first: .*s-1\.tar"):
        open_source(f"{tmp_path}/s-{{0..1}}.tar")
    with pytest.raises(UsageError, match="count upwards"):
        open_source(f"{tmp_path}/s-{{3..1}}.tar")


def test_the_list_of_a_shard_is_made_once_and_again_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBEL_HOME", str(tmp_path / "home"))
    place = tar(tmp_path / "a.tar", keyed(range(6)))
    first = open_source(place)
    with monkeypatch.context() as patch:
        patch.setattr(tarfile, "open", None)
        assert open_source(place).digest == first.digest
    kept = next((tmp_path / "home" / "shards").iterdir())
    kept.write_text("{")
    assert open_source(place).digest == first.digest
    tar(place, keyed(range(8)))
    os.utime(place, ns=(1, 1))
    assert len(open_source(place)) == 8


def test_a_shard_that_changes_between_scan_and_decoding_is_told(tmp_path: Path) -> None:
    place = tar(tmp_path / "a.tar", keyed(range(6)))
    found = scan(open_source(place))
    tar(place, keyed(range(1, 7)))
    with pytest.raises(DataError, match="is not what it was when it was scanned"):
        decode(found.manifest, Preprocessing(height=9, width=9, channels=3))


def test_a_place_beyond_the_end_of_its_archive_is_no_picture_cut_short(tmp_path: Path) -> None:
    file = tar(tmp_path / "a.tar", keyed([0]))
    beyond = str(Place(str(file), 512, 10**9 // 4, "0.png"))
    with pytest.raises(BadPicture, match=r"its archive ends [0-9,]+ bytes before it does"):
        read_bytes(beyond)


def test_pictures_in_shards_are_looked_at_by_their_names(tmp_path: Path) -> None:
    place = tar(tmp_path / "a.tar", [*keyed(range(2)), ("bad.png", b"no picture")])
    paths, odd = pictures_inside(str(place))
    images, rows, bad = read_images(paths, SMALL)
    assert (len(paths), rows.tolist(), images.shape, odd) == (3, [0, 1], (2, 3, 8, 8), [])
    assert [problem.path for problem in bad] == [f"{place}/bad.png"]
    manifest = open_source(place)
    assert contents_digest(manifest, 0) == hashlib.sha256(png(0)).hexdigest()


# ---------------------------------------------------------------- Parquet


def parquet(path: Path, *, names: list[str] | None = None, group: int = 4, **columns: object) -> Path:
    """A Parquet file of these columns, with class names as the usual hubs write them."""
    arrow = pytest.importorskip("pyarrow")
    table = arrow.table(columns)
    if names:
        features = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    path.parent.mkdir(parents=True, exist_ok=True)
    __import__("pyarrow.parquet")
    arrow.parquet.write_table(table, path, row_group_size=group)
    return path


def test_parquet_of_bytes_is_read_where_it_lies(tmp_path: Path) -> None:
    cells = [{"bytes": png(n), "path": None} for n in range(10)]
    for place in ("train-00000-of-00001.parquet", "test-00000-of-00001.parquet"):
        parquet(tmp_path / place, names=["cat", "dog", "bird"], image=cells, label=[n % 2 for n in range(10)])
    found, decoded = prepare(open_source(tmp_path), SMALL)
    assert found.manifest.class_names == ("cat", "dog")
    assert found.manifest.given_split.tolist() == ["train"] * 10 + ["test"] * 10
    tarred = tar(tmp_path / "as" / "a.tar", keyed(range(10)))
    _, other = prepare(open_source(tarred), SMALL)
    assert np.array_equal(decoded.images[:10], other.images)
    plain = parquet(tmp_path / "b" / "a.parquet", img=[png(n) for n in range(4)], category=["x", "y", "x", None])
    named = open_source(plain)
    assert (named.class_names, len(named), problems(named)) == (("x", "y"), 3, {"a.parquet/00000003": "no label"})


def test_parquet_without_labels_is_read_where_none_is_learnt(tmp_path: Path) -> None:
    bare = parquet(tmp_path / "a" / "a.parquet", image=[png(n) for n in range(4)])
    assert open_pictures(bare).class_names == ("unlabelled",)
    assert len(pictures_inside(str(bare))[0]) == 4
    with pytest.raises(DataError, match="no column of labels"):
        open_source(bare)


def test_parquet_without_such_columns_or_of_other_types_is_refused(tmp_path: Path) -> None:
    for number, (columns, said) in enumerate([
        ({"x": [1, 2], "label": [0, 1]}, "no column of pictures"),
        ({"image": [png(0), png(1)], "y": [0, 1]}, "no column of labels"),
        ({"image": ["a.png", "b.png"], "label": [0, 1]}, "must hold bytes"),
        ({"image": [png(0), png(1)], "label": [0.5, 1.5]}, "whole numbers or texts"),
    ]):  # fmt: skip
        place = parquet(tmp_path / str(number) / "a.parquet", **columns)
        with pytest.raises(DataError, match=said):
            open_source(place)
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(place.read_bytes()[:100])
    with pytest.raises(DataError, match="cannot be read as a Parquet file"):
        open_source(broken)
    said = parquet(tmp_path / "said.parquet", scan=[png(0), png(1)], grade=["a", "b"])
    assert len(open_source(said, columns={"file": "scan", "label": "grade"})) == 2


def test_a_group_of_rows_that_would_fill_the_memory_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = parquet(tmp_path / "a.parquet", image=[png(n) for n in range(4)], label=[0, 1, 0, 1])
    monkeypatch.setattr("hubel.data.cells.MOST_GROUP", 100)
    with pytest.raises(BadPicture, match=r"its group of rows unpacks to [0-9,]+ bytes, the limit is 100"):
        read_bytes(str(Place(str(file), 0, 0, "00000000", "image")))


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtra, match="needs the package 'pyarrow'") as caught:
        open_source(tmp_path)
    assert caught.value.hint == "pip install 'hubel[parquet]'"
