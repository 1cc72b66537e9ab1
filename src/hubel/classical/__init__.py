"""What needs no net: pixels, gradients and colours counted, and the classical learners on them."""

from hubel.classical.measuring import Samples, measure
from hubel.classical.results import Baseline, Tried

__all__ = ["Baseline", "Samples", "Tried", "measure"]
