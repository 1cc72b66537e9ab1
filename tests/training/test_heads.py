"""A head fitted on features: scikit-learn's optimum, put into a net that takes features as they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, Ridge
from torch import nn

from hubel.metrics.several import mean_precision
from hubel.nn.optimisers import build_optimiser
from hubel.recipes.schema import compose
from hubel.tasks import MULTILABEL, REGRESS
from hubel.training.features import Features
from hubel.training.heads import PATIENCE, PENALTIES, STILL, Scaling, fit_head
from hubel.training.loop import Training

DIGITS = load_digits()
X = torch.from_numpy(DIGITS.data.astype("float32"))
Y = torch.from_numpy(DIGITS.target)


class Net(nn.Module):
    """Nothing below the head."""

    stages, head = ("body",), "fc"

    def __init__(self, outputs: int, *, bias: bool = True) -> None:
        super().__init__()
        self.body, self.fc = nn.Identity(), nn.Linear(64, outputs, bias=bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.fc(self.body(features)) / 9


def training(net: nn.Module, loss: nn.Module | None = None, **changes: object) -> Training:
    return Training(
        recipe=compose({"epochs": 1}), model=net, optimiser=build_optimiser("sgd", net, lr=0.1), steps_per_epoch=1,
        schedule=lambda step, history: 1.0, loss=loss or nn.CrossEntropyLoss(), batches=lambda epoch, start: iter(()),
        measure=lambda net: {}, **changes,  # type: ignore[arg-type]
    )  # fmt: skip


def seen(count: int = 600, labels: torch.Tensor = Y) -> Features:
    return Features(train=X[None, :count], train_labels=labels[:count], val=X[900:], val_labels=labels[900:])


@pytest.mark.parametrize("penalty", [0.1, 0.01])
def test_the_linear_head_is_scikit_learns_logistic_regression(penalty: float) -> None:
    net = Net(10)
    list(fit_head(training(net), seen(), 1 / 9, penalty=penalty))
    scaled = Scaling.of(X[:600], centre=True)
    oracle = LogisticRegression(C=1 / (600 * penalty), max_iter=5000, tol=1e-8).fit(scaled(X[:600]).numpy(), Y[:600])
    ours = net(X[900:]).softmax(1).detach().numpy()
    np.testing.assert_allclose(ours, oracle.predict_proba(scaled(X[900:]).numpy()), atol=2e-3)


def test_of_several_labels_each_gets_scikit_learns_logistic_regression() -> None:
    net, truth = Net(2), torch.stack([Y % 2, (Y > 4).long()], 1)
    run = training(net, nn.BCEWithLogitsLoss(), task=MULTILABEL)
    list(fit_head(run, seen(labels=truth), 1 / 9, penalty=0.1))
    scaled = Scaling.of(X[:600], centre=True)
    ours = net(X[900:]).sigmoid().detach().numpy()
    for k in range(2):  # the loss is the mean over labels as well
        oracle = LogisticRegression(C=1 / (600 * 2 * 0.1), max_iter=5000, tol=1e-8)
        oracle.fit(scaled(X[:600]).numpy(), truth[:600, k])
        np.testing.assert_allclose(ours[:, k], oracle.predict_proba(scaled(X[900:]).numpy())[:, 1], atol=2e-3)
    assert run.best["val_map"] == pytest.approx(mean_precision(ours, truth[900:].numpy()))


def test_a_number_as_target_gives_ridge_regression() -> None:
    net, targets = Net(1), X[:, 20] * 0.5 + X[:, 30]
    run = training(net, nn.MSELoss(), task=REGRESS)
    list(fit_head(run, seen(labels=targets), 1 / 9, penalty=0.01))
    scaled = Scaling.of(X[:600], centre=True)
    oracle = Ridge(alpha=600 * 0.01 / 2).fit(scaled(X[:600]).numpy(), targets[:600])
    found = net(X[900:])[:, 0].detach().numpy()
    np.testing.assert_allclose(found, oracle.predict(scaled(X[900:]).numpy()), atol=2e-2)


def test_a_head_without_bias_is_fitted_without_one() -> None:
    net = Net(10, bias=False)
    events = list(fit_head(training(net), seen(), 1 / 9))
    assert net.fc.bias is None
    assert events[-1].best["val_accuracy"] > 0.85  # type: ignore[union-attr]


def test_the_penalty_is_chosen_on_the_validation_samples_and_the_walk_ends_when_they_get_worse() -> None:
    run = training(Net(10))
    events = list(fit_head(run, seen(60), 1 / 9))
    losses = [row["val_loss"] for row in run.history]
    assert [row["penalty"] for row in run.history] == list(PENALTIES[: len(run.history)])
    assert run.best["val_accuracy"] == max(row["val_accuracy"] for row in run.history)
    if len(losses) < len(PENALTIES):
        assert min(losses[-PATIENCE:]) >= min(losses[:-PATIENCE])
    assert events[-1].reason == "optimum"  # type: ignore[union-attr]


def test_without_validation_samples_the_usual_penalty_is_taken() -> None:
    run = training(Net(10))
    features = Features(train=X[None, :300], train_labels=Y[:300], val=X[:0], val_labels=Y[:0])
    list(fit_head(run, features, 1 / 9))
    assert [row["penalty"] for row in run.history] == [0.01]
    assert "val_loss" not in run.history[0]


def test_views_count_as_samples_of_their_own() -> None:
    once, twice = Net(10), Net(10)
    list(fit_head(training(once), seen(), 1 / 9, penalty=0.03))
    doubled = Features(train=torch.stack([X[:600], X[:600]]), train_labels=Y[:600], val=X[900:], val_labels=Y[900:])
    list(fit_head(training(twice), doubled, 1 / 9, penalty=0.03))
    torch.testing.assert_close(once(X[900:]).softmax(1), twice(X[900:]).softmax(1), atol=2e-3, rtol=0)


def test_a_walk_that_was_cut_goes_on_to_the_same_bits() -> None:
    whole, half = training(Net(10)), training(Net(10))
    list(fit_head(whole, seen(), 1 / 9))
    for _ in zip(range(3), fit_head(half, seen(), 1 / 9), strict=False):
        pass
    rest = training(Net(10))
    rest.restore(*half.state())
    list(fit_head(rest, seen(), 1 / 9))
    assert torch.equal(whole.model.fc.weight, rest.model.fc.weight)
    assert [row["val_loss"] for row in whole.history] == [row["val_loss"] for row in rest.history]


def test_a_constant_feature_does_no_harm() -> None:
    features = seen()
    assert float(features.train[..., 0].std()) == 0
    run = training(Net(10))
    list(fit_head(run, features, 1 / 9))
    assert all(np.isfinite(row["val_loss"]) for row in run.history)


def test_a_feature_that_hardly_stirs_gets_no_weight_without_bound() -> None:
    """Logits of hundreds that such a weight makes of other pictures differ between runtimes by more than is allowed."""
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(100, 8, generator=draw)
    features[:, 7] *= 1e-5
    factor = Scaling.of(features, centre=True).factor
    assert factor[:7].max() < 2
    assert factor[7] <= 1.1 / (STILL * features.std(0).square().mean().sqrt())
    assert Scaling.of(torch.ones(5, 2), centre=True).factor.tolist() == [1.0, 1.0]
