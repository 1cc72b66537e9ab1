"""T20: folders as they really are. Nothing hangs, nothing outside is read, nothing is left out unnamed."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import string
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.pictures import classes, encoded, scene, tree
from hubel.data.folders import open_folder
from hubel.data.manifest import Manifest
from hubel.data.scan import scan
from hubel.errors import DataError

PICTURE = encoded(scene(0, 8, 8), "PNG")


def problems(manifest: Manifest) -> dict[str, str]:
    return {problem.path: problem.kind for problem in manifest.problems}


def test_classes_are_the_folders_at_the_top_and_nested_ones_belong_to_them(tmp_path: Path) -> None:
    tree(tmp_path, dict.fromkeys(("cat/1.png", "cat/b/2.PNG", "cat/b/c/3.JpEg", "dog/a/1.png"), PICTURE))
    manifest = open_folder(tmp_path)
    assert manifest.class_names == ("cat", "dog")
    assert manifest.paths == ("cat/1.png", "cat/b/2.PNG", "cat/b/c/3.JpEg", "dog/a/1.png")
    assert manifest.labels.tolist() == [0, 0, 0, 1]
    assert manifest.given_split.tolist() == [""] * 4
    assert manifest.problems == ()


@pytest.mark.parametrize(("train", "val", "test"), [("train", "val", "test"), ("Training", "VALIDATION", "testing")])
def test_train_val_and_test_folders_are_given_splits(tmp_path: Path, train: str, val: str, test: str) -> None:
    tree(tmp_path, {f"{part}/{name}/1.png": PICTURE for part in (train, val, test) for name in ("cat", "dog")})
    manifest = open_folder(tmp_path)
    assert manifest.class_names == ("cat", "dog")
    assert manifest.given_split.tolist() == ["train", "train", "val", "val", "test", "test"]


def test_a_class_that_a_split_lacks_moves_no_other_class(tmp_path: Path) -> None:
    names = [f"{part}/{name}/1.png" for part, names in (("train", "abcd"), ("test", "acd")) for name in names]
    manifest = open_folder(tree(tmp_path, dict.fromkeys(names, PICTURE)))
    assert manifest.paths is not None
    for path, label in zip(manifest.paths, manifest.labels, strict=True):
        assert manifest.class_names[label] == path.split("/")[1]


def test_folders_named_train_and_bus_are_classes(tmp_path: Path) -> None:
    manifest = open_folder(tree(tmp_path, {"train/1.png": PICTURE, "bus/1.png": PICTURE}))
    assert manifest.class_names == ("bus", "train")


def test_an_archive_that_unpacked_into_a_folder_of_its_own_is_no_class(tmp_path: Path) -> None:
    manifest = open_folder(tree(tmp_path, {"photos/cat/1.png": PICTURE, "photos/dog/1.png": PICTURE, "README": b""}))
    assert manifest.class_names == ("cat", "dog")


def test_hidden_files_and_litter_are_passed_over_in_silence(tmp_path: Path) -> None:
    names = (
        "cat/1.png",
        "dog/1.png",
        ".git/x.png",
        "cat/.2.png",
        "dog/Thumbs.db",
        "__MACOSX/cat/1.png",
        "cat/.DS_Store",
    )
    manifest = open_folder(tree(tmp_path, dict.fromkeys(names, PICTURE)))
    assert manifest.paths == ("cat/1.png", "dog/1.png")
    assert manifest.problems == ()


def test_everything_odd_is_named(tmp_path: Path) -> None:
    outside = tree(tmp_path / "outside", {"secret.png": PICTURE})
    root = classes(tmp_path / "root", {"cat": 2, "dog": 2})
    tree(root, {"dog/notes.txt": b"words", "loose.png": PICTURE})
    (root / "empty").mkdir()
    (root / "cat" / "linked.png").symlink_to(outside / "secret.png")
    (root / "cat" / "loop").symlink_to(root)
    (root / "escape").symlink_to(outside)
    os.mkfifo(root / "cat" / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        place = os.getcwd()
        os.chdir(root / "cat")  # a socket's path is short by law
        try:
            server.bind("s.png")
        finally:
            os.chdir(place)
    manifest = open_folder(root)
    assert len(manifest) == 4
    assert problems(manifest) == {
        "cat/linked.png": "link", "cat/loop": "link", "escape": "link", "cat/pipe.png": "special file",
        "cat/s.png": "special file", "dog/notes.txt": "not an image", "empty": "empty class",
        "loose.png": "outside a class",
    }  # fmt: skip


def test_a_file_that_turns_into_a_pipe_after_the_listing_does_not_hang_the_scan(tmp_path: Path) -> None:
    manifest = open_folder(classes(tmp_path / "root", {"cat": 2, "dog": 2}))
    (tmp_path / "root/cat/000.png").unlink()
    os.mkfifo(tmp_path / "root/cat/000.png")
    found = scan(manifest, cache_dir=tmp_path / "cache")
    assert [(p.path, p.kind) for p in found.problems if p.left_out] == [("cat/000.png", "special file")]


def test_classes_that_differ_in_capitals_stay_apart_and_are_mentioned(tmp_path: Path) -> None:
    manifest = open_folder(tree(tmp_path, {"Cat/1.png": PICTURE, "cat/1.png": PICTURE, "dog/1.png": PICTURE}))
    assert manifest.class_names == ("Cat", "cat", "dog")
    assert problems(manifest) == {"cat": "class names"}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "no pictures, it is empty"),
        (["1.png", "2.png"], "2 pictures, but none in a class folder"),
        (["cat/1.png", "cat/2.png"], "one only: 'cat'"),
        (["cat/1.txt"], "no pictures; 1 other file not usable"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_with_a_way_out(tmp_path: Path, files: list[str], words: str) -> None:
    with pytest.raises(DataError, match=words) as error:
        open_folder(tree(tmp_path, dict.fromkeys(files, PICTURE)))
    assert "class in a folder of its own" in error.value.hint


NAMES = st.one_of(
    st.text(alphabet=string.ascii_letters + " .-_\n\t\"'`$;&*?[]", min_size=1, max_size=12),
    st.text(min_size=1, max_size=12),
    st.sampled_from(
        [
            "-rf",
            "line\nbreak",
            "\u202etxt.exe",
            "a" * 200,
            "CON",
            "train",
            "..x",
            "x..",
            "é",
            "e\u0301",
            "\x7f",
            "\udcff\udcfe",
        ]
    ),
)


KINDS = ["picture", "empty", "link", "fifo", "folder", "socket", "loop", "device"]


def usable(name: str) -> bool:
    try:
        encoded_name = os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return name not in (".", "..") and "/" not in name and "\0" not in name and len(encoded_name) < 230


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        NAMES.filter(usable),
        st.lists(st.tuples(NAMES.filter(usable), st.sampled_from(KINDS)), max_size=4),
        max_size=5,
    )
)  # fmt: skip
def test_generated_trees_get_a_manifest_or_a_typed_refusal(
    tmp_path_factory: pytest.TempPathFactory, layout: dict[str, list[tuple[str, str]]]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    outside = tree(root.parent / f"{root.name}-outside", {"secret.png": PICTURE})
    for folder, entries in layout.items():
        (root / folder).mkdir(exist_ok=True)
        for name, kind in entries:
            path = root / folder / f"{name}.png"
            if os.path.lexists(path):
                continue
            if kind == "picture":
                path.write_bytes(PICTURE)
            elif kind == "empty":
                path.write_bytes(b"")
            elif kind == "link":
                path.symlink_to(outside / "secret.png")
            elif kind == "fifo":
                os.mkfifo(path)
            elif kind == "loop":
                path.symlink_to(root, target_is_directory=True)
            elif kind == "device":
                path.symlink_to("/dev/zero")
            elif kind == "socket":
                with socket.socket(socket.AF_UNIX) as server:
                    folder_now = os.open(".", os.O_RDONLY)
                    os.chdir(path.parent)
                    try:
                        server.bind(".s")  # its name is short by law, and no picture of the tree is called so
                        os.rename(".s", path.name)
                    finally:
                        os.fchdir(folder_now)
                        os.close(folder_now)
            else:
                path.mkdir()
    try:
        manifest = open_folder(root)
    except DataError:
        return
    assert manifest.paths is not None
    assert len(set(manifest.paths)) == len(manifest) > 0
    listed = {
        f"{folder}/{path.name}" for folder in layout for path in (root / folder).iterdir()
        if path.is_file() and not path.is_symlink() and not path.name.startswith(".") and not folder.startswith(".")
    }  # fmt: skip
    assert {p for p in manifest.paths if p.count("/") == 1} <= listed
    assert all(name.isprintable() for name in manifest.class_names)
    assert manifest.digest == open_folder(root).digest


def test_a_path_of_two_thousand_bytes_is_read(tmp_path: Path) -> None:
    root = classes(tmp_path / "root", {"cat": 2, "dog": 2})
    deep = root / "cat"
    while len(os.fsencode(deep)) < 2000:
        deep /= "d" * 100
    deep.mkdir(parents=True)
    (deep / "far.png").write_bytes(encoded(scene(7)))
    manifest = open_folder(root)
    assert len(manifest) == 5
    assert scan(manifest, cache_dir=tmp_path / "cache").problems == ()


def can_become_another() -> bool:
    """Is this root, and is user 65534 somebody here? In a user namespace of its own, root is alone."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    spans = [list(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    return any(first <= 65534 < first + count for first, _, count in spans)


@pytest.mark.skipif(not can_become_another(), reason="needs root that can become somebody else")
def test_files_and_folders_that_may_not_be_read_are_named(tmp_path: Path) -> None:
    root = classes(tmp_path / "root", {"cat": 3, "dog": 3, "owl": 2})
    first = sorted((root / "cat").iterdir())[0]
    first.chmod(0)
    (root / "owl").chmod(0)
    for folder in (tmp_path, *tmp_path.parents):  # pytest's folders are its user's alone
        if "pytest-" in str(folder):
            folder.chmod(0o755)
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            os.setuid(65534)
            manifest = open_folder(root)
            found = {**problems(manifest), "samples": str(len(manifest))}
            os.write(writing, json.dumps(found).encode())
        except BaseException as error:
            os.write(writing, json.dumps({"error": repr(error)}).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    found = json.loads(os.read(reading, 10_000))
    os.close(reading)
    assert "error" not in found, found
    assert found.get("owl"), found


@pytest.mark.slow
def test_fifty_thousand_small_files_are_listed_in_seconds_and_little_memory(tmp_path: Path) -> None:
    root = classes(tmp_path / "root", {"cat": 1, "dog": 1})
    first = sorted((root / "cat").iterdir())[0]
    for number in range(50_000):
        os.link(first, root / ("cat", "dog")[number % 2] / f"copy-{number}.png")
    began = time.monotonic()
    assert len(open_folder(root)) == 50_002
    assert time.monotonic() - began < 60


def state(root: Path) -> str:
    parts = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        about = path.lstat()
        parts.update(f"{path} {about.st_mtime_ns} {about.st_mode} {about.st_size}".encode("utf-8", "surrogateescape"))
        if path.is_file():
            parts.update(path.read_bytes())
    return parts.hexdigest()


def test_the_data_folder_is_never_written_to(tmp_path: Path) -> None:
    root = classes(tmp_path / "root", {"cat": 3, "dog": 3})
    tree(root, {"cat/cut.jpg": encoded(scene(3))[:300], "dog/words.jpg": b"words"})
    before = state(root)
    scan(open_folder(root), cache_dir=tmp_path / "cache")
    assert state(root) == before


def leave_a_run(folder: Path) -> None:
    """What an earlier training leaves in a data folder."""
    tree(folder, dict.fromkeys(("x-1/config.yaml", "x-1/env.json"), b"{}"))
    tree(folder, {"x-1/figures/confusion.png": PICTURE})


@pytest.mark.parametrize("stray", ["notes", "runs", "holdout"])
def test_one_odd_folder_beside_given_splits_changes_nothing_and_is_named(tmp_path: Path, stray: str) -> None:
    root = classes(tmp_path, {f"{part}/{name}": 1 for part in ("train", "val") for name in ("ant", "bee")})
    if stray == "runs":
        leave_a_run(root / "runs")
    elif stray == "holdout":
        classes(root, {"holdout/ant": 1})
    else:
        (root / "notes").mkdir()
    manifest = open_folder(root)
    assert manifest.class_names == ("ant", "bee")
    assert manifest.given_split.tolist() == ["train", "train", "val", "val"]
    assert problems(manifest) == {stray: "passed over"}
    assert ("it holds pictures" in manifest.problems[0].reason) == (stray == "holdout")


@pytest.mark.parametrize("top", [{"train/ant": 1, "train/bee": 1}, {"ant": 1, "bee": 1}])
def test_runs_of_an_earlier_training_are_no_class(tmp_path: Path, top: dict[str, int]) -> None:
    leave_a_run(classes(tmp_path, top) / "runs")
    manifest = open_folder(tmp_path)
    assert manifest.class_names == ("ant", "bee")
    assert problems(manifest) == {"runs": "passed over"}


def test_a_class_called_train_with_folders_in_it_stays_a_class_beside_others(tmp_path: Path) -> None:
    manifest = open_folder(classes(tmp_path, {"train/steam": 1, "train/diesel": 1, "bus": 1}))
    assert manifest.class_names == ("bus", "train")
    (remark,) = manifest.problems
    assert remark.reason.startswith("is taken for a class, and holds folders (diesel, steam)")


@pytest.mark.parametrize(
    ("learned", "tested", "also"),
    [
        ("Train_png", "Test_png", None),
        ("seg_train/seg_train", "seg_test/seg_test", "seg_pred"),
        ("fruits-360_Training", "fruits-360_Test", None),
        ("trainset", "testset", None),
        ("train2017", "test2017", None),
        ("training_images", "ValidationImages", None),
    ],
)
def test_the_parts_of_a_split_are_known_by_the_many_names_of_the_field(
    tmp_path: Path, learned: str, tested: str, also: str | None
) -> None:
    root = classes(tmp_path, {f"{part}/{name}": 2 for part in (learned, tested) for name in ("A", "B")})
    if also:
        tree(root, {f"{also}/1.png": PICTURE})
    manifest = open_folder(root)
    assert manifest.class_names == ("A", "B")
    assert set(manifest.given_split) == {"train", "val" if "alid" in tested else "test"}
    assert problems(manifest) == ({also: "passed over"} if also else {})


def test_parts_of_a_split_may_lie_inside_the_classes(tmp_path: Path) -> None:
    root = classes(tmp_path, {f"{name}/{part}": 1 for name in ("ant", "bee") for part in ("train", "test")})
    manifest = open_folder(root)
    assert manifest.class_names == ("ant", "bee")
    assert manifest.given_split.tolist() == ["train", "train", "test", "test"]


def test_a_tree_one_level_too_high_gets_a_remark(tmp_path: Path) -> None:
    root = classes(tmp_path, {f"{part}/{name}": 1 for part in ("studio", "outdoors") for name in ("ant", "bee", "cow")})
    (remark,) = open_folder(root).problems
    assert (remark.kind, remark.left_out) == ("layout", False)
    assert "each of these folders holds class folders (ant, bee, cow)" in remark.reason
    other = classes(tmp_path / "other", {"cat/siam": 1, "cat/angora": 1, "dog/pug": 1, "dog/collie": 1})
    assert open_folder(other).problems == ()


def test_numbers_are_classes_in_the_order_of_numbers(tmp_path: Path) -> None:
    manifest = open_folder(classes(tmp_path, dict.fromkeys(map(str, range(1, 13)), 1)))
    assert manifest.class_names == tuple(map(str, range(1, 13)))
    assert manifest.paths is not None
    assert [path.split("/")[0] for path in manifest.paths] == list(manifest.class_names)


def test_links_are_followed_where_that_is_asked_for_and_never_in_a_circle(tmp_path: Path) -> None:
    store = classes(tmp_path / "store", {"ant": 2, "bee": 2})
    (tmp_path / "sel/ant").mkdir(parents=True)
    (tmp_path / "sel/ant/a.png").symlink_to(store / "ant/000.png")
    (tmp_path / "sel/ant/round").symlink_to(tmp_path / "sel/ant")
    (tmp_path / "sel/bee").symlink_to("../store/bee")
    (tmp_path / "sel/up").symlink_to("/")
    (tmp_path / "sel/self.png").symlink_to("self.png")
    with pytest.raises(DataError, match="links; links are not followed") as error:
        open_folder(tmp_path / "sel")
    assert error.value.hint == "add --follow-links"
    manifest = open_folder(tmp_path / "sel", follow_links=True)
    assert manifest.paths == ("ant/a.png", "bee/000.png", "bee/001.png")
    assert problems(manifest) == {"ant/round": "link", "up": "link", "self.png": "link"}
    assert scan(manifest, cache_dir=tmp_path / "cache").left_out == 3


def test_classes_that_print_alike_are_told_apart(tmp_path: Path) -> None:
    for name in (b"caf\xe9", rb"caf\xe9"):
        os.mkdir(os.path.join(os.fsencode(tmp_path), name))
        with open(os.path.join(os.fsencode(tmp_path), name, b"1.png"), "wb") as file:
            file.write(PICTURE)
    manifest = open_folder(tmp_path)
    assert manifest.class_names == (r"caf\xe9", r"caf\xe9 (2)")
    assert manifest.paths is not None
    assert manifest.paths[1] == os.fsdecode(b"caf\xe9/1.png")
    assert manifest.name(1) == r"caf\xe9/1.png"


@pytest.mark.parametrize("pair", [("e\u0301t\u00e9", "\u00e9t\u00e9"), ("red fox", "Red_Fox")])
def test_classes_that_look_alike_are_mentioned(tmp_path: Path, pair: tuple[str, str]) -> None:
    manifest = open_folder(classes(tmp_path, dict.fromkeys(pair, 1)))
    assert manifest.num_classes == 2
    assert list(problems(manifest).values()) == ["class names"]
