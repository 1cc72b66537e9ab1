"""What the pages ask, without a browser: each route's answer is that of the command, and nonsense gets a reason."""

from __future__ import annotations

import base64
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import hubel
from hubel.server.guard import Doors
from hubel.studio.app import PAGES, gate, load
from hubel.studio.places import Places
from hubel.studio.state import Studio
from hubel.verbs.attack import attack
from hubel.verbs.counterfactual import counterfactual
from hubel.verbs.doubt import selective, strangers
from hubel.verbs.groups import grouped
from hubel.verbs.train import resolve
from studio.asgi import Client, Got
from tasks.conftest import pairs

TOKEN = "t" * 43


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, digits_run: Path, picture_folder: Path) -> Client:
    """A studio over a copy of the pictures and of a run on the digits."""
    home = tmp_path_factory.mktemp("routes")
    shutil.copytree(digits_run, home / "runs" / "digits-1")
    shutil.copytree(picture_folder, home / "photos")
    studio = Studio(Places.of((str(home),), str(home / "runs")))
    found = Client(gate(studio, Doors(port=8321, token=TOKEN)))
    found.get(f"/?token={TOKEN}")
    found.studio, found.home = studio, home  # type: ignore[attr-defined]
    return found


def good(answer: Got) -> Any:
    assert answer.status == 200, answer.text
    return answer.json


def drawn(level: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((8, 8), level, np.uint8)).save(out, "PNG")
    return out.getvalue()


def test_the_form_has_every_setting_but_those_of_the_page(asked: Client) -> None:
    found = {field["name"]: field for field in good(asked.get("/api/train/form"))["fields"]}
    assert found["lr"]["flag"] == "--lr"
    assert not {"data", "out", "name"} & set(found)


def test_what_would_be_trained_is_told_with_reasons_and_the_command(asked: Client) -> None:
    answer = good(asked.post("/api/train/check", {"data": "digits", "settings": {"epochs": "3", "augment": ""}}))
    own = resolve("digits", epochs=3)
    assert answer["recipe"]["lr"] == pytest.approx(own.optimizer.lr)
    assert answer["reasons"]["lr"]
    assert answer["command"].startswith("hubel train digits --epochs 3")
    assert answer["samples"] == {"train": 1437, "val": 180, "test": 180}
    assert answer["net"]["layers"][-1]["output"] == [10]


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"data": "digits", "settings": {"lr": "fast"}}, "lr"),
        ({"data": "digits", "settings": {"out": "/tmp"}}, "out"),
        ({"data": "digits", "settings": {"nothing": 1}}, "nothing"),
        ({"data": "digits", "settings": {"from_": "/etc/passwd"}}, "no folder of this studio"),
        ({"data": "digits", "settings": {"model": "/etc/net.yaml"}}, "no folder of this studio"),
        ({"data": "digits", "settings": {"data_root": "/etc"}}, "no folder of this studio"),
        ({"data": "/etc", "settings": {}}, "no folder of this studio"),
        ({"data": "", "settings": {}}, "a data set is needed"),
        ({"data": "digits", "settings": []}, "object"),
        ([], "object of JSON"),
    ],
)
def test_what_cannot_be_trained_is_said_before_anything_starts(asked: Client, said: Any, word: str) -> None:
    for route in ("check", "start"):
        answer = asked.post(f"/api/train/{route}", said)
        assert answer.status in (400, 404, 422), answer.text
        assert word in answer.json["error"]["reason"]
    assert asked.studio.jobs.all() == []  # type: ignore[attr-defined]


def test_no_word_of_a_page_becomes_another_flag(asked: Client) -> None:
    from hubel.studio.train import settings_of

    said = {"data": "digits", "settings": {"lr": "-1", "augment": "--out=/etc", "model_options": "width=0.5 'a b=--x'"}}
    with pytest.raises(hubel.UsageError):
        settings_of(asked.studio, said)  # type: ignore[attr-defined]
    said["settings"] = {"model_options": "width=0.5", "patience": "3"}
    _, settings, words = settings_of(asked.studio, said)  # type: ignore[attr-defined]
    assert settings == {"model_options": {"width": 0.5}, "patience": 3}
    assert words[:6] == ["train", "digits", "--model-option", "width=0.5", "--patience", "3"]


def test_an_order_to_a_run_that_does_not_train_says_so(asked: Client) -> None:
    answer = asked.post("/api/train/order", {"run": "digits-1", "command": "pause"})
    assert (answer.status, "nothing trains" in answer.text) == (404, True)
    assert asked.post("/api/train/order", {"run": "digits-1", "command": "rm"}).status == 400


def test_the_state_of_a_run_is_that_of_its_folder(asked: Client) -> None:
    found = good(asked.get("/api/train/state", run="digits-1"))
    assert (found["status"], found["held"], found["steps"]) == ("finished", False, 23)
    assert len(found["metrics"]["epoch"]) == 6


def test_runs_are_listed_and_compared_as_the_command_does(asked: Client) -> None:
    assert [row["run"] for row in good(asked.get("/api/runs/list"))["runs"]] == ["digits-1"]
    found = good(asked.get("/api/runs/compare", runs=json.dumps(["digits-1", "digits-1"])))
    assert found["command"].startswith("hubel compare ")
    for wrong in ("[]", "{}", "[1]", '["../x"]', "x"):
        assert asked.get("/api/runs/compare", runs=wrong).status in (400, 404)


def test_the_answers_of_a_split_are_those_of_evaluate(asked: Client, digits_run: Path) -> None:
    found = good(asked.get("/api/evaluate/result", run="digits-1", split="val"))
    own = hubel.evaluate(digits_run, split="val")
    assert found["sentence"] == own.sentence
    assert found["confusion"] == own.confusion.tolist()
    assert found["samples"]["id"] == own.ids.tolist()
    known = good(asked.get("/api/evaluate/known", run="digits-1", split="val"))["familiarity"]
    assert len(known) == len(own.ids)
    sample = asked.get("/api/evaluate/picture", run="digits-1", id=own.ids[0])
    with Image.open(io.BytesIO(sample.body)) as drawn:
        assert (drawn.format, drawn.size) == ("PNG", (8, 8))
    for wrong in (1797, -1, "x", 10**30):
        assert asked.get("/api/evaluate/picture", run="digits-1", id=wrong).status == 400


def test_a_picture_is_answered_as_predict_does_and_nonsense_is_no_picture(
    asked: Client, digits_run: Path, picture_folder: Path
) -> None:
    data = (picture_folder / "two" / "003.png").read_bytes()
    headers = {**asked.ours(), "content-type": "image/png"}
    found = good(asked.post("/api/ship/answer", data, headers, run="digits-1"))
    own = hubel.load(digits_run).predict(data)[0]
    assert (found["label"], found["known"]) == (own.label, own.known)
    for wrong in (b"", b"<svg onload=alert(1)>", b"\x89PNG\r\n\x1a\n" + b"0" * 99):
        assert asked.post("/api/ship/answer", wrong, headers, run="digits-1").status == 422
    refused = asked.post("/api/ship/keep", data, headers, run="digits-1", label="2")
    assert (refused.status, "no folder of class folders" in refused.text) == (400, True)


def test_data_are_told_as_the_command_tells_them_and_edited_beside_it(asked: Client) -> None:
    folder = str(asked.home / "photos")  # type: ignore[attr-defined]
    found = good(asked.get("/api/data/about", source=folder))
    assert (found["samples"], found["classes"]) == (90, ["one", "two", "zero"])
    rows = good(asked.get("/api/data/rows", **{"source": folder, "class": 1, "from": 28, "count": 9}))
    assert (rows["total"], rows["names"]) == (30, ["two/028.png", "two/029.png"])
    tile = asked.get("/api/data/tile", source=folder, id=rows["ids"][0])
    assert tile.headers["content-type"] == "image/png"
    made = good(asked.post("/api/data/edit", {"source": folder, "do": "relabel", "words": ["two/028.png", "one"]}))
    assert made["command"].startswith("hubel edit ")
    assert good(asked.get("/api/data/about", source=folder))["counts"] != found["counts"]
    good(asked.post("/api/data/edit", {"source": folder, "do": "undo", "words": []}))
    for wrong in ({"do": "apply"}, {"do": "relabel", "words": ["nothing.png", "one"]}, {"do": "relabel", "words": 3}):
        assert asked.post("/api/data/edit", {"source": folder, **wrong}).status == 400
    refused = asked.post("/api/data/edit", {"source": "digits", "do": "exclude", "words": ["1"]})
    assert "labels are not edited" in refused.text


def test_a_change_is_that_of_the_commands(asked: Client, digits_run: Path) -> None:
    ask = {"run": "digits-1", "id": 11}
    found = good(asked.post("/api/explain/change", {}, **ask, method="fgsm", eps=8))
    own = attack(digits_run, "digits:11", method="fgsm", eps=8 / 255)
    assert found["sentence"] == own.sentence
    assert found["difference"]["largest"] == pytest.approx(8, rel=1e-3)
    change = np.frombuffer(base64.b64decode(found["difference"]["map"]), np.int8).reshape(8, 8)
    np.testing.assert_allclose(change / 127 * 8 / 255, (own.changed - own.pixels / 255)[0], atol=1e-3)
    assert found["command"].endswith("digits:11 --method fgsm --eps 8/255")
    smallest = good(asked.post("/api/explain/change", {}, **ask, method="flip"))
    assert smallest["sentence"] == counterfactual(digits_run, "digits:11").sentence
    assert good(asked.post("/api/explain/change", {}, **ask, method="keep"))["command"].endswith("digits:11 --keep")
    for wrong in ({"method": "magic"}, {"eps": "0"}, {"eps": "65"}, {"eps": "a"}):
        assert asked.post("/api/explain/change", {}, **{**ask, **wrong}).status == 400


def test_a_map_is_that_of_explain(asked: Client, digits_run: Path) -> None:
    found = good(asked.post("/api/explain/map", {}, run="digits-1", id=11, method="saliency", target="4"))
    own = hubel.explain(digits_run, "digits:11", method="saliency", target="4")
    sent = np.frombuffer(base64.b64decode(found["map"]), np.int8).reshape(8, 8) / 127 * found["limit"]
    assert np.abs(np.clip(own.map, -found["limit"], found["limit"]) - sent).max() <= found["limit"] / 127
    assert asked.post("/api/explain/map", {}, run="digits-1", id=11, method="magic").status == 400
    assert asked.post("/api/explain/map", {}, run="digits-1", id=11, method="saliency", target="cat").status == 400


def test_names_that_leave_the_folders_are_refused_everywhere(asked: Client) -> None:
    for page in PAGES:
        if page in ("inspect",):
            continue
        for method, name in load(PAGES[page]):
            for wrong in ("../runs/digits-1", "..", "a\0b", "no-such"):
                query = {
                    "run": wrong,
                    "source": f"/etc/{wrong}",
                    "path": "/etc",
                    "set": wrong,
                    "label": "x",
                    "burst": "b",
                }
                if method == "GET" and name not in ("about", "sets", "jobs", "list", "form", "cards", "words"):
                    assert asked.get(f"/api/{page}/{name}", **query).status in (400, 404), (page, name, wrong)


def test_a_camera_set_lies_below_the_first_folder(asked: Client) -> None:
    out = io.BytesIO()
    Image.fromarray(np.full((40, 30, 3), 90, np.uint8)).save(out, "JPEG")
    headers = {**asked.ours(), "content-type": "image/jpeg"}
    asking = {"set": "shots", "label": "red apple", "burst": "burst123456"}
    kept = good(asked.post("/api/camera/record", out.getvalue(), headers, **asking))
    assert kept["file"].startswith(str(asked.home / "shots" / "red apple" / "burst123456-"))  # type: ignore[attr-defined]
    assert good(asked.get("/api/camera/cards", set="shots"))["classes"] == [{"name": "red apple", "pictures": 1}]
    for wrong in ({"label": "../x"}, {"set": "../x"}, {"burst": "x/y"}, {"label": ""}, {"label": "a\nb"}):
        assert asked.post("/api/camera/record", out.getvalue(), headers, **{**asking, **wrong}).status == 400
    assert good(asked.post("/api/camera/forget", {"set": "shots", "label": "red apple"})) == {"removed": 1}


def test_groups_risk_and_strangers_are_those_of_the_commands(asked: Client) -> None:
    run = asked.home / "runs" / "digits-1"  # type: ignore[attr-defined]
    found = good(asked.get("/api/evaluate/groups?run=digits-1&by=brightness"))
    own = grouped(run, hubel.evaluate(run), "brightness")
    assert found["sentence"] == own.sentence
    assert found["rows"] == [list(row) for row in own.rows()]
    assert found["command"].endswith("--by brightness")
    told = good(asked.get("/api/evaluate/risk?run=digits-1&wrong=20"))
    assert told["sentence"] == selective(run, 0.02).sentence
    assert told["command"].endswith("--risk 0.02")
    photos = asked.home / "photos"  # type: ignore[attr-defined]
    strange = good(asked.get(f"/api/evaluate/strange?run=digits-1&data={photos}"))
    assert strange["facts"] == strangers(run, photos).facts()
    refused = asked.get("/api/evaluate/groups?run=digits-1&by=camera")
    assert refused.status == 400
    assert "needs data in files" in refused.json["error"]["reason"]


def test_the_doctor_is_asked_about_a_run_and_about_a_training_to_be(asked: Client) -> None:
    found = good(asked.get("/api/doctor/run?run=digits-1"))
    assert found["findings"] == hubel.doctor(asked.home / "runs" / "digits-1").to_dict()["findings"]  # type: ignore[attr-defined]
    assert found["command"].startswith("hubel doctor ")
    said = {"data": "digits", "settings": {"lr": "1e-7", "model": "mlp", "limit": "200"}}
    before = good(asked.post("/api/doctor/before", said))
    assert before["command"].startswith("hubel doctor digits --lr 1e-7")
    assert any("lr" in each["settings"] for each in before["findings"]), before["findings"]


def test_a_picture_that_is_kept_leaves_what_was_measured_as_it_was(asked: Client, tmp_path: Path) -> None:
    places = asked.studio.places  # type: ignore[attr-defined]
    shutil.copytree(places.folders[0] / "photos", places.folders[0] / "grown")
    run = hubel.train(
        places.folders[0] / "grown", epochs=1, model_options={"width": 0.1}, out=str(places.runs), threads=1,
        device="cpu", verbose=False,
    )  # fmt: skip
    (places.folders[0] / "grown" / "one" / "studio-0.png").write_bytes(drawn(9))
    about = good(asked.get(f"/api/evaluate/about?run={run.name}"))
    assert about["added"] == 1
    assert about["source"].endswith("grown")
    assert good(asked.get(f"/api/evaluate/result?run={run.name}"))["sentence"] == hubel.evaluate(run.folder).sentence


@pytest.fixture(scope="module")
def labelled(asked: Client) -> hubel.Run:
    """A run of several labels among those of the studio, and its data among its folders."""
    home: Path = asked.home  # type: ignore[attr-defined]
    return hubel.train(
        pairs(home / "pairs", 320),
        out=str(home / "runs"),
        model="mlp",
        epochs=8,
        augment="none",
        device="cpu",
        threads=1,
    )


def test_a_run_of_several_labels_is_told_label_by_label_as_evaluate_tells_it(
    asked: Client, labelled: hubel.Run
) -> None:
    own = labelled.evaluate()
    twin = Path(shutil.copytree(labelled.folder, labelled.folder.with_name("labels-twin")))
    answer = good(asked.get("/api/evaluate/result", run=labelled.name, split="test"))
    assert answer["sentence"] == own.sentence
    assert answer["labels"] == [[value if value == value else None for value in row[1:]] for row in own.by_class()]
    assert [len(said) for said in answer["samples"]["said"]] == own.said.sum(1).tolist()
    assert [len(there) for there in answer["samples"]["there"]] == own.truth.sum(1).tolist()
    apart = good(asked.get("/api/evaluate/groups", run=labelled.name, by="brightness"))
    assert apart["rows"] == [list(row) for row in grouped(labelled.folder, own, "brightness").rows()]
    familiar = good(asked.get("/api/evaluate/known", run=labelled.name, split="test"))["familiarity"]
    assert len(familiar) == own.samples
    assert sum(share >= 0.05 for share in familiar) >= 0.8 * own.samples
    told = good(asked.get("/api/evaluate/risk", run=labelled.name, wrong=50))
    assert told["sentence"] == selective(labelled.folder, 0.05).sentence
    assert answer["samples"]["right"] == own.right.tolist()
    assert answer["samples"]["confidence"] == pytest.approx(own.confidence, abs=1e-5)
    assert apart["columns"][:3] == ["brightness", "samples", "all right"]
    beside = good(asked.get("/api/runs/compare", runs=json.dumps([labelled.name, twin.name])))
    assert beside["sentences"][0].endswith("samples: both are equally good.")
    (classes,) = beside["classes"]
    assert classes["what"] == "average precision"
    assert [(name, cells[0]) for name, cells in classes["rows"]] == [
        (row[0], f"{100 * row[2]:.2f} %") for row in own.by_class()
    ]


def test_a_picture_gets_every_label_that_reaches_its_threshold_as_predict_says_it(
    asked: Client, labelled: hubel.Run
) -> None:
    file = sorted((asked.home / "pairs").glob("*.png"))[0]  # type: ignore[attr-defined]
    (own,) = hubel.predict(labelled, file)
    answer = good(asked.post("/api/ship/answer", file.read_bytes(), run=labelled.name))
    assert tuple(answer["labels"]) == own.labels
    assert answer["probabilities"] == pytest.approx(own.numbers)
    assert answer["known"] is own.known is not None
    net = labelled.load()
    assert len({*net.label_thresholds}) > 1, "found on the validation split"
    about = good(asked.get("/api/ship/about", run=labelled.name))
    assert about["classes"] == list(net.class_names)
    assert about["thresholds"] == pytest.approx(net.label_thresholds)
    told = good(asked.post("/api/explain/says", {}, run=labelled.name, id=0))
    assert dict(told["top"]).keys() == answer["probabilities"].keys()
    assert set(told["truth"].split("|")) <= {"digit 0", "digit 1", "digit 2", "none"}
    mapped = good(asked.post("/api/explain/map", {}, run=labelled.name, id=0, method="saliency", target="digit 2"))
    assert mapped["target"] == "digit 2"
    changed = good(asked.post("/api/explain/change", {}, run=labelled.name, id=0, method="flip", target="digit 2"))
    assert "digit 2" in changed["sentence"]
    assert changed["command"].endswith("--class 'digit 2'")


def test_data_of_several_labels_are_shown_with_all_of_them_and_edited_one_by_one(
    asked: Client, labelled: hubel.Run
) -> None:
    source = str(asked.home / "pairs")  # type: ignore[attr-defined]
    about = good(asked.get("/api/data/about", source=source))
    assert (about["several"], about["fixed"]) == (True, "")
    table = (Path(source) / "labels.csv").read_text().splitlines()[1:]
    rows = good(asked.get("/api/data/rows", source=source, count=400))
    told = ["|".join(about["classes"][k] for k in row) or "none" for row in rows["labels"]]
    assert told == [line.partition(",")[2] for line in table]
    some = good(asked.get("/api/data/rows", source=source, count=200, **{"class": 1}))
    assert some["total"] == sum("digit 1" in line for line in table)
    none = good(asked.get("/api/data/rows", source=source, count=200, **{"class": 3}))
    assert none["total"] == sum(line.endswith(",none") for line in table)
    first = {"source": source, "words": ["000.png", "digit 0"]}
    edited = good(asked.post("/api/data/edit", first | {"do": "label"}))
    assert edited["command"] == f"hubel edit {asked.studio.places.spoken(Path(source))} label 000.png 'digit 0'"  # type: ignore[attr-defined]
    assert not good(asked.post("/api/data/edit", first | {"do": "label"}))["made"], "it has it already"
    rows = good(asked.get("/api/data/rows", source=source, count=400))
    assert "|".join(about["classes"][k] for k in rows["labels"][0]) == "digit 0|digit 1|digit 2"
    good(asked.post("/api/data/edit", first | {"do": "undo", "words": []}))
    fixed = good(asked.get("/api/data/about", source="digits"))["fixed"]
    assert fixed.startswith("digits is a named set")
