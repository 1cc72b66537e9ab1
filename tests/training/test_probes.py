"""The probes before a run: they find what is there to find, and leave everything as it was."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import nn

from hubel.errors import UsageError
from hubel.nn.losses import build_loss
from hubel.nn.optimisers import OPTIMISERS, build_optimiser
from hubel.recipes.schema import compose
from hubel.training.loop import Training
from hubel.training.probes import BatchProbe, batch_sizes, longest_descent, rate_range, smooth
from hubel.types import Batch

CENTRES = torch.randn(4, 8, generator=torch.Generator().manual_seed(1)) * 2


def feed(size: int, batches: int = 20) -> Iterator[Batch]:
    """Points around four centres, always the same ones."""
    drawn = torch.Generator().manual_seed(2)
    for step in range(batches):
        labels = torch.randint(4, (size,), generator=drawn)
        points = CENTRES[labels] + torch.randn(size, 8, generator=drawn)
        yield Batch(points, labels, torch.arange(step * size, (step + 1) * size))


def run_of(model: nn.Module, optimiser: str = "sgd", lr: float = 0.1, loss: nn.Module | None = None) -> Training:
    recipe = compose({"data": "x", "optimizer": optimiser, "lr": lr, "epochs": 1, "precision": "fp32"})
    return Training(
        recipe=recipe,
        model=model,
        optimiser=build_optimiser(optimiser, model, lr=lr),
        schedule=lambda step, history: 1.0,
        loss=loss or build_loss("cross-entropy"),
        batches=lambda epoch, start: feed(32),
        steps_per_epoch=20,
        measure=lambda model: {},
    )


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 4))


@pytest.mark.parametrize("optimiser", ["sgd", "adamw", "muon", "muon-sphere"])
def test_model_optimiser_and_random_numbers_are_left_to_the_bit(optimiser: str) -> None:
    assert optimiser in OPTIMISERS
    run = run_of(small(), optimiser)
    for batch in feed(16, 2):  # an optimiser with a past
        run.loss(run.model(batch.images), batch.labels).backward()
        run.optimiser.step()
    weights, packed = copy.deepcopy(run.model.state_dict()), copy.deepcopy(run.optimiser.state_dict())
    gradients = [None if p.grad is None else p.grad.clone() for p in run.model.parameters()]
    modes = [module.training for module in run.model.modules()]
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    rate_range(run, steps=12)
    batch_sizes(run, feed, first=4, largest=8, seconds=0.01)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(value, weights[key]) for key, value in run.model.state_dict().items())
    now = run.optimiser.state_dict()
    assert now["param_groups"] == packed["param_groups"]
    for index, values in packed["state"].items():
        for key, value in values.items():
            assert torch.equal(torch.as_tensor(now["state"][index][key]), torch.as_tensor(value))
    for parameter, gradient in zip(run.model.parameters(), gradients, strict=True):
        assert parameter.grad is None if gradient is None else torch.equal(parameter.grad, gradient)
    assert [module.training for module in run.model.modules()] == modes
    assert (run.step, run.epoch, run.history, float(run.totals.sum())) == (0, 0, [], 0.0)


def test_the_sweep_is_exponential_and_the_same_every_time() -> None:
    first, second = (rate_range(run_of(small()), low=1e-4, high=1.0, steps=40) for _ in range(2))
    assert first.rates[[0, -1]] == pytest.approx([1e-4, 1.0])
    assert np.ptp(np.diff(np.log(first.rates))) < 1e-9
    assert np.array_equal(first.losses, second.losses)


def test_training_with_the_suggestion_beats_much_lower_and_much_higher_rates() -> None:
    def loss_after(rate: float) -> float:
        run = run_of(small(), lr=rate)
        for batch in feed(32, 40):
            run.optimiser.zero_grad()
            loss = run.loss(run.model.train()(batch.images), batch.labels)
            loss.backward()
            run.optimiser.step()
        return float(loss.detach())

    found = rate_range(run_of(small()), steps=60)
    assert found.suggestion is not None
    assert found.steepest is not None
    assert found.edge is not None
    assert loss_after(found.suggestion) < loss_after(found.suggestion / 100)
    assert loss_after(found.suggestion) < loss_after(found.suggestion * 100)


def test_groups_keep_their_share_of_the_rate_in_the_recipe() -> None:
    halved = run_of(small())
    for group in halved.optimiser.param_groups:
        group["base_lr"] /= 2
    first = rate_range(halved, low=0.002, high=2.0, steps=20)
    second = rate_range(run_of(small()), low=0.001, high=1.0, steps=20)
    assert first.losses == pytest.approx(second.losses)
    # muon-sphere gives biases and norms another rate than filters; what counts is the recipe's word.
    assert rate_range(run_of(small(), "muon-sphere", lr=0.1), steps=12).rates[0] == pytest.approx(1e-4)


def test_the_sweep_ends_when_the_loss_runs_away() -> None:
    found = rate_range(run_of(nn.Sequential(nn.Linear(8, 64), nn.Linear(64, 4))), low=1e-3, high=1e6, steps=100)
    assert len(found.rates) < 100
    assert "ran away" in found.reason or "not finite" in found.reason
    assert found.suggestion is not None
    assert found.suggestion < found.rates[-1]


def test_where_nothing_is_learnt_nothing_is_suggested() -> None:
    found = rate_range(run_of(small()), low=1e-12, high=1e-11, steps=12)
    assert found.suggestion is None
    assert "fell nowhere" in found.reason


class Breaks(nn.Module):
    """Raises an error from the `last`-th call or the `largest` batch on."""

    def __init__(self, error: Callable[[], BaseException], last: int = 10**9, largest: int = 10**9) -> None:
        super().__init__()
        self.net, self.error, self.last, self.largest, self.calls = nn.Linear(8, 4), error, last, largest, 0

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.calls > self.last or len(points) > self.largest:
            raise self.error()
        return self.net(points)


def test_a_step_that_fails_ends_the_sweep_with_its_reason() -> None:
    found = rate_range(run_of(Breaks(lambda: RuntimeError("a broken layer"), last=3)), steps=20)
    assert (len(found.rates), found.suggestion) == (3, None)
    assert found.reason.startswith("a step failed: a broken layer, after 3 steps")


@pytest.mark.parametrize(
    "error", [MemoryError, lambda: torch.OutOfMemoryError("CUDA out of memory"),
              lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory")],
)  # fmt: skip
def test_batch_sizes_double_until_memory_runs_out(error: Callable[[], BaseException]) -> None:
    found = batch_sizes(run_of(Breaks(error, largest=64)), feed, first=8, largest=4096, seconds=0.01)
    assert [point.size for point in found.points][:2] == [8, 16]
    assert max(point.size for point in found.points) <= 64
    if found.ended == "memory":
        assert found.reason == "memory ran out at 128"


def test_memory_that_runs_out_at_once_leaves_no_suggestion() -> None:
    found = batch_sizes(run_of(Breaks(MemoryError, largest=4)), feed, first=8, seconds=0.01)
    assert (found.points, found.suggestion, found.ended) == ((), None, "memory")


def test_other_faults_are_raised() -> None:
    with pytest.raises(RuntimeError, match="a broken layer"):
        batch_sizes(run_of(Breaks(lambda: RuntimeError("a broken layer"), largest=0)), feed, seconds=0.01)


CRAMPED = """
import resource, time, torch
torch.set_num_threads(1)
from torch import nn
from tests_probes import feed, run_of
from hubel.training.probes import batch_sizes

class Wide(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(8, 4)
    def forward(self, points):
        time.sleep(0.1)  # so that more samples at once are faster, until memory ends
        return self.net(points) + points.new_ones(len(points), 4, 1 << 18).sum(2) * 0.0  # 4 MB a sample
run = run_of(Wide())
batch_sizes(run, feed, first=1, largest=1, seconds=0.01)
with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + (150 << 20), now + (150 << 20)))
found = batch_sizes(run, feed, first=4, largest=4096, seconds=0.01)
print(found.ended, max(p.size for p in found.points), found.reason)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits its own memory")
def test_a_process_with_little_memory_finds_out_and_survives() -> None:
    code = CRAMPED.replace("from tests_probes import feed, run_of", PREAMBLE.format(folder=__file__))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ended, size, reason = done.stdout.split(maxsplit=2)
    assert ended == "memory", done.stdout
    assert 4 <= int(size) <= 64
    assert "memory ran out at" in reason or "would need" in reason


PREAMBLE = """
import importlib.util
spec = importlib.util.spec_from_file_location("tests_probes", {folder!r})
room = importlib.util.module_from_spec(spec)
spec.loader.exec_module(room)
feed, run_of = room.feed, room.run_of
"""


def test_the_suggestion_is_the_smallest_size_that_is_nearly_as_fast_as_the_fastest() -> None:
    found: BatchProbe = batch_sizes(run_of(small()), feed, first=4, largest=64, seconds=0.02)
    fast = max(point.images_per_second for point in found.points)
    good = [point.size for point in found.points if point.images_per_second >= 0.95 * fast]
    assert found.suggestion == min(good)
    for point in found.points:
        assert point.images_per_second == pytest.approx(point.size / point.seconds)


def test_impossible_ranges_are_refused() -> None:
    with pytest.raises(UsageError, match="0 < low < high"):
        rate_range(run_of(small()), low=1.0, high=0.1)
    with pytest.raises(UsageError, match="at least 10 steps"):
        rate_range(run_of(small()), steps=3)
    with pytest.raises(UsageError, match="first <= largest"):
        batch_sizes(run_of(small()), feed, first=8, largest=4)


def test_smoothing_keeps_the_place_of_an_edge_and_what_ran_away_does_not_reach_back() -> None:
    step = np.array([2.0] * 20 + [1.0] * 20)
    assert abs(int(np.abs(np.diff(smooth(step))).argmax()) - 19) <= 1
    wild = np.array([2.0] * 20 + [1e9])
    assert smooth(wild)[10] == pytest.approx(2.0)
    assert np.isnan(smooth(np.array([2.0, np.inf]))[1])


def test_the_longest_descent_is_the_deepest_not_the_first() -> None:
    curve = np.array([3.0, 2.9, 3.2, 2.5, 1.5, 0.8, 1.6, 1.5])
    assert longest_descent(curve) == (2, 5)
    assert longest_descent(np.array([1.0, 2.0, 3.0])) == (0, 0)
