"""Several nets that answer together: the mean of their probabilities, the cheapest way to a few tenths of a per cent.

    logits(x) = log 1/M Σ_m softmax(f_m(x))        M nets f_m of the same classes

Nets trained from different seeds err at different pictures, and what they share is more often right (L. Hansen,
P. Salamon, Neural Network Ensembles, IEEE PAMI 12, 1990). The winners of ImageNet's challenges were ensembles: seven
GoogLeNets, six ResNets. Members may differ in architecture; all cost their own time. With weights w_m (they sum to 1
and come from a greedy selection with repeats), and in the space of logits instead of probabilities:

    log Σ_m w_m softmax(f_m(x) / T_m)        Σ_m w_m log softmax(f_m(x) / T_m)

each member made honest by a temperature T_m first, so that none outvotes the others by being too sure of itself.
Of nets that say several labels each label is a question of two answers, there with the logit z or not with 0; the same
mean is taken of each question, and its log-odds are given back. Of numbers the mean is the mean. Nets that are asked
by a method of theirs, about each pixel, each step or for a picture given back, answer so together, too.

>>> nets = [nn.Linear(4, 3), nn.Linear(4, 3)]
>>> together = Ensemble(nets)
>>> x = torch.rand(5, 4)
>>> mean = sum(net(x).softmax(1) for net in nets) / 2
>>> torch.allclose(together(x).softmax(1), mean)
True
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from hubel.errors import UsageError
from hubel.models import create_model

__all__ = ["NAME", "SPACES", "Ensemble", "Voices", "apart", "build_ensemble"]

NAME = "ensemble"
"""What a checkpoint calls several nets that answer as one."""
SPACES = ("probability", "logit")
SPACES_OF = {"classes": SPACES, "labels": SPACES, "numbers": ("number",)}
"""Where the mean can be taken, by what the nets answer with: one of several classes, several labels, a number."""
ASKED = {"": -1, "reconstruct": -1, "segment": 1, "steps": -1}
"""By which method nets can be asked, "" for none but the net, and along which axis the K answers to a question lie."""
FIELDS = {"members", "weights", "temperatures", "space", "answers", "asks"}
MOST = 64
"""Members at most."""


class Ensemble(nn.Module):
    """Any nets of one task: inputs B … -> logits B K, the logarithm of the members' mean probabilities.

    `weights` (all alike if None) are shares of the answer, `temperatures` (1 if None) divide the logits of each,
    `answers` is what they answer with, and `space` where the mean is taken, one of `SPACES_OF[answers]`. `asks`, one of
    `ASKED`, is the method by which their task asks them; the ensemble has it then, and `each` tells what each of them
    says. `stages` and `head` are those of the first member, under `nets.0`. Raises UsageError for no member at all, or,
    when it is called, for members with different numbers of classes.
    """

    def __init__(
        self,
        nets: Sequence[nn.Module],
        *,
        weights: Sequence[float] | None = None,
        temperatures: Sequence[float] | None = None,
        space: str = "",
        answers: str = "classes",
        asks: str = "",
    ) -> None:
        super().__init__()
        if not nets:
            raise UsageError(
                "an ensemble needs at least one net, got none", hint="give a list of nets that know the same classes"
            )
        shares = _numbers("a weight", weights, len(nets))
        self.temperatures = _numbers("a temperature", temperatures, len(nets))
        if answers not in SPACES_OF:
            raise UsageError(f"the nets of an ensemble answer with {', '.join(SPACES_OF)}, got {answers!r}")
        space = space or SPACES_OF[answers][0]
        if space not in SPACES_OF[answers]:
            raise UsageError(f"the mean is taken in the space of {' or '.join(SPACES_OF[answers])}, got {space!r}")
        if asks not in ASKED:
            raise UsageError(f"nets are asked together by {', '.join(filter(None, ASKED))}, got {asks!r}")
        self.nets = nn.ModuleList(nets)
        self.weights = tuple(share / sum(shares) for share in shares)
        self.space, self.answers, self.asks = space, answers, asks
        if asks:  # so that an ensemble answers for pixels if its members do, and only then
            setattr(self, asks, self._asked)
        self.stages = tuple(f"nets.0.{stage}" for stage in getattr(nets[0], "stages", ()))
        self.head = f"nets.0.{head}" if (head := getattr(nets[0], "head", "")) else "nets.0"

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self._together([net(inputs) for net in self.nets], -1)

    def each(self, inputs: torch.Tensor) -> torch.Tensor:
        """What each member says, as its task asks it, made honest: M B …."""
        said = [getattr(net, self.asks)(inputs) if self.asks else net(inputs) for net in self.nets]
        return self._honest(said, ASKED[self.asks])

    def mean(self, each: torch.Tensor) -> torch.Tensor:
        """The answer that what each member says comes to: M B … -> B …."""
        axis = ASKED[self.asks]
        return self._mean(each, axis + 1 if axis >= 0 else axis)

    def _asked(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.mean(self.each(inputs))

    def _together(self, said: Sequence[torch.Tensor], axis: int) -> torch.Tensor:
        return self._mean(self._honest(said, axis), axis)

    def _honest(self, said: Sequence[torch.Tensor], axis: int) -> torch.Tensor:
        widths = [int(answer.shape[axis]) for answer in said]
        if len(set(widths)) > 1:
            raise UsageError(
                f"the nets of an ensemble must know the same classes, got {', '.join(map(str, widths))} of them",
                hint="train all of them on the same data",
            )
        return torch.stack([answer.float() / heat for answer, heat in zip(said, self.temperatures, strict=True)])

    def _mean(self, together: torch.Tensor, axis: int) -> torch.Tensor:
        """M … -> …, the answers to a question along `axis`."""
        shares = together.new_tensor(self.weights)
        if self.answers == "labels":
            asked = torch.stack([together, torch.zeros_like(together)], dim=-1)  # M B K 2
            there, not_there = self._of_logs(asked.log_softmax(dim=-1), shares).unbind(dim=-1)
            return there - not_there
        if self.answers == "classes":
            return self._of_logs(together.log_softmax(dim=axis), shares)
        return (_over_members(shares, together) * together).sum(dim=0)

    def _of_logs(self, logs: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        """Logarithms of probabilities M … -> that of their mean."""
        if self.space == "logit":
            return (_over_members(shares, logs) * logs).sum(dim=0)
        return (logs + _over_members(shares.log(), logs)).logsumexp(dim=0)


class Voices(nn.Module):
    """An ensemble that tells behind its answer what each member says: B K … -> B (1 + M) K ….

    >>> both = Voices(Ensemble([nn.Linear(4, 3), nn.Linear(4, 3)]))(torch.rand(5, 4))
    >>> both.shape, [part.shape for part in apart(both, 2)]
    (torch.Size([5, 9]), [torch.Size([5, 3]), torch.Size([2, 5, 3])])
    """

    def __init__(self, together: Ensemble) -> None:
        super().__init__()
        self.together = together

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        each = self.together.each(inputs)
        return torch.cat([self.together.mean(each), *each], dim=1)


def apart(said: torch.Tensor, members: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What `Voices` said as the answer, B K …, and what each of its members said, M B K …."""
    answer, *each = said.chunk(1 + members, dim=1)
    return answer, torch.stack(each)


def _over_members(values_M: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
    return values_M.reshape(-1, *(1,) * (said.dim() - 1))


def _numbers(what: str, given: Sequence[float] | None, many: int) -> tuple[float, ...]:
    found = [1.0] * many if given is None else list(given)
    if len(found) != many or not all(isinstance(each, (int, float)) and 0 < each < 1e6 for each in found):
        raise UsageError(f"an ensemble needs {what} above 0 for each of {many} nets, got {found}", hint="or give none")
    return tuple(map(float, found))


def build_ensemble(
    options: Mapping[str, Any], *, num_classes: int, in_chans: int, img_size: tuple[int, int] | None
) -> Ensemble:
    """The ensemble that a checkpoint describes: members (name and options each), weights, space …; fresh weights.

    >>> two = {"members": [{"name": "mlp", "options": {"hidden": [4]}}] * 2}
    >>> len(build_ensemble(two, num_classes=3, in_chans=1, img_size=(8, 8)).nets)
    2
    """
    members = options.get("members")
    named = isinstance(members, list) and all(
        isinstance(each, dict) and isinstance(each.get("name"), str) and isinstance(each.get("options"), dict)
        for each in members
    )
    if not named or not members or len(members) > MOST or set(options) - FIELDS:
        raise UsageError(f"an ensemble has 1 to {MOST} members, each with name and options")
    if any(each["name"] == NAME for each in members):
        raise UsageError("an ensemble holds nets, and no other ensemble")
    nets = [
        create_model(each["name"], num_classes=num_classes, in_chans=in_chans, img_size=img_size, **each["options"])
        for each in members
    ]
    return Ensemble(
        nets, weights=options.get("weights"), temperatures=options.get("temperatures"),
        space=str(options.get("space", "")), answers=str(options.get("answers", "classes")),
        asks=str(options.get("asks", "")),
    )  # fmt: skip
