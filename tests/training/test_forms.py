"""Three forms of each picture whose answers are held together: `--robust --jsd 12`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import hubel
from hubel.assembly.begin import make_ready
from hubel.assembly.forms import in_forms
from hubel.data.augment import build_augment
from hubel.errors import UsageError
from hubel.nn.consistency import jensen_shannon
from hubel.recipes.schema import compose
from hubel.training.step import step
from hubel.watching import SILENT

TINY = {
    "data": "digits",
    "limit": 200,
    "model": "mlp",
    "model_options": {"hidden": [32]},
    "epochs": 2,
    "device": "cpu",
    "threads": 1,
}


def test_the_first_form_is_the_picture_as_the_chain_shows_it_and_the_others_are_varied_from_it() -> None:
    images = torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([4, 8, 15, 16, 23])
    forms = in_forms(build_augment("translate=2,augmix=3:3:0"))(images, ids, seed=1, epoch=3).unflatten(0, (5, 3))
    plain = build_augment("translate=2")(images, ids, seed=1, epoch=3).float() / 255
    assert torch.equal(forms[:, 0], plain)
    assert not torch.equal(forms[:, 1], forms[:, 2])
    assert not torch.equal(forms[:, 1], plain)
    alone = in_forms(build_augment("translate=2,augmix=3:3:0"))(images[2:3], ids[2:3], seed=1, epoch=3)
    assert torch.equal(alone, forms[2]), "what a picture becomes hangs on no other"
    mixed = in_forms(build_augment("augmix=3:3:0"))(images, ids, seed=1, epoch=3).unflatten(0, (5, 3))
    assert torch.equal(mixed[:, 0], images.float() / 255)
    assert not torch.equal(mixed[:, 1], mixed[:, 0]), "it is AugMix that varies them, with no shift in the chain"


def test_a_step_minimises_the_loss_of_the_first_form_and_what_all_are_apart() -> None:
    ready = make_ready(compose({**TINY, "robust": True, "jsd": 12.0, "label_smoothing": 0.0}), SILENT)
    run = ready.training
    batch = next(iter(run.batches(0, 0)))
    assert batch.images.shape[1:] == (3, 1, 8, 8)
    assert len(batch) == len(batch.images)
    run.model.train()
    with torch.no_grad():
        logits = run.model(batch.images.flatten(0, 1)).unflatten(0, (-1, 3)).unbind(1)
        by_hand = torch.nn.functional.cross_entropy(logits[0], batch.labels) + 12 * jensen_shannon(*logits).mean()
    assert step(run, batch).loss.item() == pytest.approx(by_hand.item(), rel=1e-4)


def test_such_a_run_goes_on_to_the_same_bits_and_its_answers_hold_together_more(tmp_path: Path) -> None:
    apart = {}
    for jsd in (0.0, 12.0):
        run = hubel.train(
            **TINY, robust=True, jsd=jsd, out=str(tmp_path / str(jsd)), baseline=False, verbose=False, micro_batch=32,
        )  # fmt: skip
        assert run.status == "finished"
        found = run.load()
        images = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            apart[jsd] = float(jensen_shannon(*(found.model(s * images - s / 2) for s in (1.0, 0.5))).mean())
    assert apart[12.0] < apart[0.0]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"jsd": 12.0}, "has no augmix"),
        ({"jsd": 12.0, "robust": True, "mixup": 0.2}, "forms of one picture"),
        ({"jsd": 12.0, "data": "moons", "limit": None}, "for pictures"),
        ({"jsd": 12.0, "robust": True, "task": "reconstruct", "model": "autoencoder", "model_options": {}}, "jsd"),
        ({"jsd": -1.0, "robust": True}, "jsd"),
    ],
)
def test_what_has_no_forms_to_hold_together_is_refused(settings: dict[str, object], says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=says):
        hubel.train(**{**TINY, **settings, "out": str(tmp_path), "verbose": False})
    assert not any(tmp_path.iterdir())


def test_the_doctor_checks_such_a_training_by_one_form_of_each_picture() -> None:
    settings = {name: value for name, value in TINY.items() if name != "data"}
    found = hubel.doctor("digits", **{**settings, "epochs": 8}, robust=True, jsd=12.0)
    assert found.healthy, str(found)
