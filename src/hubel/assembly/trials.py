"""What only a few timed steps can tell: arithmetic, compiling, and how many epochs fit into the time allowed.

The steps are made on a copy of the net, so that the run itself starts untouched. Nothing is timed for short runs, nor
what the recipe says itself; what was found is written into the recipe, and a resumed run does not look again.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from hubel import runtime
from hubel.assembly.choices import enough_steps, few_steps, usual_rate
from hubel.assembly.prepare import Prepared
from hubel.assembly.wire import assemble
from hubel.data.batches import batches, reading_size
from hubel.events import StepDone
from hubel.inference import VIEWS, predict
from hubel.recipes.chosen import Chosen
from hubel.recipes.schema import Recipe
from hubel.runtime import slowest, world
from hubel.training.features import GAIN
from hubel.training.loop import NonFinite, Training, fit
from hubel.watching import Watcher
from hubel.words import duration, plural

WORTH_A_TRIAL = 50e6
"""Pixels seen in a whole run (epochs x pictures x height x width) below which it is over before a trial has paid."""
TRIAL_BATCH = 128
"""Samples a step of a trial: enough for the arithmetic to work as in the run, few enough to be over soon."""
REPORT_SECONDS = 2.0
"""Seconds that the report of a run takes besides measuring."""
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


def attempt(recipe: Recipe, prepared: Prepared, model: nn.Module, seconds: float = 0.5, steps: int = 3) -> Trial:
    """At least `steps` steps and `seconds` seconds of training on a copy of `model`."""
    training = assemble(recipe.change(epochs=1, time=None), prepared, copy.deepcopy(model))
    started, marks, size = time.perf_counter(), [], 1
    for event in fit(training):
        if isinstance(event, StepDone):
            runtime.synchronise(training.device)
            marks.append(time.perf_counter())
            size = event.images
            enough = 2 if marks[-1] - started > 4 * seconds else steps + 1  # where steps are long, two tell it
            if len(marks) >= enough and marks[-1] - started > seconds:
                break
    taken = np.diff(marks) if len(marks) > 1 else np.array([marks[0] - started])
    return Trial(float(np.median(taken)), float(taken.min()), marks[0] - started, size, training)


def paced(prepared: Prepared, model: nn.Module, watch: Watcher, since: float | None = None) -> Prepared:
    """With arithmetic, compiling and epochs settled, and the reasons; `since`: when the time of the recipe began."""
    if world() == 1 and long_enough(prepared):
        prepared = arithmetic(prepared, model, watch)
        prepared = compiling(prepared, model, watch)
    return fit_to_time(prepared, model, watch, since)


def long_enough(prepared: Prepared) -> bool:
    """Can a trial pay? Points never need one."""
    if prepared.preprocessing is None:
        return False
    pixels = prepared.preprocessing.height * prepared.preprocessing.width
    return seen(prepared.recipe, prepared) * pixels >= WORTH_A_TRIAL


def seen(recipe: Recipe, prepared: Prepared) -> int:
    """Samples in all epochs."""
    return (recipe.train.epochs or 1) * prepared.samples


def brief(recipe: Recipe) -> Recipe:
    """The recipe with batches for a trial."""
    size = recipe.train.batch_size
    large = size == "full" or (size or 0) > TRIAL_BATCH
    return recipe.change(batch_size=TRIAL_BATCH, micro_batch=None) if large else recipe


def arithmetic(prepared: Prepared, model: nn.Module, watch: Watcher) -> Prepared:
    """On a CPU that has bf16 instructions: bf16 if this net trains faster with it here."""
    recipe = prepared.recipe
    device = runtime.pick_device(recipe.train.device)
    if recipe.train.precision != "auto" or device.type != "cpu" or not runtime.has_bf16():
        return prepared
    taken: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for precision in ("fp32", "bf16", "fp32", "bf16"):  # by turns: a busy moment of the machine should meet both
        trial = brief(recipe.change(precision=precision))
        try:
            taken[precision].append(attempt(trial, prepared, model, seconds=0.3).sample)
        except NonFinite as error:
            if precision == "fp32":
                raise
            reason = f"a trial here: in bf16 {error.diagnosis}"
            return replace(prepared, chosen=prepared.chosen.take(reason, precision="fp32"))
    gain = min(taken["fp32"]) / min(taken["bf16"])
    chosen = "bf16" if gain >= GAIN else "fp32"
    reason = f"a trial here: bf16 trains {gain:.1f} times as fast as fp32"
    if chosen == "bf16":
        watch.remark(f"forward pass in bf16: {reason}")
    return replace(prepared, chosen=prepared.chosen.take(reason, precision=chosen))


def compiling(prepared: Prepared, model: nn.Module, watch: Watcher) -> Prepared:
    """Compile if the recipe says so and it works here, or if the run is long and a trial shows that it gains."""
    recipe = prepared.recipe
    wanted, device = recipe.train.compile, runtime.pick_device(recipe.train.device)
    worth = COMPILED_SECONDS.get(device.type)
    if wanted is False or (wanted is None and (worth is None or not runtime.has_compiler(device))):
        return prepared.with_recipe(recipe.change(compile=False))
    plain = attempt(recipe.change(compile=False), prepared, model)
    eager = plain.sample * seen(recipe, prepared)
    if wanted is None and worth is not None and min(eager, recipe.train.time or eager) < worth:
        return prepared.with_recipe(recipe.change(compile=False))
    watch.stage("compiling the net")
    try:
        faster = attempt(recipe.change(compile=True), prepared, model)
    except NonFinite as error:  # the plain net has just made the same steps: it is the compiled code that is wrong
        reason = f"compiled, in {recipe.train.precision}, {error.diagnosis}; as it is, the net trains"
        watch.remark(f"not compiled: {reason}")
        return replace(prepared, chosen=prepared.chosen.take(reason, compile=False))
    except Exception as error:  # the compiler's own errors are of many kinds, and none of them may end a training
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
        watch.remark(f"the net is not compiled, since that failed: {first}")
        return replace(prepared, chosen=prepared.chosen.take(f"compiling failed: {first}", compile=False))
    again = attempt(recipe.change(compile=False), prepared, model)  # was the first look at a busy moment?
    eager = min(plain.sample, again.sample) * seen(recipe, prepared)
    gain = eager / (faster.sample * seen(recipe, prepared))
    pays = faster.first + faster.sample * seen(recipe, prepared) < eager
    reason = f"a trial here: compiled, it trains {gain:.2f} times as fast, after {faster.first:.0f} s of compiling"
    watch.remark(("compiled: " if wanted or pays else "not compiled: ") + reason)
    return replace(prepared, chosen=prepared.chosen.take(reason, compile=bool(wanted) or pays))


def allow(training: Training, prepared: Prepared, spent: float, watch: Watcher) -> None:
    """What of the recipe's time is left to train, after `spent` seconds and before those of measuring and reporting.

    Where reading the data has taken so much that hardly anything is left, a fifth of the time is trained all the same,
    and that is said.
    """
    whole = training.recipe.train.time
    if not whole:
        return
    # Each of several processes has a clock of its own, and all must take the same rate and end at the same epoch: so
    # the rate follows the steps there, and the slowest clock says what is left.
    training.timed = world() == 1 and "epochs" in prepared.reasons
    spent, a_sample = (slowest(value, training.device) for value in (spent, sample_seconds(training, prepared)))
    training.reading = a_sample * len(prepared.splits.val)
    looks = VIEWS.get(training.recipe.augment.views or "none", 1)
    after = min(0.2 * whole, REPORT_SECONDS + a_sample * len(prepared.splits.test) * (looks + (looks > 1)))
    left = whole - spent - after
    training.allowed = max(0.2 * whole, left)
    if left < 0.2 * whole:
        looking = "" if training.recipe.transfer.from_ is None else " and looking at it with the trained net"
        watch.remark(
            f"reading the data{looking} took {duration(spent)} of the {duration(whole)} allowed; "
            f"{duration(training.allowed)} of training follow all the same"
        )


def sample_seconds(training: Training, prepared: Prepared, most: int = 256) -> float:
    """Seconds that measuring takes for a sample, on a few of the validation samples; 0 where there are none."""
    rows = prepared.splits.val[:most]
    if not len(rows):
        return 0.0
    began = time.perf_counter()
    some = batches(
        prepared.decoded, rows, preprocessing=prepared.preprocessing, batch_size=reading_size(prepared.decoded),
        device=training.device,
        channels_last=training.recipe.train.channels_last,
    )  # fmt: skip
    predict(training.model, some)
    return (time.perf_counter() - began) / len(rows)


def fit_to_time(prepared: Prepared, model: nn.Module, watch: Watcher, since: float | None = None) -> Prepared:
    """With `time` and no `epochs` of the user's, as many epochs as fit."""
    recipe = prepared.recipe
    if not recipe.train.time or "epochs" not in prepared.reasons:
        return prepared
    trial = attempt(recipe, prepared, model, min(5.0, 0.02 * recipe.train.time))
    reading = sample_seconds(trial.training, prepared) * len(prepared.splits.val)
    left = recipe.train.time - (0.0 if since is None else time.perf_counter() - since)
    epoch = trial.step * trial.training.steps_per_epoch + reading
    epochs = max(1, min(10 * (recipe.train.epochs or 1), math.floor(0.95 * left / epoch)))
    if world() > 1:
        common = torch.tensor(epochs)
        dist.all_reduce(common, op=dist.ReduceOp.MIN)
        epochs = int(common)
    share = "" if epoch <= left else f"{max(left, 0) / epoch:.0%} of it "
    reason = f"{share}fits into {duration(recipe.train.time)}: an epoch takes about {duration(epoch)} here"
    watch.remark(f"{plural(epochs, 'epoch')}, {'' if share else 'which '}{reason}")
    return replace(prepared, chosen=_with_enough_steps(prepared.chosen.take(reason, epochs=epochs), prepared))


def _with_enough_steps(chosen: Chosen, prepared: Prepared) -> Chosen:
    """Smaller batches where so few epochs fit that usual ones would make few steps; the rate follows."""
    train, rate = chosen.recipe.train, chosen.recipe.optimizer.lr
    device = runtime.pick_device(train.device)
    usual = train.batch_size
    if not isinstance(usual, int) or "batch_size" not in chosen.reasons or device.type != "cpu":
        return chosen
    if chosen.recipe.pretext.method == "byol":
        return chosen
    epochs, samples = train.epochs or 1, prepared.samples
    size = enough_steps(usual, samples, epochs)
    if size == usual:
        return chosen
    if rate is not None and "lr" in chosen.reasons:
        rule = chosen.recipe.optimizer.optimizer or "adamw"
        (new, why), (old, _) = usual_rate(rule, size), usual_rate(rule, usual)
        chosen = chosen.take(why if old == rate else f"{chosen.reasons['lr']}; of smaller batches", lr=rate * new / old)
    return chosen.take(few_steps(usual, samples, epochs), batch_size=size)
