"""Pillow's resampling in PyTorch's operations: to the byte, for every fit and filter, and as one exported program."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch

import hubel
from hubel.data.preprocessing import INTERPOLATIONS, Preprocessing
from hubel.deploy import onnx_back, onnx_graph
from hubel.deploy.odd import odd_pictures
from hubel.deploy.placing import Placing, laid_back
from hubel.errors import ArtefactError
from hubel.verbs.export import export

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SIZES = ((1, 1), (1, 400), (400, 1), (24, 32), (23, 31), (100, 37), (45, 40), (60, 45), (99, 201))


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_picture_of_any_size_is_fitted_as_pillow_fits_it_to_the_byte(fit: str, interpolation: str) -> None:
    seen = Preprocessing(
        height=24, width=32, fit=fit, interpolation=interpolation, crop_share=0.875 if fit == "crop" else 1.0
    ).with_statistics([0.5, 0.4, 0.3], [0.2, 0.3, 0.4])
    place = Placing(seen)
    random = np.random.default_rng(0)
    for size in SIZES:
        pictures = random.integers(0, 256, (2, *size, 3), dtype=np.uint8)
        fitted = np.stack([seen.array(picture) for picture in pictures])
        assert np.abs(place(torch.from_numpy(pictures)).numpy() - seen.normalise(fitted)).max() == 0, size


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
def test_what_is_said_of_pixels_goes_back_to_where_they_come_from_in_arrays_tensors_and_graphs_alike(fit: str) -> None:
    """The oracle: a picture whose pixels say their place, fitted without blending, goes back to where it came from."""
    seen = Preprocessing(
        height=24, width=32, channels=1, fit=fit, interpolation="nearest", crop_share=0.75 if fit == "crop" else 1.0
    )
    graph = graph_of_back(seen)
    for size in SIZES:
        for axis in (0, 1):
            places = np.broadcast_to(np.arange(size[axis]).reshape((-1, 1) if axis == 0 else (1, -1)), size) % 250
            picture = np.ascontiguousarray(places.astype(np.uint8)[..., None])
            maps = seen.array(picture)
            found = seen.laid_back(maps, *size, nothing=255)
            there = found != 255
            step = max(1.0, size[0] / 24, size[1] / 32)
            away = np.abs(found[0].astype(int) - places)[there[0]]
            assert (np.minimum(away, 250 - away) <= step).all(), size
            assert there.mean() == pytest.approx(1 if fit != "crop" else shown_of(size), abs=2.5 / min(size)), size
            by_torch = laid_back(torch.tensor(maps), torch.zeros(1, *size, 1), seen, 255)
            assert (by_torch.numpy() == found).all(), size
            assert (graph.run(None, {"maps": maps, "pictures": picture[None]})[0] == found).all(), size


def shown_of(size: tuple[int, int]) -> float:
    """The share of a picture that is left of it where three quarters of its largest middle 3:4 are cut out."""
    scale = 0.75 * min(size[0] / 24, size[1] / 32)
    return 24 * 32 * scale**2 / (size[0] * size[1])


def graph_of_back(seen: Preprocessing) -> onnxruntime.InferenceSession:
    """The nodes that lay maps back as a model of their own."""
    nodes = onnx_graph.Nodes("back")
    onnx_back.laid_back(nodes, "maps", "pictures", seen, nothing=255, output="found")
    value = onnx.helper.make_tensor_value_info
    ends = [value("maps", 2, ["N", 24, 32]), value("pictures", 2, ["N", "H", "W", 1])]
    graph = onnx.helper.make_graph(nodes.nodes, "back", ends, [value("found", 2, [None] * 3)], nodes.initializers)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def test_a_program_answers_as_the_run_without_hubel_and_names_no_file_of_this_machine(
    digits_run: Path, tmp_path: Path
) -> None:
    found = export(digits_run, "program", out=tmp_path / "digits.pt2", pictures=10)
    assert found.parity.holds
    extra = {"card.json": "", "classes.json": ""}
    program = torch.export.load(BytesIO(found.path.read_bytes()), extra_files=extra).module()
    assert json.loads(extra["classes.json"]) == [str(number) for number in range(10)]
    assert json.loads(extra["card.json"]) == json.loads((tmp_path / "digits.pt2.card.json").read_text())
    pictures = np.random.default_rng(0).integers(0, 256, (3, 40, 17, 1), dtype=np.uint8)
    with torch.no_grad():
        by_program = program(torch.from_numpy(pictures)).numpy()
    by_run = hubel.predict(digits_run, pictures, device="cpu").probabilities
    assert np.abs(by_program - by_run).max() < 1e-5
    data = found.path.read_bytes()
    assert str(Path(hubel.__file__).parent).encode() not in data
    assert str(digits_run.parent).encode() not in data


def test_a_program_has_no_whole_numbers(digits_run: Path, tmp_path: Path) -> None:
    with pytest.raises(hubel.UsageError, match="--int8 is not offered for --to program"):
        export(digits_run, "program", int8=True, out=tmp_path / "digits.pt2")


def test_a_file_of_another_kind_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "a.pt2").write_bytes(b"PK\x03\x04")
    with pytest.raises(ArtefactError):
        hubel.predict(tmp_path / "a.pt2", [data for _, data in odd_pictures(1)])
