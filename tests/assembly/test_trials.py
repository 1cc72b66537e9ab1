"""What a few timed steps on a copy decide before a long run: arithmetic, compiling, the number of epochs."""

from __future__ import annotations

import copy
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from hubel import runtime
from hubel.assembly import trials
from hubel.assembly.build import build
from hubel.assembly.choices import usual_rate
from hubel.assembly.prepare import Prepared, prepare
from hubel.assembly.trials import allow, arithmetic, attempt, compiling, fit_to_time, paced
from hubel.assembly.wire import assemble
from hubel.events import StepDone
from hubel.recipes.schema import Recipe, compose
from hubel.training.guard import Diagnosis
from hubel.training.loop import NonFinite, fit
from hubel.watching import Watcher


class Notes(Watcher):
    """Keeps what is remarked."""

    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        """Keep it."""
        self.remarks.append(text)


def begun(**settings: Any) -> tuple[Prepared, nn.Module]:
    prepared = prepare(compose({"data": "digits", "device": "cpu", "model_options": {"width": 0.1}}, settings))
    return prepared, build(prepared)[0]


def test_nothing_is_timed_for_a_short_run() -> None:
    prepared, model = begun()
    found = paced(prepared, model, Notes())
    recipe = found.recipe
    assert recipe.train.precision == "auto"
    assert not {"precision", "compile"} & set(found.reasons)


def test_a_trial_leaves_net_and_random_numbers_of_the_run_as_they_were() -> None:
    prepared, model = begun()
    before = copy.deepcopy(model.state_dict())
    trial = attempt(prepared.recipe, prepared, model, seconds=0.01)
    assert trial.sample > 0
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    losses = []
    for count in (0, 1):
        net = copy.deepcopy(model)
        for _ in range(count):
            attempt(prepared.recipe, prepared, net, seconds=0.01)
        events = fit(assemble(prepared.recipe, prepared, net))
        losses.append([float(next(e for e in events if isinstance(e, StepDone)).loss) for _ in range(5)])
    assert losses[0] == losses[1]


def test_the_arithmetic_of_a_long_run_is_measured_and_the_reason_kept() -> None:
    prepared, model = begun()
    found = arithmetic(prepared, model, Notes())
    recipe = found.recipe
    if runtime.has_bf16():
        assert recipe.train.precision in ("fp32", "bf16")
        assert "times as fast as fp32" in found.reasons["precision"]
    else:
        assert recipe.train.precision == "auto"


@pytest.mark.parametrize("said", ["fp32", "bf16"])
def test_what_the_recipe_says_is_not_measured(said: str) -> None:
    prepared, model = begun(precision=said, compile=False)
    found = arithmetic(prepared, model, Notes())
    recipe = found.recipe
    assert recipe.train.precision == said
    assert "precision" not in found.reasons


def test_a_short_run_is_not_compiled() -> None:
    prepared, model = begun()
    assert compiling(prepared, model, Notes()).recipe.train.compile is False


@pytest.mark.parametrize("broken", ["compile", "precision"])
def test_a_trial_that_is_not_finite_is_called_so_and_the_run_goes_another_way(
    broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiled in bf16 torch gave NaN for the gradient of some maxima, where the plain net had none."""
    honest = trials.attempt

    def attempt(recipe: Recipe, *given: Any, **words: Any) -> trials.Trial:
        if (recipe.train.compile and broken == "compile") or recipe.train.precision == "bf16":
            raise NonFinite(Diagnosis(what="gradient", where="stem.weight", ids=(1, 2)), epoch=0, step=1, updates=0)
        return honest(recipe, *given, **words)

    monkeypatch.setattr(trials, "attempt", attempt)
    monkeypatch.setattr(runtime, "has_bf16", lambda: True)
    prepared, model = begun(**({"compile": True, "precision": "fp32"} if broken == "compile" else {"compile": False}))
    notes = Notes()
    found = compiling(prepared, model, notes) if broken == "compile" else arithmetic(prepared, model, notes)
    assert found.recipe.train.precision == "fp32"
    assert found.recipe.train.compile is False
    assert "the gradient of 'stem.weight' is not finite" in found.reasons[broken]
    assert "compiling failed" not in found.reasons[broken]


def test_the_epochs_that_fit_into_the_time_are_counted_with_the_steps_of_a_trial() -> None:
    prepared, model = begun(time="1h")
    notes = Notes()
    found = fit_to_time(prepared, model, notes)
    recipe = found.recipe
    assert recipe.train.epochs == 400  # ten times the usual number is where it ends
    assert "fits into 1 h 0 min" in found.reasons["epochs"]
    assert "400 epochs, which fits into 1 h" in notes.remarks[0]
    fit_to_time(prepared, model, notes, since=time.perf_counter() - 3600)
    assert notes.remarks[1].startswith("1 epoch, 0% of it fits into 1 h"), "what was read has taken it all"


def test_where_few_epochs_fit_batches_are_small_and_the_rate_follows() -> None:
    prepared, model = begun(time="2s")
    rate = prepared.recipe.optimizer.lr
    assert rate is not None
    large = replace(prepared, chosen=prepared.chosen.take("a usual batch", batch_size=1000))
    found = fit_to_time(large, model, Notes())
    assert (found.recipe.train.epochs or 0) * 2 < 300
    assert found.recipe.train.batch_size == 128
    assert "more, smaller ones learn more" in found.reasons["batch_size"]
    assert found.recipe.optimizer.lr == pytest.approx(
        rate * usual_rate("muon-sphere", 128)[0] / usual_rate("muon-sphere", 1000)[0]
    )
    asked = fit_to_time(*begun(time="2s", batch_size=1000), Notes())
    assert asked.recipe.train.batch_size == 1000, "as was said"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_net_learns_as_the_plain_one_does() -> None:
    prepared, model = begun(compile=True, precision="fp32", epochs=1)
    found = compiling(prepared, model, Notes())
    recipe = found.recipe
    assert recipe.train.compile is True
    runs = [assemble(recipe.change(compile=said), prepared, copy.deepcopy(model)) for said in (False, True)]
    losses = [[float(event.loss) for event in fit(run) if isinstance(event, StepDone)] for run in runs]
    np.testing.assert_allclose(losses[0], losses[1], rtol=2e-3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_net_that_cannot_be_compiled_is_trained_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("/bin/false",))
    prepared, model = begun(compile=True, precision="fp32", epochs=1, model_options={"width": 0.2})
    notes = Notes()
    found = compiling(prepared, model, notes)
    recipe = found.recipe
    assert recipe.train.compile is False
    assert "not compiled, since that failed" in notes.remarks[-1]


def test_several_processes_follow_one_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared, model = begun(time="1m")
    prepared = fit_to_time(prepared, model, Notes())
    alone = assemble(prepared.recipe, prepared, copy.deepcopy(model))
    allow(alone, prepared, 1.0, Notes())
    assert alone.timed
    # Two processes: the other one has read the data for 20 seconds and measures a sample in 10 milliseconds.
    slow = iter((20.0, 0.01))
    monkeypatch.setattr(trials, "world", lambda: 2)
    monkeypatch.setattr(trials, "slowest", lambda seconds, device: max(seconds, next(slow)))
    shared = assemble(prepared.recipe, prepared, copy.deepcopy(model))
    allow(shared, prepared, 1.0, Notes())
    assert not shared.timed  # a rate by each one's own clock would let their weights drift apart
    assert shared.reading == pytest.approx(0.01 * len(prepared.splits.val))
    assert shared.allowed is not None
    report = trials.REPORT_SECONDS + 0.01 * len(prepared.splits.test)
    assert shared.allowed == pytest.approx(60 - 20 - report)
