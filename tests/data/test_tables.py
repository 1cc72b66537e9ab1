"""CSV and JSONL tables of files: read as people write them, with every unusable row named."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.pictures import encoded, scene, tree
from hubel.data.lists import in_lists
from hubel.data.manifest import Manifest, leaks
from hubel.data.scan import scan
from hubel.data.sources import open_source
from hubel.data.tables import open_table
from hubel.errors import DataError, HubelError, UsageError


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
        ("t.csv", "file,label\na/0.png,red\na/1.png,dark, red\n", "line 3 has 3 cells, and 2 columns have names"),
        ("t.csv", "file,label,label\na/0.png,red,dark\n", "2 columns called 'label', number 2, 3"),
        ("t.csv", 'file,label\na/0.png,red\n"a/1.png,dark\na/2.png,red\n', "opens in line 3 is never closed"),
        ("t.csv", 'file,"label\na/0.png,red\n', "opens in line 1 is never closed"),
        ("t.csv", "file,length\na/0.png,1.5\n", r"(?s)no column 'label'.*--column target=COLUMN"),
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


def remarks(manifest: Manifest, kind: str = "table") -> list[str]:
    return [problem.reason for problem in manifest.problems if problem.kind == kind]


def test_the_nameless_column_that_pandas_writes_is_none_of_the_columns(root: Path) -> None:
    manifest = table(root, ",file,label,split\n0,a/0.png,cat,train\n1,a/1.png,dog,test\n0,a/2.png,dog,train\n")
    assert manifest.given_split.tolist() == ["train", "test", "train"]
    assert manifest.groups is None
    assert manifest.problems == ()


def test_backslashes_are_slashes_where_no_such_file_exists(root: Path) -> None:
    manifest = table(root, "file,label\na\\0.png,cat\na\\1.png,dog\n")
    assert manifest.paths == ("a/0.png", "a/1.png")
    (root / "a\\2.png").write_bytes((root / "a/3.png").read_bytes())
    assert table(root, "file,label\na\\2.png,cat\na\\1.png,dog\n").paths == ("a\\2.png", "a/1.png")


def test_absolute_paths_below_the_folder_are_taken(root: Path) -> None:
    assert table(root, f"file,label\n{root}/a/0.png,cat\na/1.png,dog\n").paths == ("a/0.png", "a/1.png")


@pytest.mark.parametrize(("file", "words"), [("a/0", "add the suffix"), ("A/0.png", ""), ("a/0.PNG", "spell it so")])
def test_a_file_that_may_be_meant_is_named(root: Path, file: str, words: str) -> None:
    with pytest.raises(DataError, match="no usable row") as error:
        table(root, f"file,label\n{file},cat\n")
    assert (f"a/0.png exists: {words}" in error.value.what) == bool(words)


def test_columns_are_said_where_their_names_are_unusual(root: Path) -> None:
    (root / "k.csv").write_text("picture of,what,when\na/0.png,0,x\na/1.png,1,y\n")
    said = {"file": "picture of", "label": "what", "group": "when"}
    manifest = open_table(root / "k.csv", columns=said)
    assert manifest.class_names == ("0", "1")
    assert manifest.groups is not None
    assert open_table(root / "k.csv", columns={"file": "picture of", "target": "what"}).regression
    with pytest.raises(UsageError, match="a column is one of") as error:
        open_table(root / "k.csv", columns={"lable": "what"})
    assert error.value.hint == "did you mean label?"
    with pytest.raises(DataError, match="has no column 'wat', but 3: 'picture of', 'what', 'when'") as wrong:
        open_table(root / "k.csv", columns={"label": "wat"})
    assert wrong.value.hint == "say which it is: --column label=what"


def test_a_table_of_the_web_is_read_and_what_was_guessed_is_said(root: Path) -> None:
    (root / "web").mkdir()
    (root / "web/meta.csv").write_text(
        "Patient ID,Sex,finding,filename\np1,m,none,0.png\np1,f,flu,1.png\np2,f,flu,2.png\n"
    )
    with pytest.raises(DataError, match="no usable row") as error:
        open_table(root / "web/meta.csv")
    assert "--images" not in error.value.hint  # no folder beside it has such a file
    manifest = open_table(root / "web/meta.csv", images=root / "a")
    assert (manifest.root, manifest.paths) == (str(root / "a"), ("0.png", "1.png", "2.png"))
    assert manifest.groups is not None
    assert manifest.groups.tolist() == ["p1", "p1", "p2"]
    assert remarks(manifest) == [
        "'finding' is taken for the label; --column label=COLUMN names another column",
        "rows of one 'Patient ID' stay together in a split; --column group= lets them part",
    ]
    assert open_table(root / "web/meta.csv", images=root / "a", columns={"group": ""}).groups is None
    (root / "meta.csv").write_bytes((root / "web/meta.csv").read_bytes())
    with pytest.raises(DataError, match="no usable row") as beside:
        open_table(root / "meta.csv")
    assert beside.value.hint == f"a/0.png exists: --images {root / 'a'}"
    with pytest.raises(UsageError, match="--images must be a folder"):
        open_table(root / "meta.csv", images="nowhere")


def test_the_only_column_of_pictures_holds_the_files(root: Path) -> None:
    manifest = table(root, "scan no,label\na/0.png,cat\na/1.png,dog\n")
    assert manifest.paths == ("a/0.png", "a/1.png")
    assert remarks(manifest) == ["the files are taken from 'scan no'; --column file=COLUMN names another column"]


@pytest.mark.parametrize("hole", ["NA", "", "n/a", "NaN", "inf"])
def test_a_column_of_numbers_with_a_hole_stays_one_and_the_row_is_named(root: Path, hole: str) -> None:
    manifest = table(root, f"file,label\na/0.png,1.5\na/1.png,2\na/2.png,{hole}\na/3.png,3.25\n")
    assert manifest.regression is (hole != "inf")
    if manifest.regression:
        assert manifest.labels.tolist() == [1.5, 2, 3.25]
        assert [p.path for p in manifest.problems if p.kind == "bad row"] == ["a/2.png"]


def test_words_among_classes_that_are_numbers_stay_classes(root: Path) -> None:
    assert table(root, "file,label\na/0.png,1\na/1.png,2\na/2.png,many\n").class_names == ("1", "2", "many")
    assert table(root, "file,label\na/0.png,NA\na/1.png,EU\n").class_names == ("EU", "NA")
    assert table(root, "file,label\na/0.png,1\na/1.png,2\na/2.png,NA\n").class_names == ("1", "2")


def test_few_whole_numbers_as_target_get_a_remark(root: Path) -> None:
    manifest = table(root, "file,target\na/0.png,0\na/1.png,1\n")
    assert manifest.regression
    assert "where they are classes: --column label=target" in remarks(manifest)[0]
    assert table(root, "file,target\na/0.png,ant\na/1.png,bee\n").class_names == ("ant", "bee")


def test_a_decimal_comma_is_read_where_semicolons_separate(root: Path) -> None:
    assert table(root, "file;label\na/0.png;1,5\na/1.png;2,0\n").labels.tolist() == [1.5, 2.0]


def test_one_file_with_two_labels_is_a_contradiction_and_in_two_splits_a_leak(root: Path) -> None:
    rows = ["a/0.png,ant,train", "a/1.png,bee,train", "a/0.png,bee,train", "a/1.png,bee,test", "a/2.png,Ant,train"]
    manifest = table(root, "file,label,split\n" + "\n".join(rows) + "\n")
    assert [(problem.path, problem.kind) for problem in manifest.problems] == [
        ("a/0.png", "conflicting labels"), ("a/1.png", "leak"), ("ant", "class names"),
    ]  # fmt: skip
    assert dict(zip(manifest.paths or (), manifest.given_split.tolist(), strict=True))["a/1.png"] == "test"
    assert leaks(manifest.problems) == "1 test picture is also in training; the copies there are not used"


@pytest.mark.parametrize(
    ("labels", "several"),
    [
        (["cat blue", "cat red", "dog blue", "dog red"], True),
        (["cat|blue", "cat", "blue"], False),
        (["cat|blue", "dog|blue", "cat"], True),
        (["golden retriever", "golden eagle", "flat-coated retriever", "bald eagle"], False),
    ],
)
def test_labels_that_look_like_several_get_a_remark(root: Path, labels: list[str], several: bool) -> None:
    manifest = table(root, "file,label\n" + "".join(f"a/{i}.png,{label}\n" for i, label in enumerate(labels)))
    assert manifest.num_classes == len(labels)
    assert bool(remarks(manifest, "several labels")) == several


@pytest.mark.parametrize(
    ("labels", "named"),
    [(["cat|dog", "cat"], "cat|dog"), (["cat+dog", "cat", "fox"], "cat+dog"), (["cat|dog", "fox"], "cat|dog"),
     (["salt, coarse", "pepper"], None), (["cat|blue", "dog|blue", "cat"], None)],
)  # fmt: skip
def test_a_lone_list_of_labels_is_learnt_as_a_class_and_that_is_said_with_the_flag_that_reads_it(
    root: Path, labels: list[str], named: str | None
) -> None:
    manifest = table(root, "file,label\n" + "".join(f'a/{i}.png,"{label}"\n' for i, label in enumerate(labels)))
    problems = [problem for problem in manifest.problems if problem.kind == "perhaps labels"]
    assert [problem.path for problem in problems] == ([] if named is None else [named])
    assert all("a class of its own here" in p.reason and "--task multilabel" in p.reason for p in problems)


def test_labels_in_columns_of_their_own_are_several_where_one_row_has_two(root: Path) -> None:
    head = "file,cat,dog\n"
    both = table(root, head + "a/0.png,1,1\na/1.png,1,0\na/2.png,0,1\n")
    assert in_lists(both) == "cat|dog"
    assert in_lists(table(root, head + "a/0.png,1,0\na/1.png,1,0\na/2.png,0,1\n")) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.csv", 'file,label\na/0.png,"hair, blond"\na/1.png,"hair, blond|hat"\na/2.png,none\n'),
        ("list.csv", 'file,"hair, blond",hat\na/0.png,1,0\na/1.png,1,1\na/2.png,0,0\n'),
        ("list.jsonl", '{"file": "a/0.png", "label": ["hair, blond"]}\n'
         '{"file": "a/1.png", "label": ["hair, blond", "hat"]}\n{"file": "a/2.png", "label": []}\n'),
    ],
    ids=["lists", "columns", "json"],
)  # fmt: skip
def test_names_of_labels_may_hold_what_stands_between_labels_elsewhere(root: Path, name: str, text: str) -> None:
    table(root, text, name)
    found = open_table(root / name, lists=True)
    assert found.class_names == ("hair, blond", "hat")
    assert found.targets is not None
    assert found.targets.tolist() == [[1, 0], [1, 1], [0, 0]]


def test_a_table_in_a_folder_that_cannot_say_the_labels_says_why(root: Path, tmp_path: Path) -> None:
    flat = shutil.copytree(root / "a", tmp_path / "flat")
    (flat / "labels.csv").write_text("file,cat,cat\n0.png,1,1\n")
    with pytest.raises(DataError, match=r"none in a class folder; and labels.csv .* 2 columns called 'cat'"):
        open_source(flat)


def test_a_spreadsheet_of_sixteen_bits_is_read(root: Path) -> None:
    (root / "u.csv").write_text("file\tlabel\na/0.png\tcafé\na/1.png\ttea\n", encoding="utf-16")
    assert open_table(root / "u.csv").class_names == ("café", "tea")


def test_names_that_are_no_text_are_escaped_where_they_are_shown(root: Path) -> None:
    rows = (
        {"file": "a/0.png", "label": "\ud800"},
        {"file": "\udfff.png", "label": "x"},
        {"file": "a/1.png", "label": "y"},
    )
    manifest = table(root, "".join(json.dumps(row) + "\n" for row in rows), "t.jsonl")
    assert manifest.class_names == (r"\ud800", "y")
    assert [problem.path for problem in manifest.problems] == [r"\udfff.png"]


def test_links_in_tables_are_followed_where_that_is_asked_for(root: Path) -> None:
    (root / "b.png").symlink_to("a/0.png")
    (root / "list.csv").write_text("file,label\nb.png,x\na/1.png,y\n")
    with pytest.raises(DataError, match="at least 2 classes"):
        open_table(root / "list.csv")
    manifest = open_table(root / "list.csv", follow_links=True)
    assert manifest.files == (str(root / "a/0.png"), "a/1.png")
    assert scan(manifest, cache_dir=root.parent / "cache").left_out == 0


@pytest.mark.parametrize("above", ["\n", "\n\n", ",\n"])
def test_empty_lines_above_the_names_of_the_columns_are_passed_over(root: Path, above: str) -> None:
    assert table(root, above + "file,label\na/0.png,cat\na/1.png,dog\n").class_names == ("cat", "dog")


def test_a_table_without_names_of_columns_is_told_so(root: Path) -> None:
    with pytest.raises(DataError, match=r"has no names of columns: it begins with 'a/0\.png'") as error:
        table(root, "a/0.png,cat\na/1.png,dog\n")
    assert "file,label" in error.value.hint


def test_a_guessed_group_that_is_the_same_for_all_is_none(root: Path) -> None:
    text = "file,label,patient\na/0.png,cat,p\na/1.png,dog,p\n"
    manifest = table(root, text)
    assert manifest.groups is None
    assert manifest.problems == ()
    (root / "said.csv").write_text(text)
    assert open_table(root / "said.csv", columns={"group": "patient"}).groups is not None


def test_commas_at_the_end_of_a_line_are_no_cells(root: Path) -> None:
    (root / "t.csv").write_text("file,label\na/0.png,red,,\na/1.png,blue,\n")
    assert open_source(root / "t.csv").class_names == ("blue", "red")


def test_a_class_that_is_spelt_nearly_as_a_frequent_one_is_named(tmp_path: Path) -> None:
    labels = ["setosa"] * 9 + ["virginica"] * 9 + ["setsoa"]
    (tmp_path / "t.csv").write_text("x,y,label\n" + "".join(f"{n},{n * n},{one}\n" for n, one in enumerate(labels)))
    (told,) = open_source(tmp_path / "t.csv").problems
    assert (told.path, told.reason) == ("setsoa", "occurs once, and 'setosa' 9 times: a typing error?")
