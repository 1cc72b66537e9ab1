"""Generated cases: few distinct scores so that ties are common, classes that never occur, one class only."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st


@st.composite
def logits_and_labels(draw: st.DrawFn, *, min_samples: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """N K float32 logits and N labels, N from `min_samples` to 24, K from 1 to 7."""
    K = draw(st.integers(1, 7))
    N = draw(st.integers(min_samples, 24))
    scores = draw(st.lists(st.integers(-3, 3), min_size=N * K, max_size=N * K))
    labels = draw(st.lists(st.integers(0, K - 1), min_size=N, max_size=N))
    scale = draw(st.sampled_from([0.5, 1.0, 7.3]))
    logits = np.array(scores, dtype=np.float32).reshape(N, K) * np.float32(scale)
    return logits, np.array(labels, dtype=np.int64)
