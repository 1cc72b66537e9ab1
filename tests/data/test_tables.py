"""CSV and JSONL tables of files: read as people write them, with every unusable row named."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.pictures import encoded, scene, tree
from hubel.data.manifest import Manifest
from hubel.data.scan import scan
from hubel.data.sources import open_source
from hubel.data.tables import open_table
from hubel.errors import DataError, HubelError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tree(tmp_path / "set", {f"a/{i}.png": encoded(scene(i), "PNG") for i in range(6)})


def table(root: Path, text: str, name: str = "list.csv") -> Manifest:
    (root / name).write_text(text, encoding="utf-8")
    return open_table(root / name)


def test_files_labels_splits_and_groups(root: Path) -> None:
    manifest = table(root, "file,label,split,group\na/0.png,cat,train,x\na/1.png,dog,Validation,x\na/2.png,cat,test,\n")
    assert manifest.paths == ("a/0.png", "a/1.png", "a/2.png")
    assert manifest.class_names == ("cat", "dog")
    assert manifest.labels.tolist() == [0, 1, 0]
    assert manifest.given_split.tolist() == ["train", "val", "test"]
    assert manifest.groups is not None
    assert manifest.groups.tolist() == ["x", "x", ""]
    assert scan(manifest, cache_dir=root.parent / "cache").left_out == 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "file_name;class\na/0.png;cat\na/1.png;dog\n"),
        ("t.tsv", "Image\tCategory\na/0.png\tcat\na/1.png\tdog\n"),
        ("t.csv", '\ufefffilename,label,remark\r\n"a/0.png","cat","a, b"\r\na/1.png,dog,\r\n'),
        ("t.jsonl", '{"file": "a/0.png", "label": "cat"}\n\n{"file": "./a/1.png", "label": "dog", "x": [1]}\n'),
    ],
)
def test_as_people_and_spreadsheets_write_them(root: Path, name: str, text: str) -> None:
    manifest = table(root, text, name)
    assert manifest.paths == ("a/0.png", "a/1.png")
    assert manifest.class_names == ("cat", "dog")


def test_numbers_as_classes_are_in_the_order_of_numbers(root: Path) -> None:
    manifest = table(root, "file,label\na/0.png,10\na/1.png,9\na/2.png,10\n")
    assert manifest.class_names == ("9", "10")
    assert manifest.labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize("text", ["file,label\na/0.png,1.5\na/1.png,2\n", "file,target\na/0.png,1\na/1.png,2\n"])
def test_numbers_to_predict_make_a_regression(root: Path, text: str) -> None:
    manifest = table(root, text)
    assert manifest.regression
    assert manifest.class_names == ()
    assert manifest.labels.dtype.kind == "f"
    found = scan(manifest, cache_dir=root.parent / "cache")
    assert len(found.manifest) == 2


def test_rows_that_cannot_be_used_are_named_with_their_line(root: Path) -> None:
    (root.parent / "secret.png").write_bytes(encoded(scene(9), "PNG"))
    (root / "a/link.png").symlink_to(root / "a/0.png")
    os.mkfifo(root / "a/pipe.png")
    rows = [
        "a/0.png,cat,", "a/1.png,dog,", "a/none.png,cat,", "a/2.png,,", ",cat,", "../secret.png,cat,",
        f"{root.parent}/secret.png,cat,", "a/link.png,cat,", "a/pipe.png,cat,", "a/3.png,cat,sometimes", "a/0.png,dog,",
    ]  # fmt: skip
    manifest = table(root, "file,label,split\n" + "\n".join(rows) + "\n")
    assert manifest.paths == ("a/0.png", "a/1.png")
    words = [
        "no such file",
        "no label",
        "no file name",
        "below",
        "below",
        "plain file",
        "plain file",
        "sometimes",
        "line 2",
    ]
    assert len(manifest.problems) == len(words)
    for line, (problem, word) in enumerate(zip(manifest.problems, words, strict=True), start=4):
        assert problem.reason.startswith(f"line {line}: ")
        assert word in problem.reason


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("t.csv", "", "no rows"),
        ("t.csv", "file,label\n", "no rows"),
        ("t.csv", "file,colour\na/0.png,red\n", "no column 'label'"),
        ("t.csv", "file,labels\na/0.png,red\n", "no column 'label'"),
        ("t.csv", "file,label\na/9.png,red\n", "no usable row"),
        ("t.csv", "file,label\na/0.png,red\na/1.png,red\n", "at least 2 classes"),
        ("t.jsonl", "{not json}\n", "line 1"),
        ("t.jsonl", "[1, 2]\n", "no JSON object"),
        ("t.jsonl", "[" * 5000 + "\n", "no JSON object"),
        ("t.csv", "file,label\0\n", "not text"),
    ],
)
def test_what_is_no_table_is_refused_in_words(root: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as error:
        table(root, text, name)
    assert error.value.hint


def test_a_folder_with_a_metadata_file_is_a_table(root: Path) -> None:
    (root / "metadata.jsonl").write_text("".join(
        json.dumps({"file_name": f"a/{i}.png", "label": "xy"[i % 2]}) + "\n" for i in range(6)
    ))  # fmt: skip
    assert open_source(root).class_names == ("x", "y")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=300) | st.text(alphabet='file,label\n"a/0.png;\t{}:\r\\', max_size=200).map(str.encode),
    st.booleans(),
)
def test_any_text_gets_a_manifest_or_a_typed_refusal(root: Path, contents: bytes, lines: bool) -> None:
    path = root / ("any.jsonl" if lines else "any.csv")
    path.write_bytes((b"" if lines else b"file,label\n") + contents)
    try:
        open_table(path)
    except HubelError:
        return
