"""The commands of anatomy as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hubel.cli import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


def test_the_lecture_s_table_fits_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "summary", "alexnet", "--input", "3x227x227")
    assert code == 0
    assert "64 11x11 s4 p2" in out
    assert "parameters 61,100,840" in out
    table = out.split("parameters")[0].splitlines()
    assert max(map(len, table)) <= 80


@pytest.mark.parametrize("form", ["markdown", "csv", "json", "html"])
def test_a_summary_comes_in_every_format(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "summary", "mnist_cnn", "--format", form)
    assert code == 0
    assert "block1.0" in out
    if form == "json":
        assert json.loads(out)["params"] == 34826


def test_nets_are_compared_and_drawn(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = run(capsys, "summary", "lenet5", "mnist_cnn", "--picture", str(tmp_path / "a.svg"))
    assert code == 0
    assert "34.8k" in out
    assert (tmp_path / "a.svg").read_bytes().startswith(b"<svg")


def test_memory_and_what_fits(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "summary", "mnist_cnn", "--training", "--fits", "64MB", "--batch", "8")
    assert code == 0
    assert "batch 8 fits into 64 MB" in out


def test_a_layer_list_is_summarised(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text("layers: [conv 8 3x3, relu, maxpool 2, flatten, dense 10]\n")
    code, out, err = run(capsys, "summary", str(path), "--input", "1x28x28")
    assert code == 0, err
    assert "8 3x3" in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("summary", "resnet81"), 2, "did you mean"),
        (("summary", "resnet18", "--input", "banana"), 2, "channels x height x width"),
        (("summary", "mnist_cnn", "--fits", "much"), 2, "8GB"),
        (("trace", "open('x')"), 2, "unknown function"),
        (("trace", "L = w*x", "w=1"), 2, "no value for x"),
        (("trace", "w**2", "w=1", "--steps", "3"), 2, "--lr"),
        (("step", "conv", "--kernel", "egde"), 2, "did you mean 'edge'"),
        (("step", "conv", "--input", "2x2", "--kernel", "edge"), 2, "does not fit"),
        (("plot", "relo"), 2, "did you mean 'relu'"),
        (("descent", "rosenbrok"), 2, "rosenbrock"),
        (("kernels", "absent.jpg"), 3, "absent.jpg"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_mistakes_are_answered(
    arguments: tuple[str, ...], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found, _, err = run(capsys, *arguments)
    assert found == code
    assert words in err.replace("\n", " ")


def test_the_example_on_the_board(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "graph.svg"
    board = ("trace", "L = w3*(w1+w2)", "w1=-2", "w2=5", "w3=-4", "--steps", "2", "--lr", "1")
    code, out, _ = run(capsys, *board, "--picture", str(picture))
    assert code == 0
    assert "L = w3 * a = -4 * 3 = -12" in out
    assert "L = w3 * a = -7 * 11 = -77" in out
    assert b"-77" in picture.read_bytes()
    _, out, _ = run(capsys, *board, "--json")
    assert json.loads(out)[1]["gradients"] == {"w3": 11.0, "w1": -7.0, "w2": -7.0}


def test_a_net_is_traced_stepped_and_its_flow_measured(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "net.svg"
    code, out, err = run(capsys, "trace", "mnist_cnn", "digits:3", "--picture", str(picture))
    assert code == 0, err
    assert "cross_entropy" in out
    assert b"data:image/png" in picture.read_bytes()
    code, out, err = run(capsys, "step", "mnist_cnn", "digits:3", "--layer", "block1.0", "--unit", "4,2,3")
    assert code == 0, err
    assert "sum of 9 products + bias" in out
    code, out, err = run(capsys, "gradient-flow", "mnist_cnn", "digits", "--count", "8")
    assert code == 0, err
    assert "block2.0" in out
    code, out, err = run(capsys, "field", "mnist_cnn", "digits:3", "--layer", "block1.0", "--picture", str(picture))
    assert code == 0, err
    assert "95 % of the weight" in out
    code, out, err = run(
        capsys, "landscape", "mnist_cnn", "digits", "--count", "8", "--points", "3", "--picture", str(picture)
    )
    assert code == 0, err
    assert "loss at the net" in out


def test_windows_curves_and_races(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "p.svg"
    six = "3 0 1 2 7 4 / 1 5 8 9 3 1 / 2 7 2 5 1 3 / 0 1 3 1 7 8 / 4 2 1 6 2 8 / 2 4 5 2 3 9"
    code, out, _ = run(capsys, "step", "conv", "--input", six, "--kernel", "edge", "--picture", str(picture))
    assert code == 0
    assert "(0, 0)  3·1 + 0·0 + 1·-1 + 1·1 + 5·0 + 8·-1 + 2·1 + 7·0 + 2·-1 = -5" in out
    for arguments in (
        ("plot", "relu", "siren"),
        ("plot", "loss", "mse"),
        ("plot", "lr", "one-cycle"),
        ("descent", "bowl"),
    ):
        code, _, err = run(capsys, *arguments, "--picture", str(picture))
        assert code == 0, err
        assert picture.read_bytes().startswith(b"<svg")
    code, out, _ = run(capsys, "descent", "w**2", "w=2", "--lr", "0.25", "--steps", "4")
    assert code == 0
    assert "w = 0.125" in out


def test_kernels_on_a_photograph(capsys: pytest.CaptureFixture[str], tmp_path: Path, photo_folder: Path) -> None:
    photo = sorted(photo_folder.glob("*.JPEG"))[0]
    picture = tmp_path / "k.png"
    code, _, err = run(capsys, "kernels", str(photo), "--side", "64", "--picture", str(picture))
    assert code == 0, err
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_kernels_on_a_sample_of_a_set(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "k.png"
    code, _, err = run(capsys, "kernels", "digits:3", "--side", "16", "--kernel", "sobel-x", "--out", str(picture))
    assert code == 0, err
    assert "1 kernel\n" in err
    assert picture.is_file()
    for wrong in ("digits:99999", "nowhere:3", str(tmp_path)):
        code, _, err = run(capsys, "kernels", wrong)
        assert code in (2, 3)
        assert err.strip()
        assert "Traceback" not in err
