"""What a forward pass changes, noted before a step so that it can be undone: statistics of norms, sums of the epoch.

A net has many small buffers. Their notes lie end to end, one tensor for each kind of number, so that whoever looks for
faults looks at one tensor; all are written by one call.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch


class Notes:
    """The values of `buffers`, and of `totals`, as they were when they were last taken down.

    >>> mean, count, totals = torch.zeros(2), torch.tensor(5), torch.zeros(3)
    >>> notes = Notes([mean, count], totals)
    >>> notes.take()
    >>> _ = mean.add_(1), count.add_(1), totals.add_(1)
    >>> notes.put_back()
    >>> mean.tolist(), count.item(), totals.tolist()
    ([0.0, 0.0], 5, [0.0, 0.0, 0.0])
    """

    def __init__(self, buffers: Sequence[torch.Tensor], totals: torch.Tensor) -> None:
        kinds: dict[torch.dtype, list[torch.Tensor]] = defaultdict(list)
        for buffer in buffers:
            kinds[buffer.dtype].append(buffer)
        self.buffers = [
            torch.zeros(sum(each.numel() for each in group), dtype=kind, device=group[0].device)
            for kind, group in kinds.items()
        ]
        """What was taken down of the buffers: one flat tensor for each kind of number."""
        places = [self._places(flat, group) for flat, group in zip(self.buffers, kinds.values(), strict=True)]
        self._now = [*(each for group in kinds.values() for each in group), totals]
        self._then = [*(place for group in places for place in group), totals.clone()]

    @staticmethod
    def _places(flat: torch.Tensor, group: list[torch.Tensor]) -> list[torch.Tensor]:
        """Views of `flat`, one behind the other, of the shapes of a group."""
        parts = flat.split([each.numel() for each in group])
        return [part.view(each.shape) for part, each in zip(parts, group, strict=True)]

    def take(self) -> None:
        """Take down the values as they are; what was taken before is overwritten."""
        torch._foreach_copy_(self._then, self._now)

    def put_back(self) -> None:
        """Give everything the value that was taken down last."""
        with torch.no_grad():
            torch._foreach_copy_(self._now, self._then)
