"""What a net said of its own training samples as it learnt: the mean of its log-probabilities over epochs.

A net learns what is regular first, and wrong labels by heart last (Arpit et al., ICML 2017). So it contradicts a wrong
label for many epochs, even where in the end it repeats it: the mean over them tells wrong labels from right ones
(Swayamdipta et al., Dataset Cartography, EMNLP 2020; Pleiss et al., the area under the margin, NeurIPS 2020). Of a
long training only the first half counts (SHARE), since labels are learnt by heart in the second, while the rates fall;
a short one (FIRST) counts whole. It costs no pass of its own: every step has the logits at hand, of the pictures as
they were augmented, before the update.

Letters: N samples of the manifest, B of a batch, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from hubel.checkpoint.dynamics import SEEN, SUMS

MOST_BYTES = 1 << 28
"""Of the sums, in memory and in every saved state. More samples times classes are not followed."""
SHARE = 0.5
"""Of the steps, the first that count;"""
FIRST = 8
"""and in any case so many epochs."""


class Dynamics:
    """Sums of log-probabilities N K, and how often each sample was seen.

    >>> dynamics = Dynamics(3, 2, epochs=18, steps_per_epoch=1)
    >>> for step, logits in ((0, [[0.0, 0.0]]), (8, [[2.0, 0.0]]), (9, [[9.0, 0.0]])):
    ...     dynamics.note(step, torch.tensor([1]), torch.tensor(logits))
    ...     dynamics.keep()
    >>> (dynamics.sums / dynamics.seen[:, None])[1].tolist()
    [-0.4100..., -1.4100...]
    """

    def __init__(
        self, samples: int, classes: int, *, epochs: int, steps_per_epoch: int, device: torch.device | str = "cpu"
    ) -> None:
        self.until = max(SHARE * epochs, FIRST) * steps_per_epoch
        """The step from which on nothing counts."""
        self.sums = torch.zeros(samples, classes, device=device)
        self.seen = torch.zeros(samples, device=device)
        self._noted: list[tuple[torch.Tensor, torch.Tensor]] = []

    @staticmethod
    def fits(samples: int, classes: int) -> bool:
        """Are the sums of so many samples and classes small enough to be held and saved?"""
        return 4 * samples * (classes + 1) <= MOST_BYTES

    def note(self, step: int, ids: torch.Tensor, logits: torch.Tensor) -> None:
        """What was said, B K, of the samples `ids` (B, rows of the manifest); counted once the step is made."""
        if step < self.until:
            self._noted.append((ids, torch.log_softmax(logits.detach().float(), dim=1)))

    def drop(self) -> None:
        """Forget what was noted since: the step is not made, or taken again in smaller parts."""
        self._noted.clear()

    def keep(self) -> None:
        """Count what was noted since."""
        for ids, said in self._noted:
            self.sums.index_add_(0, ids, said)
            self.seen.index_add_(0, ids, said.new_ones(len(ids)))
        self._noted.clear()

    def state(self) -> dict[str, torch.Tensor]:
        """The sums, by the names that they have in a saved state."""
        return {SUMS: self.sums, SEEN: self.seen}

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> bool:
        """Put sums back; False where the state has none of this shape, since what was seen before is then unknown."""
        sums, seen = tensors.get(SUMS), tensors.get(SEEN)
        if sums is None or seen is None or sums.shape != self.sums.shape or seen.shape != self.seen.shape:
            return False
        self.sums.copy_(sums)
        self.seen.copy_(seen)
        self._noted.clear()
        return True
