"""A training under way: the parts it is made of, and all that changes from step to step.

`Training.state()` is enough to go on later with the same bits: sample order, augmentation and drop-out are functions of
(seed, epoch, sample) or (seed, step), so there is no random state to keep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hubel.events import SCORES
from hubel.nn.depthwise import hastened
from hubel.recipes.schema import Recipe
from hubel.tasks import CLASSIFY, Task
from hubel.training.dropout import DropoutWindow
from hubel.training.dynamics import Dynamics
from hubel.training.objectives import Learner, Objective
from hubel.training.vitals import Looks
from hubel.types import Batch


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
    task: Task = CLASSIFY
    """What it is trained for: what the net is asked, and what its answers are held against."""
    objective: Objective | None = None
    """What is minimised where that is no loss of logits against labels; its own layers learn and are saved too."""
    answers: torch.Tensor | None = None
    """N K on the CPU: a teacher's softened answers to the training samples, in their order, for a head that is fitted
    to features; in the loop every batch brings its own."""
    forms: int = 1
    """Of each picture that a batch brings (B forms C H W), each of which the net is asked about."""
    freeze: Callable[[nn.Module, int], None] | None = None
    """(model in training mode, epoch) -> puts to sleep what does not learn in that epoch; None where all does."""
    dynamics: Dynamics | None = None
    """What the net said of its training samples so far; None where that is not followed."""

    epoch: int = 0
    """Epochs completed."""
    step: int = 0
    """Updates in all."""
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    """Time spent before this sitting."""
    paused: float = 0.0
    """Seconds that it has waited in this sitting, which are no time of training."""
    allowed: float | None = None
    """Seconds of training, measuring included, after which it ends; None: as the time of the recipe says."""
    timed: bool = False
    """Does the schedule follow the clock, since the epochs are only what was thought to fit into the time?"""
    reading: float = 0.0
    """Seconds that measuring after an epoch takes."""
    first_loss: float | None = None
    """Mean loss of the first step; known where the recipe leaves out what spoils a run, spikes among it."""
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
        self.sums = self.totals.unbind()
        """The three, as views of `totals`."""
        self.noted: list[torch.Tensor] = []
        """Where a step notes what a forward pass changes, in case it must be undone."""
        self.learner: nn.Module = self.model if self.objective is None else Learner(self.model, self.objective)
        self.parameters, self.buffers = tuple(self.learner.parameters()), tuple(self.learner.buffers())
        self.precision = forward_precision(train.precision, self.device)
        if self.device.type == "cpu" and self.precision == torch.bfloat16 and not train.compile:
            hastened(self.model)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == torch.float16)
        if self.recipe.optimizer.ema:
            decay = self.recipe.optimizer.ema
            self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
        part = self.recipe.model.dropout_window
        steps = self.steps_per_epoch * (train.epochs or 1)
        self.window = DropoutWindow(self.model, (part[0], part[1]), steps=steps) if part is not None else None
        self.looks: Looks | None = None
        """Who looks at the net on the way; bound by whoever assembles the run."""
        # Nets with auxiliary heads (GoogLeNet, Inception v3) learn from those too.
        asked = self.learner if self.objective is not None else self.task.answering(self.model)
        heads = asked is self.model and hasattr(self.model, "forward_all")
        self.forward: nn.Module = AllHeads(self.model) if heads else asked
        if self.forms > 1:
            self.forward = EveryForm(asked, self.forms)
        if train.compile:
            self.forward = cast(nn.Module, torch.compile(self.forward))
        if dist.is_initialized():
            index = [self.device] if self.device.type == "cuda" else None
            self.forward = DistributedDataParallel(self.forward, device_ids=index)

    @property
    def measured_model(self) -> nn.Module:
        """The model that is measured, saved and shipped: the average of the weights where one is kept."""
        return self.average.module if self.average is not None else self.model

    @property
    def base_rate(self) -> float:
        """The rate of the recipe before any schedule; groups may have a share of it."""
        return self.recipe.optimizer.lr or float(self.optimiser.param_groups[0]["base_lr"])

    @property
    def limit(self) -> float | None:
        """Seconds of training after which it ends."""
        return self.recipe.train.time if self.allowed is None else self.allowed

    def factor(self, step: int) -> float:
        """What the schedule says for a step, knowing the epochs so far.

        A run that has a time and no number of epochs is at the place of the schedule that its time has reached: so the
        rate is at its end when the time is up, however fast the machine is then (M. Li, E. Yumer, D. Ramanan, Budgeted
        Training, ICLR 2020).
        """
        if self.timed and self.limit:
            total = self.steps_per_epoch * (self.recipe.train.epochs or 1)
            step = min(total - 1, int(total * self.seconds / max(self.limit - self.reading, 1e-9)))
        return self.schedule(step, [row[monitor(row)] for row in self.history])

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """All that is needed to go on with the same bits: tensors by name, and plain data."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        for part, module in (("average", self.average), ("objective", self.objective)):
            if module is not None:
                tensors |= {f"{part}.{name}": value for name, value in module.state_dict().items()}
        packed = self.optimiser.state_dict()
        numbers: dict[str, dict[str, Any]] = {}
        for index, values in packed["state"].items():
            for name, value in values.items():
                if isinstance(value, torch.Tensor):
                    tensors[f"optimiser.{index}.{name}"] = value
                else:
                    numbers.setdefault(str(index), {})[name] = value
        tensors["totals"] = self.totals
        if self.dynamics is not None:
            tensors |= self.dynamics.state()
        meta = {
            "epoch": self.epoch,
            "step": self.step,
            "history": self.history,
            "best": self.best,
            "seconds": self.seconds,
            "allowed": self.allowed,
            "timed": self.timed,
            "skipped": sorted(self.skipped),
            "first_loss": self.first_loss,
            "micro_batch": self.micro_batch,
            "scaler": self.scaler.state_dict(),
            "optimiser_names": self._optimised(),
            "optimiser_numbers": numbers,
        }
        return tensors, meta

    def _optimised(self) -> list[str]:
        """Names of the parameters in the order in which the optimiser counts them."""
        names = {id(parameter): name for name, parameter in self.learner.named_parameters()}
        return [names[id(parameter)] for group in self.optimiser.param_groups for parameter in group["params"]]

    def restore(self, tensors: Mapping[str, torch.Tensor], meta: Mapping[str, Any]) -> None:
        """Put a state back; raises ValueError if the optimiser's part belongs to other parameters."""

        def part(prefix: str) -> dict[str, torch.Tensor]:
            return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

        self.model.load_state_dict(part("model."))
        if self.average is not None:
            self.average.load_state_dict(part("average."))
        if self.objective is not None:
            self.objective.load_state_dict(part("objective."))
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
        if self.dynamics is not None and not self.dynamics.restore(tensors):
            self.dynamics = None
        self.epoch, self.step = _count(meta["epoch"]), _count(meta["step"])
        self.history, self.best = [dict(row) for row in meta["history"]], dict(meta["best"])
        self.first_loss = None if meta.get("first_loss") is None else float(meta["first_loss"])
        self.seconds, self.skipped = float(meta["seconds"]), {_count(step) for step in meta["skipped"]}
        self.allowed = None if meta.get("allowed") is None else float(meta["allowed"])
        self.timed = meta.get("timed") is True
        self.micro_batch = None if meta["micro_batch"] is None else _count(meta["micro_batch"])
        if meta["scaler"]:
            self.scaler.load_state_dict(dict(meta["scaler"]))


def _count(value: Any) -> int:
    """A number read from a state, if it can count something."""
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no number of epochs, steps or samples")
    return value


class AllHeads(nn.Module):
    """Calls `forward_all`: logits of the head, then of each auxiliary head."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """B C H W -> a tuple of B K."""
        return self.model.forward_all(images)  # type: ignore[operator]


class EveryForm(nn.Module):
    """Asks a net about several forms of each picture in one pass."""

    def __init__(self, model: nn.Module, forms: int) -> None:
        super().__init__()
        self.model, self.forms = model, forms

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """B forms C H W -> a tuple of B K, one a form."""
        answers: torch.Tensor = self.model(images.flatten(0, 1))
        return answers.unflatten(0, (-1, self.forms)).unbind(1)


def forward_precision(name: str, device: torch.device) -> torch.dtype:
    """The arithmetic of the forward pass: "auto" is bf16 on a GPU that has it, else fp32.

    On a CPU, what "auto" means for a long run is measured before it begins (`hubel.assembly.trials`).
    """
    if name == "auto":
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if fast else torch.float32
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[name]


def monitor(row: Mapping[str, float]) -> str:
    """The number by which epochs are compared: the score of the validation part, else its loss, else that of training.

    >>> monitor({"val_loss": 0.3, "val_iou": 0.9}), monitor({"train_loss": 0.3})
    ('val_iou', 'train_loss')
    """
    return next(key for key in (*(f"val_{score}" for score in SCORES), "val_loss", "train_loss") if key in row)


def improves(row: Mapping[str, float], best: Mapping[str, float]) -> bool:
    """Is `row` better than the best one? A tie in the score goes to the lower loss.

    >>> improves({"val_accuracy": 0.9, "val_loss": 0.3}, {"val_accuracy": 0.9, "val_loss": 0.4})
    True
    """
    if not best:
        return True
    key = monitor(row)
    if not key.endswith("_loss"):
        return (row[key], -row["val_loss"]) > (best[key], -best["val_loss"])
    return row[key] < best[key]
