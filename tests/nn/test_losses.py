"""Losses against torch, scikit-learn and plain arithmetic; penalties; hardest triplets."""

from __future__ import annotations

import math

import pytest
import sklearn.metrics
import torch
import torch.nn.functional as F
from torch import nn

from hubel.errors import UnknownName, UsageError
from hubel.nn.losses import build_loss, hardest_triplets, l1_penalty, l2_penalty
from hubel.nn.optimisers import build_optimiser

GENERATOR = torch.Generator().manual_seed(0)
Z = torch.randn(40, 5, generator=GENERATOR, dtype=torch.float64)
Y = torch.randint(0, 5, (40,), generator=GENERATOR)
WEIGHTS = [0.5, 1.0, 2.0, 0.1, 3.0]


def test_cross_entropy_is_scikit_learn_s_log_loss() -> None:
    expected = sklearn.metrics.log_loss(Y.numpy(), F.softmax(Z, 1).numpy(), labels=range(5))
    assert build_loss("cross-entropy")(Z, Y).item() == pytest.approx(expected)


def test_cross_entropy_is_log_softmax_and_nll() -> None:
    nll = build_loss("nll", class_weights=WEIGHTS).double()
    entropy = build_loss("cross-entropy", class_weights=WEIGHTS).double()
    torch.testing.assert_close(nll(F.log_softmax(Z, 1), Y), entropy(Z, Y))
    w = torch.tensor(WEIGHTS, dtype=torch.float64)[Y]
    by_hand = -(w * F.log_softmax(Z, 1)[torch.arange(40), Y]).sum() / w.sum()
    torch.testing.assert_close(entropy(Z, Y), by_hand)


def test_binary_cross_entropy_is_its_two_class_case() -> None:
    z = Z[:, :1]
    two = torch.cat([torch.zeros_like(z), z], dim=1)
    yes = (Y > 2).long()
    expected = build_loss("cross-entropy")(two, yes)
    torch.testing.assert_close(build_loss("bce-with-logits")(z, yes[:, None].double()), expected)
    torch.testing.assert_close(build_loss("bce")(torch.sigmoid(z), yes[:, None].double()), expected)


@pytest.mark.parametrize(("p", "loss"), [(0.7, 0.357), (0.9, 0.105), (0.5, 0.693)])
def test_cross_entropy_uses_the_natural_logarithm(p: float, loss: float) -> None:
    logits = torch.tensor([[math.log(p), math.log(1 - p)]])
    assert build_loss("cross-entropy")(logits, torch.tensor([0])).item() == pytest.approx(loss, abs=5e-4)


def test_a_sure_mistake_overflows_nothing_with_logits() -> None:
    wrong = torch.tensor([[1e4, -1e4]])
    for name in ("cross-entropy", "bce-with-logits", "focal", "kl"):
        z = wrong.clone().requires_grad_()
        value = build_loss(name)(z, torch.tensor([1]))
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(z.grad).all()


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_focal_loss_is_the_formula_of_the_paper(gamma: float) -> None:
    p = F.softmax(Z, 1)[torch.arange(40), Y]
    torch.testing.assert_close(build_loss("focal", gamma=gamma)(Z, Y), (-((1 - p) ** gamma) * p.log()).mean())


def test_focal_loss_without_focus_is_the_cross_entropy_with_weights_too() -> None:
    focal = build_loss("focal", gamma=0, class_weights=WEIGHTS).double()
    torch.testing.assert_close(focal(Z, Y), build_loss("cross-entropy", class_weights=WEIGHTS).double()(Z, Y))


@pytest.mark.parametrize("name", ["cross-entropy", "focal", "bce-with-logits"])
def test_a_weight_belongs_to_the_sample_s_class_and_not_to_where_smoothing_puts_a_part_of_it(name: str) -> None:
    weighted = build_loss(name, label_smoothing=0.1, class_weights=WEIGHTS).double()
    plain = build_loss(name, label_smoothing=0.1, reduction="none")
    w = torch.tensor(WEIGHTS, dtype=torch.float64)[Y]
    one = plain(Z, Y).reshape(40, -1).mean(dim=1)
    torch.testing.assert_close(weighted(Z, Y), (w * one).sum() / w.sum())
    if name != "bce-with-logits":  # mix-up's labels: each part keeps the weight of its class
        two, other = plain(Z, Y.roll(1)), w.roll(1)
        blend = 0.3 * F.one_hot(Y, 5).double() + 0.7 * F.one_hot(Y.roll(1), 5).double()
        expected = (0.3 * w * one + 0.7 * other * two).sum() / (0.3 * w + 0.7 * other).sum()
        torch.testing.assert_close(weighted(Z, blend), expected)


def test_smoothing_does_not_turn_a_rare_class_against_the_common_ones() -> None:
    """At 40 to 1 with balanced weights, logits that fit must cost less than such that call everything rare."""
    labels = torch.tensor([0] * 200 + [1] * 200 + [2] * 5)
    loss = build_loss("cross-entropy", label_smoothing=0.1, class_weights=[405 / 600, 405 / 600, 27.0])
    right = torch.eye(3)[labels] * 4
    z = torch.zeros(405, 3, requires_grad=True)
    loss(z, labels).backward()
    assert (z.grad[:200].argmin(1) == 0).all()  # a common sample is pulled to its own class
    assert loss(right, labels) < loss(torch.eye(3)[torch.full((405,), 2)] * 4, labels)


@pytest.mark.parametrize(("name", "made"), [("nll", "cross-entropy"), ("bce", "bce-with-logits")])
def test_what_takes_probabilities_is_trained_on_logits_as_its_safe_form(name: str, made: str) -> None:
    loss = build_loss(name, of_logits=True)
    torch.testing.assert_close(loss(Z * 50, Y), build_loss(made)(Z * 50, Y))
    soft = F.softmax(Z, 1)
    torch.testing.assert_close(loss(Z, soft), build_loss(made)(Z, soft))


def test_hinge_is_scikit_learn_s_for_two_classes_and_brute_force_for_more() -> None:
    two, sides = Z[:, :2], Y % 2
    lead = (two[:, 1] - two[:, 0]).numpy()
    expected = sklearn.metrics.hinge_loss(sides.numpy() * 2 - 1, lead)
    assert build_loss("hinge")(two, sides).item() == pytest.approx(expected / 2)  # torch divides by the classes
    brute = sum(max(0.0, 1 - Z[i, Y[i]].item() + Z[i, k].item()) for i in range(40) for k in range(5) if k != Y[i])
    assert build_loss("hinge", reduction="sum")(Z, Y).item() == pytest.approx(brute / 5)


def test_hinge_refuses_soft_labels() -> None:
    with pytest.raises(UsageError, match="needs hard labels"):
        build_loss("hinge")(Z, F.softmax(Z, 1))


def test_kl_is_nought_only_for_equal_distributions_and_not_symmetric() -> None:
    p, q = F.softmax(Z, 1), F.softmax(Z.roll(1, 0), 1)
    kl = build_loss("kl")
    assert kl(p.log(), p).item() == pytest.approx(0, abs=1e-12)
    assert kl(q.log(), p) > 0
    assert kl(q.log(), p).item() != pytest.approx(kl(p.log(), q).item())
    by_hand = (p * (p.log() - q.log())).sum(1).mean()
    torch.testing.assert_close(kl(q.log(), p), by_hand)


@pytest.mark.parametrize(("name", "outlier"), [("mse", 10_000.0), ("l1", 100.0), ("smooth-l1", 99.5), ("huber", 99.5)])
def test_regression_losses_weigh_an_outlier_as_they_should(name: str, outlier: float) -> None:
    assert build_loss(name)(torch.tensor([[100.0]]), torch.tensor([0.0])).item() == pytest.approx(outlier)


def test_regression_losses_take_one_hot_rows_for_labels() -> None:
    torch.testing.assert_close(build_loss("mse")(Z, Y), (Z - F.one_hot(Y, 5)).square().mean())


def test_ranking_losses_are_their_formulas() -> None:
    a, b, c = Z[:8], Z[8:16], Z[16:24]
    y = torch.tensor([1, -1] * 4)
    first, second = a[:, 0], b[:, 0]
    torch.testing.assert_close(
        build_loss("margin-ranking", margin=0.3)(first, second, y.double()),
        (-y * (first - second) + 0.3).clamp_min(0).mean(),
    )
    d_p, d_n = (a - b + 1e-6).norm(dim=1), (a - c + 1e-6).norm(dim=1)
    torch.testing.assert_close(build_loss("triplet", margin=2)(a, b, c), (2 + d_p - d_n).clamp_min(0).mean())
    share = d_p.exp() / (d_p.exp() + d_n.exp())
    torch.testing.assert_close(build_loss("triplet-ratio")(a, b, c), share.square().mean())
    same = y > 0
    expected = torch.where(same, d_p**2 / 2, (3 - d_p).clamp_min(0) ** 2 / 2).mean()
    torch.testing.assert_close(build_loss("contrastive", margin=3)(a, b, same), expected)
    cos = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))
    expected = torch.where(same, 1 - cos, (cos - 0.1).clamp_min(0)).mean()
    torch.testing.assert_close(build_loss("cosine-embedding", margin=0.1)(a, b, y), expected)


def test_hardest_triplets_are_those_of_brute_force() -> None:
    embeddings, labels = torch.randn(20, 4), torch.arange(20) % 6
    labels[19] = 9  # alone in its class
    anchors, positives, negatives = (t.tolist() for t in hardest_triplets(embeddings, labels))
    assert anchors == list(range(19))

    def distance(i: int, j: int) -> float:
        return (embeddings[i] - embeddings[j]).norm().item()

    for a, p, n in zip(anchors, positives, negatives, strict=True):
        assert p == max((j for j in range(20) if j != a and labels[j] == labels[a]), key=lambda j: distance(a, j))
        assert n == min((j for j in range(20) if labels[j] != labels[a]), key=lambda j: distance(a, j))


def test_a_batch_of_one_class_costs_nothing_and_keeps_the_graph() -> None:
    embeddings = torch.randn(4, 3, requires_grad=True)
    loss = build_loss("triplet-hard")(embeddings, torch.zeros(4, dtype=torch.int64))
    loss.backward()
    assert loss.item() == 0
    assert not embeddings.grad.any()


def test_batch_hard_triplets_pull_a_class_together() -> None:
    torch.manual_seed(0)
    points, labels = torch.randn(60, 8), torch.arange(60) % 3
    net = nn.Linear(8, 4)
    optimiser, loss = build_optimiser("adam", net, lr=0.02), build_loss("triplet-hard", margin=1)
    values = []
    for _ in range(60):
        value = loss(net(points + 2 * F.one_hot(labels, 8)), labels)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert values[-1] < 0.7 * values[0]


# ------------------------------------------------------------------------------------------------ penalties


def trained(penalty, decay: float = 0.0, optimiser: str = "sgd") -> torch.Tensor:
    torch.manual_seed(0)
    x = torch.randn(200, 10, dtype=torch.float64)
    target = x[:, :2].sum(dim=1, keepdim=True)
    net = nn.Linear(10, 1).double()
    steps = build_optimiser(optimiser, net, lr=0.05, weight_decay=decay)
    for _ in range(300):
        loss = F.mse_loss(net(x), target) + penalty(net)
        steps.zero_grad()
        loss.backward()
        steps.step()
    return net.weight.detach()[0]


def test_half_an_l2_penalty_is_weight_decay_for_sgd_but_not_for_adam() -> None:
    for rule, alike in (("sgd", True), ("adamw", False)):
        penalised, decayed = trained(lambda net: l2_penalty(net, 0.05), 0.0, rule), trained(lambda net: 0.0, 0.1, rule)
        assert torch.allclose(penalised, decayed, atol=1e-6) == alike


def test_l1_makes_useless_weights_vanish_and_l2_only_small() -> None:
    none, one, two = (
        trained(lambda net: 0.0),
        trained(lambda net: l1_penalty(net, 0.3)),
        trained(lambda net: l2_penalty(net, 0.3)),
    )
    assert one[2:].abs().max() < 0.02
    assert two.norm() < none.norm()
    assert one[:2].min() > 0.5


def test_penalties_spare_biases_and_frozen_weights() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 1))
    net[0].weight.requires_grad_(False)
    assert l2_penalty(net, 1.0).item() == pytest.approx(net[2].weight.square().sum().item())
    with pytest.raises(UsageError, match="needs trainable weights"):
        l1_penalty(nn.BatchNorm1d(2), 1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: build_loss("cross-entropy", label_smoothing=1.0), "label_smoothing must be"),
        (lambda: build_loss("cross-entropy", class_weights=[1.0, -1.0]), "none of them below 0"),
        (lambda: build_loss("mse", label_smoothing=0.1), "no option 'label_smoothing'"),
        (lambda: build_loss("focal", gamma=-1), "gamma must not be negative"),
        (lambda: build_loss("hinge", power=3), "power must be 1 or 2"),
        (lambda: build_loss("huber", delta=0), "delta must be above 0"),
        (lambda: build_loss("focal", gama=1), "did you mean 'gamma'"),
    ],
)
def test_what_cannot_be_is_refused(call, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call()


def test_an_unknown_loss_suggests_near_ones() -> None:
    with pytest.raises(UnknownName, match="did you mean 'cross-entropy'"):
        build_loss("crossentropy")


def test_class_weights_follow_the_module_to_another_dtype_and_stay_out_of_its_state() -> None:
    loss = build_loss("cross-entropy", class_weights=WEIGHTS)
    assert loss.double().class_weights.dtype == torch.float64
    assert not loss.state_dict()
