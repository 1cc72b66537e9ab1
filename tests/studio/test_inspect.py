"""The page Inspect: from the graph to one number, what is asked of the server and the flow in a real browser."""

from __future__ import annotations

import copy
import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import hubel
from chromium import Chromium
from hubel.errors import ArtefactError, DataError, HubelError, UsageError
from hubel.studio import inspect, stands
from hubel.studio.asking import Asked, Sent
from hubel.studio.places import Places
from hubel.studio.serving import Serving
from hubel.studio.state import Studio
from studio.test_pages import clean, fits, look, opened, saved

NET = {"net": "resnet20", "data": "digits:3"}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    folder = tmp_path_factory.mktemp("studio")
    return Studio(Places.of((str(folder),), str(folder / "runs")))


def unpacked(sent: Sent) -> tuple[dict[str, Any], np.ndarray]:
    (length,) = struct.unpack("<I", sent.data[:4])
    return json.loads(sent.data[4 : 4 + length]), np.frombuffer(sent.data[4 + length :], np.uint8)


def test_the_graph_has_every_stage_of_the_net_with_its_maps(studio: Studio) -> None:
    scene = inspect.scene(Asked(studio, NET))
    assert [node["name"] for node in scene["nodes"]][:5] == ["conv1", "bn1", "relu", "layer1", "layer2"]
    assert scene["nodes"][4]["sources"] == [3]
    assert (scene["label"], len(scene["classes"]), len(scene["best"])) == (3, 10, 5)
    header, data = unpacked(inspect.graph(Asked(studio, NET)))
    assert header["tiles"][3] == {**header["tiles"][3], "count": 12, "of": 16, "size": [8, 8]}
    count = sum(tile["count"] * tile["size"][0] * tile["size"][1] for tile in header["tiles"])
    assert len(data) == count + int(np.prod(header["picture"]))


def test_a_skip_is_an_edge_of_the_stage(studio: Studio) -> None:
    stage = inspect.stage(Asked(studio, {**NET, "stage": "3"}))
    names = [inspect.scene(Asked(studio, NET))["parts"][p]["name"] for p in stage["parts"]]
    assert "add" in names
    assert any(stage["at"][i][0] - stage["at"][s][0] > 1 for i, all_ in enumerate(stage["sources"]) for s in all_)


@pytest.mark.parametrize("how", ["unit", "layer", "net"])
def test_a_byte_is_the_number_on_the_scale_that_was_chosen(studio: Studio, how: str) -> None:
    part = inspect.stand(Asked(studio, NET)).scene.parts[0]
    header, data = unpacked(inspect.layer(Asked(studio, {**NET, "part": "0", "range": how})))
    scales = np.array(header["scales"], np.float32)
    shown = (data.reshape(header["count"], 8, 8).astype(np.float32) - 128) / 127 * scales[:, None, None]
    np.testing.assert_allclose(shown, part.output[0].numpy(), atol=float(scales.max()) / 250)
    largest = {"unit": part.output[0].abs().amax((1, 2)), "layer": part.output.abs().max().expand(16)}
    if how in largest:
        np.testing.assert_allclose(scales, largest[how].numpy(), rtol=1e-6)
    else:
        assert scales[0] == inspect.stand(Asked(studio, NET)).largest


def test_a_value_is_written_out_and_leads_to_those_it_was_made_of(studio: Studio) -> None:
    found = inspect.value(Asked(studio, {**NET, "part": "0", "channel": "5", "row": "2", "column": "3"}))
    assert (found["place"], found["window"], found["count"]) == ((5, 2, 3), (1, 3, 3), 9)
    assert abs(found["value"] - found["result"]) < 1e-5
    assert found["terms"][4][2:] == [-1, [0, 2, 3]]
    assert found["command"] == "hubel step resnet20 digits:3 --layer conv1 --unit 5,2,3"
    last = len(inspect.stand(Asked(studio, NET)).scene.parts) - 1
    assert inspect.value(Asked(studio, {**NET, "part": str(last), "place": "7"}))["count"] == 64


def test_gradients_are_those_of_torch(studio: Studio) -> None:
    stand = inspect.stand(Asked(studio, NET))
    part = next(p for p in stand.scene.parts if p.name == "conv2d" and p.module.startswith("layer2"))
    found = stand.backward(4).gradients[part.index]
    assert found is not None
    net = copy.deepcopy(stand.subject.model).double()
    module, step = net.get_submodule(part.module), torch.zeros_like(part.output, dtype=torch.float64)
    step[0, 2, 1, 1] = 1e-6
    logits = []
    for sign in (1, -1):
        hook = module.register_forward_hook(lambda m, i, o, sign=sign: o + sign * step)
        with torch.no_grad():
            logits.append(float(net(stand.scene.picture.double())[0, 4]))
        hook.remove()
    assert float(found[0, 2, 1, 1]) == pytest.approx((logits[0] - logits[1]) / 2e-6, rel=1e-3)


def test_gradient_maps_and_written_gradients_are_those_of_the_way_back(studio: Studio) -> None:
    stand = inspect.stand(Asked(studio, NET))
    part = next(p for p in stand.scene.parts if p.name == "add")
    query = {**NET, "part": str(part.index), "what": "gradient", "target": "4"}
    known = stand.backward(4).gradients[part.index]
    assert known is not None
    header, data = unpacked(inspect.layer(Asked(studio, query)))
    scales = np.array(header["scales"], np.float32)
    shown = (data.reshape(header["count"], 8, 8).astype(np.float32) - 128) / 127 * scales[:, None, None]
    np.testing.assert_allclose(shown, known[0].numpy(), atol=float(scales.max()) / 250)
    found = inspect.value(Asked(studio, {**query, "channel": "5", "row": "2", "column": "3"}))
    assert found["value"] == float(known[0, 5, 2, 3])
    assert abs(found["value"] - found["result"]) < 1e-5
    assert all(term[2] > part.index for term in found["terms"])
    last = len(stand.scene.parts) - 1
    seed = inspect.value(Asked(studio, {**query, "part": str(last), "place": "4"}))
    assert (seed["value"], seed["result"], seed["terms"]) == (1.0, 1.0, [])
    with pytest.raises(UsageError):
        inspect.value(Asked(studio, {**query, "target": "10"}))


@pytest.fixture(scope="module")
def watched_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that kept the weights of its start and of each of two epochs."""
    out = str(tmp_path_factory.mktemp("kept") / "runs")
    settings = {"epochs": 2, "limit": 200, "model_options": {"width": 0.2}, "threads": 1, "device": "cpu"}
    return hubel.train("digits", out=out, keep_every=1, **settings).folder


def test_every_epoch_that_was_kept_can_be_looked_into(watched_run: Path) -> None:
    studio = Studio(Places.of((str(watched_run.parent),), str(watched_run.parent)))
    net = {"net": watched_run.name, "data": "digits:3"}
    assert inspect.nets(Asked(studio))["runs"] == [watched_run.name]
    assert inspect.kept(Asked(studio, net)) == {"epochs": [0, 1, 2]}
    assert inspect.kept(Asked(studio, NET)) == {"epochs": []}
    first, second, last = (inspect.stand(Asked(studio, {**net, "epoch": e})).scene for e in ("0", "1", "2"))
    assert not torch.equal(first.answer, second.answer)
    final = hubel.load(watched_run, which="last")
    image = inspect.stand(Asked(studio, {**net, "epoch": "2"})).subject.images
    with torch.no_grad():
        torch.testing.assert_close(last.answer, final.model(image))
    part = next(p for p in last.parts if p.closing and len(p.shape) == 3)
    query = {**net, "epoch": "1", "part": str(part.index), "unit": "1"}
    found = inspect.value(Asked(studio, {**query, "channel": "0", "row": "1", "column": "1"}))
    assert "weights/epoch-000001.safetensors digits:3" in found["command"]
    one, two = (unpacked(inspect.patches(Asked(studio, {**query, "epoch": e})))[0]["values"] for e in ("0", "2"))
    assert one != two
    with pytest.raises(ArtefactError, match="keeps no weights of epoch '7'"):
        inspect.stand(Asked(studio, {**net, "epoch": "7"}))
    with pytest.raises(ArtefactError, match="keeps no weights"):
        inspect.stand(Asked(studio, {**net, "epoch": "../best"}))


def test_kernels_are_the_weights_of_the_unit(studio: Studio) -> None:
    header, data = unpacked(inspect.kernels(Asked(studio, {**NET, "part": "0", "channel": "5"})))
    weight = inspect.stand(Asked(studio, NET)).subject.model.get_parameter("conv1.weight")[5].detach().numpy()
    shown = (data.reshape(1, 3, 3).astype(np.float32) - 128) / 127 * header["scales"][0]
    np.testing.assert_allclose(shown, weight, atol=header["scales"][0] / 250)


def test_a_picture_that_is_dropped_is_looked_at(studio: Studio) -> None:
    picture = io.BytesIO()
    Image.fromarray(np.full((40, 50, 3), 200, np.uint8)).save(picture, "png")
    data = inspect.take(Asked(studio, {}, picture.getvalue(), "image/png"))["data"]
    assert inspect.scene(Asked(studio, {"net": "lenet5_modern", "data": data}))["picture"][0] == 3
    for body, kind in ((b"", "image/png"), (b"<svg/>", "image/svg+xml"), (b"x", "text/plain")):
        with pytest.raises(DataError, match="is no picture"):
            inspect.take(Asked(studio, {}, body, kind))
    broken = inspect.take(Asked(studio, {}, b"not a png", "image/png"))["data"]
    with pytest.raises(HubelError):
        inspect.scene(Asked(studio, {"net": "lenet5_modern", "data": broken}))


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"net": "../../etc"}, UsageError), ({"net": "nothing"}, ArtefactError), ({}, UsageError),
        ({"net": "resnet20", "data": "/etc/passwd"}, UsageError),
        ({"net": "resnet20", "data": "dropped:no"}, DataError),
        ({"net": "resnet20", "data": "digits:999999"}, HubelError),
        ({**NET, "part": "9999"}, UsageError), ({**NET, "part": "0", "place": "1,2"}, UsageError),
        ({**NET, "part": "0", "place": "a,b,c"}, UsageError), ({**NET, "part": "0", "channel": "99"}, UsageError),
    ],
)  # fmt: skip
def test_what_cannot_be_looked_at_is_said(studio: Studio, query: dict[str, str], error: type[HubelError]) -> None:
    with pytest.raises(error):
        inspect.value(Asked(studio, query))


def test_what_excites_a_unit_most_is_cut_out_of_the_training_pictures(digits_run: Path) -> None:
    studio = Studio(Places.of((str(digits_run.parent),), str(digits_run.parent)))
    query = {"net": digits_run.name, "data": "digits:3"}
    scene = inspect.stand(Asked(studio, query)).scene
    part = next(p for p in scene.parts if p.closing and len(p.shape) == 3)
    header, data = unpacked(inspect.patches(Asked(studio, {**query, "part": str(part.index), "unit": "1"})))
    assert header["values"] == sorted(header["values"], reverse=True)
    assert len(data) == len(header["values"]) * int(np.prod(header["size"]))
    inside = next(p for p in scene.parts if not p.closing or len(p.shape) == 2)
    with pytest.raises(UsageError, match="what a module gives"):
        inspect.patches(Asked(studio, {**query, "part": str(inside.index)}))
    with pytest.raises(UsageError, match="has seen no pictures yet"):
        inspect.patches(Asked(studio, {**NET, "part": "0"}))


def test_scenes_of_large_nets_do_not_pile_up(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stands, "KEPT", 1)
    for i in range(5):
        inspect.stand(Asked(studio, {"net": "lenet5_modern", "data": f"digits:{i}"}))
    assert len(studio.keep(("scenes",), dict)) == 2


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, picture_folder: Path) -> Iterator[Serving]:
    runs = str(tmp_path_factory.mktemp("studio") / "runs")
    with Serving((str(picture_folder),), runs=runs, port=0) as found:
        yield found


@pytest.mark.browser
def test_from_the_graph_to_one_number_and_down_to_what_it_was_made_of(
    browser: Chromium, serving: Serving, tmp_path: Path
) -> None:
    opened(browser, serving, "inspect", "?net=resnet20&data=digits:3")
    browser.until("document.querySelectorAll('.flow').length === 1")
    browser.evaluate("document.querySelectorAll('.flow button')[3].click()")
    browser.until("document.querySelectorAll('.flow').length === 2")
    browser.evaluate("document.querySelectorAll('.flow')[1].querySelectorAll('button')[0].click()")
    browser.until("document.querySelectorAll('.maps button').length === 16")
    browser.evaluate("document.querySelectorAll('.maps button')[5].click()")
    browser.until("document.querySelector('main').textContent.includes('sum of 144 products')")
    before = browser.evaluate("document.documentElement.dataset.value")
    browser.evaluate(
        "document.querySelector('.big canvas').dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowLeft', "
        "bubbles: true, cancelable: true }))"
    )
    browser.until(f"document.documentElement.dataset.value !== '{before}'")
    held = browser.evaluate("location.hash")
    assert "channel=5" in held
    assert "column=3" in held
    browser.evaluate("document.querySelector('.terms button').click()")
    browser.until("!!document.querySelector('.path button')")
    assert "relu" in browser.evaluate("document.querySelector('.path').textContent")
    fits(browser)
    look(browser, "inspect")
    saved(browser, tmp_path)
    clean(browser, serving)


@pytest.mark.browser
def test_two_pictures_stand_side_by_side_and_an_error_is_said(browser: Chromium, serving: Serving) -> None:
    opened(browser, serving, "inspect", "?net=lenet5_modern&data=digits:3&other=digits:4&part=0&channel=1")
    browser.until("document.querySelectorAll('.big').length === 2")
    browser.until("document.querySelectorAll('.sum.value').length === 2")
    clean(browser, serving)
    opened(browser, serving, "inspect", "?net=lenet5_modern&data=nowhere:1")
    browser.until("!!document.querySelector('main [role=status] .problem')")


@pytest.mark.browser
def test_two_epochs_stand_side_by_side_with_gradients_and_the_way_on(browser: Chromium, watched_run: Path) -> None:
    with Serving((str(watched_run.parent),), runs=str(watched_run.parent), port=0) as serving:
        browser.open("about:blank")
        opened(browser, serving, "inspect", f"?net={watched_run.name}&data=digits:3&part=0&channel=0")
        browser.until("document.querySelectorAll('.sum.value').length === 1")
        browser.evaluate(
            "(() => { const e = document.querySelector('#epoch'); e.value = 0; "
            "e.dispatchEvent(new Event('input')); })()"
        )
        browser.until("location.hash.includes('epoch=0') && document.querySelectorAll('.sum.value').length === 1")
        choose = (
            "(() => {{ const s = [...document.querySelectorAll('.control')].find((n) => n.textContent.startsWith('{}'))"
            ".querySelector('select'); s.value = '{}'; s.dispatchEvent(new Event('change')); }})()"
        )
        browser.evaluate(choose.format("Beside it (another epoch)", "2"))
        browser.until("document.querySelectorAll('.sum.value').length === 2")
        browser.evaluate(choose.format("Shown", "both"))
        browser.until("document.querySelectorAll('.big').length === 4")
        browser.until("document.querySelectorAll('.sum.value').length === 4")
        labels = browser.evaluate("[...document.querySelectorAll('.sides figcaption')].map((n) => n.textContent)")
        assert labels[:4] == [
            "digits:3, epoch 0", "digits:3, epoch 0, gradients", "digits:3, epoch 2", "digits:3, epoch 2, gradients"
        ]  # fmt: skip
        on = "document.querySelector('.gradient .terms button')"
        browser.until(f"!!{on}")
        browser.evaluate("document.documentElement.dataset.value = ''")
        browser.evaluate(f"{on}.click()")
        browser.until("!!document.querySelector('.path button') && document.documentElement.dataset.value !== ''")
        assert "part=0" not in browser.evaluate("location.hash")
        fits(browser)
        look(browser, "inspect-epochs")
        clean(browser, serving)
