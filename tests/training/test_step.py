"""The one step: what a recipe says of it holds in the loop, in the probes and in every precision."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import hubel.training
from hubel.errors import UsageError
from hubel.events import Overflowed
from hubel.models import create_model
from hubel.nn.losses import build_loss, mass
from hubel.nn.optimisers import build_optimiser
from hubel.recipes.schema import compose
from hubel.training.loop import NonFinite, Training, fit
from hubel.training.probes import rate_range, twin
from hubel.training.step import check_parts, divide, step
from hubel.types import Batch

IMAGES = torch.randn(96, 1, 12, 12, generator=torch.Generator().manual_seed(1))
LABELS = (torch.arange(96) % 16).clamp(max=2)  # 6, 6 and 84 of each class


def batches(epoch: int, start: int) -> Iterator[Batch]:
    order = torch.randperm(96, generator=torch.Generator().manual_seed(epoch))
    for at in range(start, 4):
        ids = order[24 * at : 24 * (at + 1)]
        yield Batch(IMAGES[ids], LABELS[ids], ids)


def training(loss: nn.Module | None = None, **settings: Any) -> Training:
    torch.manual_seed(0)
    model = create_model("mnist_cnn", num_classes=3, in_chans=1, img_size=12)
    recipe = compose({"epochs": 1, "lr": 0.1, "optimizer": "sgd", "precision": "fp32"}, settings)
    return Training(
        recipe=recipe,
        model=model,
        optimiser=build_optimiser("sgd", model, lr=0.1),
        schedule=lambda at, history: 1.0,
        loss=loss or build_loss("cross-entropy"),
        batches=batches,
        steps_per_epoch=4,
        measure=lambda model: {},
    )


def weights(run: Training) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in run.model.parameters()])


def norms_at_updates(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Norms of the whole gradient at each update that is made from now on."""
    norms: list[float] = []
    original = torch.optim.SGD.step

    def spy(self: torch.optim.SGD, *given: Any) -> Any:
        found = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        norms.append(float(nn.utils.get_total_norm(found)))
        return original(self, *given)

    monkeypatch.setattr(torch.optim.SGD, "step", spy)
    return norms


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_clipping_bounds_the_gradient_in_every_precision(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = training(precision=precision, clip_grad=1e-3)
    norms = norms_at_updates(monkeypatch)
    list(fit(run))
    assert len(norms) == 4
    assert max(norms) == pytest.approx(1e-3, rel=1e-3)


def test_clipping_bounds_the_gradient_in_the_range_test_too(monkeypatch: pytest.MonkeyPatch) -> None:
    run = training(clip_grad=1e-3)
    norms = norms_at_updates(monkeypatch)
    rate_range(run, steps=12)
    assert len(norms) == 12
    assert max(norms) == pytest.approx(1e-3, rel=1e-3)


def test_only_one_function_of_the_room_moves_weights() -> None:
    """`….step(` stands in step.py alone; what solves for a head (L-BFGS, a hidden layer) is no step of a run."""
    stepping = {
        path.name
        for path in Path(hubel.training.__path__[0]).glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "step"
    }
    assert stepping - {"heads.py", "transfer.py"} == {"step.py"}


def test_with_a_rate_of_its_own_a_step_is_that_of_a_recipe_with_this_rate() -> None:
    given, said = training(), training(lr=0.3)
    said.optimiser = build_optimiser("sgd", said.model, lr=0.3)
    batch = next(batches(0, 0))
    assert step(given, batch, rate=0.3).lr == pytest.approx(0.3)
    step(said, batch)
    assert torch.allclose(weights(given), weights(said))


def test_a_fault_is_told_and_nothing_has_moved() -> None:
    run = training(precision="fp16")
    before, batch = weights(run), next(batches(0, 0))
    batch.images[3, 0, 0, 0] = float("inf")
    done = step(run, batch)
    assert done.fault is not None
    assert (done.fault.what, done.fault.ids) == ("input", (int(batch.ids[3]),))
    assert torch.equal(weights(run), before)
    assert (run.step, float(run.totals.abs().sum())) == (0, 0.0)
    assert step(run, next(batches(0, 1))).fault is None


def test_an_fp16_gradient_that_never_fits_ends_the_run_instead_of_being_left_out_for_ever() -> None:
    run = training(precision="fp16", epochs=20)
    run.parameters[0].register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(NonFinite, match="the gradient of"):
        list(fit(run))
    assert run.scaler.get_scale() < 1


def test_steps_that_overflow_in_fp16_are_counted_by_the_epoch() -> None:
    run = training(precision="fp16", epochs=2)
    calls = iter(range(1000))
    run.parameters[0].register_hook(lambda gradient: gradient * (float("inf") if next(calls) < 3 else 1.0))
    told = [(event.epoch, event.steps, event.of) for event in fit(run) if isinstance(event, Overflowed)]
    assert told == [(0, 3, run.steps_per_epoch)]
    assert run.scaler.get_scale() == 65536 / 2**3


@pytest.mark.parametrize(("said", "moved"), [("stop", True), ("skip", False), ("rollback", False)])
def test_a_finite_spike_is_a_fault_where_the_recipe_leaves_such_steps_out(said: str, moved: bool) -> None:
    run = training(on_nonfinite=said)
    for batch in batches(0, 0):
        step(run, batch)
    before, spoilt = weights(run), next(batches(1, 0))
    done = step(run, Batch(spoilt.images * 1e4, spoilt.labels, spoilt.ids))
    assert torch.equal(weights(run), before) != moved
    if not moved:
        assert done.fault is not None
        assert "the loss is a spike" in str(done.fault)
        assert "after a start at 1" in str(done.fault)


def test_a_single_sample_that_remains_joins_the_part_before_it() -> None:
    assert [part.stop - part.start for part in divide(17, 16)] == [17]
    assert [part.stop - part.start for part in divide(9, 3)] == [3, 3, 3]
    for samples in range(1, 20):
        for size in range(1, 21):
            parts = divide(samples, size)
            assert [i for part in parts for i in range(part.start, part.stop)] == list(range(samples))
            assert size == 1 or samples == 1 or min(part.stop - part.start for part in parts) > 1


class Squeezed(nn.Module):
    """A batch norm over single pixels: two samples give it two values, one gives it one."""

    def __init__(self, limit: int = 100) -> None:
        super().__init__()
        self.norm, self.fc, self.limit = nn.BatchNorm1d(144), nn.Linear(144, 3), limit

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.fc(self.norm(images.flatten(1)))


def squeezed(limit: int = 100, **settings: Any) -> Training:
    model = Squeezed(limit)
    return dataclasses.replace(training(**settings), model=model, optimiser=build_optimiser("sgd", model, lr=0.1))


@pytest.mark.parametrize(
    ("samples", "micro", "processes", "message"),
    [
        (1, None, 1, "batches of one sample give this net one\n  --batch-size 2"),
        (8, 1, 1, "micro_batch 1.* give this net one\n  --micro-batch 2"),
        (3, None, 2, "one sample in each of 2 processes .*\n  --batch-size 4, or --sync-bn"),
        (1, None, 2, "a batch of 1 cannot be shared out to 2 processes\n  --batch-size 2"),
    ],
)
def test_a_batch_norm_that_would_see_one_value_is_refused_before_the_first_step(
    samples: int, micro: int | None, processes: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = squeezed(micro_batch=micro)
    monkeypatch.setattr("hubel.training.step.world", lambda: processes)
    before = [buffer.clone() for buffer in run.model.buffers()]
    with pytest.raises(UsageError, match=message):
        check_parts(run, samples, IMAGES[:1])
    assert all(torch.equal(old, new) for old, new in zip(before, run.model.buffers(), strict=True))
    check_parts(run, 17 * processes, IMAGES[:1]) if micro is None else None
    check_parts(training(micro_batch=1), 8, IMAGES[:1])  # without batch norm a sample may come alone


def test_a_batch_norm_that_sleeps_takes_a_single_sample() -> None:
    run = squeezed()
    run.freeze = lambda model, epoch: model.norm.eval() and None
    check_parts(run, 1, IMAGES[:1])


def test_halving_stops_before_batch_norm_would_see_a_single_value() -> None:
    assert step(squeezed(limit=2), next(batches(0, 0))).halved == (12, 6, 3, 2)
    with pytest.raises(torch.OutOfMemoryError):
        step(squeezed(limit=1), next(batches(0, 0)))


LOSSES = {
    "cross-entropy": {}, "smoothed": {"label_smoothing": 0.1}, "focal": {"label_smoothing": 0.1}, "nll": {},
    "hinge": {}, "bce-with-logits": {"label_smoothing": 0.1},
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("size", [1, 5, 8, 23])
def test_a_weighted_mean_is_that_of_the_whole_batch_however_it_is_cut(name: str, size: int) -> None:
    def made() -> nn.Module:
        known = "cross-entropy" if name == "smoothed" else name
        return build_loss(known, class_weights=[5.0, 4.0, 0.1], of_logits=True, **LOSSES[name])

    whole, parts = training(made()), training(made(), micro_batch=size)
    losses = [step(run, next(batches(0, 0))).loss for run in (whole, parts)]
    assert torch.allclose(*losses, rtol=1e-5)
    assert float((weights(whole) - weights(parts)).abs().max()) < 1e-6
    assert torch.allclose(whole.totals, parts.totals, rtol=1e-5)


def test_the_mass_of_a_loss_is_what_its_mean_divides_by() -> None:
    logits = torch.randn(24, 3, dtype=torch.float64)
    for name in ("cross-entropy", "focal", "nll", "hinge", "bce-with-logits", "kl", "mse"):
        weighted = {"class_weights": [5.0, 4.0, 0.1]} if name not in ("kl", "mse") else {}
        entry = {option: build_loss(name, reduction=option, **weighted).double() for option in ("mean", "sum")}
        mean, total = (entry[option](logits, LABELS[:24]) for option in ("mean", "sum"))
        per_class = 3 if name in ("mse", "bce-with-logits") else 1  # these take the mean over outputs, too
        assert float(mean * mass(entry["mean"], LABELS[:24]) * per_class) == pytest.approx(float(total), rel=1e-6)


def test_a_copy_for_a_probe_steps_as_the_run_does() -> None:
    run = training(clip_grad=0.5, l2=0.01, micro_batch=7)
    copy = twin(run)
    batch = next(batches(0, 0))
    assert torch.equal(step(run, batch).loss, step(copy, batch).loss)
    assert torch.equal(weights(run), weights(copy))
