"""Steps that come one after the other: what a detector says of each, and the moving average of its series."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hubel.anomalies.steps import StepDetector
from hubel.anomalies.streaming import Stream
from hubel.data.series_growing import NewSteps


@dataclass
class StepStream:
    """What a detector says of new steps; of each series moving averages over `window` scores."""

    detector: StepDetector
    window: int = 10
    _passing: dict[str, Stream] = field(default_factory=dict)

    def restart(self) -> None:
        """All series begin again."""
        self._passing.clear()

    def add(self, new: NewSteps) -> list[tuple[str, dict[str, Any]]]:
        """(in words, as plain data) of each new step."""
        judged = self.detector.judge(new.values)
        if new.series not in self._passing:
            usual = self.detector.usual_scores
            self._passing[new.series] = Stream(
                usual if len(usual) else np.zeros(1), window=self.window, rate=self.detector.rate
            )
        passing, found = self._passing[new.series], []
        for row in range(new.first, new.values.shape[1]):
            scores = {name: float(each[row]) for name, each in judged.items()}
            first = scores[self.detector.methods[0]]
            plain: dict[str, Any] = {"scores": {k: None if np.isnan(v) else v for k, v in scores.items()}}
            if np.isnan(first):
                found.append(("not judged: too few steps or numbers before it", {"score": None} | plain))
                continue
            now = passing.add(first)
            plain |= {"score": first, "strange": now.strange, "mean": now.mean, "recent": now.recent}
            plain |= {"drifting": now.drifting}
            words = f"{first:>7.2f}  mean {now.mean:>6.2f}  {'STRANGE' if now.strange else 'normal':<8}"
            found.append((words + (" drifting" if now.drifting else ""), plain))
        return found
