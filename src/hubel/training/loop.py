"""The training loop: `fit` is a generator of events. It touches no file and no screen.

Whoever reads the events decides what happens with them: log, save, draw, stop (by reading no further). All that changes
lies in one `Training`, whose `state()` is enough to go on later with the same bits: sample order, augmentation and
drop-out are functions of (seed, epoch, sample) or (seed, step), so there is no random state to keep.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hubel import runtime
from hubel.errors import HubelError
from hubel.recipes.schema import Recipe
from hubel.runtime import Stream, out_of_memory, rank, slowest, world
from hubel.training import guard
from hubel.training.dropout import DropoutWindow
from hubel.training.events import EpochDone, Event, Finished, MicroBatchHalved, Skipped, StepDone
from hubel.types import Batch


class NonFinite(HubelError):
    """A loss or gradient is not finite; the weights have not been touched by it."""

    def __init__(self, diagnosis: guard.Diagnosis, *, epoch: int, step: int, updates: int) -> None:
        super().__init__(
            f"at epoch {epoch + 1}, step {step}: {diagnosis}; the update was not made",
            hint="lower --lr, add --clip-grad 1, or leave such batches out with --on-nonfinite skip",
        )
        self.diagnosis = diagnosis
        self.epoch = epoch
        self.step = step
        self.updates = updates
        """The step counted from the beginning of the run."""

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_nonfinite, (self.diagnosis, self.epoch, self.step, self.updates)


def _rebuild_nonfinite(diagnosis: guard.Diagnosis, epoch: int, step: int, updates: int) -> NonFinite:
    return NonFinite(diagnosis, epoch=epoch, step=step, updates=updates)


@dataclass(kw_only=True)
class Training:
    """A run under way: the parts it is made of, and everything that changes from step to step."""

    recipe: Recipe
    model: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: Callable[..., float]
    """(step, history of the monitored value) -> factor of each group's base rate."""
    loss: nn.Module
    batches: Callable[[int, int], Iterator[Batch]]
    """(epoch, first step) -> this process's share of the epoch's batches from that step on."""
    steps_per_epoch: int
    measure: Callable[[nn.Module], dict[str, float]]
    """Model -> validation numbers ("val_loss", "val_accuracy"); {} where nothing is held out."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    task: Literal["classification", "regression"] = "classification"
    freeze: Callable[[nn.Module, int], None] | None = None
    """(model in training mode, epoch) -> puts to sleep what does not learn in that epoch; None where all does."""

    epoch: int = 0
    """Epochs completed."""
    step: int = 0
    """Updates in all."""
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    """Time spent before this sitting."""
    skipped: set[int] = field(default_factory=set)
    """Steps to leave out, found to have no finite gradient."""
    micro_batch: int | None = None
    totals: torch.Tensor = field(init=False)
    """Running sums of the epoch: loss times samples, hits, samples (3, float64 on the device where it has it)."""
    average: AveragedModel | None = field(init=False, default=None)
    scaler: torch.amp.GradScaler = field(init=False)
    """Scales the loss for fp16; does nothing otherwise."""

    def __post_init__(self) -> None:
        train = self.recipe.train
        self.micro_batch = self.micro_batch or train.micro_batch
        self.totals = torch.zeros(
            3, dtype=torch.float32 if self.device.type == "mps" else torch.float64, device=self.device
        )
        self.parameters, self.buffers = tuple(self.model.parameters()), tuple(self.model.buffers())
        self.precision = forward_precision(train.precision, self.device)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == torch.float16)
        if self.recipe.optimizer.ema:
            decay = self.recipe.optimizer.ema
            self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
        part = self.recipe.model.dropout_window
        steps = self.steps_per_epoch * (train.epochs or 1)
        self.window = DropoutWindow(self.model, (part[0], part[1]), steps=steps) if part is not None else None
        # Nets with auxiliary heads (GoogLeNet, Inception v3) learn from those too.
        self.forward: nn.Module = AllHeads(self.model) if hasattr(self.model, "forward_all") else self.model
        if train.compile:
            self.forward = cast(nn.Module, torch.compile(self.forward))
        if dist.is_initialized():
            index = [self.device] if self.device.type == "cuda" else None
            self.forward = DistributedDataParallel(self.forward, device_ids=index)

    @property
    def measured_model(self) -> nn.Module:
        """The model that is measured, saved and shipped: the average of the weights where one is kept."""
        return self.average.module if self.average is not None else self.model

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """All that is needed to go on with the same bits: tensors by name, and plain data."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        if self.average is not None:
            tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        packed = self.optimiser.state_dict()
        numbers: dict[str, dict[str, Any]] = {}
        for index, values in packed["state"].items():
            for name, value in values.items():
                if isinstance(value, torch.Tensor):
                    tensors[f"optimiser.{index}.{name}"] = value
                else:
                    numbers.setdefault(str(index), {})[name] = value
        tensors["totals"] = self.totals
        meta = {
            "epoch": self.epoch,
            "step": self.step,
            "history": self.history,
            "best": self.best,
            "seconds": self.seconds,
            "skipped": sorted(self.skipped),
            "micro_batch": self.micro_batch,
            "scaler": self.scaler.state_dict(),
            "optimiser_names": self._optimised(),
            "optimiser_numbers": numbers,
        }
        return tensors, meta

    def _optimised(self) -> list[str]:
        """Names of the parameters in the order in which the optimiser counts them."""
        names = {id(parameter): name for name, parameter in self.model.named_parameters()}
        return [names[id(parameter)] for group in self.optimiser.param_groups for parameter in group["params"]]

    def restore(self, tensors: Mapping[str, torch.Tensor], meta: Mapping[str, Any]) -> None:
        """Put a state back; raises ValueError if the optimiser's part belongs to other parameters."""

        def part(prefix: str) -> dict[str, torch.Tensor]:
            return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

        self.model.load_state_dict(part("model."))
        if self.average is not None:
            self.average.load_state_dict(part("average."))
        state: dict[int, dict[str, Any]] = {}
        parameters = [parameter for group in self.optimiser.param_groups for parameter in group["params"]]
        # By name: a recipe that was changed since may group the parameters, and so count them, otherwise.
        present = self._optimised()
        saved = meta.get("optimiser_names", present)
        if sorted(saved) != sorted(present):
            raise ValueError("the optimiser was saved with other parameters")
        now = {name: new for new, name in enumerate(present)}
        place = {str(old): now[name] for old, name in enumerate(saved)}
        for name, value in part("optimiser.").items():
            index, _, key = name.partition(".")
            parameter = parameters[place[index]]
            if value.ndim and value.shape != parameter.shape:  # fused kernels would write beyond its end
                raise ValueError(f"{key} of {present[place[index]]} has the shape {tuple(value.shape)}")
            # A copy, because the optimiser works in place; in the memory order of the parameter, because fused kernels
            # walk through both as they lie in memory and would pair the wrong numbers.
            like = parameter if value.ndim else value
            copy = torch.empty_like(like, dtype=value.dtype, device=value.device)
            state.setdefault(place[index], {})[key] = copy.copy_(value)
        for index, values in meta["optimiser_numbers"].items():
            state.setdefault(place[index], {}).update(values)
        self.optimiser.load_state_dict({"state": state, "param_groups": self.optimiser.state_dict()["param_groups"]})
        self.totals.copy_(tensors["totals"])
        self.epoch, self.step = _count(meta["epoch"]), _count(meta["step"])
        self.history, self.best = [dict(row) for row in meta["history"]], dict(meta["best"])
        self.seconds, self.skipped = float(meta["seconds"]), {_count(step) for step in meta["skipped"]}
        self.micro_batch = None if meta["micro_batch"] is None else _count(meta["micro_batch"])
        if meta["scaler"]:
            self.scaler.load_state_dict(dict(meta["scaler"]))


def _count(value: Any) -> int:
    """A number read from a state, if it can count something."""
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no number of epochs, steps or samples")
    return value


def fit(run: Training) -> Iterator[Event]:
    """Train from where `run` stands to the end of its recipe, and tell every step and epoch on the way.

    Raises NonFinite before an update that would spoil the weights, unless the recipe says to skip such steps.
    """
    train = run.recipe.train
    before = run.seconds
    started = time.perf_counter()

    def elapsed() -> float:
        return before + time.perf_counter() - started

    reason = finished(run) if run.epoch else ""
    while not reason:
        epoch_started, first = time.perf_counter(), run.step - run.epoch * run.steps_per_epoch
        images = 0
        run.forward.train()
        if run.freeze is not None:
            run.freeze(run.model, run.epoch)
        for index, batch in enumerate(run.batches(run.epoch, first), start=first + 1):
            runtime.seed_step(run.device, train.seed, Stream.DROPOUT, run.step, rank())
            lr = set_rate(run)
            if run.window is not None:
                run.window.at(run.step)
            if run.step in run.skipped:
                run.step += 1
                continue
            before_step = statistics(run)
            loss = yield from gradient(run, batch, before_step)
            fault = not_finite(run, loss)
            if fault:
                put_back(run, before_step)
                diagnosis = guard.diagnose(fault, run.model, run.optimiser, batch, run.loss)
                run.optimiser.zero_grad(set_to_none=True)
                if train.on_nonfinite != "skip" or diagnosis.what in ("weight", "buffer", "learning rate"):
                    raise NonFinite(diagnosis, epoch=run.epoch, step=index, updates=run.step)
                run.skipped.add(run.step)
                run.step += 1
                yield Skipped(run.epoch, index, tuple(batch.ids.tolist()), str(diagnosis))
                continue
            run.scaler.step(run.optimiser)
            run.scaler.update()
            run.optimiser.zero_grad(set_to_none=True)
            if run.average is not None:
                run.average.update_parameters(run.model)
            run.step += 1
            run.seconds = elapsed()
            images += len(batch) * world()
            yield StepDone(run.epoch, index, run.steps_per_epoch, len(batch) * world(), loss, lr)
            if train.time and world() == 1 and elapsed() >= train.time:
                reason = "time"  # several processes must stop at the same step: they look at the epoch's end only
                break
        trained = time.perf_counter() - epoch_started
        lr = base_rate(run) * factor(run, max(run.step - 1, 0))
        run.epoch += 1
        # A step count that follows from the epoch alone keeps schedule and order right after an epoch cut short.
        run.step = run.epoch * run.steps_per_epoch
        row = {"epoch": float(run.epoch), **train_numbers(run), **run.measure(run.measured_model), "lr": lr}
        row |= {"images_per_second": images / trained, "seconds": elapsed()}
        run.totals.zero_()
        run.history.append(row)
        run.seconds = elapsed()
        better = improves(row, run.best)
        if better:
            run.best = row
        reason = reason or finished(run)
        yield EpochDone(run.epoch - 1, row, better)
    yield Finished(reason, run.epoch, elapsed(), run.best)


def gradient(run: Training, batch: Batch, before: list[torch.Tensor]) -> Generator[Event, None, torch.Tensor]:
    """Forward and backward over one batch, in parts that fit into memory; returns the mean loss of the batch.

    When memory runs out, the batch is taken again in halves, with the statistics as they were `before`.
    """
    while True:
        size = run.micro_batch or len(batch)
        parts = [slice(start, start + size) for start in range(0, len(batch), size)]
        try:
            losses = [backward(run, batch, part, last=part is parts[-1]) for part in parts]
            return losses[0] if len(losses) == 1 else torch.stack(losses).sum()
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            # With common statistics all processes must take as many parts: one cannot halve them by itself.
            if not out_of_memory(error) or size == 1 or (run.recipe.train.sync_bn and world() > 1):
                raise
        run.optimiser.zero_grad(set_to_none=True)
        put_back(run, before)
        runtime.seed_step(run.device, run.recipe.train.seed, Stream.DROPOUT, run.step, rank())
        run.micro_batch = (min(size, len(batch)) + 1) // 2
        yield MicroBatchHalved(run.epoch, run.step, run.micro_batch)


def statistics(run: Training) -> list[torch.Tensor]:
    """What a forward pass changes: the statistics of batch norm, and the sums of the epoch. A few kilobytes."""
    return [value.clone() for value in (*run.buffers, run.totals)]


def put_back(run: Training, before: list[torch.Tensor]) -> None:
    """Undo what a forward pass has changed."""
    with torch.no_grad():
        for value, old in zip((*run.buffers, run.totals), before, strict=True):
            value.copy_(old)


class AllHeads(nn.Module):
    """Calls `forward_all`: logits of the head, then of each auxiliary head."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """B C H W -> a tuple of B K."""
        return self.model.forward_all(images)  # type: ignore[operator]


def _heads(answer: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return answer if isinstance(answer, tuple) else (answer,)


def backward(run: Training, batch: Batch, part: slice, *, last: bool) -> torch.Tensor:
    """Add the gradient of part of a batch, weighted by its share; returns the same share of the loss."""
    images, labels = batch.images[part], batch.labels[part]
    targets = labels if batch.soft_labels is None else batch.soft_labels[part]
    if run.task == "regression":
        targets = labels.float().unsqueeze(1)  # B 1, as the logits
    share = len(labels) / len(batch)
    wait = isinstance(run.forward, DistributedDataParallel) and not last
    half = run.precision != torch.float32
    with run.forward.no_sync() if wait else nullcontext():  # type: ignore[operator]
        with torch.autocast(run.device.type, dtype=run.precision) if half else nullcontext():
            logits, *auxiliary = _heads(run.forward(images))  # each B K
            loss = run.loss(logits.float(), targets)
            for other in auxiliary:
                loss = loss + float(run.model.aux_weight) * run.loss(other.float(), targets)  # type: ignore[arg-type]
            if share < 1:
                loss = loss * share
            if last and (run.recipe.loss.l1 or run.recipe.loss.l2):
                loss = loss + penalty(run)
        run.scaler.scale(loss).backward()
    with torch.no_grad():
        hits = (logits.argmax(1) == labels).sum() if run.task == "classification" else loss.new_zeros(())
        run.totals += torch.stack([loss.detach() * len(batch), hits.to(loss), loss.new_tensor(len(labels))])
    return loss.detach()


def penalty(run: Training) -> torch.Tensor | float:
    """λ₁ Σ|w| + λ₂ Σw² over weights (not biases and norms): true penalties, seen by the loss and by its gradient."""
    l1, l2 = run.recipe.loss.l1, run.recipe.loss.l2
    weights = [parameter for parameter in run.parameters if parameter.dim() > 1 and parameter.requires_grad]
    total: torch.Tensor | float = 0.0
    for weight in weights:
        total = total + (l1 * weight.abs().sum() if l1 else 0.0) + (l2 * weight.square().sum() if l2 else 0.0)
    return total


def set_rate(run: Training) -> float:
    """Give every group its rate for this step; returns that of the first group."""
    now = factor(run, run.step)
    for group in run.optimiser.param_groups:
        group["lr"] = group["base_lr"] * now
    return base_rate(run) * now


def factor(run: Training, step: int) -> float:
    """What the schedule says for a step, knowing the epochs so far."""
    return run.schedule(step, [row[monitor(row)] for row in run.history])


def base_rate(run: Training) -> float:
    """The rate of the recipe before any schedule; groups may have a share of it."""
    return run.recipe.optimizer.lr or float(run.optimiser.param_groups[0]["base_lr"])


def not_finite(run: Training, loss: torch.Tensor) -> str:
    """What is not finite ("loss", "gradient", …), else ""; clips the gradient on the way if the recipe asks for it."""
    run.scaler.unscale_(run.optimiser)
    if run.scaler.is_enabled():
        return ""  # the scaler leaves out steps with an infinite gradient and lowers its scale: that is its job
    fault = guard.first_fault(run.parameters, run.buffers, run.optimiser, loss)
    if not fault and run.recipe.optimizer.clip_grad:
        nn.utils.clip_grad_norm_(run.model.parameters(), run.recipe.optimizer.clip_grad)
    return fault


def train_numbers(run: Training) -> dict[str, float]:
    """Mean loss and accuracy over the epoch's training batches (as augmented, while the weights moved)."""
    totals = run.totals.clone()
    if dist.is_initialized():
        dist.all_reduce(totals)
    loss, hits, seen = totals.tolist()
    seen = max(seen, 1)
    numbers = {"train_loss": loss / seen}
    return numbers | ({"train_accuracy": hits / seen} if run.task == "classification" else {})


def monitor(row: Mapping[str, float]) -> str:
    """The number by which epochs are compared: validation accuracy, else validation loss, else training loss."""
    return next(key for key in ("val_accuracy", "val_loss", "train_loss") if key in row)


def improves(row: Mapping[str, float], best: Mapping[str, float]) -> bool:
    """Is `row` better than the best one? A tie in accuracy goes to the lower loss.

    >>> improves({"val_accuracy": 0.9, "val_loss": 0.3}, {"val_accuracy": 0.9, "val_loss": 0.4})
    True
    """
    if not best:
        return True
    key = monitor(row)
    if key == "val_accuracy":
        return (row[key], -row["val_loss"]) > (best[key], -best["val_loss"])
    return row[key] < best[key]


def finished(run: Training) -> str:
    """Why the run ends after this epoch, or ""."""
    train, row = run.recipe.train, run.history[-1]
    if train.target is not None and row.get("val_accuracy", 0.0) >= train.target:
        return "target"
    if run.epoch >= (train.epochs or 1):
        return "epochs"
    if train.time and slowest(run.seconds, run.device) >= train.time:
        return "time"
    if train.patience and run.epoch - run.best["epoch"] >= train.patience:
        return "patience"
    return ""


def forward_precision(name: str, device: torch.device) -> torch.dtype:
    """The arithmetic of the forward pass: "auto" is bf16 on a GPU that has it, else fp32.

    On a CPU, what "auto" means for a long run is measured before it begins (`hubel.assembly.trials`).
    """
    if name == "auto":
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if fast else torch.float32
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[name]
