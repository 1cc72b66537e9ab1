"""`hubel data`: the page a person reads, the JSON a program reads, and the contact sheet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from data.pictures import classes, encoded, scene, tree
from hubel.cli import main


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBEL_HOME", str(tmp_path / "home"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = classes(tmp_path / "photos", {"cat": 14, "dog": 8, "[red]": 2})
    photo = encoded(scene(99), "JPEG")
    return tree(
        root, {"cat/cut.jpg": photo[:-200], "dog/words.jpg": b"hello", "dog/x.png": (root / "cat/000.png").read_bytes()}
    )


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out, said.err


def test_the_page_names_counts_classes_and_every_problem(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "data", root)
    assert code == 0
    assert f"{root}: 25 usable pictures in 3 classes, 2 files left out" in out
    assert "20x16, all of them" in out
    assert "cat/cut.jpg: the end marker is missing" in out
    assert "dog/words.jpg: it begins like none of JPEG" in out
    assert "dog/x.png: same contents as cat/000.png, which is labelled 'cat' and not 'dog'" in out
    assert "[red]" in out
    assert all(len(line) <= 80 for line in out.splitlines() if "/" not in line)


def test_one_file_is_no_files(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "dog/words.jpg").unlink()
    assert "25 usable pictures in 3 classes, 1 file left out\n" in run(capsys, "data", root)[1]


def test_json_says_the_same(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "data", root, "--json", "--fit", "pad", "--img-size", 10, "--channels", 1)
    told = json.loads(out)
    assert code == 0
    assert told["samples"] == 25
    assert told["class_names"] == ["[red]", "cat", "dog"]
    assert sum(map(sum, told["split_counts"].values())) == 25
    kinds = {problem["kind"] for problem in told["problems"]}
    assert kinds == {"truncated", "not an image", "conflicting labels", "not measured"}
    assert told["preprocessing"]["fit"] == "pad"
    assert (told["preprocessing"]["height"], told["preprocessing"]["channels"]) == (10, 1)


def test_the_contact_sheet_shows_what_the_net_sees(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "data", root, "--sheet", tmp_path / "sheet.png", "--channels", 1)
    assert code == 0
    assert "sheet.png" in "".join(err.split())
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = sheet.convert("RGB")
        assert pixels.width > 12 * 48
        low, high = zip(*pixels.getextrema(), strict=True)
        assert (min(low), max(high)) < (60, 256)
        # Grey is asked for, and grey is shown: the sheet has the pixels of the net, not of the file.
        assert all(len(set(colour)) == 1 for _, colour in pixels.crop((200, 40, pixels.width, 90)).getcolors(1 << 16))


def test_points_have_no_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "data", "moons")
    assert code == 0
    assert "features   2" in out
    code, _, err = run(capsys, "data", "moons", "--sheet", tmp_path / "sheet.png")
    assert code == 2
    assert "no contact sheet" in err


def test_a_number_to_predict_is_described_by_its_range(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "t.csv").write_text("file,target\n" + "".join(f"cat/{i:03}.png,{i / 2}\n" for i in range(12)))
    code, out, _ = run(capsys, "data", root / "t.csv")
    assert code == 0
    assert "target     0 to 5.5, mean 2.75" in out


def test_long_lists_are_cut_unless_all_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = classes(tmp_path / "many", {f"class {k:02}": 1 for k in range(35)})
    _, short, _ = run(capsys, "data", root)
    _, full, _ = run(capsys, "data", root, "--all")
    assert "10 more classes: --all lists them" in short
    assert "25 more: --all lists them" in short
    assert "--all" not in full
    assert full.count("one picture cannot be learned from") == 35


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["data"], 2, "a data source is needed"),
        (["data", "minst"], 2, "did you mean 'mnist'"),
        (["data", "{tmp}"], 3, "holds no pictures"),
        (["data", "digits", "--fit", "stretch"], 2, "pad, crop, squash"),
        (["data", "digits", "--val", "0.9", "--test", "0.2"], 2, "shares"),
    ],
)
def test_bad_requests_get_words_and_the_right_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    (tmp_path / "empty").mkdir()
    given = [argument.replace("{tmp}", str(tmp_path / "empty")) for argument in arguments]
    got, out, err = run(capsys, *given)
    assert got == code
    assert words in " ".join(err.split())
    assert out == ""


def test_the_named_sources_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "data", "--list")
    assert code == 0
    assert out.split()[:2] == ["digits", "mnist"]


def test_what_was_passed_over_what_leaks_and_what_is_not_measured_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = classes(tmp_path / "d", {"train/ant": 3, "train/bee": 3, "test/ant": 2})
    (root / "notes").mkdir()
    (root / "test/ant/copy.png").write_bytes((root / "train/ant/001.png").read_bytes())
    code, out, _ = run(capsys, "data", root)
    assert code == 0
    assert "notes: beside train and test, it is no part of the split" in out
    assert "leak: 1 test picture is also in training" in out
    assert "train/ant/001.png: same contents as test/ant/copy.png: used in test only, not in train" in out
    assert "1 of 2 classes has no test picture: bee" in out
    _, out, _ = run(capsys, "data", classes(tmp_path / "two", {"ant": 2, "bee": 2}))
    assert "nothing was left to choose by or to test" in out


def test_a_table_is_read_as_the_flags_say(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "k.csv").write_text("picture,grade\n" + "".join(f"cat/00{i}.png,0{i % 2}\n" for i in range(8)))
    code, out, _ = run(
        capsys, "data", tmp_path / "k.csv", "--column", "file=picture", "label=grade", "--images", root
    )  # fmt: skip
    assert code == 0
    assert "8 pictures in 2 classes" in out
    code, _, err = run(capsys, "data", tmp_path / "k.csv", "label=grade")
    assert code == 2
    assert "one data source is needed" in err


@pytest.mark.parametrize("sheet", ["cat/000.png", "cat/new.png", "t.csv"])
def test_no_sheet_is_written_among_the_data(root: Path, capsys: pytest.CaptureFixture[str], sheet: str) -> None:
    (root / "t.csv").write_text("file,label\ncat/000.png,x\ndog/000.png,y\n")
    before = (root / "cat/000.png").read_bytes()
    code, _, err = run(capsys, "data", root / "t.csv" if sheet == "cat/000.png" else root, "--sheet", root / sheet)
    assert (code, (root / "cat/000.png").read_bytes()) == ((2, before) if sheet != "t.csv" else (0, before)), err
    assert not (root / "cat/new.png").exists()


@pytest.mark.parametrize("flags", [["--img-size", "0"], ["--img-size", "5000"], ["--channels", "7"]])
def test_impossible_geometry_is_refused(capsys: pytest.CaptureFixture[str], flags: list[str]) -> None:
    code, _, err = run(capsys, "data", "digits", *flags)
    assert code == 2
    assert flags[1].rstrip("0") in err


def test_several_labels_are_told_as_they_are_learnt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lists = ["cat|dog", "cat", "none", "dog|cat"] * 4 + ["cta"]
    for n in range(len(lists)):
        Image.new("L", (8, 8), n).save(tmp_path / f"{n}.png")
    (tmp_path / "labels.csv").write_text("file,label\n" + "".join(f"{n}.png,{cell}\n" for n, cell in enumerate(lists)))
    _, out, _ = run(capsys, "data", tmp_path, "--val", "0.2", "--test", "0.2")
    assert "17 pictures with 3 labels" in out
    assert "each combination is a class" not in out
    assert "cta: occurs once, and 'cat' 12 times: a typing error?" in out
    (cat,) = [line.split() for line in out.splitlines() if line.startswith("  cat ")]
    assert sum(map(int, cat[1:4])) == 12
    (split,) = [line.split() for line in out.splitlines() if line.startswith("  split ")]
    assert sum(int(word) for word in split if word.isdigit()) == 17


def test_a_class_without_a_picture_has_no_bar_and_one_length_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, value in (("images", 90), ("masks", 1)):
        (tmp_path / "scans" / folder).mkdir(parents=True)
        for n in range(4):
            picture = Image.new("L", (8, 8), value if folder == "masks" else value + n)
            picture.putpixel((n, n), 0)
            picture.save(tmp_path / "scans" / folder / f"{n}.png")
    _, out, _ = run(capsys, "data", tmp_path / "scans")
    bars = {line.split()[0]: line.count("█") for line in out.splitlines() if line.startswith(("  0 ", "  1 "))}
    assert bars == {"0": 0, "1": 20}
    table = tmp_path / "rows.csv"
    table.write_text("series,time,x\n" + "".join(f"{s},{t},{t * s}\n" for s in range(12) for t in range(9)))
    assert "length     9 steps, all of them" in run(capsys, "data", table)[1]
