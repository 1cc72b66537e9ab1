"""What only a few timed steps can tell: arithmetic, compiling, and how many epochs fit into the time allowed.

The steps are made on a copy of the net, so that the run itself starts untouched. Nothing is timed for short runs, nor
what the recipe says itself; what was found is written into the recipe, and a resumed run does not look again.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from hubel import runtime
from hubel.assembly.prepare import Prepared
from hubel.data.batches import batches
from hubel.inference import predict
from hubel.recipes.schema import Recipe
from hubel.runtime import world
from hubel.training.events import StepDone
from hubel.training.loop import Training, fit
from hubel.watching import Watcher

Assemble = Callable[[Recipe, Prepared, nn.Module], Training]

WORTH_A_TRIAL = 50e6
"""Pixels seen in a whole run (epochs x pictures x height x width) below which it is over before a trial has paid."""
TRIAL_BATCH = 128
"""Samples a step of a trial: enough for the arithmetic to work as in the run, few enough to be over soon."""
GAIN = 1.15
"""How many times faster bf16 must be to be worth its coarser numbers."""
COMPILED_SECONDS = {"cpu": 1200.0, "cuda": 120.0}
"""Length of a run, in seconds, from which compiling is tried at all: the trial alone takes about a minute."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A few steps on a copy."""

    step: float
    """Seconds a step, the median."""
    best: float
    """Seconds of the fastest step: what is compared, since another program's load only ever adds."""
    first: float
    """Seconds until the first step was done."""
    batch: int
    """Samples a step."""
    training: Training
    """The copy, as it stands after the steps."""

    @property
    def sample(self) -> float:
        """Seconds a sample takes at best."""
        return self.best / self.batch


def attempt(
    recipe: Recipe, prepared: Prepared, model: nn.Module, assemble: Assemble, seconds: float = 0.5, steps: int = 3
) -> Trial:
    """At least `steps` steps and `seconds` seconds of training on a copy of `model`."""
    training = assemble(recipe.change(epochs=1, time=None), prepared, copy.deepcopy(model))
    started, marks, size = time.perf_counter(), [], 1
    for event in fit(training):
        if isinstance(event, StepDone):
            runtime.synchronise(training.device)
            marks.append(time.perf_counter())
            size = event.images
            if len(marks) > steps and marks[-1] - started > seconds:
                break
    taken = np.diff(marks) if len(marks) > 1 else np.array([marks[0] - started])
    return Trial(float(np.median(taken)), float(taken.min()), marks[0] - started, size, training)


def paced(prepared: Prepared, model: nn.Module, watch: Watcher, assemble: Assemble) -> Recipe:
    """The recipe with arithmetic, compiling and epochs settled; the reasons are added to those of `prepared`."""
    recipe = prepared.recipe
    if world() == 1 and long_enough(prepared):
        recipe = arithmetic(recipe, prepared, model, watch, assemble)
        recipe = compiling(recipe, prepared, model, watch, assemble)
    return fit_to_time(recipe, prepared, model, watch, assemble)


def long_enough(prepared: Prepared) -> bool:
    """Can a trial pay? Points never need one."""
    if prepared.preprocessing is None:
        return False
    pixels = prepared.preprocessing.height * prepared.preprocessing.width
    return seen(prepared.recipe, prepared) * pixels >= WORTH_A_TRIAL


def seen(recipe: Recipe, prepared: Prepared) -> int:
    """Samples in all epochs."""
    return (recipe.train.epochs or 1) * len(prepared.ids("train"))


def brief(recipe: Recipe) -> Recipe:
    """The recipe with batches for a trial."""
    size = recipe.train.batch_size
    large = size == "full" or (size or 0) > TRIAL_BATCH
    return recipe.change(batch_size=TRIAL_BATCH, micro_batch=None) if large else recipe


def arithmetic(recipe: Recipe, prepared: Prepared, model: nn.Module, watch: Watcher, assemble: Assemble) -> Recipe:
    """On a CPU that has bf16 instructions: bf16 if this net trains faster with it here."""
    device = runtime.pick_device(recipe.train.device)
    if recipe.train.precision != "auto" or device.type != "cpu" or not runtime.has_bf16():
        return recipe
    taken: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for precision in ("fp32", "bf16", "fp32", "bf16"):  # by turns: a busy moment of the machine should meet both
        taken[precision].append(
            attempt(brief(recipe.change(precision=precision)), prepared, model, assemble, seconds=0.3).sample
        )
    gain = min(taken["fp32"]) / min(taken["bf16"])
    chosen = "bf16" if gain >= GAIN else "fp32"
    reason = f"a trial here: bf16 trains {gain:.1f} times as fast as fp32"
    prepared.reasons["precision"] = reason
    if chosen == "bf16":
        watch.remark(f"forward pass in bf16: {reason}")
    return recipe.change(precision=chosen)


def compiling(recipe: Recipe, prepared: Prepared, model: nn.Module, watch: Watcher, assemble: Assemble) -> Recipe:
    """Compile if the recipe says so and it works here, or if the run is long and a trial shows that it gains."""
    wanted, device = recipe.train.compile, runtime.pick_device(recipe.train.device)
    worth = COMPILED_SECONDS.get(device.type)
    if wanted is False or (wanted is None and (worth is None or not runtime.has_compiler(device))):
        return recipe.change(compile=False)
    plain = attempt(recipe.change(compile=False), prepared, model, assemble)
    eager = plain.sample * seen(recipe, prepared)
    if wanted is None and worth is not None and eager < worth:
        return recipe.change(compile=False)
    watch.stage("compiling the net")
    try:
        faster = attempt(recipe.change(compile=True), prepared, model, assemble)
    except Exception as error:  # the compiler's own errors are of many kinds, and none of them may end a training
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
        watch.remark(f"the net is not compiled, since that failed: {first}")
        prepared.reasons["compile"] = f"compiling failed: {first}"
        return recipe.change(compile=False)
    again = attempt(recipe.change(compile=False), prepared, model, assemble)  # was the first look at a busy moment?
    eager = min(plain.sample, again.sample) * seen(recipe, prepared)
    gain = eager / (faster.sample * seen(recipe, prepared))
    pays = faster.first + faster.sample * seen(recipe, prepared) < eager
    reason = f"a trial here: compiled, it trains {gain:.2f} times as fast, after {faster.first:.0f} s of compiling"
    prepared.reasons["compile"] = reason
    watch.remark(("compiled: " if wanted or pays else "not compiled: ") + reason)
    return recipe.change(compile=bool(wanted) or pays)


def fit_to_time(recipe: Recipe, prepared: Prepared, model: nn.Module, watch: Watcher, assemble: Assemble) -> Recipe:
    """With `time` and no `epochs` of the user's, as many epochs as fit."""
    if not recipe.train.time or "epochs" not in prepared.reasons:
        return recipe
    trial = attempt(recipe, prepared, model, assemble, min(5.0, 0.02 * recipe.train.time))
    measured, rows = time.perf_counter(), prepared.splits.val[:500]
    device = trial.training.device
    reading_some = batches(
        prepared.decoded, rows, preprocessing=prepared.preprocessing, batch_size=500, device=device,
        channels_last=recipe.train.channels_last,
    )  # fmt: skip
    predict(trial.training.model, reading_some)
    reading = (time.perf_counter() - measured) * len(prepared.splits.val) / max(1, len(rows))
    epoch = trial.step * trial.training.steps_per_epoch + reading
    epochs = max(1, min(10 * (recipe.train.epochs or 1), math.floor(0.95 * recipe.train.time / epoch)))
    if world() > 1:
        common = torch.tensor(epochs)
        dist.all_reduce(common, op=dist.ReduceOp.MIN)
        epochs = int(common)
    reason = f"fits into {recipe.train.time:g} s: an epoch takes about {epoch:.2g} s here"
    prepared.reasons["epochs"] = reason
    watch.remark(f"{epochs} epochs, which {reason}")
    return recipe.change(epochs=epochs)
