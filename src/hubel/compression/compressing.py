"""A net made small in rounds: pruned and trained, its values shared and trained, and each stage measured.

    epochs of pruning    at the beginning of each of the first two thirds the least weights go, and never come back
    epochs of sharing    a tenth of the learning rate; the weights of a cluster move as one
    last                 biases and norms are rounded to 16 bits

The training is the run's own: its recipe, data, augmentation and loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import nn

from hubel.assembly.prepare import Prepared
from hubel.assembly.wire import assemble
from hubel.checkpoint import Classifier, packed_size
from hubel.compression.keeping import said_of
from hubel.compression.pruning import Ranking, apply, share_in_round, weights_of
from hubel.compression.result import Stage
from hubel.compression.sharing import MOST_STEPS, Bits, Sharing, bits_for
from hubel.compression.sizing import Bytes, bytes_of, finest_within, share_within
from hubel.errors import ArtefactError
from hubel.evaluation.judge import answered
from hubel.events import EpochDone, StepDone
from hubel.metrics.intervals import wilson
from hubel.recipes.schema import Recipe
from hubel.training.loop import fit
from hubel.watching import Watcher
from hubel.words import percent

FEWEST = 6
"""Epochs, if nobody says otherwise and the run itself had fewer."""
SHARING = 0.2
"""Part of the epochs in which values are shared already."""
SLOWER = 0.1
"""Of the run's learning rate, for centroids."""
TIGHTER = 0.985
"""Of the bytes that are left, so that sharing may come out a little larger than it was foreseen."""


def usual_epochs(recipe: Recipe) -> int:
    """Half of those that the run had, and not fewer than six.

    >>> usual_epochs(Recipe()), usual_epochs(Recipe().change(epochs=30))
    (6, 15)
    """
    return max(FEWEST, (recipe.train.epochs or 1) // 2)


def divided(epochs: int) -> tuple[int, int]:
    """Epochs of pruning and of sharing.

    >>> divided(0), divided(1), divided(2), divided(10)
    ((0, 0), (1, 0), (1, 1), (8, 2))
    """
    sharing = 0 if epochs < 2 else max(1, round(SHARING * epochs))
    return epochs - sharing, sharing


@dataclass(kw_only=True)
class Compressing:
    """A net on its way."""

    classifier: Classifier
    """Whose net is changed in place."""
    prepared: Prepared
    device: torch.device
    bits: Bits
    settled: bool
    """Whether the bits were asked for; if not, they may be more where nothing needs to be pruned."""
    watch: Watcher
    stages: list[Stage] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.model: nn.Module = self.classifier.model.to(self.device)
        self.weights = weights_of(self.model)
        if not self.weights:
            raise ArtefactError(
                "this net has neither filters nor matrices that could be pruned", hint="it is small as it is"
            )

    def run(self, most: int, epochs: int) -> None:
        """Prune, share and train until the file has at most `most` bytes. Raises UsageError where none could."""
        self.tell("as trained", self.raw_bytes)
        pruning, sharing = divided(epochs)
        final = self.possible(most)
        self.prune(final, pruning, most)
        self.share(most, sharing)

    def packed(self) -> int:
        """Bytes of the file that would be written of the net as it is."""
        recipe = self.prepared.recipe.model_dump(mode="json")
        return packed_size(self.model.state_dict(), **said_of(self.classifier, recipe))

    @property
    def bits_used(self) -> tuple[int, ...]:
        """Bits of a weight: one number, or those of filters and of matrices."""
        return tuple(sorted({bits_for(weight, self.bits) for weight in self.weights.values()}, reverse=True))

    @property
    def raw_bytes(self) -> int:
        """Of all tensors as they are held."""
        return sum(each.numel() * each.element_size() for each in self.model.state_dict().values())

    @property
    def kept(self) -> float:
        """The share of weights that are not 0."""
        counts = [(int(weight.count_nonzero()), weight.numel()) for weight in self.weights.values()]
        return sum(present for present, _ in counts) / sum(total for _, total in counts)

    def measured(self) -> Bytes:
        """Of the weights as they are."""
        return bytes_of(self.weights, self.bits, steps=MOST_STEPS)

    @property
    def rest(self) -> int:
        """Bytes of the file besides filters and matrices: names, classes, biases, norms."""
        held = {name: weight.detach().clone() for name, weight in self.weights.items()}
        with torch.no_grad():
            for weight in self.weights.values():
                weight.zero_()
            bare = self.packed()
            for name, weight in self.weights.items():
                weight.copy_(held[name])
        return bare

    def possible(self, most: int, *, steps: int = 8) -> float:
        """The share of weights that may stay; raises UsageError where next to none could."""
        left = int(TIGHTER * (most - self.rest))
        return share_within(Ranking(self.weights), self.weights, self.bits, left, steps=steps)

    def tell(self, name: str, size: int) -> None:
        """Measure the net on the validation samples, and note it."""
        rows = self.prepared.splits.val
        net = replace(self.classifier, model=self.model)
        logits = answered(net, self.prepared.decoded, rows, self.device).logits
        right = int((np.argmax(logits, axis=1) == self.prepared.manifest.labels[rows]).sum())
        self.stages.append(
            Stage(
                name=name, kept=self.kept, bytes=size, accuracy=right / len(rows), interval=wilson(right, len(rows))
            )
        )  # fmt: skip

    def prune(self, final: float, epochs: int, most: int) -> None:
        """In rounds, with training; the last round is foreseen anew, from the weights as they are by then."""
        rest = self.rest
        if final >= self.kept:
            self.widen(most, rest)
            return
        rounds = max(1, -(-2 * epochs // 3))
        masks: dict[str, torch.Tensor] = {}

        def narrow(epoch: int) -> None:
            nonlocal masks
            if epoch >= rounds:
                return
            last = epoch + 1 == rounds
            share = self.possible(most) if last else share_in_round(epoch + 1, rounds, final)
            masks = Ranking(self.weights).keep(share)
            apply(self.weights, masks)
            self.watch.stage(f"pruning: {percent(self.kept, 1)} of the weights stay")

        def closed(epoch: int) -> None:
            self.tell(f"pruned, epoch {epoch + 1}", rest + self.measured().pruned)

        if not epochs:
            narrow(rounds - 1)
            self.tell("pruned", rest + self.measured().pruned)
            return
        self.train(epochs, 1.0, before=narrow, each=lambda: apply(self.weights, masks), after=closed)

    def widen(self, most: int, rest: int) -> None:
        """Nothing needs to be pruned: as many values as the bytes are enough for, and what comes of it said."""
        if not self.settled:
            self.bits = finest_within(self.weights, self.bits, int(TIGHTER * (most - rest)))
        times = self.raw_bytes / (rest + self.measured().coded)
        named = " and ".join(map(str, self.bits_used))
        gone = f", and {percent(1 - self.kept, 0)} of the weights are 0 as it is" if self.kept < 0.99 else ""
        self.watch.remark(
            f"sharing values ({named} bits) makes it about {times:.0f} times smaller{gone}: enough for what was asked, "
            "and nothing is pruned"
        )

    def share(self, most: int, epochs: int) -> None:
        """Values shared, so few weights that the file is small enough, and trained on."""
        self.watch.stage("sharing values")
        held = {name: weight.detach().clone() for name, weight in self.weights.items()}
        rest = self.rest
        self.round_rest()
        tied = Sharing(self.weights, self.bits)
        share = self.kept
        while self.packed() > most:
            share *= min(0.99, most / self.packed())
            with torch.no_grad():
                for name, weight in self.weights.items():
                    weight.copy_(held[name])
            apply(self.weights, Ranking(self.weights).keep(share))
            tied = Sharing(self.weights, self.bits)
        self.tell("values shared", rest + self.measured().shared)
        if epochs:
            self.train(epochs, SLOWER, before=lambda epoch: None, each=tied.tie, after=lambda epoch: None)
            self.round_rest()
            self.tell("values trained", rest + self.measured().shared)
        self.tell("in Huffman's code", self.packed())

    def round_rest(self) -> None:
        """Biases and norms as 16 bits, where none is larger than these hold."""
        with torch.no_grad():
            for name, tensor in self.model.state_dict().items():
                if name in self.weights or tensor.dtype != torch.float32:
                    continue
                half = tensor.half().float()
                if bool(((half - tensor).abs() <= 2.0**-11 * tensor.abs() + 2.0**-24).all()):
                    tensor.copy_(half)

    def train(
        self,
        epochs: int,
        rate: float,
        *,
        before: Callable[[int], None],
        each: Callable[[], None],
        after: Callable[[int], None],
    ) -> None:
        """Train as the run was trained: `before` an epoch, after `each` step and `after` an epoch something is done."""
        recipe = self.prepared.recipe
        assert recipe.optimizer.lr is not None
        settings = {
            "epochs": epochs, "time": None, "target": None, "patience": None, "ema": 0.0, "compile": False,
            "warmup_epochs": 0.0, "lr": rate * recipe.optimizer.lr, "vitals": False,
        }  # fmt: skip
        training = assemble(recipe.change(**settings), self.prepared, self.model)
        before(0)
        done = 0
        for event in fit(training):
            if isinstance(event, StepDone):
                each()
                done += 1
                self.watch.progress(done, epochs * training.steps_per_epoch)
            elif isinstance(event, EpochDone):
                self.model.eval()
                after(event.epoch)
                if event.epoch + 1 < epochs:
                    before(event.epoch + 1)
        self.model.eval()
