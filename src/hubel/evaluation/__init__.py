"""The bench that judges: predictions in, one frozen `Evaluation` out. It draws, prints and saves nothing."""

from hubel.evaluation.classification import Evaluation, Mistake, assess
from hubel.evaluation.curves import Verdict, diagnose_curves

__all__ = ["Evaluation", "Mistake", "Verdict", "assess", "diagnose_curves"]
