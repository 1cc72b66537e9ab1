"""What a training can minimise besides a loss of logits against labels: the one seam for learning without labels.

An `Objective` is a module with layers of its own (a projector, a decoder, a slowly following copy of the net). It is
given the net and a batch and answers with a loss for each sample; `Learner` makes net and objective one module, so that
the loop, its one step, clipping, micro-batches, several processes, saving and resuming are those of every training.

    answers = learner(images)      B losses, of images B … (two views of each: B 2 C H W)
    objective.follow(model)        after each update, for what is no gradient: a moving average

Letters: B samples, C channels, H height, W width, F features, D numbers of a projection.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from hubel.errors import UsageError
from hubel.nn.taps import find_module, pooled, watch

HIDDEN, PROJECTED = 512, 128
"""Units of the hidden layer of projector and predictor, and numbers they put out: an eighth of the paper's 4,096, and
half of its 256, for nets of a tenth of its ResNet-50."""
COLLAPSED = 0.1
"""Spread of features, of 1, below which a net that learns without labels is said to collapse."""
DECAY = 0.996
"""Of the following copy, for each update, at most: the paper's, for runs of 300,000 updates."""
FOLLOWED = 50
"""Into how many parts a run falls in each of which the copy forgets most of what it was."""


def usual_decay(updates: int) -> float:
    """How slowly a copy follows in a run of so many updates: in a fiftieth of it, else a short one would end with a
    copy that is still near its random start.

    >>> usual_decay(100), usual_decay(1_000), usual_decay(300_000)
    (0.5, 0.95, 0.996)
    """
    return min(DECAY, max(0.0, 1 - FOLLOWED / max(1, updates)))


class Objective(nn.Module):
    """What is minimised, with the layers that only training needs."""

    def losses(self, model: nn.Module, images: torch.Tensor) -> torch.Tensor:
        """B losses of a batch, with gradients."""
        raise NotImplementedError

    def follow(self, model: nn.Module) -> None:
        """Called after each update of the weights."""


class Learner(nn.Module):
    """A net and its objective as one module: images B … -> B losses."""

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.model, self.objective = model, objective
        self.stages = tuple(f"model.{stage}" for stage in getattr(model, "stages", ()))
        self.head = f"model.{model.head}"

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """B losses."""
        return self.objective.losses(self.model, images)


class MeanLoss(nn.Module):
    """The mean of losses that are known already, one a sample; targets are not looked at."""

    def forward(self, losses: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """B losses -> one number."""
        return losses.mean()


def represented(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """What enters the head of `model`, maps and sequences averaged: B F, with gradients.

    >>> from hubel.models import create_model
    >>> represented(create_model("resnet20", num_classes=3), torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 64])
    """
    seen: list[torch.Tensor] = []

    def keep(name: str, module: nn.Module, inputs: tuple[Any, ...], output: None) -> None:
        seen.append(inputs[0])

    head = str(model.head)
    with watch({head: find_module(model, head)}, keep, before=True):
        model(images)
    return pooled(seen[-1])


def perceptron(inputs: int, outputs: int, hidden: int = HIDDEN) -> nn.Sequential:
    """Dense, batch norm, ReLU, dense."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, outputs))


class Byol(Objective):
    """One view of a picture predicts how a slowly following copy of the net sees another view of it.

    Grill et al., Bootstrap Your Own Latent, arXiv:2006.07733: loss = 2 − 2 cos(q(g(f(v))), g'(f'(v'))), both ways,
    where f', g' follow f, g by `decay`. There are no negatives, so a small batch will do. With decay 0 the copy is the
    net itself, with no gradient through it: SimSiam (Chen & He, arXiv:2011.10566).
    """

    def __init__(self, model: nn.Module, image: torch.Tensor, decay: float = 0.99) -> None:
        """`image` (1 C H W, normalised) is one of the shape to come; raises UsageError for a net without a head."""
        super().__init__()
        if not getattr(model, "head", "") or not getattr(model, "stages", ()):
            raise UsageError(
                "the net does not say what its stages and its head are, so nothing can be learnt below the head",
                hint="a net needs the attributes `stages` and `head`; hubel models lists nets that have them",
            )
        self.decay = decay
        find_module(model, str(model.head)).requires_grad_(False)  # nothing flows through it, which DDP would wait for
        was = model.training
        with torch.no_grad():
            features = represented(model.eval(), image).shape[1]
        model.train(was)
        self.projector = perceptron(features, PROJECTED)
        self.predictor = perceptron(PROJECTED, PROJECTED)
        self.to(image.device)
        self.target = copy.deepcopy(model).requires_grad_(False)
        self.target_projector = copy.deepcopy(self.projector).requires_grad_(False)

    def losses(self, model: nn.Module, images: torch.Tensor) -> torch.Tensor:
        """B losses of pairs of views B 2 C H W: the mean of both directions, each from 0 to 4."""
        count = len(images)
        views = images.transpose(0, 1).flatten(0, 1)  # all first views, then all second ones
        predicted = self.predictor(self.projector(represented(model, views)))
        with torch.no_grad():
            targets = self.target_projector(represented(self.target, views))
        across = torch.cat([targets[count:], targets[:count]])
        apart = 2 - 2 * F.cosine_similarity(predicted.float(), across.float(), dim=1)
        return (apart[:count] + apart[count:]) / 2

    @torch.no_grad()
    def follow(self, model: nn.Module) -> None:
        """Let the copy follow: θ' -> decay θ' + (1 − decay) θ; statistics are its own, from what it is shown."""
        for copied, now in ((self.target, model), (self.target_projector, self.projector)):
            for theirs, ours in zip(copied.parameters(), now.parameters(), strict=True):
                theirs.lerp_(ours, 1 - self.decay)


def spread(features: torch.Tensor) -> float:
    """How far normalised features N F spread: 1 where they point everywhere alike, 0 where all point the same way.

    The standard deviation of each number of x / |x|, times √F, averaged (Chen & He, arXiv:2011.10566, section 4.1).

    >>> round(spread(torch.randn(500, 64, generator=torch.Generator().manual_seed(0))), 2), spread(torch.ones(9, 4))
    (1.0, 0.0)
    """
    normed = F.normalize(features.double(), dim=1)
    return float(normed.std(dim=0).mean() * features.shape[1] ** 0.5) if len(features) > 1 else 0.0


def found_again(first: torch.Tensor, second: torch.Tensor) -> float:
    """Share of samples whose second view (N F) is nearer, by the angle, to their own first view than to any other.

    What lies equally near counts as not found, so that a net that sees all alike finds nothing.

    >>> found_again(torch.eye(3), torch.eye(3)), found_again(torch.ones(3, 2), torch.ones(3, 2))
    (1.0, 0.0)
    """
    near = F.normalize(second.double(), dim=1) @ F.normalize(first.double(), dim=1).T
    own = near.diagonal().clone()
    near.fill_diagonal_(-2.0)
    return float((own > near.max(dim=1).values + 1e-9).double().mean()) if len(first) > 1 else 0.0
