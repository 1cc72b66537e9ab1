"""How familiar a picture is, as a graph: what `hubel.checkpoint.trust.Trust.familiarity` computes, node by node.

All of it is in float64. Letters: N pictures, K classes, F features, D directions, M in the bank, Q quantiles.
"""

from __future__ import annotations

import numpy as np

from hubel.checkpoint.trust import CALM, CLIPPED, Trust
from hubel.deploy.onnx_graph import DOUBLE, FLOAT, Nodes
from hubel.metrics.strangeness import NEAREST, OF_FEATURES

FAMILIARITY = "familiarity"
"""What comes out second, N float32: the share of familiar pictures that are at least as strange as this one."""


def familiarity(nodes: Nodes, logits: str, features: str | None, trust: Trust) -> str:
    """Nodes for N logits (before the temperature) and features, as the net gives them; the name of their output."""
    n = nodes
    scores = strangeness(n, n("Cast", logits, to=DOUBLE), features, trust)
    parts = []
    for name, (middle, scale) in trust.scores.items():
        part = n("Div", n("Sub", scores[name], n.number(middle)), n.number(scale))
        part = n("Clip", part, n.number(-CLIPPED), n.number(CLIPPED))
        parts.append(n("Where", n("Greater", part, n.number(0)), part, n("Mul", part, n.number(CALM))))
    mean = n("Div", parts[0] if len(parts) == 1 else n("Sum", *parts), n.number(len(parts)))
    below = n("Less", n.number(trust.usual[None]), n("Unsqueeze", mean, n.number([1], np.int64)))
    share = n("ReduceMean", n("Cast", below, to=DOUBLE), n.number([1], np.int64), keepdims=0)
    return n.last("Cast", n("Sub", n.number(1), share), output=FAMILIARITY, to=FLOAT)


def strangeness(nodes: Nodes, logits: str, features: str | None, trust: Trust) -> dict[str, str]:
    """The scores that a mixture takes, by name: `hubel.metrics.strangeness.strangeness`."""
    n, found = nodes, {}
    rows = n.number([1], np.int64)
    largest = n("ReduceMax", logits, rows, keepdims=0)
    energy = n("Neg", n("ReduceLogSumExp", logits, rows, keepdims=0))
    found["softmax"] = n("Sub", n.number(1), n("Exp", n("Add", largest, energy)))
    found["max-logit"] = n("Neg", largest)
    found["energy"] = energy
    if features is None or not any(name in OF_FEATURES for name in trust.scores):
        return found
    seen = trust.familiar
    assert seen is not None
    wide = n("Cast", features, to=DOUBLE)
    centred = n("Sub", wide, n.number(seen.origin))
    flat = n("MatMul", centred, n.number(seen.basis))
    if "mahalanobis" in trust.scores:
        means = seen.means[~np.isnan(seen.means).any(axis=1)]
        apart = squared(n, n("MatMul", flat, n.number(seen.white)), means)
        found["mahalanobis"] = n("Sqrt", n("ReduceMin", apart, rows, keepdims=0))
    if "neighbours" in trust.scores:
        lengths = n("Max", n("Sqrt", n("ReduceSumSquare", wide, rows, keepdims=1)), n.number(1e-12))
        apart = squared(n, n("Div", flat, lengths), seen.bank)
        nearest = min(NEAREST, len(seen.bank))
        near = n("TopK", apart, n.number([nearest], np.int64), outputs=2, axis=1, largest=0, sorted=1)
        found["neighbours"] = n("Sqrt", n("Gather", near, n.number(nearest - 1, np.int64), axis=1))
    if "residual" in trust.scores:
        whole, kept = (n("ReduceSumSquare", each, rows, keepdims=0) for each in (centred, flat))
        outside = n("Sqrt", n("Max", n("Sub", whole, kept), n.number(0)))
        found["residual"] = n("Add", n("Mul", n.number(seen.outside), outside), energy)
    return found


def squared(nodes: Nodes, rows: str, others: np.ndarray) -> str:
    """N M squared distances of rows N D from others M D."""
    n = nodes
    own = n("ReduceSumSquare", rows, n.number([1], np.int64), keepdims=1)
    mixed = n("MatMul", rows, n.number(-2 * others.T))
    return n("Max", n("Add", n("Add", own, mixed), n.number((others**2).sum(axis=1))), n.number(0))
