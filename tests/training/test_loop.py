"""The loop against a loop written by hand, and what it does at its ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hubel.events import EpochDone, Finished, MicroBatchHalved, Skipped, StepDone
from hubel.models import create_model
from hubel.nn.optimisers import build_optimiser
from hubel.recipes.schema import compose
from hubel.training.dynamics import Dynamics
from hubel.training.loop import NonFinite, Training, fit
from hubel.training.schedules import build_schedule
from hubel.types import Batch

IMAGES = torch.randn(96, 1, 12, 12, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(96) % 4
STEPS = 6


def batches(epoch: int, start: int, images: torch.Tensor = IMAGES) -> Iterator[Batch]:
    order = torch.randperm(96, generator=torch.Generator().manual_seed(epoch))
    for step in range(start, STEPS):
        ids = order[16 * step : 16 * (step + 1)]
        yield Batch(images=images[ids], labels=LABELS[ids], ids=ids)


def net() -> nn.Module:
    torch.manual_seed(0)
    return create_model("quicknet", num_classes=4, in_chans=1, img_size=12, width=0.1, dropout=0.2)


def training(model: nn.Module | None = None, **settings: Any) -> Training:
    recipe = compose(
        {"epochs": 2, "lr": 0.01, "optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine"}, settings
    )
    model = model or net()
    schedule = build_schedule("cosine", total_steps=STEPS * 2, steps_per_epoch=STEPS)
    return Training(
        recipe=recipe,
        model=model,
        optimiser=build_optimiser("adamw", model, lr=0.01, weight_decay=0.1),
        schedule=schedule,
        loss=nn.CrossEntropyLoss(),
        batches=batches,
        steps_per_epoch=STEPS,
        measure=lambda model: {},
    )


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_loop_gives_the_same_bits_as_a_loop_written_by_hand() -> None:
    run = training(create_model("mnist_cnn", num_classes=4, in_chans=1, img_size=12))
    bare = create_model("mnist_cnn", num_classes=4, in_chans=1, img_size=12)
    bare.load_state_dict(run.model.state_dict())
    optimiser = build_optimiser("adamw", bare, lr=0.01, weight_decay=0.1)
    schedule = build_schedule("cosine", total_steps=STEPS * 2, steps_per_epoch=STEPS)
    losses = []
    for epoch in range(2):
        for step, batch in enumerate(batches(epoch, 0)):
            for group in optimiser.param_groups:
                group["lr"] = group["base_lr"] * schedule(epoch * STEPS + step)
            loss = F.cross_entropy(bare(batch.images), batch.labels)
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()
            losses.append(loss.item())

    events = list(fit(run))

    assert [event.loss.item() for event in events if isinstance(event, StepDone)] == losses
    assert equal(weights(run.model), weights(bare))


def test_events_come_step_by_step_and_end_with_the_reason() -> None:
    events = list(fit(training()))
    assert [type(event) for event in events] == [*[StepDone] * 6, EpochDone, *[StepDone] * 6, EpochDone, Finished]
    assert events[-1].reason == "epochs"
    assert events[6].row["train_loss"] > 0
    assert events[0].images == 16


@pytest.mark.parametrize("stop_after", [1, 5, 6, 7, 11])
def test_a_run_that_was_stopped_anywhere_goes_on_to_the_same_bits(stop_after: int) -> None:
    whole = training(ema=0.9)
    list(fit(whole))

    first = training(ema=0.9)
    steps = 0
    for event in fit(first):
        steps += isinstance(event, StepDone)
        if steps == stop_after:
            break
    tensors, meta = first.state()
    tensors = {name: value.clone() for name, value in tensors.items()}
    second = training(ema=0.9)
    second.restore(tensors, meta)
    list(fit(second))

    assert equal(weights(second.model), weights(whole.model))
    assert equal(weights(second.measured_model), weights(whole.measured_model))
    timeless = [{k: v for k, v in row.items() if "second" not in k} for row in second.history]
    assert timeless == [{k: v for k, v in row.items() if "second" not in k} for row in whole.history]


def test_an_optimiser_that_counts_its_parameters_otherwise_still_gets_each_its_own_state() -> None:
    """Without weight decay filters and biases are one group, with it they are two."""
    first, second = training(), training()
    second.optimiser = build_optimiser("adamw", second.model, lr=0.01, weight_decay=0.0)
    next(iter(fit(first)))
    tensors, meta = first.state()
    second.restore({name: value.clone() for name, value in tensors.items()}, meta)
    for old, new in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(first.optimiser.state[old]["exp_avg"], second.optimiser.state[new]["exp_avg"])
    # A state of an earlier version has no names; what cannot be of these parameters is refused, never written over.
    unnamed = {key: value for key, value in meta.items() if key != "optimiser_names"}
    with pytest.raises(ValueError, match="has the shape"):
        second.restore(tensors, unnamed)
    with pytest.raises(ValueError, match="other parameters"):
        second.restore(tensors, meta | {"optimiser_names": meta["optimiser_names"][1:]})


@pytest.mark.parametrize("key", ["epoch", "step", "micro_batch"])
@pytest.mark.parametrize("value", ["3", -1, 2.5, [1], True])
def test_a_state_that_counts_with_no_number_is_refused(key: str, value: object) -> None:
    tensors, meta = training().state()
    with pytest.raises(ValueError, match="is no number of epochs"):
        training().restore(tensors, meta | {key: value})


def test_micro_batches_give_the_gradient_of_the_whole_batch() -> None:
    whole, parts = (training(create_model("mnist_cnn", num_classes=4, in_chans=1, img_size=12)) for _ in range(2))
    parts.model.load_state_dict(whole.model.state_dict())
    parts.micro_batch = 5
    losses = [[e.loss.item() for e in fit(run) if isinstance(e, StepDone)] for run in (whole, parts)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


class Greedy(nn.Module):
    """Runs out of memory for more than `limit` samples."""

    def __init__(self, inner: nn.Module, limit: int) -> None:
        super().__init__()
        self.inner, self.limit = inner, limit

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.inner(images)
        if len(images) > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return answer


def test_running_out_of_memory_gives_the_same_result_as_small_parts_from_the_start() -> None:
    greedy, small = training(Greedy(net(), limit=4)), training(Greedy(net(), limit=16))
    small.micro_batch = 4
    events = list(fit(greedy))
    list(fit(small))
    assert [event.micro_batch for event in events if isinstance(event, MicroBatchHalved)] == [8, 4]
    assert equal(weights(greedy.model), weights(small.model))


def test_memory_that_never_suffices_is_reported_and_not_tried_for_ever() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        list(fit(training(Greedy(net(), limit=0))))


def poisoned(epoch: int, start: int) -> Iterator[Batch]:
    for step, batch in enumerate(batches(epoch, start), start=start):
        if epoch == 0 and step == 3:
            batch.images[2] = float("nan")
        yield batch


def test_a_loss_that_is_not_finite_stops_the_run_before_the_update() -> None:
    run = training()
    run.batches = poisoned
    events = fit(run)
    for _ in range(3):
        next(events)
    before = weights(run.model)
    with pytest.raises(NonFinite, match=r"at epoch 1, step 4: the input is not finite \(samples \d+\)") as caught:
        next(events)
    assert len(caught.value.diagnosis.ids) == 1
    assert equal(weights(run.model), before)


def test_a_loss_that_is_not_finite_can_be_left_out() -> None:
    run = training(on_nonfinite="skip")
    run.batches = poisoned
    run.dynamics = Dynamics(1000, 4, epochs=2, steps_per_epoch=STEPS)
    events = list(fit(run))
    assert [event.step for event in events if isinstance(event, Skipped)] == [4]
    assert run.dynamics.seen.sum() == sum(event.images for event in events if isinstance(event, StepDone))
    assert run.dynamics.sums.isfinite().all()
    assert sum(isinstance(event, StepDone) for event in events) == 11
    assert all(value.isfinite().all() for value in run.model.state_dict().values())


def test_a_run_stops_when_its_target_is_reached() -> None:
    run = training(target=0.9, epochs=2)
    run.measure = lambda model: {"val_accuracy": 0.95, "val_loss": 0.1}
    events = list(fit(run))
    assert (events[-1].reason, events[-1].epochs) == ("target", 1)


def test_a_run_stops_when_patience_is_at_an_end() -> None:
    run = training(patience=2, epochs=9)
    accuracies = iter([0.5, 0.6, 0.6, 0.6, 0.9])
    run.measure = lambda model: {"val_accuracy": next(accuracies), "val_loss": 1.0}
    events = list(fit(run))
    assert (events[-1].reason, events[-1].epochs, events[-1].best["epoch"]) == ("patience", 4, 2.0)


def test_a_run_stops_in_the_middle_of_an_epoch_when_its_time_is_up() -> None:
    run = training(time=1e-9)
    events = list(fit(run))
    assert [type(event) for event in events] == [StepDone, EpochDone, Finished]
    assert events[-1].reason == "time"


def test_clipping_bounds_the_whole_gradient() -> None:
    run = training(clip_grad=1e-3)
    seen = []
    step = run.optimiser.step

    def spy() -> None:
        seen.append(nn.utils.get_total_norm([p.grad for p in run.model.parameters() if p.grad is not None]).item())
        step()

    run.optimiser.step = spy  # type: ignore[method-assign]
    list(fit(run))
    assert max(seen) <= 1e-3 * 1.001


def test_penalties_pull_weights_towards_nought() -> None:
    plain, pulled = training(), training(l2=1.0)
    list(fit(plain))
    list(fit(pulled))
    sizes = [
        sum(p.detach().square().sum().item() for p in run.model.parameters() if p.dim() > 1) for run in (plain, pulled)
    ]
    assert sizes[1] < 0.9 * sizes[0]


class TwoHeads(nn.Module):
    """A net with an auxiliary head, as GoogLeNet has two."""

    aux_weight = 0.3

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(144, 8), nn.ReLU())
        self.fc, self.aux = nn.Linear(8, 4), nn.Linear(8, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.body(images))

    def forward_all(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        features = self.body(images)
        return self.fc(features), self.aux(features)


def test_auxiliary_heads_learn_with_their_weight_in_the_loss() -> None:
    torch.manual_seed(0)
    model = TwoHeads()
    before = weights(model)
    first = next(iter(batches(0, 0)))
    main, aux = (F.cross_entropy(logits, first.labels) for logits in model.forward_all(first.images))
    steps = [event for event in fit(training(model)) if isinstance(event, StepDone)]
    assert steps[0].loss.item() == pytest.approx((main + 0.3 * aux).item(), rel=1e-5)
    assert not torch.equal(model.aux.weight, before["aux.weight"])


def test_where_the_epochs_follow_from_the_time_the_rate_follows_the_clock() -> None:
    run = training()
    run.allowed, run.timed = 10.0, True
    by_step = [run.schedule(step) for step in range(2 * STEPS)]
    assert run.factor(7) == by_step[0]  # no time has passed, however many steps have
    run.seconds = 5.0
    assert run.factor(7) == by_step[STEPS]
    run.seconds = 10.0
    assert run.factor(7) == by_step[-1]


def test_a_timed_run_goes_beyond_its_planned_epochs_and_ends_with_its_time() -> None:
    run = training()
    run.allowed, run.timed = 0.6, True
    events = list(fit(run))
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "time"
    assert events[-1].seconds + run.reading >= 0.6
    assert run.factor(run.step) == pytest.approx(run.schedule(2 * STEPS - 1), abs=1e-9)
