"""Try and ship, without a browser: what runs of any task say of a picture, where a marked one goes, what is shipped."""

from __future__ import annotations

import base64
import io
import json
import shutil
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import hubel
from hubel.data.images import decode
from hubel.data.preprocessing import Preprocessing
from hubel.errors import HubelError
from hubel.figures.areas import tinted
from hubel.server.guard import Doors
from hubel.studio.app import gate
from hubel.studio.keeping import as_file
from hubel.studio.places import Places
from hubel.studio.state import Studio
from studio.asgi import Client, Got
from tasks.conftest import QUICK, pairs, photograph, scans

TOKEN = "t" * 43


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures with masks, a table of several labels, one of one label, and runs of every task that sees pictures."""
    home = tmp_path_factory.mktemp("ship")
    usual: dict[str, Any] = QUICK | {"out": str(home / "runs")}
    flat = {"model": "mlp", "augment": "none"}
    hubel.train(scans(home / "scans"), name="segment", epochs=4, batch_size=6, model_options={"maps": 4, "levels": 2},
                **usual)  # fmt: skip
    hubel.train("digits", name="embed", task="embed", epochs=2, limit=300, batch_size=64,
                model_options={"backbone": "mlp", "width": 8}, **usual)  # fmt: skip
    hubel.train("digits", name="back", task="reconstruct", epochs=2, limit=300, **usual)
    hubel.train(photograph(home / "hill.png"), name="field", task="field", epochs=1, model_options={"hidden": [8]},
                **usual)  # fmt: skip
    hubel.train(pairs(home / "pairs", 160), name="several", epochs=2, **flat, **usual)
    one = shutil.copytree(home / "pairs", home / "one")
    names = sorted(path.name for path in one.glob("*.png"))
    (one / "labels.csv").write_text("".join(f"{row}\n" for row in (
        "file,split,label", *(f"{name},{'test' if k % 5 == 0 else 'train'},{'even' if k % 2 == 0 else 'odd'}"
                              for k, name in enumerate(names)))))  # fmt: skip
    hubel.train(one, name="one", epochs=1, **flat, **usual)
    for k, name in enumerate(names):
        place = home / "folders" / ("even", "odd")[k % 2] / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(home / "pairs" / name, place)
    hubel.train(home / "folders", name="folders", epochs=1, **flat, **usual)
    return home


@pytest.fixture(scope="module")
def asked(home: Path) -> Client:
    """A studio over them."""
    found = Client(gate(Studio(Places.of((str(home),), str(home / "runs"))), Doors(port=8321, token=TOKEN)))
    found.get(f"/?token={TOKEN}")
    return found


def good(answer: Got) -> Any:
    assert answer.status == 200, answer.text
    return answer.json


def about(asked: Client, run: str) -> Any:
    return good(asked.get("/api/ship/about", run=f"{run}-1"))


def answer(asked: Client, run: str, picture: Path) -> Any:
    return good(asked.post("/api/ship/answer", picture.read_bytes(), run=f"{run}-1"))


def kept(asked: Client, run: str, picture: bytes, **said: str) -> Got:
    return asked.post("/api/ship/keep", picture, run=f"{run}-1", **said)


def noise(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (8, 16), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def pixels(figure: dict[str, str]) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(figure["picture"].partition(",")[2]))) as found:
        return np.array(found)


def test_areas_are_those_of_predict_laid_over_the_picture_with_their_mask(asked: Client, home: Path) -> None:
    picture = home / "scans" / "images" / "003.png"
    (own,) = hubel.predict(home / "runs" / "segment-1", picture)
    said = answer(asked, "segment", picture)
    assert said["shares"] == own.numbers
    over, mask = said["figures"]
    assert np.array_equal(pixels(mask), own.picture)
    assert np.array_equal(pixels(over), tinted(np.array(Image.open(picture)), own.picture, len(own.numbers)))
    assert about(asked, "segment")["colours"][1] == "#0072b2"


def test_a_large_picture_under_areas_is_sent_small_and_in_its_own_shape(
    asked: Client, home: Path, tmp_path: Path
) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (400, 1600, 3), dtype=np.uint8)).save(
        large := tmp_path / "large.png"
    )
    assert [pixels(each).shape[:2] for each in answer(asked, "segment", large)["figures"]] == [(128, 512)] * 2


def test_the_nearest_class_and_the_nearest_pictures_are_those_of_the_points(
    asked: Client, home: Path, tmp_path: Path
) -> None:
    Image.fromarray(np.random.default_rng(3).integers(0, 255, (8, 8), dtype=np.uint8)).save(file := tmp_path / "a.png")
    run = home / "runs" / "embed-1"
    (own,) = hubel.predict(run, file)
    said = answer(asked, "embed", file)
    assert (said["nearest"], said["near"], said["figures"]) == (own.facts["nearest"], own.facts["near"], [])
    assert said["distance"] == pytest.approx(own.facts["distance"])
    png = {**asked.ours(), "content-type": "image/png"}
    mine, _ = good(asked.post("/api/explain/near", file.read_bytes(), png, run="embed-1"))["lists"]
    again = hubel.predict(run, [np.array(Image.open(io.BytesIO(base64.b64decode(each.partition(",")[2]))))
                                for each in mine["pictures"]])  # fmt: skip
    far = [float(np.linalg.norm(each.point - own.point)) for each in again]
    assert mine["distances"] == pytest.approx(far, abs=1e-3), "distances of points on the sphere, the nearest first"
    assert far == sorted(far)


def test_a_picture_given_back_stands_beside_what_the_net_saw_and_where_it_is_off(
    asked: Client, home: Path, tmp_path: Path
) -> None:
    Image.fromarray(np.random.default_rng(3).integers(0, 255, (8, 8), dtype=np.uint8)).save(file := tmp_path / "a.png")
    (own,) = hubel.predict(home / "runs" / "back-1", file)
    said = answer(asked, "back", file)
    assert said["mse"] == pytest.approx(own.numbers["mse"])
    seen, back, off = map(pixels, said["figures"])
    assert np.array_equal(seen, np.array(Image.open(file)))
    assert np.array_equal(back, own.picture[0])
    errors = own.beside["errors"]
    assert np.array_equal(off, (errors * (255 / errors.max())).round())
    assert f"white is {errors.max() / 255:.0%} of the way" in said["figures"][2]["words"]


@pytest.mark.parametrize("run", ["segment", "embed", "back", "field", "one"])
def test_forms_are_offered_or_refused_as_the_command_refuses_them(asked: Client, home: Path, run: str) -> None:
    found = about(asked, run)
    for form in found["forms"]:
        for whole, refused in ((False, form["refused"]), (True, form["whole"])):
            if refused is None:
                assert run == "one" or form["name"] != "page"
                continue
            with pytest.raises(HubelError) as told:
                hubel.export(home / "runs" / f"{run}-1", form["name"], out=home / "file", int8=whole)
            assert (refused["reason"], refused["hint"]) == (told.value.what, told.value.hint)
    assert (found["untried"] is None) == (run != "field")
    if run == "field":
        assert "holds one picture" in found["untried"]["reason"]


def test_a_picture_with_its_labels_becomes_a_line_of_the_table(asked: Client, home: Path) -> None:
    table, run = home / "pairs" / "labels.csv", home / "runs" / "several-1"
    before, measured = table.read_text(), hubel.evaluate(run).rows()
    told = good(kept(asked, "several", noise(1), labels=json.dumps(["digit 0", "digit 2"])))
    assert told["line"] == f"{Path(told['file']).name},digit 0|digit 2"
    assert table.read_text() == f"{before}{told['line']}\n"
    assert (table.parent / told["copy"]).read_text() == before
    none = good(kept(asked, "several", noise(2), labels="[]"))
    assert none["line"].endswith(",none")
    assert hubel.evaluate(run).rows() == measured, "what was measured stays what it was"
    again = kept(asked, "several", noise(2), labels='["digit 0"]')
    assert (again.status, "has this picture already, as none" in again.text) == (400, True)
    new = good(kept(asked, "several", noise(3), labels='["digit 9"]'))
    assert new["line"].endswith(",digit 9")
    for wrong in ("digit 0", '"digit 0"', "[1]", '["a/b"]'):
        assert kept(asked, "several", noise(4), labels=wrong).status == 400
    table.chmod(0o444)
    refused = kept(asked, "several", noise(4), labels="[]")
    assert (refused.status, "may not be written to" in refused.text) == (422, True)
    table.chmod(0o644)
    listed = {path.name for path in table.parent.glob("studio-*")}
    assert listed == {Path(each["file"]).name for each in (told, none, new)}, "what is refused leaves no picture"


def test_a_picture_of_one_class_becomes_a_line_where_a_table_says_the_classes(asked: Client, home: Path) -> None:
    table = home / "one" / "labels.csv"
    before = table.read_text()
    told = good(kept(asked, "one", noise(1), label="odd"))
    assert table.read_text() == f"{before}{Path(told['file']).name},train,odd\n"
    assert about(asked, "one")["marks"] == "one"
    refused = kept(asked, "back", noise(1), label="odd")
    assert (refused.status, "names none" in refused.text) == (400, True)
    assert "no table of files" in kept(asked, "embed", noise(1), label="3").text


def test_a_picture_goes_into_the_folder_of_one_class_and_not_of_two(asked: Client, home: Path) -> None:
    told = good(kept(asked, "folders", noise(1), label="odd"))
    assert (home / "folders" / "odd" / told["name"]).is_file()
    assert good(kept(asked, "folders", noise(1), label="odd"))["name"] == told["name"]
    refused = kept(asked, "folders", noise(1), label="even")
    assert (refused.status, "has this picture already, as odd" in refused.text) == (400, True)
    assert not (home / "folders" / "even" / told["name"]).exists()


def test_a_kept_picture_is_what_the_net_saw_also_where_it_is_deep_or_transparent_and_a_sound_stays_one() -> None:
    def drawn(picture: Image.Image) -> bytes:
        out = io.BytesIO()
        picture.save(out, "PNG")
        return out.getvalue()

    deep = np.linspace(0, 60000, 96).reshape(8, 12).astype(np.uint16)
    seen = Image.new("RGBA", (8, 8), (200, 0, 0, 0))  # red that nobody sees: white
    tone = io.BytesIO()
    with wave.open(tone, "wb") as sound:
        sound.setparams((1, 2, 8000, 4000, "NONE", ""))
        sound.writeframes(np.random.default_rng(0).integers(-9000, 9000, 4000, dtype=np.int16).tobytes())
    sight = Preprocessing(height=8, width=12, channels=3, mean=(0.5,) * 3, std=(0.5,) * 3, levels=(0, 60000))
    for data, suffix in ((drawn(Image.fromarray(deep)), ".png"), (drawn(seen), ".png"), (tone.getvalue(), ".wav")):
        name, kept = as_file(data)
        assert name.endswith(suffix)
        assert np.array_equal(decode(kept, sight)[1], decode(data, sight)[1])
