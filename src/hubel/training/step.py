"""One step: forward and backward in parts, unscale, look for faults, clip, update, average. There is no second way.

The loop, the learning-rate range test, the probe of batch sizes and the trials all make their steps here, so what a
recipe says of a step (clipping, fp16, micro-batches, penalties) holds in each of them.

A batch may be taken in parts (micro-batches, halves when memory runs out) and be shared out over processes. The loss is
a mean over all of it: every part counts by its mass (see `hubel.nn.losses`: the samples, or the sum of their class
weights), so the gradient is that of the whole batch however it was cut.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from hubel import runtime
from hubel.errors import UsageError
from hubel.events import Vitals
from hubel.nn.losses import l1_penalty, l2_penalty, mass
from hubel.runtime import Stream, average, out_of_memory, rank, world
from hubel.training import guard
from hubel.training.state import Training
from hubel.types import Batch

SPIKE = 10.0
"""Where a run leaves out what would spoil it: times the loss of the first step at which an update is not made. An
untrained net guesses; whoever is ten times worse than that has met something that is no picture of its kind."""
SMALLEST_SCALE = 2.0**-10
"""fp16: a gradient that overflows although the loss is scaled down so far will not fit by more of the same."""

THOROUGH = 16
"""In one step of so many, and in the last of an epoch, weights are looked at, too: it takes as long as to look at the
gradients. A weight that is not finite shows in the loss or in a gradient at once, unless a unit that is always off
hides it.
"""

ALONE = "more than 1 value per channel"
"""What torch's batch norm says of a single value, of which there is no variance."""


@dataclass(frozen=True, slots=True)
class Stepped:
    """What one step did."""

    loss: torch.Tensor
    """Mean loss of this process's samples before the update, still on the device."""
    lr: float
    """The rate of the recipe in this step; groups may have a share of it."""
    fault: guard.Diagnosis | None = None
    """What was not finite; the update was not made then, and statistics are as before the step."""
    halved: tuple[int, ...] = ()
    """Samples a part, each time memory ran out and the batch was taken again in smaller parts."""
    vitals: Vitals | None = None
    """How the net was, where this step was looked at."""
    overflowed: bool = False
    """fp16: did the scaled gradient overflow, so that the scaler left the update out?"""


def step(run: Training, batch: Batch, *, rate: float | None = None, halve: bool = True) -> Stepped:
    """One update of the weights from one batch; counts it in `run.step`, unless there is a fault.

    `rate` stands for the recipe's rate and its schedule. Without `halve`, memory that runs out is raised
    (torch.OutOfMemoryError, MemoryError or RuntimeError) instead of met by smaller parts.
    """
    runtime.seed_step(run.device, run.recipe.train.seed, Stream.DROPOUT, run.step, rank())
    lr = set_rate(run, rate)
    if run.window is not None:
        run.window.at(run.step)
    before = statistics(run)
    loss, halved = gradient(run, batch, before, halve=halve)
    run.scaler.unscale_(run.optimiser)
    fault = _fault(run, loss)
    spike = None if fault else _spike(run, loss)
    if fault or spike:
        put_back(run, before)
        if run.dynamics is not None:
            run.dynamics.drop()
        if spike:
            diagnosis = guard.Diagnosis(what="loss", where="", ids=tuple(batch.ids.tolist()), spike=spike)
        else:
            # reads the gradients
            diagnosis = guard.diagnose(fault, run.learner, run.optimiser, one_form(run, batch), run.loss)
        run.optimiser.zero_grad(set_to_none=True)
        run.scaler.update()
        return Stepped(loss, lr, diagnosis, halved)
    looks = run.looks if run.looks is not None and run.looks.due(run.step) else None
    if looks is not None and not looks.before():
        looks = None
    if run.recipe.optimizer.clip_grad:
        nn.utils.clip_grad_norm_(run.parameters, run.recipe.optimizer.clip_grad)
    scale = run.scaler.get_scale()
    run.scaler.step(run.optimiser)
    run.scaler.update()
    overflowed = run.scaler.get_scale() < scale
    run.optimiser.zero_grad(set_to_none=True)
    if run.average is not None:
        run.average.update_parameters(run.model)
    if run.objective is not None:
        run.objective.follow(run.model)
    if run.dynamics is not None:
        run.dynamics.keep()
    run.step += 1
    if looks is None:
        return Stepped(loss, lr, None, halved, overflowed=overflowed)
    vitals = looks.after(one_form(run, batch), epoch=run.epoch, step=run.step, precision=run.precision)
    return Stepped(loss, lr, None, halved, vitals, overflowed)


def one_form(run: Training, batch: Batch) -> Batch:
    """The batch with one form of each picture, the last, for those who ask the net itself."""
    return batch if run.forms == 1 else replace(batch, images=batch.images[:, -1])


def set_rate(run: Training, rate: float | None = None) -> float:
    """Give every group its share of `rate`, or of what the schedule says for this step; returns the recipe's rate."""
    usual = run.base_rate
    now = run.factor(run.step) if rate is None else rate / usual
    for group in run.optimiser.param_groups:
        group["lr"] = group["base_lr"] * now
    return usual * now


def gradient(
    run: Training, batch: Batch, before: list[torch.Tensor], *, halve: bool = True
) -> tuple[torch.Tensor, tuple[int, ...]]:
    """Forward and backward over one batch, in parts that fit into memory: (its mean loss, sizes it was halved to).

    When memory runs out, the batch is taken again in halves, with the statistics as they were `before`.
    """
    targets = run.task.targets(batch)
    whole = _whole(run, targets)
    halved: list[int] = []
    scarce: BaseException | None = None
    while True:
        size = run.micro_batch or len(batch)
        parts = divide(len(batch), size)
        try:
            losses = [backward(run, batch, targets, part, whole, last=part is parts[-1]) for part in parts]
            loss = losses[0] if len(losses) == 1 else torch.stack(losses).sum()
            return whole.own_mean(loss), tuple(halved)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            # With common statistics all processes must take as many parts: one cannot halve them by itself.
            together = (run.recipe.train.sync_bn and world() > 1) or run.task.whole
            if not halve or not out_of_memory(error) or size == 1 or together:
                raise
            scarce = error.with_traceback(None)  # whose frames would hold what the failed try has computed
        except ValueError as error:
            if scarce is not None and ALONE in str(error):
                raise scarce from error  # two samples were too many, and batch norm takes no single one
            raise
        run.optimiser.zero_grad(set_to_none=True)
        runtime.release_memory()
        put_back(run, before)
        if run.dynamics is not None:
            run.dynamics.drop()
        runtime.seed_step(run.device, run.recipe.train.seed, Stream.DROPOUT, run.step, rank())
        run.micro_batch = (min(size, len(batch)) + 1) // 2
        halved.append(run.micro_batch)


def divide(samples: int, size: int) -> list[slice]:
    """Parts of `size` samples; a single one that remains joins the part before it (batch norm).

    >>> [part.stop - part.start for part in divide(17, 8)], [part.stop - part.start for part in divide(3, 1)]
    ([8, 9], [1, 1, 1])
    """
    starts = list(range(0, samples, size))
    if size > 1 and len(starts) > 1 and samples - starts[-1] == 1:
        starts.pop()
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], samples], strict=True)]


def check_parts(run: Training, samples: int, image: torch.Tensor) -> None:
    """Raise UsageError, before the first step, where a batch of `samples` cannot be shared out or normalised.

    Every process needs a sample of its own; and batch norm needs two values a channel, which one sample alone has not
    where the maps have shrunk to a pixel. `image` (1 C H W, or 1 F) is one of the shape to come.
    """
    if samples < world():
        raise UsageError(
            f"a batch of {samples} cannot be shared out to {world()} processes",
            hint=f"--batch-size {world()} at least",
        )
    share = samples // world()
    if min(share, run.micro_batch or share) > 1 or (run.recipe.train.sync_bn and world() > 1):
        return
    if takes_one(run, image):
        return
    if share > 1:
        what, hint = "parts of one sample (micro_batch 1)", "--micro-batch 2, or leave it out"
    elif world() > 1:
        what = f"one sample in each of {world()} processes"
        hint = f"--batch-size {2 * world()}, or --sync-bn to take the statistics from all of them"
    else:
        what, hint = "batches of one sample", "--batch-size 2, or a net without batch norm: hubel models"
    raise UsageError(f"batch norm needs two values a channel to learn from, and {what} give this net one", hint=hint)


def takes_one(run: Training, image: torch.Tensor) -> bool:
    """Can the net, as it learns in its first epoch, be run on a single image? Everything is left as it was."""
    if not any(isinstance(module, _BatchNorm) for module in run.model.modules()):
        return True
    modes = {module: module.training for module in run.model.modules()}
    asleep = [parameter.requires_grad for parameter in run.parameters]
    before = statistics(run)
    run.model.train()
    if run.freeze is not None:
        run.freeze(run.model, 0)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            run.model(image.to(run.device))
    except ValueError as error:
        if ALONE not in str(error):
            raise
        return False
    finally:
        put_back(run, before)
        for module, mode in modes.items():
            module.training = mode
        for parameter, learns in zip(run.parameters, asleep, strict=True):
            parameter.requires_grad_(learns)
    return True


@dataclass(frozen=True, slots=True)
class _Whole:
    """A batch in all processes: by these its parts are weighed."""

    mass: torch.Tensor | int
    """Of the loss, over all processes."""
    count: torch.Tensor | int
    """Samples in all processes."""
    own: torch.Tensor | int
    """Mass of this process's share."""

    def own_mean(self, loss: torch.Tensor) -> torch.Tensor:
        """The mean over this process's samples, from the sum of its parts as they were weighed."""
        return loss if world() == 1 else loss * (self.mass / (world() * self.own))


def _whole(run: Training, targets: torch.Tensor) -> _Whole:
    own = mass(run.loss, targets)
    if world() == 1:
        return _Whole(own, len(targets), own)
    # DDP takes the mean over processes, whose shares may differ in size and in weight.
    both = torch.stack([torch.as_tensor(own, device=run.device), torch.tensor(len(targets), device=run.device)]).float()
    dist.all_reduce(both)
    return _Whole(both[0], both[1], own)


def backward(
    run: Training, batch: Batch, targets: torch.Tensor, part: slice, whole: _Whole, *, last: bool
) -> torch.Tensor:
    """Add the gradient of part of a batch, weighted by its share of the mass; returns the same share of the loss.

    `targets` are what the task holds against the answers to the whole batch.
    """
    images, labels, answers = batch.images, batch.labels, batch.answers
    whole_batch = part == slice(0, len(batch))
    if not whole_batch:
        images, labels, targets = images[part], labels[part], targets[part]
        answers = None if answers is None else answers[part]
    told = () if answers is None else (answers,)  # a teacher's
    wait = isinstance(run.forward, DistributedDataParallel) and not last
    half = run.precision != torch.float32
    with run.forward.no_sync() if wait else nullcontext():  # type: ignore[operator]
        with torch.autocast(run.device.type, dtype=run.precision) if half else nullcontext():
            answer = run.forward(images)
            logits, *others = answer if isinstance(answer, tuple) else (answer,)  # each B K
            # What tells more than one answer is for a loss that takes it all, or comes from auxiliary heads.
            whole_answer = others if getattr(run.loss, "takes_all", False) else ()
            loss: torch.Tensor = run.loss(logits.float(), targets, *whole_answer, *told)
            for other in () if whole_answer else others:
                loss = loss + float(run.model.aux_weight) * run.loss(other.float(), targets, *told)  # type: ignore[arg-type]
            if world() > 1 or not whole_batch:
                loss = loss * (mass(run.loss, targets) * world() / whole.mass)
            if last and (run.recipe.loss.l1 or run.recipe.loss.l2):
                loss = loss + penalty(run)
        run.scaler.scale(loss).backward()
    with torch.no_grad():
        lost, right, seen = run.sums
        lost += loss.detach() * (whole.count / world())
        hits = run.task.hits(logits, labels)
        if hits is not None:
            right += hits
        seen += len(labels)
        if run.dynamics is not None:
            run.dynamics.note(run.step, batch.ids[part], logits)
    return loss.detach()


def penalty(run: Training) -> torch.Tensor | float:
    """λ₁ Σ|w| + λ₂ Σw² over the weights that learn: true penalties, seen by the loss and by its gradient."""
    l1, l2 = run.recipe.loss.l1, run.recipe.loss.l2
    total: torch.Tensor | float = 0.0
    if l1:
        total = total + l1_penalty(run.model, l1)
    if l2:
        total = total + l2_penalty(run.model, l2)
    return total


def statistics(run: Training) -> list[torch.Tensor]:
    """What a forward pass changes: the statistics of batch norm, and the sums of the epoch. A few kilobytes.

    They lie in the same place each time: what was noted before is overwritten.
    """
    now = [*run.buffers, run.totals]
    if not run.noted:
        run.noted = [torch.empty_like(value) for value in now]
    torch._foreach_copy_(run.noted, now)  # one call, where clones are one each
    return run.noted


def put_back(run: Training, before: list[torch.Tensor]) -> None:
    """Undo what a forward pass has changed."""
    with torch.no_grad():
        for value, old in zip((*run.buffers, run.totals), before, strict=True):
            value.copy_(old)


def _fault(run: Training, loss: torch.Tensor) -> str:
    """What is not finite ("loss", "gradient", …), else "".

    fp16 scales the loss, and an overflow of the scaled gradient is the scaler's business, which leaves the step out and
    scales less; but only down to SMALLEST_SCALE, and nothing else may be infinite there either.
    """
    patient = run.scaler.is_enabled() and run.scaler.get_scale() >= SMALLEST_SCALE
    weights = run.step % THOROUGH == 0 or run.step % run.steps_per_epoch == run.steps_per_epoch - 1
    return guard.first_fault(run.parameters, run.buffers, run.optimiser, loss, gradients=not patient, weights=weights)


def _spike(run: Training, loss: torch.Tensor) -> tuple[float, float] | None:
    """(loss, that of the first step), where it is SPIKE times as large and the recipe leaves such steps out."""
    if run.recipe.train.on_nonfinite == "stop":
        return None
    value = float(loss)
    if world() > 1:  # all processes must come to the same conclusion
        value = average({"loss": value}, 1, run.device)["loss"]
    if run.first_loss is None:
        run.first_loss = value
    return (value, run.first_loss) if value > SPIKE * run.first_loss > 0 else None
