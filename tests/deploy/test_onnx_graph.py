"""What stands before an exported net brings pictures to size as Pillow does, to the byte."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from hubel.data.preprocessing import INTERPOLATIONS, Preprocessing
from hubel.deploy import onnx_graph

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SIZES = ((1, 1), (1, 400), (400, 1), (24, 32), (23, 31), (100, 37), (48, 64), (45, 40), (60, 45), (99, 201), (333, 111))


def alone(preprocessing: Preprocessing) -> onnxruntime.InferenceSession:
    """The nodes before the net as a model of their own."""
    nodes = onnx_graph.Nodes("place")
    nodes.last("Identity", onnx_graph.placed(nodes, "pictures", preprocessing), output="images")
    ends = [
        onnx.helper.make_tensor_value_info("pictures", 2, ["N", "H", "W", preprocessing.channels]),
        onnx.helper.make_tensor_value_info("images", 1, [None] * 4),
    ]
    graph = onnx.helper.make_graph(nodes.nodes, "place", ends[:1], ends[1:], nodes.initializers)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_picture_of_any_size_is_fitted_as_pillow_fits_it_to_the_byte(fit: str, interpolation: str) -> None:
    share = 0.875 if fit == "crop" else 1.0
    channels = 1 if fit == "pad" else 3
    seen = Preprocessing(
        height=24, width=32, channels=channels, fit=fit, interpolation=interpolation, crop_share=share
    ).with_statistics([0.4] * channels, [0.3] * channels)
    session = alone(seen)
    random = np.random.default_rng(0)
    for size in SIZES:
        pictures = random.integers(0, 256, (2, *size, channels), dtype=np.uint8)
        fitted = np.stack([seen.array(picture) for picture in pictures])
        found = session.run(None, {"pictures": pictures})[0]
        assert np.abs(found - seen.normalise(fitted)).max() == 0, size


def test_the_order_of_pillows_passes_is_seen_from_its_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Image.Image.resize

    def across_first(self: Image.Image, size: tuple[int, int], *how: object) -> Image.Image:
        return real(real(self, (size[0], self.height), *how), size, *how)  # type: ignore[arg-type]

    onnx_graph.down_first.cache_clear()
    monkeypatch.setattr(Image.Image, "resize", across_first)
    assert not onnx_graph.down_first()
    pictures = np.random.default_rng(1).integers(0, 256, (1, 90, 8, 3), dtype=np.uint8)
    seen = Preprocessing(height=9, width=6, fit="squash", interpolation="lanczos")
    found = alone(seen).run(None, {"pictures": pictures})[0]
    onnx_graph.down_first.cache_clear()
    assert np.abs(found - seen.normalise(seen.array(pictures[0])[None])).max() == 0
