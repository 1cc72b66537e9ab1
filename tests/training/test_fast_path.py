"""The fast path computes what the plain path computes: one picture at a time, in floats, one tensor at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from hubel.assembly.build import build
from hubel.assembly.prepare import prepare
from hubel.assembly.wire import assemble
from hubel.data.augment import build_augment
from hubel.data.batches import epoch_order
from hubel.events import EpochDone, StepDone
from hubel.recipes.schema import compose
from hubel.training.loop import fit
from hubel.training.schedules import build_schedule

SETTINGS: dict[str, Any] = {
    "data": "digits", "limit": 400, "epochs": 2, "batch_size": 100, "optimizer": "nesterov", "lr": 0.05,
    "momentum": 0.9, "weight_decay": 5e-4, "schedule": "linear", "label_smoothing": 0.1, "device": "cpu",
    "augment": "alternating-flip,translate=1", "model_options": {"width": 0.3},
}  # fmt: skip


def plain_losses() -> tuple[list[float], float]:
    """Losses of a loop as a textbook has it, and the validation accuracy after it."""
    prepared = prepare(compose(SETTINGS))
    model, _ = build(prepared)
    preprocessing, seed = prepared.preprocessing, prepared.recipe.train.seed
    assert preprocessing is not None
    decayed = [p for p in model.parameters() if p.requires_grad and p.dim() > 1]
    spared = [p for p in model.parameters() if p.requires_grad and p.dim() <= 1]
    optimiser = torch.optim.SGD(
        [{"params": decayed, "weight_decay": 5e-4}, {"params": spared}],
        lr=0.05, momentum=0.9, nesterov=True, foreach=False, fused=False,
    )  # fmt: skip
    augment = build_augment("alternating-flip,translate=1")
    schedule = build_schedule("linear", total_steps=8, steps_per_epoch=4)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.1)
    mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (preprocessing.mean, preprocessing.std))

    def picture(row: int, epoch: int | None) -> torch.Tensor:
        image = torch.from_numpy(prepared.decoded.images[row].copy()).float() / 255
        if epoch is not None:
            image = augment(image[None], torch.tensor([row]), seed=seed, epoch=epoch)[0]
        return (image - mean) / std

    losses = []
    for epoch in range(2):
        order = epoch_order(prepared.ids("train"), seed=seed, epoch=epoch)
        for step in range(4):
            rows = order[100 * step : 100 * (step + 1)]
            images = torch.stack([picture(int(row), epoch) for row in rows])
            labels = torch.tensor(prepared.manifest.labels[rows])
            for group in optimiser.param_groups:
                group["lr"] = 0.05 * schedule(4 * epoch + step)
            loss = loss_of(model.train()(images), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    rows = prepared.splits.val
    with torch.no_grad():
        answers = model.eval()(torch.stack([picture(int(row), None) for row in rows])).argmax(1)
    return losses, float(np.mean(answers.numpy() == prepared.manifest.labels[rows]))


@pytest.mark.parametrize(
    "way", [{}, {"channels_last": False}, {"micro_batch": 100}, {"batch_size": 100, "workers": 1}], ids=str
)
def test_the_fast_path_has_the_losses_of_the_plain_one(way: dict[str, Any]) -> None:
    prepared = prepare(compose(SETTINGS, way))
    model, _ = build(prepared)
    events = list(fit(assemble(prepared.recipe, prepared, model)))
    losses, accuracy = plain_losses()
    assert [float(e.loss) for e in events if isinstance(e, StepDone)] == pytest.approx(losses, rel=2e-4)
    last = [e for e in events if isinstance(e, EpochDone)][-1]
    assert last.row["val_accuracy"] == pytest.approx(accuracy, abs=0.02)


def test_bf16_has_nearly_the_losses_of_the_plain_path() -> None:
    prepared = prepare(compose(SETTINGS, {"precision": "bf16"}))
    model, _ = build(prepared)
    losses = [float(e.loss) for e in fit(assemble(prepared.recipe, prepared, model)) if isinstance(e, StepDone)]
    assert losses == pytest.approx(plain_losses()[0], rel=0.05)
