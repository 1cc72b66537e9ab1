"""A new head for a frozen net, fitted on its cached features in seconds, as hard as the validation split advises.

A linear head is multinomial logistic regression (or least squares, with the loss `mse`): convex, so it is fitted to its
optimum by L-BFGS with a strong Wolfe line search (Liu & Nocedal, Mathematical Programming 45, 1989) instead of being
trained for epochs. The penalties are walked from strong to weak, each fit starting where the last one ended, and the
walk stops when the validation loss has not fallen for three of them. A head with a hidden layer is trained by AdamW on
the features, anew for each decay.

Features are standardised for the fit and the scaling is put into the weights afterwards, so that the head that results
takes the features as they are, and one penalty means the same for every net.

Letters: N samples, F features, K classes, W b the head, λ penalty.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from hubel import runtime
from hubel.events import EpochDone, Event, Finished
from hubel.models.heads import MLPHead
from hubel.nn.taps import find_module
from hubel.tasks import Task
from hubel.training.features import Features
from hubel.training.state import Training, improves
from hubel.types import Batch

PENALTIES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 3e-4, 1e-4, 3e-5, 1e-5)
"""λ in mean loss + λ/2 ‖W‖² over standardised features; below the last one nothing changes any more."""
DECAYS = (1.0, 0.1, 0.01)
"""The same for a head with a hidden layer, as weight decay of AdamW; each is a training of its own, so fewer."""
USUAL = 0.01
"""λ where nothing is held out to choose it by."""
STILL = 0.03
"""Of the usual deviation of a feature: one that moves less is scaled as if it moved so much. Else a feature that hardly
stirs in the training samples (the black of spectrograms, a rim that all pictures share) gets a weight without bound,
and where it does stir, logits of hundreds whose rounding shows in the probabilities."""
PATIENCE = 3
"""Penalties without a better validation loss after which the walk ends."""
Loss = Callable[..., torch.Tensor]
"""Called with logits and labels, and with a teacher's answers where there are some."""


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Features to mean 0 and deviation 1: (x - mean) * factor. A head without bias keeps the mean."""

    mean: torch.Tensor
    """F."""
    factor: torch.Tensor
    """F."""

    @classmethod
    def of(cls, features: torch.Tensor, *, centre: bool) -> Scaling:
        """From N F features. A constant feature gets the factor 1, so that nothing is divided by 0, and no factor is
        more than 1 / STILL of the usual one.

        >>> Scaling.of(torch.tensor([[0.0, 1.0, 5.0], [2.0, 1.0, 5.0001]]), centre=True).factor[:2]
        tensor([1., 1.])
        """
        double = features.double()
        mean = double.mean(0) if centre else torch.zeros(features.shape[1], dtype=torch.float64)
        spread = (double - mean).square().mean(0).sqrt()
        least = STILL * spread.square().mean().sqrt()
        return cls(mean=mean.float(), factor=torch.where(spread > 1e-6, 1 / spread.clamp(min=least), 1.0).float())

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """N F -> N F."""
        return (features - self.mean) * self.factor


def penalties(chosen: float | None, *, held_out: bool, hidden: bool = False) -> tuple[float, ...]:
    """The penalties to try: the one that was chosen, the usual one where nothing is held out, else the whole walk.

    >>> penalties(None, held_out=True)[:3], penalties(None, held_out=False), penalties(0.5, held_out=True)
    ((1.0, 0.3, 0.1), (0.01,), (0.5,))
    """
    if chosen is not None:
        return (chosen,)
    if not held_out:
        return (USUAL,)
    return DECAYS if hidden else PENALTIES


def fit_head(run: Training, features: Features, scale: float, *, penalty: float | None = None) -> Iterator[Event]:
    """Fit the head of `run.model` on its features; an epoch of the run is one penalty. Stands in for `loop.fit`.

    `scale` is the a of logits = a · head(features). After every penalty the fitted head is in the net, the history has
    a row, and everything can be saved; a run that goes on from there takes the same steps.
    """
    started, before = time.perf_counter(), run.seconds
    head = find_module(run.model, str(run.model.head))
    views, _, width = features.train.shape
    inputs, labels = features.train.reshape(-1, width), torch.cat([features.train_labels] * views)
    told = () if run.answers is None else (run.answers.repeat(views, 1),)
    scaling = Scaling.of(inputs, centre=not isinstance(head, nn.Linear) or head.bias is not None)
    inputs, val = scaling(inputs), scaling(features.val)
    loss = copy.deepcopy(run.loss).cpu()
    walk = penalties(penalty, held_out=len(val) > 0, hidden=not isinstance(head, nn.Linear))
    fit: Callable[..., dict[str, torch.Tensor]] = fit_linear if isinstance(head, nn.Linear) else fit_hidden
    reason = ended(run, walk)
    while not reason:
        began = time.perf_counter()
        strength = walk[run.epoch]
        trial = fit(head, inputs, labels, *told, scaling=scaling, loss=loss, penalty=strength, scale=scale, run=run)
        for net in {id(run.model): run.model, id(run.measured_model): run.measured_model}.values():
            find_module(net, str(net.head)).load_state_dict(trial)
        row = {"epoch": float(run.epoch + 1)}
        with torch.no_grad():
            for name, x, y, also in (("train", inputs, labels, told), ("val", val, features.val_labels, ())):
                if len(x):
                    row |= measured(name, scale * rescaled(head, scaling)(x), y, *also, task=run.task, loss=loss)
        took = time.perf_counter() - began
        row |= {"penalty": strength, "images_per_second": len(inputs) / took}
        row |= {"seconds": before + time.perf_counter() - started}
        run.seconds = row["seconds"]
        run.epoch += 1
        run.step = run.epoch * run.steps_per_epoch
        run.history.append(row)
        better = improves(row, run.best)
        if better:
            run.best = row
        yield EpochDone(run.epoch - 1, row, better)
        reason = ended(run, walk)
    yield Finished(reason, run.epoch, run.seconds, run.best)


def ended(run: Training, walk: tuple[float, ...]) -> str:
    """Why the walk ends here, or "": a function of the history, so that a resumed run ends where it would have."""
    losses = [row["val_loss"] for row in run.history if "val_loss" in row]
    if len(losses) > PATIENCE and min(losses[-PATIENCE:]) >= min(losses[:-PATIENCE]):
        return "optimum"
    if run.epoch >= len(walk):
        return "optimum"
    if run.epoch and run.recipe.train.time and run.seconds >= run.recipe.train.time:
        return "time"
    target = run.recipe.train.target
    if run.history and target is not None and run.history[-1].get("val_accuracy", 0.0) >= target:
        return "target"
    return ""


def measured(
    name: str, logits: torch.Tensor, labels: torch.Tensor, *answers: torch.Tensor, task: Task, loss: Loss
) -> dict[str, float]:
    """Loss and score of logits N K: of training samples the loss that was minimised, of others the plain one."""
    if task.several:
        if name == "train":
            return {"train_loss": float(loss(logits, task.aim(labels)))}
        tally = task.tally()
        tally.add(logits, Batch(logits, labels, torch.arange(len(labels)), targets=labels))
        return {f"{name}_{key}": value for key, value in tally.numbers().items()}
    if not task.counts:
        return {f"{name}_loss": float((logits[:, 0] - labels.float()).square().mean())}
    value = loss(logits, labels, *answers) if name == "train" else F.cross_entropy(logits, labels)
    return {f"{name}_loss": float(value), f"{name}_accuracy": float((logits.argmax(1) == labels).double().mean())}


def fit_linear(
    head: nn.Linear,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    *answers: torch.Tensor,
    scaling: Scaling,
    loss: Loss,
    penalty: float,
    scale: float,
    run: Training,
) -> dict[str, torch.Tensor]:
    """The state of a head at the optimum over standardised features N F, starting from zero or from the last head."""
    weight, bias = _to_scaled(head, scaling, scale) if run.epoch else _zeros(head)
    weight.requires_grad_(True)
    parameters = [weight]
    if bias is not None:
        parameters.append(bias.requires_grad_(True))
    targets = run.task.aim(labels)
    solver = torch.optim.LBFGS(
        parameters, max_iter=100, tolerance_grad=1e-5, tolerance_change=1e-8, history_size=10,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> torch.Tensor:
        solver.zero_grad()
        value = loss(F.linear(inputs, weight, bias), targets, *answers) + penalty / 2 * weight.square().sum()
        value.backward()
        return value

    solver.step(closure)
    return _from_scaled(weight.detach(), None if bias is None else bias.detach(), scaling, scale)


def _zeros(head: nn.Linear) -> tuple[torch.Tensor, torch.Tensor | None]:
    return torch.zeros(head.weight.shape), None if head.bias is None else torch.zeros(head.bias.shape)


def _to_scaled(head: nn.Linear, scaling: Scaling, scale: float) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Weights of the installed head as they act on standardised features, logits included."""
    weight = head.weight.detach().cpu().float() * scale
    bias = None if head.bias is None else head.bias.detach().cpu().float() * scale + weight @ scaling.mean
    return weight / scaling.factor, bias


def _from_scaled(
    weight: torch.Tensor, bias: torch.Tensor | None, scaling: Scaling, scale: float
) -> dict[str, torch.Tensor]:
    """The way back: the state of a head that takes features as they are."""
    plain = weight * scaling.factor
    found = {"weight": plain / scale}
    if bias is not None:
        found["bias"] = (bias - plain @ scaling.mean) / scale
    return found


def rescaled(head: nn.Module, scaling: Scaling) -> Callable[[torch.Tensor], torch.Tensor]:
    """The installed head as a function of standardised features, on the CPU."""

    def forward(inputs: torch.Tensor) -> torch.Tensor:
        device = next(head.parameters()).device
        found: torch.Tensor = head((inputs / scaling.factor + scaling.mean).to(device))
        return found.cpu()

    return forward


def fit_hidden(
    head: MLPHead,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    *answers: torch.Tensor,
    scaling: Scaling,
    loss: Loss,
    penalty: float,
    scale: float,
    run: Training,
    updates: int = 2_000,
    batch: int = 128,
    rate: float = 0.003,
) -> dict[str, torch.Tensor]:
    """The state of a head with a hidden layer, trained by AdamW with decay `penalty`; its rate falls as a cosine.

    Twenty epochs, or as many as make so many `updates`. Weights and order are functions of the seed and of the number
    of the trial.
    """
    words = (run.recipe.train.seed, runtime.Stream.HIDDEN, run.epoch)
    with runtime.seeded(*words):
        net = MLPHead(head.hidden.in_features, head.hidden.out_features, head.output.out_features)
    if head.output.bias is None:
        net.output.bias = None
    with torch.no_grad():
        net.output.weight.zero_()
    targets = run.task.aim(labels)
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=penalty)
    order = runtime.generator(*words, 1)
    steps = max(1, len(inputs) // batch)
    epochs = max(20, updates // steps)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * steps)
    for _ in range(epochs):
        shuffled = torch.randperm(len(inputs), generator=order)
        for step in range(steps):
            rows = shuffled[step * batch : (step + 1) * batch]
            optimiser.zero_grad()
            loss(net(inputs[rows]), targets[rows], *(answer[rows] for answer in answers)).backward()
            optimiser.step()
            schedule.step()
    found = {name: value.detach().clone() for name, value in net.state_dict().items()}
    found["hidden.weight"] = found["hidden.weight"] * scaling.factor
    found["hidden.bias"] = found["hidden.bias"] - found["hidden.weight"] @ scaling.mean
    for name in ("output.weight", "output.bias"):
        if name in found:
            found[name] = found[name] / scale
    return found
