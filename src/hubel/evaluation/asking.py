"""Nets asked as their tasks ask them: what one says, or several together, and what each of them says.

Letters: M members, B batch, K classes or numbers, N samples, H W height and width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hubel.checkpoint import Classifier
from hubel.checkpoint.telling import net_that_tells
from hubel.metrics.probability import spread_of
from hubel.nn.modes import evaluating
from hubel.tasks import TASKS


@dataclass(frozen=True, kw_only=True)
class Said:
    """What was asked of a net, B …, and what it said; of several nets that answer together also what each of them said.

    Of classes answers are logits, or logarithms of probabilities.
    """

    inputs: torch.Tensor
    answers: torch.Tensor
    each: torch.Tensor | None = None
    """M B …; None for a net alone."""
    weights: np.ndarray | None = None
    """M: the share of each in the answer; None where they are alike."""
    features: torch.Tensor | None = None
    """B F: what the net saw, where that is needed to tell whether it knows what it is asked."""

    def spread(self, each_MNK: np.ndarray) -> np.ndarray:
        """N K: the standard deviation of what members say."""
        return spread_of(each_MNK, self.weights)


def ask(members: Sequence[Classifier], inputs: torch.Tensor) -> Said:
    """What one net says, or several together, to inputs as all of them take them, on their device."""
    if len(members) == 1:
        return _alone(members[0], inputs)
    lead = members[0]
    said = [_alone(member, inputs).answers for member in members]
    if not lead.class_names or TASKS.get(lead.task).mean == "pictures":
        each = torch.stack(said)
        return Said(inputs=inputs, answers=each.mean(0), each=each)
    logs = [one[..., order_of(member, lead)].log_softmax(-1) for one, member in zip(said, members, strict=True)]
    each = torch.stack(logs)
    return Said(inputs=inputs, answers=each.logsumexp(0) - float(np.log(len(members))), each=each)


def _alone(classifier: Classifier, inputs: torch.Tensor) -> Said:
    model: Any = classifier.model.to(inputs.device)
    task = TASKS.get(classifier.task)
    with evaluating(classifier.model), torch.inference_mode():
        inside = None if task.asks else net_that_tells(classifier, inputs)
        if inside is not None:
            both = inside(inputs).float()
            outputs = len(classifier.class_names)
            return Said(inputs=inputs, answers=both[:, :outputs], features=both[:, outputs:])
        if not callable(getattr(model, "each", None)):
            return Said(inputs=inputs, answers=task.answering(model)(inputs).float())
        each = model.each(inputs)  # several nets in one run
        return Said(inputs=inputs, answers=model.mean(each).float(), each=each, weights=np.array(model.weights))


def voices(members: Sequence[Classifier]) -> int:
    """How many nets answer: of a run that holds several all of them."""
    return sum(len(getattr(member.model, "weights", ())) or 1 for member in members)


def order_of(member: Classifier, lead: Classifier) -> list[int]:
    """Where the classes of `lead` stand in what `member` says: its own order may be another."""
    return [member.class_names.index(name) for name in lead.class_names]


def dissent(each_MBKHW: torch.Tensor, masks_BHW: torch.Tensor, weights_M: np.ndarray | None = None) -> torch.Tensor:
    """B H W: the share of the members that call a pixel otherwise than the mask. 0 exactly where all say the same.

    >>> each = torch.tensor([[[[[2.0, 1.0]], [[1.0, 2.0]]]], [[[[2.0, 3.0]], [[1.0, 2.0]]]]])
    >>> dissent(each, torch.tensor([[[0, 1]]])).tolist()
    [[[0.0, 0.5]]]
    """
    others = (each_MBKHW.argmax(2) != masks_BHW).float()  # M B H W
    many = len(each_MBKHW)
    shares = others.new_tensor(np.full(many, 1 / many) if weights_M is None else weights_M / weights_M.sum())
    return torch.einsum("mbhw,m->bhw", others, shares).clamp(0, 1)
