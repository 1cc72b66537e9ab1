"""A run that joins several nets says how far they are from one another: asked, of what arrives, and behind HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import entropy

import hubel
from hubel.checkpoint import ModelSpec
from hubel.checkpoint.classifier import golden_images, golden_logits
from hubel.checkpoint.saving import save_weights
from hubel.data.preprocessing import Preprocessing
from hubel.server.answering import answer_batch
from hubel.server.schema import SCHEMAS
from hubel.server.served import opened
from hubel.store import RunStore
from hubel.verbs.streaming import stream

SEEN = Preprocessing(height=8, width=8, channels=1)
WEIGHTS = np.array([0.7, 0.3])
# task -> what its members answer with and by which method, which net they are, and what the server calls its answer
KINDS: dict[str, tuple[str, str, str, dict[str, Any], str]] = {
    "classify": ("classes", "", "mlp", {"hidden": [6]}, "Prediction"),
    "multilabel": ("labels", "", "mlp", {"hidden": [6]}, "Labels"),
    "regress": ("numbers", "", "mlp", {"hidden": [6]}, "Value"),
    "segment": ("classes", "segment", "unet", {"maps": 4, "levels": 1}, "Areas"),
    "reconstruct": ("numbers", "reconstruct", "autoencoder", {"code": 4}, "GivenBack"),
}


@pytest.fixture
def joined(task: str, tmp_path: Path) -> Path:
    """A folder with the weights of two nets as one, of unequal weight."""
    answers, asks, name, options, _ = KINDS[task]
    torch.manual_seed(0)
    spec = ModelSpec(
        architecture="ensemble", num_classes=1 if task == "regress" else 3, in_chans=1, img_size=(8, 8),
        options={"members": [{"name": name, "options": options}] * 2, "weights": WEIGHTS.tolist(),
                 "temperatures": [1.0, 1.0], "answers": answers, "asks": asks},
    )  # fmt: skip
    net = spec.build().eval()
    for weight in net.parameters():  # far from one another
        weight.data.mul_(3)
    images = golden_images(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))
    save_weights(
        RunStore.create(tmp_path, "joined"), "best", net.state_dict(), spec=spec, preprocessing=SEEN,
        class_names=() if task == "regress" else ("=low", "mid", "high"), recipe={"train": {"task": task}},
        probes=(images, golden_logits(net, SEEN, images)),
    )  # fmt: skip
    return tmp_path / "joined-1"


def oracle(task: str, folder: Path, picture: np.ndarray) -> Any:
    """How far its nets are from one another, from what each of them says alone."""
    net: Any = hubel.load(folder).model.eval()
    inputs = torch.as_tensor(SEEN.normalise(torch.from_numpy(picture[None, None])))
    with torch.inference_mode():
        said = [(getattr(each, KINDS[task][1]) if KINDS[task][1] else each)(inputs)[0] for each in net.nets]
    each = torch.stack(said).double().numpy()
    if task == "classify":
        shares = torch.from_numpy(each).softmax(1).numpy()
        return entropy(WEIGHTS @ shares) - WEIGHTS @ entropy(shares, axis=1)
    if task == "multilabel":
        shares = 1 / (1 + np.exp(-np.stack([-each, each], axis=2)))  # members, labels, not there or there
        mean = np.einsum("m,mkt->kt", WEIGHTS, shares)
        rows = entropy(mean, axis=1) - WEIGHTS @ entropy(shares, axis=2)
        return dict(zip(("=low", "mid", "high"), rows.tolist(), strict=True))
    if task == "regress":
        mean = WEIGHTS @ each[:, 0]
        return float(np.sqrt(WEIGHTS @ (each[:, 0] - mean) ** 2 / (1 - np.square(WEIGHTS).sum())))
    if task == "segment":
        mask = np.einsum("m,mkhw->khw", WEIGHTS, torch.from_numpy(each).softmax(1).numpy()).argmax(0)
        return {"pixels": float((each.argmax(1) != mask).any(0).mean())}
    mean = np.einsum("m,mchw->chw", WEIGHTS, each)
    square = np.einsum("m,mchw->chw", WEIGHTS, (each - mean) ** 2) / (1 - np.square(WEIGHTS).sum())
    return {"picture": float(np.sqrt(square.mean()))}


@pytest.mark.parametrize("task", KINDS)
def test_how_far_its_nets_are_from_one_another_is_told_wherever_it_answers(
    task: str, joined: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubel.data.arriving.EVERY", 0.02)
    picture = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)
    (tmp_path / "new").mkdir()
    file = tmp_path / "new" / "a.png"
    Image.fromarray(picture).save(file)
    expected = pytest.approx(oracle(task, joined, picture), rel=1e-3, abs=1e-6)
    (one,) = hubel.predict(joined, file, device="cpu")
    assert one.to_dict()["disagreement"] == expected  # type: ignore[union-attr]
    (arrived,) = stream(joined, tmp_path / "new", idle=0.0, device="cpu")
    assert arrived.said["disagreement"] == expected
    words = one.told() if task in ("classify", "regress") else one.line  # type: ignore[union-attr]
    assert "±" in words or "they disagree by" in words or "they differ at" in words
    assert arrived.told.strip() == words
    schema = SCHEMAS[KINDS[task][4]]
    for exact in (True, False):
        served = opened(str(joined), which="best", views=None, device="cpu", threads=1, batch=2, exact=exact,
                        form="ready")  # fmt: skip
        _, blobs = answer_batch(served, [{"name": "a.png", "top": None}] * 2, [file.read_bytes()] * 2)
        for blob in blobs:
            said = json.loads(blob)
            assert said["disagreement"] == expected, exact
            assert set(schema["required"]) <= set(said) <= set(schema["properties"])
