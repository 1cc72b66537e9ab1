"""Loss functions by name, and the L1 and L2 penalties that may be added to any of them.

Letters: B batch, K classes, z logits (B K), p = softmax(z), y labels (B, int64) or soft labels (B K, rows sum to 1),
F features of an embedding, d a distance, m a margin.

Classification losses are called loss(logits, labels), with hard or soft labels alike. Those that compare pairs or
triplets of embeddings have arguments of their own; each entry of `LOSSES` says in `takes` what it is called with.

A penalty is part of the loss: λ Σ w² or λ Σ |w|, and its gradient goes through the optimiser like every gradient.
Weight decay (as AdamW and Muon have it) shrinks weights beside the step, untouched by any scaling. With plain SGD the
penalty λ/2 Σ w² and a weight decay of λ are the same thing; with Adam they are not. Only L1 drives weights to nought.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from hubel.errors import UsageError
from hubel.registry import Component, Registry, checked_options

__all__ = [
    "LOSSES",
    "Distillation",
    "Loss",
    "PixelLoss",
    "build_loss",
    "hardest_triplets",
    "l1_penalty",
    "l2_penalty",
    "one_hot",
    "softened",
]

Weights = Sequence[float] | torch.Tensor | None


@dataclass(frozen=True, kw_only=True)
class Loss(Component[Callable[..., nn.Module]]):
    """A loss; `build(**options)` makes the module."""

    takes: str = "logits, labels"
    """What the module is called with."""
    of_logits: Callable[..., nn.Module] | None = None
    """Makes the same loss for nets that give logits, where it takes something else that follows from them."""
    numbers: bool = False
    """Does it compare with numbers, as regression needs? Class labels count as one-hot rows then."""
    task: str = ""
    """The one task that it is made for, where it cannot train a classifier: "segment"."""
    soft: bool = True
    """Does it take soft labels, which mix-up and cut-mix make?"""

    @property
    def classifies(self) -> bool:
        """Can it train any classifier as it is: called with logits and labels?"""
        return self.takes == "logits, labels" and not self.task

    @property
    def trains(self) -> bool:
        """Can a run minimise it: from logits and labels, not from embeddings, pairs or triplets?"""
        return self.classifies or self.of_logits is not None

    @property
    def smooths(self) -> bool:
        """Does it know label smoothing?"""
        return "label_smoothing" in inspect.signature(self.build).parameters


LOSSES: Registry[Loss] = Registry("loss", listing="hubel components losses")


def build_loss(
    name: str,
    *,
    label_smoothing: float = 0.0,
    class_weights: Weights = None,
    of_logits: bool = False,
    **options: Any,
) -> nn.Module:
    """The loss called `name`, a module that maps a batch to a scalar.

    `label_smoothing` ε gives that share of each label to all classes alike (Szegedy et al., arXiv:1512.00567, section
    7); `class_weights` (K) make some classes count more; `of_logits` makes the form that a net giving
    logits is trained with, where the loss itself takes probabilities or their logarithms. `options` are the loss's own
    (gamma, margin, delta, beta, reduction); None means its usual value.

    Raises UnknownName, and UsageError for an option the loss does not have.

    >>> loss = build_loss("cross-entropy", label_smoothing=0.1)
    >>> round(loss(torch.tensor([[2.0, 0.0, -2.0]]), torch.tensor([0])).item(), 4)
    0.3429
    >>> build_loss("hinge", temperature=3)
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: loss 'hinge' has no option 'temperature'
      it takes: margin, power, class_weights, reduction
    """
    entry = LOSSES.get(name)
    given = dict(options)
    if label_smoothing:
        given["label_smoothing"] = label_smoothing
    if class_weights is not None:
        given["class_weights"] = class_weights
    build = entry.of_logits if of_logits and entry.of_logits is not None else entry.build
    return build(**checked_options(f"loss {name!r}", build, given))


def mass(loss: nn.Module, targets: torch.Tensor) -> torch.Tensor | int:
    """What the mean of `loss` over `targets` (B, or B K) divides by: the samples, or the sum of their class weights.

    Means over parts of a batch, each times its mass, sum up to the mean over the whole batch times the whole mass.

    >>> labels = torch.tensor([0, 0, 1])
    >>> mass(build_loss("cross-entropy"), labels)
    3
    >>> float(mass(build_loss("cross-entropy", class_weights=[1.0, 4.0]), labels))
    6.0
    """
    return loss.mass(targets) if isinstance(loss, _Loss) else len(targets)


def one_hot(labels: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Labels (B, int64) as rows with a single 1 (B K, dtype of `like` B K); soft labels (B K) and targets pass through.

    Labels of pixels (B H W) become B K H W.

    >>> one_hot(torch.tensor([1, 0]), torch.zeros(2, 3))
    tensor([[0., 1., 0.],
            [1., 0., 0.]])
    """
    if labels.is_floating_point():  # soft labels, or the targets of a regression: B next to an output of B 1
        return labels.to(like.dtype).reshape(like.shape)
    return F.one_hot(labels, like.shape[1]).movedim(-1, 1).to(like.dtype)


class _Loss(nn.Module):
    """Checks and keeps what several losses share; `class_weights` is a buffer, so that it follows the device."""

    class_weights: torch.Tensor | None

    def __init__(self, reduction: str, class_weights: Weights = None, label_smoothing: float = 0.0) -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise UsageError(f"reduction must be mean, sum or none, got {reduction!r}", hint="mean is usual")
        if not 0 <= label_smoothing < 1:
            raise UsageError(f"label_smoothing must be from 0 to below 1, got {label_smoothing}", hint="0.1 is usual")
        weights = None if class_weights is None else torch.as_tensor(class_weights, dtype=torch.float32)
        if weights is not None and (weights.ndim != 1 or not bool((weights >= 0).all())):
            raise UsageError(
                f"class_weights must be one number for each class, none of them below 0; got {weights.tolist()}",
                hint="leave class_weights out to weigh all classes alike",
            )
        self.reduction = reduction
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weights", weights, persistent=False)

    def smoothed(self, labels: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """B K: the labels as rows, smoothed; each row sums to 1, or to the weight of the sample's class.

        The weight comes first: it belongs to the sample, and not to the classes among which smoothing spreads a part.
        """
        targets = one_hot(labels, logits)
        if self.class_weights is not None:
            targets = targets * self.class_weights.to(targets.dtype)
        if self.label_smoothing:
            even = (targets.sum(dim=1, keepdim=True) / logits.shape[1]).expand_as(targets)
            targets = torch.lerp(targets, even, self.label_smoothing)
        return targets

    def sample_weights(self, labels: torch.Tensor) -> torch.Tensor | None:
        """B: the weight of each sample's class; of soft labels the mean. None where all classes weigh the same."""
        weights = self.class_weights
        if weights is None:
            return None
        return labels.to(weights.dtype) @ weights if labels.is_floating_point() else weights[labels]

    def mass(self, targets: torch.Tensor) -> torch.Tensor | int:
        """What the mean divides by: the samples, or the sum of their weights."""
        weights = self.sample_weights(targets)
        return len(targets) if weights is None else weights.sum()

    def reduced(self, each: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
        """Mean (weighted if there is a `weight`), sum, or `each` as it is."""
        if self.reduction == "none":
            return each
        if self.reduction == "sum":
            return each.sum()
        return each.mean() if weight is None else each.sum() / weight.sum()

    def extra_repr(self) -> str:
        return f"reduction={self.reduction}"


class CrossEntropy(_Loss):
    """−w_y Σ_k y_k log p_k. With weights "mean" divides by the sum of the weights used (as in C62)."""

    def __init__(self, label_smoothing: float = 0.0, class_weights: Weights = None, reduction: str = "mean") -> None:
        super().__init__(reduction, class_weights, label_smoothing)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        # torch smooths first and weighs then: at 28 to 1 the few common samples would pull towards the rare class.
        if self.class_weights is None or not (self.label_smoothing or labels.is_floating_point()):
            smoothing = self.label_smoothing
            return F.cross_entropy(
                logits, labels, self.class_weights, reduction=self.reduction, label_smoothing=smoothing
            )
        costs = -self.smoothed(labels, logits) * F.log_softmax(logits, dim=1)
        return self.reduced(costs.sum(dim=1), self.sample_weights(labels))


class NegativeLogLikelihood(_Loss):
    """−w_y x_y where x are log-probabilities: for nets that end in a log-softmax. Labels B, `ignore_index` left out."""

    def __init__(self, class_weights: Weights = None, reduction: str = "mean", ignore_index: int = -100) -> None:
        super().__init__(reduction, class_weights)
        self.ignore_index = ignore_index

    def forward(self, log_probabilities: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return F.nll_loss(
            log_probabilities, labels, self.class_weights, reduction=self.reduction, ignore_index=self.ignore_index
        )

    def mass(self, targets: torch.Tensor) -> torch.Tensor | int:
        """As for all losses, without what is ignored."""
        counted = targets[targets != self.ignore_index]
        weights = self.sample_weights(counted)
        return len(counted) if weights is None else weights.sum()


class Focal(_Loss):
    """−w_y Σ_k y_k (1 − p_k)^γ log p_k: samples that are right already count little; γ = 0 is the cross-entropy."""

    def __init__(
        self, gamma: float = 2.0, label_smoothing: float = 0.0, class_weights: Weights = None, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction, class_weights, label_smoothing)
        if gamma < 0:
            raise UsageError(f"gamma must not be negative, got {gamma}", hint="2 is usual, 0 is the cross-entropy")
        self.gamma = gamma

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        log_p = F.log_softmax(logits, dim=1)
        # 1 − p through expm1: exact where p is close to 1, which is where this loss lives. The floor keeps the slope of
        # (1 − p)^γ finite for γ < 1.
        missing = (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).tiny)
        costs = -self.smoothed(labels, logits) * missing**self.gamma * log_p
        return self.reduced(costs.sum(dim=1), self.sample_weights(labels))


class Hinge(_Loss):
    """w_y Σ_{k≠y} max(0, m − z_y + z_k)^power / K: the hinge for several classes. Hard labels only."""

    def __init__(
        self, margin: float = 1.0, power: int = 1, class_weights: Weights = None, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction, class_weights)
        if power not in (1, 2):
            raise UsageError(f"power must be 1 or 2, got {power}", hint="1 is the hinge, 2 its square")
        self.margin, self.power = margin, power

    def mass(self, targets: torch.Tensor) -> torch.Tensor | int:
        """The samples: torch's hinge divides by them, not by their weights."""
        return len(targets)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if labels.ndim > 1:
            raise UsageError(
                f"the hinge loss needs hard labels B, got soft ones of shape {tuple(labels.shape)}",
                hint="leave out mix-up and cut-mix, or use cross-entropy",
            )
        return F.multi_margin_loss(
            logits, labels, p=self.power, margin=self.margin, weight=self.class_weights, reduction=self.reduction
        )


class BinaryCrossEntropy(_Loss):
    """−w_y [y log x + (1−y) log(1−x)], a yes or no for every class; x are probabilities, or logits if `logits`.

    With logits nothing overflows; with probabilities a sure mistake costs at most 100 (torch clamps the logarithm).
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        class_weights: Weights = None,
        reduction: str = "mean",
        *,
        logits: bool,
    ) -> None:
        super().__init__(reduction, class_weights, label_smoothing)
        self.logits = logits

    def forward(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        targets = one_hot(labels, outputs)
        if self.label_smoothing:
            targets = torch.lerp(targets, torch.full_like(targets, 1 / outputs.shape[1]), self.label_smoothing)
        function = F.binary_cross_entropy_with_logits if self.logits else F.binary_cross_entropy
        costs = function(outputs, targets, reduction="none")  # B K
        weights = self.sample_weights(labels)
        if weights is None:
            return self.reduced(costs)
        return self.reduced(costs * weights[:, None], weights * outputs.shape[1])


class Asymmetric(_Loss):
    """−y (1 − p)^γ₊ log p − (1 − y) p_m^γ₋ log(1 − p_m), p = sigmoid(z), p_m = max(0, p − m): mean over B K.

    Of many labels few are there: what is surely absent counts nothing (Ridnik et al., arXiv:2009.14119).
    """

    def __init__(
        self, gamma: float = 4.0, gamma_there: float = 0.0, margin: float = 0.05, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        if gamma < 0 or gamma_there < 0 or not 0 <= margin < 1:
            raise UsageError(
                f"gamma and gamma_there must be at least 0 and margin in 0..1, got {gamma:g}, {gamma_there:g}, "
                f"{margin:g}",
                hint="4, 0 and 0.05 are usual",
            )
        self.gamma, self.gamma_there, self.margin = gamma, gamma_there, margin

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        there = one_hot(labels, logits)
        share = torch.sigmoid(logits)
        absent = (share - self.margin).clamp_min(0)
        costs = -there * (1 - share) ** self.gamma_there * F.logsigmoid(logits)
        costs = costs - (1 - there) * absent**self.gamma * torch.log1p(-absent.clamp_max(1 - 1e-7))
        return self.reduced(costs)


class KullbackLeibler(_Loss):
    """Σ_k y_k (log y_k − x_k), mean over the batch; x = log_softmax(z), which leaves log-probabilities as they are."""

    def __init__(self, label_smoothing: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction, None, label_smoothing)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        log_p = F.log_softmax(logits, dim=1)
        costs = F.kl_div(log_p, self.smoothed(labels, logits), reduction="none")
        return self.reduced(costs.sum(dim=1))


def softened(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """softmax(z / T): the answers of a net (N K logits) as a teacher gives them, the less sure the higher T is.

    >>> softened(torch.tensor([[4.0, 0.0]]), 1.0), softened(torch.tensor([[4.0, 0.0]]), 4.0)
    (tensor([[0.9820, 0.0180]]), tensor([[0.7311, 0.2689]]))
    """
    return torch.softmax(logits / temperature, dim=1)


class Distillation(_Loss):
    """(1 − a) L(z, y) + a T² Σ_k q_k (log q_k − log p_k), p = softmax(z / T), q the `softened` answers of a teacher.

    Called with logits B K, labels (B, or soft labels B K) and answers (B K, rows sum to 1), or without answers: then it
    is L alone. L is the loss `hard`, cross-entropy if not given, whose class weights hold for both parts. T² keeps the
    size of the soft part's gradient as it is at T = 1; for a high T that gradient is a (z_k − v_k − their mean) / K, v
    the teacher's logits, so that the logits themselves are matched (Hinton, Vinyals, Dean, arXiv:1503.02531, sections 2
    and 2.1).

    >>> loss = Distillation(temperature=2.0, teacher_weight=0.5)
    >>> z, v = torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 0.0]])
    >>> round(loss(z, torch.tensor([0]), softened(v, 2.0)).item(), 4)
    0.3371
    """

    def __init__(
        self,
        temperature: float = 4.0,
        teacher_weight: float = 0.9,
        label_smoothing: float = 0.0,
        class_weights: Weights = None,
        reduction: str = "mean",
        *,
        hard: nn.Module | None = None,
    ) -> None:
        super().__init__(reduction)
        if not temperature > 0:
            raise UsageError(f"temperature must be above 0, got {temperature}", hint="2.5 to 4 suit a small net")
        if not 0 < teacher_weight <= 1:
            raise UsageError(
                f"teacher_weight must be above 0 and at most 1, got {teacher_weight}",
                hint="0.9 is usual; without a teacher take another loss",
            )
        self.temperature, self.teacher_weight = temperature, teacher_weight
        self.hard = CrossEntropy(label_smoothing, class_weights, reduction) if hard is None else hard

    def mass(self, targets: torch.Tensor) -> torch.Tensor | int:
        """As for the loss of the labels."""
        return mass(self.hard, targets)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor, answers: torch.Tensor | None = None) -> torch.Tensor:
        hard: torch.Tensor = self.hard(logits, labels)
        if answers is None:
            return hard
        log_p = F.log_softmax(logits / self.temperature, dim=1)
        each = F.kl_div(log_p, answers.to(log_p.dtype), reduction="none").sum(dim=1) * self.temperature**2  # B
        weights = self.hard.sample_weights(labels) if isinstance(self.hard, _Loss) else None
        if weights is not None:
            each = each * weights
        soft = each if self.reduction == "none" else each.sum()
        if self.reduction == "mean":
            soft = soft / self.mass(labels)
        return (1 - self.teacher_weight) * hard + self.teacher_weight * soft


class LogitAdjusted(_Loss):
    """L(z + τ log π, y): a loss of logits that is told how frequent each class is, so that the logits need not be.

    Menon et al., Long-tail learning via logit adjustment, arXiv:2007.07314, equation 10: with τ = 1 the logits without
    the adjustment, which are those that answer, name the class under which the picture is likeliest were all classes
    equally frequent. `prior` K are the shares of the classes; one that is not there is taken as a sample's thousandth.

    >>> loss = LogitAdjusted(CrossEntropy(), [0.9, 0.1])
    >>> round(loss(torch.zeros(1, 2), torch.tensor([1])).item(), 4)  # -log 0.1
    2.3026
    """

    shift: torch.Tensor

    def __init__(self, loss: nn.Module, prior: Weights, tau: float = 1.0) -> None:
        super().__init__("mean")
        shares = torch.as_tensor(prior, dtype=torch.float32)
        if not tau > 0:
            raise UsageError(f"tau must be above 0, got {tau}", hint="1 is the published adjustment")
        if shares.ndim != 1 or not bool((shares >= 0).all()) or not float(shares.sum()) > 0:
            raise UsageError(f"a prior must be one share for each class, got {shares.tolist()}", hint="counts will do")
        self.loss = loss
        self.register_buffer("shift", tau * (shares / shares.sum()).clamp_min(1e-6).log(), persistent=False)

    def mass(self, targets: torch.Tensor) -> torch.Tensor | int:
        """As for the loss inside."""
        return mass(self.loss, targets)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.loss(logits + self.shift.to(logits.dtype), labels)
        return found


class Regression(_Loss):
    """A function of the difference to the target, mean over all outputs; class labels count as one-hot rows."""

    def __init__(self, function: Callable[..., torch.Tensor], reduction: str = "mean", **settings: float) -> None:
        super().__init__(reduction)
        if any(not value > 0 for value in settings.values()):
            raise UsageError(f"{' and '.join(settings)} must be above 0, got {settings}", hint="1 is usual")
        self.function, self.settings = function, settings

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return self.function(outputs, one_hot(targets, outputs), reduction=self.reduction, **self.settings)


class MarginRanking(_Loss):
    """max(0, −y (x₁ − x₂) + m) for scores x₁, x₂ (B) and y = 1 where x₁ should be the larger, −1 where x₂."""

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, first: torch.Tensor, second: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
        return F.margin_ranking_loss(first, second, order, margin=self.margin, reduction=self.reduction)


class Contrastive(_Loss):
    """y d² / 2 + (1 − y) max(0, m − d)² / 2 for embeddings B F and y = 1 for pairs of one class, 0 for others."""

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, first: torch.Tensor, second: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
        d = F.pairwise_distance(first, second)
        y = same.to(d.dtype)
        return self.reduced(y * d**2 / 2 + (1 - y) * (self.margin - d).clamp_min(0) ** 2 / 2)


class Triplet(_Loss):
    """max(0, m + d(a, p) − d(a, n)) for embeddings B F of an anchor, one of its class, and one of another class."""

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, anchor: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
        return F.triplet_margin_loss(anchor, positive, negative, margin=self.margin, reduction=self.reduction)


class TripletRatio(_Loss):
    """The squared share of d(a, p) in a softmax with d(a, n): no margin, only their relation counts."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, anchor: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
        near_by, far_off = F.pairwise_distance(anchor, positive), F.pairwise_distance(anchor, negative)
        return self.reduced(torch.sigmoid(near_by - far_off) ** 2)


class BatchHardTriplet(_Loss):
    """The triplet loss on the hardest triplets of a batch: embeddings B F and labels B, as a training loop has them."""

    def __init__(self, margin: float = 0.2, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        anchor, positive, negative = hardest_triplets(embeddings, labels)
        if len(anchor) == 0:  # one class only: nothing to tell apart, but the graph must stay
            return embeddings.sum() * 0
        triples = (embeddings[anchor], embeddings[positive], embeddings[negative])
        return F.triplet_margin_loss(*triples, margin=self.margin, reduction=self.reduction)


class CosineEmbedding(_Loss):
    """1 − cos for pairs of embeddings B F with y = 1, max(0, cos − m) with y = −1."""

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, first: torch.Tensor, second: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
        return F.cosine_embedding_loss(first, second, same, margin=self.margin, reduction=self.reduction)


def hardest_triplets(embeddings: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Indices (anchor, positive, negative): for each sample the farthest of its class and the nearest of another.

    Samples without a partner of their class, or with nobody of another, are left out. Hermans, Beyer, Leibe,
    arXiv:1703.07737, equation 5. Embeddings B F, labels B.

    >>> hardest_triplets(torch.tensor([[0.0], [1.0], [5.0], [3.0]]), torch.tensor([0, 0, 0, 1]))
    (tensor([0, 1, 2]), tensor([2, 2, 0]), tensor([3, 3, 3]))
    """
    with torch.no_grad():
        distances = torch.cdist(embeddings, embeddings)
    same = labels[:, None] == labels
    partner = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    positive = distances.masked_fill(~partner, -torch.inf).argmax(dim=1)
    negative = distances.masked_fill(same, torch.inf).argmin(dim=1)
    anchor = (partner.any(dim=1) & ~same.all(dim=1)).nonzero().squeeze(1)
    return anchor, positive[anchor], negative[anchor]


class Elbo(_Loss):
    """½ Σ (x − x̂)² + β KL(N(μ, σ²) ‖ N(0, 1)), each divided by the number of pixels, mean over the batch.

    The negative evidence lower bound of a variational autoencoder whose pictures have noise of deviation 1 (Kingma &
    Welling, arXiv:1312.6114, equation 10). Called with pictures given back and pictures (B C H W each), then mean and
    log-variance of the code (B D each); without those, as a finished net answers, the KL part is left out.
    """

    takes_all = True

    def __init__(self, beta: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        if not beta >= 0:
            raise UsageError(f"beta must be at least 0, got {beta}", hint="1 is the bound itself")
        self.beta = beta

    def forward(
        self,
        given: torch.Tensor,
        pictures: torch.Tensor,
        mean: torch.Tensor | None = None,
        log_variance: torch.Tensor | None = None,
    ) -> torch.Tensor:
        pixels = pictures[0].numel()
        costs = (given - pictures).square().flatten(1).sum(1) / 2
        if mean is not None and log_variance is not None:
            mean, log_variance = mean.float(), log_variance.float()
            costs = costs + self.beta / 2 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1)
        return self.reduced(costs / pixels)


class GaussianNLL(_Loss):
    """½ mean [(x − μ)² / σ² + log σ² / f²] over all numbers of a sample: the negative log-likelihood of a normal
    distribution, counted from that of the surest right answer (σ = f), so that 0 is the least.

    Called with means and what was right (B … each), then the log-variance (B …); without that, as a finished net
    answers, σ is 1. Nix & Weigend, ICNN 1994.

    >>> answer, truth = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 2.2]])
    >>> surest = torch.full((1, 2), 2 * math.log(0.1))
    >>> round(float(GaussianNLL()(answer, truth, surest)), 4), round(float(GaussianNLL()(answer, truth)), 4)
    (1.0, 2.3126)
    """

    takes_all = True

    def __init__(self, floor: float = 0.1, reduction: str = "mean") -> None:
        super().__init__(reduction)
        if not floor > 0:
            raise UsageError(f"floor must be above 0, got {floor}", hint="0.1 of the pixels' deviation is usual")
        self.least = 2 * math.log(floor)

    def forward(
        self, given: torch.Tensor, truth: torch.Tensor, log_variance: torch.Tensor | None = None
    ) -> torch.Tensor:
        spread = torch.zeros_like(given) if log_variance is None else log_variance.float().clamp_min(self.least)
        costs = F.gaussian_nll_loss(given, truth, spread.exp(), reduction="none", eps=math.exp(self.least) / 2)
        return self.reduced((costs - self.least / 2).flatten(1).mean(1))


class PairLoss(_Loss):
    """Losses of pairs and triplets over all that a batch holds: embeddings B D of length 1 and labels B to one number.

    contrastive, cosine-embedding    all pairs, those of one class and those of two counting as one half each
    triplet                          every pair of one class with the nearest stranger that is farther than the friend
                                     (semi-hard: Schroff et al., arXiv:1503.03832), or the nearest where none is
    triplet-hard                     the farthest friend and the nearest stranger of each (arXiv:1703.07737)
    margin-ranking, triplet-ratio    the same triplets as triplet-hard
    """

    MARGINS: ClassVar[dict[str, float]] = {
        "contrastive": 1.0, "cosine-embedding": 0.2, "triplet": 0.2, "triplet-hard": 0.2, "margin-ranking": 0.2,
    }  # fmt: skip

    def __init__(self, name: str) -> None:
        super().__init__("mean")
        margin: dict[str, Any] = {"margin": self.MARGINS[name]} if name in self.MARGINS else {}
        self.name = name
        self.each = None if name == "triplet-hard" else build_loss(name, reduction="none", **margin)
        self.hard = build_loss(name, **margin) if name == "triplet-hard" else None

    def forward(self, embedded: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if self.hard is not None:
            return self.hard(embedded, labels)
        assert self.each is not None
        if self.name in ("contrastive", "cosine-embedding"):
            return self._pairs(embedded, labels)
        found = semi_hard_triplets(embedded, labels) if self.name == "triplet" else hardest_triplets(embedded, labels)
        anchor, friend, stranger = (embedded[rows] for rows in found)
        if not len(anchor):
            return embedded.sum() * 0  # nothing to tell apart, but the graph must stay
        if self.name == "margin-ranking":
            near_by, far_off = F.pairwise_distance(anchor, friend), F.pairwise_distance(anchor, stranger)
            return self.each(-near_by, -far_off, torch.ones_like(near_by)).mean()
        return self.each(anchor, friend, stranger).mean()

    def _pairs(self, embedded: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        assert self.each is not None
        first, second = torch.triu_indices(len(labels), len(labels), offset=1, device=labels.device)
        same = labels[first] == labels[second]
        signs = torch.where(same, 1, -1) if self.name == "cosine-embedding" else same
        costs = self.each(embedded[first], embedded[second], signs)
        parts = [costs[kind].mean() for kind in (same, ~same) if bool(kind.any())]
        return torch.stack(parts).mean()


class PixelLoss(_Loss):
    """Losses of pixels: logits B K H W and masks B H W (classes; 255 counts nowhere) to one number.

    The mean over pictures, so that parts of a batch add up. `each` takes logits B K H W and labels B H W with reduction
    "none", its mean is that over the pixels of a picture; `overlap` adds 1 − Dice, the mean over the classes that a
    picture shows (Milletari, Navab, Ahmadi, V-Net, arXiv:1606.04797, with sums instead of squares).

    >>> logits = torch.full((1, 2, 2, 2), -20.0).scatter(1, torch.tensor([[[[0, 1], [1, 0]]]]), 20.0)
    >>> loss = PixelLoss.called("cross-entropy-dice")
    >>> round(float(loss(logits, torch.tensor([[[0, 1], [1, 0]]], dtype=torch.uint8))), 4)
    0.0
    """

    NOTHING = 255

    def __init__(self, each: nn.Module | None, *, overlap: bool = False, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.each, self.overlap = each, overlap

    @classmethod
    def called(cls, name: str, reduction: str = "mean") -> PixelLoss:
        """The one of that name: "dice", "cross-entropy-dice", or a loss of logits and labels."""
        each, both, last = name.rpartition("-dice") if name != "dice" else ("", "", "")
        return cls(
            None if name == "dice" else build_loss(each if both else last, reduction="none"),
            overlap=bool(both) or name == "dice",
            reduction=reduction,
        )

    def forward(self, logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        labels = masks.long()
        known = labels != self.NOTHING  # B H W
        labels = labels.masked_fill(~known, 0)
        total = logits.new_zeros(len(logits))
        if self.each is not None:
            costs = self.each(logits, labels)  # B H W
            total = total + (costs * known).sum((1, 2)) / known.sum((1, 2)).clamp_min(1)
        if self.overlap:
            classes = torch.arange(logits.shape[1], device=logits.device)[:, None, None]
            shares = torch.softmax(logits, dim=1) * known[:, None]
            truth = (labels[:, None] == classes) & known[:, None]  # B K H W
            both, there = (shares * truth).sum((2, 3)), truth.sum((2, 3))  # B K
            lost = (1 - (2 * both + 1) / (shares.sum((2, 3)) + there + 1)) * (there > 0)
            total = total + lost.sum(1) / (there > 0).sum(1).clamp_min(1)
        return self.reduced(total)


def semi_hard_triplets(
    embeddings: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Indices (anchor, friend, stranger): each ordered pair of one class with the nearest stranger beyond the friend.

    Where no stranger is farther than the friend, the farthest one there is: the nearest of all would let the net
    collapse early on (Schroff et al., arXiv:1503.03832, section 3.2). Embeddings B F, labels B.

    >>> semi_hard_triplets(torch.tensor([[0.0], [1.0], [3.0], [9.0]]), torch.tensor([0, 0, 1, 1]))
    (tensor([0, 1, 2, 3]), tensor([1, 0, 3, 2]), tensor([2, 2, 0, 1]))
    """
    with torch.no_grad():
        apart = torch.cdist(embeddings, embeddings)
    same = labels[:, None] == labels
    anchor, friend = (same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)).nonzero(as_tuple=True)
    beyond = apart[anchor].masked_fill(same[anchor], torch.inf)  # pairs B
    beyond = beyond.masked_fill(beyond <= apart[anchor, friend][:, None], torch.inf)
    nearest, stranger = beyond.min(dim=1) if len(anchor) else (apart.new_zeros(0), anchor)
    if len(anchor):
        farthest = apart[anchor].masked_fill(same[anchor], -torch.inf).argmax(dim=1)
        stranger = torch.where(torch.isinf(nearest), farthest, stranger)
    known = ~same.all(dim=1)[anchor]
    return anchor[known], friend[known], stranger[known]


def l2_penalty(model: nn.Module, strength: float) -> torch.Tensor:
    """strength · Σ w² over the weights (parameters of two or more dimensions; biases and scales are spared). A scalar.

    >>> net = nn.Linear(2, 1)
    >>> _ = nn.init.constant_(net.weight, 3.0)
    >>> l2_penalty(net, 0.5).item(), l1_penalty(net, 0.5).item()
    (9.0, 3.0)
    """
    return strength * torch.stack([w.square().sum() for w in _weights(model)]).sum()


def l1_penalty(model: nn.Module, strength: float) -> torch.Tensor:
    """strength · Σ |w| over the weights: the same pull on large and small, so that small ones end at nought."""
    return strength * torch.stack([w.abs().sum() for w in _weights(model)]).sum()


def _weights(model: nn.Module) -> list[nn.Parameter]:
    weights = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    if not weights:
        raise UsageError(
            f"a penalty needs trainable weights, {type(model).__name__} has none", hint="leave the penalty out"
        )
    return weights


def _mse(reduction: str = "mean") -> nn.Module:
    return Regression(F.mse_loss, reduction)


def _l1(reduction: str = "mean") -> nn.Module:
    return Regression(F.l1_loss, reduction)


def _smooth_l1(beta: float = 1.0, reduction: str = "mean") -> nn.Module:
    return Regression(F.smooth_l1_loss, reduction, beta=beta)


def _huber(delta: float = 1.0, reduction: str = "mean") -> nn.Module:
    return Regression(F.huber_loss, reduction, delta=delta)


def _nll_of_logits(class_weights: Weights = None, reduction: str = "mean") -> nn.Module:
    return CrossEntropy(0.0, class_weights, reduction)  # log-softmax and negative log-likelihood in one


def _bce(label_smoothing: float = 0.0, class_weights: Weights = None, reduction: str = "mean") -> nn.Module:
    return BinaryCrossEntropy(label_smoothing, class_weights, reduction, logits=False)


def _dice(reduction: str = "mean") -> nn.Module:
    return PixelLoss.called("dice", reduction)


def _cross_entropy_dice(reduction: str = "mean") -> nn.Module:
    return PixelLoss.called("cross-entropy-dice", reduction)


def _bce_with_logits(label_smoothing: float = 0.0, class_weights: Weights = None, reduction: str = "mean") -> nn.Module:
    return BinaryCrossEntropy(label_smoothing, class_weights, reduction, logits=True)


for name, entry in {
    "cross-entropy": Loss(
        title="Cross-entropy", build=CrossEntropy, formula="−w_y Σ y_k log p_k, p = softmax(z)",
        source="Cox 1958; Bridle 1990", note="The loss for classes; log-softmax and NLL in one, safe for any logits.",
        rows=("C63", "C71", "C74"),
    ),
    "nll": Loss(
        title="Negative log-likelihood", build=NegativeLogLikelihood, formula="−w_y x_y, x log-probabilities",
        source="Fisher 1922", note="For nets that end in log-softmax.", rows=("C62",),
        takes="log-probabilities, labels", of_logits=_nll_of_logits,
    ),
    "focal": Loss(
        title="Focal loss", build=Focal, formula="−w_y Σ y_k (1 − p_k)^γ log p_k",
        source="Lin et al., arXiv:1708.02002", note="For rare classes among many easy samples.",
    ),
    "hinge": Loss(
        title="Multi-class hinge", build=Hinge, soft=False, formula="w_y Σ_{k≠y} max(0, m − z_y + z_k) / K",
        source="Crammer & Singer, JMLR 2, 2001; Weston & Watkins 1999 for the sum", note="A linear SVM as a layer.",
    ),
    "mse": Loss(
        title="Mean squared error, L2", build=_mse, numbers=True, formula="mean (x − y)²", source="Gauss 1809",
        note="For regression; outliers weigh heavily. Classes count as one-hot rows.", rows=("C59",),
    ),
    "l1": Loss(
        title="Mean absolute error, L1", build=_l1, numbers=True, formula="mean |x − y|", source="Laplace 1774",
        note="For regression with outliers.", rows=("C60",),
    ),
    "smooth-l1": Loss(
        title="Smooth L1", build=_smooth_l1, numbers=True, formula="½ d² / β if |d| < β else |d| − ½ β, d = x − y",
        source="Girshick, arXiv:1504.08083", note="Round at the bottom, straight for outliers.", rows=("C61",),
    ),
    "huber": Loss(
        title="Huber", build=_huber, numbers=True, formula="½ d² if |d| < δ else δ (|d| − ½ δ)",
        source="Huber, Annals of Mathematical Statistics 35, 1964", note="δ times smooth L1.",
    ),
    "bce": Loss(
        title="Binary cross-entropy", build=_bce, formula="−w_y [y log x + (1 − y) log(1 − x)], x probabilities",
        source="Good 1952", note="Needs probabilities; prefer the form with logits.", rows=("C64",),
        takes="probabilities, labels", of_logits=_bce_with_logits,
    ),
    "bce-with-logits": Loss(
        title="Binary cross-entropy with logits", build=_bce_with_logits, formula="the same with x = sigmoid(z)",
        source="Good 1952", note="A yes or no for each class; safe for any logits.", rows=("C65",),
    ),
    "asymmetric": Loss(
        title="Asymmetric", build=Asymmetric,
        formula="−y (1 − p)^γ₊ log p − (1 − y) p_m^γ₋ log(1 − p_m), p_m = max(0, p − m)",
        source="Ridnik et al., arXiv:2009.14119", note="For many labels of which few are there.",
        takes="logits, labels", task="multilabel",
    ),
    "kl": Loss(
        title="Kullback–Leibler divergence", build=KullbackLeibler, formula="Σ y_k (log y_k − log p_k)",
        source="Kullback & Leibler, Annals of Mathematical Statistics 22, 1951",
        note="For soft labels and distillation; the cross-entropy less the entropy of y.", rows=("C66",),
    ),
    "distillation": Loss(
        title="Distillation", build=Distillation, formula="(1 − a) L(z, y) + a T² Σ q_k (log q_k − log p_k), p = "
        "softmax(z / T), q = softmax(v / T)",
        source="Hinton, Vinyals, Dean, arXiv:1503.02531",
        note="From a teacher with logits v: hubel train --teacher RUN. L is the loss of the labels.",
        takes="logits, labels, answers",
    ),
    "elbo": Loss(
        title="Negative evidence lower bound", build=Elbo, formula="½ Σ (x − x̂)² + ½ β Σ (μ² + σ² − 1 − log σ²)",
        source="Kingma & Welling, arXiv:1312.6114", note="For a net that answers with a distribution: vae.",
        takes="picture given back, picture, mean, log-variance", task="reconstruct", rows=("C66",),
    ),
    "gaussian-nll": Loss(
        title="Gaussian negative log-likelihood", build=GaussianNLL, formula="½ mean [(x − μ)² / σ² + log σ² / f²]",
        source="Nix & Weigend, ICNN 1994", note="For a net that tells how unsure each pixel is: neural_process.",
        takes="means, numbers, log-variance", task="reconstruct",
    ),
    "dice": Loss(
        title="Dice", build=_dice,
        formula="1 − mean over classes of (2 Σ p y + 1) / (Σ p + Σ y + 1)",
        source="Milletari, Navab, Ahmadi, arXiv:1606.04797", note="For small things on large pictures.",
        takes="logits of pixels, masks", task="segment",
    ),
    "cross-entropy-dice": Loss(
        title="Cross-entropy and Dice", build=_cross_entropy_dice,
        formula="−mean log p_y + (1 − Dice)", source="Isensee et al., nnU-Net, Nature Methods 18, 2021",
        note="Every pixel, and the area as a whole.", takes="logits of pixels, masks", task="segment",
    ),
    "margin-ranking": Loss(
        title="Margin ranking", build=MarginRanking, formula="max(0, −y (x₁ − x₂) + m)",
        source="Herbrich, Graepel, Obermayer 1999", rows=("C67",), takes="first, second, order", task="embed",
    ),
    "contrastive": Loss(
        title="Contrastive", build=Contrastive, formula="½ y d² + ½ (1 − y) max(0, m − d)²",
        source="Hadsell, Chopra, LeCun, CVPR 2006", note="For siamese nets.", rows=("C67", "C26"),
        takes="first, second, same", task="embed",
    ),
    "triplet": Loss(
        title="Triplet margin", build=Triplet, formula="max(0, m + d(a, p) − d(a, n))",
        source="Schroff, Kalenichenko, Philbin, arXiv:1503.03832", note="Choose hard negatives, else it is soon 0.",
        rows=("C68",), takes="anchor, positive, negative", task="embed",
    ),
    "triplet-hard": Loss(
        title="Batch-hard triplet", build=BatchHardTriplet, formula="max(0, m + farthest positive − nearest negative)",
        source="Hermans, Beyer, Leibe, arXiv:1703.07737", note="Trains an embedding in an ordinary training loop.",
        rows=("C67", "C68"), takes="embeddings, labels", task="embed",
    ),
    "triplet-ratio": Loss(
        title="Triplet ratio", build=TripletRatio, formula="(e^d(a,p) / (e^d(a,p) + e^d(a,n)))²",
        source="Hoffer & Ailon, arXiv:1412.6622", rows=("C69",), takes="anchor, positive, negative", task="embed",
    ),
    "cosine-embedding": Loss(
        title="Cosine embedding", build=CosineEmbedding, formula="1 − cos if y = 1, max(0, cos − m) if y = −1",
        source="Weston et al. 2008 (as torch.nn.CosineEmbeddingLoss)", rows=("C70",),
        takes="first, second, same", task="embed",
    ),
}.items():  # fmt: skip
    LOSSES.add(name, entry)
