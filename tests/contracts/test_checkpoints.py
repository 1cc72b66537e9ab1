"""Every architecture can be judged by its checkpoint without memory; every small one goes there and back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hubel.checkpoint import ModelSpec, golden_images, golden_logits, load, save_weights
from hubel.checkpoint.tensors import table_of
from hubel.data.preprocessing import Preprocessing
from hubel.models import CARDS, Card
from hubel.runtime import seeded
from hubel.store import RunStore

SMALL = [name for name, card in CARDS.items() if card.params and card.params < 300_000]


def spec_of(card: Card) -> ModelSpec:
    size = (card.img_size, card.img_size) if isinstance(card.img_size, int) else card.img_size
    return ModelSpec(architecture=card.name, num_classes=5, in_chans=card.in_chans, img_size=size)


@pytest.mark.parametrize("name", CARDS)
def test_a_net_can_be_built_without_memory(name: str) -> None:
    with torch.device("meta"):
        net = spec_of(CARDS[name]).build()
    assert all(value.is_meta for value in net.state_dict().values()), "a builder must not name a device"


@pytest.mark.parametrize("name", SMALL)
def test_a_net_comes_back_from_its_checkpoint(name: str, tmp_path: Path) -> None:
    card, spec = CARDS[name], spec_of(CARDS[name])
    with seeded(0):
        net = spec.build().eval()
        if spec.img_size is None:
            preprocessing, pictures = None, torch.randn(2, card.in_chans)
        elif card.in_chans in (1, 3):
            preprocessing = Preprocessing(height=spec.img_size[0], width=spec.img_size[1], channels=card.in_chans)
            pictures = torch.randint(0, 256, (2, *preprocessing.shape), dtype=torch.uint8)
        else:
            preprocessing, pictures = None, torch.randn(2, card.in_chans, *spec.img_size)
    store, golden = RunStore(tmp_path), golden_images(pictures)
    logits = golden_logits(net, preprocessing, golden)
    names = [str(number) for number in range(logits.shape[1])] if logits.shape[1] == 5 else []
    save_weights(
        store,
        "best",
        net.state_dict(),
        spec=spec,
        preprocessing=preprocessing,
        class_names=names,
        probes=(golden, logits),
    )
    found = load(tmp_path)
    assert table_of(found.model.state_dict()) == table_of(net.state_dict())
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in found.model.state_dict().items())
